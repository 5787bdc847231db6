/* The policy of balancing over made-up loads: it evens out what can be evened, is bounded in what it moves, respects
 * roles, and does not move anything back and forth. BATON_TEST_SEED=n repeats a run. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "balance.h"
#include "fake.h"

#define WORKERS 12u
#define BUCKETS 512u
#define LOOK_NS 1000000000ull
#define REST_NS (30 * LOOK_NS)

/* Workers, buckets and their true costs; what is measured of them may be noisy. */
static struct world {
	struct balance_rules rules;
	struct balance_state state[BALANCE_ROLES];
	struct balance_worker worker[WORKERS];
	uint32_t workers;
	uint8_t owner[BUCKETS];
	double truth[BUCKETS], cost[BUCKETS];
	uint64_t rests_ns[BUCKETS], moved_ns[BUCKETS], now_ns;
	uint32_t moved, times[BUCKETS]; /* moves ever, and of each bucket */
	struct balance_plan plan[BALANCE_ROLES];
} world;
static uint64_t seed;

static double chance(void)
{
	return (double)(fake_random(&seed) >> 11) / (double)(1ull << 53);
}

/* Every bucket with the next worker; no load. */
static void world_init(uint32_t workers)
{
	memset(&world, 0, sizeof(world));
	world.rules = (struct balance_rules){
		.threshold = 0.25, .settle = 0.1, .least_busy = 0.1, .looks = 3, .moves = 16,
	};
	world.workers = workers;
	world.now_ns = LOOK_NS;
	for (uint32_t i = 0; i < workers; i++)
		world.worker[i] = (struct balance_worker){ .member = true };
	for (uint32_t b = 0; b < BUCKETS; b++)
		world.owner[b] = (uint8_t)(b % workers);
}

/* One interval: measured with so much noise, decided for every role, moved. Returns the buckets moved. */
static uint32_t look(double noise)
{
	struct balance_look l = {
		.now_ns = world.now_ns, .workers = world.workers, .buckets = BUCKETS, .worker = world.worker,
		.owner = world.owner, .cost = world.cost, .rests_ns = world.rests_ns,
	};
	uint32_t count = 0;

	for (uint32_t i = 0; i < world.workers; i++)
		world.worker[i].load = 0;
	for (uint32_t b = 0; b < BUCKETS; b++) {
		world.cost[b] = world.truth[b] * (1 + noise * (2 * chance() - 1));
		if (world.owner[b] < world.workers)
			world.worker[world.owner[b]].load += world.cost[b];
	}
	for (uint32_t i = 0; i < world.workers; i++)
		world.worker[i].busy = fmin(world.worker[i].load, 1);
	for (uint8_t role = 0; role < BALANCE_ROLES; role++) {
		balance_plan(&world.rules, role, &world.state[role], &l, &world.plan[role]);
		const struct balance_plan *plan = &world.plan[role];
		assert_true(plan->moves <= world.rules.moves);
		assert_int_equal(plan->moves != 0, plan->verdict == BALANCE_MOVES);
		for (uint32_t i = 0; i < plan->moves; i++) {
			const struct balance_move *move = &plan->move[i];

			assert_int_equal(world.owner[move->bucket], move->from);
			world.times[move->bucket]++;
			world.owner[move->bucket] = move->to;
			world.moved_ns[move->bucket] = world.now_ns;
			world.rests_ns[move->bucket] = world.now_ns + REST_NS;
			count++;
		}
	}
	world.moved += count;
	world.now_ns += LOOK_NS;
	return count;
}

static uint32_t looks(uint32_t count, double noise)
{
	uint32_t moved = 0;

	for (uint32_t i = 0; i < count; i++)
		moved += look(noise);
	return moved;
}

static double true_load(uint32_t worker)
{
	double load = 0;

	for (uint32_t b = 0; b < BUCKETS; b++)
		load += world.owner[b] == worker ? world.truth[b] : 0;
	return load;
}

/* Excess over the mean of the most loaded worker of the role. */
static double true_imbalance(uint8_t role)
{
	double most = 0, sum = 0;
	uint32_t count = 0;

	for (uint32_t i = 0; i < world.workers; i++) {
		if (world.worker[i].role != role)
			continue;
		most = fmax(most, true_load(i));
		sum += true_load(i);
		count++;
	}
	return sum > 0 ? most * count / sum - 1 : 0;
}

