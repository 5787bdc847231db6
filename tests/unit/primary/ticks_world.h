/* A world for tests of ticks: real I/O lcores, and workers that are the real runtime's loop on belts in memory, killed
 * in the middle of a tick by a jump out of the plugin. Sources under test are included, to break one rule at a time. */
#ifndef BATON_TEST_TICKS_WORLD_H
#define BATON_TEST_TICKS_WORLD_H

#define SABOTAGES(X) \
	X(none) X(tick_outside) X(no_catch_up) X(no_guard) X(silent_behind) X(behind_ignored) X(no_tick_after_grant) \
	X(full_forgotten) X(numbers_restart) X(tick_dropped) \
	X(done_before_filled) X(used_before_done) X(header_while_used) X(early_settle_without_header) \
	X(refused_keeps_cells) X(seq_not_counted_up) X(one_buffer_in_1000_kept) X(message_posts_many) \
	X(bucket_dropped_at_first_revoke) X(suspects_run_together) X(ticks_counted_as_packets) \
	X(converted_bucket_unmarked)
#define X(name) SABOTAGE_##name,
enum sabotage { SABOTAGES(X) SABOTAGE_COUNT };
#undef X
#define SABOTAGES_OF_TICKS SABOTAGE_done_before_filled /* the rest are other tests' */
static enum sabotage sabotage;
#ifndef BATON_SABOTAGE_RULE /* `make sabotage` has broken one already */
#define BATON_SABOTAGE(rule) (sabotage == SABOTAGE_##rule)
#endif

#include "primary/datapath/ticks.c"
#define idle_wait worker_idle_wait /* two processes have one of the name */
#define idle_sleep worker_idle_sleep
#include "workers/runtime/loop.c"
#include "workers/runtime/control_loop.c"
#include "workers/runtime/txn.c"
#undef idle_wait
#undef idle_sleep

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "datapath_rig.h"
#include "fake.h"
#include "log.h"

#define LCORES  3u
#define SLOTS   6u
#define BUCKETS 128u /* two per group */
#define PERIOD  1000000ull
#define CATCH_UP 4u
#define DAY     (86400ull * 1000000000ull)

enum life { FREE, STARTING, ALIVE, DYING, ORPHANED };

/* The record of a bucket: what the ticks whose transactions have been kept left behind. */
struct tally {
	uint64_t last, time_ns;
};

struct world {
	struct rig rig;
	enum life life[SLOTS];
	struct loop loop[SLOTS];
	uint64_t now, random;
	uint64_t broken; /* promises, so far */
	struct { uint64_t number, time_ns, chance; } begun[BUCKETS]; /* last tick of a bucket, kept or not */
	uint32_t doom;   /* the worker dies at so many of the steps below; 0: not */
	jmp_buf death;
	int move; /* open move, 0: none */
	uint64_t moves, deaths, deaths_in_a_tick, ticks, redone, leaps;
};
static struct world w;

/* ---- the plugin ---- */

static void step_of_a_tick(void)
{
	if (w.doom != 0 && --w.doom == 0)
		longjmp(w.death, 1);
}

static void tally_tick(struct baton_ctx *ctx, uint64_t number)
{
	struct tally *tally = baton_find(ctx, ctx->bucket);
	uint64_t chance = baton_random(ctx);

	step_of_a_tick();
	if (w.begun[ctx->bucket].number == number) { /* the same tick once more: time and chance are the same */
		w.broken += w.begun[ctx->bucket].time_ns != ctx->time_ns || w.begun[ctx->bucket].chance != chance;
		w.redone++;
	}
	w.begun[ctx->bucket].number = number;
	w.begun[ctx->bucket].time_ns = ctx->time_ns;
	w.begun[ctx->bucket].chance = chance;
	if (tally == NULL)
		tally = baton_insert(ctx, ctx->bucket);
	assert_non_null(tally);
	step_of_a_tick();
	if (tally->last != 0) { /* each once, in order, none skipped */
		w.broken += number != tally->last + 1;
		w.broken += ctx->time_ns <= tally->time_ns;
	}
	assert_true(baton_save(ctx, tally, sizeof(*tally)));
	tally->last = number;
	step_of_a_tick();
	tally->time_ns = ctx->time_ns;
	step_of_a_tick();
	w.ticks++;
}

