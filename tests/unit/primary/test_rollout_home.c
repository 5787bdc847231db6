/* Weights and balancing together: a weight is exact by role, balancing moves within a role, and what balancing or an
 * operator has placed is where it was when the weight has come and gone. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rollout_rig.h"

/* Number of the stable worker that has the bucket, or of another role: 100 + role. */
static uint8_t place_of(uint32_t bucket)
{
	const struct worker *w = rig_worker(rig_slot(fake.owner[0][bucket])->worker);

	return (uint8_t)(w->role == ROLE_STABLE ? w->index : 100u + w->role);
}

static void places(uint8_t at[FAKE_BUCKETS])
{
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		at[b] = place_of(b);
}

static void all_are_at(const uint8_t at[FAKE_BUCKETS])
{
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		if (place_of(b) != at[b])
			fail_msg("bucket %u is with %u, not with %u", b, place_of(b), at[b]);
}

/* Who is stable's has not changed hands. */
static void stable_ones_are_at(const uint8_t at[FAKE_BUCKETS])
{
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		if (place_of(b) < 100)
			assert_int_equal(place_of(b), at[b]);
}

/* One service, as in a configuration file; game.1 has three quarters and more, by hand. */
static void uneven_by_hand(void)
{
	memset(fake.owner[1], SLOT_NONE, sizeof(fake.owner[1]));
	rig.primary->config.services = 1;
	assert_int_equal(begin_buckets("0-40", "game.1"), 0);
	done_well();
}

static void has_exactly(uint32_t candidate, uint32_t control)
{
	assert_int_equal(owned_by_role(ROLE_CANDIDATE, 0), candidate);
	assert_int_equal(owned_by_role(ROLE_CONTROL, 0), control);
}

static void idle(void)
{
	wait_until(r()->at == AT_DEGRADED || r()->at == AT_IDLE);
	wait_until(scale_settled());
}

static void what_was_placed_by_hand_is_there_after_an_abort(void **unused)
{
	struct rollout_order o = order(NULL);
	uint8_t before[FAKE_BUCKETS];

	(void)unused;
	uneven_by_hand();
	places(before);
	start("r2.so");
	until_pause(100);
	has_exactly(6, 6);
	stable_ones_are_at(before);
	assert_true(ok(rollout_resume(rig.primary, &o)));
	until_pause(500);
	has_exactly(32, 32); /* stable has none: what it had is remembered */
	assert_true(ok(rollout_abort(rig.primary, &o)));
	idle();
	all_are_at(before);
}

/* Its buckets are with one stable worker first, whichever that is. */
static void and_after_a_candidates_death(void **unused)
{
	uint8_t before[FAKE_BUCKETS];

	(void)unused;
	uneven_by_hand();
	places(before);
	start("r2.so");
	until_pause(100);
	kill(rig_pid(a_worker(ROLE_CANDIDATE)), SIGKILL);
	idle();
	assert_int_equal(r()->at, AT_DEGRADED);
	all_are_at(before);
}

static void and_after_a_promotion(void **unused)
{
	struct rollout_order o = order(NULL);
	uint8_t before[FAKE_BUCKETS];

	(void)unused;
	uneven_by_hand();
	places(before);
	start("r2.so");
	o.full = true;
	assert_true(ok(rollout_promote(rig.primary, &o)));
	idle();
	assert_int_equal(r()->at, AT_IDLE);
	all_are_at(before);
}

/* ---- balancing at a weight ---- */

static uint32_t heat[FAKE_BUCKETS]; /* entries of each bucket in every turn */

static bool traffic(void)
{
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		fake.load[0][b] += heat[b];
	return true;
}

static void balance_on(void)
{
	rig.primary->config.group[0].balance = (struct config_balance){
		.enabled = true, .measure = MEASURE_PACKETS, .interval_ns = 5000000, .threshold = 25, .settle = 10,
		.patience = 2, .moves = 16, .rest_ns = 60000000000ull, .keep_placed_ns = 60000000000ull,
	};
}

static uint64_t moves(void) { return stats_main(&rig.primary->stats)->balance_moves; }

static void what_balancing_placed_during_a_rollout_stays(void **unused)
{
	const struct balance_group *g = &rig.primary->supervisor->balance.group[0];
	struct rollout_order o = order(NULL);
	uint8_t before[FAKE_BUCKETS], at_weight[FAKE_BUCKETS], balanced[FAKE_BUCKETS];
	uint32_t moved = 0;

	(void)unused;
	memset(fake.owner[1], SLOT_NONE, sizeof(fake.owner[1]));
	rig.primary->config.services = 1;
	places(before);
	start("r2.so");
	until_pause(100);
	places(at_weight);
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++) /* the candidate is the busiest of all, which is nobody's business */
		heat[b] = at_weight[b] == 0 ? 100 : at_weight[b] == 100 + ROLE_CANDIDATE ? 1000 : 1;
	balance_on();
	wait_until(traffic() && moves() > 0 && !g->planned && rig.primary->supervisor->scale.phase == SCALE_IDLE);
	rig.primary->config.group[0].balance.enabled = false;
	memset(heat, 0, sizeof(heat));
	rig_turn();
	places(balanced);
	has_exactly(6, 6);
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++) {
		if (at_weight[b] >= 100)
			assert_int_equal(balanced[b], at_weight[b]); /* within its role */
		moved += balanced[b] != at_weight[b];
	}
	assert_true(moved > 0);
	assert_true(ok(rollout_resume(rig.primary, &o)));
	until_pause(500);
	has_exactly(32, 32);
	assert_true(ok(rollout_abort(rig.primary, &o)));
	idle();
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		if (balanced[b] >= 100)
			balanced[b] = before[b];
	all_are_at(balanced);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_placed_by_hand_is_there_after_an_abort),
		TEST(and_after_a_candidates_death),
		TEST(and_after_a_promotion),
		TEST(what_balancing_placed_during_a_rollout_stays),
	};

	fake_zygote_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
