/* The supervisor against a fake data path and real processes: starts, deaths, the directory, the end. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "restart_rig.h"

/* ---- starting ---- */

static void workers_share_the_buckets_evenly(void **unused)
{
	(void)unused;
	assert_true(rig_shares_are_right());
	assert_int_equal(datapath_owned(NULL, rig_worker(0)->slot), FAKE_SERVICES * FAKE_BUCKETS / RIG_WORKERS);
	assert_int_not_equal(rig_pid(0), rig_pid(1));
	assert_string_equal(rig_worker(0)->name, "game.0");
	assert_string_equal(rig_slot(rig_worker(1)->slot)->ready.version, "1");
}

static void the_directory_says_what_runs(void **unused)
{
	struct stats_worker entry;

	(void)unused;
	for (uint32_t i = 0; i < RIG_WORKERS; i++) {
		assert_int_equal(stats_worker_read(&rig.primary->stats, rig_worker(i)->slot, &entry), 0);
		assert_int_equal(entry.state, WORKER_ACTIVE);
		assert_int_equal(entry.pid, rig_pid(i));
		assert_int_equal(entry.buckets, FAKE_SERVICES * FAKE_BUCKETS / RIG_WORKERS);
		assert_string_equal(entry.name, rig_worker(i)->name);
		assert_string_equal(entry.group, "game");
		assert_string_equal(entry.version, "1");
		assert_int_equal(strlen(entry.build_id), 40);
		assert_int_equal(entry.incarnation,
				 state_control(&rig.primary->state, rig_worker(i)->slot)->incarnation);
	}
	assert_int_equal(stats_worker_read(&rig.primary->stats, RIG_SLOTS - 1, &entry), 0);
	assert_int_equal(entry.state, WORKER_NONE);
	assert_int_equal(entry.pid, 0);
}

static void too_few_slots_are_refused_at_start(void **unused)
{
	(void)unused;
	assert_int_equal(rig_prepare(), 0);
	rig.primary->config.worker_slots = RIG_WORKERS;
	assert_int_equal(supervisor_init(rig.primary), -EINVAL);
	assert_null(rig.primary->supervisor);
	rig_end(NULL);
}

static void a_zygote_that_fails_is_an_error_not_a_wait(void **unused)
{
	(void)unused;
	assert_int_equal(rig_prepare(), 0);
	setenv("FAKE_ZYGOTE_FAILS", "1", 1);
	assert_int_equal(supervisor_init(rig.primary), -EPROTO);
	unsetenv("FAKE_ZYGOTE_FAILS");
	setenv("FAKE_ZYGOTE_DIES", "1", 1);
	assert_int_equal(supervisor_init(rig.primary), -EPIPE);
	unsetenv("FAKE_ZYGOTE_DIES");
	setenv("BATON_ZYGOTE", "/nonexistent/baton-zygote", 1);
	assert_int_equal(supervisor_init(rig.primary), -ENOENT);
	assert_null(rig.primary->supervisor);
	rig_end(NULL);
}

/* ---- death ---- */

static void a_killed_worker_is_replaced_and_its_buckets_follow(void **unused)
{
	pid_t before = rig_pid(0), other = rig_pid(1);

	(void)unused;
	for (uint32_t round = 1; round <= 20; round++) {
		pid_t pid = rig_pid(0);
		assert_int_equal(kill(pid, SIGKILL), 0);
		wait_until(rig_worker(0)->crashes == round && rig_settled());
		assert_int_not_equal(rig_pid(0), pid);
		assert_true(is_gone(pid));
		assert_true(rig_shares_are_right());
		rig_worker(0)->backoff_ns = 0; /* this test is not about patience */
	}
	assert_int_not_equal(rig_pid(0), before);
	assert_int_equal(rig_pid(1), other);
	assert_int_equal(rig_worker(1)->crashes, 0);
}

static void all_workers_may_die_at_once(void **unused)
{
	(void)unused;
	for (uint32_t round = 1; round <= 5; round++) {
		for (uint32_t i = 0; i < RIG_WORKERS; i++)
			assert_int_equal(kill(rig_pid(i), SIGKILL), 0);
		wait_until(rig_worker(0)->crashes == round && rig_worker(1)->crashes == round && rig_settled());
		assert_true(rig_shares_are_right());
	}
}

static void a_replacement_that_dies_before_it_owns_anything_is_replaced_too(void **unused)
{
	pid_t first = rig_pid(0);

	(void)unused;
	fake.hold_moves = true;
	kill(first, SIGKILL);
	wait_until(rig_worker(0)->transfer.id > 0);
	pid_t second = rig_pid(0);
	kill(second, SIGKILL);
	wait_until(rig_worker(0)->crashes == 2);
	fake.hold_moves = false;
	wait_until(rig_settled());
	assert_true(rig_shares_are_right());
	assert_true(is_gone(first) && is_gone(second));
}

