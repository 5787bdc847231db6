/* What the primary reads of a belt: commit words, verdicts, lengths, outbound cells, and all else that stands in memory
 * a worker may write. Real I/O lcore, real frames, a port of rings; worker 0 is the input, worker 1 is honest. An input
 * is a list of what happens:
 *
 *   'p' key len[2]          a request arrives              't'  the lcore turns
 *   'h' n                   worker 0 settles up to n honestly, with a reply
 *   'v' at verdict[4]       a verdict, from `done` on      'd' n   `done` goes on by n, signed   'D' done[8]
 *   'f' n, 'F' filled[8]    the same of outbound cells     'm' cause kind bucket len[2] how   an outbound cell, counted
 *   'b' at[4] n bytes       in the belt, anywhere          'o' n   worker 1 settles up to n
 *   'M' n, as 'm'           n such cells
 *   'x'                     worker 0 dies and has a successor
 *   'X' named belt[4] position   the same, by a fault of its own: an entry is blamed, the one that its note names
 *
 * Whatever it was: the lcore neither crashes nor hangs; who lies is fenced and what it does not touch goes on; at the
 * end every buffer is home, every message gone, and each frame that left is one the port may send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "belt_consumer.h"
#include "datapath_rig.h"
#include "fuzz.h"

#define BUCKETS   16u
#define TURNS     10000u
#define BUFFERS   8191u
#define SECOND    1000000000ull
#define MTU       1500u
#define REQUESTS  300u /* of one input: all of them have room */
#define ATTEMPTS  2u

#define must(condition) ((condition) ? (void)0 : broken(__LINE__, #condition))
static void broken(int line, const char *what)
{
	printf("fuzz_belt.c:%d: not so: %s\n", line, what);
	fflush(stdout);
	abort();
}

static struct rig rig;
static struct belt_consumer worker[2];
static uint64_t now_ns = 1700000000000000000ull;
static uint32_t requests;

static struct io_lcore *io(void)
{
	return rig.dp->io[0];
}

static const struct CoreStats *page(void)
{
	return stats_io(&rig.stats, 0);
}

static void turn(void)
{
	for (uint32_t i = 0; i < 4; i++)
		io_turn(io());
	housekeep(io());
}

static void settle(uint32_t slot, uint32_t most)
{
	struct belt_consumer *c = &worker[slot];
	if (!io()->slot[slot].attached) /* dead */
		return;
	uint32_t count = belt_take(c, BELT_SLOTS);
	count = count < most ? count : most;
	for (uint32_t i = 0; i < count; i++) {
		const struct belt_slot *entry = belt_slot_at(c, c->done + i);
		bool packet = entry->packet.kind == BELT_PACKET;
		uint16_t len = entry->packet.len < 4 ? entry->packet.len : 4;

		belt_verdict(c, c->done + i, packet ? baton_reply(len) : BATON_NO_REPLY);
	}
	belt_settle(c, c->done + count);
}

/* ---- worker 0 comes and goes ---- */

static void attach(uint32_t slot)
{
	uint32_t turns = 0;

	datapath_slot_attach(rig.dp, slot, 0);
	for (; !datapath_slot_attached(rig.dp, slot); turns++) {
		must(turns < TURNS);
		turn();
	}
	belt_consumer_init(&worker[slot], rig.belt[0][slot], &state_control(&rig.state, slot)->commit[0]);
}

static void move(uint32_t from, uint32_t to, const uint64_t *map)
{
	struct move_report report;
	int id = datapath_move(rig.dp, &(struct move_order){.from = from, .to = to, .map = map});

	must(id > 0);
	for (uint32_t turns = 0; !datapath_move_done(rig.dp, id, &report); turns++) {
		must(turns < TURNS);
		turn();
		datapath_poll(rig.dp);
		settle(0, BELT_SLOTS);
		settle(1, BELT_SLOTS);
	}
}

/* A death as the supervisor has it, and a successor in the same slot. What was settled counts, what was not comes
 * again. */