/* A few players that do most, of buckets that are anybody's: loads that fall as 1 / rank, in all `sum`. */
static void heap_loads(double sum)
{
	double all = 0;

	for (uint32_t b = 0; b < BUCKETS; b++)
		all += world.truth[b] = 1 / (1 + floor(chance() * BUCKETS));
	for (uint32_t b = 0; b < BUCKETS; b++)
		world.truth[b] *= sum / all;
}

/* ---- what it does ---- */

static void a_worker_that_is_too_busy_gives_to_the_idlest(void **unused)
{
	(void)unused;
	world_init(3);
	for (uint32_t b = 0; b < 60; b += 3)
		world.truth[b] = 0.04; /* 20 buckets, all with worker 0 */
	assert_int_equal(looks(2, 0), 0);
	assert_int_equal(world.plan[0].verdict, BALANCE_WAITS);
	looks(4, 0);
	assert_true(true_imbalance(0) <= 0.25);
	uint32_t moved = world.moved;
	assert_in_range(moved, 12, 14); /* two thirds of them, and none twice */
	assert_int_equal(looks(100, 0), 0);
}

static void a_peak_that_is_over_soon_moves_nothing(void **unused)
{
	(void)unused;
	world_init(4);
	for (uint32_t b = 0; b < BUCKETS; b++)
		world.truth[b] = 0.001;
	for (uint32_t i = 0; i < 50; i++) {
		for (uint32_t b = 0; b < 40; b += 4)
			world.truth[b] = i % 3 != 2 ? 0.05 : 0.001; /* two looks of three */
		assert_int_equal(look(0), 0);
	}
}

static void a_bucket_hotter_than_a_worker_stays_and_the_others_leave(void **unused)
{
	(void)unused;
	world_init(3);
	for (uint32_t b = 0; b < BUCKETS; b++)
		world.truth[b] = 0.2 / BUCKETS;
	for (uint32_t i = 0; i < 10; i++)
		world.truth[3 * i] = 0.01;
	world.truth[33] = 0.6; /* worker 0's */
	uint8_t home = world.owner[33];
	looks(200, 0.05);
	assert_int_equal(world.owner[33], home);
	assert_int_equal(world.moved_ns[33], 0);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_not_equal(world.owner[3 * i], home);
	assert_true(true_load(home) < 0.6 * 1.1);
	assert_true(fabs(true_load((home + 1) % 3) - true_load((home + 2) % 3)) < 0.25 * true_load((home + 1) % 3));
	for (uint32_t b = 0; b < BUCKETS; b++)
		assert_true(world.times[b] <= 1);
	look(0);
	assert_int_equal(world.plan[0].verdict, BALANCE_STUCK); /* and is named */
	assert_int_equal(world.plan[0].alone, 33);
}

static void beside_a_hot_bucket_the_other_workers_are_evened(void **unused)
{
	(void)unused;
	world_init(4);
	world.truth[0] = 0.9;
	for (uint32_t i = 0; i < 20; i++)
		world.truth[1 + 4 * i] = 0.02; /* all with worker 1; 2 and 3 have nothing */
	looks(60, 0.05);
	assert_int_equal(world.owner[0], 0);
	for (uint32_t i = 1; i < 4; i++)
		assert_true(true_load(i) >= 0.10 && true_load(i) <= 0.17);
}

static void nothing_moves_between_roles(void **unused)
{
	static const uint8_t role[6] = { 0, 0, 1, 1, 2, 2 };

	(void)unused;
	world_init(6);
	for (uint32_t i = 0; i < 6; i++)
		world.worker[i].role = role[i];
	/* Stable is busy, the candidate's workers have next to nothing, control is uneven in itself. */
	for (uint32_t b = 0; b < BUCKETS; b++)
		world.truth[b] = (b % 6 < 2 ? 0.8 : b % 6 == 4 ? 0.3 : 0.02) * 6 / BUCKETS;
	for (uint32_t i = 0; i < 60; i++) {
		look(0.05);
		for (uint32_t b = 0; b < BUCKETS; b++)
			assert_int_equal(role[world.owner[b]], role[b % 6]);
	}
	assert_true(world.moved > 0);
	assert_true(true_imbalance(2) < 0.25);
}

