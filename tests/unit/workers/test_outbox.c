/* The worker's end of messages and started packets: cells, budgets, a full ring. */
#include "hash.h"
#include "loop_rig.h"

static struct belt_out_cell cell[BELT_OUT_CELLS * 4];
static uint32_t cells;

static void keep(void *arg, const struct belt_out_cell *out)
{
	(void)arg;
	assert_true(cells < sizeof(cell) / sizeof(cell[0]));
	memcpy(&cell[cells++], out, 128); /* head and the first bytes */
}

static uint32_t emit(uint32_t belt)
{
	cells = 0;
	return fake_emit(&primary[belt], keep, NULL);
}

static void offer_post(uint32_t key, enum what what, uint32_t pad)
{
	struct request request = {.key = key, .what = what, .pad = pad};

	offer(0, BELT_PACKET, (uint16_t)(key % BUCKETS), &request, sizeof(request));
}

static void messages_and_packets_leave_with_the_entry_that_caused_them(void **state)
{
	static struct baton_peer peer = {.ip = 5, .udp_port = 6, .mac = {1, 2, 3}};
	struct request request;

	(void)state;
	uint64_t first = primary[0].producer.offered;
	offer_post(5, POST, 3);
	offer_post(7, COUNT, 0);
	offer_post(9, SEND, 0);
	memcpy(&primary[0].belt->peer[(first + 2) & BELT_MASK], &peer, sizeof(peer));
	assert_int_equal(run(), 3);
	assert_int_equal(emit(0), 0); /* nothing before what caused it is reaped */
	assert_int_equal(reap(0), 3);
	assert_int_equal(emit(0), 3 + MAX_SENDS);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(cell[i].kind, BELT_OUT_MESSAGE);
		assert_int_equal(cell[i].bucket, 5 + i);
		assert_int_equal(cell[i].cause, first);
		assert_int_equal(cell[i].len, sizeof(request));
		memcpy(&request, cell[i].data, sizeof(request));
		assert_int_equal(request.key, 5);
	}
	for (uint32_t i = 3; i < 3 + MAX_SENDS; i++) {
		assert_int_equal(cell[i].kind, BELT_OUT_PACKET);
		assert_int_equal(cell[i].cause, first + 2);
		assert_memory_equal(&cell[i].to, &peer, sizeof(peer));
	}
}

static void an_entry_that_is_undone_takes_its_cells_back(void **state)
{
	(void)state;
	offer_post(5, POST, 2);
	offer_post(5, POST_TOO_MUCH, 0);
	offer_post(5, POST, 1);
	run();
	assert_int_equal(reap(0), 3);
	assert_int_equal(reaped.verdict[1], BATON_DROP_REFUSED);
	assert_int_equal(emit(0), 3);
	assert_true(cell[0].cause == cell[1].cause && cell[2].cause == cell[0].cause + 2);
	assert_int_equal(read_record(5, 5).count, 2);
}

static void a_message_is_a_transaction_that_posts_at_most_one(void **state)
{
	struct request once = {.key = 3, .pad = 1}, twice = {.key = 3, .pad = 2};

	(void)state;
	offer(1, BELT_MESSAGE, 3, &once, sizeof(once));
	offer(1, BELT_MESSAGE, 3, &twice, sizeof(twice));
	assert_int_equal(run(), 2);
	assert_int_equal(reap(1), 2);
	assert_int_equal(reaped.verdict[0], BATON_NO_REPLY);
	assert_int_equal(reaped.verdict[1], BATON_DROP_REFUSED);
	assert_int_equal(emit(1), 1);
	assert_int_equal(cell[0].bucket, 4);
	assert_int_equal(read_record(3, 3).count, 1);
	assert_int_equal(read_record(3, 3).last_time, reaped.entry[0]->time_ns);
}

