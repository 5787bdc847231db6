/* Ticks under moves, deaths, leaps of the clock and restarts of the primary: each bucket gets each number once, in
 * order, none skipped, at a time and with a chance that are the number's. BATON_TEST_SEED=n repeats a run. */
#include "ticks_world.h"

#define MOVES 1000u

/* Mostly a part of a period; at times more than one entry makes up for, and so far that numbers do not follow. */
static void pass_time(void)
{
	uint32_t what = fake_below(&w.random, 1000);
	uint64_t by = PERIOD / 16;

	if (what < 5)
		by = PERIOD * (CATCH_UP + fake_below(&w.random, 20));
	else if (what < 100)
		by = PERIOD;
	else if (what == 999 && lowest_tick() >= ticks()->times.number) { /* all of the leap before is made up for */
		by = PERIOD * (TICKS_LEAP + 1 + fake_below(&w.random, 100000));
		w.leaps++;
	}
	set_time(w.now + by);
}

static void random_move(void)
{
	uint32_t from = pick(ALIVE), to = pick(ALIVE);
	uint64_t map[BUCKETS / 64] = {fake_random(&w.random), fake_random(&w.random)};

	if (w.move != 0 || from == SLOT_NONE || from == to)
		return;
	int rc = datapath_move(w.rig.dp, &(struct move_order){.from = from, .to = to,
								  .map = fake_below(&w.random, 3) ? map : NULL});
	if (rc == -EALREADY)
		return;
	assert_true(rc > 0);
	w.move = rc;
}

static void step(void)
{
	uint32_t what = fake_below(&w.random, 1000), slot;

	if (what < 2 && (slot = pick(ALIVE)) != SLOT_NONE)
		kill_worker(slot);
	else if (what < 50)
		random_move();
	else if (what < 150)
		supervise();
	else if (what < 500)
		worker_step(pick(ALIVE), fake_below(&w.random, 100) == 0 ? 1 + fake_below(&w.random, 30) : 0);
	else if (what < 600)
		pass_time();
	else
		turn(fake_below(&w.random, LCORES));
}

/* Ticks are in the belts of workers that die before they look at them, and then the clock stands still. */
static bool the_last_ticks_reach_those_who_come_after(void)
{
	set_time(w.now + 20 * PERIOD);
	for (uint32_t i = 0; i < 100; i++)
		turn(0);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		if (w.life[slot] == ALIVE)
			kill_worker(slot);
	return settle();
}

static void a_worker_that_owns_nothing_sleeps_through_all_ticks(void **state)
{
	(void)state;
	world_create(fake_seed(__func__));
	give_first_owner();
	start_worker(1);
	for (uint32_t i = 0; i < 100 && w.life[1] != ALIVE; i++) {
		turn(fake_below(&w.random, LCORES));
		supervise();
	}
	assert_int_equal(w.life[1], ALIVE);
	for (uint32_t i = 0; i < 100 * TICK_GROUPS; i++) {
		set_time(w.now + PERIOD / TICK_GROUPS);
		turn(0);
		worker_step(0, 0);
	}
	assert_true(w.ticks > 1000);
	assert_int_equal(w.rig.dp->io[0]->slot[1].belt.offered, 0); /* nothing has woken it */
	w.move = datapath_move(w.rig.dp, &(struct move_order){.from = 0, .to = 1});
	assert_true(w.move > 0);
	assert_true(settle()); /* and what it missed it makes up for */
	uint64_t idle = w.rig.dp->io[0]->slot[0].belt.offered;
	set_time(w.now + 10 * PERIOD);
	for (uint32_t i = 0; i < 1000; i++)
		turn(0);
	assert_int_equal(w.rig.dp->io[0]->slot[0].belt.offered, idle); /* nor the one that gave all of its own away */
	rig_destroy(&w.rig);
}