static baton_verdict no_answer(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	(void)ctx, (void)packet, (void)data;
	return baton_no_reply();
}

static const struct baton_plugin plugin = {
	.abi = BATON_PLUGIN_ABI, .size = sizeof(plugin), .name = "test", .version = "1", .key = BATON_KEY_PAYLOAD,
	.key_length = 4, .schema = 1, .record_size = sizeof(struct tally), .max_undo_bytes = 240,
	.packet = no_answer, .tick = tally_tick,
};

/* ---- workers ---- */

void worker_idle_wait(struct loop *loop)
{
	(void)loop; /* the test turns the loops itself */
}

static void start_worker(uint32_t slot)
{
	struct loop *loop = &w.loop[slot];
	struct belt *belt[LCORES];

	for (uint32_t l = 0; l < LCORES; l++)
		belt[l] = w.rig.belt[l][slot];
	state_control(&w.rig.state, slot)->group = 0;
	memset(&loop->txn, 0, sizeof(loop->txn));
	assert_int_equal(txn_bind(&loop->txn, &w.rig.state, slot, 0, plugin.max_undo_bytes, 77), 0);
	assert_int_equal(loop_init(loop, &plugin, belt, state_control(&w.rig.state, slot)->commit, LCORES, BUCKETS,
				   stats_worker_page(&w.rig.stats, slot), 1000000000, true), 0);
	w.life[slot] = STARTING;
	datapath_slot_attach(w.rig.dp, slot, 0);
}

static uint32_t pick(enum life life)
{
	uint32_t first = fake_below(&w.random, SLOTS);

	for (uint32_t i = 0; i < SLOTS; i++)
		if (w.life[(first + i) % SLOTS] == life)
			return (first + i) % SLOTS;
	return SLOT_NONE;
}

static void kill_worker(uint32_t slot)
{
	w.life[slot] = DYING;
	w.deaths++;
	/* Blamed or not: its ticks are suspect, and are run none the less, however often. */
	datapath_slot_blame(w.rig.dp, slot, &(struct death_blame){.attempts = 1, .counts = w.deaths % 2 == 0});
	datapath_slot_dead(w.rig.dp, slot);
}

/* One burst, in which the worker may die. */
static void worker_step(uint32_t slot, uint32_t doom)
{
	if (slot == SLOT_NONE)
		return;
	w.doom = doom;
	if (setjmp(w.death) == 0) {
		loop_turn(&w.loop[slot]);
	} else {
		w.deaths_in_a_tick++;
		kill_worker(slot);
	}
	w.doom = 0;
}

/* ---- the primary ---- */

static void turn(uint32_t lcore)
{
	io_turn(w.rig.dp->io[lcore]);
}

static void set_time(uint64_t ns)
{
	w.now = ns;
	rig_time(&w.rig, ns);
}

