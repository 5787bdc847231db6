/* The steps of the world of move_world.h: traffic, the supervisor's part, moves, deaths, turns of lcores and
 * workers. */
#ifndef BATON_TEST_MOVE_STEPS_H
#define BATON_TEST_MOVE_STEPS_H

#include "move_world.h"

static void inject(struct world *w)
{
	for (uint32_t n = roll(w, 64); n > 0 && w->under_way < OPEN_MOST; n--) {
		struct payload p = {.player = roll(w, PLAYERS)};
		p.sequence = ++w->sent[p.player];
		rig_inject(&w->rig, p.player % LCORES, rig_frame(&w->rig, p.player % LCORES, &p, sizeof(p)));
		w->under_way++;
	}
}

/* After every turn each term of the ledger is what can be counted by hand, and they add up (invariant 1). */
static void books_agree(const struct world *w, uint32_t lcore)
{
	const struct io_lcore *io = w->rig.dp->io[lcore];
	uint64_t in_belts = 0;
	struct ledger ledger;

	datapath_ledger(w->rig.dp, lcore, &ledger);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		in_belts += io->slot[slot].packets;
	assert_int_equal(ledger_balance(&ledger), 0);
	assert_int_equal(ledger.in_belts, in_belts);
	assert_int_equal(ledger.tx_backlog, io->tx[0].count);
}

static void collect(struct world *w, uint32_t lcore)
{
	struct rte_mbuf *mbuf;

	books_agree(w, lcore);
	while (rte_ring_dequeue(w->rig.tx[lcore], (void **)&mbuf) == 0) {
		const struct payload *p = rte_pktmbuf_mtod_offset(mbuf, const struct payload *, 42);
		assert_int_equal(mbuf->pkt_len, 42 + sizeof(*p));
		if (p->player == STARTED) {
			assert_int_equal(w->started[p->sequence], POSTED); /* settled, and once */
			w->started[p->sequence] = HANDLED;
			w->sent_out++;
			rte_pktmbuf_free(mbuf);
			continue;
		}
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
	if (w->fake[slot].open != 0 && roll(w, 2) != 0)
		worker_settle(w, slot);
	w->fake[slot].life = DYING;
	w->deaths++;
	/* Suspects are run alone, and none of them leaves: an entry may be blamed more often than there are deaths. */
	datapath_slot_blame(w->rig.dp, slot, &(struct death_blame){.attempts = UINT32_MAX, .counts = roll(w, 2) != 0});
	datapath_slot_dead(w->rig.dp, slot);
	/* an lcore may hear of it with what was settled last not reaped yet */
	for (uint32_t l = 0; l < LCORES; l++)
		if (roll(w, 2) != 0)
			housekeep(w->rig.dp->io[l]);
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
	for (uint32_t turns = 0; !datapath_move_done(w->rig.dp, id, &report); turns++) {
		assert_true(turns < 100000);
		for (uint32_t l = 0; l < LCORES; l++)
			io_turn(w->rig.dp->io[l]);
	}
	assert_int_equal(report.buckets, BUCKETS);
}

#endif
