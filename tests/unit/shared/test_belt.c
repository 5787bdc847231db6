/* The belt: order, room, long cells, forged commit words, positions that go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>

#include <cmocka.h>

#include "fake.h"

static struct fake_primary primary;
static struct belt_commit commit;
static struct belt_consumer consumer;
static struct fake_entry entries[BELT_SLOTS];

static int start(void **context)
{
	(void)context;
	commit = (struct belt_commit){0};
	fake_primary_init(&primary, &commit, 3, 5);
	belt_consumer_init(&consumer, primary.belt, &commit);
	return 0;
}

static int stop(void **context)
{
	(void)context;
	fake_primary_fini(&primary);
	return 0;
}

static void fill(struct fake_entry *entry, uint32_t number, uint16_t len)
{
	entry->kind = BELT_PACKET;
	entry->bucket = (uint16_t)number;
	entry->len = len;
	entry->time_ns = number;
	for (uint32_t i = 0; i < len; i++)
		entry->data[i] = (uint8_t)(number * 7 + i);
}

/* The worker: checks and answers `count` entries with every byte inverted, settles them. */
static void work(uint32_t count, uint32_t *number)
{
	assert_int_equal(belt_take(&consumer, count), count);
	for (uint32_t i = 0; i < count; i++, (*number)++) {
		struct belt_slot *slot = belt_slot_at(&consumer, consumer.done + i);
		uint8_t *data = belt_slot_data(&consumer, slot);

		assert_int_equal(slot->packet.time_ns, *number);
		assert_int_equal(slot->packet.bucket, (uint16_t)*number);
		for (uint32_t b = 0; b < slot->packet.len; b++) {
			assert_int_equal(data[b], (uint8_t)(*number * 7 + b));
			data[b] = (uint8_t)~data[b];
		}
		belt_verdict(&consumer, consumer.done + i, baton_reply(slot->packet.len));
	}
	belt_settle(&consumer, consumer.done + count);
}

struct reaped {
	uint32_t next;
};

static void check_reply(void *arg, const struct fake_entry *entry, uint32_t verdict, const uint8_t *reply)
{
	struct reaped *reaped = arg;

	assert_int_equal(entry->time_ns, reaped->next);
	assert_int_equal(verdict, baton_reply(entry->len));
	for (uint32_t b = 0; b < entry->len; b++)
		assert_int_equal(reply[b], (uint8_t)~entry->data[b]);
	reaped->next++;
}

static void entries_come_back_in_order_through_many_wraps(void **context)
{
	uint64_t random = fake_seed("test_belt");
	uint32_t offered = 0, worked = 0;
	struct reaped reaped = {0};

	(void)context;
	while (reaped.next < 6 * BELT_SLOTS) {
		uint32_t burst = fake_below(&random, 200);
		for (uint32_t i = 0; i < burst; i++) {
			struct fake_entry *entry = &entries[offered % BELT_SLOTS];
			static const uint32_t sizes[] = {BELT_INLINE, BELT_INLINE, BELT_MEDIUM_BYTES, BELT_CELL_BYTES};
			uint32_t most = sizes[fake_below(&random, 4)];
			uint16_t len = (uint16_t)fake_below(&random, most + 1);
			uint32_t kept = offered - reaped.next;
			if (kept == BELT_SLOTS)
				break;
			fill(entry, offered, len);
			if (!fake_offer(&primary, entry))
				break;
			offered++;
		}
		uint32_t ready = belt_take(&consumer, BELT_SLOTS);
		assert_int_equal(ready, offered - worked);
		work(ready == 0 ? 0 : fake_below(&random, ready + 1), &worked);
		if (fake_below(&random, 2) != 0)
			assert_true(fake_reap(&primary, check_reply, &reaped) >= 0);
	}
}

static void a_full_belt_refuses_packets_but_has_room_for_control_entries(void **context)
{
	uint32_t count = 0;

	(void)context;
	for (;; count++) {
		fill(&entries[count], count, 8);
		if (!fake_offer(&primary, &entries[count]))
			break;
	}
	assert_int_equal(count, BELT_SLOTS - BELT_CONTROL_SLOTS);
	assert_int_equal(belt_room(&primary.producer), 0);
	for (uint32_t i = 0; i < BELT_CONTROL_SLOTS; i++, count++) {
		fill(&entries[count], count, 8);
		entries[count].kind = BELT_REVOKE;
		assert_true(fake_offer(&primary, &entries[count]));
	}
	assert_false(belt_fits(&primary.producer, 8, true));
	uint32_t worked = 0;
	struct reaped reaped = {0};
	work(BELT_SLOTS, &worked);
	assert_int_equal(fake_reap(&primary, check_reply, &reaped), BELT_SLOTS);
	assert_int_equal(belt_room(&primary.producer), BELT_SLOTS - BELT_CONTROL_SLOTS);
}

