/* Entries of every length stand whole in the place their length decides; nothing beside it is written, nothing behind
 * the payload read, and no worker moves a reply by what it writes into slots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake.h"

static struct fake_primary primary;
static struct belt_commit commit;
static struct belt_consumer consumer;
static struct belt image; /* the belt as it must be */
static uint8_t *wall;     /* the first byte that cannot be read */

/* Few steps before slots and long cells begin anew. */
static int start(void **context)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)context;
	assert_true(pages != MAP_FAILED && mprotect(pages + page, page, PROT_NONE) == 0);
	wall = pages + page;
	commit = (struct belt_commit){.done = BELT_SLOTS - 5};
	fake_primary_init(&primary, &commit, 3, 5);
	primary.producer.long_head = primary.producer.long_tail = BELT_LONG_CELLS - 2;
	belt_consumer_init(&consumer, primary.belt, &commit);
	return 0;
}

static int stop(void **context)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	(void)context;
	fake_primary_fini(&primary);
	return munmap(wall - page, 2 * page);
}

static uint32_t whole_steps(uint32_t len) { return (len + 15) / 16 * 16; }
static uint8_t byte_of(uint32_t number, uint32_t i) { return (uint8_t)(number * 7 + i * 3 + 1); }

/* What belt_offer() may read of it ends at the wall. */
static const uint8_t *payload(uint32_t number, uint32_t len)
{
	uint8_t *at = wall - whole_steps(len);

	for (uint32_t i = 0; i < whole_steps(len); i++)
		at[i] = byte_of(number, i);
	return at;
}

static void offer(uint8_t kind, uint32_t number, uint32_t len)
{
	const struct belt_shadow shadow = {
		.kind = kind, .len = (uint16_t)len, .bucket = (uint16_t)number, .time_ns = number,
	};

	assert_true(belt_fits(&primary.producer, len, kind != BELT_PACKET));
	belt_offer(&primary.producer, &shadow, (struct belt_peer){{number, ~(uint64_t)number}}, payload(number, len));
	belt_publish(&primary.producer);
}

/* Where an entry of that length stands in the belt; `cell` if that is a long cell. */
static uint8_t *place(struct belt *belt, uint32_t at, uint32_t len, uint32_t cell)
{
	return len <= 48 ? belt->slots[at].inl : len <= 128 ? belt->medium[at] : belt->long_cells[cell];
}

/* What the next offer is to change, in the image. */
static void expect_offer(uint8_t kind, uint32_t number, uint32_t len)
{
	uint32_t at = (uint32_t)primary.producer.offered & BELT_MASK;
	uint32_t cell = (uint32_t)(primary.producer.long_head % BELT_LONG_CELLS);
	struct baton_packet *packet = &image.slots[at].packet;
	uint64_t peer[2] = {number, ~(uint64_t)number};

	memcpy(&image, primary.belt, sizeof(image));
	packet->len = (uint16_t)len;
	packet->kind = kind;
	packet->flags = len <= 48 ? BELT_SMALL : len <= 128 ? BELT_MEDIUM : BELT_LONG;
	packet->bucket = (uint16_t)number;
	packet->time_ns = number;
	if (len > 128)
		packet->cell = (uint16_t)cell;
	memcpy(&image.peer[at], peer, sizeof(peer));
	memcpy(place(&image, at, len, cell), payload(number, len), whole_steps(len));
	image.offered = primary.producer.offered + 1;
}

/* Through the belt and back; the reply has every byte inverted. */
static void go_round(uint8_t kind, uint32_t number, uint32_t len)
{
	uint32_t at = (uint32_t)primary.producer.offered & BELT_MASK, verdict, longs = 0;
	uint8_t *where = place(primary.belt, at, len, (uint32_t)(primary.producer.long_head % BELT_LONG_CELLS));
	const uint8_t *reply;

	expect_offer(kind, number, len);
	offer(kind, number, len);
	assert_memory_equal(primary.belt, &image, sizeof(image));

	assert_int_equal(belt_take(&consumer, 2), 1);
	struct belt_slot *slot = belt_slot_at(&consumer, consumer.done);
	uint8_t *data = belt_slot_data(&consumer, slot);
	assert_ptr_equal(data, where);
	for (uint32_t i = 0; i < len; i++) {
		assert_int_equal(data[i], byte_of(number, i));
		data[i] = (uint8_t)~data[i];
	}
	belt_verdict(&consumer, consumer.done, baton_reply((uint16_t)len));
	belt_settle(&consumer, consumer.done + 1);

	assert_int_equal(belt_settled(&primary.producer), 1);
	const struct belt_shadow *shadow = belt_settled_at(&primary.producer, 0, &longs, &verdict, &reply);
	assert_ptr_equal(reply, where);
	assert_int_equal(shadow->len, len);
	assert_int_equal(verdict, baton_reply((uint16_t)len));
	assert_int_equal(longs, len > 128);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(reply[i], (uint8_t)~byte_of(number, i));
	belt_reaped(&primary.producer, 1, longs);
}

