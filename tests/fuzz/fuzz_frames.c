/* The packet path: frames as they come from the network, any bytes at all, through a real I/O lcore on a port of rings, in
 * the untagged network and in a VLAN. The worker is honest and sends every request back. An input is a list:
 *
 *   'r' how len[2] bytes    a frame of these bytes; how: bits of enum how
 *   'u' how at[2] bits[2] len[2]   a request, with the bits at `at` turned over
 *   'a' 'i' likewise        an ARP question for our address, an ICMP echo request
 *   't'                     the lcore turns, the worker works
 *   's' n                   n tenths of a second go by
 *
 * What is a request, a question or a ping is said here once more, in the plainest way, by the RFCs and without looking at
 * the product: those and only those are answered, byte by byte, to whom they came from, each once. Of the others a counter
 * tells; every buffer is home in the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ether.h>

#include "belt_consumer.h"
#include "datapath_rig.h"
#include "frame_kind.h"
#include "fuzz.h"

#define BUCKETS 16u
#define TURNS   10000u
#define BUFFERS 8191u
#define FRAMES  64u /* of one input: all of them have room */
#define MOST    1600u
enum how {
	HOW_SUMS = 1,     /* checksums are put right */
	HOW_LENGTHS = 2,  /* so are the lengths of IPv4 and UDP, before that */
	HOW_MAC = 4,      /* and the destination address */
	HOW_TAG = 8,      /* a tag of the VLAN is in the frame */
	HOW_STRIPPED = 16, /* the device has taken one off */
	HOW_QINQ = 32,    /* two */
	HOW_PIECES = 64,  /* in two buffers */
	HOW_VLAN = 128    /* to our address in the VLAN */
};

#define must(condition) ((condition) ? (void)0 : broken(__LINE__, #condition))
static void broken(int line, const char *what)
{
	printf("fuzz_frames.c:%d: not so: %s\n", line, what);
	fflush(stdout);
	abort();
}

static struct rig rig;
static struct belt_consumer worker;
static uint64_t now_ns = 1700000000000000000ull;
static uint32_t frames;

/* What is due and what has left: by kind how many, and a sum over all of what each says. */
static struct books {
	uint32_t count[KINDS];
	uint64_t sum[KINDS];
} due, sent;

static struct io_lcore *io(void) { return rig.dp->io[0]; }
static const struct CoreStats *page(void) { return stats_io(&rig.stats, 0); }

/* ---- the rig ---- */

static void work(void)
{
	uint32_t count = belt_take(&worker, BELT_SLOTS);

	for (uint32_t i = 0; i < count; i++) {
		const struct belt_slot *entry = belt_slot_at(&worker, worker.done + i);
		bool packet = entry->packet.kind == BELT_PACKET;

		belt_verdict(&worker, worker.done + i, packet ? baton_reply(entry->packet.len) : BATON_NO_REPLY);
	}
	belt_settle(&worker, worker.done + count);
}

static void turn(void)
{
	for (uint32_t i = 0; i < 4; i++) {
		io_turn(io());
		work();
	}
	housekeep(io());
}

static void unmake(void) { rig_destroy(&rig); }

static void make(void)
{
	const struct config_address address = {.ip = VLAN_IP, .prefix = 24};
	struct move_report report;

	rig_eal();
	rig_create(&rig, 1, 1, BUCKETS);
	port_add_network(&rig.port, VLAN, &address, 1, 0);
	rig_time(&rig, now_ns);
	datapath_slot_attach(rig.dp, 0, 0);
	belt_consumer_init(&worker, rig.belt[0][0], &state_control(&rig.state, 0)->commit[0]);
	turn();
	int id = datapath_move(rig.dp, &(struct move_order){.from = SLOT_NONE, .to = 0});
	must(id > 0);
	for (uint32_t turns = 0; !datapath_move_done(rig.dp, id, &report); turns++) {
		must(turns < TURNS);
		turn();
	}
	atexit(unmake);
}

/* ---- what is due ---- */

/* The frame without its tag, as wide as `bytes`; what is due for it goes into the books. */
static enum kind judge(uint8_t *frame, uint32_t bytes, uint32_t how)
{
	uint32_t vlan = 0, at = 12;
	enum kind kind = NOTHING;

