/* Reloads, and what else takes worker slots, while a rollout is under way: done as the file says, or refused with the
 * reason; the rollout itself goes on. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "reload_rig.h"
#include "rollout_inner.h"

static const struct peer operator = { .uid = 0, .login = PEER_NONE };

/* Paused at its snapshot: no worker of it is there, and all of them are still to come. */
#define WAITS "steps: [{snapshot: {}}, {weight: 50%}, {weight: 100%}], analysis: {interval: 3600s}"
#define BOTH  "- {group: a, " WAITS "}\n- {group: b, " WAITS "}"

static struct rollout *r(uint32_t group) { return rollout_of(rig.primary, group); }
static struct supervisor *sup(void) { return rig.primary->supervisor; }

static json_t *start(const char *group, const char *name)
{
	char path[BATON_PATH_BYTES];
	const struct rollout_order o = { .group = group, .to = rig_path(path, name), .peer = &operator, .token = 9 };

	return rollout_start(rig.primary, &o);
}

/* Up to where nothing goes on. */
static void start_and_hold(const char *group, const char *name)
{
	const struct rollout_order o = { .group = group, .peer = &operator };
	const struct rollout *of = r(strcmp(group, "b") == 0);

	assert_null(start(group, name));
	wait_until(of->at != AT_CHECK);
	assert_int_equal(of->at, AT_START);
	json_decref(rollout_pause(rig.primary, &o));
	wait_until(of->at == AT_SNAPSHOT);
}

static void abort_it(const char *group)
{
	const struct rollout_order o = { .group = group, .peer = &operator };

	json_decref(rollout_abort(rig.primary, &o));
}

static struct text with(const char *rollouts)
{
	struct text text = usual;

	text.rollouts = rollouts;
	return text;
}

static int begin_rollouts(void **state)
{
	if (begin(state))
		return -1;
	rig_plugin("r2.so", "ok r2");
	rig_plugin("r3.so", "ok r3");
	if (rollouts_init(rig.primary))
		return -1;
	rig_path(rig.primary->rollouts->path, "rollout.json");
	reload_with(with(BOTH));
	assert_true(ok());
	start_and_hold("a", "r2.so");
	return 0;
}

static int end_rollouts(void **state)
{
	abort_it("a");
	wait_until(r(0)->at == AT_DEGRADED || r(0)->at == AT_IDLE);
	supervisor_fini(rig.primary);
	rollouts_fini(rig.primary);
	return finish(state);
}

static void a_second_rollout_does_not_take_the_slots_of_the_first(void **unused)
{
	(void)unused;
	assert_null(start("b", "r2.so"));
	wait_until(r(1)->at != AT_CHECK);
	assert_int_equal(r(1)->at, AT_IDLE); /* 2 workers, 2 of each rollout, 1 for a restart: 7 of 6 */
	abort_it("a");
	wait_until(r(0)->at == AT_DEGRADED);
	start_and_hold("b", "r2.so");
	abort_it("b");
	wait_until(r(1)->at == AT_DEGRADED);
}

static void no_worker_takes_the_slots_of_steps_to_come(void **unused)
{
	char why[700] = "";

	(void)unused;
	assert_int_equal(scale_begin_start(sup(), "b", rig_done, 0, why, sizeof(why)), 0);
	wait_until(rig.reply != NULL);
	assert_int_equal(scale_begin_start(sup(), "b", rig_done, 0, why, sizeof(why)), -ENOSPC);
	assert_non_null(strstr(why, "steps to come of a rollout"));
}

static void no_standby_takes_the_slots_of_steps_to_come(void **unused)
{
	struct text text = usual; /* by the default strategy: the loader has nothing to add up */

	(void)unused;
	text.standby = "2";
	reload_with(text);
	assert_false(ok());
	says("steps to come of a rollout");
	assert_int_equal(rig.primary->config.group[1].standby, 0);
}

static void a_reload_that_names_another_candidate_is_refused(void **unused)
{
	const char *const other = "- {group: a, candidate: ./r3.so, " WAITS "}\n- {group: b, " WAITS "}";
	const char *const same = "- {group: a, candidate: ./r2.so, " WAITS "}\n- {group: b, " WAITS "}";

	(void)unused;
	reload_with(with(other));
	assert_false(ok());
	says("of which a rollout is under way");
	assert_int_equal(r(0)->at, AT_SNAPSHOT);
	reload_with(with(same));
	assert_true(ok());
	assert_int_equal(r(0)->at, AT_SNAPSHOT);
	assert_string_equal(r(0)->candidate.version, "r2");
	abort_it("a");
	wait_until(r(0)->at == AT_DEGRADED);
	reload_with(with(other)); /* and now it is begun */
	assert_true(ok());
	wait_until(r(0)->at == AT_START || rollout_at_risk(r(0)->at));
	assert_string_equal(r(0)->candidate.version, "r3");
}

static void plugin_and_count_of_its_group_are_refused(void **unused)
{
	struct text text = with(BOTH);
	pid_t pid[2] = { rig_pid(0), rig_pid(1) };

	(void)unused;
	text.first_plugin = "two.so";
	reload_with(text);
	assert_false(ok());
	says("is under way");
	text.first_plugin = usual.first_plugin;
	text.first = ", count: 2";
	reload_with(text);
	assert_false(ok());
	says("is under way");
	expect_untouched(pid);
	assert_int_equal(r(0)->at, AT_SNAPSHOT);
}

#define claim(name) cmocka_unit_test_setup_teardown(name, begin_rollouts, end_rollouts)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		claim(a_second_rollout_does_not_take_the_slots_of_the_first),
		claim(no_worker_takes_the_slots_of_steps_to_come),
		claim(no_standby_takes_the_slots_of_steps_to_come),
		claim(a_reload_that_names_another_candidate_is_refused),
		claim(plugin_and_count_of_its_group_are_refused),
	};

	fake_zygote_main(argc, argv);
	log_init("test_rollout_reload", LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
