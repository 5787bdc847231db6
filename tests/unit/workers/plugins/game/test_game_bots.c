/* The game plugin against the bots' model of it, without a network: what the one answers, the other must expect, over
 * many players, lies of the order and losses; every call is a checked transaction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hash.h"
#include "model.h"
#include "plugin_harness.h"

#define BUCKETS 16u

static const struct bots_options basic = {
	.players = 60, .sockets = 5, .in_flight = 64, .window = 4, .move_weight = 80, .heartbeat_weight = 20,
	.outside_permille = 100, .stale_permille = 100, .repeat_permille = 100, .long_permille = 50, .roam = true,
	.lost_after_ms = 10000, .clock_skew_ms = 1,
};

struct play {
	struct plugin_harness h;
	struct model model;
	struct bots_tally tally;
	struct bots_options options;
	uint64_t now;
	uint32_t error_replies;
};

static void start(struct play *play, uint64_t seed, uint32_t players)
{
	play->options = basic;
	play->options.seed = seed;
	play->options.players = players;
	play->now = 5000000000000;
	memset(&play->tally, 0, sizeof(play->tally));
	harness_create(&play->h, &baton_plugin_descriptor, BUCKETS, 16);
	assert_int_equal(harness_init(&play->h), 0);
	assert_int_equal(model_create(&play->model, &play->options, &play->tally, 1000), 0);
	play->error_replies = 0;
}

static void end(struct play *play)
{
	model_destroy(&play->model);
	harness_destroy(&play->h);
}

/* Handles a request as a worker does. Returns the bytes of the reply. */
static uint32_t serve(struct play *play, const struct request *r, uint8_t *data)
{
	struct baton_packet packet = { .len = r->len, .time_ns = play->now };
	const struct baton_peer peer = { .udp_port = (uint16_t)r->socket };
	uint32_t id;

	play->h.ctx.peer = &peer;
	memcpy(data, r->bytes, r->len);
	memcpy(&id, data + GAME_KEY_OFFSET, sizeof(id));
	packet.bucket = (uint16_t)(hash_key(id, 42) % BUCKETS);
	baton_verdict verdict = harness_packet(&play->h, &packet, data);
	assert_true((verdict & 0xffffu) == BATON_REPLY || (verdict & 0xffffu) == BATON_REPLY_ERROR);
	play->error_replies += (verdict & 0xffffu) == BATON_REPLY_ERROR;
	return verdict >> 16;
}

struct pending {
	struct request *r;
	uint32_t socket, len;
	uint8_t data[2048];
};

/* Makes, sends and serves as many requests as the model lets. Returns how many. */
static uint32_t fill(struct play *play, struct pending *pending)
{
	uint32_t count = 0;
	struct request *r;

	while ((r = model_next(&play->model, play->now)) != NULL) {
		assert_true(play->model.open <= play->options.in_flight);
		model_sent(&play->model, r, play->now);
		play->now += 1000;
		pending[count].r = r;
		pending[count].socket = r->socket;
		pending[count].len = serve(play, r, pending[count].data);
		count++;
	}
	return count;
}

static void deliver(struct play *play, const struct pending *p)
{
	play->now += 1000;
	model_reply(&play->model, p->socket, p->data, p->len, play->now, play->now);
}

static void the_model_expects_what_the_plugin_answers(void **state)
{
	static struct pending pending[64];
	struct play play;

	(void)state;
	start(&play, 1, 60);
	while (play.tally.sent < 30000) {
		uint32_t count = fill(&play, pending);
		assert_true(count > 0);
		for (uint32_t i = 0; i < count; i++)
			deliver(&play, &pending[i]);
	}
	assert_int_equal(play.tally.received, play.tally.sent);
	assert_int_equal(play.tally.wrong + play.tally.reordered + play.tally.duplicated + play.tally.lost, 0);
	assert_int_equal(play.tally.error_replies, play.error_replies);
	assert_int_equal(play.tally.full, 0);
	assert_true(play.tally.error_replies > 1000 && play.tally.stale_replies > 300 && play.tally.roams > 100);
	end(&play);
}

/* Every fifth reply is lost, and so is every seventh request on its way there: the model must not call right replies
 * wrong because it cannot know which was which. */
static void losses_are_counted_as_losses_and_nothing_else(void **state)
{
	static struct pending pending[64];
	struct play play;
	uint64_t lost = 0;

	(void)state;
	start(&play, 2, 60);
	while (play.tally.sent < 20000) {
		uint32_t count = 0;
		struct request *r;
		while ((r = model_next(&play.model, play.now)) != NULL) {
			model_sent(&play.model, r, play.now);
			play.now += 1000;
			if (model_random(&play.model) % 7 == 0)
				continue;
			pending[count].socket = r->socket;
			pending[count].len = serve(&play, r, pending[count].data);
			count++;
		}
		for (uint32_t i = 0; i < count; i++)
			if (model_random(&play.model) % 5 != 0)
				deliver(&play, &pending[i]);
		lost += play.model.open;
		play.now += 10000000001ull;
		model_expire(&play.model, play.now);
		assert_int_equal(play.model.open, 0);
		assert_int_equal(play.tally.lost, lost);
	}
	assert_true(lost > 4000);
	assert_int_equal(play.tally.wrong + play.tally.reordered + play.tally.duplicated + play.tally.late, 0);
	assert_int_equal(play.tally.received + play.tally.lost, play.tally.sent);
	end(&play);
}