	if ((how & (HOW_PIECES | HOW_QINQ)) != 0 || bytes < 14)
		return NOTHING;
	if ((how & HOW_STRIPPED) != 0) {
		vlan = VLAN;
	} else if (get16(frame + 12) == 0x8100) {
		if (bytes < 18)
			return NOTHING;
		vlan = get16(frame + 14) & 0xfff;
		at = 16;
	}
	if (is_tag_type(get16(frame + at)) || (vlan != 0 && vlan != VLAN))
		return NOTHING;
	const uint8_t *in = frame + at + 2;
	uint32_t room = bytes - at - 2;
	if (get16(frame + at) == 0x0800)
		kind = kind_of_ipv4(rig.port.mac, frame, in, room, vlan);
	else if (get16(frame + at) == 0x0806)
		kind = kind_of_arp(rig.port.mac, frame, in, room, vlan);
	uint64_t hash = mix(kind, &vlan, sizeof(vlan));
	due.count[kind]++;
	if (kind == QUESTION) { /* to whom, of what */
		hash = mix(hash, in + 8, 10);
	} else if (kind == REQUEST) {
		const uint8_t *udp = in + (in[0] & 15u) * 4;
		hash = mix(mix(mix(hash, frame + 6, 6), in + 12, 4), udp, 2);
		hash = mix(hash, udp + 8, get16(udp + 4) - 8);
	} else if (kind == PING) {
		const uint8_t *icmp = in + (in[0] & 15u) * 4;
		hash = mix(mix(hash, frame + 6, 6), in + 12, 4);
		hash = mix(hash, icmp + 4, get16(in + 2) - (in[0] & 15u) * 4 - 4);
	}
	due.sum[kind] += hash;
	return kind;
}

/* ---- what leaves ---- */

/* A frame that a switch would pass on, from us, whole; what it says goes into the books. */
static void look_at(struct rte_mbuf *mbuf)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *), *in = frame + 14;
	const uint8_t *body = NULL;
	uint32_t vlan = 0, room = mbuf->data_len - 14u, len = 0;
	enum kind kind = NOTHING;

	must(mbuf->nb_segs == 1 && mbuf->pkt_len == mbuf->data_len && (mbuf->ol_flags & ~RTE_MBUF_F_TX_IPV4) == 0);
	must(mbuf->data_len >= 42 && memcmp(frame + 6, rig.port.mac, 6) == 0);
	if (get16(frame + 12) == 0x8100) {
		vlan = get16(frame + 14) & 0xfff;
		must(vlan == VLAN);
		in += 4;
		room -= 4;
	}
	uint32_t type = get16(in - 2);
	if (type == 0x0806) {
		kind = QUESTION;
		must(get16(in + 6) == 2 && memcmp(in + 8, frame + 6, 6) == 0 && memcmp(in + 18, frame, 6) == 0);
		must(is_our_ip(vlan, in + 14));
	} else {
		uint32_t ihl = (in[0] & 15u) * 4;
		len = get16(in + 2) - ihl;
		body = in + ihl;
		must(type == 0x0800 && in[0] >> 4 == 4 && get16(in + 2) <= room && room <= MTU);
		must(sum_of(in, ihl, 0) == 0xffff && is_our_ip(vlan, in + 12) && is_host(vlan, in + 16));
		kind = in[9] == IPPROTO_ICMP ? PING : REQUEST;
		if (kind == PING) {
			must(body[0] == 0 && body[1] == 0 && sum_of(body, len, 0) == 0xffff);
		} else {
			must(in[9] == IPPROTO_UDP && ihl >= 20 && get16(body + 4) == len && get16(body) == RIG_PORT); /* options go back */
			must(get16(body + 6) == 0 || udp_sum(in, body, len) == 0xffff);
		}
	}
	uint64_t hash = mix(kind, &vlan, sizeof(vlan));
	if (kind == QUESTION)
		hash = mix(hash, in + 18, 10);
	else if (kind == REQUEST)
		hash = mix(mix(mix(mix(hash, frame, 6), in + 16, 4), body + 2, 2), body + 8, len - 8);
	else
		hash = mix(mix(mix(hash, frame, 6), in + 16, 4), body + 4, len - 4);
	sent.count[kind]++;
	sent.sum[kind] += hash;
}

static void take_sent(void)
{
	struct rte_mbuf *mbuf;

	while (rte_ring_dequeue(rig.tx[0], (void **)&mbuf) == 0) {
		look_at(mbuf);
		rte_pktmbuf_free(mbuf);
	}
}

/* ---- what an input does ---- */

