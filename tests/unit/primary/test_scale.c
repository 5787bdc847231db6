/* Workers come, are drained, come back and go, and buckets follow: evenly, and no more of them than must. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "reload.h"
#include "scale_rig.h"

/* ---- out and in ---- */

static void an_added_worker_takes_its_share_and_no_more_buckets_move(void **unused)
{
	pid_t old[2] = { rig_pid(0), rig_pid(1) };

	(void)unused;
	fake.moved = 0;
	start_worker_of("game");
	assert_string_equal(text(rig.reply, "worker"), "game.2");
	assert_int_equal(number(rig.reply, "pid"), rig_pid(2));
	check_owners(true);
	assert_int_equal(fake.moved, FAKE_SERVICES * (FAKE_BUCKETS / 3));
	assert_int_equal(number(rig.reply, "moved"), fake.moved);
	assert_int_equal(rig_pid(0), old[0]);
	assert_int_equal(rig_pid(1), old[1]);
	fake.moved = 0;
	start_worker_of("game");
	check_owners(true);
	assert_int_equal(fake.moved, FAKE_SERVICES * (FAKE_BUCKETS / 4));
	assert_int_equal(json_array_size(json_object_get(rig.reply, "shares")), 4);
}

static void an_added_worker_runs_the_version_of_its_group(void **unused)
{
	(void)unused;
	restart("game", "two");
	start_worker_of("game");
	assert_string_equal(rig_slot(rig_worker(named("game.2"))->slot)->ready.version, "2");
}

static void an_added_worker_that_is_killed_is_replaced(void **unused)
{
	(void)unused;
	start_worker_of("game");
	pid_t pid = rig_pid(named("game.2"));
	kill(pid, SIGKILL);
	wait_until(rig_worker(2)->crashes == 1 && scale_settled());
	assert_int_not_equal(rig_pid(2), pid);
	check_owners(true);
}

static void a_drained_worker_owns_nothing_and_stays(void **unused)
{
	struct stats_worker entry;
	pid_t pid = rig_pid(1);

	(void)unused;
	fake.moved = 0;
	drain_worker("game.1", false);
	assert_int_equal(rig_pid(1), pid);
	assert_int_equal(datapath_owned(NULL, rig_worker(1)->slot), 0);
	assert_int_equal(fake.moved, FAKE_SERVICES * FAKE_BUCKETS / 2);
	assert_int_equal(stats_worker_read(&rig.primary->stats, rig_worker(1)->slot, &entry), 0);
	assert_int_equal(entry.state, WORKER_DRAINED);
	assert_int_equal(entry.buckets, 0);
	start_worker_of("game"); /* is not counted when buckets are shared */
	check_owners(true);
	assert_int_equal(datapath_owned(NULL, rig_worker(1)->slot), 0);
	drain_worker("game.1", false); /* again: nothing to do */
	assert_int_equal(number(rig.reply, "moved"), 0);
	start_worker_of("game.1");
	assert_int_equal(rig_pid(1), pid);
	check_owners(true);
	assert_false(rig_worker(1)->drained);
}

static void a_drained_worker_that_dies_comes_back_drained(void **unused)
{
	(void)unused;
	drain_worker("game.0", false);
	for (uint32_t round = 1; round <= 3; round++) {
		kill(rig_pid(0), SIGKILL);
		wait_until(rig_worker(0)->crashes == round && scale_settled());
		assert_true(rig_worker(0)->drained);
		check_owners(true);
	}
}

