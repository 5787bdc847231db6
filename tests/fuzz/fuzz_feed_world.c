/* The world of fuzz_feed.c: a turn, what must be so after it, and how workers and mirrors come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "feed.h"
#include "fuzz_feed.h"
#include "hash.h"
#include "shadow_parts.h"

#define TURNS 10000u

struct world world[2];
struct world *w;
struct model model;
static struct shadow shadow; /* who asks for the differences */
static uint64_t now_ns = 1700000000000000000ull;
static uint64_t through[2][2], seen[2], number[2][2]; /* of a feed: as last looked at */
uint32_t last_odd[2][WANTED];

void go_by(uint64_t ns)
{
	now_ns += ns;
	rig_time(&w->rig, now_ns);
}

/* ---- what leaves ---- */

static void look_at(uint32_t l, struct rte_mbuf *mbuf)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const void *)(eth + 1);
	const struct rte_udp_hdr *udp = (const void *)(ip + 1);
	struct fuzz_request r;

	must(mbuf->nb_segs == 1 && mbuf->pkt_len == mbuf->data_len);
	if (eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP) || ip->dst_addr != rte_cpu_to_be_32(0x0a000002))
		return;
	uint32_t n = rte_be_to_cpu_16(udp->dst_port) - PORTS;
	if (n >= model.requests)
		return; /* a liar's packet */
	must(!model.came[n]);
	model.came[n] = true;
	if (!model.is_told[n])
		return;
	memcpy(&r, udp + 1, LEAST);
	uint32_t len = rte_be_to_cpu_16(udp->dgram_len) - (uint32_t)sizeof(*udp);
	must(len >= LEAST && (n % 2 == 1 || len == LEAST) && r.number == n && r.state == model.told[n]);
	for (uint32_t i = 0; i < WANTED; i++)
		if (w->key[i] == r.key && wanted(i) % 2 == 1) {
			must(n + 1 > last_odd[l][i]);
			last_odd[l][i] = n + 1;
			model.answered_odd++;
		}
}

static void take_sent(void)
{
	struct rte_mbuf *mbuf;

	for (uint32_t l = 0; l < w->lcores; l++)
		while (rte_ring_dequeue(w->rig.tx[l], (void **)&mbuf) == 0) {
			look_at(l, mbuf);
			rte_pktmbuf_free(mbuf);
		}
}

/* ---- a turn ---- */

/* What is handed over is in an order that its worker can have counted. */
static void look_at_feeds(void)
{
	for (uint32_t l = 0; w->lcores > 1 && l < w->lcores; l++) {
		const struct mirror_feed *feed = w->mirror->feed[l];

		for (uint32_t slot = 0; slot < 2; slot++) {
			must(feed->through[slot] >= through[l][slot] && feed->through[slot] <= FEED_BURSTS_MOST);
			through[l][slot] = feed->through[slot];
		}
		for (; seen[l] != feed->head; seen[l]++) {
			const struct feed_node *node = &feed->node[seen[l] % FEED_NODES];

			must(node->slot < 2 && node->bytes_end <= feed->bytes_head);
			if (node->number == 0)
				continue; /* from before all are stamped */
			must(node->number >= number[l][node->slot] && node->number < FEED_BURSTS_MOST + 2);
			number[l][node->slot] = node->number;
		}
	}
}

static void look_at_differences(void)
{
	shadow.mirror = w->mirror;
	for (uint64_t n = shadow.samples; shadow_take_samples(&shadow), n < shadow.samples; n++) {
		const struct mirror_sample *s = &shadow.sample[n % SHADOW_SAMPLES];

		must(s->side < SHADOW_SIDES && s->bucket < BUCKETS && s->kind < BELT_CONVERT);
		if (shadow.samples - n > SHADOW_SAMPLES || s->side == 0)
			continue;
		if (!model.known[s->bucket] || (s->bucket % 2 == 0 && model.lied))
			continue;
		printf("bucket %u kind %u tick %llu ordinal %u verdicts %u %u lengths %u %u cells %u %u\n", s->bucket, s->kind,
		       (unsigned long long)s->tick, s->ordinal, s->verdict[0], s->verdict[1], s->reply_len[0],
		       s->reply_len[1], s->cells[0], s->cells[1]);
		must(!"the control differs from an honest worker");
	}
	must(w->mirror->side[1].counts.differed <= w->mirror->side[1].counts.compared);
}

