/* Gates and chance: how often a window of a good candidate fails, where threshold and truth are as near as can be;
 * whole rollouts on a machine whose processes preempt each other; and what a bad candidate takes. BATON_TEST_SEED=n
 * repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <time.h>

#include "gates_rig.h"

/* More of so many windows than that fail for a good candidate once in a million runs, if GATE_ALPHA is what it is
 * said to be: the upper tail of a Poisson distribution. */
static uint32_t most_of(uint32_t windows)
{
	double mean = windows * GATE_ALPHA, term = exp(-mean), sum = term;
	uint32_t k = 0;

	while (1 - sum > 1e-6)
		sum += term *= mean / ++k;
	return k;
}

static void begin(void)
{
	world_begin();
	world.analysis.warmup_ns = 0;
	world.candidate.random = world.control.random = true;
}

/* Gates that are on, and fail in the windows to come. */
static void run(uint32_t windows, uint32_t failed[GATE_COUNT])
{
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	for (uint32_t i = 0; i < windows; i++) {
		enum gates_say say = world_window();

		if (say == GATES_WAIT)
			fail();
		for (uint32_t g = 0; g < GATE_COUNT; g++)
			failed[g] += result(g)->verdict == GATE_FAIL;
	}
}

/* A candidate that is exactly as bad as it may be. Ratios from one in 100000 to every second packet; whether the
 * threshold is a difference, a ratio or absolute. */
static void a_candidate_at_its_threshold_fails_as_rarely_as_is_said(void **unused)
{
	static const struct { double control, candidate, max, max_delta, max_ratio; } cases[] = {
		{1e-5, 1e-5, NAN, 0, NAN}, {1e-3, 1e-3, NAN, NAN, 1}, {0.5, 0.5, NAN, 0, NAN}, {0.001, 0.002, NAN, 0.001, NAN},
		{0.02, 0.03, NAN, NAN, 1.5}, {0.001, 0.01, 0.01, NAN, NAN},
	};
	const uint32_t windows = 150, count = sizeof(cases) / sizeof(cases[0]);
	uint32_t failed[GATE_COUNT] = {0};

	(void)unused;
	for (uint32_t i = 0; i < count; i++) {
		begin();
		world.analysis.min_packets = 4000;
		for (uint32_t g = 0; g < GATE_COUNT; g++) {
			world.analysis.gate[g] = gate_of(cases[i].max, cases[i].max_delta, cases[i].max_ratio);
			world.analysis.gate[g].on = g <= GATE_ERROR_REPLIES || g == GATE_SHADOW_DIFF;
		}
		world.candidate.packets = world.control.packets = world.candidate.compared = world.control.compared = 250;
		world.candidate.drops = world.candidate.malformed = world.candidate.errors = world.candidate.differs =
			cases[i].candidate;
		world.control.drops = world.control.malformed = world.control.errors = world.candidate.noise =
			cases[i].control;
		run(windows, failed);
	}
	for (uint32_t g = 0; g < GATE_COUNT; g++)
		assert_true(failed[g] <= most_of(windows * count));
}

/* Times without floors' protection: tens of ms, and bursts of 64 that take 20000 cycles a packet, where the threshold
 * is to be no worse than control at all. Both have the same distribution, but in each slice another one of them is
 * unlucky. */
static void times_of_one_distribution_fail_as_rarely_as_is_said(void **unused)
{
	const uint32_t windows = 250;
	uint32_t failed[GATE_COUNT] = {0};

	(void)unused;
	begin();
	world.analysis.min_packets = 4000;
	for (uint32_t g = 0; g < GATE_COUNT; g++) {
		world.analysis.gate[g] = gate_of(NAN, NAN, 1);
		world.analysis.gate[g].on = g >= GATE_RESIDENCE_P50 && g <= GATE_CYCLES;
	}
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	for (uint32_t i = 0; i < windows; i++) {
		for (enum gates_say say = GATES_WAIT; say == GATES_WAIT;) {
			double machine = 0.5 + chance_unit(); /* of the moment, for both */
			struct traffic *side[2] = {&world.candidate, &world.control};

			for (uint32_t s = 0; s < 2; s++) {
				double luck = machine * exp(3 * chance_unit());

				*side[s] = good_traffic;
				side[s]->random = true;
				side[s]->packets = 256;
				side[s]->burst = 8;
				side[s]->residence = 30e6 * luck;
				side[s]->slow_residence = 300e6 * luck;
				side[s]->cycles = 20000 * luck;
			}
			say = world_step(LOOK);
		}
		for (uint32_t g = 0; g < GATE_COUNT; g++)
			failed[g] += result(g)->verdict == GATE_FAIL;
	}
	for (uint32_t g = 0; g < GATE_COUNT; g++)
		assert_true(failed[g] <= most_of(windows));
}

