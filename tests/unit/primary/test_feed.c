/* The numbers of bursts that order a mirror of several I/O lcores are a worker's word. One that lies, in each way there
 * is, or that never counts, is left out and shown; the mirror goes on with the others. Two lcores; slots 0 and 1 are
 * production's, 2 the candidate's, all worked by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "belt_consumer.h"
#include "datapath_rig.h"
#include "feed.h"
#include "shadow_parts.h"
#include "tick.h"

#define LCORES    2u
#define BUCKETS   64u
#define SLOTS     4u
#define CANDIDATE 2u
#define LIAR      0u
#define HONEST    1u

/* How a worker of production numbers its bursts. */
enum lie { TRUTH, FAR_AHEAD, BACKWARDS, ALL_THE_SAME, OLD, BEYOND, COUNT_FALLS, COUNT_BEYOND, NEVER_COUNTS, LIES };
static enum lie lie;
static struct rig rig;
static struct mirror *mirror;
static struct belt_consumer worker[SLOTS][LCORES];
static uint64_t bursts[SLOTS], now_ns;
static bool names_others; /* the liar says of each tick that others ran, it cannot tell what */
static uint32_t sent, came, uncounted; /* slot that settles a burst and does not get to count it; SLOT_NONE: none */

static void turns(uint32_t count)
{
	struct rte_mbuf *mbuf;

	for (uint32_t i = 0; i < count; i++) {
		now_ns += 20000;
		rig_time(&rig, now_ns);
		for (uint32_t l = 0; l < LCORES; l++)
			io_turn(rig.dp->io[l]);
	}
	for (uint32_t l = 0; l < LCORES; l++)
		for (; rte_ring_dequeue(rig.tx[l], (void **)&mbuf) == 0; came++)
			rte_pktmbuf_free(mbuf);
}

/* What the liar writes instead. */
static uint32_t stamp_of(uint32_t slot, uint64_t number)
{
	static uint32_t fall = 1u << 20;

	if (slot != LIAR)
		return (uint32_t)number;
	switch (lie) {
	case FAR_AHEAD: return (uint32_t)number + 1000;
	case BACKWARDS: return (uint32_t)number - fall++ % 1000;
	case ALL_THE_SAME: return 1u << 20;
	case OLD: return (uint32_t)number - 5000;
	case BEYOND: return (uint32_t)number + (1u << 31) - 1;
	default: return (uint32_t)number;
	}
}

static uint64_t count_of(uint32_t slot, uint64_t number)
{
	if (slot != LIAR)
		return number;
	switch (lie) {
	case ALL_THE_SAME: return (1u << 20) - 1;
	case COUNT_FALLS: return number % 2 == 0 ? number : number / 2;
	case COUNT_BEYOND: return UINT64_MAX;
	default: return number;
	}
}

/* Nothing is run in a tick, and that is said. */
static void say_ran(uint32_t slot, uint8_t *data, uint32_t len)
{
	uint8_t *told = data + sizeof(struct belt_tick);

	if (len > sizeof(struct belt_tick))
		memset(told, slot == LIAR && names_others ? 0xff : 0, len - sizeof(struct belt_tick));
}

/* A burst: requests are answered as they are, snapshots copied. */
static uint32_t work_belt(uint32_t slot, uint32_t l)
{
	struct belt_consumer *consumer = &worker[slot][l];
	uint64_t first = consumer->done;
	uint32_t count = belt_take(consumer, BATON_BURST);

	if (count == 0)
		return 0;
	bursts[slot]++;
	for (uint32_t i = 0; i < count; i++) {
		struct belt_slot *entry = belt_slot_at(consumer, first + i);
		uint32_t kind = entry->packet.kind & ~BELT_SUSPECT, verdict = BATON_NO_REPLY;

		if (slot != CANDIDATE)
			consumer->belt->stamp[(first + i) & BELT_MASK] = stamp_of(slot, bursts[slot]);
		if (kind == BELT_PACKET)
			verdict = baton_reply(entry->packet.len);
		if (kind == BELT_TICK)
			say_ran(slot, belt_slot_data(consumer, entry), entry->packet.len);
		if (kind == BELT_SNAPSHOT)
			verdict = SNAPSHOT_COPIED;
		belt_verdict(consumer, first + i, verdict);
	}
	belt_settle(consumer, first + count);
	if (slot != CANDIDATE && !(slot == LIAR && lie == NEVER_COUNTS) && slot != uncounted)
		/* release: as the worker's own loop */
		atomic_store_explicit(&rig.belt[0][slot]->bursts, count_of(slot, bursts[slot]), memory_order_release);
	return count;
}