static void failing_starts_back_off_and_recover(void **unused)
{
	json_t *status;

	(void)unused;
	rig_plugin("game.so", "crash");
	kill(rig_pid(1), SIGKILL);
	wait_until(rig_worker(1)->failed_starts >= 4);
	assert_true(rig_worker(1)->backoff_ns >= 8 * rig.primary->config.group[0].restart_delay_ns);
	status = status_build(rig.primary);
	assert_string_equal(json_string_value(json_object_get(status, "verdict")), "critical");
	json_decref(status);
	assert_non_null(strstr(rig_worker(1)->trouble, "signal 11"));
	assert_int_equal(rig_worker(1)->crashes, 1);
	rig_plugin("game.so", "ok 1");
	wait_until(rig_settled());
	assert_true(rig_shares_are_right());
	assert_int_equal(rig_worker(1)->failed_starts, 0);
	status = status_build(rig.primary);
	assert_string_equal(json_string_value(json_object_get(status, "verdict")), "ok");
	json_decref(status);
}

static void back_off_doubles_to_a_second(void **unused)
{
	struct worker *w = rig_worker(0);
	uint64_t last = 0, most = rig.primary->config.group[0].restart_delay_most_ns;

	(void)unused;
	rig_plugin("game.so", "exit");
	kill(rig_pid(0), SIGKILL);
	wait_until(w->failed_starts == 1);
	for (uint32_t i = 0; i < 9; i++) {
		uint32_t starts = w->failed_starts;
		assert_true(w->backoff_ns == 2 * last || w->backoff_ns == most || last == 0);
		last = w->backoff_ns;
		w->next_start_ns = 0;
		wait_until(w->failed_starts == starts + 1);
	}
	assert_int_equal(w->backoff_ns, most);
}

static void workers_that_die_are_replaced_at_once_when_the_pause_is_off(void **unused)
{
	uint64_t deaths = stats_main(&rig.primary->stats)->deaths;

	(void)unused;
	rig.primary->config.group[0].restart_delay_most_ns = 0;
	for (uint32_t i = 0; i < 5; i++) {
		pid_t old = rig_pid(0);
		kill(old, SIGKILL);
		wait_until(rig_worker(0)->crashes == i + 1);
		assert_true(rig_worker(0)->next_start_ns <= process_now_ns());
		wait_until(rig_settled());
	}
	assert_int_equal(stats_main(&rig.primary->stats)->deaths - deaths, 5);
}

static void a_fenced_worker_is_killed_and_replaced(void **unused)
{
	pid_t pid = rig_pid(1);

	(void)unused;
	fake.fence = rig_worker(1)->slot;
	wait_until(rig_worker(1)->crashes == 1 && rig_settled());
	assert_true(is_gone(pid));
	assert_int_equal(rig.primary->supervisor->fences, 1);
	assert_true(rig_shares_are_right());
}

/* Its socket, as if the worker had written a thousand lines at once: the first hundred are logged, and ten a second. */
static void a_worker_that_never_stops_talking_is_cut_short(void **unused)
{
	uint32_t slot = rig_worker(0)->slot;
	int fd[2];

	(void)unused;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	assert_true(dup2(fd[0], rig_slot(slot)->socket) >= 0);
	close(fd[0]);
	uint64_t began = process_now_ns();
	rig_slot(slot)->log_ns = began;
	rig_slot(slot)->log_spent = 0;
	for (int i = 0; i < 1000; i++) {
		fake_say(fd[1], WORKER_LOG, "and another thing");
		assert_true(slot_hear(rig.primary->supervisor, slot));
	}
	uint64_t spent = (process_now_ns() - began) / 100000000u + 1;
	/* On a machine that sleeps meanwhile one of them is logged, and the count begins anew. */
	assert_in_range(rig_slot(slot)->log_left_out, spent == 1 ? 900 : 0, 900);
	assert_in_range(rig_slot(slot)->log_spent, 1, 100);
	close(fd[1]);
}

