/* The world of the every-instruction kill: the primary's data path (datapath_rig.h) and workers that are the real
 * runtime with the real game plugin. It is warmed up to a checkpoint, where a burst waits in the belt of worker 0 and
 * worker 1 stands by. From there
 *	- worker_process() is the worker as a process of its own: loop_run() from the start of the burst;
 *	- world_go_on() in a fork of the test is the primary's part, after a death or without one, to the end. */
#ifndef BATON_TEST_EVERY_KILL_WORLD_H
#define BATON_TEST_EVERY_KILL_WORLD_H

#define idle_wait worker_idle_wait /* two processes have one of the name */
#define idle_sleep worker_idle_sleep
#include "workers/runtime/loop.c"
#include "workers/runtime/control_loop.c"
#undef SLOTS_AHEAD
#include "workers/runtime/idle.c"
#undef idle_wait
#undef idle_sleep

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <cmocka.h>

#include "datapath_rig.h"
#include "fake.h"
#include "hash.h"
#include "log.h"
#include "private_maps.h"
#undef NEIGHBOURS /* the lcore's; wire.h has one, too */
#include "wire.h"

#define BUCKETS 64u
#define TABLE   16u /* records of a bucket */
#define STRIDE  64u
#define RECORD  48u
#define PERIOD  1000000000ull
#define GROUP_STEP (PERIOD / TICK_GROUPS)
#define START_NS 1700000000000000000ull
#define FRAME_AT 42u /* payload of a frame */
#define FRAMES_MOST 512u
/* Settles early after some 300 journal bytes, so that a short burst has more than one commit in it. */
#define UNDO_MOST (JOURNAL_BYTES - 300u)

/* Dave is wounded and alone in the bucket of the next tick; Carol is new, in Alice's bucket. */
enum player_name { ALICE, BOB, DAVE, CAROL, EVE, FRANK, GRACE, HEIDI, PLAYERS };
static const uint32_t home[PLAYERS] = {5, 9, 0, 5, 17, 33, 41, 63}; /* buckets */

/* Everybody but Frank, Grace and Heidi. */
static const uint64_t low_half[1] = {0x00000000ffffffffull};

struct frame {
	uint16_t len;
	uint8_t bytes[192];
};

/* What is left in the end, and what the way there was like. In memory that child and parent share. */
struct outcome {
	bool complete; /* the child came to its end */
	char complaint[256];
	uint32_t frames;
	struct frame frame[FRAMES_MOST];
	uint8_t records[BUCKETS * TABLE * STRIDE]; /* without sequence words */
	struct bucket_word words[BUCKETS];
	uint64_t posted, settled, lost; /* messages */
	uint32_t unsettled, undone;     /* entries and undo records that the death left */
};

static struct {
	struct rig rig;
	struct loop loop[3];     /* first owner, standby, and who comes into the first one's slot after its death */
	struct loop *running[2]; /* by slot */
	uint32_t player[PLAYERS], move_sequence[PLAYERS], attack_sequence[PLAYERS];
	uint32_t burst; /* entries */
	int move;       /* under way at the checkpoint; 0: none */
	struct outcome *outcome;
} w;

static void give_up(const char *why)
{
	snprintf(w.outcome->complaint, sizeof(w.outcome->complaint), "%s", why);
	_exit(1);
}

static struct io_lcore *io(void) { return w.rig.dp->io[0]; }

/* ---- workers ---- */

/* The plugin's init: no settings, and nobody to tell. */
const char *baton_setting(struct baton_ctx *ctx, const char *key)
{
	(void)ctx, (void)key;
	return NULL;
}

void baton_log(struct baton_ctx *ctx, const char *format, ...)
{
	(void)ctx, (void)format;
}