static void work(uint32_t slot)
{
	for (uint32_t l = 0; l < LCORES && worker[slot][l].belt != NULL; l++)
		work_belt(slot, l);
}

static void everybody(uint32_t rounds)
{
	for (uint32_t i = 0; i < rounds; i++) {
		turns(1);
		for (uint32_t slot = 0; slot <= CANDIDATE; slot++)
			work(slot);
	}
	turns(4);
}

static void move_buckets(uint32_t to, const uint64_t *map)
{
	struct move_report report;
	int id = datapath_move(rig.dp, &(struct move_order){.from = SLOT_NONE, .to = to, .map = map});

	assert_true(id > 0);
	for (uint32_t i = 0; !datapath_move_done(rig.dp, id, &report); i++) {
		assert_true(i < 10000);
		everybody(1);
	}
}

static void comes(uint32_t slot, bool shadow)
{
	for (uint32_t l = 0; l < LCORES; l++) {
		belt_consumer_init(&worker[slot][l], rig.belt[l][slot], &state_control(&rig.state, slot)->commit[l]);
	}
	bursts[slot] = atomic_load(&rig.belt[0][slot]->bursts) + 1;
	datapath_slot_shadow(rig.dp, slot, shadow);
	datapath_slot_attach(rig.dp, slot, 0);
	for (uint32_t i = 0; !datapath_slot_attached(rig.dp, slot); i++) {
		assert_true(i < 1000);
		turns(1);
	}
}

static int begin_with_ticks(uint32_t period_ns)
{
	const uint64_t all[1] = {UINT64_MAX}, half[1] = {UINT32_MAX};

	rig_create(&rig, LCORES, SLOTS, BUCKETS);
	rig.config.group[0].tick_period_ns = period_ns;
	rig.config.group[0].tick_catch_up = 4;
	if (period_ns != 0)
		rig_restart(&rig);
	now_ns = 1700000000ull * 1000000000ull;
	rig_time(&rig, now_ns);
	memset(worker, 0, sizeof(worker));
	lie = TRUTH;
	names_others = false;
	sent = came = 0;
	uncounted = SLOT_NONE;
	comes(0, false);
	comes(1, false);
	move_buckets(0, half);
	move_buckets(1, NULL);
	comes(CANDIDATE, true);
	mirror = mirror_create(0, 0, BUCKETS, LCORES, all, false);
	assert_non_null(mirror);
	datapath_mirror_begin(rig.dp, mirror);
	datapath_mirror_join(rig.dp, mirror, 0, CANDIDATE);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	return begin_with_ticks(0);
}

static int begin_ticking(void **state)
{
	(void)state;
	return begin_with_ticks(2000000);
}

static int end(void **state)
{
	(void)state;
	datapath_mirror_end(rig.dp, mirror);
	turns(10);
	assert_int_equal(atomic_load(&mirror->released), LCORES);
	mirror_destroy(mirror);
	rig_destroy(&rig);
	return 0;
}

/* Packets of all buckets, over both lcores. */
static void inject_over(uint32_t lcore, uint32_t packets)
{
	static uint32_t key;

	for (uint32_t i = 0; i < packets; i++) {
		uint32_t data[4] = {key++ % 500};

		rig_inject(&rig, lcore, rig_frame(&rig, lcore, data, sizeof(data)));
		sent++;
	}
}

static void inject(uint32_t packets)
{
	for (uint32_t i = 0; i < packets; i++)
		inject_over(i % LCORES, 1);
}