/* Returns whether all promises were kept. */
static bool storm(uint64_t seed, uint64_t moves)
{
	world_create(seed);
	give_first_owner();
	for (uint32_t i = 0; w.moves < moves && w.broken == 0; i++) {
		step();
		assert_true(i < 10000000);
	}
	bool good = w.broken == 0 && buckets_are_counted() && the_last_ticks_reach_those_who_come_after() && w.broken == 0;
	for (uint32_t b = 0; good && b < BUCKETS; b++) {
		struct tally tally = {0};
		good = state_read_record(&w.rig.state, 0, b, b, &tally, sizeof(tally)) == 0 && tally.last == last_tick(b);
	}
	rig_destroy(&w.rig);
	return good;
}

static void each_bucket_gets_each_number_once_in_order(void **state)
{
	uint64_t seed = fake_seed(__func__);

	(void)state;
	for (uint32_t round = 0; round < 3; round++, seed += 2) {
		bool good = storm(seed, MOVES);
		printf("seed %#llx: %llu moves, %llu deaths (%llu in a tick), %llu leaps, %llu ticks, %llu begun again%s\n",
		       (unsigned long long)seed, (unsigned long long)w.moves, (unsigned long long)w.deaths,
		       (unsigned long long)w.deaths_in_a_tick, (unsigned long long)w.leaps, (unsigned long long)w.ticks,
		       (unsigned long long)w.redone, good ? "" : ": BROKEN");
		assert_true(good);
		assert_true(w.moves >= MOVES && w.deaths > 100 && w.deaths_in_a_tick > 20 && w.redone > 20 && w.ticks > 100000);
	}
}

/* ---- restarts ---- */

/* A few periods of work; at the end some die in the middle of a tick, and what they left is not rolled back. */
static void work(uint32_t periods, bool killed)
{
	if (datapath_owner(w.rig.dp, 0, 0) == SLOT_NONE)
		give_first_owner();
	for (uint32_t i = 0; i < periods * 16; i++) {
		set_time(w.now + PERIOD / 16);
		for (uint32_t k = 0; k < 8; k++) {
			turn(fake_below(&w.random, LCORES));
			worker_step(pick(ALIVE), 0);
			supervise();
		}
	}
	if (!killed)
		return (void)settle();
	set_time(w.now + PERIOD);
	for (uint32_t i = 0; i < 64; i++)
		turn(0);
	worker_step(pick(ALIVE), 7);
}

/* Returns whether the ticks went on: the next number for each bucket, at the time of the new primary. */
static bool restart_goes_on(uint64_t now)
{
	uint64_t highest = 0;

	world_restart(now);
	for (uint32_t b = 0; b < BUCKETS; b++)
		highest = last_tick(b) > highest ? last_tick(b) : highest;
	for (uint32_t b = 0; b < BUCKETS; b++) { /* a bucket's time starts anew with the primary */
		uint64_t key;
		struct baton_ctx ctx = {.bucket = b};
		uint32_t iter = 0;
		state_bind(&w.rig.state, 0, 0, &ctx);
		struct tally *tally = baton_next(&ctx, &iter, &key);
		if (tally != NULL)
			tally->time_ns = 0;
	}
	work(5, false);
	if (w.broken != 0 || !caught_up() || lowest_tick() <= highest || lowest_tick() > highest + 8)
		return false;
	for (uint32_t b = 0; b < BUCKETS; b++)
		if (w.begun[b].time_ns < now || w.begun[b].time_ns > w.now || w.now - w.begun[b].time_ns > 2 * PERIOD)
			return false;
	return true;
}

static bool restarts(uint64_t seed)
{
	bool good;

	world_create(seed);
	work(40, true);
	good = restart_goes_on(w.now + 3 * DAY);
	work(3, true);
	good = good && restart_goes_on(w.now - DAY);
	good = good && restart_goes_on(w.now - 2 * DAY);
	rig_destroy(&w.rig);
	return good;
}

static void ticks_go_on_after_days_without_a_primary_and_after_a_clock_set_back(void **state)
{
	(void)state;
	assert_true(restarts(fake_seed(__func__)));
}

