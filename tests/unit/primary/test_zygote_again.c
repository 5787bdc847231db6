/* After the death of the zygote and its spare there is another one, against a fake data path and real processes. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "restart_rig.h"

/* As if EAL had been asked for the pages of the belts, which a fake zygote has no need of. */
static void know_the_pages(void)
{
	struct zygote_client *z = &rig.primary->supervisor->zygote;

	z->args.pages_fd = memfd_create("pages", MFD_CLOEXEC);
	assert_true(z->args.pages_fd >= 0);
}

/* Kills both; the spare cannot be made again, so that none is there for sure. */
static void kill_both(void)
{
	struct zygote_client *z = &rig.primary->supervisor->zygote;

	atomic_store(&fake.shared->spare_fails, 1);
	kill(z->spare.pid, SIGKILL);
	wait_until(z->spare.fd < 0);
	kill(z->current.pid, SIGKILL);
	wait_until(z->current.fd < 0);
	atomic_store(&fake.shared->spare_fails, 0);
}

static void after_the_death_of_both_there_is_another_zygote(void **unused)
{
	struct zygote_client *z = &rig.primary->supervisor->zygote;
	pid_t pid = rig_pid(0);

	(void)unused;
	know_the_pages();
	for (uint32_t round = 0; round < 3; round++) {
		pid_t worker = rig_pid(1), dead[2] = { z->current.pid, z->spare.pid };

		for (uint32_t i = 0; i < 2; i++)
			kill(dead[i], SIGKILL);
		kill(worker, SIGKILL);
		if (round == 0) { /* at once; the next ones have to wait a moment */
			wait_until(z->deaths >= 2);
			assert_true(z->current.fd >= 0);
		}
		wait_until(is_gone(worker) && rig_settled() && z->current.ready && z->spare.ready);
		assert_true(z->again && z->deaths >= 2 * (round + 1));
		assert_true(z->current.pid != dead[0] && z->current.pid != dead[1]);
		assert_true(is_gone(dead[0]) && is_gone(dead[1]));
		assert_true(rig_shares_are_right());
	}
	assert_int_equal(rig_pid(0), pid); /* whoever lives is not touched */
	assert_int_equal(rig_worker(0)->crashes, 0);
	assert_int_equal(rig_begin("game", NULL), 0);
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
}

/* One that cannot attach is tried again, after a pause, and does not stand in the way of a better one. */
static void another_zygote_that_fails_is_tried_again(void **unused)
{
	struct zygote_client *z = &rig.primary->supervisor->zygote;

	(void)unused;
	know_the_pages();
	setenv("FAKE_ZYGOTE_FAILS", "1", 1);
	kill_both();
	uint32_t deaths = z->deaths;
	wait_until(z->deaths >= deaths + 2);
	unsetenv("FAKE_ZYGOTE_FAILS");
	kill(rig_pid(1), SIGKILL);
	wait_until(rig_worker(1)->crashes == 1 && rig_settled() && z->spare.ready);
	assert_true(rig_shares_are_right());
}

#define claim(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		claim(after_the_death_of_both_there_is_another_zygote),
		claim(another_zygote_that_fails_is_tried_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
