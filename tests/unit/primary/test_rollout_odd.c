/* Rollouts in odd moments: an order that crosses another, a file replaced in its place, a stable version that fails
 * itself. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rollout_rig.h"
#include "schema_check.h"

#define NEVER UINT64_MAX
#define BURST 3u

static struct config_group *group(void) { return &rig.primary->config.group[0]; }
static struct budget *budget(void) { return &rig.primary->supervisor->budget[0]; }

static void turns(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		rig_turn();
}

static bool all_run(const char *version)
{
	for (uint32_t i = 0; i < RIG_WORKERS; i++)
		if (rig_worker(i)->slot == SLOT_NONE ||
		    strcmp(rig_slot(rig_worker(i)->slot)->ready.version, version) != 0)
			return false;
	return true;
}

static void few_crashes_are_the_end(void)
{
	group()->restart_burst = BURST;
	group()->restart_window_ns = 3600000000000ull;
	group()->good_after_ns = NEVER;
	budget_fini(rig.primary->supervisor); /* what was good at once in the rig */
}

/* By its own fault, as often as that; all but the last time it is replaced. */
static void crash(uint32_t worker, uint32_t times)
{
	for (uint32_t i = 0; i < times; i++) {
		uint32_t before = rig_worker(worker)->crashes;

		wait_until(rig_settled() && rig.primary->supervisor->restart.phase == RESTART_IDLE);
		kill(rig_pid(worker), SIGSEGV);
		wait_until(rig_worker(worker)->crashes == before + 1);
	}
}

static void restart_with(const char *version)
{
	assert_int_equal(rig_begin("game", version), 0);
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
	wait_until(rig_settled());
}

static void an_abort_ends_the_one_that_waits_for_its_turn_too(void **unused)
{
	struct rollout_order o = order("r3.so"), none = order(NULL);

	(void)unused;
	rig_plugin("r3.so", "ok r3");
	start("r2.so");
	until_pause(100);
	o = order("r3.so");
	o.replace = true;
	fake.hold_moves = true;
	assert_null(rollout_start(rig.primary, &o));
	assert_int_equal(r()->at, AT_ROLLBACK);
	assert_true(ok(rollout_abort(rig.primary, &none)));
	fake.hold_moves = false;
	wait_until(r()->at == AT_DEGRADED);
	turns(100);
	assert_int_equal(r()->at, AT_DEGRADED); /* and r3 has not begun */
	only_the_groups_own();
}

/* The one that it replaced has been ended for it, and the one to come cannot be: that is no health. */
static void a_successor_that_is_refused_leaves_the_group_degraded(void **unused)
{
	struct rollout_order o;

	(void)unused;
	start("r2.so");
	until_pause(100);
	o = order("none.so");
	o.replace = true;
	assert_null(rollout_start(rig.primary, &o));
	wait_until(r()->at == AT_CHECK);
	wait_until(r()->at != AT_CHECK);
	assert_int_equal(r()->at, AT_DEGRADED);
	only_the_groups_own();
}

/* Copied over the group's own file, and started by a restart or the next batond: it is what there is, and it is said. */
static void a_barred_build_that_the_group_runs_is_told(void **unused)
{
	char path[BATON_PATH_BYTES], why[ROLLOUT_BARRED_WHY] = "";
	json_t *row;

	(void)unused;
	start("r2.so");
	until_pause(100);
	kill(rig_pid(a_worker(ROLE_CANDIDATE)), SIGKILL);
	wait_until(r()->at == AT_DEGRADED);
	only_the_groups_own();
	assert_int_equal(r()->bars, 1);
	assert_false(rollout_barred_runs(rig.primary, 0, why, sizeof(why)));
	restart_with(rig_path(path, "r2.so"));
	assert_true(rollout_barred_runs(rig.primary, 0, why, sizeof(why)));
	assert_non_null(strstr(why, "was rolled back"));
	row = rollout_row(rig.primary->supervisor, r());
	assert_true(json_is_string(json_object_get(row, "runs_barred")));
	json_decref(row);
	wait_until(r()->runs_barred);
	restart_with("two");
	assert_false(rollout_barred_runs(rig.primary, 0, why, sizeof(why)));
}

