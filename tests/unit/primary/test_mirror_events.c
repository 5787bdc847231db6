/* Mirrors while workers die, move, stand still and lie, and while records are put back; their world is mirror_world.h. */
#define _GNU_SOURCE
#include "mirror_world.h"

/* The shadows settle nothing: their belts fill. */
static void a_shadow_that_stands_still_holds_nobody_up(void **state)
{
	(void)state;
	world(&right, false);
	wait_in_step(ALL);
	traffic(2 * BELT_SLOTS, 3);
	assert_true(counts(0)->dropped >= 1 && counts(1)->dropped >= 1);
	assert_int_equal(counts(0)->compared, 0);
	assert_true(in_step(0) < BUCKETS);
	players_noticed_nothing();
	/* what it had is still right, and it finds its way back */
	wait_in_step(ALL);
	traffic(1000, ALL);
	assert_true(counts(0)->compared > BELT_SLOTS / 2);
	no_difference(0);
	players_noticed_nothing();
}

static void a_dead_shadow_is_forgotten_and_replaced(void **state)
{
	uint32_t orphans;

	(void)state;
	world(&right, false);
	wait_in_step(ALL);
	traffic(500, 3 | 1u << CONTROL); /* the candidate's entries are in its belt */
	assert_true(belt_depth(&io()->slot[CANDIDATE].belt) > 100);
	datapath_slot_look(rig.dp, CANDIDATE, 0, io()->slot[CANDIDATE].belt.reaped);
	datapath_slot_dead(rig.dp, CANDIDATE);
	for (uint32_t i = 0; !datapath_slot_recovered(rig.dp, CANDIDATE, &orphans); i++) {
		assert_true(i < 1000);
		turns(1);
	}
	struct slot_death death;
	datapath_slot_death(rig.dp, CANDIDATE, &death);
	assert_true(death.found && death.exact && death.entry.kept >= 4);
	assert_int_equal(orphans, 0);
	assert_int_equal(in_step(0), 0);
	assert_int_equal(in_step(1), BUCKETS);
	traffic(500, 3 | 1u << CONTROL);
	no_difference(1);
	players_noticed_nothing();
	start_worker(CANDIDATE, &right);
	datapath_mirror_join(rig.dp, mirror, 0, CANDIDATE);
	wait_in_step(ALL);
	uint64_t compared = counts(0)->compared;
	traffic(1000, ALL);
	assert_true(counts(0)->compared > compared + 500);
	no_difference(0);
	players_noticed_nothing();
}

/* What it left is redelivered, in production; the shadows have seen none of it yet. */
static void a_death_and_a_move_of_production_change_nothing(void **state)
{
	uint32_t orphans;

	(void)state;
	world(&right, false);
	wait_in_step(ALL);
	traffic(500, ALL);
	for (uint32_t i = 0; i < 50; i++)
		inject(i, 0, 0);
	turns(20);
	work(0);
	datapath_slot_dead(rig.dp, 0);
	for (uint32_t i = 0; !datapath_slot_recovered(rig.dp, 0, &orphans); i++) {
		assert_true(i < 1000);
		turns(1);
	}
	assert_int_equal(orphans, BUCKETS / 2);
	int id = datapath_move(rig.dp, &(struct move_order){.from = 0, .to = 1});
	struct move_report report;
	for (uint32_t i = 0; !datapath_move_done(rig.dp, id, &report); i++) {
		assert_true(i < 10000);
		turns(1);
		run(1);
	}
	traffic(1000, ALL & ~1u);
	start_worker(0, &right);
	move_buckets(1, 0, quarter);
	traffic(1000, ALL);
	assert_true(counts(0)->compared > 1500);
	no_difference(0);
	no_difference(1);
	players_noticed_nothing();
}

static void slot_dies(uint32_t slot)
{
	uint32_t orphans;

	datapath_slot_dead(rig.dp, slot);
	for (uint32_t i = 0; !datapath_slot_recovered(rig.dp, slot, &orphans); i++) {
		assert_true(i < 1000);
		turns(1);
	}
}

/* More is settled at once than an lcore reaps in one turn. */
static void crowd(void)
{
	for (uint32_t n = 0; n < 800 * lcores; n++) {
		inject(fake_below(&seed, KEYS / 4), 0, 0);
		if (n % 100 == 99)
			turns(8);
	}
	still = (1u << lcores) - 1;
	for (uint32_t n = 0; n < 100; n++)
		work(n % CANDIDATE);
	for (uint32_t n = 0; n < 40; n++) {
		still = lcores == 1 ? 0 : (1u << lcores) - 1 - (1u << fake_below(&seed, lcores));
		turns(1);
		work(CANDIDATE + n % 2);
	}
	still = 0;
}

/* Deaths and moves of production, deaths of both shadows, under traffic. */
static void nothing_that_happens_makes_a_difference(void **state)
{
	(void)state;
	world(&right, false);
	wait_in_step(ALL);
	for (uint32_t round = 0; round < 24; round++) {
		uint32_t dies = fake_below(&seed, SLOTS), other = 1 - dies;
		uint64_t map[WORDS] = {0};

		if (round % 3 == 0) {
			wait_in_step(ALL);
			crowd();
		}
		for (uint32_t i = 0; i < 200; i++)
			inject(fake_below(&seed, KEYS), fake_below(&seed, 8), 0);
		still = lcores == 1 ? 0 : fake_below(&seed, (1u << lcores) - 1);
		turns(20);
		still = 0;
		for (uint32_t n = fake_below(&seed, 6); n > 0; n--)
			work(fake_below(&seed, SLOTS));
		slot_dies(dies);
		if (dies < CANDIDATE) {
			move_buckets(dies, other, NULL);
			traffic(100, ALL & ~(1ull << dies));
		}
		start_worker(dies, &right);
		if (dies >= CANDIDATE)
			datapath_mirror_join(rig.dp, mirror, dies - CANDIDATE, dies);
		for (uint32_t i = 0; i < WORDS; i++)
			map[i] = seed * (i + 3) ^ seed >> 17;
		if (dies < CANDIDATE)
			move_buckets(other, dies, map);
		traffic(200, ALL);
	}
	assert_true(counts(0)->compared > 1000 && counts(1)->compared > 1000);
	no_difference(0);
	no_difference(1);
	players_noticed_nothing();
	wait_in_step(ALL);
}