static void traffic(uint32_t packets)
{
	for (uint32_t i = 0; i < packets; i += 20, everybody(2))
		inject(20);
	everybody(20);
}

static uint32_t in_step_of(uint32_t slot)
{
	uint32_t count = 0;

	for (uint32_t b = 0; b < BUCKETS; b++)
		count += mirror->bucket[b].in_step != 0 && mirror->bucket[b].slot == slot;
	return count;
}

static void until_in_step(uint32_t slot, uint32_t buckets)
{
	for (uint32_t i = 0; in_step_of(slot) != buckets; i++) {
		assert_true(i < 20000);
		everybody(1);
	}
}

static void both_in_step(void)
{
	until_in_step(LIAR, BUCKETS / 2);
	until_in_step(HONEST, BUCKETS / 2);
}

static const struct mirror_counts *counts(void) { return &mirror->side[0].counts; }

static void everybody_was_answered(void)
{
	everybody(20);
	assert_int_equal(came, sent);
	for (uint32_t l = 0; l < LCORES; l++)
		assert_int_equal(rig.dp->io[l]->ledger.in_belts, 0);
}

/* ---- claims ---- */

static void an_honest_worker_is_never_left_out(void **state)
{
	const uint64_t first_half[1] = {UINT32_MAX};

	(void)state;
	for (uint32_t round = 0; round < 10; round++) {
		uint32_t orphans, dies = round % 2;

		both_in_step();
		traffic(400);
		uncounted = dies;
		inject_over(0, 20);
		turns(2);
		assert_true(work_belt(dies, 0) != 0);
		uncounted = SLOT_NONE;
		datapath_slot_dead(rig.dp, dies);
		for (uint32_t i = 0; !datapath_slot_recovered(rig.dp, dies, &orphans); i++) {
			assert_true(i < 1000);
			turns(1);
		}
		comes(dies, false);
		struct move_report report;
		int id = datapath_move(rig.dp, &(struct move_order){.from = dies, .to = 1 - dies});
		while (!datapath_move_done(rig.dp, id, &report))
			everybody(1);
		id = datapath_move(rig.dp, &(struct move_order){.from = 1 - dies, .to = dies, .map = first_half});
		while (!datapath_move_done(rig.dp, id, &report))
			everybody(1);
	}
	assert_int_equal(mirror->left_out, 0);
	assert_int_equal(counts()->differed, 0);
	assert_true(counts()->compared > 2000);
	everybody_was_answered();
}

static void who_lies_is_left_out_and_the_others_go_on(void **state)
{
	for (lie = FAR_AHEAD; lie < LIES; lie++) {
		enum lie how = lie;

		lie = TRUTH;
		both_in_step();
		traffic(200);
		lie = how;
		traffic(4000);
		if (mirror->left_out != 1ull << LIAR)
			fail_msg("lie %d: left out: %llx", lie, (unsigned long long)mirror->left_out);
		until_in_step(HONEST, BUCKETS / 2);
		uint64_t compared = counts()->compared, dropped = mirror_fed_dropped(mirror);
		traffic(2000);
		/* half of them, less those that found a bucket out of step */
		assert_true(counts()->compared > compared + 800);
		assert_int_equal(mirror_fed_dropped(mirror), dropped);
		assert_int_equal(in_step_of(LIAR), 0);
		everybody_was_answered();
		assert_int_equal(datapath_slot_to_fence(rig.dp), SLOT_NONE); /* production goes on with it */
		end(state);
		begin(state);
		lie = how;
	}
	lie = TRUTH;
}

/* What it says of a tick is nothing of theirs. */
static void who_names_others_buckets_in_a_tick_takes_none_of_them_along(void **state)
{
	(void)state;
	until_in_step(HONEST, BUCKETS / 2);
	names_others = true;
	for (uint32_t i = 0; i < 2000; i++) {
		everybody(1);
		assert_int_equal(in_step_of(HONEST), BUCKETS / 2);
	}
	assert_true(in_step_of(LIAR) < BUCKETS / 2); /* of its own it could not tell either */
	assert_int_equal(counts()->differed, 0);
	everybody_was_answered();
}