static void a_worker_that_talks_garbage_is_fenced(void **unused)
{
	pid_t pid = rig_pid(0);
	int fd[2];

	(void)unused;
	/* Its socket, as if the worker had sent bytes of its own on it. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	assert_int_equal(send(fd[1], "garbage", 7, 0), 7);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	assert_true(dup2(fd[0], rig_slot(rig_worker(0)->slot)->socket) >= 0);
	close(fd[0]);
	slot_hear(rig.primary->supervisor, rig_worker(0)->slot);
	wait_until(rig_worker(0)->crashes == 1 && rig_settled());
	close(fd[1]);
	assert_true(is_gone(pid));
	assert_int_equal(rig.primary->supervisor->fenced_for[FENCE_MESSAGE], 1);
}

/* Words that a worker says at most once, while it starts: from then on a plugin that found the socket has said them. */
static void a_worker_that_says_again_what_is_said_once_is_fenced(void **unused)
{
	static const uint32_t kinds[] = {WORKER_HELLO, WORKER_READY, WORKER_REFUSED, ZYGOTE_SPAWN, 4711};

	(void)unused;
	for (uint32_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct zygote_message message = {.magic = ZYGOTE_MAGIC, .abi = BATON_ABI, .kind = kinds[i]};
		pid_t pid = rig_pid(0);
		int fd[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
		for (int k = 0; k < 20; k++)
			assert_int_equal(send(fd[1], &message, sizeof(message), 0), sizeof(message));
		assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
		assert_true(dup2(fd[0], rig_slot(rig_worker(0)->slot)->socket) >= 0);
		close(fd[0]);
		slot_hear(rig.primary->supervisor, rig_worker(0)->slot);
		assert_int_equal(rig.primary->supervisor->fences, i + 1);
		wait_until(rig_worker(0)->crashes == i + 1 && rig_settled());
		close(fd[1]);
		assert_true(is_gone(pid));
		assert_int_equal(rig.primary->supervisor->fenced_for[FENCE_MESSAGE], i + 1);
		assert_int_equal(rig.primary->supervisor->fences, i + 1);
	}
}

/* ---- the end ---- */

static void the_end_leaves_no_process(void **unused)
{
	pid_t pid[4] = { rig_pid(0), rig_pid(1), rig.primary->supervisor->zygote.current.pid,
			 rig.primary->supervisor->zygote.spare.pid };

	(void)unused;
	supervisor_fini(rig.primary);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(is_gone(pid[i]));
	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		assert_true(fake.slot[i].stops == fake.slot[i].attaches);
}

static void the_end_does_not_wait_for_the_deaf_for_ever(void **unused)
{
	pid_t pid[2];

	(void)unused;
	rig_plugin("game.so", "stubborn");
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->crashes == 1 && rig_settled());
	rig_plugin("game.so", "mute");
	kill(rig_pid(1), SIGKILL);
	wait_until(rig_worker(1)->crashes == 1 && rig_worker(1)->slot != SLOT_NONE);
	pid[0] = rig_pid(0);
	pid[1] = rig.primary->supervisor->zygote.current.pid;
	supervisor_fini(rig.primary);
	assert_true(is_gone(pid[0]) && is_gone(pid[1]));
	/* Nobody ever heard of the mute one; rig_end() sees that it is gone too. */
}

/* Stopped before its first word. Its zygote has nothing to do with that, and its slot is needed again. */
static void a_worker_that_never_speaks_is_ended_and_the_zygote_lives(void **unused)
{
	pid_t zygote = rig.primary->supervisor->zygote.current.pid;

	(void)unused;
	rig.primary->config.start_timeout_ns = 50000000;
	rig_plugin("game.so", "silent");
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->failed_starts >= 3);
	assert_string_equal(rig_worker(0)->trouble, "not ready within start_timeout (0.050 s): does its init block?");
	rig.primary->config.start_timeout_ns = 20000000000ull;
	rig_plugin("game.so", "ok 1");
	wait_until(rig_settled());
	assert_true(rig_shares_are_right());
	assert_int_equal(rig.primary->supervisor->zygote.current.pid, zygote);
}

#define claim(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		claim(workers_share_the_buckets_evenly),
		claim(the_directory_says_what_runs),
		cmocka_unit_test(too_few_slots_are_refused_at_start),
		cmocka_unit_test(a_zygote_that_fails_is_an_error_not_a_wait),
		claim(a_killed_worker_is_replaced_and_its_buckets_follow),
		claim(all_workers_may_die_at_once),
		claim(a_replacement_that_dies_before_it_owns_anything_is_replaced_too),
		claim(failing_starts_back_off_and_recover),
		claim(back_off_doubles_to_a_second),
		claim(a_worker_that_never_speaks_is_ended_and_the_zygote_lives),
		claim(workers_that_die_are_replaced_at_once_when_the_pause_is_off),
		claim(a_fenced_worker_is_killed_and_replaced),
		claim(a_worker_that_never_stops_talking_is_cut_short),
		claim(a_worker_that_talks_garbage_is_fenced),
		claim(a_worker_that_says_again_what_is_said_once_is_fenced),
		claim(the_end_leaves_no_process),
		claim(the_end_does_not_wait_for_the_deaf_for_ever),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