static void mend(uint8_t *frame, uint32_t bytes, uint32_t how)
{
	uint8_t *ip = frame + 14;

	if ((how & HOW_MAC) != 0 && bytes >= 6)
		memcpy(frame, rig.port.mac, 6);
	if (bytes < 42 || get16(frame + 12) != 0x0800)
		return;
	uint32_t ihl = (ip[0] & 15u) * 4;
	if (ihl < 20 || bytes < 14 + ihl + 8)
		return;
	if ((how & HOW_VLAN) != 0)
		memcpy(ip + 16, "\x0a\x00\x01\x01", 4);
	if ((how & HOW_LENGTHS) != 0) {
		put16(ip + 2, bytes - 14);
		if (ip[9] == IPPROTO_UDP)
			put16(ip + ihl + 4, bytes - 14 - ihl);
	}
	if ((how & HOW_SUMS) == 0)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, ~sum_of(ip, ihl, 0));
	uint32_t total = get16(ip + 2), at = ip[9] == IPPROTO_UDP ? 6 : 2;
	if (total < ihl + 8 || total > bytes - 14)
		return;
	put16(ip + ihl + at, 0);
	uint32_t sum = ip[9] == IPPROTO_UDP ? udp_sum(ip, ip + ihl, total - ihl) : sum_of(ip + ihl, total - ihl, 0);
	put16(ip + ihl + at, ~sum);
}

static void receive(const uint8_t *bytes, uint32_t len, uint32_t how)
{
	static uint8_t frame[MOST + 4];
	struct rte_mbuf *mbuf, *more;

	if (frames == FRAMES)
		return;
	frames++;
	memcpy(frame, bytes, len);
	mend(frame, len, how);
	if ((how & HOW_TAG) != 0 && len >= 14) {
		memmove(frame + 16, frame + 12, len - 12);
		memcpy(frame + 12, "\x81\x00\xa0\x64", 4);
		len += 4;
	}
	mbuf = rte_pktmbuf_alloc(rig.pool[0]);
	must(mbuf != NULL);
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)len), frame, len);
	if ((how & HOW_STRIPPED) != 0) {
		mbuf->vlan_tci = 0xa064;
		mbuf->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	}
	if ((how & HOW_QINQ) != 0)
		mbuf->ol_flags |= RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED;
	if ((how & HOW_PIECES) != 0) {
		more = rte_pktmbuf_alloc(rig.pool[0]);
		must(more != NULL && rte_pktmbuf_append(more, 10) != NULL && rte_pktmbuf_chain(mbuf, more) == 0);
	}
	judge(frame, len, how);
	rig_inject(&rig, 0, mbuf);
}

/* Our sample of a kind, with two bytes turned over as told, before anything is put right. */
static void receive_sample(const uint8_t *data, uint32_t header, const uint8_t *sample)
{
	static uint8_t sevens[MOST + 256]; /* 7 i, low byte: payloads are parts of it */
	uint8_t frame[MOST];
	uint32_t how = data[0], at = data[1] | (uint32_t)data[2] << 8, len = header + (data[5] | (uint32_t)data[6] << 8) % 1480;

	for (uint32_t i = 0; sevens[1] == 0 && i < sizeof(sevens); i++)
		sevens[i] = (uint8_t)(i * 7);
	memcpy(frame, sample, header);
	if (header == 42 && sample[12] == 8 && sample[13] == 0) {
		put16(frame + 16, len - 14);
		if (sample[23] == IPPROTO_UDP)
			put16(frame + 38, len - 34);
		memcpy(frame + header, sevens + header + data[5], len - header);
	} else
		memset(frame + header, 0, len - header);
	frame[at % len] ^= data[3];
	frame[(at + 1) % len] ^= data[4];
	receive(frame, len, how);
}

static const uint8_t request_sample[42] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, IPPROTO_UDP,
					   0, 0, 10, 0, 0, 2, 10, 0, 0, 1, 0x9c, 0x40, 0x1f, 0x90, 0, 0, 0, 0};
static const uint8_t ping_sample[42] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, IPPROTO_ICMP,
					0, 0, 10, 0, 0, 2, 10, 0, 0, 1, 8, 0, 0, 0, 1, 2, 3, 4};
static const uint8_t arp_sample[42] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
				       2, 0, 0, 0, 0, 2, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1};

static size_t act(const uint8_t *data, size_t bytes)
{
	uint8_t arp[42];
	size_t len;

	if (bytes < 8)
		return bytes;
	switch (data[0]) {
	case 'r':
		len = (data[2] | (size_t)data[3] << 8) % MOST;
		len = len < bytes - 4 ? len : bytes - 4;
		receive(data + 4, (uint32_t)len, data[1]);
		return 4 + len;
	case 'u': receive_sample(data + 1, 42, request_sample); return 8;
	case 'i': receive_sample(data + 1, 42, ping_sample); return 8;
	case 'a':
		memcpy(arp, arp_sample, 42);
		if ((data[1] & HOW_VLAN) != 0)
			memcpy(arp + 38, "\x0a\x00\x01\x01", 4);
		receive_sample(data + 1, 42, arp);
		return 8;
	case 's':
		now_ns += data[1] * 100000000ull;
		rig_time(&rig, now_ns);
		return 2;
	case 't': turn(); take_sent(); return 1;
	default: return 1;
	}
}