static void idle_workers_and_those_left_out_are_left_alone(void **unused)
{
	(void)unused;
	world_init(3);
	for (uint32_t b = 0; b < 30; b += 3)
		world.truth[b] = 0.009; /* 9 % of a CPU: nobody is short of time */
	assert_int_equal(looks(10, 0), 0);
	assert_int_equal(world.plan[0].verdict, BALANCE_IDLE);
	assert_int_equal(world.plan[1].verdict, BALANCE_ALONE);
	for (uint32_t b = 0; b < 30; b += 3)
		world.truth[b] = 0.09;
	world.worker[1].member = false;
	world.rules.moves = 256;
	looks(10, 0);
	assert_true(true_load(1) == 0);
	assert_true(true_load(2) > 0.3);
	world.worker[2].member = false;
	assert_int_equal(looks(10, 0), 0);
}

/* What was placed by hand rests; so does what has moved. */
static void a_bucket_that_rests_stays(void **unused)
{
	(void)unused;
	world_init(2);
	for (uint32_t b = 0; b < 40; b += 2) {
		world.truth[b] = 0.04;
		world.rests_ns[b] = UINT64_MAX;
	}
	assert_int_equal(looks(20, 0), 0);
	world.rests_ns[0] = world.rests_ns[2] = 0;
	looks(20, 0);
	assert_int_equal(world.owner[0] + world.owner[2], 2);
	assert_int_equal(world.moved, 2);
}

/* ---- and what it does not, whatever the loads ---- */

/* Random loads that stay as they are but for noise: it gets even, or to where one hot bucket is in the way; then it
 * stops. A bucket may go on once, when it has rested; one that came and went and came would be going back and forth. */
static void steady_loads_are_evened_and_nothing_oscillates(void **unused)
{
	(void)unused;
	for (uint32_t round = 0; round < 40; round++) {
		double mean = 0, hottest = 0;

		world_init(2 + (uint32_t)(chance() * (WORKERS - 1)));
		heap_loads((0.2 + 0.6 * chance()) * world.workers);
		for (uint32_t b = 0; b < BUCKETS; b++) {
			mean += world.truth[b] / world.workers;
			hottest = fmax(hottest, world.truth[b]);
		}
		double before = true_imbalance(0);
		looks(600, 0.08);
		double after = true_imbalance(0);
		if (after > before + 1e-9 || after > fmax(0.35, hottest / mean - 1 + 0.1))
			fail_msg("round %u: %u workers: imbalance %.3f, was %.3f, hottest bucket %.3f of the mean", round,
				 world.workers, after, before, hottest / mean);
		for (uint32_t b = 0; b < BUCKETS; b++)
			if (world.times[b] > 2)
				fail_msg("round %u: bucket %u has moved %u times", round, b, world.times[b]);
		if (world.moved > BUCKETS / 2)
			fail_msg("round %u: %u moves", round, world.moved);
	}
}

/* The hot buckets change all the time, as badly timed as can be: a bucket moves once in its rest, and a look moves no
 * more than it may. */
static void changing_loads_move_each_bucket_once_in_its_rest(void **unused)
{
	uint64_t latest[BUCKETS];

	(void)unused;
	for (uint32_t round = 0; round < 10; round++) {
		world_init(2 + (uint32_t)(chance() * (WORKERS - 1)));
		memset(latest, 0, sizeof(latest));
		for (uint32_t i = 0; i < 600; i++) {
			if (i % (1 + (uint32_t)(chance() * 8)) == 0)
				heap_loads(0.5 * world.workers);
			look(0.3);
			for (uint32_t b = 0; b < BUCKETS; b++) {
				if (world.moved_ns[b] == latest[b])
					continue;
				if (latest[b] != 0 && world.moved_ns[b] - latest[b] < REST_NS)
					fail_msg("round %u: bucket %u has moved again after %.0f s", round, b,
						 (double)(world.moved_ns[b] - latest[b]) / 1e9);
				latest[b] = world.moved_ns[b];
			}
		}
	}
}

static int begin(void **unused)
{
	(void)unused;
	seed = fake_seed("test_balance");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_moves_between_roles),
		cmocka_unit_test(steady_loads_are_evened_and_nothing_oscillates),
		cmocka_unit_test(a_worker_that_is_too_busy_gives_to_the_idlest),
		cmocka_unit_test(a_peak_that_is_over_soon_moves_nothing),
		cmocka_unit_test(a_bucket_hotter_than_a_worker_stays_and_the_others_leave),
		cmocka_unit_test(beside_a_hot_bucket_the_other_workers_are_evened),
		cmocka_unit_test(idle_workers_and_those_left_out_are_left_alone),
		cmocka_unit_test(a_bucket_that_rests_stays),
		cmocka_unit_test(changing_loads_move_each_bucket_once_in_its_rest),
	};

	return cmocka_run_group_tests_name("balance", tests, begin, NULL);
}