#ifndef BATON_SABOTAGE_RULE
static void each_rule_broken_is_noticed(void **state)
{
	static const char *const names[] = {
#define X(name) #name,
		SABOTAGES(X)
#undef X
	};
	uint64_t seed = fake_seed(__func__);

	(void)state;
	for (sabotage = SABOTAGE_none; sabotage < SABOTAGES_OF_TICKS; sabotage++) {
		bool kept = storm(seed, 200) && restarts(seed);

		if (sabotage == SABOTAGE_full_forgotten) /* belts are not full here: see below */
			continue;
		if (kept != (sabotage == SABOTAGE_none))
			print_message("%s\n", names[sabotage]);
		assert_int_equal(kept, sabotage == SABOTAGE_none);
	}
	sabotage = SABOTAGE_none;
}
#endif

/* A number in the file that no primary posted, as a wild write leaves it, leads nobody astray. */
static void a_number_that_was_never_posted_is_not_believed(void **state)
{
	(void)state;
	world_create(fake_seed(__func__));
	work(5, false);
	uint64_t honest = lowest_tick();
	state_words(&w.rig.state, 0)[0].last_tick = UINT64_MAX - 1;
	assert_true(restart_goes_on(w.now));
	assert_true(last_tick(0) <= honest + 8);
	rig_destroy(&w.rig);
}

/* ---- the primary's part alone ---- */

static void fill_belt(uint32_t lcore, uint32_t slot)
{
	uint32_t key[8] = {0};

	while (belt_room(&w.rig.dp->io[lcore]->slot[slot].belt) != 0) {
		key[0]++;
		rig_inject(&w.rig, lcore, rig_frame(&w.rig, lcore, key, sizeof(key)));
		turn(lcore);
	}
}

static bool a_full_belt_delays_only(void)
{
	world_create(fake_seed(__func__));
	give_first_owner();
	settle();
	fill_belt(0, 0);
	set_time(w.now + 3 * PERIOD);
	turn(0);
	turn(0);
	bool good = !caught_up() && settle();
	rig_destroy(&w.rig);
	return good;
}

static void a_tick_that_finds_no_room_is_made_up_for(void **state)
{
	(void)state;
	assert_true(a_full_belt_delays_only());
	sabotage = SABOTAGE_full_forgotten;
	assert_false(a_full_belt_delays_only());
	sabotage = SABOTAGE_none;
}

static void a_worker_that_says_it_is_behind_for_ever_gets_one_entry_a_group(void **state)
{
	(void)state;
	world_create(fake_seed(__func__));
	give_first_owner();
	assert_true(settle());
	struct belt_consumer liar = w.loop[0].belt[0];
	for (uint32_t i = 0; i < 5000; i++) {
		set_time(w.now + PERIOD / 3);
		turn(0);
		assert_true(belt_depth(&w.rig.dp->io[0]->slot[0].belt) <= TICK_GROUPS);
		if (i < 100)
			continue; /* not even settled: they do not pile up */
		uint32_t ready = belt_take(&liar, BELT_SLOTS);
		for (uint32_t n = 0; n < ready; n++)
			belt_verdict(&liar, liar.done + n, TICK_BEHIND);
		belt_settle(&liar, liar.done + ready);
	}
	w.loop[0].belt[0] = liar;
	assert_true(settle());
	rig_destroy(&w.rig);
}

static void groups_are_spread_over_the_period(void **state)
{
	(void)state;
	world_create(fake_seed(__func__));
	give_first_owner();
	for (uint32_t i = 0; i < 256; i++) { /* what follows the grant */
		turn(0);
		worker_step(0, 0);
	}
	uint64_t from = stats_io(&w.rig.stats, 0)->control_entries, step = ticks()->step, owned = 0, before = 0;

	for (uint32_t slot = 0; slot < SLOTS; slot++)
		before += stats_slot(&w.rig.stats, 0, slot)->bucket_ticks;

	for (uint32_t i = 1; i <= 3 * TICK_GROUPS; i++) {
		set_time(w.now + PERIOD / TICK_GROUPS);
		while (ticks()->step == step + i - 1)
			turn(0); /* until one that has nothing else to do */
		for (uint32_t slot = 0; slot < SLOTS; slot++)
			worker_step(w.life[slot] != FREE ? slot : SLOT_NONE, 0);
		assert_true(caught_up());
		assert_int_equal(stats_io(&w.rig.stats, 0)->control_entries - from, i); /* one group, to the one owner */
		assert_int_equal(ticks()->step - step, i);
	}
	turn(0); /* the last one leaves the belt */
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		owned += stats_slot(&w.rig.stats, 0, slot)->bucket_ticks;
	assert_int_equal(owned - before, 3 * TICK_GROUPS * BUCKETS); /* each of all that its one owner has */
	rig_destroy(&w.rig);
}

