/* The bots' attacks and books against a server on loopback that lies: each lie must be found, as what it is, as often
 * as it was told, and nothing else. Runs are bounded by requests or by what they have seen, not by time. A failing run
 * prints its seed; BATON_SEED=N runs it again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bots_rig.h"
#include "bots_seed.h"
#include "model.h"

#define MAY_WAIT_MS 20000u /* before an attack is repeated, where the server holds results back */

/* One socket: what the server sends in order is read in order, so counts are exact. */
static const struct bots_options basic = {
	.service = BOTS_GAME, .players = 100, .sockets = 1, .in_flight = 256, .window = 4, .requests = 40000,
	.move_weight = 20, .heartbeat_weight = 10, .attack_weight = 70, .violate_permille = 100,
	.insist_permille = 50, .attack_repeat_ms = 3000, .attack_tries = 20, .outside_permille = 20,
	.stale_permille = 20, .repeat_permille = 20, .long_permille = 10, .lost_after_ms = 60000,
	.clock_skew_ms = 5000,
};

static uint64_t seed;

struct outcome {
	struct bots_tally tally;
	uint64_t lies, requests, friends, foes;
};

static void run(enum lie lie, uint64_t every, uint64_t regen_ns, struct bots_options options, struct outcome *out)
{
	static const volatile sig_atomic_t go_on;
	static struct server server;
	bool until_down = options.requests == 0;

	options.seed = seed++;
	print_message("seed %llu\n", (unsigned long long)options.seed);
	server_start(&server, lie, BOTS_GAME, every, regen_ns, &options.server);
	assert_int_equal(bots_run(&options, &out->tally, until_down ? &server.liar.downs : &go_on), 0);
	server_stop(&server);
	out->lies = server.liar.lies;
	out->requests = server.liar.requests;
	out->friends = server.liar.friends;
	out->foes = server.liar.foes;
}

/* What every run must have in common: all was answered, whatever it said. */
static void all_answered(const struct outcome *o)
{
	const struct bots_tally *t = &o->tally;

	assert_int_equal(t->lost, 0);
	assert_int_equal(t->duplicated, 0);
	assert_int_equal(t->reordered, 0);
	assert_int_equal(t->late + t->full, 0);
	assert_int_equal(t->sent, t->received);
	assert_int_equal(o->requests, t->sent + t->attack.repeats);
}

/* Wants `faults` of the one kind, which is a field of both, and no others. */
static void only(const struct outcome *o, const uint64_t *field, uint64_t faults)
{
	all_answered(o);
	assert_true(o->lies >= 3);
	assert_int_equal(*field, faults);
	assert_int_equal(bots_attack_faults(&o->tally.attack) + o->tally.wrong, faults);
	assert_false(bots_passed(&o->tally));
}

static void clean(const struct outcome *o)
{
	const struct bots_attacks *a = &o->tally.attack;

	all_answered(o);
	assert_int_equal(o->tally.wrong, 0);
	assert_int_equal(bots_attack_faults(a), 0);
	assert_int_equal(a->books, BOOKS_BALANCED);
	assert_true(bots_passed(&o->tally));
	assert_true(a->hits > 0 && a->damage >= a->hits && a->audits > 0);
}

static void an_honest_server_passes(void **state)
{
	struct bots_options options = basic;
	struct outcome o;
	const struct bots_attacks *a = &o.tally.attack;

	(void)state;
	options.roam = true;
	options.sockets = 16;
	options.requests = 60000;
	run(LIE_HONEST, 1, 0, options, &o);
	clean(&o);
	/* every rule was tried */
	assert_true(a->missed > 0 && a->no_target > 0 && a->repeats > 0 && a->echoes > 0 && a->roams > 0);
	assert_true(a->refused[GAME_BUSY] > 0 && a->refused[GAME_COOLDOWN] > 0 && a->refused[GAME_STALE] > 0);
	assert_true(a->refused[GAME_TOO_FAR] > 0 && a->refused[GAME_OUTSIDE_WORLD] > 0);
	assert_true(a->refused[GAME_NO_SKILL] > 0 && a->refused[GAME_NO_TARGET] > 0 && a->refused[GAME_NO_PLAYER] > 0);
}

static void an_honest_server_that_heals_passes(void **state)
{
	struct bots_options options = basic;
	struct outcome o;

	(void)state;
	options.players = 12;
	options.rate = 20000;
	options.roam = true;
	options.sockets = 5;
	run(LIE_HONEST, 1, 3000000, options, &o);
	clean(&o);
	run(LIE_HONEST, 1, 30000000, options, &o);
	clean(&o);
}

