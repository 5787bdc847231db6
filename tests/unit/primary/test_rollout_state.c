/* The table of rollouts: every state with every event, and what must hold of any such table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "rollout_state.h"

struct pair {
	enum rollout_at at;
	enum rollout_event event;
	enum rollout_action action;
	enum rollout_at next;
};

/* All that mean something; each other pair of the 11 x 25 changes nothing. */
static const struct pair pairs[] = {
	{ AT_IDLE, EV_ORDER, ACT_CHECK, AT_CHECK },

	{ AT_CHECK, EV_SOUND, ACT_BEGIN, AT_START },
	{ AT_CHECK, EV_REFUSED, ACT_REFUSE, AT_IDLE },
	{ AT_CHECK, EV_UNFIT, ACT_REFUSE, AT_DEGRADED },

	{ AT_START, EV_READY_SHADOW, ACT_SHADOW, AT_SHADOW },
	{ AT_START, EV_READY_WEIGHT, ACT_MOVE, AT_WEIGHT },
	{ AT_START, EV_NO_START, ACT_BACK, AT_ROLLBACK },
	{ AT_START, EV_PAUSE, ACT_PAUSE, AT_START },
	{ AT_START, EV_RESUME, ACT_RESUME, AT_START },
	{ AT_START, EV_PROMOTE, ACT_SKIP, AT_START },
	{ AT_START, EV_FULL, ACT_FULL, AT_START },
	{ AT_START, EV_ABORT, ACT_BACK, AT_ROLLBACK },
	{ AT_START, EV_UNDO, ACT_BACK, AT_ROLLBACK },
	{ AT_START, EV_GATE, ACT_BAR, AT_ROLLBACK },
	{ AT_START, EV_GATE_PAUSE, ACT_HOLD, AT_START },
	{ AT_START, EV_DEATH, ACT_BAR, AT_ROLLBACK },
	{ AT_START, EV_DEADLINE, ACT_BACK, AT_ROLLBACK },

	{ AT_START, EV_TO_SNAPSHOT, ACT_STEP, AT_SNAPSHOT },

	{ AT_SNAPSHOT, EV_NO_START, ACT_BACK, AT_ROLLBACK },
	{ AT_SNAPSHOT, EV_TO_WORKERS, ACT_STEP, AT_START },
	{ AT_SNAPSHOT, EV_TO_PAUSE, ACT_STEP, AT_PAUSE },
	{ AT_SNAPSHOT, EV_TO_END, ACT_COMPLETE, AT_COMPLETE },
	{ AT_SNAPSHOT, EV_PAUSE, ACT_PAUSE, AT_SNAPSHOT },
	{ AT_SNAPSHOT, EV_RESUME, ACT_RESUME, AT_SNAPSHOT },
	{ AT_SNAPSHOT, EV_PROMOTE, ACT_SKIP, AT_SNAPSHOT },
	{ AT_SNAPSHOT, EV_FULL, ACT_FULL, AT_SNAPSHOT },
	{ AT_SNAPSHOT, EV_ABORT, ACT_BACK, AT_ROLLBACK },
	{ AT_SNAPSHOT, EV_UNDO, ACT_BACK, AT_ROLLBACK },
	{ AT_SNAPSHOT, EV_GATE, ACT_BAR, AT_ROLLBACK },
	{ AT_SNAPSHOT, EV_GATE_PAUSE, ACT_HOLD, AT_SNAPSHOT },
	{ AT_SNAPSHOT, EV_DEATH, ACT_BAR, AT_ROLLBACK },
	{ AT_SNAPSHOT, EV_DEADLINE, ACT_BACK, AT_ROLLBACK },

	{ AT_SHADOW, EV_TO_SNAPSHOT, ACT_STEP, AT_SNAPSHOT },
	{ AT_SHADOW, EV_NO_START, ACT_BACK, AT_ROLLBACK },
	{ AT_SHADOW, EV_TO_WORKERS, ACT_STEP, AT_START },
	{ AT_SHADOW, EV_TO_PAUSE, ACT_STEP, AT_PAUSE },
	{ AT_SHADOW, EV_TO_END, ACT_COMPLETE, AT_COMPLETE },
	{ AT_SHADOW, EV_PAUSE, ACT_PAUSE, AT_SHADOW },
	{ AT_SHADOW, EV_RESUME, ACT_RESUME, AT_SHADOW },
	{ AT_SHADOW, EV_PROMOTE, ACT_LEAVE, AT_SHADOW },
	{ AT_SHADOW, EV_FULL, ACT_FULL, AT_SHADOW },
	{ AT_SHADOW, EV_ABORT, ACT_BACK, AT_ROLLBACK },
	{ AT_SHADOW, EV_UNDO, ACT_BACK, AT_ROLLBACK },
	{ AT_SHADOW, EV_GATE, ACT_BAR, AT_ROLLBACK },
	{ AT_SHADOW, EV_GATE_PAUSE, ACT_HOLD, AT_SHADOW },
	{ AT_SHADOW, EV_DEATH, ACT_BAR, AT_ROLLBACK },
	{ AT_SHADOW, EV_DEADLINE, ACT_BACK, AT_ROLLBACK },

	{ AT_WEIGHT, EV_MOVED, ACT_ARM, AT_WEIGHT },
	{ AT_WEIGHT, EV_TO_WORKERS, ACT_STEP, AT_START },
	{ AT_WEIGHT, EV_TO_PAUSE, ACT_STEP, AT_PAUSE },
	{ AT_WEIGHT, EV_TO_END, ACT_COMPLETE, AT_COMPLETE },
	{ AT_WEIGHT, EV_PAUSE, ACT_PAUSE, AT_WEIGHT },
	{ AT_WEIGHT, EV_RESUME, ACT_RESUME, AT_WEIGHT },
	{ AT_WEIGHT, EV_PROMOTE, ACT_SKIP, AT_WEIGHT },
	{ AT_WEIGHT, EV_FULL, ACT_FULL, AT_WEIGHT },
	{ AT_WEIGHT, EV_ABORT, ACT_BACK, AT_ROLLBACK },
	{ AT_WEIGHT, EV_UNDO, ACT_BACK, AT_ROLLBACK },
	{ AT_WEIGHT, EV_GATE, ACT_BAR, AT_ROLLBACK },
	{ AT_WEIGHT, EV_GATE_PAUSE, ACT_HOLD, AT_WEIGHT },
	{ AT_WEIGHT, EV_DEATH, ACT_BAR, AT_ROLLBACK },
	{ AT_WEIGHT, EV_DEADLINE, ACT_BACK, AT_ROLLBACK },

	{ AT_PAUSE, EV_TO_SNAPSHOT, ACT_STEP, AT_SNAPSHOT },
	{ AT_PAUSE, EV_TO_WORKERS, ACT_STEP, AT_START },
	{ AT_PAUSE, EV_TO_PAUSE, ACT_STEP, AT_PAUSE },
	{ AT_PAUSE, EV_TO_END, ACT_COMPLETE, AT_COMPLETE },
	{ AT_PAUSE, EV_PAUSE, ACT_PAUSE, AT_PAUSE },
	{ AT_PAUSE, EV_RESUME, ACT_RESUME, AT_PAUSE },
	{ AT_PAUSE, EV_PROMOTE, ACT_LEAVE, AT_PAUSE },
	{ AT_PAUSE, EV_FULL, ACT_FULL, AT_PAUSE },
	{ AT_PAUSE, EV_ABORT, ACT_BACK, AT_ROLLBACK },
	{ AT_PAUSE, EV_UNDO, ACT_BACK, AT_ROLLBACK },
	{ AT_PAUSE, EV_GATE, ACT_BAR, AT_ROLLBACK },
	{ AT_PAUSE, EV_GATE_PAUSE, ACT_HOLD, AT_PAUSE },
	{ AT_PAUSE, EV_DEATH, ACT_BAR, AT_ROLLBACK },
	{ AT_PAUSE, EV_DEADLINE, ACT_BACK, AT_ROLLBACK },

	{ AT_COMPLETE, EV_RESTARTED, ACT_PROMOTED, AT_SETTLE },
	{ AT_COMPLETE, EV_NO_START, ACT_BACK, AT_ROLLBACK },
	{ AT_COMPLETE, EV_PROMOTE, ACT_NONE, AT_COMPLETE },
	{ AT_COMPLETE, EV_FULL, ACT_NONE, AT_COMPLETE },
	{ AT_COMPLETE, EV_ABORT, ACT_BACK, AT_ROLLBACK },
	{ AT_COMPLETE, EV_UNDO, ACT_BACK, AT_ROLLBACK },
	{ AT_COMPLETE, EV_GATE, ACT_BAR, AT_ROLLBACK },
	{ AT_COMPLETE, EV_GATE_PAUSE, ACT_NONE, AT_COMPLETE },
	{ AT_COMPLETE, EV_DEATH, ACT_BAR, AT_ROLLBACK },
	{ AT_COMPLETE, EV_DEADLINE, ACT_BACK, AT_ROLLBACK },

	{ AT_SETTLE, EV_MOVED, ACT_RETIRE, AT_SETTLE },
	{ AT_SETTLE, EV_EMPTY, ACT_FINISH, AT_IDLE },
	{ AT_SETTLE, EV_DEATH, ACT_NONE, AT_SETTLE },
	{ AT_SETTLE, EV_PROMOTE, ACT_NONE, AT_SETTLE },
	{ AT_SETTLE, EV_FULL, ACT_NONE, AT_SETTLE },

	{ AT_ROLLBACK, EV_MOVED, ACT_NONE, AT_ROLLBACK },
	{ AT_ROLLBACK, EV_RESTARTED, ACT_RETIRE, AT_ROLLBACK },
	{ AT_ROLLBACK, EV_EMPTY, ACT_DEGRADE, AT_DEGRADED },
	{ AT_ROLLBACK, EV_EMPTY_UNDONE, ACT_FINISH, AT_IDLE },
	{ AT_ROLLBACK, EV_ABORT, ACT_NONE, AT_ROLLBACK },
	{ AT_ROLLBACK, EV_DEATH, ACT_NONE, AT_ROLLBACK },

	{ AT_DEGRADED, EV_ORDER, ACT_CHECK, AT_CHECK },
	{ AT_DEGRADED, EV_UNDO, ACT_CLEAR, AT_IDLE },
	{ AT_DEGRADED, EV_ABORT, ACT_NONE, AT_DEGRADED },
};
#define PAIRS (sizeof(pairs) / sizeof(pairs[0]))

