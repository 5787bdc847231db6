/* The mirror with real workers' loops over belts in memory: production's workers in slots 0 and 1, the candidate in 2, the
 * control in 3. The plugin counts per key, answers with count, time and chance, posts to other buckets, sends, and is ticked;
 * ticks post and send, too. Each claim is made of one I/O lcore and of several, which take turns by chance: a key's packets
 * come by any of them, and a worker takes from any belt, so that what an order is worth shows in every reply. */
#ifndef BATON_TEST_MIRROR_WORLD_H
#define BATON_TEST_MIRROR_WORLD_H

#define idle_wait worker_idle_wait /* two processes have one of the name */
#define idle_sleep worker_idle_sleep
#include "workers/runtime/txn.h"
/* Between a burst's `done` and what counts it the lcores may have any number of turns. */
static void settle_and_turn(struct txn *txn);
#define txn_settle settle_and_turn
#include "workers/runtime/loop.c"
#include "workers/runtime/control_loop.c"
#undef txn_settle
#undef idle_wait
#undef idle_sleep

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath_rig.h"
#include "fake.h"
#include "shadow_parts.h"
#include "snap.h"

#include "mirror_plugin.h"

void worker_idle_wait(struct loop *loop)
{
	(void)loop; /* the test turns the loops itself */
}

static struct rig rig;
static struct loop loops[SLOTS];
static struct mirror *mirror;
static int region = -1;
static uint64_t seed, now_ns;
static uint32_t came, lcores;
static uint32_t still; /* bit per lcore that has no turn */

static struct io_lcore *io(void) { return rig.dp->io[0]; }

static void turn_once(void)
{
	for (uint32_t l = 0; l < lcores; l++)
		if ((still >> l & 1u) == 0)
			io_turn(rig.dp->io[l]);
}

static void settle_and_turn(struct txn *txn)
{
	txn_settle(txn);
	for (uint32_t n = fake_below(&seed, 4); n > 0; n--) {
		uint32_t l = fake_below(&seed, lcores);

		if ((still >> l & 1u) == 0)
			io_turn(rig.dp->io[l]);
	}
}

static void start_worker(uint32_t slot, const struct baton_plugin *plugin)
{
	struct loop *l = &loops[slot];
	struct belt *belt[BATON_MAX_IO_LCORES];
	bool shadow = slot >= CANDIDATE;

	memset(&l->txn, 0, sizeof(l->txn));
	for (uint32_t i = 0; i < lcores; i++)
		belt[i] = rig.belt[i][slot];
	for (uint32_t s = 0; s < SHADOW_SIDES; s++)
		if (l->shadow.side[s].words != NULL)
			munmap(l->shadow.side[s].words, shadow_region_bytes(rig.state.header) / 2);
	state_slot_begin(&rig.state, slot, shadow ? BATON_MAX_GROUPS : 0);
	assert_int_equal(shadow_attach(&l->shadow, region, rig.state.header, 0, shadow ? slot - 1 : 0), 0);
	assert_int_equal(txn_bind(&l->txn, &rig.state, slot, 0, plugin->max_undo_bytes, 77), 0);
	if (shadow)
		shadow_bind(&l->txn, &l->shadow, slot - CANDIDATE);
	assert_int_equal(loop_init(l, plugin, belt, state_control(&rig.state, slot)->commit, lcores, BUCKETS,
				   stats_worker_page(&rig.stats, slot), 1000000000, true), 0);
	datapath_slot_shadow(rig.dp, slot, shadow);
	datapath_slot_attach(rig.dp, slot, 0);
	for (uint32_t i = 0; !datapath_slot_attached(rig.dp, slot); i++) {
		assert_true(i < 1000);
		turn_once();
	}
}

/* Frames that have left: every one is an answer of production's, or what it sent. */
static void count_frames(void)
{
	struct rte_mbuf *mbuf;

	for (uint32_t l = 0; l < lcores; l++)
		for (; rte_ring_dequeue(rig.tx[l], (void **)&mbuf) == 0; came++)
			rte_pktmbuf_free(mbuf);
}