static void entries_of_every_length_are_whole_and_nothing_else_is_touched(void **context)
{
	static const uint8_t kind[] = {BELT_PACKET, BELT_MESSAGE, BELT_TICK, BELT_GRANT};
	static const uint32_t longer[] = {2032, 2033, 2047, 2048};
	uint32_t number = 0;

	(void)context;
	for (uint32_t k = 0; k < sizeof(kind); k++) {
		for (uint32_t len = 0; len <= 130; len++)
			go_round(kind[k], number++, len);
		for (uint32_t i = 0; i < 4; i++)
			go_round(kind[k], number++, longer[i]);
	}
	assert_false(belt_fits(&primary.producer, 2049, true));
	assert_int_equal(primary.producer.long_head, primary.producer.long_tail);
	assert_int_equal(primary.producer.long_head, BELT_LONG_CELLS - 2 + 4 * (2 + 4));
}

/* Offers and answers `count` entries, of lengths `from` to `to` in turn. */
static void answer_all(uint32_t count, uint32_t from, uint32_t to)
{
	assert_int_equal(belt_take(&consumer, BELT_SLOTS), count);
	for (uint32_t n = 0; n < count; n++) {
		struct belt_slot *slot = belt_slot_at(&consumer, consumer.done + n);
		uint8_t *data = belt_slot_data(&consumer, slot);

		assert_int_equal(slot->packet.len, from + n % (to - from + 1));
		for (uint32_t i = 0; i < slot->packet.len; i++) {
			assert_int_equal(data[i], byte_of(n, i));
			data[i] = (uint8_t)~data[i];
		}
		belt_verdict(&consumer, consumer.done + n, baton_reply(slot->packet.len));
	}
}

/* Settles and reaps them. Returns how many had a long cell. */
static uint32_t take_all(uint32_t count)
{
	uint32_t longs = 0, verdict;

	belt_settle(&consumer, consumer.done + count);
	assert_int_equal(belt_settled(&primary.producer), count);
	for (uint32_t n = 0; n < count; n++) {
		const uint8_t *reply;
		uint32_t len = belt_settled_at(&primary.producer, n, &longs, &verdict, &reply)->len;

		assert_int_equal(verdict, baton_reply((uint16_t)len));
		for (uint32_t i = 0; i < len; i++)
			assert_int_equal(reply[i], (uint8_t)~byte_of(n, i));
	}
	belt_reaped(&primary.producer, count, longs);
	return longs;
}

static void a_belt_full_of_medium_entries_takes_no_long_cell(void **context)
{
	uint64_t head = primary.producer.long_head;
	uint32_t count = 0;

	(void)context;
	for (; belt_fits(&primary.producer, 49 + count % 80, false); count++)
		offer(BELT_PACKET, count, 49 + count % 80);
	assert_int_equal(count, BELT_SLOTS - BELT_CONTROL_SLOTS);
	for (; belt_fits(&primary.producer, 49 + count % 80, true); count++)
		offer(BELT_TICK, count, 49 + count % 80);
	assert_int_equal(count, BELT_SLOTS);
	assert_int_equal(primary.producer.long_head, head);
	answer_all(count, 49, 128);
	assert_int_equal(take_all(count), 0);
	assert_int_equal(primary.producer.long_tail, head);
}

static void without_a_long_cell_medium_entries_still_fit(void **context)
{
	uint32_t count = 0;

	(void)context;
	for (; belt_fits(&primary.producer, 129, false); count++)
		offer(BELT_PACKET, count, 129);
	assert_int_equal(count, BELT_LONG_CELLS - BELT_CONTROL_CELLS);
	for (; belt_fits(&primary.producer, 2048, true); count++)
		offer(BELT_GRANT, count, 129);
	assert_int_equal(count, BELT_LONG_CELLS);
	assert_true(belt_fits(&primary.producer, 128, false));
	answer_all(count, 129, 129);
	assert_int_equal(take_all(count), BELT_LONG_CELLS);
	assert_true(belt_fits(&primary.producer, 2048, false));
}

static void what_a_worker_writes_into_slots_moves_no_reply(void **context)
{
	uint64_t random = fake_seed("test_belt_sizes");

	(void)context;
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t n = 0; n < 200; n++)
			offer(BELT_PACKET, n, n);
		answer_all(200, 0, 199);
		for (uint32_t at = 0; at < BELT_SLOTS; at++) {
			uint64_t scribble[2] = {fake_random(&random), fake_random(&random)};

			memcpy(&primary.belt->slots[at].packet, scribble, sizeof(scribble));
			if (fake_below(&random, 2) != 0)
				primary.belt->slots[at].packet.flags = (uint8_t)fake_below(&random, BELT_LONG + 1);
		}
		assert_int_equal(take_all(200), 200 - 129);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(entries_of_every_length_are_whole_and_nothing_else_is_touched),
		TEST(a_belt_full_of_medium_entries_takes_no_long_cell),
		TEST(without_a_long_cell_medium_entries_still_fit),
		TEST(what_a_worker_writes_into_slots_moves_no_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