static const struct pair *find(enum rollout_at at, enum rollout_event event)
{
	for (size_t i = 0; i < PAIRS; i++)
		if (pairs[i].at == at && pairs[i].event == event)
			return &pairs[i];
	return NULL;
}

static void every_state_takes_every_event(void **unused)
{
	(void)unused;
	for (enum rollout_at at = 0; at < AT_COUNT; at++)
		for (enum rollout_event event = 0; event < EV_COUNT; event++) {
			const struct pair *pair = find(at, event);
			struct rollout_transition t = rollout_state_step(at, event);

			if (t.allowed != (pair != NULL) || t.action != (pair ? pair->action : ACT_NONE) ||
			    t.next != (pair ? pair->next : at))
				fail_msg("%s in %s: %s, %s", rollout_event_name(event), rollout_at_name(at),
					 rollout_action_name(t.action), rollout_at_name(t.next));
		}
}

/* A candidate that owns buckets, or may, can always be taken back: by its death, a gate, an operator. */
static void whatever_it_does_a_candidate_can_be_taken_back(void **unused)
{
	static const enum rollout_event ends[] = { EV_DEATH, EV_GATE, EV_ABORT, EV_UNDO, EV_DEADLINE };

	(void)unused;
	for (enum rollout_at at = 0; at < AT_COUNT; at++)
		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
			if (rollout_at_risk(at))
				assert_int_equal(rollout_state_step(at, ends[i]).next, AT_ROLLBACK);
	for (enum rollout_at at = 0; at < AT_COUNT; at++) /* and its death bars the build, wherever it is */
		if (rollout_at_risk(at))
			assert_int_equal(rollout_state_step(at, EV_DEATH).action, ACT_BAR);
}

