/* Messages and started packets, case by case: what a full belt, a move, a death and a lying worker do to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "checksum.h"
#include "datapath_rig.h"

#define BUCKETS 64u

static struct rig rig;
static struct belt_consumer worker[3];

static void turn(void)
{
	for (uint32_t i = 0; i < 200; i++)
		io_turn(rig.dp->io[0]);
}

static void attach(uint32_t slot)
{
	datapath_slot_attach(rig.dp, slot, 0);
	while (!datapath_slot_attached(rig.dp, slot))
		io_turn(rig.dp->io[0]);
	belt_consumer_init(&worker[slot], rig.belt[0][slot], &state_control(&rig.state, slot)->commit[0]);
}

/* Settles all that the worker has been offered; returns how many messages were among it, their first bytes in `seen`. */
static uint32_t settle_all(uint32_t slot, uint8_t *seen)
{
	struct belt_consumer *c = &worker[slot];
	uint32_t count = belt_take(c, BELT_SLOTS), messages = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct belt_slot *entry = belt_slot_at(c, c->done + i);

		belt_verdict(c, c->done + i, entry->packet.kind == BELT_PACKET ? baton_reply(4) : BATON_NO_REPLY);
		if (entry->packet.kind == BELT_MESSAGE)
			seen[messages++] = belt_slot_data(c, entry)[0];
	}
	belt_settle(c, c->done + count);
	return count == 0 ? 0 : messages;
}

static void move(uint32_t from, uint32_t to, const uint64_t *map)
{
	uint8_t seen[BELT_SLOTS];
	struct move_report report;
	int id = datapath_move(rig.dp, &(struct move_order){.from = from, .to = to, .map = map});

	assert_true(id > 0);
	for (uint32_t turns = 0; !datapath_move_done(rig.dp, id, &report); turns++) {
		assert_true(turns < 10000);
		io_turn(rig.dp->io[0]);
		for (uint32_t i = 0; i < 3; i++)
			if (rig.dp->io[0]->slot[i].attached)
				settle_all(i, seen);
	}
	assert_false(report.failed);
}

/* Worker 0 owns buckets below 32, worker 1 the others. */
static int set_up(void **state)
{
	uint64_t low = 0xffffffffull, high = ~low;
	uint8_t seen[BELT_SLOTS];

	(void)state;
	rig_create(&rig, 1, 3, BUCKETS);
	attach(0);
	attach(1);
	move(SLOT_NONE, 0, &low);
	move(SLOT_NONE, 1, &high);
	turn();
	settle_all(0, seen);
	settle_all(1, seen);
	turn();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_destroy(&rig);
	return 0;
}

/* Gives worker `slot` a packet of one of its buckets; it waits in the belt, and so do packets of others on the way. */
static void offer_one(uint32_t slot)
{
	uint32_t at = belt_take(&worker[slot], BELT_SLOTS);

	for (uint32_t key = 0; belt_take(&worker[slot], BELT_SLOTS) == at; key++) {
		rig_inject(&rig, 0, rig_frame(&rig, 0, &key, sizeof(key)));
		turn();
	}
}

static struct belt_out_cell *cell(uint32_t slot, uint8_t kind)
{
	struct belt_consumer *c = &worker[slot];
	struct belt_out_cell *out = belt_out_next(c);

	memset(out, 0, sizeof(*out));
	out->cause = c->done;
	out->kind = kind;
	out->len = 16;
	c->filled++;
	return out;
}

/* Worker `slot` handles its next entry, having posted `count` messages to `bucket` that begin with first, first + 1, ... */
static void post(uint32_t slot, uint32_t count, uint32_t bucket, uint8_t first)
{
	struct belt_consumer *c = &worker[slot];

	for (uint32_t i = 0; i < count; i++) {
		struct belt_out_cell *out = cell(slot, BELT_OUT_MESSAGE);
		out->bucket = bucket;
		memset(out->data, first + (int)i, 16);
	}
	belt_verdict(c, c->done, baton_reply(4));
	belt_settle(c, c->done + 1);
}

static const struct CoreStats *page(void)
{
	return stats_io(&rig.stats, 0);
}