static void ticks_go_on_when_the_system_clock_is_set_back(void **state)
{
	struct io_clock clock;
	struct clock_sample sample = {.tsc = 1000, .real_ns = 1700000000ull * 1000000000ull};
	struct ticks t;

	(void)state;
	clock_init(&clock, 1000000000, &sample); /* a nanosecond a cycle */
	ticks_init(&t, 10 * PERIOD, CATCH_UP, BUCKETS, 41);
	advance(&t, sample.real_ns);
	assert_int_equal(ticks_number(&t, 0), 42);
	for (uint32_t second = 1; second <= 100; second++) {
		sample.tsc += 1000000000;
		sample.real_ns += 1000000000 - (second == 10 ? DAY : 0);
		clock_round(&clock, sample.tsc, &sample);
		uint64_t before = ticks_number(&t, 0);
		advance(&t, clock_ns(&clock, sample.tsc + 500000000));
		assert_in_range(ticks_number(&t, 0) - before, second == 1 ? 149 : 98, second == 1 ? 151 : 102);
	}
}

/* Up to 1024 periods numbers follow the clock, beyond that time alone does; what was before keeps its time. */
static void a_leap_of_the_clock_leaps_in_time_not_in_numbers(void **state)
{
	uint64_t now = 1700000000ull * 1000000000ull, time[3];
	struct ticks t;

	(void)state;
	ticks_init(&t, PERIOD, CATCH_UP, BUCKETS, 41);
	advance(&t, now);
	assert_int_equal(tick_time(&t.times, 42), now);
	assert_int_equal(tick_time(&t.times, 40), now - 2 * PERIOD); /* missed before the start */
	assert_int_equal(tick_time(&t.times, 41), now - PERIOD);
	now += TICKS_LEAP * PERIOD;
	assert_true(advance(&t, now) == UINT64_MAX); /* every group has a new number */
	assert_int_equal(ticks_number(&t, 0), 42 + TICKS_LEAP);
	for (uint32_t i = 0; i < 3; i++)
		time[i] = tick_time(&t.times, 40 + i * 500);
	now += 400 * DAY;
	advance(&t, now);
	assert_int_equal(ticks_number(&t, 0), 42 + TICKS_LEAP + 1);
	assert_int_equal(tick_time(&t.times, 42 + TICKS_LEAP + 1), now);
	assert_int_equal(tick_time(&t.times, 42 + TICKS_LEAP), now - 400 * DAY);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(tick_time(&t.times, 40 + i * 500), time[i]);
	ticks_init(&t, 3600000000000ull, CATCH_UP, BUCKETS, 1700000000000ull); /* numbers of a shorter period */
	advance(&t, now);
	assert_int_equal(tick_time(&t.times, 1), 0);
	assert_int_equal(tick_time(&t.times, 1700000000001ull), now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bucket_gets_each_number_once_in_order),
		cmocka_unit_test(ticks_go_on_after_days_without_a_primary_and_after_a_clock_set_back),
		cmocka_unit_test(a_worker_that_owns_nothing_sleeps_through_all_ticks),
#ifndef BATON_SABOTAGE_RULE
		cmocka_unit_test(each_rule_broken_is_noticed),
#endif
		cmocka_unit_test(a_number_that_was_never_posted_is_not_believed),
		cmocka_unit_test(a_tick_that_finds_no_room_is_made_up_for),
		cmocka_unit_test(a_worker_that_says_it_is_behind_for_ever_gets_one_entry_a_group),
		cmocka_unit_test(groups_are_spread_over_the_period),
		cmocka_unit_test(ticks_go_on_when_the_system_clock_is_set_back),
		cmocka_unit_test(a_leap_of_the_clock_leaps_in_time_not_in_numbers),
	};

	rig_eal();
	log_init("test", LEVEL_ERROR); /* of each state file: that it is not on hugetlbfs */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