/* Two processes on one core, each of which is kept from it for a few ms at a time, when its luck is bad several times
 * a look; the one shares the core of the I/O lcore, the other does not. */
static void busy_machine(struct traffic *t, bool far)
{
	uint32_t delays = (uint32_t)(chance() % 4);

	*t = good_traffic;
	t->random = true;
	t->packets = 1000 + chance() % 500;
	t->residence = far ? 300e3 : 20e3;
	t->slow = delays * 0.02;
	t->slow_residence = 1e6 + 7e6 * chance_unit();
	t->burst = 1u << chance() % 5;
	t->cycles = (far ? 2500 : 800) / (double)t->burst + 150 + 400 * chance_unit();
	t->preempted = delays * 0.01;
	t->compared = 0;
}

static void a_good_candidate_is_promoted_every_time_on_a_busy_machine(void **unused)
{
	(void)unused;
	for (uint32_t rollout = 0; rollout < 20; rollout++) {
		bool far = rollout % 2;

		begin();
		for (uint32_t weight = 0; weight < 4; weight++) {
			if (weight == 3)
				gates_control_gone(&world.gates);
			gates_begin(&world.gates, &world.analysis, world.now_ns);
			for (uint32_t window = 0; window < 6;) {
				busy_machine(&world.candidate, far);
				busy_machine(&world.control, !far);
				enum gates_say say = world_step(LOOK);

				if (say == GATES_FAIL)
					print_message("%s: %s\n", rollout_gate_name(gates_guilty(&world.gates)),
						      result(gates_guilty(&world.gates))->why);
				assert_int_not_equal(say, GATES_FAIL);
				window += say != GATES_WAIT;
			}
		}
		assert_true(world.passed >= 20); /* of 24: a window that fails is not held against it */
	}
}

static void a_bad_candidate_is_found_in_its_third_window_on_a_busy_machine(void **unused)
{
	static const enum config_gate_id spoilt[] = {
		GATE_DROPS, GATE_MALFORMED, GATE_ERROR_REPLIES, GATE_RESIDENCE_P50, GATE_RESIDENCE_P99, GATE_CYCLES,
	};

	(void)unused;
	for (uint32_t i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++) {
		uint32_t windows = 0;

		begin();
		gates_begin(&world.gates, &world.analysis, world.now_ns);
		for (enum gates_say say = GATES_WAIT; say != GATES_FAIL; windows += say != GATES_WAIT) {
			busy_machine(&world.candidate, false);
			busy_machine(&world.control, true);
			world.candidate.drops += spoilt[i] == GATE_DROPS ? 0.005 : 0;
			world.candidate.malformed += spoilt[i] == GATE_MALFORMED ? 0.005 : 0;
			world.candidate.errors += spoilt[i] == GATE_ERROR_REPLIES ? 0.04 : 0;
			if (spoilt[i] == GATE_RESIDENCE_P50)
				world.candidate.residence = 4e6; /* a queue that does not get empty */
			if (spoilt[i] == GATE_RESIDENCE_P99)
				world.candidate.slow = 0.04, world.candidate.slow_residence = 60e6;
			if (spoilt[i] == GATE_CYCLES)
				world.candidate.cycles = 10 * world.candidate.cycles + 9 * 1500 / (double)world.candidate.burst;
			say = world_step(LOOK);
			assert_true(windows <= 4);
		}
		assert_in_range(windows, 3, 4);
		assert_int_equal(gates_guilty(&world.gates), spoilt[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_candidate_at_its_threshold_fails_as_rarely_as_is_said),
		cmocka_unit_test(times_of_one_distribution_fail_as_rarely_as_is_said),
		cmocka_unit_test(a_good_candidate_is_promoted_every_time_on_a_busy_machine),
		cmocka_unit_test(a_bad_candidate_is_found_in_its_third_window_on_a_busy_machine),
	};
	const char *seed = getenv("BATON_TEST_SEED");

	chance_state = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	print_message("test_gate_chance: BATON_TEST_SEED=%#llx\n", (unsigned long long)chance_state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
