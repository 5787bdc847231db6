/* What has ended a worker before is run alone: a burst of its own, nothing of what stands behind it looked at. */
#define _GNU_SOURCE
#include "loop_rig.h"

static void mark_last(void)
{
	primary[0].belt->slots[(primary[0].producer.offered - 1) & BELT_MASK].packet.kind |= BELT_SUSPECT;
}

/* Requests of keys first, first + 1, ...; those from `from` on, `count` of them, are suspect. */
static void offer_requests(uint32_t total, uint32_t from, uint32_t count)
{
	for (uint32_t i = 0; i < total; i++) {
		struct request request = {.key = i};
		struct belt_producer *p = &primary[0].producer;
		struct belt_shadow shadow = {.cookie = &pool[i], .bucket = (uint16_t)(i % BUCKETS), .len = sizeof(request),
					     .kind = BELT_PACKET, .time_ns = 1000 + i};

		pool[i] = (struct fake_entry){.kind = BELT_PACKET, .len = sizeof(request), .time_ns = 1000 + i};
		memcpy(pool[i].data, &request, sizeof(request));
		belt_offer(p, &shadow, (struct belt_peer){{0}}, pool[i].data);
		if (i - from < count)
			mark_last();
	}
	belt_publish(&primary[0].producer);
}

static void a_suspect_is_the_only_one_of_its_burst(void **state)
{
	static const uint32_t bursts[] = {5, 1, 1, 1, BATON_BURST, 28};

	(void)state;
	offer_requests(100, 5, 3);
	for (uint32_t i = 0; i < 6; i++) {
		uint64_t done = atomic_load(&primary[0].commit->done);

		assert_int_equal(loop_turn(&loop), bursts[i]);
		assert_int_equal(atomic_load(&primary[0].commit->done), done + bursts[i]);
		assert_int_equal(journal_used(), 0);
	}
	assert_int_equal(loop_turn(&loop), 0);
	assert_int_equal(packets_seen, 100);
	assert_int_equal(reap(0), 100);
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(reaped.verdict[i], baton_reply(sizeof(struct request)));
		assert_int_equal(reaped.reply[i].key, i); /* in order, once, and what was written to it */
		assert_int_equal(reaped.reply[i].count, 1);
	}
}

static uint32_t prefetched_before[8], prefetched;

static void note_prefetch(struct baton_ctx *ctx, const struct baton_packet *p, const uint8_t *data)
{
	(void)ctx, (void)p, (void)data;
	prefetched++;
}

static baton_verdict note_packet(struct baton_ctx *ctx, const struct baton_packet *p, uint8_t *data)
{
	(void)ctx, (void)data;
	prefetched_before[packets_seen++ % 8] = prefetched;
	return baton_reply(p->len);
}

/* A plugin that dies of looking at an entry must not do so while a suspect is run: that would be blamed. */
static void nothing_behind_a_suspect_is_looked_at_by_the_plugin(void **state)
{
	struct baton_plugin watched = plugin;

	(void)state;
	watched.prefetch = note_prefetch;
	watched.packet = note_packet;
	loop.plugin = &watched;
	prefetched = 0;
	offer_requests(8, 0, 2);
	run();
	assert_int_equal(packets_seen, 8);
	assert_int_equal(prefetched_before[0], 0);
	assert_int_equal(prefetched_before[1], 0);
	assert_true(prefetched_before[2] > 0);
	assert_int_equal(prefetched, 6); /* suspects themselves never */
	loop.plugin = &plugin;
}

static void ticks_and_messages_are_run_alone_too(void **state)
{
	struct request request = {.key = 3};

	(void)state;
	offer_buckets(0, BELT_GRANT, UINT64_MAX);
	offer_request(0, 3, COUNT);
	run();
	offer_request(0, 3, COUNT);
	offer_tick(0, 15, 3, BUCKETS);
	mark_last();
	offer(0, BELT_MESSAGE, 3, &request, sizeof(request));
	mark_last();
	offer_request(0, 3, COUNT);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(loop_turn(&loop), 1);
	assert_int_equal(loop_turn(&loop), 0);
	assert_int_equal(read_record(3, 3).count, 4);
	assert_int_equal(read_record(3, 3).numbers, 5); /* tick 15 */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_suspect_is_the_only_one_of_its_burst),
		TEST(nothing_behind_a_suspect_is_looked_at_by_the_plugin),
		TEST(ticks_and_messages_are_run_alone_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