static void turns(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		now_ns += 20000;
		rig_time(&rig, now_ns);
		turn_once();
	}
	count_frames();
}

/* One burst of a belt that chance gives. */
static uint32_t work(uint32_t slot)
{
	current = slot;
	loops[slot].next = fake_below(&seed, lcores);
	return loop_turn(&loops[slot]);
}

static void run(uint32_t slot)
{
	while (work(slot) != 0)
		;
}

static void move_buckets(uint32_t from, uint32_t to, const uint64_t *map)
{
	struct move_report report;
	int id = datapath_move(rig.dp, &(struct move_order){.from = from, .to = to, .map = map});

	assert_true(id > 0);
	for (uint32_t i = 0; !datapath_move_done(rig.dp, id, &report); i++) {
		assert_true(i < 10000);
		turns(1);
		for (uint32_t s = 0; s < SLOTS; s++)
			if (io()->slot[s].attached)
				work(s);
	}
}

static void inject(uint32_t key, uint32_t what, uint32_t extra)
{
	uint8_t bytes[sizeof(struct request) + 1200] = {0};
	struct request request = {.key = key, .what = what};

	memcpy(bytes, &request, sizeof(request));
	uint32_t l = fake_below(&seed, lcores);
	rig_inject(&rig, l, rig_frame(&rig, l, bytes, (uint32_t)sizeof(request) + extra));
	sent += 1 + (what & WHAT_SEND ? 1 : 0);
}

static void begin_mirror(bool digested)
{
	const uint64_t all[WORDS] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};

	mirror = mirror_create(0, 0, BUCKETS, lcores, all, digested);
	assert_non_null(mirror);
	for (uint32_t s = 0; s < SHADOW_SIDES; s++)
		mirror->side[s].digest = true;
	datapath_mirror_begin(rig.dp, mirror);
	datapath_mirror_join(rig.dp, mirror, 0, CANDIDATE);
	datapath_mirror_join(rig.dp, mirror, 1, CONTROL);
}

static const uint64_t half[WORDS] = {UINT64_MAX, UINT64_MAX}, quarter[WORDS] = {UINT64_MAX};

static void world(const struct baton_plugin *candidate, bool digested)
{
	rig_create_for(&rig, lcores, SLOTS, BUCKETS, sizeof(struct record));
	rig.config.group[0].tick_period_ns = PERIOD;
	rig.config.group[0].tick_catch_up = 4;
	rig_restart(&rig);
	now_ns = 1700000000ull * 1000000000ull;
	rig_time(&rig, now_ns);
	region = memfd_create("shadow", MFD_CLOEXEC);
	assert_int_equal(ftruncate(region, (off_t)shadow_region_bytes(rig.state.header)), 0);
	sent = came = still = 0;
	noisy = hide_noise = false;
	wrong_every = wrong_tick_every = 16;
	start_worker(0, &right);
	start_worker(1, &right);
	move_buckets(SLOT_NONE, 0, half);
	move_buckets(SLOT_NONE, 1, NULL);
	start_worker(CANDIDATE, candidate);
	start_worker(CONTROL, &right);
	begin_mirror(digested);
}

static int set_up(void **state)
{
	lcores = *(const uint32_t *)*state;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	still = 0;
	datapath_mirror_end(rig.dp, mirror);
	turns(200);
	assert_int_equal(atomic_load(&mirror->released), lcores);
	for (uint32_t l = 0; l < lcores; l++)
		for (uint32_t i = 0; i < SLOTS; i++)
			assert_int_equal(atomic_load(&rig.belt[l][i]->numbered), 0);
	mirror_destroy(mirror);
	for (uint32_t i = 0; i < SLOTS; i++)
		for (uint32_t s = 0; s < SHADOW_SIDES; s++) {
			if (loops[i].shadow.side[s].words != NULL)
				munmap(loops[i].shadow.side[s].words, shadow_region_bytes(rig.state.header) / 2);
			loops[i].shadow.side[s].words = NULL;
		}
	close(region);
	rig_destroy(&rig);
	return 0;
}