static void an_abort_ends_one_that_is_looked_at(void **unused)
{
	struct rollout_order o = order("r2.so"), none = order(NULL);

	(void)unused;
	o = order("r2.so");
	assert_null(rollout_start(rig.primary, &o));
	assert_int_equal(r()->at, AT_CHECK);
	assert_true(ok(rollout_abort(rig.primary, &none)));
	turns(100);
	assert_int_equal(r()->at, AT_IDLE);
	only_the_groups_own();
	start("r2.so"); /* it bars nothing, and nothing of it is left */
	until_pause(100);
}

static void who_was_refused_has_ordered_nothing(void **unused)
{
	struct rollout_order o;

	(void)unused;
	start("r2.so");
	until_pause(100);
	o = order("r2.so");
	assert_false(ok(rollout_start(rig.primary, &o)));
	assert_string_equal(r()->by, ""); /* what follows it does by itself */
	assert_false(ok(rollout_retry(rig.primary, &o)));
	assert_string_equal(r()->by, "");
}

/* Promoted, and called off when the group's workers have begun to be the candidate's. */
static void promote_and_abort(const char *file)
{
	struct rollout_order o = order(NULL);

	start(file);
	o.full = true;
	assert_true(ok(rollout_promote(rig.primary, &o)));
	wait_until(r()->at == AT_COMPLETE && rig_worker(0)->slot != SLOT_NONE &&
		   strcmp(rig_slot(rig_worker(0)->slot)->ready.version, "r2") == 0);
	assert_true(ok(rollout_abort(rig.primary, &o)));
	wait_until(r()->at == AT_DEGRADED);
	only_the_groups_own();
	assert_true(all_run("1"));
}

/* The candidate has the place of the stable version's file, as when an installation overwrites it. */
static void a_file_replaced_in_its_place_is_gone_back_from(void **unused)
{
	(void)unused;
	rig_file("game.so", "ok r2");
	promote_and_abort("game.so");
	kill(rig_pid(0), SIGKILL); /* what lies there is barred, and nobody's successor */
	wait_until(rig_worker(0)->crashes == 1 && rig_settled());
	assert_true(all_run("1"));
}

/* The candidate has a file of its own, and the group's workers are about to have it when somebody, or a death, says no. */
static void one_that_ends_while_the_groups_workers_get_it_is_gone_back_from(void **unused)
{
	(void)unused;
	promote_and_abort("r2.so");
}

static void refused_for(const char *file, const char *words)
{
	const struct supervisor *sup = rig.primary->supervisor;
	struct plugin_info stable;
	char why[700] = "";

	start(file);
	assert_int_equal(r()->at, AT_IDLE);
	assert_false(r()->ever);
	assert_int_equal(sup->workers, RIG_WORKERS);
	schema_info(&rig_slot(rig_worker(0)->slot)->ready, &stable);
	assert_true(rollout_shadow_refuse(sup, r(), &rig.primary->config.rollout[0], &stable, why, sizeof(why)) < 0);
	assert_non_null(strstr(why, words));
}

/* What a shadow needs is in the files: nothing is started to find out. */
static void a_shadow_that_cannot_be_is_refused_before_anything_starts(void **unused)
{
	static const struct config_step shadow[] = { { .kind = STEP_SHADOW, .permille = 100, .ns = 1000000000 },
						     { .kind = STEP_WEIGHT, .permille = 1000 } };
	char path[BATON_PATH_BYTES];

	(void)unused;
	plan(2, shadow);
	rig_plugin("r2+.so", "ok r2+");
	refused_for("r2.so", "fake r2 (candidate) does not declare that it may run as a shadow");
	refused_for("r2+.so", "fake 1 (stable) does not declare that it may run as a shadow");
	rig_plugin("1+.so", "ok 1+");
	restart_with(rig_path(path, "1+.so"));
	refused_for("r2+.so", "a shadow is of one service");
	rig.primary->config.services = 1;
	rig.primary->state.header->group[0].buckets = FAKE_BUCKETS;
	rig.primary->state.header->group[0].bucket_slots = 1u << 20;
	rig.primary->state.header->group[0].stride = 64;
	refused_for("r2+.so", "more `buckets` of the service");
	rig.primary->state.header->group[0].bucket_slots = 16;
	start("r2+.so");
	assert_true(r()->at == AT_START || r()->at == AT_SHADOW);
	rig.primary->config.services = FAKE_SERVICES;
	struct rollout_order none = order(NULL);
	assert_true(ok(rollout_abort(rig.primary, &none)));
	wait_until(r()->at == AT_DEGRADED);
}