/* Nothing but its own end leads out of a roll back: no order, no gate. */
static void a_roll_back_goes_through(void **unused)
{
	(void)unused;
	for (enum rollout_event event = 0; event < EV_COUNT; event++) {
		enum rollout_at next = rollout_state_step(AT_ROLLBACK, event).next;

		if (event == EV_EMPTY)
			assert_int_equal(next, AT_DEGRADED);
		else
			assert_int_equal(next, event == EV_EMPTY_UNDONE ? AT_IDLE : AT_ROLLBACK);
	}
}

/* Buckets move in one state only on the way forward, and there only when the workers are there. */
static void nothing_moves_before_the_candidate_was_looked_at(void **unused)
{
	(void)unused;
	for (enum rollout_at at = 0; at < AT_COUNT; at++)
		for (enum rollout_event event = 0; event < EV_COUNT; event++) {
			struct rollout_transition t = rollout_state_step(at, event);

			if (t.allowed && t.action == ACT_MOVE)
				assert_true(at == AT_START && event == EV_READY_WEIGHT);
			if (t.allowed && t.next == AT_START && at != AT_START)
				assert_true((at == AT_CHECK && event == EV_SOUND) || event == EV_TO_WORKERS);
		}
}

/* From every state there is a way to one in which nothing is under way. */
static void there_is_an_end_from_everywhere(void **unused)
{
	bool ends[AT_COUNT] = { [AT_IDLE] = true, [AT_DEGRADED] = true };

	(void)unused;
	for (uint32_t round = 0; round < AT_COUNT; round++)
		for (enum rollout_at at = 0; at < AT_COUNT; at++)
			for (enum rollout_event event = 0; event < EV_COUNT; event++)
				ends[at] = ends[at] || ends[rollout_state_step(at, event).next];
	for (enum rollout_at at = 0; at < AT_COUNT; at++)
		assert_true(ends[at]);
}

static void everything_has_a_name(void **unused)
{
	(void)unused;
	for (enum rollout_at at = 0; at < AT_COUNT; at++)
		assert_string_not_equal(rollout_at_name(at), "unknown");
	for (enum rollout_event event = 0; event < EV_COUNT; event++)
		assert_non_null(rollout_event_name(event));
	for (enum rollout_action action = 0; action < ACT_COUNT; action++)
		assert_non_null(rollout_action_name(action));
	assert_string_equal(rollout_at_name(AT_COUNT), "unknown");
	assert_false(rollout_state_step(AT_COUNT, EV_ORDER).allowed);
	assert_false(rollout_state_step(AT_IDLE, EV_COUNT).allowed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_takes_every_event),
		cmocka_unit_test(whatever_it_does_a_candidate_can_be_taken_back),
		cmocka_unit_test(a_roll_back_goes_through),
		cmocka_unit_test(nothing_moves_before_the_candidate_was_looked_at),
		cmocka_unit_test(there_is_an_end_from_everywhere),
		cmocka_unit_test(everything_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
