/* The bots' subscriptions against a server on loopback that lies about neighbours: each lie must be found, as what it
 * is, as often as it was told, and nothing else. A failing run prints its seed; BATON_SEED=N runs it again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bots_rig.h"
#include "bots_seed.h"

#define LEASE_MS 200u
#define TICK_MS  20u

static const struct bots_options basic = {
	.service = BOTS_GAME, .players = 100, .sockets = 16, .in_flight = 128, .window = 4, .seconds = 1, .rate = 8000,
	.move_weight = 80, .heartbeat_weight = 20, .outside_permille = 20, .stale_permille = 20, .repeat_permille = 20,
	.long_permille = 10, .lost_after_ms = 60000, .clock_skew_ms = 5000, .subscribe_permille = 800,
	.lease_ms = LEASE_MS, .neighbour_wait_ms = 60000,
};

static uint64_t seed;

struct outcome {
	struct bots_tally tally;
	uint64_t lies;
};

static void run(enum lie lie, uint64_t every, struct bots_options options, struct outcome *out)
{
	static const volatile sig_atomic_t go_on;
	static struct server server;

	options.seed = seed++;
	print_message("seed %llu\n", (unsigned long long)options.seed);
	server_start(&server, lie, BOTS_GAME, every, 0, &options.server);
	server.liar.lease_ns = LEASE_MS * 1000000ull;
	server.liar.tick_ns = TICK_MS * 1000000ull;
	assert_int_equal(bots_run(&options, &out->tally, &go_on), 0);
	server_stop(&server);
	out->lies = server.liar.lies;
}

/* Replies are as they should be, whatever is told of neighbours; and a good deal was told of them. */
static void all_answered(const struct outcome *o)
{
	const struct bots_tally *t = &o->tally;

	print_message("%llu updates, %llu neighbours told, %llu pairs checked, %llu subscribes\n",
		      (unsigned long long)t->interest.updates, (unsigned long long)t->interest.neighbours_told,
		      (unsigned long long)t->interest.pairs_checked, (unsigned long long)t->interest.subscribes);
	assert_int_equal(t->lost + t->duplicated + t->reordered + t->wrong + t->late + t->full, 0);
	assert_int_equal(t->sent, t->received);
	assert_true(t->interest.closed);
	assert_int_equal(t->interest.subscribers, 80);
	assert_true(t->interest.updates > 200 && t->interest.neighbours_told >= t->interest.updates / 2);
	assert_true(t->interest.pairs_checked > 20);
	assert_true(t->interest.subscribes > 80);
	assert_int_equal(t->interest.strangers, 0);
}

static void clean(const struct outcome *o)
{
	all_answered(o);
	assert_int_equal(bots_interest_faults(&o->tally.interest), 0);
	assert_true(bots_passed(&o->tally));
}

/* Wants faults of one kind only; all lies found but for `excused` of 1000 (for a request may just be under way that
 * makes a lie true) and two. */
static void found(enum lie lie, uint64_t every, enum interest_fault kind, struct bots_options options, uint64_t excused)
{
	struct outcome o;
	const struct bots_interest *in = &o.tally.interest;
	uint64_t lies = 0;

	/* Some lies need an occasion, which players give by chance: in one run of many there are hardly any. */
	for (uint32_t runs = 0; lies < 5; runs++) {
		assert_true(runs < 8);
		run(lie, every, options, &o);
		all_answered(&o);
		print_message("%llu lies of kind %u\n", (unsigned long long)o.lies, (unsigned)kind);
		lies += o.lies;
		uint64_t unfound = excused != 0 ? o.lies * excused / 1000 + 2 : 0;
		assert_in_range(in->fault[kind], o.lies > unfound ? o.lies - unfound : 0, o.lies);
		assert_int_equal(bots_interest_faults(in), in->fault[kind]);
		assert_int_equal(bots_passed(&o.tally), in->fault[kind] == 0);
	}
}

static void an_honest_server_passes(void **state)
{
	struct bots_options options = basic;
	struct outcome o;

	(void)state;
	run(LIE_HONEST, 1, options, &o);
	clean(&o);
	assert_true(o.tally.error_replies > 0);
	options.roam = true;
	options.seconds = 2;
	options.radius = 120;
	run(LIE_HONEST, 1, options, &o);
	clean(&o);
	assert_true(o.tally.roams > 0);
}