/* Replies of one burst delivered last first: each but a player's newest was overtaken. */
static void turned_bursts_are_reordered_and_nothing_else(void **state)
{
	static struct pending pending[64];
	struct play play;
	uint64_t want = 0;

	(void)state;
	start(&play, 3, 16);
	while (play.tally.sent < 10000) {
		uint32_t count = fill(&play, pending);
		for (uint32_t i = 0; i < count; i++) {
			bool newest = true;
			for (uint32_t k = i + 1; k < count; k++)
				newest = newest && pending[k].r->player != pending[i].r->player;
			want += !newest;
		}
		for (uint32_t i = count; i-- > 0;)
			deliver(&play, &pending[i]);
	}
	assert_true(want > 1000);
	assert_int_equal(play.tally.reordered, want);
	assert_int_equal(play.tally.wrong + play.tally.duplicated + play.tally.lost, 0);
	end(&play);
}

static void doubled_replies_are_duplicates_even_much_later(void **state)
{
	static struct pending pending[64];
	struct play play;
	uint64_t doubled = 0;

	(void)state;
	start(&play, 4, 20);
	while (play.tally.sent < 10000) {
		uint32_t count = fill(&play, pending);
		for (uint32_t i = 0; i < count; i++)
			deliver(&play, &pending[i]);
		for (uint32_t i = 0; i < count; i += 3, doubled++)
			deliver(&play, &pending[i]);
	}
	assert_int_equal(play.tally.duplicated, doubled);
	assert_int_equal(play.tally.wrong + play.tally.reordered + play.tally.lost, 0);
	assert_int_equal(play.tally.received, play.tally.sent);
	end(&play);
}

static void a_reply_after_its_time_is_late_and_stays_lost(void **state)
{
	static struct pending pending[64];
	struct play play;

	(void)state;
	start(&play, 5, 60);
	uint32_t count = fill(&play, pending);
	play.now += 10000000000ull - 1000ull * count - 1;
	model_expire(&play.model, play.now);
	assert_int_equal(play.tally.lost, 0);
	play.now += 10000000000ull;
	model_expire(&play.model, play.now);
	assert_int_equal(play.tally.lost, count);
	for (uint32_t i = 0; i < count; i++)
		deliver(&play, &pending[i]);
	assert_int_equal(play.tally.late, count);
	assert_int_equal(play.tally.lost, count);
	assert_int_equal(play.tally.received + play.tally.duplicated + play.tally.wrong, 0);
	assert_true(play.tally.longest_gap_ns >= 10000000000ull);
	end(&play);
}

/* Every byte of every kind of reply, damaged alone, is noticed; of the server's time those that take it too far. */
static void every_damaged_byte_is_noticed(void **state)
{
	static struct pending pending[64];
	struct play play;
	uint64_t damaged = 0;
	uint32_t at = 0;

	(void)state;
	start(&play, 6, 60);
	while (damaged < 2000) {
		uint32_t count = fill(&play, pending);
		for (uint32_t i = 0; i < count; i++) {
			if (i % 4 == 3 && play.tally.received > 200) {
				at = at % 48 == 39 ? 44 : (at + 1) % 48; /* not the low half of the server's time */
				pending[i].data[at] ^= 0x80;
				damaged++;
			}
			deliver(&play, &pending[i]);
		}
	}
	assert_int_equal(play.tally.wrong, damaged);
	assert_int_equal(play.tally.received, play.tally.sent);
	assert_int_equal(play.tally.duplicated + play.tally.reordered + play.tally.lost, 0);
	end(&play);
}

/* The same players again, on the same server, by a new run of the bots: adopted, not called wrong. */
static void players_of_an_earlier_run_are_adopted(void **state)
{
	static struct pending pending[64];
	struct play play;

	(void)state;
	start(&play, 7, 60);
	for (uint32_t run = 0; run < 3; run++) {
		while (play.tally.sent < 3000 * (run + 1)) {
			uint32_t count = fill(&play, pending);
			for (uint32_t i = 0; i < count; i++)
				deliver(&play, &pending[i]);
		}
		assert_int_equal(play.tally.wrong, 0);
		model_destroy(&play.model);
		assert_int_equal(model_create(&play.model, &play.options, &play.tally, 1000), 0);
	}
	end(&play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_model_expects_what_the_plugin_answers),
		cmocka_unit_test(losses_are_counted_as_losses_and_nothing_else),
		cmocka_unit_test(turned_bursts_are_reordered_and_nothing_else),
		cmocka_unit_test(doubled_replies_are_duplicates_even_much_later),
		cmocka_unit_test(a_reply_after_its_time_is_late_and_stays_lost),
		cmocka_unit_test(every_damaged_byte_is_noticed),
		cmocka_unit_test(players_of_an_earlier_run_are_adopted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
