/* The bots' books: a true history is accepted in whatever order it is told, and each thing that cannot be true of one
 * is found, as what it is, once. Prints its seed; BATON_SEED=N runs it again. */
#include <stdlib.h>
#include <sys/random.h>

#include "ledger_world.h"

/* Hits, heals and looks at random. */
static void live(struct world *w)
{
	static const uint32_t damages[] = { 0, 1, 1, 4, 10 };

	w->count = 0;
	while (w->count < TOLD) {
		if (roll(w, 2) == 0)
			heal(w, roll(w, 8));
		w->told[w->count++] = happen(w, damages[roll(w, 5)]);
	}
}

/* Each is told at most `distance` places later than it happened. */
static void shuffle(struct world *w, uint32_t distance)
{
	for (uint32_t i = 0; i < TOLD; i++) {
		uint32_t left = TOLD - i < distance ? TOLD - i : distance, other = i + roll(w, left);
		struct told swap = w->told[i];
		w->told[i] = w->told[other];
		w->told[other] = swap;
	}
}

static void a_true_history_is_accepted_in_any_order(void **state)
{
	static const uint32_t distances[] = { 1, 2, 5, 20, TOLD };
	struct world w;

	(void)state;
	for (uint32_t i = 0; i < 500; i++) {
		begin(&w, i % 2 == 0 ? fresh : known_before);
		w.random = seed + i;
		live(&w);
		shuffle(&w, distances[i % 5]);
		for (uint32_t k = 0; k < TOLD; k++)
			tell(&w, &w.told[k]);
		assert_int_equal(w.account.waitings, 0);
		assert_int_equal(w.account.now.hits, w.target.hits);
		bool balanced = end(&w);
		if (!balanced || all(&w.faults) != 0)
			fail_msg("seed %llu: %llu faults", (unsigned long long)(seed + i),
				 (unsigned long long)all(&w.faults));
	}
}

/* One hit of a random history is not told. */
static void a_hit_that_nobody_was_told_of_is_lost(void **state)
{
	struct world w;

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		begin(&w, fresh);
		w.random = seed + i;
		live(&w);
		uint32_t untold = roll(&w, TOLD);
		while (w.told[untold].hit.damage == 0)
			untold = (untold + 1) % TOLD;
		for (uint32_t k = 0; k < TOLD; k++)
			if (k != untold)
				tell(&w, &w.told[k]);
		assert_false(end(&w));
		assert_int_equal(w.faults.lost_hits, 1);
		assert_int_equal(all(&w.faults), 1);
	}
}

static void an_attack_without_answer_explains_a_missing_hit(void **state)
{
	struct world w;

	(void)state;
	begin(&w, fresh);
	hit(&w, 4);
	happen(&w, 10);
	hit(&w, 1);
	w.account.unknown = 1;
	assert_true(end(&w));
	assert_int_equal(all(&w.faults), 0);

	begin(&w, fresh); /* at the end of the row */
	hit(&w, 4);
	happen(&w, 10);
	happen(&w, 10);
	w.account.unknown = 1;
	assert_false(end(&w));
	assert_int_equal(w.faults.lost_hits, 1);
	assert_int_equal(all(&w.faults), 1);

	begin(&w, fresh); /* but not more damage than a skill does */
	hit(&w, 4);
	happen(&w, 1);
	w.target.hit_points -= 20;
	w.account.unknown = 1;
	assert_false(end(&w));
}

static void a_gap_is_final_when_nothing_is_open(void **state)
{
	struct world w;

	(void)state;
	begin(&w, fresh);
	happen(&w, 1);
	hit(&w, 1);
	assert_int_equal(w.faults.lost_hits, 0); /* it may still come */
	account_settle(&w.account, &w.faults);
	assert_int_equal(w.faults.lost_hits, 1);
	hit(&w, 10);
	hit(&w, 4);
	assert_false(end(&w));
	assert_int_equal(all(&w.faults), 1);
}

static void an_ordinal_told_twice_is_a_doubled_hit(void **state)
{
	struct world w;

	(void)state;
	begin(&w, fresh);
	hit(&w, 4);
	struct told again = happen(&w, 10);
	tell(&w, &again);
	tell(&w, &again);
	hit(&w, 1);
	tell(&w, &again); /* long ago */
	hit(&w, 1);
	assert_false(end(&w));
	assert_int_equal(w.faults.doubled_hits, 2);
	assert_int_equal(all(&w.faults), 2);
}

static void a_hit_that_never_landed_is_a_phantom(void **state)
{
	struct world w;

	(void)state;
	begin(&w, known_before);
	hit(&w, 4);
	struct account_state truth = w.target;
	hit(&w, 10);
	hit(&w, 1);
	w.target = truth;
	assert_false(end(&w));
	assert_int_equal(w.faults.phantom_hits, 2);
	assert_int_equal(all(&w.faults), 2);
}

static void damage_is_the_skills_or_what_was_left(void **state)
{
	struct world w;

	(void)state;
	begin(&w, fresh);
	for (uint32_t i = 0; i < 13; i++)
		hit(&w, 8);
	assert_int_equal(w.target.hits, 13);
	assert_true(end(&w)); /* the last one took 4 */
	assert_int_equal(all(&w.faults), 0);

	begin(&w, fresh);
	struct told less = happen(&w, 3);
	less.skill_damage = 4;
	tell(&w, &less);
	assert_int_equal(w.faults.wrong_damage, 1);
	struct told more = happen(&w, 10);
	more.skill_damage = 4;
	tell(&w, &more);
	assert_int_equal(w.faults.wrong_damage, 2);
	assert_true(end(&w));
	assert_int_equal(all(&w.faults), 2);
}