static void die(const struct death_blame *blame)
{
	struct death_report report;
	struct slot_death death;
	uint32_t orphans = 0;

	/* no use of it until then */
	belt_consumer_init(&worker[0], rig.belt[0][0], &state_control(&rig.state, 0)->commit[0]);
	(void)datapath_slot_to_fence(rig.dp);
	datapath_slot_blame(rig.dp, 0, blame);
	datapath_slot_look(rig.dp, 0, blame->named ? blame->belt : BATON_MAX_IO_LCORES, blame->position);
	datapath_slot_dead(rig.dp, 0);
	for (uint32_t turns = 0; !datapath_slot_recovered(rig.dp, 0, &orphans); turns++) {
		must(turns < TURNS);
		turn();
		datapath_poll(rig.dp);
	}
	must(orphans == BUCKETS / 2 && datapath_slot_judged(rig.dp, 0));
	while (datapath_death_report(rig.dp, &report))
		must(report.kept <= REPORT_BYTES && report.kept <= report.len + REPORT_BYTES && report.slot == 0);
	datapath_slot_death(rig.dp, 0, &death);
	must(!death.found || death.entry.kept <= DEATH_PAYLOAD);
	move(0, 1, NULL);
	attach(0);
	uint64_t low = (1ull << BUCKETS / 2) - 1;
	move(1, 0, &low);
}

static void unmake(void)
{
	rig_destroy(&rig);
}

static void make(void)
{
	uint64_t low = (1ull << BUCKETS / 2) - 1, high = low << BUCKETS / 2;

	rig_eal();
	rig_create(&rig, 1, 2, BUCKETS);
	rig_time(&rig, now_ns);
	attach(0);
	attach(1);
	move(SLOT_NONE, 0, &low);
	move(SLOT_NONE, 1, &high);
	atexit(unmake);
}

/* ---- what an input does ---- */

static void request(uint32_t key, uint32_t len)
{
	uint8_t payload[BELT_CELL_BYTES] = {0};

	if (requests == REQUESTS)
		return;
	requests++;
	len = 4 + len % (MTU - 28 - 4);
	memcpy(payload, &key, sizeof(key));
	rig_inject(&rig, 0, rig_frame(&rig, 0, payload, len));
}

static void cell(const uint8_t *data)
{
	struct belt_consumer *c = &worker[0];
	struct belt_out_cell *out = belt_out_next(c);

	if (!belt_out_room(c, 1))
		return;
	memset(out, 0, sizeof(*out));
	out->cause = c->done + data[0];
	out->kind = data[1] % 4;
	out->bucket = data[2];
	memcpy(&out->len, data + 3, 2);
	out->to = (struct baton_peer){.ip = 0x0200000au, .udp_port = 0x409c, .mac = {2, 0, 0, 0, 0, 2}};
	if (data[5] & 1) /* to be asked for */
		memset(out->to.mac, 0, sizeof(out->to.mac));
	if (data[5] & 2)
		out->to.ip += (uint32_t)(data[5] >> 4) << 24;
	if (data[5] & 4)
		out->to.port = data[5] >> 3;
	if (data[5] & 8)
		memcpy((uint8_t *)&out->to + 4, data, 4);
	c->filled++;
}

static int64_t number(const uint8_t *data)
{
	int64_t n;

	memcpy(&n, data, sizeof(n));
	return n;
}

/* Carries out what stands at the beginning. Returns how much that was. */
static size_t act(const uint8_t *data, size_t bytes)
{
	struct belt_consumer *c = &worker[0];
	struct belt *belt = rig.belt[0][0];
	uint32_t verdict, at;
	size_t n;

	if (bytes < 9)
		return bytes;
	switch (data[0]) {
	case 'p': request(data[1], data[2] | (uint32_t)data[3] << 8); return 4;
	case 't': turn(); return 1;
	case 'h': settle(0, data[1]); return 2;
	case 'o': settle(1, data[1]); return 2;
	case 'v':
		memcpy(&verdict, data + 2, 4);
		belt_verdict(c, c->done + data[1], verdict);
		return 6;
	case 'd': belt_settle(c, c->done + (uint64_t)(int8_t)data[1]); return 2;
	case 'D': belt_settle(c, (uint64_t)number(data + 1)); return 9;
	case 'f': c->filled += (uint64_t)(int8_t)data[1]; return 2;
	case 'F': c->filled = (uint64_t)number(data + 1); return 9;
	case 'm': cell(data + 1); return 7;
	case 'b':
		memcpy(&at, data + 1, 4);
		n = data[5] % 64;
		n = n < bytes - 6 ? n : bytes - 6;
		memcpy((uint8_t *)belt + at % (sizeof(*belt) - n), data + 6, n);
		return 6 + n;
	case 'M':
		for (n = data[1]; n > 0; n--)
			cell(data + 2);
		return 8;
	case 'x': die(&(struct death_blame){.belt = BATON_MAX_IO_LCORES}); return 1;
	case 'X':
		memcpy(&at, data + 2, 4);
		die(&(struct death_blame){.attempts = ATTEMPTS, .counts = true, .named = data[1] & 1, .belt = at,
					  .position = io()->slot[0].belt.reaped + (uint64_t)(int8_t)data[6]});
		return 7;
	default: return 1;
	}
}