/* Players wear each other down, until one has no hit points left and is attacked once more. */
static void targets_go_down_and_the_books_balance(void **state)
{
	struct bots_options options = basic;
	struct outcome o;

	(void)state;
	options.players = 3;
	options.requests = 0;
	run(LIE_HONEST, 1, 0, options, &o);
	clean(&o);
	assert_true(o.tally.attack.damage >= 100);
	assert_true(o.tally.attack.down > 0);
}

static void lost_replies_are_asked_for_again(void **state)
{
	struct bots_options options = basic;
	struct outcome o;

	(void)state;
	options.attack_repeat_ms = 20;
	options.attack_tries = 1000;
	run(LIE_DROP_ATTACK, 5, 0, options, &o);
	clean(&o);
	assert_true(o.lies > 100);
	assert_true(o.tally.attack.repeats >= o.lies);
}

/* Whoever is told so may attack again, and no account has anything of it. */
static void hits_that_find_no_room_end_their_attacks(void **state)
{
	struct bots_options options = basic;
	struct outcome o;

	(void)state;
	options.insist_permille = 0; /* one result an attack: as many as the server counts */
	run(LIE_TARGET_FULL, 5, 0, options, &o);
	assert_true(o.lies > 100);
	assert_int_equal(o.tally.attack.target_full, o.lies);
	assert_int_equal(o.tally.full, o.lies);
	o.tally.full = 0;
	clean(&o);
}

/* Every third hit, where it shows, is told wrongly or wrongly done. */
static void hits_that_do_not_add_up_are_found(void **state)
{
	struct outcome o;
	const struct attack_faults *f = &o.tally.attack.faults;

	(void)state;
	run(LIE_HIT_TWICE, 3, 0, basic, &o);
	only(&o, &f->wrong_hit_points, o.lies);
	assert_int_equal(o.tally.attack.books, BOOKS_OFF);
	run(LIE_HIT_AGAIN, 3, 0, basic, &o);
	only(&o, &f->lost_hits, o.lies);
	assert_int_equal(o.tally.attack.books, BOOKS_OFF);
	run(LIE_HIT_POINTS, 3, 0, basic, &o);
	only(&o, &f->wrong_hit_points, o.lies);
	assert_int_equal(o.tally.attack.books, BOOKS_BALANCED);
	run(LIE_HIT_ORDINAL, 3, 0, basic, &o);
	only(&o, &f->doubled_hits, o.lies);
}

/* Its ordinal is told again by the next hit, or missing in the end. */
static void hits_that_never_landed_are_found(void **state)
{
	struct outcome o;
	const struct bots_attacks *a = &o.tally.attack;

	(void)state;
	run(LIE_HIT_UNAPPLIED, 3, 0, basic, &o);
	all_answered(&o);
	assert_true(o.lies >= 3);
	assert_int_equal(a->faults.doubled_hits + a->faults.phantom_hits, o.lies);
	assert_int_equal(bots_attack_faults(a), o.lies);
	assert_int_equal(o.tally.wrong, 0);
	assert_int_equal(a->books, BOOKS_OFF);

	run(LIE_HIT_INVENTED, 5, 0, basic, &o);
	all_answered(&o);
	assert_true(o.lies >= 3);
	assert_int_equal(a->faults.doubled_hits + a->faults.phantom_hits, o.lies);
	assert_int_equal(bots_attack_faults(a), o.lies);
	/* and wrong they are where the target was known to be away */
	assert_in_range(o.tally.wrong, o.lies > a->uncertain ? o.lies - a->uncertain : 0, o.lies);
	assert_int_equal(a->books, BOOKS_OFF);
}

static void cooldowns_are_checked_to_the_nanosecond(void **state)
{
	struct outcome o;
	const struct attack_faults *f = &o.tally.attack.faults;

	(void)state;
	run(LIE_NO_COOLDOWN, 20, 0, basic, &o);
	only(&o, &f->cooldown_faults, o.lies);
	run(LIE_REFUSE, 20, 0, basic, &o);
	only(&o, &f->cooldown_faults, o.lies);
	assert_int_equal(o.tally.attack.books, BOOKS_BALANCED);
}

