/* A world of I/O lcores and workers for tests of moves, deaths and messages, driven step by step at random. Workers
 * settle late, die with entries open, post messages and start packets; oracles stand where things happen. */
#ifndef BATON_TEST_MOVE_WORLD_H
#define BATON_TEST_MOVE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "belt_consumer.h"
#include "datapath_rig.h"

#define LCORES  3u
#define SLOTS   6u
#define BUCKETS 64u
#define PLAYERS 96u /* a player's packets always come by lcore id % LCORES, as RSS would have it */
#define OPEN_MOST 1500u

struct payload {
	uint32_t player; /* STARTED: of a packet that a worker started */
	uint32_t sequence;
	uint8_t filler[24];
};
#define STARTED UINT32_MAX

/* Of messages. A message may post one that goes on for it, `left` times. */
struct note {
	uint32_t id;
	uint32_t bucket;
	uint32_t left;
	uint8_t fill[BATON_MESSAGE_MOST - 12];
};
#define NOTES 2000000u
#define NOTE_CELLS 6u /* an entry's most, here */
enum note_state { NOT_SETTLED = 0, POSTED, HANDLED };

enum life { FREE, STARTING, ALIVE, DYING, ORPHANED };

/* A worker made of belt calls only. What it did counts when it settles. */
struct fake {
	enum life life;
	struct belt_consumer belt[LCORES];
	uint8_t owned[BUCKETS];
	uint32_t open_belt; /* burst under way: entries handled, not settled */
	uint32_t open;
	uint64_t cells; /* first outbound cell of the burst */
	struct baton_ctx ctx; /* of the journal */
};

struct world {
	struct rig rig;
	struct fake fake[SLOTS];
	uint32_t sent[PLAYERS], applied[PLAYERS], answered[PLAYERS];
	uint32_t under_way;
	uint64_t random;
	int move; /* open move, 0: none */
	uint64_t moves, deaths, redelivered, alone;
	uint8_t note[NOTES];    /* enum note_state; by id */
	uint8_t started[NOTES]; /* the same of packets that workers started */
	uint32_t notes, posted, handled, starts, sent_out;
	uint32_t effects[BUCKETS]; /* of settled entries; the bucket's word in the state file has them too */
};

/* Stands for the records of a bucket: one more with each entry handled, undone with a burst that is not settled. */
static uint32_t *effects_of(const struct world *w, uint32_t bucket)
{
	return &state_words(&w->rig.state, 0)[bucket].at;
}

static uint8_t kind_of(const struct belt_slot *entry)
{
	return entry->packet.kind & (uint8_t)~BELT_SUSPECT;
}

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
	assert_int_equal(state_control(&w->rig.state, slot)->journal.used, 0); /* undone before anybody comes */
	state_control(&w->rig.state, slot)->group = 0;
	state_bind(&w->rig.state, slot, 0, &f->ctx);
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

/* An entry of the open burst: it finds what settled entries and those before it in the burst left, and no more. */
static void take_effect(struct world *w, struct fake *f, uint16_t bucket, uint32_t *before)
{
	uint32_t *effects = effects_of(w, bucket);

	assert_true(f->owned[bucket] > 0);
	assert_int_equal(*effects, w->effects[bucket] + before[bucket]++);
	journal_save_word(&f->ctx, state_words(&w->rig.state, 0), effects, sizeof(*effects));
	++*effects;
}

static uint32_t note_len(uint32_t id)
{
	return 12 + id % (BATON_MESSAGE_MOST - 11);
}

static void post_note(struct world *w, struct belt_consumer *c, uint64_t cause, uint32_t left)
{
	struct belt_out_cell *cell = belt_out_next(c);
	struct note note = {.id = w->notes++, .bucket = roll(w, BUCKETS), .left = left};

	assert_true(note.id < NOTES);
	memset(note.fill, (int)(note.id & 0xff), sizeof(note.fill));
	cell->cause = cause;
	cell->kind = BELT_OUT_MESSAGE;
	cell->len = (uint16_t)note_len(note.id);
	cell->bucket = note.bucket;
	memcpy(cell->data, &note, cell->len);
	c->filled++;
}

static void start_packet(struct world *w, struct belt_consumer *c, uint64_t cause)
{
	struct belt_out_cell *cell = belt_out_next(c);
	struct payload p = {.player = STARTED, .sequence = w->starts++};

	assert_true(p.sequence < NOTES);
	cell->cause = cause;
	cell->kind = BELT_OUT_PACKET;
	cell->len = sizeof(p);
	cell->to = (struct baton_peer){.ip = 1, .udp_port = 1, .mac = {2, 0, 0, 0, 0, 9}};
	memcpy(cell->data, &p, sizeof(p));
	c->filled++;
}

