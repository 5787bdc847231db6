/* Verify mode in the worker's loop, as a debug build has it: the same outcome, each call twice, and an end that shows.
 * */
#define _GNU_SOURCE
#ifndef BATON_DEBUG
#define BATON_DEBUG
#endif
#include "../../../workers/runtime/loop.c" /* the loop of a debug build, whatever this one is */
#include "../../../workers/runtime/control_loop.c"

#include "loop_rig.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void start_verified(void)
{
	assert_int_equal(loop_verify_start(&loop), 0);
}

static int end_verified(void **state)
{
	verify_destroy(loop.verify);
	loop.verify = NULL;
	return tear_down(state);
}

static void every_call_is_run_twice_and_counts_once(void **state)
{
	(void)state;
	start_verified();
	offer_buckets(0, BELT_GRANT, UINT64_MAX);
	for (uint64_t i = 0; i < 500; i++) {
		offer_request(i % BELTS, i % 7, i % 5 == 0 ? TOO_MUCH : COUNT);
		if (i % 97 == 0)
			run();
	}
	run();
	offer_tick(0, 15, 0, 1);
	run();
	assert_int_equal(packets_seen, 1000);
	uint64_t sum = 0;
	for (uint32_t key = 0; key < 7; key++)
		sum += read_record(key, key).count;
	assert_int_equal(sum, 400);
	for (uint32_t bucket = 0; bucket < BUCKETS; bucket++) {
		struct record record = read_record(bucket, bucket);
		assert_int_equal(record.numbers, 5); /* tick 15, once */
		assert_int_equal(record.last_time, TICK_15);
	}
	assert_int_equal(journal_used(), 0);
}

/* Runs one request in a child. Returns its wait status; what it logged stands in text. */
static int run_in_child(enum what what, char text[1200])
{
	int out[2], status;

	assert_int_equal(pipe(out), 0);
	offer_request(0, 5, what);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(out[1], 2);
		run();
		_exit(0);
	}
	close(out[1]);
	ssize_t n = 0, more;
	while ((more = read(out[0], text + n, 1199 - (size_t)n)) > 0)
		n += more;
	text[n] = 0;
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void a_finding_is_logged_and_aborts(void **state)
{
	char text[1200];

	(void)state;
	start_verified();
	int status = run_in_child(TOO_LONG, text);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "verify: plugin test version 1: answers with 25 bytes, longer than the request"));
	assert_non_null(strstr(text, "entry: packet at position 0, bucket 5, key 05 00 00 00 00 00 00 00, 24 bytes: 05 "
		"00"));
	/* nothing of the entry is settled: the next worker gets it */
	assert_int_equal(atomic_load(&primary[0].commit->done), 0);
}

static void a_sound_call_does_not(void **state)
{
	char text[1200];

	(void)state;
	start_verified();
	assert_int_equal(run_in_child(COUNT, text), 0);
	assert_string_equal(text, "");
	assert_int_equal(atomic_load(&primary[0].commit->done), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_call_is_run_twice_and_counts_once, set_up, end_verified),
		cmocka_unit_test_setup_teardown(a_finding_is_logged_and_aborts, set_up, end_verified),
		cmocka_unit_test_setup_teardown(a_sound_call_does_not, set_up, end_verified),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
