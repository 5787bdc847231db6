/* Moves and deaths under random interleavings: several I/O lcores, workers that settle late or die with entries open,
 * moves at any time. Oracles: every packet is applied once and in order, a bucket has one owner, every reply leaves once
 * and in order, every buffer comes home. The seed is printed; SEED=n repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "datapath_rig.h"

#define LCORES  3u
#define SLOTS   6u
#define BUCKETS 64u
#define PLAYERS 96u /* a player's packets always come by lcore id % LCORES, as RSS would have it */
#define OPEN_MOST 1500u

struct payload {
	uint32_t player;
	uint32_t sequence;
	uint8_t filler[24];
};

enum life { FREE, STARTING, ALIVE, DYING, ORPHANED };

/* A worker made of belt calls only. What it did counts when it settles. */
struct fake {
	enum life life;
	struct belt_consumer belt[LCORES];
	uint8_t owned[BUCKETS];
	uint32_t open_belt; /* burst under way: entries handled, not settled */
	uint32_t open;
};

struct world {
	struct rig rig;
	struct fake fake[SLOTS];
	uint32_t sent[PLAYERS], applied[PLAYERS], answered[PLAYERS];
	uint32_t under_way;
	uint64_t random;
	int move; /* open move, 0: none */
	uint64_t moves, deaths, redelivered;
};

static uint32_t roll(struct world *w, uint32_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (uint32_t)(w->random >> 33) % below;
}

static void start_worker(struct world *w, uint32_t slot)
{
	struct fake *f = &w->fake[slot];

	memset(f, 0, sizeof(*f));
	for (uint32_t l = 0; l < LCORES; l++)
		belt_consumer_init(&f->belt[l], w->rig.belt[l][slot], &state_control(&w->rig.state, slot)->commit[l]);
	f->life = STARTING;
	datapath_slot_attach(w->rig.dp, slot, 0);
}

static void control_entry(struct world *w, uint32_t slot, uint8_t kind, const uint8_t *data)
{
	const struct belt_buckets *entry = (const void *)data;
	struct fake *f = &w->fake[slot];

	if (kind != BELT_GRANT && kind != BELT_REVOKE)
		return;
	for (uint32_t i = 0; i < entry->count; i++) {
		if ((entry->map[i / 8] >> (i % 8) & 1) == 0)
			continue;
		if (kind == BELT_GRANT) {
			for (uint32_t other = 0; other < SLOTS; other++)
				if (other != slot && w->fake[other].life == ALIVE)
					assert_int_equal(w->fake[other].owned[entry->first + i], 0);
			f->owned[entry->first + i]++;
			assert_true(f->owned[entry->first + i] <= LCORES);
		} else {
			assert_true(f->owned[entry->first + i] > 0);
			f->owned[entry->first + i]--;
		}
	}
}

/* Takes a burst and answers it; settling is a step of its own, so that a death may come in between. Grants and revokes
 * take effect at once in the worker, as in the real runtime; a dead worker's are gone with it. */
static void worker_take(struct world *w, uint32_t slot)
{
	struct fake *f = &w->fake[slot];
	uint32_t lcore = roll(w, LCORES);
	struct belt_consumer *c = &f->belt[lcore];
	uint32_t count = belt_take(c, 1 + roll(w, 64));

	for (uint32_t i = 0; i < count; i++) {
		struct belt_slot *entry = belt_slot_at(c, c->done + i);
		uint8_t *data = belt_slot_data(c, entry);

		if (entry->packet.kind != BELT_PACKET) {
			control_entry(w, slot, entry->packet.kind, data);
			continue;
		}
		struct payload *p = (void *)data;
		assert_true(f->owned[entry->packet.bucket] > 0);
		assert_int_equal(entry->packet.len, sizeof(*p));
		memset(p->filler, 0xab, sizeof(p->filler));
		belt_verdict(c, c->done + i, baton_reply(sizeof(*p)));
	}
	f->open_belt = lcore;
	f->open = count;
}

