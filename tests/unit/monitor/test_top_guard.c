/* What the live screen notices of its terminal. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "guard.h"

/* Without SIGHUP: it is nobody's controlling terminal. */
static void a_terminal_that_is_gone_is_noticed(void **unused)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), kept = dup(STDIN_FILENO);

	(void)unused;
	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(terminal >= 0);
	assert_int_equal(dup2(terminal, STDIN_FILENO), STDIN_FILENO);
	close(terminal);
	bool before = guard_abandoned();
	assert_int_equal(write(master, "q", 1), 1);
	bool typed = guard_abandoned();
	close(master);
	bool after = guard_abandoned();
	assert_int_equal(dup2(kept, STDIN_FILENO), STDIN_FILENO);
	close(kept);
	assert_false(before);
	assert_false(typed);
	assert_true(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_terminal_that_is_gone_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