/* Settled, never counted, and nothing follows it: its entries stand in the feeds' room, which is everybody's. */
static void an_entry_that_is_never_counted_holds_nobody_up_for_long(void **state)
{
	(void)state;
	both_in_step();
	uncounted = LIAR;
	inject(20);
	turns(2);
	work(LIAR);
	uint64_t until = now_ns + FEED_WAIT_NS + 2 * FEED_LOOK_NS, left_ns = 0;
	for (uint32_t i = 0; now_ns < until; i++) {
		inject(i % 16 == 0); /* what is the liar's fits into its belt */
		turns(2);
		work(HONEST);
		work(CANDIDATE);
		if (mirror->left_out != 0 && left_ns == 0)
			left_ns = now_ns;
	}
	assert_int_equal(mirror->left_out, 1ull << LIAR);
	assert_true(left_ns >= until - 4 * FEED_LOOK_NS); /* not sooner: an honest one may have been stopped there */
	uncounted = SLOT_NONE;
	until_in_step(HONEST, BUCKETS / 2);
	uint64_t compared = counts()->compared;
	traffic(2000);
	assert_true(counts()->compared > compared + 800);
	assert_int_equal(counts()->differed, 0);
	everybody_was_answered();
}

/* The candidate's word is nobody's: but whoever has the slot next would count on from there. */
static void a_shadow_that_counts_is_fenced(void **state)
{
	(void)state;
	both_in_step();
	assert_int_equal(atomic_load(&rig.belt[1][CANDIDATE]->numbered), 0);
	traffic(100);
	assert_int_equal(datapath_slot_to_fence(rig.dp), SLOT_NONE);
	atomic_store(&rig.belt[0][CANDIDATE]->bursts, UINT64_MAX);
	traffic(100);
	assert_int_equal(datapath_slot_to_fence(rig.dp), CANDIDATE);
	assert_int_equal(datapath_fence_why(rig.dp, CANDIDATE), FENCE_NUMBER);
	everybody_was_answered();
}

static void what_a_dead_worker_left_as_its_count_is_nobodys_order(void **state)
{
	uint32_t orphans;

	(void)state;
	atomic_store(&rig.belt[0][CANDIDATE]->bursts, UINT64_MAX - 3);
	datapath_slot_dead(rig.dp, CANDIDATE);
	for (uint32_t i = 0; !datapath_slot_recovered(rig.dp, CANDIDATE, &orphans); i++) {
		assert_true(i < 1000);
		turns(1);
	}
	assert_int_equal(atomic_load(&rig.belt[0][CANDIDATE]->bursts), 0);
}

/* Groups have their shadows at the same time: the end of one is nothing to the other. */
static void the_end_of_a_mirror_leaves_others_numbered(void **state)
{
	struct mirror *other = mirror_create(1, 1, BUCKETS, LCORES, (const uint64_t[]){0}, false);
	(void)state;

	turns(2);
	for (uint32_t l = 0; l < LCORES; l++) {
		assert_int_equal(atomic_load(&rig.belt[l][0]->numbered), 1);
		mirror_begin(rig.dp->io[l], other);
		mirror_end(rig.dp->io[l], other);
		assert_int_equal(atomic_load(&rig.belt[l][0]->numbered), 1);
		assert_int_equal(atomic_load(&rig.belt[l][1]->numbered), 1);
	}
	mirror_destroy(other);
	both_in_step();
	traffic(1000);
	assert_true(counts()->compared > 300);
	assert_int_equal(mirror->left_out, 0);
	everybody_was_answered();
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(an_honest_worker_is_never_left_out),
		CLAIM(who_lies_is_left_out_and_the_others_go_on),
		CLAIM(an_entry_that_is_never_counted_holds_nobody_up_for_long),
		cmocka_unit_test_setup_teardown(who_names_others_buckets_in_a_tick_takes_none_of_them_along, begin_ticking, end),
		CLAIM(a_shadow_that_counts_is_fenced),
		CLAIM(what_a_dead_worker_left_as_its_count_is_nobodys_order),
		CLAIM(the_end_of_a_mirror_leaves_others_numbered),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