/* ---- afterwards ---- */

/* One that a switch would pass on: lengths agree, and what was started or answered comes from us. */
static void look_at(struct rte_mbuf *mbuf)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const void *)(eth + 1);
	const struct rte_udp_hdr *udp = (const void *)(ip + 1);

	must(mbuf->nb_segs == 1 && mbuf->pkt_len == mbuf->data_len && mbuf->pkt_len <= MTU + sizeof(*eth));
	must(memcmp(&eth->src_addr, rig.port.mac, 6) == 0);
	if (eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP))
		return;
	must(eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4));
	uint32_t total = rte_be_to_cpu_16(ip->total_length);
	must(ip->version_ihl == 0x45 && ip->src_addr == RIG_IP && ip->next_proto_id == IPPROTO_UDP);
	must(total + sizeof(*eth) <= mbuf->pkt_len && rte_be_to_cpu_16(udp->dgram_len) + sizeof(*ip) == total);
	must(udp->src_port == rte_cpu_to_be_16(RIG_PORT));
	must(rte_raw_cksum(ip, sizeof(*ip)) == 0xffff);
}

static void take_sent(void)
{
	struct rte_mbuf *mbuf;

	while (rte_ring_dequeue(rig.tx[0], (void **)&mbuf) == 0) {
		look_at(mbuf);
		rte_pktmbuf_free(mbuf);
	}
}

static uint64_t dropped(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < DROP_COUNT; i++)
		sum += page()->drop[i];
	return sum;
}

/* Everything is answered, dropped or on its way to somebody who does not exist: then time goes by. */
static void come_to_rest(void)
{
	for (uint32_t turns = 0; io()->ledger.in_belts + io()->ledger.pending + io()->message.used != 0; turns++) {
		must(turns < TURNS);
		turn();
		settle(0, BELT_SLOTS);
		settle(1, BELT_SLOTS);
		turn();
		take_sent();
	}
	for (uint32_t turns = 0; io()->ledger.unresolved != 0; turns++) {
		must(turns < 20);
		now_ns += SECOND;
		rig_time(&rig, now_ns);
		turn();
		take_sent();
	}
	turn();
	take_sent();
}

/* What no honest worker writes has been noticed, as soon as the lcore has looked: at entries that wait, and once all
 * are settled at cells that are nobody's. */