/* Where the packets of a player are, for the one who has to find out why a claim failed. */
static void tell(const struct world *w, uint32_t player)
{
	const struct io_lcore *io = w->rig.dp->io[player % LCORES];

	printf("player %u: sent %u applied %u answered %u, move %d (%u -> %u), %llu moves, %llu deaths\n", player,
	       w->sent[player], w->applied[player], w->answered[player], w->move, w->rig.dp->move[0].from,
	       w->rig.dp->move[0].to, (unsigned long long)w->moves, (unsigned long long)w->deaths);
	for (uint32_t list = 0; list < LISTS; list++)
		for (uint32_t i = 0, at = io->list[list].head; i < io->list[list].count; i++, at = io->pending.node[at].next) {
			const struct belt_shadow *s = &io->pending.node[at].packet;
			const struct payload *p = rte_pktmbuf_mtod_offset((struct rte_mbuf *)s->cookie, const struct payload *, 42);
			if (p->player == player)
				printf("  list %u: %u, bucket %u, entry %x\n", list, p->sequence, s->bucket, io->steering[0].entry[s->bucket]);
		}
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		for (uint64_t at = io->slot[slot].belt.reaped; at != io->slot[slot].belt.offered; at++) {
			const struct belt_shadow *s = &io->slot[slot].belt.shadow[at & BELT_MASK];
			if (s->kind != BELT_PACKET)
				continue;
			const struct payload *p = rte_pktmbuf_mtod_offset((struct rte_mbuf *)s->cookie, const struct payload *, 42);
			if (p->player == player)
				printf("  slot %u at %llu: %u\n", slot, (unsigned long long)at, p->sequence);
		}
}

static void worker_settle(struct world *w, uint32_t slot)
{
	struct fake *f = &w->fake[slot];
	struct belt_consumer *c = &f->belt[f->open_belt];

	for (uint32_t i = 0; i < f->open; i++) {
		struct belt_slot *entry = belt_slot_at(c, c->done + i);
		if (entry->packet.kind != BELT_PACKET)
			continue;
		const struct payload *p = (const void *)belt_slot_data(c, entry);
		if (p->sequence != w->applied[p->player] + 1)
			tell(w, p->player);
		assert_int_equal(p->sequence, w->applied[p->player] + 1); /* once, in order */
		w->applied[p->player]++;
	}
	belt_settle(c, c->done + f->open);
	f->open = 0;
}

static void inject(struct world *w)
{
	for (uint32_t n = roll(w, 64); n > 0 && w->under_way < OPEN_MOST; n--) {
		struct payload p = {.player = roll(w, PLAYERS)};
		p.sequence = ++w->sent[p.player];
		rig_inject(&w->rig, p.player % LCORES, rig_frame(&w->rig, p.player % LCORES, &p, sizeof(p)));
		w->under_way++;
	}
}

static void collect(struct world *w, uint32_t lcore)
{
	struct rte_mbuf *mbuf;

	while (rte_ring_dequeue(w->rig.tx[lcore], (void **)&mbuf) == 0) {
		const struct payload *p = rte_pktmbuf_mtod_offset(mbuf, const struct payload *, 42);
		assert_int_equal(mbuf->pkt_len, 42 + sizeof(*p));
		assert_int_equal(p->sequence, w->answered[p->player] + 1); /* once, in order */
		assert_true(p->sequence <= w->applied[p->player]);         /* commit before emit */
		assert_int_equal(p->filler[0], 0xab);
		w->answered[p->player]++;
		w->under_way--;
		rte_pktmbuf_free(mbuf);
	}
}

static uint32_t pick(struct world *w, enum life life)
{
	uint32_t first = roll(w, SLOTS);

	for (uint32_t i = 0; i < SLOTS; i++)
		if (w->fake[(first + i) % SLOTS].life == life)
			return (first + i) % SLOTS;
	return SLOT_NONE;
}

static uint32_t alive(const struct world *w)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < SLOTS; i++)
		count += w->fake[i].life == ALIVE;
	return count;
}

/* The supervisor's part: poll what is open, bring up workers, hand orphans over. */
static void supervise(struct world *w)
{
	struct move_report report;

	datapath_poll(w->rig.dp);
	if (w->move != 0 && datapath_move_done(w->rig.dp, w->move, &report)) {
		w->moves++;
		w->move = 0;
	}
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		struct fake *f = &w->fake[slot];
		uint32_t orphans;

		if (f->life == STARTING && datapath_slot_attached(w->rig.dp, slot))
			f->life = ALIVE;
		if (f->life == DYING && datapath_slot_recovered(w->rig.dp, slot, &orphans))
			f->life = orphans != 0 ? ORPHANED : FREE;
		if (f->life == ORPHANED && w->move == 0) {
			uint32_t to = pick(w, ALIVE);
			if (to == SLOT_NONE)
				continue;
			w->move = datapath_move(w->rig.dp, &(struct move_order){.from = slot, .to = to});
			assert_true(w->move > 0);
			f->life = DYING; /* free once recovered has no orphans any more */
		}
	}
	if (alive(w) < 2 && pick(w, STARTING) == SLOT_NONE) {
		uint32_t slot = pick(w, FREE);
		if (slot != SLOT_NONE)
			start_worker(w, slot);
	}
}