/* Everybody works, in an order that chance gives, until all have done everything. */
static void traffic(uint32_t packets, uint64_t workers)
{
	for (uint32_t i = 0; i < packets; i++) {
		uint32_t key = fake_below(&seed, KEYS);

		inject(key, fake_below(&seed, 8) == 0 ? fake_below(&seed, 8) : 0, fake_below(&seed, 16) == 0 ? fake_below(&seed, 1200) : 0);
		for (uint32_t n = fake_below(&seed, 4); n > 0; n--) {
			uint32_t slot = fake_below(&seed, SLOTS);

			still = lcores == 1 ? 0 : fake_below(&seed, 1u << lcores); /* those stand still this time */
			turns(1);
			still = 0;
			if (workers >> slot & 1u)
				work(slot);
		}
	}
	for (uint32_t n = 0; n < 200; n++) {
		turns(1);
		for (uint32_t s = 0; s < SLOTS; s++)
			if (workers >> s & 1u)
				run(s);
	}
}

static uint32_t in_step(uint32_t side)
{
	uint32_t count = 0;

	for (uint32_t b = 0; b < BUCKETS; b++)
		count += mirror->bucket[b].in_step >> side & 1u;
	assert_int_equal(count, mirror->side[side].counts.in_step);
	return count;
}

static void wait_in_step(uint64_t workers)
{
	for (uint32_t i = 0; in_step(0) != BUCKETS || in_step(1) != BUCKETS; i++) {
		assert_true(i < 100000);
		turns(1);
		for (uint32_t s = 0; s < SLOTS; s++)
			if (workers >> s & 1u)
				run(s);
	}
}

static const struct mirror_counts *counts(uint32_t side) { return &mirror->side[side].counts; }

/* For who has to find out why. */
static void no_difference(uint32_t side)
{
	for (uint32_t i = 0; i < MIRROR_SAMPLES && i < counts(side)->differed; i++) {
		const struct mirror_sample *s = &mirror->sample[i];

		printf("side %u bucket %u kind %u tick %llu ordinal %u verdicts %u %u lengths %u %u cells %u %u (%d)\n", s->side, s->bucket,
		       s->kind, (unsigned long long)s->tick, s->ordinal, s->verdict[0], s->verdict[1], s->reply_len[0],
		       s->reply_len[1], s->cells[0], s->cells[1], s->cells_differ);
		for (uint32_t w = 0; w < 6; w++)
			printf("  %016llx %016llx %016llx\n", ((const unsigned long long *)(const void *)s->request)[w],
			       ((const unsigned long long *)(const void *)s->reply[0])[w],
			       ((const unsigned long long *)(const void *)s->reply[1])[w]);
	}
	assert_int_equal(counts(side)->differed, 0);
}

/* Nothing of a shadow has left, nothing of production's has not; records are what production made of them alone. */
static void players_noticed_nothing(void)
{
	/* the clock stands still, so that there are no more ticks */
	for (uint32_t n = 0; n < 50; n++) {
		turn_once();
		for (uint32_t slot = 0; slot < CANDIDATE; slot++)
			if (io()->slot[slot].attached)
				run(slot);
	}
	turn_once();
	count_frames();
	assert_int_equal(came, sent);
	for (uint32_t l = 0; l < lcores; l++) {
		const struct CoreStats *page = stats_io(&rig.stats, l);

		assert_int_equal(page->messages_lost, 0);
		assert_int_equal(page->messages_posted, page->messages_settled);
		assert_int_equal(rig.dp->io[l]->ledger.in_belts, 0);
	}
}

#define ALL 0xfu

/* How many I/O lcores a claim is made of. */
static uint32_t one = 1, two = 2, three = 3;
#define CLAIM(claim, n) cmocka_unit_test_prestate_setup_teardown(claim, set_up, tear_down, &(n))

#endif
