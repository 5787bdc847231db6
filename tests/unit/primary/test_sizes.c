/* Small, medium and long entries through a real I/O lcore: replies byte for byte, whatever the worker writes into
 * slots, and what a dead worker had comes to the next as it was. */
#include "belt_consumer.h"
#include "hash.h"
#include "messages_rig.h"

static const uint16_t length[] = {4, 16, 47, 48, 49, 63, 64, 65, 111, 112, 113, 127, 128, 129, 130, 500, 1471, 1472};
#define LENGTHS (sizeof(length) / sizeof(length[0]))

static uint8_t byte_of(uint32_t number, uint32_t i) { return (uint8_t)(number * 11 + i * 3 + 1); }

/* A key whose bucket worker 0 owns. */
static uint32_t key_of_worker_0(void)
{
	const struct steering *steering = &rig.dp->io[0]->steering[0];
	uint32_t key = 1;

	while ((hash_key(key, steering->salt) & steering->mask) >= 32)
		key++;
	return key;
}

/* The key, then bytes that no other number has. */
static void arrive(uint32_t number, uint16_t len)
{
	uint8_t payload[BELT_CELL_BYTES];
	uint32_t key = key_of_worker_0();

	for (uint32_t i = 0; i < len; i++)
		payload[i] = byte_of(number, i);
	memcpy(payload, &key, sizeof(key));
	rig_inject(&rig, 0, rig_frame(&rig, 0, payload, len));
	turn();
}

/* The next reply that leaves, all of whose bytes behind the key are those of the request, inverted. */
static void expect_reply(uint32_t number, uint16_t len)
{
	struct rte_mbuf *mbuf = NULL;

	turn();
	assert_int_equal(rte_ring_dequeue(rig.tx[0], (void **)&mbuf), 0);
	assert_non_null(mbuf);
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	const struct rte_udp_hdr *udp = (const void *)(frame + 34);
	assert_int_equal(mbuf->pkt_len, 42 + len);
	assert_int_equal(rte_be_to_cpu_16(udp->dgram_len), 8 + len);
	for (uint32_t i = 4; i < len; i++)
		assert_int_equal(frame[42 + i], (uint8_t)~byte_of(number, i));
	assert_int_equal(checksum_udp((const void *)(frame + 14), udp, 8u + len), 0xffff);
	rte_pktmbuf_free(mbuf);
}

/* Worker 0 answers its next entry, with `reply` of its bytes, without settling it. */
static void answer(uint32_t nth, uint32_t number, uint16_t len, uint16_t reply)
{
	struct belt_slot *slot = belt_slot_at(&worker[0], worker[0].done + nth);
	uint8_t *data = belt_slot_data(&worker[0], slot);

	assert_int_equal(slot->packet.len, len);
	for (uint32_t i = 4; i < len; i++) {
		assert_int_equal(data[i], byte_of(number, i));
		data[i] = (uint8_t)~data[i];
	}
	belt_verdict(&worker[0], worker[0].done + nth, baton_reply(reply));
}

static void requests_of_every_length_are_answered_byte_for_byte(void **state)
{
	(void)state;
	for (uint16_t len = 4; len <= 131; len++) {
		arrive(len, len);
		answer(0, len, len, len);
		belt_settle(&worker[0], worker[0].done + 1);
		expect_reply(len, len);
	}
	for (uint32_t n = 0; n < LENGTHS; n++) { /* shorter replies stand where the request stood */
		arrive(n, length[n]);
		answer(0, n, length[n], length[n] / 3);
		belt_settle(&worker[0], worker[0].done + 1);
		expect_reply(n, length[n] / 3);
	}
	assert_int_equal(page()->replies, 128 + LENGTHS);
}

static void a_slot_that_lies_about_its_size_moves_no_reply(void **state)
{
	(void)state;
	for (uint32_t lie = BELT_SMALL; lie <= BELT_LONG; lie++) {
		for (uint32_t n = 0; n < LENGTHS; n++)
			arrive(n, length[n]);
		for (uint32_t n = 0; n < LENGTHS; n++)
			answer(n, n, length[n], length[n]);
		for (uint32_t n = 0; n < LENGTHS; n++) {
			struct belt_slot *slot = belt_slot_at(&worker[0], worker[0].done + n);

			slot->packet.flags = (uint8_t)lie;
			slot->packet.cell = 200;
			slot->packet.len = (uint16_t)(lie * 100);
		}
		belt_settle(&worker[0], worker[0].done + LENGTHS);
		for (uint32_t n = 0; n < LENGTHS; n++)
			expect_reply(n, length[n]);
	}
	assert_int_equal(rig.dp->io[0]->slot[0].fence, 0);
}

/* ---- a death ---- */

struct delivered {
	uint8_t kind;
	uint16_t len;
	uint8_t data[BELT_CELL_BYTES];
};
static struct delivered first[2 * LENGTHS], again[2 * LENGTHS];