static void subscribers_who_attack_pass_too(void **state)
{
	struct bots_options options = basic;
	struct outcome o;

	(void)state;
	options.attack_weight = 50;
	options.violate_permille = 100;
	options.insist_permille = 50;
	options.attack_repeat_ms = 3000;
	options.attack_tries = 20;
	options.roam = true;
	run(LIE_HONEST, 1, options, &o);
	clean(&o);
	assert_int_equal(o.tally.attack.books, BOOKS_BALANCED);
	assert_true(o.tally.attack.hits > 0 && o.tally.attack.audits > 0);
}

static void packets_that_cannot_be_are_found(void **state)
{
	(void)state;
	found(LIE_NEAR_SIZE, 20, INTEREST_MALFORMED, basic, 0);
	found(LIE_NEAR_TIME, 20, INTEREST_TIME, basic, 0);
	found(LIE_NEAR_CELL, 20, INTEREST_CELL, basic, 0);
}

static void each_tick_is_told_once_and_in_order(void **state)
{
	(void)state;
	found(LIE_NEAR_TWICE, 20, INTEREST_REPEATED, basic, 0);
	found(LIE_NEAR_BACK, 20, INTEREST_BACK, basic, 0);
}

static void neighbours_that_cannot_be_are_found(void **state)
{
	(void)state;
	found(LIE_NEAR_SELF, 20, INTEREST_SELF, basic, 0);
	found(LIE_NEAR_DOUBLE, 20, INTEREST_DOUBLED, basic, 0);
	found(LIE_NEAR_UNSENT, 20, INTEREST_UNSENT, basic, 0);
	found(LIE_NEAR_REFUSED, 20, INTEREST_UNSENT, basic, 0);
	found(LIE_NEAR_POSITION, 20, INTEREST_POSITION, basic, 0);
	found(LIE_NEAR_SHOWN, 5, INTEREST_SHOWN, basic, 0);
}

static void places_left_longer_than_a_lease_ago_are_stale(void **state)
{
	(void)state;
	found(LIE_NEAR_STALE, 5, INTEREST_STALE, basic, 0);
}

static void nobody_is_told_of_who_is_far(void **state)
{
	struct bots_options options = basic;

	(void)state;
	options.seconds = 2;
	found(LIE_NEAR_FAR, 100, INTEREST_FAR, options, 100);
}

static void who_does_not_subscribe_is_not_told(void **state)
{
	struct bots_options options = basic;

	(void)state;
	found(LIE_NEAR_UNASKED, 20, INTEREST_UNASKED, basic, 0);
	options.seconds = 3;
	options.radius = 200; /* one that is just asked for again would explain it all */
	found(LIE_NEAR_AFTER, 2, INTEREST_UNASKED, options, 200);
	found(LIE_NEAR_ENDED, 2, INTEREST_SHOWN, options, 200);
}

static void subscribers_are_told_where_they_are_reached(void **state)
{
	struct bots_options options = basic;

	(void)state;
	options.roam = true;
	options.seconds = 2;
	found(LIE_NEAR_WAY, 10, INTEREST_WAY, options, 100);
}

static void whoever_is_near_is_told_of_in_the_end(void **state)
{
	struct bots_options options = basic;
	struct outcome o;

	(void)state;
	options.neighbour_wait_ms = 1500;
	options.radius = 200; /* so that somebody is near those who are left out, wherever chance put them */
	run(LIE_NEAR_MISSING, 1, options, &o);
	all_answered(&o);
	print_message("%llu pairs not told\n", (unsigned long long)o.tally.interest.fault[INTEREST_MISSING]);
	assert_true(o.tally.interest.fault[INTEREST_MISSING] > 0);
	assert_int_equal(bots_interest_faults(&o.tally.interest), o.tally.interest.fault[INTEREST_MISSING]);
	assert_false(bots_passed(&o.tally));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_server_passes),
		cmocka_unit_test(subscribers_who_attack_pass_too),
		cmocka_unit_test(packets_that_cannot_be_are_found),
		cmocka_unit_test(each_tick_is_told_once_and_in_order),
		cmocka_unit_test(neighbours_that_cannot_be_are_found),
		cmocka_unit_test(places_left_longer_than_a_lease_ago_are_stale),
		cmocka_unit_test(nobody_is_told_of_who_is_far),
		cmocka_unit_test(who_does_not_subscribe_is_not_told),
		cmocka_unit_test(subscribers_are_told_where_they_are_reached),
		cmocka_unit_test(whoever_is_near_is_told_of_in_the_end),
	};

	if (!bots_seed(&seed))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
