/* A worker under a debugger: what it keeps, what is refused, that it may stand still, and how that ends. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "scale_rig.h"

static const char end_first[] = "game.1 is being debugged: `batonctl worker debug game.1 --end` first";

static int begin_debug(const char *target, const char *buckets)
{
	rig_forget();
	return debug_begin(rig.primary->supervisor, target, buckets, NULL, rig_done, 7, rig_why, sizeof(rig_why));
}

static void debug_worker(const char *buckets)
{
	assert_int_equal(begin_debug("game.1", buckets), 0);
	done_well();
	assert_true(rig_worker(named("game.1"))->debugged);
}

static void end_debug(void)
{
	rig_forget();
	assert_int_equal(debug_end(rig.primary->supervisor, "game.1", rig_done, 7, rig_why, sizeof(rig_why)), 0);
	done_well();
}

static bool keeps(const char *name, uint32_t bucket)
{
	return fake.owner[0][bucket] == rig_worker(named(name))->slot;
}

static void a_debugged_worker_keeps_what_was_chosen(void **unused)
{
	pid_t pid = rig_pid(1);
	struct stats_worker entry;

	(void)unused;
	debug_worker("1,3-4"); /* 4 is another worker's so far */
	assert_int_equal(owns("game.1", 0), 3);
	assert_true(keeps("game.1", 1) && keeps("game.1", 3) && keeps("game.1", 4));
	assert_int_equal(owns("game.0", 0), FAKE_BUCKETS - 3);
	assert_int_equal(rig_pid(1), pid);
	assert_string_equal(text(rig.reply, "kept"), "1,3-4");
	assert_non_null(strstr(text(rig.reply, "gdb"), "gdb -p "));
	assert_int_equal(atoi(text(rig.reply, "gdb") + strlen("gdb -p ")), pid);
	assert_int_equal(stats_worker_read(&rig.primary->stats, rig_worker(1)->slot, &entry), 0);
	assert_int_equal(entry.debug, 1);
	end_debug();
	check_owners(true);
	assert_int_equal(rig_pid(1), pid);
	assert_false(rig_worker(1)->debugged);
	assert_int_equal(stats_worker_read(&rig.primary->stats, rig_worker(1)->slot, &entry), 0);
	assert_int_equal(entry.debug, 0);
}

static void without_a_choice_it_keeps_its_first_bucket(void **unused)
{
	(void)unused;
	debug_worker(NULL);
	assert_int_equal(owns("game.1", 0), 1);
	assert_true(keeps("game.1", 1));
}

static void the_others_are_scaled_without_it(void **unused)
{
	(void)unused;
	debug_worker("1");
	start_worker_of("game");
	assert_int_equal(owns("game.1", 0), 1);
	assert_in_range(owns("game.2", 0), 31, 32);
	assert_int_equal(owns("game.0", 0) + owns("game.2", 0), FAKE_BUCKETS - 1);
	drain_worker("game.0", true);
	assert_int_equal(owns("game.1", 0), 1);
	assert_int_equal(begin_buckets("5-9", "game.2"), 0);
	done_well();
	restart("game.2", NULL);
	assert_true(rig_ok());
	assert_int_equal(owns("game.1", 0), 1);
}

static void refused(int rc, int want, const char *words)
{
	assert_int_equal(rc, want);
	assert_non_null(strstr(rig_why, words));
}

static void what_cannot_be_asked_of_it_is_refused(void **unused)
{
	struct supervisor *sup = rig.primary->supervisor;

	(void)unused;
	refused(begin_debug("game.7", NULL), -ENOENT, "no worker 'game.7': workers are game.0, game.1");
	refused(begin_debug("game.1", "64"), -EINVAL, "there is no such bucket");
	debug_worker("1");
	refused(begin_debug("game.1", NULL), -EBUSY, end_first);
	refused(begin_debug("game.0", NULL), -EPERM, "game.0 is the only worker of group game that can take buckets");
	refused(begin_drain("game.1", false), -EBUSY, end_first);
	refused(begin_drain("game.1", true), -EBUSY, end_first);
	refused(begin_drain("game.0", false), -EPERM, "it cannot be drained");
	refused(begin_start("game.1"), -EBUSY, end_first);
	refused(begin_buckets("2", "game.1"), -EBUSY, end_first);
	refused(begin_buckets("0-5", "game.0"), -EBUSY, end_first);
	refused(restart_begin(sup, "game", NULL, rig_done, 7, rig_why, sizeof(rig_why)), -EBUSY, end_first);
	refused(restart_begin(sup, "game.1", NULL, rig_done, 7, rig_why, sizeof(rig_why)), -EBUSY, end_first);
	refused(debug_end(sup, "game.0", rig_done, 7, rig_why, sizeof(rig_why)), -EINVAL, "game.0 is not being debugged");
	assert_int_equal(owns("game.1", 0), 1);
}

static void stand_still(uint32_t worker)
{
	assert_true(rig_worker(worker)->slot < RIG_SLOTS);
	fake.progress[rig_worker(worker)->slot] = (struct slot_progress){ .settled = 5, .waiting = 3 };
	kill(rig_pid(worker), SIGSTOP);
}

/* The other one, which stands still as well and since later, shows that who does is looked for. */
static void a_debugged_worker_may_stand_still(void **unused)
{
	(void)unused;
	rig.primary->config.group[0].stall_timeout_ns = 20000000;
	start_worker_of("game");
	debug_worker("1");
	pid_t pid = rig_pid(1);
	stand_still(1);
	for (uint32_t round = 1; round <= 3; round++) {
		stand_still(0);
		wait_until(rig_worker(0)->crashes == round);
		assert_int_equal(rig_worker(0)->stalls, round);
		for (uint32_t i = 0; i < RIG_SLOTS; i++)
			if (i != rig_worker(1)->slot)
				fake.progress[i].waiting = 0;
		wait_until(rig_worker(0)->slot != SLOT_NONE && worker_settled(rig.primary->supervisor, 0));
		rig_worker(0)->backoff_ns = 0;
	}
	assert_int_equal(rig_worker(1)->stalls, 0);
	assert_int_equal(rig_pid(1), pid);
	assert_int_equal(kill(pid, SIGCONT), 0);
	fake.progress[rig_worker(1)->slot].waiting = 0;
	end_debug();
	stand_still(1); /* as any other again */
	wait_until(rig_worker(1)->stalls == 1);
}

static void its_end_ends_it(void **unused)
{
	(void)unused;
	debug_worker("1");
	pid_t pid = rig_pid(1);
	kill(pid, SIGKILL);
	wait_until(!rig_worker(1)->debugged && !rig_worker(1)->debug_over && scale_settled());
	assert_int_not_equal(rig_pid(1), pid);
	check_owners(true);
}

#define claim(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		claim(a_debugged_worker_keeps_what_was_chosen),
		claim(without_a_choice_it_keeps_its_first_bucket),
		claim(the_others_are_scaled_without_it),
		claim(what_cannot_be_asked_of_it_is_refused),
		claim(a_debugged_worker_may_stand_still),
		claim(its_end_ends_it),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