/* ---- afterwards ---- */

static uint64_t dropped(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < DROP_COUNT; i++)
		sum += page()->drop[i];
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct ledger ledger;

	if (rig.dp == NULL)
		make();
	frames = 0;
	memset(&due, 0, sizeof(due));
	memset(&sent, 0, sizeof(sent));
	uint64_t gone = dropped(), learned = page()->arp_learned, received = page()->rx_packets;
	for (size_t at = 0; at < bytes;)
		at += act(data + at, bytes - at);
	for (uint32_t turns = 0; turns < 2 || rte_ring_count(rig.rx[0]) != 0 ||
	     io()->ledger.in_belts + io()->ledger.pending + io()->ledger.unresolved != 0; turns++) {
		must(turns < TURNS);
		turn();
		take_sent();
	}
	take_sent();
	for (uint32_t kind = REQUEST; kind < KINDS; kind++)
		must(sent.count[kind] == due.count[kind] && sent.sum[kind] == due.sum[kind]);
	/* of each frame one thing became */
	must(page()->rx_packets - received == frames);
	must(sent.count[REQUEST] + sent.count[QUESTION] + sent.count[PING] + (dropped() - gone) + (page()->arp_learned - learned) ==
	     frames);
	datapath_ledger(rig.dp, 0, &ledger);
	must(ledger_balance(&ledger) == 0 && page()->ledger_drift == 0);
	must(rte_mempool_avail_count(rig.pool[0]) == BUFFERS && io()->backlogs == 0);
	must(io()->slot[0].fence == 0);
	return 0;
}

#define R "u\7\0\0\0\0\40\0"
const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED(R R R "t" "u\7\20\0\1\0\100\0" "t" R "t\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("u\217\0\0\0\0\40\0" "u\227\0\0\0\0\40\0" "t" "u\47\0\0\0\0\40\0" "u\107\0\0\0\0\40\0" "t\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("i\7\0\0\0\0\40\0" "i\217\0\0\0\0\40\0" "i\3\42\0\1\0\0\1" "t\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("a\0\0\0\0\0\0\0" "a\220\0\0\0\0\0\0" "a\0\25\0\3\0\0\0" "a\0\51\0\4\0\0\0" "ts\12t\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("u\7\24\0\40\0\40\0" "u\7\32\0\177\0\40\0" "u\7\6\0\1\0\40\0" "u\7\16\0\1\0\40\0" "u\7\27\0\2\0\40\0" "t\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("r\7\52\0\2\0\0\0\0\1\2\0\0\0\0\2\x08\0\x46\0\0\0\0\0\0\0\x40\x11\0\0\x0a\0\0\2\x0a\0\0\1\1\1\1\1\x9c\x40\x1f\x90\0\x14\0\0"
		  "\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10" "t\0\0\0\0\0\0\0\0"),
	{NULL, 0},
};
const struct fuzz_seed fuzz_words[] = {
	FUZZ_SEED(R), FUZZ_SEED("u\217\0\0\0\0\40\0"), FUZZ_SEED("u\7\24\0\40\0\40\0"), FUZZ_SEED("u\7\32\0\177\0\40\0"), FUZZ_SEED("i\7\0\0\0\0\40\0"),
	FUZZ_SEED("a\0\0\0\0\0\0\0"), FUZZ_SEED("t"), FUZZ_SEED("s\12"), FUZZ_SEED("\x81\0"), FUZZ_SEED("\x88\xa8"), FUZZ_SEED("\x08\0\x45"),
	FUZZ_SEED("\x0a\0\0\1"), FUZZ_SEED("\x0a\0\0\xff"), FUZZ_SEED("\x0a\0\1\1"), FUZZ_SEED("\x1f\x90"), FUZZ_SEED("\2\0\0\0\0\1"),
	FUZZ_SEED("\xff\xff\xff\xff\xff\xff"), FUZZ_SEED("u\7\0\0\0\0\xc8\5"), FUZZ_SEED("u\7\45\0\1\0\40\0"), FUZZ_SEED("u\7\22\0\0\1\40\0"),
	{NULL, 0},
};
const size_t fuzz_longest = 1024;