static void a_message_reaches_the_owner_of_its_bucket_once(void **state)
{
	uint8_t seen[BELT_SLOTS];

	(void)state;
	offer_one(0);
	post(0, 3, 40, 7);
	assert_int_equal(page()->messages_posted, 0); /* nothing before the lcore has seen the settle */
	turn();
	assert_int_equal(page()->messages_posted, 3);
	assert_int_equal(settle_all(1, seen), 3);
	assert_memory_equal(seen, "\7\10\11", 3);
	turn();
	assert_int_equal(page()->messages_settled, 3);
	assert_int_equal(settle_all(0, seen) + settle_all(1, seen), 0);
	assert_int_equal(rig.dp->io[0]->message.used, 0);
	assert_int_equal(page()->messages_lost, 0);
}

static void a_message_to_the_own_bucket_comes_back(void **state)
{
	uint8_t seen[BELT_SLOTS];

	(void)state;
	offer_one(0);
	post(0, 1, 5, 9);
	turn();
	assert_int_equal(settle_all(0, seen), 1);
	assert_int_equal(seen[0], 9);
}

/* Fills the belt of worker 1 with packets that it does not take. */
static void fill_belt(void)
{
	uint8_t seen[BELT_SLOTS];

	for (uint32_t key = 0; belt_room(&rig.dp->io[0]->slot[1].belt) != 0; key++) {
		rig_inject(&rig, 0, rig_frame(&rig, 0, &key, sizeof(key)));
		if (key % 32 == 31) {
			turn();
			settle_all(0, seen);
		}
	}
	turn();
	settle_all(0, seen);
	turn();
}

static void a_message_to_a_full_belt_waits_and_none_overtakes_it(void **state)
{
	uint8_t seen[BELT_SLOTS];

	(void)state;
	fill_belt();
	offer_one(0);
	post(0, 4, 40, 1);
	turn();
	assert_int_equal(rig.dp->io[0]->list[LIST_BACKLOG(1)].count, 4);
	/* room for one packet: a message takes it, before a later one does */
	belt_verdict(&worker[1], worker[1].done, baton_reply(4));
	belt_settle(&worker[1], worker[1].done + 1);
	turn();
	assert_int_equal(rig.dp->io[0]->list[LIST_BACKLOG(1)].count, 3);
	offer_one(0);
	post(0, 1, 41, 5);
	turn();
	assert_int_equal(rig.dp->io[0]->list[LIST_BACKLOG(1)].count, 4);
	assert_int_equal(settle_all(1, seen), 1);
	turn();
	assert_int_equal(settle_all(1, seen + 1), 4);
	assert_memory_equal(seen, "\1\2\3\4\5", 5);
	turn();
	assert_int_equal(rig.dp->io[0]->message.used, 0);
}

/* Room comes in the same turn as a message of another worker, which is reaped later. */
static void a_message_does_not_take_the_room_of_those_that_wait(void **state)
{
	uint64_t map = 1;
	uint8_t seen[BELT_SLOTS];

	(void)state;
	attach(2);
	move(0, 2, &map);
	fill_belt();
	offer_one(0);
	post(0, 1, 40, 1);
	turn();
	assert_int_equal(rig.dp->io[0]->list[LIST_BACKLOG(1)].count, 1);
	offer_one(2);
	belt_verdict(&worker[1], worker[1].done, baton_reply(4));
	belt_settle(&worker[1], worker[1].done + 1);
	post(2, 1, 40, 2);
	turn();
	turn();
	assert_int_equal(settle_all(1, seen), 1);
	turn();
	assert_int_equal(settle_all(1, seen + 1), 1);
	assert_memory_equal(seen, "\1\2", 2);
	settle_all(0, seen);
	turn();
}

static void a_waiting_message_moves_with_its_bucket(void **state)
{
	uint64_t map = 1ull << 40;
	uint8_t seen[BELT_SLOTS];

	(void)state;
	attach(2);
	fill_belt();
	offer_one(0);
	post(0, 2, 40, 1);
	offer_one(0);
	post(0, 2, 41, 5);
	turn();
	assert_int_equal(rig.dp->io[0]->list[LIST_BACKLOG(1)].count, 4);
	int id = datapath_move(rig.dp, &(struct move_order){.from = 1, .to = 2, .map = &map});
	assert_true(id > 0);
	turn();
	assert_int_equal(rig.dp->io[0]->list[LIST_BACKLOG(1)].count, 2);
	assert_int_equal(settle_all(1, seen), 0);
	turn();
	assert_int_equal(settle_all(2, seen), 2);
	assert_memory_equal(seen, "\1\2", 2);
	assert_int_equal(settle_all(1, seen), 2);
	assert_memory_equal(seen, "\5\6", 2);
	turn();
	struct move_report report;
	assert_true(datapath_move_done(rig.dp, id, &report));
}