static void long_entries_keep_cells_for_control_and_free_them_in_order(void **context)
{
	uint32_t count = 0, worked = 0;
	struct reaped reaped = {0};

	(void)context;
	for (;; count++) {
		fill(&entries[count], count, BELT_MEDIUM_BYTES + 1);
		if (!fake_offer(&primary, &entries[count]))
			break;
	}
	assert_int_equal(count, BELT_LONG_CELLS - BELT_CONTROL_CELLS);
	assert_true(belt_fits(&primary.producer, BELT_MEDIUM_BYTES, false));
	for (uint32_t i = 0; i < BELT_CONTROL_CELLS; i++, count++) {
		fill(&entries[count], count, BELT_CELL_BYTES);
		entries[count].kind = BELT_GRANT;
		assert_true(fake_offer(&primary, &entries[count]));
	}
	assert_false(belt_fits(&primary.producer, BELT_MEDIUM_BYTES + 1, true));
	work(10, &worked);
	assert_int_equal(fake_reap(&primary, check_reply, &reaped), 10);
	/* ten cells are free again, and the oldest are the ones */
	for (uint32_t i = 0; i < 10; i++, count++) {
		fill(&entries[count], count, 300);
		entries[count].kind = BELT_GRANT;
		assert_true(fake_offer(&primary, &entries[count]));
	}
	assert_false(belt_fits(&primary.producer, 300, true));
	work(count - 10, &worked);
	assert_int_equal(fake_reap(&primary, check_reply, &reaped), count - 10);
	assert_false(belt_fits(&primary.producer, BELT_CELL_BYTES + 1, true));
}

static void a_forged_commit_word_is_noticed(void **context)
{
	(void)context;
	for (uint32_t i = 0; i < 20; i++) {
		fill(&entries[i], i, 8);
		assert_true(fake_offer(&primary, &entries[i]));
	}
	uint32_t worked = 0;
	work(5, &worked);
	struct reaped reaped = {0};
	assert_int_equal(fake_reap(&primary, check_reply, &reaped), 5);
	const uint64_t forged[] = {21, 4, 0, UINT64_MAX, 5 + BELT_SLOTS, 1ull << 63};
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		atomic_store(&commit.done, forged[i]); /* beyond what was published, or backwards */
		assert_int_equal(belt_settled(&primary.producer), -EBADMSG);
	}
	atomic_store(&commit.done, 20); /* all that was published is what an honest worker may write */
	assert_int_equal(belt_settled(&primary.producer), 15);
}

static void what_is_offered_but_not_published_cannot_be_settled(void **context)
{
	struct belt_shadow shadow = {.kind = BELT_PACKET, .len = 4};

	(void)context;
	belt_offer(&primary.producer, &shadow, (struct belt_peer){{0}}, entries[0].data);
	assert_int_equal(belt_take(&consumer, 8), 0);
	atomic_store(&commit.done, 1);
	assert_int_equal(belt_settled(&primary.producer), -EBADMSG);
	assert_int_equal(belt_publish(&primary.producer), 1);
	assert_int_equal(belt_publish(&primary.producer), 0);
	assert_int_equal(belt_settled(&primary.producer), 1);
}

static void the_reply_length_of_each_entry_is_read_with_its_verdict(void **context)
{
	(void)context;
	fill(&entries[0], 0, 90);
	assert_true(fake_offer(&primary, &entries[0]));
	belt_verdict(&consumer, consumer.done, baton_reply_error(17));
	belt_settle(&consumer, consumer.done + 1);
	uint32_t verdict, longs = 0;
	const uint8_t *reply;
	const struct belt_shadow *shadow = belt_settled_at(&primary.producer, 0, &longs, &verdict, &reply);
	assert_ptr_equal(shadow->cookie, &entries[0]);
	assert_int_equal(verdict & 0xffff, BATON_REPLY_ERROR);
	assert_int_equal(verdict >> 16, 17);
}

