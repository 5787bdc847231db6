/* In which states of a rollout the gates are looked at: rollout_poll_one() does so as long as rollout_at_risk(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rollout_state.h"

/* As long as the candidate has players, or its replies are compared with theirs. */
static void gates_are_armed_as_long_as_the_candidate_has_players(void **state)
{
	static const enum rollout_at armed[] = {
		AT_START, AT_SHADOW, AT_SNAPSHOT, AT_WEIGHT, AT_PAUSE, AT_COMPLETE,
	};
	static const enum rollout_at asleep[] = { AT_IDLE, AT_CHECK, AT_SETTLE, AT_ROLLBACK, AT_DEGRADED };

	(void)state;
	for (size_t i = 0; i < sizeof(armed) / sizeof(armed[0]); i++)
		assert_true(rollout_at_risk(armed[i]));
	for (size_t i = 0; i < sizeof(asleep) / sizeof(asleep[0]); i++)
		assert_false(rollout_at_risk(asleep[i]));
	assert_int_equal(sizeof(armed) / sizeof(armed[0]) + sizeof(asleep) / sizeof(asleep[0]), AT_COUNT);
}

/* What a gate or a death says there ends it: the roll back is the next state, in a pause as anywhere. */
static void a_gate_that_fails_in_a_pause_rolls_back(void **state)
{
	(void)state;
	for (enum rollout_at at = AT_START; at <= AT_COMPLETE; at++) {
		assert_int_equal(rollout_state_step(at, EV_GATE).next, AT_ROLLBACK);
		assert_int_equal(rollout_state_step(at, EV_DEATH).next, AT_ROLLBACK);
	}
	/* an operator's pause is no state of its own: it is held where it is, and its gates with it */
	assert_int_equal(rollout_state_step(AT_WEIGHT, EV_PAUSE).next, AT_WEIGHT);
	assert_int_equal(rollout_state_step(AT_PAUSE, EV_PAUSE).next, AT_PAUSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gates_are_armed_as_long_as_the_candidate_has_players),
		cmocka_unit_test(a_gate_that_fails_in_a_pause_rolls_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