static void messages_of_a_dead_worker_go_to_the_next(void **state)
{
	uint8_t seen[BELT_SLOTS];
	uint32_t orphans;

	(void)state;
	attach(2);
	offer_one(0);
	post(0, 2, 40, 1);
	turn(); /* in the belt of worker 1, which dies with them unsettled */
	datapath_slot_dead(rig.dp, 1);
	offer_one(0);
	post(0, 1, 40, 3); /* while nobody owns the bucket */
	turn();
	assert_true(datapath_slot_recovered(rig.dp, 1, &orphans));
	assert_int_equal(orphans, 32);
	int id = datapath_move(rig.dp, &(struct move_order){.from = 1, .to = 2});
	turn();
	assert_int_equal(settle_all(2, seen), 3);
	assert_memory_equal(seen, "\1\2\3", 3);
	turn();
	struct move_report report;
	assert_true(datapath_move_done(rig.dp, id, &report));
	assert_int_equal(page()->messages_settled, 3);
}

static void cells_of_unsettled_causes_are_forgotten_and_settled_ones_sent(void **state)
{
	uint8_t seen[BELT_SLOTS];
	uint32_t orphans;

	(void)state;
	attach(2);
	offer_one(0);
	offer_one(0);
	post(0, 1, 40, 1);
	/* the second entry: written, `filled` stored, killed before `done` */
	cell(0, BELT_OUT_MESSAGE)->bucket = 40;
	atomic_store_explicit(&worker[0].commit->filled, worker[0].filled, memory_order_release);
	datapath_slot_dead(rig.dp, 0);
	housekeep(rig.dp->io[0]); /* hears of it before it has reaped the first */
	turn();
	assert_true(datapath_slot_recovered(rig.dp, 0, &orphans));
	assert_int_equal(settle_all(1, seen), 1);
	assert_int_equal(seen[0], 1);
	turn();
	/* the slot's next worker begins where the dead one ended, and what it posts is its own */
	move(0, 1, NULL);
	attach(0);
	uint64_t first = 1;
	move(1, 0, &first);
	turn();
	settle_all(0, seen);
	settle_all(1, seen);
	turn();
	assert_int_equal(page()->messages_posted, 1);
	assert_int_equal(rig.dp->io[0]->message.used, 0);
	assert_int_equal(datapath_slot_to_fence(rig.dp), SLOT_NONE);
}

/* A worker that writes what no honest one writes is to be fenced; nothing of it reaches anybody. */
static void expect_fence(void)
{
	uint8_t seen[BELT_SLOTS];
	uint32_t before = (uint32_t)page()->messages_posted;

	belt_verdict(&worker[0], worker[0].done, baton_reply(4));
	belt_settle(&worker[0], worker[0].done + 1);
	turn();
	assert_int_equal(datapath_slot_to_fence(rig.dp), 0);
	assert_int_equal(page()->messages_posted, before);
	assert_int_equal(settle_all(1, seen), 0);
}

#define LIE(name, ...) \
	static void a_lie_about_##name(void **state) \
	{ \
		(void)state; \
		offer_one(0); \
		struct belt_out_cell *lie = cell(0, BELT_OUT_MESSAGE); \
		lie->bucket = 40; \
		__VA_ARGS__; \
		expect_fence(); \
	}
LIE(the_bucket, lie->bucket = BUCKETS)
LIE(no_length, lie->len = 0)
LIE(the_length, lie->len = BATON_MESSAGE_MOST + 1)
LIE(the_kind, lie->kind = 77)
LIE(an_old_cause, lie->cause--)
LIE(how_many_cells, worker[0].filled += BELT_OUT_CELLS)
LIE(a_packets_length, lie->kind = BELT_OUT_PACKET, lie->len = BATON_SEND_MOST + 1)