/* Home stands still, and the clock: the other lcore may copy so much and no more. */
static void what_is_not_handed_over_takes_its_bucket_along(void **state)
{
	(void)state;
	world(&right, false);
	wait_in_step(ALL);
	for (uint32_t i = 0; i < MIRROR_COPIES + 400; i++) {
		uint8_t bytes[sizeof(struct request)] = {0};
		uint32_t key = fake_below(&seed, KEYS), l = 1 + fake_below(&seed, lcores - 1);

		memcpy(bytes, &key, sizeof(key));
		rig_inject(&rig, l, rig_frame(&rig, l, bytes, sizeof(bytes)));
		sent++;
		still = 1;
		turn_once();
		work(fake_below(&seed, 2));
		count_frames();
		still = 0;
	}
	assert_true(mirror_fed_dropped(mirror) > 100);
	traffic(500, ALL);
	no_difference(0);
	assert_true(counts(0)->left_step > 0);
	wait_in_step(ALL);
	traffic(2000, ALL);
	no_difference(0);
	no_difference(1);
	assert_true(counts(0)->compared > 1500);
	players_noticed_nothing();
}

/* Bits of `done` that no honest worker writes: it is to be fenced, and is reaped no more. */
static void a_shadow_that_lies_is_fenced(void **state)
{
	(void)state;
	world(&right, false);
	wait_in_step(ALL);
	atomic_store(&state_control(&rig.state, CANDIDATE)->commit[0].done, io()->slot[CANDIDATE].belt.offered + 5);
	traffic(100, 3 | 1u << CONTROL);
	assert_int_equal(datapath_slot_to_fence(rig.dp), CANDIDATE);
	assert_int_equal(datapath_fence_why(rig.dp, CANDIDATE), FENCE_DONE);
	players_noticed_nothing();
	/* as its death would leave it */
	atomic_store(&state_control(&rig.state, CANDIDATE)->commit[0].done, io()->slot[CANDIDATE].belt.offered);
}

/* The buckets of `map`, of worker 0, as the snapshot has them; packets wait meanwhile. */
static void put_back(const struct snap *snapshot, const uint64_t *map)
{
	struct move_report report;
	int id = datapath_move(rig.dp, &(struct move_order){.from = 0, .to = 0, .map = map, .hold = true});

	assert_true(id > 0);
	for (uint32_t i = 0, held = 0; !datapath_move_done(rig.dp, id, &report); i++) {
		assert_true(i < 10000);
		inject(fake_below(&seed, KEYS), 0, 0);
		turns(1);
		for (uint32_t s = 0; s < SLOTS; s++)
			work(s);
		if (held || !datapath_move_held(rig.dp, id))
			continue;
		for (uint32_t b = 0; b < BUCKETS; b++)
			if (map[b / 64] >> (b % 64) & 1u)
				assert_int_equal(snap_restore(&rig.state, 0, snap_find(snapshot, 0, b)), 0);
		datapath_move_release(rig.dp, id, false);
		held = 1;
	}
}

static void records_that_are_put_back_are_copied_anew(void **state)
{
	char path[] = "/tmp/baton-mirror.XXXXXX", why[200] = "";
	struct snap_report report;
	struct snap snapshot;

	(void)state;
	world(&right, false);
	wait_in_step(ALL);
	traffic(500, ALL);
	close(mkstemp(path));
	unlink(path); /* a name of our own: it must not be there */
	if (snap_write(&rig.state, path, NULL, &report, why, sizeof(why)) != 0 || snap_open(&snapshot, path, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	unlink(path);
	for (uint32_t round = 0; round < 6; round++) {
		wait_in_step(ALL);
		traffic(300, ALL);
		put_back(&snapshot, quarter);
		traffic(300, ALL);
	}
	snap_close(&snapshot);
	wait_in_step(ALL);
	assert_true(counts(0)->compared > 1000 && counts(1)->compared > 1000);
	no_difference(0);
	no_difference(1);
	players_noticed_nothing();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(a_shadow_that_stands_still_holds_nobody_up, one),
		CLAIM(a_shadow_that_stands_still_holds_nobody_up, two),
		CLAIM(a_dead_shadow_is_forgotten_and_replaced, one),
		CLAIM(a_dead_shadow_is_forgotten_and_replaced, two),
		CLAIM(a_death_and_a_move_of_production_change_nothing, one),
		CLAIM(a_death_and_a_move_of_production_change_nothing, two),
		CLAIM(nothing_that_happens_makes_a_difference, one),
		CLAIM(nothing_that_happens_makes_a_difference, two),
		CLAIM(nothing_that_happens_makes_a_difference, three),
		CLAIM(what_is_not_handed_over_takes_its_bucket_along, two),
		CLAIM(a_shadow_that_lies_is_fenced, one),
		CLAIM(records_that_are_put_back_are_copied_anew, one),
		CLAIM(records_that_are_put_back_are_copied_anew, three),
	};

	rig_eal();
	seed = fake_seed("test_mirror_events") | 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
