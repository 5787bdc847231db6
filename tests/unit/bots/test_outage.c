/* The bots across a kill of the primary: a server of a few lines that may have lost or applied what it likes, and what the
 * bots say to it. No sockets, no clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model.h"

#define MS 1000000ull

static const volatile sig_atomic_t none;
static const struct bots_options options = {
	.players = 1, .sockets = 1, .in_flight = 16, .window = 4, .move_weight = 1, .lost_after_ms = 10000,
	.clock_skew_ms = 5000, .seed = 7, .kills = &none,
};
static struct model model;
static struct bots_tally tally;
static uint64_t now;

/* The server's memory of the one player. */
static struct {
	bool there;
	uint32_t sequence;
	struct position at;
} world;

/* Takes a move as docs/wire.md says. */
static uint32_t take(const struct request *r)
{
	struct GameMove move;

	memcpy(&move, r->bytes, sizeof(move));
	if (world.there && move.header.sequence == world.sequence)
		return GAME_OK;
	if (world.there && !game_serial_newer(move.header.sequence, world.sequence))
		return GAME_STALE;
	world.there = true;
	world.sequence = move.header.sequence;
	world.at = (struct position){ move.x, move.y, move.z };
	return GAME_OK;
}

static void answer(const struct request *r, uint32_t status)
{
	struct GameMove reply;

	memcpy(&reply, r->bytes, sizeof(reply));
	reply.header.packet_size = sizeof(reply);
	reply.status = status;
	reply.x = world.at.x;
	reply.y = world.at.y;
	reply.z = world.at.z;
	reply.server_time_ns = now;
	model_reply(&model, r->socket, (const uint8_t *)&reply, sizeof(reply), now, now);
}

static struct request *make(void)
{
	struct request *r = model_next(&model, now);

	if (r != NULL) {
		model_sent(&model, r, now);
		now += MS;
	}
	return r;
}

static int setup(void **state)
{
	(void)state;
	memset(&tally, 0, sizeof(tally));
	memset(&world, 0, sizeof(world));
	now = 1000 * MS;
	assert_int_equal(model_create(&model, &options, &tally, 16), 0);
	for (uint32_t i = 0; i < 3; i++) {
		struct request *r = make();
		answer(r, take(r));
	}
	assert_int_equal(tally.received, 3);
	assert_int_equal(tally.wrong, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	model_destroy(&model);
	return 0;
}

/* Three moves are under way when the primary dies; the first `applied` of them were taken. Returns the look. */
static struct request *die_with(uint32_t applied)
{
	struct request *moves[3];

	for (uint32_t i = 0; i < 3; i++) {
		moves[i] = make();
		assert_non_null(moves[i]);
		if (i < applied)
			take(moves[i]);
	}
	model_outage(&model);
	now += 700 * MS;
	assert_null(make()); /* nothing is asked of nobody */
	model_expire(&model, now);
	assert_int_equal(tally.outage.unanswered, 0);
	model_resume(&model, now);
	assert_null(make()); /* answers may still be on their way */
	now += 1000 * MS;
	model_expire(&model, now);
	assert_int_equal(tally.outage.unanswered, 3);
	assert_int_equal(tally.lost, 0);
	struct request *look = make();
	assert_non_null(look);
	assert_int_equal(look->kind, REQUEST_LOOK);
	assert_null(make()); /* alone */
	return look;
}

static void goes_on_well(uint32_t looks, uint32_t applied)
{
	assert_int_equal(tally.wrong, 0);
	assert_int_equal(tally.outage.looks, looks);
	assert_int_equal(tally.outage.applied, applied);
	for (uint32_t i = 0; i < 20; i++) {
		struct request *r = make();
		assert_int_not_equal(r->kind, REQUEST_LOOK);
		answer(r, take(r));
	}
	assert_int_equal(tally.wrong + tally.lost, 0);
	assert_int_equal(tally.received + tally.outage.unanswered, tally.sent);
}

static void unanswered_moves_may_have_been_applied_or_not(void **state)
{
	struct request *look = die_with(*(const uint32_t *)*state);

	answer(look, take(look));
	goes_on_well(1, *(const uint32_t *)*state != 0);
}

static void a_lost_acknowledged_move_is_wrong(void **state)
{
	(void)state;
	world.sequence -= 2; /* it was acknowledged, and is forgotten */
	struct request *look = die_with(0);
	answer(look, take(look));
	assert_int_equal(tally.wrong, 1);
}

static void a_lost_player_is_wrong(void **state)
{
	(void)state;
	world.there = false;
	struct request *look = die_with(0);
	answer(look, take(look));
	assert_int_equal(tally.wrong, 1);
}

static void a_position_that_nobody_asked_for_is_wrong(void **state)
{
	struct request *look = die_with(2);

	(void)state;
	world.at.x += 1;
	answer(look, take(look));
	assert_int_equal(tally.wrong, 1);
}

static void half_an_undo_is_wrong(void **state)
{
	struct position before = world.at;
	struct request *look = die_with(2);

	(void)state;
	world.at = before; /* the sequence is that of an unanswered move, the position is not */
	answer(look, take(look));
	assert_int_equal(tally.wrong, 1);
}

static void a_second_kill_is_looked_at_again(void **state)
{
	(void)state;
	die_with(1);
	model_outage(&model); /* the look is unanswered, too */
	model_resume(&model, now);
	now += 1000 * MS;
	model_expire(&model, now);
	struct request *look = make();
	assert_int_equal(look->kind, REQUEST_LOOK);
	answer(look, take(look));
	goes_on_well(1, 1);
}

static void a_request_of_later_is_lost_if_it_is_not_answered(void **state)
{
	struct request *look = die_with(0);

	(void)state;
	answer(look, take(look));
	make();
	now += 20000 * MS;
	model_expire(&model, now);
	assert_int_equal(tally.lost, 1);
}

static void the_end_waits_for_looks(void **state)
{
	struct request *look;

	(void)state;
	model_outage(&model);
	model_closing(&model);
	assert_true(model_finish(&model)); /* nobody has answered yet */
	model_resume(&model, now);
	assert_true(model_finish(&model));
	look = make();
	assert_int_equal(look->kind, REQUEST_LOOK);
	assert_null(make());
	answer(look, take(look));
	assert_false(model_finish(&model));
}

int main(void)
{
	static uint32_t applied[] = { 0, 1, 2, 3 };
#define APPLIED(n) \
	{ "unanswered_moves_may_have_been_applied_or_not", unanswered_moves_may_have_been_applied_or_not, setup, teardown, \
	  &applied[n] }
#define CLAIM(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		APPLIED(0), APPLIED(1), APPLIED(2), APPLIED(3),
		CLAIM(a_lost_acknowledged_move_is_wrong),
		CLAIM(a_lost_player_is_wrong),
		CLAIM(a_position_that_nobody_asked_for_is_wrong),
		CLAIM(half_an_undo_is_wrong),
		CLAIM(a_second_kill_is_looked_at_again),
		CLAIM(a_request_of_later_is_lost_if_it_is_not_answered),
		CLAIM(the_end_waits_for_looks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