/* What a worker finds in its belt, control entries apart; it overwrites all of it. */
static uint32_t find_and_spoil(uint32_t slot, struct delivered *found, uint32_t most)
{
	const struct belt_consumer *c = &worker[slot];
	uint32_t count = 0;

	for (uint32_t i = 0; i < belt_take(c, BELT_SLOTS); i++) {
		struct belt_slot *entry = belt_slot_at(c, c->done + i);
		uint8_t *data = belt_slot_data(c, entry);

		if (entry->packet.kind != BELT_PACKET && entry->packet.kind != BELT_MESSAGE)
			continue;
		assert_true(count < most);
		found[count].kind = entry->packet.kind;
		found[count].len = entry->packet.len;
		memcpy(found[count++].data, data, entry->packet.len);
		memset(data, 0xee, entry->packet.len);
	}
	return count;
}

/* Worker 1 posts messages of these lengths to a bucket of worker 0. */
static void post_messages(const uint16_t *len, uint32_t count)
{
	offer_one(1);
	for (uint32_t n = 0; n < count; n++) {
		struct belt_out_cell *out = cell(1, BELT_OUT_MESSAGE);

		out->bucket = 7;
		out->len = len[n];
		for (uint32_t i = 0; i < len[n]; i++)
			out->data[i] = byte_of(1000u + len[n], i);
	}
	belt_verdict(&worker[1], worker[1].done, baton_reply(4));
	belt_settle(&worker[1], worker[1].done + 1);
	turn();
}

static void what_a_dead_worker_had_comes_to_the_next_as_it_was(void **state)
{
	static const uint16_t messages[] = {1, 16, 47, 48, 49, 64, 111, 112};
	uint32_t orphans, count, settled = 0;
	uint8_t seen[BELT_SLOTS];
	struct move_report report;

	(void)state;
	attach(2);
	post_messages(messages, BATON_POSTS_MOST);
	for (uint32_t n = 0; n < LENGTHS; n++)
		arrive(n, length[n]);
	post_messages(messages + BATON_POSTS_MOST, BATON_POSTS_MOST);
	count = find_and_spoil(0, first, 2 * LENGTHS);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t own = 0; /* not of those that offer_one() has tried */

		for (uint32_t b = 4; b < first[i].len && first[i].kind == BELT_PACKET; b++)
			own += first[i].data[b] == byte_of(settled, b);
		for (uint32_t b = 0; b < first[i].len && first[i].kind == BELT_MESSAGE; b++)
			assert_int_equal(first[i].data[b], byte_of(1000u + first[i].len, b));
		settled += first[i].kind == BELT_PACKET && first[i].len == length[settled] && own == first[i].len - 4u;
	}
	assert_int_equal(settled, LENGTHS);
	datapath_slot_dead(rig.dp, 0);
	turn();
	assert_true(datapath_slot_recovered(rig.dp, 0, &orphans));
	int id = datapath_move(rig.dp, &(struct move_order){.from = 0, .to = 2});
	turn();
	assert_int_equal(find_and_spoil(2, again, 2 * LENGTHS), count);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(again[i].kind, first[i].kind);
		assert_int_equal(again[i].len, first[i].len);
		assert_memory_equal(again[i].data, first[i].data, first[i].len);
	}
	assert_int_equal(settle_all(2, seen), sizeof(messages) / sizeof(messages[0]));
	turn();
	assert_true(datapath_move_done(rig.dp, id, &report));
	settle_all(1, seen);
	turn();
}

/* ---- control entries ---- */

/* A grant is 16 bytes and a bit for each bucket. */
static void grants_of_every_size_name_all_their_buckets(void **state)
{
	static const struct {
		uint32_t buckets;
		uint8_t size;
	} grant[] = {{64, BELT_SMALL}, {256, BELT_SMALL}, {512, BELT_MEDIUM}, {1024, BELT_LONG}, {4096, BELT_LONG}};

	(void)state;
	for (uint32_t g = 0; g < sizeof(grant) / sizeof(grant[0]); g++) {
		struct belt_buckets head;
		struct move_report report;
		uint32_t granted = 0;

		rig_create(&rig, 1, 1, grant[g].buckets);
		attach(0);
		int id = datapath_move(rig.dp, &(struct move_order){.from = SLOT_NONE, .to = 0});
		turn();
		for (uint32_t i = 0; i < belt_take(&worker[0], BELT_SLOTS); i++) {
			struct belt_slot *slot = belt_slot_at(&worker[0], worker[0].done + i);
			const uint8_t *data = belt_slot_data(&worker[0], slot);

			if (slot->packet.kind != BELT_GRANT)
				continue;
			assert_int_equal(slot->packet.flags, grant[g].size);
			memcpy(&head, data, sizeof(head));
			assert_int_equal(head.first, granted);
			for (uint32_t b = 0; b < head.count; b++, granted++)
				assert_int_equal(data[sizeof(head) + b / 8] >> (b % 8) & 1, 1);
		}
		assert_int_equal(granted, grant[g].buckets);
		belt_settle(&worker[0], worker[0].done + belt_take(&worker[0], BELT_SLOTS));
		turn();
		assert_true(datapath_move_done(rig.dp, id, &report));
		rig_destroy(&rig);
	}
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(requests_of_every_length_are_answered_byte_for_byte),
		CASE(a_slot_that_lies_about_its_size_moves_no_reply),
		CASE(what_a_dead_worker_had_comes_to_the_next_as_it_was),
		cmocka_unit_test(grants_of_every_size_name_all_their_buckets),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