/* It is what the group ran when it was begun that it is compared with, and gone back to. */
static void a_restart_that_crosses_its_start_is_waited_for(void **unused)
{
	struct rollout_order o = order("r2.so"), none = order(NULL);
	char path[BATON_PATH_BYTES];

	(void)unused;
	o = order("r2.so");
	assert_null(rollout_start(rig.primary, &o));
	assert_int_equal(r()->at, AT_CHECK);
	assert_int_equal(rig_begin("game", "two"), 0);
	until_pause(100);
	assert_true(rig_ok());
	assert_string_equal(r()->stable.version, "2");
	assert_string_equal(r()->stable.path, rig_path(path, "two.so"));
	assert_true(ok(rollout_abort(rig.primary, &none)));
	wait_until(r()->at == AT_DEGRADED);
	only_the_groups_own();
	assert_true(all_run("2"));
}

/* One of the group is down for good: what the candidate has goes to the others. */
static void a_worker_that_is_down_for_good_is_not_waited_for(void **unused)
{
	struct rollout_order o = order(NULL);

	(void)unused;
	few_crashes_are_the_end();
	start("r2.so");
	until_pause(100);
	crash(1, BURST);
	assert_true(budget()->spent);
	assert_true(ok(rollout_abort(rig.primary, &o)));
	wait_until(r()->at == AT_DEGRADED);
	assert_int_equal(rig_worker(1)->slot, SLOT_NONE);
	has(0, 0);
	for (uint32_t s = 0; s < FAKE_SERVICES; s++)
		for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
			assert_int_equal(fake.owner[s][b], rig_worker(0)->slot);
	restart_with(NULL);
	assert_int_equal(begin_start("game.1"), 0); /* an even share again */
	done_well();
	only_the_groups_own();
}

/* Nobody of stable is left: it waits for an operator, who is not told to wait for it. */
static void who_has_nobody_left_to_go_back_to_takes_a_restart(void **unused)
{
	struct rollout_order o = order(NULL);

	(void)unused;
	few_crashes_are_the_end();
	start("r2.so");
	until_pause(100);
	crash(1, BURST);
	kill(rig_pid(0), SIGKILL); /* nobody is started any more */
	wait_until(rig_worker(0)->slot == SLOT_NONE);
	assert_true(ok(rollout_abort(rig.primary, &o)));
	turns(50);
	assert_int_equal(r()->at, AT_ROLLBACK);
	wait_until(rig_begin("game", "two") == 0);
	wait_until(r()->at == AT_DEGRADED);
	only_the_groups_own();
	assert_true(all_run("2")); /* as he has said */
}

/* The version that it would go back to is none to go back to: the group has fallen back, and that is what runs. */
static void a_fall_back_meanwhile_is_what_it_goes_back_to(void **unused)
{
	(void)unused;
	few_crashes_are_the_end();
	group()->good_after_ns = 0;
	wait_until(budget()->good[0].known);
	group()->good_after_ns = NEVER;
	restart_with("two");
	assert_true(all_run("2"));
	start("r2.so");
	until_pause(100);
	crash(0, BURST);
	assert_true(budget()->fell_back);
	wait_until(r()->at == AT_DEGRADED);
	only_the_groups_own();
	assert_true(all_run("1"));
	assert_string_equal(r()->stable.version, "1");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(an_abort_ends_the_one_that_waits_for_its_turn_too),
		TEST(a_successor_that_is_refused_leaves_the_group_degraded),
		TEST(a_barred_build_that_the_group_runs_is_told),
		TEST(an_abort_ends_one_that_is_looked_at),
		TEST(who_was_refused_has_ordered_nothing),
		TEST(a_file_replaced_in_its_place_is_gone_back_from),
		TEST(one_that_ends_while_the_groups_workers_get_it_is_gone_back_from),
		TEST(a_shadow_that_cannot_be_is_refused_before_anything_starts),
		TEST(a_restart_that_crosses_its_start_is_waited_for),
		TEST(a_worker_that_is_down_for_good_is_not_waited_for),
		TEST(who_has_nobody_left_to_go_back_to_takes_a_restart),
		TEST(a_fall_back_meanwhile_is_what_it_goes_back_to),
	};

	fake_zygote_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