static void random_move(struct world *w)
{
	uint32_t from = pick(w, ALIVE), to = pick(w, ALIVE);
	uint64_t map[BUCKETS / 64] = {w->random};

	if (w->move != 0 || from == SLOT_NONE || from == to)
		return;
	int rc = datapath_move(w->rig.dp, &(struct move_order){.from = from, .to = to, .map = roll(w, 3) ? map : NULL});
	if (rc == -EALREADY)
		return;
	assert_true(rc > 0);
	w->move = rc;
}

static void kill_worker(struct world *w)
{
	uint32_t slot = pick(w, ALIVE);

	if (slot == SLOT_NONE)
		return;
	w->fake[slot].life = DYING;
	w->deaths++;
	datapath_slot_dead(w->rig.dp, slot);
}

static void worker_step(struct world *w)
{
	uint32_t slot = pick(w, ALIVE);

	if (slot == SLOT_NONE)
		return;
	if (w->fake[slot].open != 0)
		worker_settle(w, slot);
	else
		worker_take(w, slot);
}

/* After a turn that did nothing the gauges are exact: the packets in belts are among the entries by slot, and a slot
 * without a worker has none. */
static void gauges_agree(const struct world *w, uint32_t lcore)
{
	const struct CoreStats *page = stats_io(&w->rig.stats, lcore);
	uint64_t entries = 0;

	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		entries += page->belt[slot];
		assert_true(page->belt[slot] == 0 || w->fake[slot].life != FREE);
	}
	assert_true(entries >= page->belt_depth);
}

static void step(struct world *w, bool quiet)
{
	uint32_t what = roll(w, 1000);

	if (what < 3 && !quiet)
		kill_worker(w);
	else if (what < 20 && !quiet)
		random_move(w);
	else if (what < 150 && !quiet)
		inject(w);
	else if (what < 250)
		supervise(w);
	else if (what < 600)
		worker_step(w);
	else {
		uint32_t lcore = roll(w, LCORES);
		if (!io_turn(w->rig.dp->io[lcore]))
			gauges_agree(w, lcore);
		collect(w, lcore);
	}
}

static void give_first_owner(struct world *w)
{
	struct move_report report;

	start_worker(w, 0);
	while (!datapath_slot_attached(w->rig.dp, 0))
		for (uint32_t l = 0; l < LCORES; l++)
			io_turn(w->rig.dp->io[l]);
	w->fake[0].life = ALIVE;
	int id = datapath_move(w->rig.dp, &(struct move_order){.from = SLOT_NONE, .to = 0});
	assert_true(id > 0);
	while (!datapath_move_done(w->rig.dp, id, &report))
		for (uint32_t l = 0; l < LCORES; l++)
			io_turn(w->rig.dp->io[l]);
	assert_int_equal(report.buckets, BUCKETS);
}

static void moves_and_deaths_lose_double_reorder_nothing(void **state)
{
	static struct world w;
	const char *text = getenv("SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL) * 1000003u;

	(void)state;
	for (uint32_t round = 0; round < 10; round++, seed++) {
		memset(&w, 0, sizeof(w));
		w.random = seed * 2 + 1;
		printf("seed %llu\n", (unsigned long long)seed);
		rig_create(&w.rig, LCORES, SLOTS, BUCKETS);
		give_first_owner(&w);
		for (uint32_t i = 0; i < 200000; i++)
			step(&w, false);
		for (uint32_t i = 0; i < 2000000 && w.under_way != 0; i++)
			step(&w, true);
		assert_int_equal(w.under_way, 0);
		uint64_t total = 0;
		for (uint32_t p = 0; p < PLAYERS; p++) {
			assert_int_equal(w.answered[p], w.sent[p]);
			total += w.sent[p];
		}
		for (uint32_t l = 0; l < LCORES; l++)
			w.redelivered += stats_io(&w.rig.stats, l)->redelivered;
		printf("  %llu packets, %llu moves, %llu deaths, %llu redelivered\n", (unsigned long long)total,
		       (unsigned long long)w.moves, (unsigned long long)w.deaths, (unsigned long long)w.redelivered);
		assert_true(w.moves > 100 && w.deaths > 50 && w.redelivered > 100);
		rig_destroy(&w.rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_and_deaths_lose_double_reorder_nothing),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