static void liars_are_fenced(void)
{
	const struct slot_view *view = &io()->slot[0];
	const struct belt_commit *commit = worker[0].commit;

	turn();
	must(belt_depth(&view->belt) == 0 || view->fence ||
	     commit->done - view->belt.reaped <= view->belt.published - view->belt.reaped);
	if (view->fence || belt_depth(&view->belt) == 0)
		return;
	settle(0, BELT_SLOTS);
	turn();
	must(view->fence || belt_depth(&view->belt) != 0 || commit->filled == view->belt.out_reaped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct ledger ledger;

	if (rig.dp == NULL)
		make();
	requests = 0;
	uint64_t answered = page()->replies + page()->error_replies + page()->no_reply, gone = dropped();
	uint64_t started = page()->packets_started, causes = page()->reaped + page()->messages_settled;
	for (size_t at = 0; at < bytes;)
		at += act(data + at, bytes - at);
	liars_are_fenced();
	die(&(struct death_blame){.belt = BATON_MAX_IO_LCORES});
	come_to_rest();
	/* the honest one has been served all the while: nobody has fenced it */
	must(io()->slot[1].fence == 0);
	datapath_ledger(rig.dp, 0, &ledger);
	must(ledger_balance(&ledger) == 0 && ledger.in_belts + ledger.pending + ledger.unresolved + ledger.tx_backlog == 0);
	must(page()->ledger_drift == 0);
	must(rte_mempool_avail_count(rig.pool[0]) == BUFFERS);
	must(io()->message.used == 0 && io()->backlogs == 0);
	answered = page()->replies + page()->error_replies + page()->no_reply - answered;
	gone = dropped() - gone;
	started = page()->packets_started - started;
	causes = page()->reaped + page()->messages_settled - causes;
	/* none twice, none lost; cells that were not sent count as drops of their own */
	must(answered <= requests && answered + gone >= requests);
	must(started <= causes * BATON_SENDS_MOST);
	must(started != 0 || gone != 0 || answered == requests);
	return 0;
}

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("p\1\0\0p\2\100\0p\3\0\3p\4\0\5tth\4tthh\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("p\1\0\0p\2\100\0p\3\0\3p\4\0\5tv\0\2\0\4\0v\1\3\0\0\0v\2\7\0\0\0d\3t\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("p\1\0\0p\2\100\0p\5\0\0tm\0\1\3\20\0\0m\0\2\3\20\0\1m\0\2\3\20\0\0v\0\1\0\4\0d\1t\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("p\1\0\0p\2\100\0p\5\0\0tm\0\1\11\20\0\0m\0\1\11\20\0\0h\3to\7tto\7t\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("p\1\0\0p\2\100\0p\5\0\0txp\1\0\0h\1tx\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("p\1\0\0tD\377\377\377\377\0\0\0\0tp\1\0\0tF\377\0\0\0\0\0\0\0d\1t\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("p\1\0\0p\2\0\0td\377tb\100\0\0\0\10\377\377\377\377\377\377\377\377th\2t\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("p\1\0\0p\2\0\0p\3\0\0p\4\0\0p\5\0\0tX\1\0\0\0\0\0tX\1\0\0\0\0\0tX\1\0\0\0\0\1t\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("p\1\0\0p\2\0\0tX\1\0\0\0\0\0tX\0\0\0\0\0\0X\1\0\0\0\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("p\1\0\0p\2\0\0p\3\0\0p\4\0\0tM\60\0\2\3\20\0\0h\1t\0\0\0\0\0\0\0\0"),
	{NULL, 0},
};
const struct fuzz_seed fuzz_words[] = {
	FUZZ_SEED("p\1\0\0"), FUZZ_SEED("p\2\100\0"), FUZZ_SEED("p\3\0\4"), FUZZ_SEED("t"), FUZZ_SEED("h\1"),
	FUZZ_SEED("h\377"), FUZZ_SEED("x"),
	FUZZ_SEED("v\0\1\0\4\0"), FUZZ_SEED("v\0\2\0\4\0"), FUZZ_SEED("v\0\1\0\377\377"), FUZZ_SEED("v\1\4\0\0\0"),
	FUZZ_SEED("v\1\3\0\0\0"), FUZZ_SEED("d\1"),
	FUZZ_SEED("d\377"), FUZZ_SEED("D"), FUZZ_SEED("F"), FUZZ_SEED("f\1"), FUZZ_SEED("m\0\1\3\20\0\0"),
	FUZZ_SEED("m\0\2\3\20\0\1"), FUZZ_SEED("m\1\2\3\20\0\0"),
	FUZZ_SEED("b"), FUZZ_SEED("o\377"), FUZZ_SEED("X\1\0\0\0\0\0"), FUZZ_SEED("M\60\0\2\3\20\0\0"),
	FUZZ_SEED("M\4\0\1\11\20\0\0"), FUZZ_SEED("m\0\1\11\160\0\0"), FUZZ_SEED("m\0\2\3\0\5\3"),
	FUZZ_SEED("m\0\2\3\20\0\7"),
	{NULL, 0},
};
const size_t fuzz_longest = 512;