static void more_messages_than_an_entry_may_post_are_not_taken(void **state)
{
	uint8_t seen[BELT_SLOTS];

	(void)state;
	offer_one(0);
	post(0, BATON_POSTS_MOST + 1, 40, 1);
	turn();
	assert_int_equal(datapath_slot_to_fence(rig.dp), 0);
	assert_int_equal(settle_all(1, seen), BATON_POSTS_MOST);
	turn();
	/* a message may post one */
	offer_one(1);
	post(1, 1, 5, 1);
	attach(2);
	assert_int_equal(rig.dp->io[0]->slot[1].fence, 0);
	settle_all(1, seen);
}

static void start(const struct baton_peer *to, uint16_t len)
{
	struct belt_out_cell *out;

	offer_one(0);
	out = cell(0, BELT_OUT_PACKET);
	out->len = len;
	out->to = *to;
	for (uint32_t i = 0; i < len; i++)
		out->data[i] = (uint8_t)(i * 7);
	belt_verdict(&worker[0], worker[0].done, BATON_NO_REPLY);
	belt_settle(&worker[0], worker[0].done + 1);
	turn();
}

static const struct baton_peer client = {.ip = 0x0200000a, .udp_port = 0x409c, .mac = {2, 0, 0, 0, 0, 2}};

static uint32_t drain_tx(struct rte_mbuf **last)
{
	struct rte_mbuf *mbuf;
	uint32_t count = 0;

	*last = NULL;
	while (rte_ring_dequeue(rig.tx[0], (void **)&mbuf) == 0) {
		if (*last != NULL)
			rte_pktmbuf_free(*last);
		*last = mbuf;
		count++;
	}
	return count;
}

static void a_started_packet_is_a_sound_datagram_by_the_way_back(void **state)
{
	static const uint16_t lens[] = {1, 16, 47, 600, BATON_SEND_MOST};
	struct rte_mbuf *mbuf;

	(void)state;
	for (uint32_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		offer_one(0); /* and replies of the other worker's */
		turn();
		drain_tx(&mbuf);
		if (mbuf != NULL)
			rte_pktmbuf_free(mbuf);
		start(&client, lens[i]);
		assert_true(drain_tx(&mbuf) >= 1);
		const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
		const struct rte_ipv4_hdr *ip = (const void *)(eth + 1);
		const struct rte_udp_hdr *udp = (const void *)(ip + 1);
		const uint8_t *data = (const void *)(udp + 1);
		assert_int_equal(mbuf->pkt_len, 42 + lens[i]);
		assert_memory_equal(&eth->dst_addr, client.mac, 6);
		assert_memory_equal(&eth->src_addr, rig.port.mac, 6);
		assert_int_equal(ip->src_addr, RIG_IP);
		assert_int_equal(ip->dst_addr, client.ip);
		assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
		assert_int_equal(rte_be_to_cpu_16(ip->total_length), 28 + lens[i]);
		assert_int_equal(udp->src_port, rte_cpu_to_be_16(RIG_PORT));
		assert_int_equal(udp->dst_port, client.udp_port);
		assert_int_equal(rte_be_to_cpu_16(udp->dgram_len), 8 + lens[i]);
		assert_int_equal(checksum_udp(ip, udp, 8u + lens[i]), 0xffff);
		for (uint32_t b = 0; b < lens[i]; b++)
			assert_int_equal(data[b], (uint8_t)(b * 7));
		rte_pktmbuf_free(mbuf);
	}
	assert_int_equal(page()->packets_started, 5);
}

