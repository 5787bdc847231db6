/* Judge: what a dead worker has left unsettled is not all alike. The entries that it may have been at are suspect:
 * whoever takes them next runs each alone (loop.c run_suspect), so that `done` names the one that kills again. The one
 * that it was at is blamed, if it died by a fault of its own; an entry that has been blamed often enough leaves by the
 * quarantine: it is handed to the main lcore, which writes it to a file (quarantine.c), dropped and counted. Control
 * entries and ticks never leave: the main lcore has the group fall back instead. The mark stands in what the loop tells
 * packets by, and costs others nothing. The main lcore has reaped the worker: journal and commit words stand still. */
#include "lcore.h"

/* A burst, and as much as a worker looks at behind it before it is through (loop.c SLOTS_AHEAD). */
#define SUSPECTS (BATON_BURST + 16u)

/* Whether the worker had a burst of this belt open. The journal's header is written when a burst is opened, before
 * anything is run, and stays as it is when that is settled, which `done` then tells. */
static bool burst_was_open(const struct io_lcore *io, uint32_t slot)
{
	const struct control_block *control = state_control(io->dp->setup.state, slot);
	const struct journal *journal = &control->journal;

	if (journal->belt >= io->io_lcores) /* no worker of ours writes such a number: it may have been at anything */
		return true;
	uint64_t done = atomic_load_explicit(&control->commit[journal->belt].done, memory_order_acquire);
	if (journal->first > done)
		return true; /* likewise */
	return journal->belt == io->index && journal->first == done;
}

/* protocol.md, Suspects: of the belt in the journal's header; if nothing is in the journal, of every belt. */
static bool belt_is_suspect(const struct io_lcore *io, uint32_t slot)
{
	const struct journal *journal = &state_control(io->dp->setup.state, slot)->journal;

	return atomic_load_explicit(&journal->used, memory_order_acquire) == 0 || journal->belt >= io->io_lcores ||
	       journal->belt == io->index;
}

struct suspects suspects_of(const struct io_lcore *io, uint32_t slot)
{
	const struct death_blame *blame = &io->dp->slot[slot].blame;
	const struct belt_producer *belt = &io->slot[slot].belt;
	struct suspects s = {.first = belt->reaped, .end = belt->reaped, .blamed = UINT64_MAX};

	if (blame->attempts == 0 || belt->reaped == belt->offered || !belt_is_suspect(io, slot))
		return s;
	/* It was alone: what stands behind it has not been looked at. */
	bool alone = (belt->shadow[s.first & BELT_MASK].blame & BLAME_SUSPECT) != 0;
	uint64_t most = alone ? 1 : SUSPECTS;
	s.end = belt->offered - s.first < most ? belt->offered : s.first + most;
	if ((!blame->counts && !BATON_SABOTAGE(any_death_counts)) || !burst_was_open(io, slot))
		return s;
	/* Not all that it settled could be reaped: it has lied, and is believed nothing. */
	if (s.first != atomic_load_explicit(&belt->commit->done, memory_order_acquire))
		return s;
	s.blamed = s.first;
	if (blame->named && blame->belt == io->index && blame->position - s.first < s.end - s.first)
		s.blamed = blame->position;
	return s;
}

/* ---- to the main lcore ---- */

static void keep(struct death_report *r, const void *from, uint32_t len)
{
	uint32_t room = REPORT_BYTES - r->kept;

	r->len = (uint16_t)(r->len + len);
	len = len < room ? len : room;
	memcpy(r->data + r->kept, from, len);
	r->kept = (uint16_t)(r->kept + len);
}

/* As it came: the tag stands behind the addresses. */
static void keep_frame(struct death_report *r, const struct belt_shadow *shadow)
{
	const struct rte_mbuf *mbuf = shadow->cookie;
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	uint32_t addresses = 2 * RTE_ETHER_ADDR_LEN, len = rte_pktmbuf_data_len(mbuf);
	uint16_t tag[2] = {rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN), rte_cpu_to_be_16((uint16_t)shadow->tag)};

	keep(r, frame, addresses);
	if (shadow->tag != 0)
		keep(r, tag, sizeof(tag));
	keep(r, frame + addresses, len - addresses);
	r->payload_at = (uint16_t)(shadow->data_at + (shadow->tag != 0 ? sizeof(tag) : 0));
	r->port = shadow->port;
}

/* False: the main lcore has not taken those before; what leaves is in no file then. */
static bool report(struct io_lcore *io, uint32_t slot, const struct belt_shadow *shadow, bool leaves)
{
	struct reports *box = &io->reports;
	uint32_t head = atomic_load_explicit(&box->head, memory_order_relaxed);
	struct death_report *r = &box->report[head % REPORTS];

	/* acquire: pairs with the release in datapath_death_report() */
	if (head - atomic_load_explicit(&box->tail, memory_order_acquire) == REPORTS)
		return false;
	r->slot = slot;
	r->kind = shadow->kind;
	r->service = shadow->service;
	r->deaths = BLAME_DEATHS(shadow->blame);
	r->left = leaves;
	r->bucket = shadow->bucket;
	r->port = 0;
	r->group = shadow->kind == BELT_TICK ? shadow->move : 0;
	r->time_ns = shadow->time_ns;
	r->len = r->kept = r->payload_at = 0;
	if (leaves && shadow->kind == BELT_PACKET)
		keep_frame(r, shadow);
	else if (leaves)
		keep(r, ((const struct message *)shadow->cookie)->data, shadow->len);
	/* release: pairs with the acquire in datapath_death_report() */
	atomic_store_explicit(&box->head, head + 1, memory_order_release);
	return true;
}

/* ---- entry by entry ---- */

static void leave(struct io_lcore *io, uint32_t slot, const struct belt_shadow *shadow)
{
	/* relaxed: published with the acknowledgement of the death */
	atomic_store_explicit(&io->dp->slot[slot].left, shadow->bucket + 1u, memory_order_relaxed);
	if (!report(io, slot, shadow, true))
		stats_add(&io->stats->quarantine_unkept, 1);
	if (shadow->kind == BELT_MESSAGE) {
		stats_add(&io->stats->messages_quarantined, 1);
		message_drop(io, shadow->cookie);
		return;
	}
	io->slot[slot].packets--;
	io->ledger.in_belts--;
	drop_packet_of(io, shadow->cookie, DROP_quarantined, &io->slot[slot].counts->quarantined);
}

bool entry_judged(struct io_lcore *io, uint32_t slot, const struct suspects *suspects, uint64_t position)
{
	struct belt_shadow *shadow = &io->slot[slot].belt.shadow[position & BELT_MASK];
	bool leaves = shadow->kind == BELT_PACKET || shadow->kind == BELT_MESSAGE;

	if (position < suspects->first || position >= suspects->end)
		return false;
	shadow->blame |= BLAME_SUSPECT;
	if (shadow->kind == BELT_TICK)
		ticks_suspect(io, shadow);
	if (position != suspects->blamed)
		return false;
	shadow->blame += BLAME_DEATHS(shadow->blame) < BLAME_MOST;
	leaves = leaves && BLAME_DEATHS(shadow->blame) >= io->dp->slot[slot].blame.attempts;
	if (!leaves || BATON_SABOTAGE(quarantined_comes_back)) {
		report(io, slot, shadow, leaves);
		return false;
	}
	leave(io, slot, shadow);
	return true;
}