static void look_at_mirror(void)
{
	const struct mirror *m = w->mirror;

	must((m->left_out & ~1ull) == 0 && (m->left_out == 0 || model.lied));
	for (uint32_t s = 0; s < SHADOW_SIDES; s++) {
		uint32_t count = 0;

		for (uint32_t b = 0; b < BUCKETS; b++)
			count += m->bucket[b].in_step >> s & 1u;
		must(count == m->side[s].counts.in_step && count <= WANTED);
		must(m->side[s].ring_head - m->side[s].ring_tail <= MIRROR_RING);
	}
	look_at_feeds();
	look_at_differences();
}

static void turn_one(uint32_t l)
{
	struct io_lcore *io = io_of(l);
	uint64_t reaped[2], due[2], copies = w->mirror->side[0].counts.mirrored + w->mirror->side[1].counts.mirrored;

	for (uint32_t slot = 0; slot < 2; slot++) {
		struct slot_view *view = &io->slot[slot];
		int settled = view->fence || !(io->attached >> slot & 1u) ? 0 : belt_settled(&view->belt);

		reaped[slot] = view->belt.reaped;
		due[slot] = settled < 0 ? 0 : (uint32_t)settled < REAP_MOST ? (uint32_t)settled : REAP_MOST;
	}
	io_turn(io);
	for (uint32_t slot = 0; slot < 2; slot++)
		must(io->slot[slot].belt.reaped - reaped[slot] >= due[slot]);
	copies = w->mirror->side[0].counts.mirrored + w->mirror->side[1].counts.mirrored - copies;
	must(copies <= SHADOW_SIDES * MIRROR_COPIES);
}

void turn(uint32_t lcores)
{
	go_by(STEP_NS);
	for (uint32_t l = 0; l < w->lcores; l++)
		if (lcores >> l & 1u)
			turn_one(l);
	look_at_mirror();
	take_sent();
}

void work(uint32_t slot, uint32_t most)
{
	for (uint32_t l = 0; l < w->lcores; l++)
		worker_burst(slot, l, most);
}

/* Everybody turns and works; without the liars, if they are not wanted. */
void rounds(uint32_t count, uint32_t first_slot, uint64_t ns)
{
	for (uint32_t i = 0; i < count; i++) {
		go_by(ns);
		turn(3);
		datapath_poll(w->rig.dp);
		for (uint32_t slot = first_slot; slot < SLOTS; slot++)
			if (first_slot == 0 || slot != CANDIDATE)
				work(slot, BATON_BURST);
	}
}

/* ---- workers come and go ---- */

static void attach(uint32_t slot)
{
	datapath_slot_shadow(w->rig.dp, slot, slot >= CANDIDATE);
	datapath_slot_attach(w->rig.dp, slot, 0);
	for (uint32_t turns = 0; !datapath_slot_attached(w->rig.dp, slot); turns++) {
		must(turns < TURNS);
		turn(3);
	}
	worker_comes(slot);
}

static void move(uint32_t from, uint32_t to, uint64_t map)
{
	const uint64_t both[2] = {map, map};
	struct move_report report;
	int id = datapath_move(w->rig.dp, &(struct move_order){.from = from, .to = to, .map = map ? both : NULL});

	must(id > 0);
	for (uint32_t turns = 0; !datapath_move_done(w->rig.dp, id, &report); turns++) {
		must(turns < TURNS);
		rounds(1, from == LIAR ? 1 : 0, STEP_NS);
	}
}

#define EVEN 0x5555555555555555ull

static void recover(uint32_t slot)
{
	struct death_report report;
	uint32_t orphans;

	(void)datapath_slot_to_fence(w->rig.dp);
	datapath_slot_blame(w->rig.dp, slot, &(struct death_blame){.belt = BATON_MAX_IO_LCORES});
	datapath_slot_look(w->rig.dp, slot, BATON_MAX_IO_LCORES, 0);
	datapath_slot_dead(w->rig.dp, slot);
	for (uint32_t turns = 0; !datapath_slot_recovered(w->rig.dp, slot, &orphans); turns++) {
		must(turns < TURNS);
		turn(3);
	}
	while (datapath_death_report(w->rig.dp, &report))
		;
}