static void a_full_ring_holds_entries_up_until_the_primary_takes_cells(void **state)
{
	uint32_t done = 0, posted = 0;

	(void)state;
	for (uint32_t i = 0; i < 400; i++)
		offer_post(i % 50, POST, MAX_POSTS);
	while (done < 400) {
		uint32_t now = run();
		/* never more than the ring holds, and no less than it does */
		assert_true(now == 400 - done || (now * MAX_POSTS <= BELT_OUT_CELLS &&
						  now * MAX_POSTS + MAX_POSTS + MAX_SENDS > BELT_OUT_CELLS - MAX_POSTS));
		done += now;
		assert_int_equal(loop_turn(&loop), 0);
		assert_int_equal(reap(0), now);
		uint32_t count = emit(0);
		assert_int_equal(count, now * MAX_POSTS);
		for (uint32_t c = 0; c < count; c++)
			assert_int_equal(cell[c].bucket, (posted + c) / MAX_POSTS % 50 + (posted + c) % MAX_POSTS);
		posted += count;
	}
	assert_int_equal(posted, 400 * MAX_POSTS);
}

/* A tick entry has the posts of one entry for all of its buckets; the others' turn is the next entry. */
static void a_tick_goes_on_in_the_next_entry_when_its_posts_are_spent(void **state)
{
	uint32_t seen = 0, entries = 0;

	(void)state;
	ticks_post = 1;
	offer_buckets(0, BELT_GRANT, UINT64_MAX);
	run();
	reap(0);
	do {
		offer_tick(0, 15, 0, 1);
		assert_int_equal(run(), 1);
		assert_int_equal(reap(0), 1);
		entries++;
		uint32_t count = emit(0);
		assert_true(count <= MAX_POSTS);
		for (uint32_t c = 0; c < count; c++)
			assert_int_equal(cell[c].bucket, seen + c); /* each once, in order */
		seen += count;
	} while (reaped.verdict[0] == TICK_BEHIND);
	assert_int_equal(seen, BUCKETS);
	assert_int_equal(entries, (BUCKETS + MAX_POSTS - 1) / MAX_POSTS);
	for (uint32_t b = 0; b < BUCKETS; b++)
		assert_int_equal(read_record(b, b).numbers, 5);
}

static void the_next_incarnation_goes_on_in_the_ring(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 60; i++)
			offer_post(i % 50, POST, MAX_POSTS);
		run();
		assert_int_equal(reap(0), 60);
		assert_int_equal(emit(0), 60 * MAX_POSTS);
		start_worker(false);
	}
}

static void what_is_out_of_range_is_not_taken(void **state)
{
	uint8_t data[BATON_SEND_MOST + 1] = {0};
	struct baton_ctx *ctx = &loop.txn.ctx;
	struct baton_peer peer = {0};

	(void)state;
	txn_open(&loop.txn, &loop.belt[0], 0);
	txn_begin(&loop.txn, 1, 2);
	assert_false(baton_send(ctx, &peer, data, 0));
	assert_false(baton_send(ctx, &peer, data, BATON_SEND_MOST + 1));
	assert_int_equal(ctx->overflow, 0);
	assert_true(baton_send(ctx, &peer, data, BATON_SEND_MOST));
	assert_true(baton_post(ctx, BUCKETS - 1, data, BATON_MESSAGE_MOST));
	assert_int_equal(ctx->overflow, 0);
	assert_false(baton_post(ctx, BUCKETS, data, 1));
	assert_int_equal(ctx->overflow, 1);
	ctx->overflow = 0;
	assert_false(baton_post(ctx, 0, data, 0));
	assert_false(baton_post(ctx, 0, data, BATON_MESSAGE_MOST + 1));
	assert_int_equal(ctx->overflow, 1);
	assert_int_equal(baton_bucket(ctx, 77), hash_key(77, memory.header->salt) % BUCKETS);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(messages_and_packets_leave_with_the_entry_that_caused_them),
		CASE(an_entry_that_is_undone_takes_its_cells_back),
		CASE(a_message_is_a_transaction_that_posts_at_most_one),
		CASE(a_full_ring_holds_entries_up_until_the_primary_takes_cells),
		CASE(a_tick_goes_on_in_the_next_entry_when_its_posts_are_spent),
		CASE(the_next_incarnation_goes_on_in_the_ring),
		CASE(what_is_out_of_range_is_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
