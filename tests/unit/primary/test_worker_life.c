/* The life table of a worker: nothing but what is meant leads anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "worker_life.h"

static void an_event_without_meaning_changes_nothing(void **unused)
{
	(void)unused;
	for (uint32_t state = 0; state < WORKER_STATE_COUNT; state++) {
		for (uint32_t event = 0; event < EVENT_COUNT; event++) {
			struct worker_step step = worker_life_step(state, (enum worker_event)event);
			assert_in_range(step.next, 0, WORKER_STATE_COUNT - 1);
			assert_in_range(step.action, 0, ACTION_COUNT - 1);
			if (!step.allowed) {
				assert_int_equal(step.next, state);
				assert_int_equal(step.action, ACTION_NONE);
			}
		}
	}
	assert_false(worker_life_step(WORKER_STATE_COUNT, EVENT_DIED).allowed);
	assert_false(worker_life_step(WORKER_ACTIVE, EVENT_COUNT).allowed);
}

static void a_slot_is_entered_by_a_spawn_and_left_by_recovery_alone(void **unused)
{
	(void)unused;
	for (uint32_t state = 0; state < WORKER_STATE_COUNT; state++) {
		for (uint32_t event = 0; event < EVENT_COUNT; event++) {
			struct worker_step step = worker_life_step(state, (enum worker_event)event);
			if (state == WORKER_NONE && step.allowed)
				assert_int_equal(event, EVENT_SPAWNED);
			if (state != WORKER_NONE && step.next == WORKER_NONE) {
				assert_int_equal(state, WORKER_DEAD);
				assert_int_equal(event, EVENT_RECOVERED);
			}
		}
	}
}

static void every_living_state_survives_stop_and_death(void **unused)
{
	(void)unused;
	for (uint32_t state = WORKER_STARTING; state <= WORKER_STOPPING; state++) {
		struct worker_step died = worker_life_step(state, EVENT_DIED);
		assert_true(died.allowed);
		assert_int_equal(died.next, WORKER_DEAD);
		struct worker_step stop = worker_life_step(state, EVENT_STOP);
		assert_true(stop.allowed);
		assert_int_equal(stop.next, WORKER_STOPPING);
	}
}

static void only_an_attached_worker_counts_as_crashed(void **unused)
{
	(void)unused;
	for (uint32_t state = 0; state < WORKER_STATE_COUNT; state++) {
		bool serving = state == WORKER_STANDBY || state == WORKER_ACTIVE || state == WORKER_DRAINING ||
			       state == WORKER_DRAINED;
		bool crash = worker_life_step(state, EVENT_DIED).action == ACTION_BURY_CRASH;
		assert_int_equal(crash, serving);
	}
}

static void names_are_all_there_and_differ(void **unused)
{
	(void)unused;
	for (uint32_t i = 0; i < EVENT_COUNT; i++)
		for (uint32_t j = 0; j < i; j++)
			assert_string_not_equal(worker_event_name((enum worker_event)i),
						worker_event_name((enum worker_event)j));
	for (uint32_t i = 0; i < ACTION_COUNT; i++)
		for (uint32_t j = 0; j < i; j++)
			assert_string_not_equal(worker_action_name((enum worker_action)i),
						worker_action_name((enum worker_action)j));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_without_meaning_changes_nothing),
		cmocka_unit_test(a_slot_is_entered_by_a_spawn_and_left_by_recovery_alone),
		cmocka_unit_test(every_living_state_survives_stop_and_death),
		cmocka_unit_test(only_an_attached_worker_counts_as_crashed),
		cmocka_unit_test(names_are_all_there_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