/* Told wrongly once, and wrong from then on: each is one fault. */
static void hit_points_follow_from_the_hits(void **state)
{
	struct world w;

	(void)state;
	begin(&w, fresh);
	hit(&w, 4);
	struct told wrong = happen(&w, 4);
	wrong.hit.after.hit_points -= 3;
	tell(&w, &wrong);
	assert_int_equal(w.faults.wrong_hit_points, 1);
	hit(&w, 4);
	hit(&w, 4);
	assert_true(end(&w));
	assert_int_equal(all(&w.faults), 1);

	begin(&w, fresh);
	hit(&w, 4);
	w.target.hit_points -= 4;
	assert_int_equal(all(&w.faults), 0);
	hit(&w, 1);
	hit(&w, 1);
	heal(&w, 3);
	hit(&w, 1);
	assert_false(end(&w));
	assert_int_equal(w.faults.wrong_hit_points, 1);
	assert_int_equal(all(&w.faults), 1);

	begin(&w, fresh); /* seen by the last look only */
	hit(&w, 4);
	w.target.hit_points -= 4;
	assert_false(end(&w));
	assert_int_equal(w.faults.wrong_hit_points, 1);
	assert_int_equal(all(&w.faults), 1);
}

static void healing_never_falls_and_ends_at_the_full_hit_points(void **state)
{
	struct world w;

	(void)state;
	begin(&w, fresh);
	hit(&w, 10);
	heal(&w, 5);
	hit(&w, 10);
	struct told fallen = happen(&w, 10);
	fallen.hit.after.healed -= 1;
	fallen.hit.after.hit_points -= 1;
	tell(&w, &fallen);
	assert_int_equal(w.faults.wrong_healing, 1);
	assert_int_equal(all(&w.faults), 1);
	account_fini(&w.account);

	begin(&w, fresh); /* a look, then a hit that knows nothing of what the look saw */
	hit(&w, 10);
	struct told before = happen(&w, 1);
	before.hit.after.hits = 2;
	struct told look = { { { .hits = 1, .hit_points = 95, .healed = 5 }, 0 }, 1 };
	tell(&w, &look);
	tell(&w, &before);
	assert_int_equal(w.faults.wrong_healing, 1);
	assert_int_equal(all(&w.faults), 1);
	account_fini(&w.account);

	begin(&w, fresh);
	hit(&w, 1);
	struct told beyond = { { { .hits = 2, .hit_points = 100, .healed = 2 }, 1 }, 1 }; /* from 101 */
	tell(&w, &beyond);
	assert_int_equal(w.faults.wrong_healing, 1);
	assert_int_equal(all(&w.faults), 1);
	account_fini(&w.account);
}

static void a_late_look_is_compared_with_its_time(void **state)
{
	struct world w;

	(void)state;
	begin(&w, fresh);
	hit(&w, 10);
	heal(&w, 2);
	struct told look = happen(&w, 0);
	heal(&w, 3);
	hit(&w, 4);
	tell(&w, &look);
	assert_int_equal(all(&w.faults), 0);
	look.hit.after.hit_points++;
	tell(&w, &look);
	assert_int_equal(w.faults.wrong_hit_points, 1);
	look.hit.after.healed = 6;
	tell(&w, &look);
	assert_int_equal(w.faults.wrong_healing, 1);
	assert_int_equal(all(&w.faults), 2);
	account_fini(&w.account);
}

static void an_account_opens_with_a_possible_state(void **state)
{
	static const struct { struct account_hit first; bool possible; } cases[] = {
		{ { { 0, 100, 0 }, 0 }, true },
		{ { { 1, 90, 0 }, 10 }, true },   /* the first look was a hit: before it there was none */
		{ { { 3, 97, 0 }, 0 }, true },
		{ { { 3, 70, 0 }, 0 }, true },
		{ { { 3, 100, 12 }, 0 }, true },
		{ { { 0, 99, 0 }, 0 }, false },
		{ { { 0, 100, 1 }, 0 }, false },
		{ { { 3, 98, 0 }, 0 }, false },   /* three hits do 3 at least */
		{ { { 3, 69, 0 }, 0 }, false },   /* and 30 at most */
		{ { { 3, 101, 12 }, 0 }, false },
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct account account = { .looking = true };
		struct attack_faults faults = { 0 };
		account_open(&account, &cases[i].first, &faults);
		assert_true(account.known && !account.looking);
		if (faults.wrong_hit_points != !cases[i].possible || all(&faults) != faults.wrong_hit_points)
			fail_msg("case %u", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_true_history_is_accepted_in_any_order),
		cmocka_unit_test(a_hit_that_nobody_was_told_of_is_lost),
		cmocka_unit_test(an_attack_without_answer_explains_a_missing_hit),
		cmocka_unit_test(a_gap_is_final_when_nothing_is_open),
		cmocka_unit_test(an_ordinal_told_twice_is_a_doubled_hit),
		cmocka_unit_test(a_hit_that_never_landed_is_a_phantom),
		cmocka_unit_test(damage_is_the_skills_or_what_was_left),
		cmocka_unit_test(hit_points_follow_from_the_hits),
		cmocka_unit_test(healing_never_falls_and_ends_at_the_full_hit_points),
		cmocka_unit_test(a_late_look_is_compared_with_its_time),
		cmocka_unit_test(an_account_opens_with_a_possible_state),
	};

	const char *given = getenv("BATON_SEED");
	if (given != NULL)
		seed = strtoull(given, NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return 1;
	print_message("seed %llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