static void a_hot_restart_takes_added_and_drained_workers_along(void **unused)
{
	(void)unused;
	start_worker_of("game");
	drain_worker("game.1", false);
	restart("game", "two");
	assert_true(rig_ok());
	wait_until(scale_settled());
	assert_int_equal(json_array_size(json_object_get(rig.reply, "workers")), 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_string_equal(rig_slot(rig_worker(i)->slot)->ready.version, "2");
	assert_true(rig_worker(1)->drained);
	check_owners(true);
}

static void a_stopped_worker_leaves_its_slot_and_its_number(void **unused)
{
	pid_t pid = rig_pid(0);

	(void)unused;
	start_worker_of("game");
	drain_worker("game.0", true);
	assert_true(is_gone(pid));
	assert_false(exists("game.0"));
	assert_int_equal(used_slots(), 2);
	check_owners(true);
	assert_int_equal(rig_worker(named("game.2"))->crashes, 0);
	start_worker_of("game"); /* the lowest free number */
	assert_string_equal(text(rig.reply, "worker"), "game.0");
	drain_worker("game.1", true);
	start_worker_of("game.4"); /* or the one that is asked for */
	assert_string_equal(text(rig.reply, "worker"), "game.4");
	assert_string_equal(rig_worker(2)->name, "game.4"); /* lists are in order */
	check_owners(true);
	kill(rig_pid(named("game.4")), SIGKILL); /* indices have changed: deaths still find their worker */
	wait_until(rig_worker(named("game.4"))->crashes == 1 && scale_settled());
	check_owners(true);
}

static void a_drained_worker_can_be_stopped(void **unused)
{
	(void)unused;
	drain_worker("game.1", false);
	drain_worker("game.1", true);
	assert_false(exists("game.1"));
	assert_int_equal(number(rig.reply, "moved"), 0);
	check_owners(true);
}

static void buckets_go_where_they_are_sent_and_no_others_do(void **unused)
{
	(void)unused;
	fake.moved = 0;
	assert_int_equal(begin_buckets("0-9,63", "game.1"), 0);
	done_well();
	for (uint32_t s = 0; s < FAKE_SERVICES; s++)
		for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
			assert_int_equal(fake.owner[s][b], rig_worker(b < 10 || b % 2 ? 1 : 0)->slot);
	assert_int_equal(fake.moved, FAKE_SERVICES * 5); /* the odd ones were there */
	assert_int_equal(begin_buckets("0-63", "game.0"), 0);
	done_well();
	assert_int_equal(owns("game.1", 0), 0);
	assert_int_equal(rig_slot(rig_worker(1)->slot)->state, WORKER_ACTIVE); /* not drained */
	start_worker_of("game.1"); /* shares evenly again */
	check_owners(true);
}

/* ---- refusals ---- */

static void the_last_one_that_owns_is_neither_drained_nor_stopped(void **unused)
{
	(void)unused;
	drain_worker("game.1", false);
	assert_int_equal(begin_drain("game.0", false), -EPERM);
	assert_non_null(strstr(rig_why, "last worker of group game"));
	assert_non_null(strstr(rig_why, "batonctl worker start game"));
	assert_int_equal(begin_drain("game.0", true), -EPERM);
	drain_worker("game.1", true);
	assert_int_equal(begin_drain("game.0", true), -EPERM);
	check_owners(true);
}

static void without_a_free_slot_no_worker_is_added(void **unused)
{
	(void)unused;
	while (rig.primary->supervisor->workers < RIG_SLOTS - 1)
		start_worker_of("game");
	assert_int_equal(begin_start("game"), -ENOSPC);
	assert_non_null(strstr(rig_why, "raise memory.worker_slots to at least 7"));
	check_owners(true);
	restart("game", NULL); /* the slot that is left is a restart's */
	assert_true(rig_ok());
	drain_worker("game.3", true);
	start_worker_of("game");
	check_owners(true);
}

static void what_does_not_exist_is_refused_with_what_does(void **unused)
{
	(void)unused;
	assert_int_equal(begin_start("gmae"), -ENOENT);
	assert_non_null(strstr(rig_why, "groups are game"));
	assert_int_equal(begin_start("game.64"), -ENOENT);
	assert_int_equal(begin_start("game.01"), -ENOENT);
	assert_int_equal(begin_start("game."), -ENOENT);
	assert_int_equal(begin_start(""), -ENOENT);
	assert_int_equal(begin_drain("game", false), -ENOENT);
	assert_non_null(strstr(rig_why, "workers are game.0, game.1"));
	assert_int_equal(begin_drain("game.7", true), -ENOENT);
	assert_int_equal(begin_buckets("0", "game.7"), -ENOENT);
	assert_int_equal(begin_buckets("64", "game.1"), -EINVAL);
	assert_non_null(strstr(rig_why, "0-63"));
	drain_worker("game.1", false);
	assert_int_equal(begin_buckets("0", "game.1"), -EPERM);
	assert_non_null(strstr(rig_why, "drained"));
	assert_int_equal(rig.primary->supervisor->scale.phase, SCALE_IDLE);
	check_owners(true);
}

static void one_operation_runs_and_the_others_are_refused(void **unused)
{
	json_t *reply;

	(void)unused;
	rig.primary->reload = calloc(1, sizeof(*rig.primary->reload));
	fake.hold_moves = true;
	assert_int_equal(begin_drain("game.1", false), 0);
	wait_until(rig_worker(0)->transfer.id > 0);
	char why[700];
	assert_int_equal(restart_begin(rig.primary->supervisor, "game", NULL, rig_done, 7, why, sizeof(why)), -EBUSY);
	assert_non_null(strstr(why, "`worker drain game.1` is under way"));
	assert_int_equal(scale_begin_start(rig.primary->supervisor, "game", rig_done, 7, why, sizeof(why)), -EBUSY);
	reply = reload_begin(rig.primary, true, 7);
	assert_string_equal(text(reply, "code"), "busy");
	json_decref(reply);
	rig.primary->hangup = 1; /* a signal waits instead */
	for (int i = 0; i < 10; i++)
		rig_turn();
	assert_int_equal(rig.primary->hangup, 1);
	rig.primary->hangup = 0;
	fake.hold_moves = false;
	done_well();
	fake.hold_moves = true;
	assert_int_equal(rig_begin("game.0", NULL), 0);
	wait_until(rig_worker(0)->transfer.id > 0);
	assert_int_equal(scale_begin_start(rig.primary->supervisor, "game.1", rig_done, 7, why, sizeof(why)), -EBUSY);
	assert_non_null(strstr(why, "a restart of game.0"));
	assert_int_equal(scale_begin_drain(rig.primary->supervisor, "game.1", true, rig_done, 7, why, sizeof(why)), -EBUSY);
	assert_int_equal(scale_begin_move(rig.primary->supervisor, "0", "game.1", rig_done, 7, why, sizeof(why)), -EBUSY);
	fake.hold_moves = false;
	wait_until(rig.reply != NULL && scale_settled());
	free(rig.primary->reload);
	rig.primary->reload = NULL;
	check_owners(true);
}

static void a_worker_that_cannot_start_leaves_everything_as_it_was(void **unused)
{
	static const char *const broken[] = { "crash", "refuse no", "exit", "schema", "only game.0" };

	(void)unused;
	for (uint32_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		rig_plugin("game.so", broken[i]);
		fake.moved = 0;
		assert_int_equal(begin_start("game"), 0);
		wait_done();
		assert_false(rig_ok());
		assert_non_null(strstr(rig_error(), "game.2 cannot start"));
		wait_until(scale_settled());
		assert_int_equal(rig.primary->supervisor->workers, RIG_WORKERS);
		assert_int_equal(used_slots(), RIG_WORKERS);
		assert_int_equal(fake.moved, 0);
		assert_true(rig_shares_are_right());
	}
}

/* ---- what operators see ---- */

static void the_tables_show_who_owns_what(void **unused)
{
	json_t *show, *service, *list, *status;

	(void)unused;
	start_worker_of("game");
	drain_worker("game.0", false);
	show = scale_show(rig.primary, "game");
	service = json_array_get(json_object_get(show, "services"), 0);
	assert_int_equal(number(service, "buckets"), FAKE_BUCKETS);
	list = json_object_get(service, "owners");
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(text(json_array_get(list, 0), "state"), "drained");
	assert_true(json_is_true(json_object_get(json_array_get(list, 0), "drained")));
	for (size_t i = 0; i < 3; i++) {
		const json_t *row = json_array_get(list, i);
		uint64_t map[SHARE_WORDS];
		char why[300];
		if (number(json_array_get(list, i), "buckets") == 0)
			continue;
		assert_int_equal(buckets_parse(json_string_value(json_object_get(row, "ranges")), FAKE_BUCKETS, map, why,
					       sizeof(why)), owns(rig_worker((uint32_t)i)->name, 0));
		for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
			assert_int_equal(buckets_has(map, b), fake.owner[0][b] == rig_worker((uint32_t)i)->slot);
	}
	json_decref(show);
	status = status_build(rig.primary);
	assert_string_equal(text(status, "verdict"), "ok");
	list = json_object_get(status, "workers");
	assert_string_equal(text(json_array_get(list, 0), "role"), "drained");
	assert_string_equal(text(json_array_get(list, 2), "name"), "game.2");
	json_decref(status);
}

static void a_move_under_way_is_shown(void **unused)
{
	json_t *show, *move, *status;

	(void)unused;
	fake.hold_moves = true;
	assert_int_equal(begin_buckets("2-3", "game.1"), 0);
	wait_until(rig_worker(1)->transfer.id > 0);
	show = scale_show(rig.primary, NULL);
	move = json_array_get(json_object_get(json_array_get(json_object_get(show, "services"), 0), "moving"), 0);
	assert_string_equal(text(move, "from"), "game.0");
	assert_string_equal(text(move, "to"), "game.1");
	assert_string_equal(text(move, "ranges"), "2");
	assert_string_equal(text(show, "operation"), "buckets move game.1");
	json_decref(show);
	status = status_build(rig.primary);
	assert_string_equal(text(status, "operation"), "buckets move game.1");
	json_decref(status);
	fake.hold_moves = false;
	done_well();
}

#define claim(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		claim(an_added_worker_takes_its_share_and_no_more_buckets_move),
		claim(an_added_worker_runs_the_version_of_its_group),
		claim(an_added_worker_that_is_killed_is_replaced),
		claim(a_drained_worker_owns_nothing_and_stays),
		claim(a_drained_worker_that_dies_comes_back_drained),
		claim(a_hot_restart_takes_added_and_drained_workers_along),
		claim(a_stopped_worker_leaves_its_slot_and_its_number),
		claim(a_drained_worker_can_be_stopped),
		claim(buckets_go_where_they_are_sent_and_no_others_do),
		claim(the_last_one_that_owns_is_neither_drained_nor_stopped),
		claim(without_a_free_slot_no_worker_is_added),
		claim(what_does_not_exist_is_refused_with_what_does),
		claim(one_operation_runs_and_the_others_are_refused),
		claim(a_worker_that_cannot_start_leaves_everything_as_it_was),
		claim(the_tables_show_who_owns_what),
		claim(a_move_under_way_is_shown),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