/* The supervisor's part: polls what is open, brings up workers, hands orphans over. */
static void supervise(void)
{
	struct move_report report;
	uint32_t alive = 0, slot;

	datapath_poll(w.rig.dp);
	if (w.move != 0 && datapath_move_done(w.rig.dp, w.move, &report)) {
		w.moves++;
		w.move = 0;
	}
	for (slot = 0; slot < SLOTS; slot++) {
		uint32_t orphans;

		if (w.life[slot] == STARTING && datapath_slot_attached(w.rig.dp, slot))
			w.life[slot] = ALIVE;
		if (w.life[slot] == DYING && datapath_slot_recovered(w.rig.dp, slot, &orphans))
			w.life[slot] = orphans != 0 ? ORPHANED : FREE;
		alive += w.life[slot] == ALIVE || w.life[slot] == STARTING;
	}
	uint32_t to = pick(ALIVE), from = pick(ORPHANED);
	if (from != SLOT_NONE && to != SLOT_NONE && w.move == 0) {
		w.move = datapath_move(w.rig.dp, &(struct move_order){.from = from, .to = to});
		assert_true(w.move > 0);
		w.life[from] = DYING; /* free once recovered has no orphans any more */
	}
	slot = pick(FREE);
	if (alive < 2 && slot != SLOT_NONE)
		start_worker(slot);
}

static void give_first_owner(void)
{
	start_worker(0);
	while (w.life[0] != ALIVE) {
		for (uint32_t l = 0; l < LCORES; l++)
			turn(l);
		supervise();
	}
	w.move = datapath_move(w.rig.dp, &(struct move_order){.from = SLOT_NONE, .to = 0});
	assert_true(w.move > 0);
	while (w.move != 0) {
		for (uint32_t l = 0; l < LCORES; l++)
			turn(l);
		worker_step(0, 0);
		supervise();
	}
}

static void world_create(uint64_t seed)
{
	memset(&w, 0, sizeof(w));
	w.random = seed | 1;
	rig_create(&w.rig, LCORES, SLOTS, BUCKETS);
	w.rig.config.group[0].tick_period_ns = PERIOD;
	w.rig.config.group[0].tick_catch_up = CATCH_UP;
	rig_restart(&w.rig);
	set_time(1700000000ull * 1000000000ull);
}

/* Ends the run of a primary, as a kill does, and starts the next when the clock says `ns`. */
static void world_restart(uint64_t ns)
{
	rig_restart(&w.rig);
	memset(w.begun, 0, sizeof(w.begun));
	memset(w.life, FREE, sizeof(w.life));
	w.move = 0;
	set_time(ns);
}

static const struct ticks *ticks(void)
{
	return &w.rig.dp->io[0]->steering[0].ticks;
}

static uint64_t last_tick(uint32_t bucket)
{
	return state_words(&w.rig.state, 0)[bucket].last_tick;
}

static uint64_t lowest_tick(void)
{
	uint64_t lowest = UINT64_MAX;

	for (uint32_t b = 0; b < BUCKETS; b++)
		lowest = last_tick(b) < lowest ? last_tick(b) : lowest;
	return lowest;
}

/* Every bucket has seen its group's number. */
static bool caught_up(void)
{
	for (uint32_t b = 0; b < BUCKETS; b++)
		if (last_tick(b) != ticks_number(ticks(), b % ticks()->groups))
			return false;
	return true;
}

/* Each lcore's count of the buckets a slot owns, which decides who gets ticks, is that of its own table. */
static bool buckets_are_counted(void)
{
	for (uint32_t l = 0; l < LCORES; l++) {
		const struct io_lcore *io = w.rig.dp->io[l];
		uint32_t owned[256] = {0};

		for (uint32_t b = 0; b < BUCKETS; b++)
			owned[STEER_SLOT(io->steering[0].entry[b])]++;
		for (uint32_t slot = 0; slot < SLOTS && io->move[0].move == NULL; slot++)
			if (io->slot[slot].buckets != owned[slot])
				return false;
	}
	return true;
}

/* The clock stands still: everybody works, nobody dies, until nothing is to be done. Returns whether they caught up. */
static bool settle(void)
{
	for (uint32_t i = 0; i < 100000; i++) {
		turn(fake_below(&w.random, LCORES));
		worker_step(pick(ALIVE), 0);
		supervise();
		if (w.move == 0 && caught_up() && pick(DYING) == SLOT_NONE && pick(ORPHANED) == SLOT_NONE)
			return true;
	}
	return false;
}

#endif