void die(uint32_t slot)
{
	worker_comes(slot); /* it does nothing more, until there is another one */
	recover(slot);
	if (slot == CANDIDATE) {
		attach(slot);
		datapath_mirror_join(w->rig.dp, w->mirror, 0, CANDIDATE);
		return;
	}
	model.skew = 0;
	model.names = 0;
	move(LIAR, HONEST, 0);
	attach(LIAR);
	move(HONEST, LIAR, EVEN);
}

/* As new, without giving megabytes back and taking them again. */
static void wipe(struct mirror *m)
{
	struct mirror old = *m;

	for (uint32_t l = 0; w->lcores > 1 && l < w->lcores; l++) {
		struct mirror_feed *feed = m->feed[l], was = *feed;

		memset(feed, 0, sizeof(*feed));
		feed->lost = was.lost;
		feed->node = was.node;
		feed->bytes = was.bytes;
		memset((void *)feed->lost, 0, BUCKETS * sizeof(*feed->lost));
	}
	memset(m, 0, sizeof(*m));
	m->service = old.service;
	m->group = old.group;
	m->buckets = old.buckets;
	m->lcores = old.lcores;
	m->digest = true;
	m->bucket = old.bucket;
	m->fed = old.fed;
	m->scratch = old.scratch;
	memcpy(m->feed, old.feed, sizeof(m->feed));
	memset(m->bucket, 0, BUCKETS * sizeof(*m->bucket));
	if (m->fed != NULL)
		memset((void *)m->fed, 0, BUCKETS * sizeof(*m->fed));
	for (uint32_t i = 0; i < WANTED; i++)
		m->bucket[wanted(i)].wanted = 1;
	for (uint32_t s = 0; s < SHADOW_SIDES; s++)
		m->side[s] = (struct mirror_side){.slot = SLOT_NONE, .digest = true, .node = old.side[s].node,
						  .ring = old.side[s].ring};
	memset(through, 0, sizeof(through));
	memset(seen, 0, sizeof(seen));
	memset(number, 0, sizeof(number));
	shadow.fields = 0;
}

void begin_mirror(void)
{
	wipe(w->mirror);
	datapath_mirror_begin(w->rig.dp, w->mirror);
	datapath_mirror_join(w->rig.dp, w->mirror, 0, CANDIDATE);
	datapath_mirror_join(w->rig.dp, w->mirror, 1, CONTROL);
}

/* Its shadow workers leave with it; here they stay, but have nothing left to do. */
void end_mirror(void)
{
	datapath_mirror_end(w->rig.dp, w->mirror);
	for (uint32_t turns = 0; w->mirror->released != w->lcores; turns++) {
		must(turns < TURNS);
		turn(3);
	}
	if (model.strange)
		die(CANDIDATE);
	const struct slot_view *view = io_of(0)->slot;
	for (uint32_t turns = 0; belt_depth(&view[CANDIDATE].belt) + belt_depth(&view[CONTROL].belt) != 0; turns++) {
		must(turns < TURNS);
		rounds(1, 0, 0);
	}
}

static void unmake(void)
{
	for (uint32_t i = 0; i < 2; i++)
		if (world[i].rig.dp != NULL) {
			rig_destroy(&world[i].rig);
			mirror_destroy(world[i].mirror);
		}
}

void make(uint32_t lcores)
{
	const uint64_t none[2] = {0};

	rig_eal();
	w->lcores = lcores;
	rig_create(&w->rig, lcores, SLOTS, BUCKETS);
	w->rig.config.group[0].tick_period_ns = 20000000u;
	w->rig.config.group[0].tick_catch_up = 4;
	rig_restart(&w->rig);
	w->mirror = mirror_create(0, 0, BUCKETS, lcores, none, true);
	must(w->mirror != NULL);
	for (uint32_t i = 0; i < WANTED; i++)
		while ((hash_key(w->key[i], io_of(0)->steering[0].salt) & (BUCKETS - 1)) != wanted(i))
			w->key[i]++;
	go_by(0);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		attach(slot);
	move(SLOT_NONE, LIAR, EVEN);
	move(SLOT_NONE, HONEST, ~EVEN);
	if (world[0].rig.dp == NULL || world[1].rig.dp == NULL)
		atexit(unmake);
}