static void results_are_told_alike_for_ever(void **state)
{
	struct outcome o;

	(void)state;
	run(LIE_FORGET_RESULT, 5, 0, basic, &o);
	only(&o, &o.tally.attack.faults.stored_faults, o.lies);
	assert_int_equal(o.tally.attack.books, BOOKS_BALANCED);
}

/* What tells these two lies from packets that overtook each other is that the result comes long afterwards; a repeat
 * would explain it. */
static void an_open_attack_holds_newer_ones_back(void **state)
{
	struct bots_options options = basic;
	struct outcome o;

	(void)state;
	options.insist_permille = 0;
	options.attack_repeat_ms = MAY_WAIT_MS;
	run(LIE_NEVER_BUSY, 4, 0, options, &o);
	only(&o, &o.tally.attack.faults.busy_faults, o.lies);
	assert_int_equal(o.tally.attack.books, BOOKS_BALANCED);
}

static void results_go_where_the_player_is(void **state)
{
	struct bots_options options = basic;
	struct outcome o;

	(void)state;
	options.insist_permille = options.violate_permille = 0;
	options.attack_repeat_ms = MAY_WAIT_MS;
	options.roam = true;
	options.sockets = 8;
	run(LIE_OLD_WAY, 4, 0, options, &o);
	only(&o, &o.tally.attack.faults.way_faults, o.lies);
	assert_int_equal(o.tally.attack.books, BOOKS_BALANCED);
}

static void an_unanswered_attack_is_lost_and_the_books_stay_open(void **state)
{
	struct bots_options options = basic;
	struct outcome o;

	(void)state;
	options.players = 3;
	options.requests = 20000;
	options.rate = 10000;
	options.attack_tries = 2;
	options.attack_repeat_ms = 20;
	options.violate_permille = options.insist_permille = 0;
	run(LIE_DROP_ATTACK, 1, 0, options, &o); /* no attack is ever answered */
	assert_in_range(o.tally.lost, 2, 3); /* two players at least find somebody that nobody looks at yet */
	assert_int_equal(o.tally.attack.attacks, o.tally.lost);
	assert_int_equal(o.tally.wrong + o.tally.duplicated + o.tally.reordered, 0);
	assert_int_equal(o.tally.sent, o.tally.received + o.tally.lost);
	assert_false(bots_passed(&o.tally));
}

static void teams_attack_each_other_only(void **state)
{
	struct bots_options options = basic;
	struct outcome o;

	(void)state;
	run(LIE_HONEST, 1, 0, options, &o);
	clean(&o);
	assert_true(o.friends > 0 && o.foes > 0);
	options.teams = true;
	run(LIE_HONEST, 1, 0, options, &o);
	clean(&o);
	assert_int_equal(o.friends, 0);
	assert_true(o.foes > 100);
}

/* A test places them before they play, so they must be the ones that will. */
static void the_players_are_told_beforehand(void **state)
{
	struct bots_options options = basic;
	struct bots_tally tally;
	struct model model;
	char text[4096];
	FILE *out = fmemopen(text, sizeof(text), "w");

	(void)state;
	options.seed = seed++;
	assert_non_null(out);
	bots_print_players(&options, out);
	fclose(out);
	memset(&tally, 0, sizeof(tally));
	assert_int_equal(model_create(&model, &options, &tally, 256), 0);
	char *at = text;
	for (uint32_t i = 0; i < options.players; i++) {
		assert_int_equal(strtoul(at, &at, 10), model.player[i].id);
		assert_int_equal(strtoul(at, &at, 10), i % 2);
	}
	assert_string_equal(at, "\n");
	model_destroy(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_server_passes),
		cmocka_unit_test(an_honest_server_that_heals_passes),
		cmocka_unit_test(targets_go_down_and_the_books_balance),
		cmocka_unit_test(lost_replies_are_asked_for_again),
		cmocka_unit_test(hits_that_find_no_room_end_their_attacks),
		cmocka_unit_test(hits_that_do_not_add_up_are_found),
		cmocka_unit_test(hits_that_never_landed_are_found),
		cmocka_unit_test(cooldowns_are_checked_to_the_nanosecond),
		cmocka_unit_test(results_are_told_alike_for_ever),
		cmocka_unit_test(an_open_attack_holds_newer_ones_back),
		cmocka_unit_test(results_go_where_the_player_is),
		cmocka_unit_test(teams_attack_each_other_only),
		cmocka_unit_test(the_players_are_told_beforehand),
		cmocka_unit_test(an_unanswered_attack_is_lost_and_the_books_stay_open),
	};

	if (!bots_seed(&seed))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
