/* Claims about what is done to a process, tried in a child. Include once per program. */
#ifndef BATON_TEST_CONFINE_RIG_H
#define BATON_TEST_CONFINE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "confine.h"

#define PAGE 4096u

/* Runs fn in a child; its result is the exit code, 0: as it should be, else the line that was not. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#define EXPECT(truth) do { if (!(truth)) return __LINE__ % 255 + 1; } while (0)

#endif
