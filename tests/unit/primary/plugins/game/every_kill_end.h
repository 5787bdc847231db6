/* From the checkpoint to the end, in a fork that leaves by _exit: the primary's part after a death, or without one. */
#ifndef BATON_TEST_EVERY_KILL_END_H
#define BATON_TEST_EVERY_KILL_END_H

#include <fcntl.h>
#include <unistd.h>

#include "every_kill_world.h"

/* Order is promised within a flow, and between results that arrive by message (R10): per player and type. */
static int compare_flow(const struct frame *a, const struct frame *b)
{
	struct GamePacketHeader ha, hb;

	memcpy(&ha, a->bytes + FRAME_AT, sizeof(ha));
	memcpy(&hb, b->bytes + FRAME_AT, sizeof(hb));
	if (ha.player_id != hb.player_id)
		return ha.player_id < hb.player_id ? -1 : 1;
	return (ha.packet_type > hb.packet_type) - (ha.packet_type < hb.packet_type);
}

/* By flow; within one as they left. */
static void sort_frames(struct outcome *o)
{
	for (uint32_t i = 1; i < o->frames && i < FRAMES_MOST; i++)
		for (uint32_t at = i; at > 0 && compare_flow(&o->frame[at], &o->frame[at - 1]) < 0; at--) {
			struct frame younger = o->frame[at];

			o->frame[at] = o->frame[at - 1];
			o->frame[at - 1] = younger;
		}
}

static void count_open(void)
{
	const struct control_block *control = state_control(&w.rig.state, 0);
	const struct journal *journal = &control->journal;
	const struct belt_producer *belt = &io()->slot[0].belt;
	uint64_t done = control->commit[0].done;

	w.outcome->unsettled = (uint32_t)(belt->offered - done);
	if (journal->used != 0 && journal->first >= done)
		for (uint32_t at = 0; at < journal->used; w.outcome->undone++)
			at += journal_cost(((const struct baton_undo *)(const void *)(journal->records + at))->len);
}

/* The supervisor's part: the process has been reaped; take over, undo, hand the buckets to the standby. */
static void recover_from_death(void)
{
	uint32_t orphans = 0;

	count_open();
	w.running[0] = NULL;
	datapath_slot_dead(w.rig.dp, 0);
	housekeep(io()); /* it hears of the death before it has reaped what was settled last */
	(void)move_ends(); /* completed by the roll back of its old owner, or failed by the death of its new one */
	for (uint32_t turns = 0; !datapath_slot_recovered(w.rig.dp, 0, &orphans); turns++) {
		pump();
		if (turns > 1000)
			give_up("the dead worker is never recovered");
	}
	if (orphans != 0)
		move_buckets(0, 1, NULL);
	pump();
	if (datapath_owned(w.rig.dp, 1) != BUCKETS)
		give_up("buckets are left without an owner");
}

/* Another worker in the dead one's slot, with its belt and its control block (R4, R8), gets half of the buckets. */
static void reuse_slot(void)
{
	worker_start(&w.loop[2], 0);
	move_buckets(1, 0, low_half);
}

static void more_traffic(void)
{
	rig_time(&w.rig, START_NS + PERIOD + PERIOD / 2);
	pump();
	for (enum player_name p = 0; p < PLAYERS; p++)
		request_move(p, 30);
	request_attack(ALICE, BOB, true); /* a repeat: answered from the stored result */
	pump();
}

static void copy_records(struct outcome *o)
{
	memcpy(o->records, state_records(&w.rig.state, 0), sizeof(o->records));
	memcpy(o->words, state_words(&w.rig.state, 0), sizeof(o->words));
	for (uint32_t at = 0; at < sizeof(o->records); at += STRIDE) {
		struct baton_record *record = (struct baton_record *)(void *)(o->records + at);

		if (record->seq % 2 != 0)
			give_up("a sequence word is odd in the end");
		record->seq = 0;
	}
}

static void take_stock(void)
{
	struct outcome *o = w.outcome;
	struct ledger ledger;

	collect();
	sort_frames(o);
	datapath_ledger(w.rig.dp, 0, &ledger);
	if (ledger_balance(&ledger) != 0 || ledger.in_belts + ledger.pending + ledger.tx_backlog != 0)
		give_up("the ledger does not add up");
	copy_records(o);
	o->posted = io()->stats->messages_posted;
	o->settled = io()->stats->messages_settled;
	o->lost = io()->stats->messages_lost;
	o->complete = true;
}

static void world_go_on(bool dead) __attribute__((noreturn));
static void world_go_on(bool dead)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	private_maps(-1);
	if (dead) {
		recover_from_death();
		reuse_slot();
	}
	(void)move_ends();
	pump();
	more_traffic();
	take_stock();
	_exit(0);
}

/* ---- a primary that dies as well: what is left of it is the state file ---- */

/* The first one's recovery; where the stepper begins. */
static __attribute__((noinline)) void primary_recovers(void)
{
	uint32_t orphans;

	datapath_slot_dead(w.rig.dp, 0);
	do
		housekeep(io());
	while (!datapath_slot_recovered(w.rig.dp, 0, &orphans));
}

static void primary_process(void *arg)
{
	(void)arg;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	private_maps(w.rig.state.fd);
	primary_recovers();
}

/* Another file of the same bytes, for the parent's open one has a lock. */
static void copy_state_file(void)
{
	const uint8_t *from = w.rig.state.base;
	uint64_t bytes = w.rig.state.header->bytes;

	snprintf(w.rig.path, sizeof(w.rig.path), "/dev/shm/%s.copy", w.rig.instance);
	int fd = open(w.rig.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
		give_up("no copy of the state file");
	uint8_t *to = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	static const uint8_t nothing[4096];
	for (uint64_t at = 0; at < bytes; at += 4096)
		if (memcmp(from + at, nothing, 4096) != 0)
			memcpy(to + at, from + at, 4096);
	munmap(to, bytes);
	close(fd);
}

/* The next primary on the file as it stands: what it finds after its roll back is kept; then it serves. */
static void next_primary(bool serves) __attribute__((noreturn));
static void next_primary(bool serves)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	private_maps(-1);
	if (!serves) {
		primary_recovers();
		copy_records(w.outcome);
		w.outcome->complete = true;
		_exit(0);
	}
	copy_state_file();
	rig_restart(&w.rig);
	unlink(w.rig.path);
	copy_records(w.outcome);
	rig_time(&w.rig, START_NS + 2 * PERIOD);
	worker_start(&w.loop[0], 0);
	worker_start(&w.loop[1], 1);
	move_buckets(SLOT_NONE, 0, NULL);
	more_traffic();
	move_buckets(0, 1, NULL);
	collect();
	if (w.outcome->frames < PLAYERS)
		give_up("the next primary does not answer everybody");
	w.outcome->complete = true;
	_exit(0);
}

#endif