static void positions_go_on_over_workers_and_primaries(void **context)
{
	const struct fake_entry *back[BELT_SLOTS];
	uint32_t worked = 0;
	struct reaped reaped = {0};

	(void)context;
	for (uint32_t i = 0; i < 10; i++) {
		fill(&entries[i], i, i == 8 ? 500 : 8);
		assert_true(fake_offer(&primary, &entries[i]));
	}
	work(7, &worked);
	consumer.filled = 2;
	/* the worker dies with three entries and two outbound cells open */
	assert_int_equal(fake_reap(&primary, check_reply, &reaped), 7);
	assert_int_equal(fake_take_back(&primary, back), 3);
	assert_ptr_equal(back[0], &entries[7]);
	assert_ptr_equal(back[2], &entries[9]);
	assert_int_equal(atomic_load(&commit.done), 10);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(fake_offer(&primary, back[i]));
	belt_consumer_init(&consumer, primary.belt, &commit);
	assert_int_equal(consumer.done, 10);
	assert_int_equal(consumer.filled, 0);
	work(3, &worked);
	assert_int_equal(fake_reap(&primary, check_reply, &reaped), 3);
	assert_int_equal(atomic_load(&commit.done), 13);
	/* the primary dies: new pages, the same commit words */
	fake_primary_fini(&primary);
	fake_primary_init(&primary, &commit, 3, 5);
	belt_consumer_init(&consumer, primary.belt, &commit);
	assert_int_equal(belt_take(&consumer, 8), 0);
	fill(&entries[10], 10, 8);
	assert_true(fake_offer(&primary, &entries[10]));
	work(1, &worked);
	assert_int_equal(fake_reap(&primary, check_reply, &reaped), 1);
	assert_int_equal(atomic_load(&commit.done), 14);
}

static void check_cell(void *arg, const struct belt_out_cell *cell)
{
	uint32_t *next = arg;

	assert_int_equal(cell->bucket, (*next)++);
}

/* A worker forges `done` and the primary dies before it has looked. */
static void positions_that_would_wrap_are_not_taken(void **context)
{
	struct belt_shadow shadow[BELT_SLOTS];
	struct belt_producer p;

	(void)context;
	atomic_store(&commit.done, UINT64_MAX - 3);
	belt_producer_init(&p, primary.belt, &commit, shadow);
	assert_true(p.offered <= BELT_POSITION_MOST && p.reaped == p.offered && p.published == p.offered);
	assert_int_equal(atomic_load(&commit.done), p.offered);
	assert_int_equal(atomic_load(&primary.belt->offered), p.offered);
	atomic_store(&commit.done, 12345);
	belt_producer_init(&p, primary.belt, &commit, shadow);
	assert_int_equal(p.offered, 12345);
}

static void outbound_cells_leave_with_their_cause_and_not_before(void **context)
{
	uint32_t next = 0, worked = 0;

	(void)context;
	for (uint32_t i = 0; i < 3; i++) {
		fill(&entries[i], i, 8);
		assert_true(fake_offer(&primary, &entries[i]));
	}
	for (uint32_t i = 0; i < 3; i++) {
		struct belt_out_cell *cell = &primary.belt->out[consumer.filled++];
		cell->cause = i;
		cell->bucket = i;
	}
	struct reaped reaped = {0};
	work(2, &worked); /* `filled` covers the third cell, `done` not its cause */
	assert_int_equal(fake_reap(&primary, check_reply, &reaped), 2);
	assert_int_equal(fake_emit(&primary, check_cell, &next), 2);
	work(1, &worked);
	assert_int_equal(fake_reap(&primary, check_reply, &reaped), 1);
	assert_int_equal(fake_emit(&primary, check_cell, &next), 1);
	assert_int_equal(next, 3);
}

static void a_belt_of_others_is_refused(void **context)
{
	(void)context;
	assert_int_equal(belt_check(primary.belt, 3, 5), 0);
	assert_int_equal(belt_check(primary.belt, 2, 5), -EPROTO);
	assert_int_equal(belt_check(primary.belt, 3, 4), -EPROTO);
	primary.belt->abi++;
	assert_int_equal(belt_check(primary.belt, 3, 5), -EPROTO);
	primary.belt->abi--;
	primary.belt->magic ^= 1;
	assert_int_equal(belt_check(primary.belt, 3, 5), -EPROTO);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(entries_come_back_in_order_through_many_wraps),
		TEST(a_full_belt_refuses_packets_but_has_room_for_control_entries),
		TEST(long_entries_keep_cells_for_control_and_free_them_in_order),
		TEST(a_forged_commit_word_is_noticed),
		TEST(what_is_offered_but_not_published_cannot_be_settled),
		TEST(the_reply_length_of_each_entry_is_read_with_its_verdict),
		TEST(positions_go_on_over_workers_and_primaries),
		TEST(positions_that_would_wrap_are_not_taken),
		TEST(outbound_cells_leave_with_their_cause_and_not_before),
		TEST(a_belt_of_others_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