/* What workers/runtime/worker.c does between its first acts and its loop. */
static void worker_start(struct loop *loop, uint32_t slot)
{
	struct control_block *control = state_control(&w.rig.state, slot);
	struct belt *belt[1] = {w.rig.belt[0][slot]};

	control->group = 0;
	loop->txn.ctx.worker = slot;
	if (txn_bind(&loop->txn, &w.rig.state, slot, 0, baton_plugin_descriptor.max_undo_bytes, 7) != 0)
		give_up("a successor finds a journal that is not undone");
	if (baton_plugin_descriptor.init(&loop->txn.ctx) != 0 ||
	    loop_init(loop, &baton_plugin_descriptor, belt, control->commit, 1, BUCKETS,
		      stats_worker_page(&w.rig.stats, slot), rte_get_tsc_hz(), true) != 0)
		give_up("a worker cannot start");
	loop->txn.max_undo = UNDO_MOST;
	datapath_slot_attach(w.rig.dp, slot, 0);
	while (!datapath_slot_attached(w.rig.dp, slot))
		io_turn(io());
	w.running[slot] = loop;
}

/* The process that is killed. */
static void worker_process(void *arg)
{
	(void)arg;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	loop_run(&w.loop[0]);
}

/* ---- traffic ---- */

static void inject(const uint8_t *payload, uint32_t len)
{
	rig_inject(&w.rig, 0, rig_frame(&w.rig, 0, payload, len));
}

static void request_move(enum player_name who, float x)
{
	uint8_t bytes[256];

	inject(bytes, wire_build_move(bytes, w.player[who], ++w.move_sequence[who], x, 10 + (float)who, 1));
}

static void request_attack(enum player_name who, enum player_name whom, bool again)
{
	uint8_t bytes[256];

	w.attack_sequence[who] += !again;
	inject(bytes, wire_build_attack(bytes, w.player[who], w.attack_sequence[who], w.player[whom], GAME_STRIKE,
					20, 10 + (float)whom, 1));
}

static void request_heartbeat(enum player_name who)
{
	uint8_t bytes[256];

	inject(bytes, wire_build_heartbeat(bytes, w.player[who], 1, 77));
}

/* Turns of main lcore, I/O lcore and workers until nobody has anything to do. */
static void pump(void)
{
	for (uint32_t turns = 0, idle = 0; idle < 4; turns++) {
		bool worked = io_turn(io());

		datapath_poll(w.rig.dp);
		for (uint32_t slot = 0; slot < 2; slot++)
			if (w.running[slot] != NULL)
				worked |= loop_turn(w.running[slot]) != 0;
		idle = worked ? 0 : idle + 1;
		if (turns > 100000)
			give_up("lcore and workers never come to rest");
	}
}

static void move_begins(uint32_t from, uint32_t to, const uint64_t *map)
{
	w.move = datapath_move(w.rig.dp, &(struct move_order){.from = from, .to = to, .map = map});
	if (w.move <= 0)
		give_up("a move is refused");
}

/* Of a move, if one is under way. False: its target has died. */
static bool move_ends(void)
{
	struct move_report report = {0};

	for (uint32_t turns = 0; w.move != 0 && !datapath_move_done(w.rig.dp, w.move, &report); turns++) {
		pump();
		if (turns > 1000)
			give_up("a move never ends");
	}
	w.move = 0;
	return !report.failed;
}

static void move_buckets(uint32_t from, uint32_t to, const uint64_t *map)
{
	move_begins(from, to, map);
	if (!move_ends())
		give_up("a move fails");
}

static void collect(void)
{
	struct rte_mbuf *mbuf;

	while (rte_ring_dequeue(w.rig.tx[0], (void **)&mbuf) == 0) {
		struct frame *frame = &w.outcome->frame[w.outcome->frames++ % FRAMES_MOST];

		frame->len = (uint16_t)mbuf->pkt_len;
		if (mbuf->pkt_len <= sizeof(frame->bytes))
			memcpy(frame->bytes, rte_pktmbuf_mtod(mbuf, const void *), mbuf->pkt_len);
		rte_pktmbuf_free(mbuf);
	}
}

#endif