/* The way back remembers which of the port's addresses the client has written to, and so it is answered. */
static void a_started_packet_comes_from_the_address_that_was_written_to(void **state)
{
	struct port_network *net = &rig.port.network[0];
	uint32_t other = 0x0900000a, key = 0;
	struct rte_mbuf *mbuf;

	(void)state;
	net->address[net->addresses++] = (struct config_address){.ip = other, .prefix = 24};
	for (; belt_take(&worker[0], 1) == 0; key++) {
		mbuf = rig_frame(&rig, 0, &key, sizeof(key));
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr));
		ip->dst_addr = other;
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		((struct rte_udp_hdr *)(ip + 1))->dgram_cksum = 0;
		rig_inject(&rig, 0, mbuf);
		turn();
	}
	struct baton_peer from = worker[0].belt->peer[worker[0].done & BELT_MASK];
	assert_int_equal(from.vlan & VLAN_ID, 0);
	struct belt_out_cell *out = cell(0, BELT_OUT_PACKET);
	out->to = from;
	belt_verdict(&worker[0], worker[0].done, BATON_NO_REPLY);
	belt_settle(&worker[0], worker[0].done + 1);
	turn();
	assert_int_equal(drain_tx(&mbuf), 1);
	assert_int_equal(rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr))->src_addr, other);
	rte_pktmbuf_free(mbuf);
}

static void a_packet_to_nowhere_is_dropped_and_counted(void **state)
{
	struct baton_peer bad[4] = {client, client, client, client};

	(void)state;
	bad[0].port = 1;
	bad[1].ip = 0;
	bad[2].udp_port = 0;
	bad[3].port = 255;
	for (uint32_t i = 0; i < 4; i++) {
		start(&bad[i], 16);
		assert_int_equal(page()->drop[DROP_no_route], i + 1);
	}
	rig.port.mtu = 576;
	start(&client, 600);
	assert_int_equal(page()->drop[DROP_oversize], 1);
	assert_int_equal(page()->packets_started, 0);
	assert_int_equal(datapath_slot_to_fence(rig.dp), SLOT_NONE); /* a client's address may have been forged: no lie */
}

static void packets_are_refused_while_too_many_messages_wait(void **state)
{
	uint8_t seen[BELT_SLOTS];
	uint64_t refused = 0;

	(void)state;
	/* worker 1 takes nothing; worker 0 posts as much as it may for every packet it gets */
	for (uint32_t key = 0; refused == 0; key++) {
		assert_true(key < 100000);
		rig_inject(&rig, 0, rig_frame(&rig, 0, &key, sizeof(key)));
		for (uint32_t i = 0; i < 4; i++)
			io_turn(rig.dp->io[0]);
		while (belt_take(&worker[0], 1) != 0) {
			post(0, BATON_POSTS_MOST, 40, 1);
			for (uint32_t i = 0; i < 4; i++)
				io_turn(rig.dp->io[0]);
		}
		struct rte_mbuf *mbuf;
		while (rte_ring_dequeue(rig.tx[0], (void **)&mbuf) == 0)
			rte_pktmbuf_free(mbuf);
		refused = page()->drop[DROP_message_room];
	}
	assert_true(rig.dp->io[0]->message.used > MESSAGES_MOST);
	assert_true(rig.dp->io[0]->message.used <= MESSAGES_MOST + BATON_POSTS_MOST);
	/* all of them arrive, and then packets do */
	uint64_t posted = page()->messages_posted;
	while (rig.dp->io[0]->message.used != 0) {
		settle_all(1, seen);
		turn();
	}
	assert_int_equal(page()->messages_settled, posted);
	offer_one(0);
	settle_all(0, seen);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_message_reaches_the_owner_of_its_bucket_once),
		CASE(a_message_to_the_own_bucket_comes_back),
		CASE(a_message_to_a_full_belt_waits_and_none_overtakes_it),
		CASE(a_message_does_not_take_the_room_of_those_that_wait),
		CASE(a_waiting_message_moves_with_its_bucket),
		CASE(messages_of_a_dead_worker_go_to_the_next),
		CASE(cells_of_unsettled_causes_are_forgotten_and_settled_ones_sent),
		CASE(a_lie_about_the_bucket), CASE(a_lie_about_no_length), CASE(a_lie_about_the_length),
		CASE(a_lie_about_the_kind), CASE(a_lie_about_an_old_cause), CASE(a_lie_about_how_many_cells),
		CASE(a_lie_about_a_packets_length),
		CASE(more_messages_than_an_entry_may_post_are_not_taken),
		CASE(a_started_packet_is_a_sound_datagram_by_the_way_back),
		CASE(a_started_packet_comes_from_the_address_that_was_written_to),
		CASE(a_packet_to_nowhere_is_dropped_and_counted),
		CASE(packets_are_refused_while_too_many_messages_wait),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