/* What a burst had sent beside its replies: it counts from now on. */
static void cells_settled(struct world *w, struct fake *f, const struct belt_consumer *c)
{
	for (; f->cells != c->filled; f->cells++) {
		const struct belt_out_cell *cell = &c->belt->out[f->cells % BELT_OUT_CELLS];

		if (cell->kind == BELT_OUT_PACKET) {
			w->started[((const struct payload *)(const void *)cell->data)->sequence] = POSTED;
			continue;
		}
		w->note[((const struct note *)(const void *)cell->data)->id] = POSTED;
		w->posted++;
	}
}

/* Of an entry that has settled: what it was told must have been posted by a settled one, and not have been handled. */
static void note_settled(struct world *w, const struct belt_slot *entry, const uint8_t *data)
{
	struct note note;

	memcpy(&note, data, sizeof(note));
	assert_int_equal(entry->packet.bucket, note.bucket);
	assert_int_equal(entry->packet.len, note_len(note.id));
	for (uint32_t i = 0; i + 12 < entry->packet.len; i++)
		assert_int_equal(note.fill[i], note.id & 0xff);
	assert_int_equal(w->note[note.id], POSTED);
	w->note[note.id] = HANDLED;
	w->handled++;
}

/* Takes a burst and answers it; settling is a step of its own, so that a death may come in between. Grants and revokes
 * take effect at once in the worker, as in the real runtime; a dead worker's are gone with it. */
static void worker_take(struct world *w, uint32_t slot)
{
	struct fake *f = &w->fake[slot];
	uint32_t lcore = roll(w, LCORES);
	struct belt_consumer *c = &f->belt[lcore];
	uint32_t count = belt_take(c, 1 + roll(w, 64)), before[BUCKETS] = {0};

	/* What is suspect is handled alone. */
	for (uint32_t i = 0; i < count; i++)
		if (belt_slot_at(c, c->done + i)->packet.kind & BELT_SUSPECT) {
			w->alone += i == 0;
			count = i == 0 ? 1 : i;
		}
	f->cells = c->filled;
	journal_open(&state_control(&w->rig.state, slot)->journal, &f->ctx, lcore, c->done);
	for (uint32_t i = 0; i < count; i++) {
		struct belt_slot *entry = belt_slot_at(c, c->done + i);
		uint8_t *data = belt_slot_data(c, entry);

		if (!belt_out_room(c, NOTE_CELLS)) {
			count = i;
			break;
		}
		if (kind_of(entry) == BELT_MESSAGE) {
			const struct note *note = (const void *)data;

			take_effect(w, f, entry->packet.bucket, before);
			belt_verdict(c, c->done + i, BATON_NO_REPLY);
			if (note->left > 0)
				post_note(w, c, c->done + i, note->left - 1);
			if (roll(w, 4) == 0)
				start_packet(w, c, c->done + i);
			continue;
		}
		if (kind_of(entry) != BELT_PACKET) {
			control_entry(w, slot, kind_of(entry), data);
			continue;
		}
		struct payload *p = (void *)data;
		take_effect(w, f, entry->packet.bucket, before);
		assert_int_equal(entry->packet.len, sizeof(*p));
		memset(p->filler, 0xab, sizeof(p->filler));
		belt_verdict(c, c->done + i, baton_reply(sizeof(*p)));
		for (uint32_t n = roll(w, 3) != 0 ? 0 : roll(w, BATON_POSTS_MOST + 1); n > 0; n--)
			post_note(w, c, c->done + i, roll(w, 3));
		if (roll(w, 8) == 0)
			start_packet(w, c, c->done + i);
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
			if (s->kind != BELT_PACKET)
				continue;
			const struct payload *p = rte_pktmbuf_mtod_offset((struct rte_mbuf *)s->cookie, const struct payload *, 42);
			if (p->player == player)
				printf("  list %u: %u, bucket %u, entry %x\n", list, p->sequence, s->bucket,
				       io->steering[0].entry[s->bucket]);
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
		w->effects[entry->packet.bucket] += kind_of(entry) == BELT_PACKET || kind_of(entry) == BELT_MESSAGE;
		if (kind_of(entry) == BELT_MESSAGE)
			note_settled(w, entry, belt_slot_data(c, entry));
		if (kind_of(entry) != BELT_PACKET)
			continue;
		const struct payload *p = (const void *)belt_slot_data(c, entry);
		if (p->sequence != w->applied[p->player] + 1)
			tell(w, p->player);
		assert_int_equal(p->sequence, w->applied[p->player] + 1); /* once, in order */
		w->applied[p->player]++;
	}
	cells_settled(w, f, c);
	belt_settle(c, c->done + f->open);
	journal_clear(&state_control(&w->rig.state, slot)->journal, &f->ctx);
	f->open = 0;
}

#endif
