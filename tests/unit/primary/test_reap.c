/* Reap, case by case: a worker that settles while it is being reaped, one that lies, and where buffers go. The source
 * is included so that a worker can act at each of its looks at the commit words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "belt_producer.h"

static void worker_acts(void);

/* What an I/O lcore reads there while the worker runs on another core: it may settle just before and just after. */
static inline int settled_while_working(const struct belt_producer *p)
{
	worker_acts();
	int count = belt_settled(p);
	worker_acts();
	return count;
}

static inline int cells_while_working(const struct belt_producer *p)
{
	worker_acts();
	int count = belt_out_waiting(p);
	worker_acts();
	return count;
}

#define belt_settled settled_while_working
#define belt_out_waiting cells_while_working
#include "primary/datapath/reap.c"
#undef belt_settled
#undef belt_out_waiting

#include "belt_consumer.h"
#include "datapath_rig.h"
#include "residence.h"

#define BUCKETS 64u

static struct rig rig;
static struct belt_consumer worker;
static uint32_t to_settle; /* entries that the worker has yet to settle, one each time it acts */
static uint64_t answered;

static const struct CoreStats *page(void)
{
	return stats_io(&rig.stats, 0);
}

static void take_replies(uint16_t len)
{
	struct rte_mbuf *mbuf;

	while (rte_ring_dequeue(rig.tx[0], (void **)&mbuf) == 0) {
		assert_int_equal(mbuf->pkt_len, 42 + len);
		answered++;
		rte_pktmbuf_free(mbuf);
	}
}

static void turn(void)
{
	for (uint32_t i = 0; i < 200; i++)
		io_turn(rig.dp->io[0]);
}

/* Settles its next entry, with one message that tells of it. */
static void worker_acts(void)
{
	struct belt_out_cell *cell = belt_out_next(&worker);

	if (to_settle == 0 || belt_take(&worker, 1) == 0)
		return;
	to_settle--;
	if (belt_slot_at(&worker, worker.done)->packet.kind == BELT_PACKET) {
		memset(cell, 0, sizeof(*cell));
		cell->cause = worker.done;
		cell->kind = BELT_OUT_MESSAGE;
		cell->len = 16;
		worker.filled++;
		belt_verdict(&worker, worker.done, baton_reply(8));
	} else {
		belt_verdict(&worker, worker.done, BATON_NO_REPLY);
	}
	belt_settle(&worker, worker.done + 1);
}

static int set_up(void **state)
{
	struct move_report report;

	(void)state;
	to_settle = 0;
	answered = 0;
	rig_create(&rig, 1, 1, BUCKETS);
	datapath_slot_attach(rig.dp, 0, 0);
	turn();
	assert_true(datapath_slot_attached(rig.dp, 0));
	belt_consumer_init(&worker, rig.belt[0][0], &state_control(&rig.state, 0)->commit[0]);
	int id = datapath_move(rig.dp, &(struct move_order){.from = SLOT_NONE, .to = 0});
	assert_true(id > 0);
	turn();
	assert_true(datapath_move_done(rig.dp, id, &report));
	/* what was offered meanwhile */
	belt_settle(&worker, worker.done + belt_take(&worker, BELT_SLOTS));
	turn();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_destroy(&rig);
	return 0;
}

static void offer(uint32_t count, uint16_t len)
{
	uint8_t payload[64] = {0};

	for (uint32_t i = 0; i < count; i++) {
		memcpy(payload, &i, sizeof(i));
		rig_inject(&rig, 0, rig_frame(&rig, 0, payload, len));
	}
	while (belt_take(&worker, BELT_SLOTS) < count)
		io_turn(rig.dp->io[0]);
}

/* Whatever of it the lcore sees: the verdict is that of a settled entry, and no cell is missed or comes early. */
static void what_settles_while_it_is_reaped_is_whole(void **state)
{
	(void)state;
	/* slots hold what an older entry left: verdicts of another length */
	for (uint32_t i = 0; i < BELT_SLOTS; i++)
		rig.belt[0][0]->verdict[i] = baton_reply(4);
	for (uint32_t round = 0; round < 1000; round++) {
		offer(3, 16);
		to_settle = 3;
		for (uint32_t i = 0; i < 50 || to_settle != 0; i++) {
			assert_true(i < 10000);
			reap_slot(rig.dp->io[0], 0);
		}
		io_turn(rig.dp->io[0]);
		to_settle = UINT32_MAX; /* the messages */
		turn();
		take_replies(8);
		assert_int_equal(answered, 3 * (round + 1));
		assert_int_equal(page()->messages_posted, 3 * (round + 1));
		assert_int_equal(rig.dp->io[0]->slot[0].fence, 0);
		to_settle = 0;
	}
}

static void a_commit_word_that_no_honest_worker_writes_is_fenced(void **state)
{
	(void)state;
	offer(5, 16);
	atomic_store_explicit(&worker.commit->done, worker.done + 6, memory_order_release);
	turn();
	assert_int_equal(datapath_slot_to_fence(rig.dp), 0);
	take_replies(0);
	assert_int_equal(answered, 0);
	assert_int_equal(page()->reaped, 0);
}

static void a_reply_longer_than_its_request_is_not_sent(void **state)
{
	(void)state;
	offer(1, 16);
	belt_verdict(&worker, worker.done, baton_reply(17));
	belt_settle(&worker, worker.done + 1);
	turn();
	take_replies(0);
	assert_int_equal(answered, 0);
	assert_int_equal(page()->drop[DROP_bad_verdict], 1);
	assert_int_equal(datapath_slot_to_fence(rig.dp), 0);
}

static void what_waits_for_a_worker_and_what_it_settled_is_known(void **state)
{
	struct slot_progress p, before;

	(void)state;
	datapath_slot_progress(rig.dp, 0, &before);
	assert_int_equal(before.waiting, 0);
	offer(5, 16);
	datapath_slot_progress(rig.dp, 0, &p);
	assert_int_equal(p.waiting, 5);
	assert_int_equal(p.settled, before.settled);
	belt_settle(&worker, worker.done + 2);
	datapath_slot_progress(rig.dp, 0, &p);
	assert_int_equal(p.waiting, 3);
	assert_int_equal(p.settled, before.settled + 2);
	before = p;
	uint64_t tsc = rte_rdtsc();
	turn();
	turn();
	datapath_slot_progress(rig.dp, 0, &p);
	assert_true(before.lcores_tsc < tsc && p.lcores_tsc > tsc);
	assert_int_equal(p.waiting, 3);
	belt_settle(&worker, worker.done + 3);
	datapath_slot_progress(rig.dp, 0, &p);
	assert_int_equal(p.waiting, 0);
	atomic_store_explicit(&worker.commit->done, worker.done + 1000, memory_order_release);
	datapath_slot_progress(rig.dp, 0, &p);
	assert_int_equal(p.waiting, 0); /* forged: not a stall */
	atomic_store_explicit(&worker.commit->done, worker.done, memory_order_release);
	turn();
	take_replies(0);
}

/* Answered, not answered, dropped for each reason; the teardown counts what the pool has. */
static void every_buffer_comes_home(void **state)
{
	static const baton_verdict verdict[] = {
		BATON_NO_REPLY, BATON_DROP_MALFORMED, BATON_DROP_RUNT, BATON_DROP_REFUSED, BATON_REPLY | 8u << 16,
		BATON_REPLY_ERROR | 8u << 16,
	};

	(void)state;
	for (uint32_t round = 0; round < 300; round++) {
		offer(32, 16);
		for (uint32_t i = 0; i < 32; i++)
			belt_verdict(&worker, worker.done + i, verdict[(round + i) % 6]);
		belt_settle(&worker, worker.done + 32);
		turn();
		take_replies(8);
	}
	assert_true(page()->no_reply > 1000);
	assert_int_equal(rte_mempool_avail_count(rig.pool[0]), rig.pool[0]->size);
}

/* ---- residence: two slots, workers of several versions one after the other ---- */

static struct belt_consumer in_slot[2];

static void version_comes(uint32_t slot, const char *version)
{
	residence_take(&rig.stats, slot, "game", version);
	datapath_slot_attach(rig.dp, slot, 0);
	turn();
	assert_true(datapath_slot_attached(rig.dp, slot));
	belt_consumer_init(&in_slot[slot], rig.belt[0][slot], &state_control(&rig.state, slot)->commit[0]);
}

static void settle_all(uint32_t slot)
{
	struct belt_consumer *c = &in_slot[slot];
	uint32_t count = belt_take(c, BELT_SLOTS);

	for (uint32_t i = 0; i < count; i++)
		belt_verdict(c, c->done + i, belt_slot_at(c, c->done + i)->packet.kind == BELT_PACKET ? baton_reply(8)
												      : BATON_NO_REPLY);
	belt_settle(c, c->done + count);
}

static void buckets_go(uint32_t from, uint32_t to)
{
	struct move_report report;
	int id = datapath_move(rig.dp, &(struct move_order){.from = from, .to = to});

	assert_true(id > 0);
	for (uint32_t i = 0; !datapath_move_done(rig.dp, id, &report); i++) {
		assert_true(i < 1000);
		turn();
		if (from != SLOT_NONE)
			settle_all(from);
		settle_all(to);
	}
}

static void packets_for(uint32_t slot, uint32_t count)
{
	uint8_t payload[16] = {0};

	for (uint32_t i = 0; i < count; i++)
		rig_inject(&rig, 0, rig_frame(&rig, 0, payload, sizeof(payload)));
	for (uint64_t reaped = page()->reaped; page()->reaped < reaped + count;) {
		turn();
		settle_all(slot);
	}
	take_replies(8);
}

static uint64_t samples_of(const char *version)
{
	uint64_t buckets[STATS_HIST_BUCKETS] = {0}, all[STATS_HIST_BUCKETS] = {0};
	struct stats_version v;

	for (uint32_t lane = 0; lane < rig.stats.lanes; lane++)
		if (stats_version_read(&rig.stats, lane, &v) == 0 && v.id != 0 && strcmp(v.version, version) == 0)
			residence_add(buckets, all, &rig.stats, 0, lane, v.id);
	return hist_count(buckets);
}

static int set_up_versions(void **state)
{
	(void)state;
	to_settle = 0;
	answered = 0;
	rig_create(&rig, 1, 2, BUCKETS);
	return 0;
}

/* Eight packets and fewer are all sampled. */
static void residence_is_that_of_the_version_that_handles(void **state)
{
	uint64_t all[STATS_HIST_BUCKETS] = {0};
	uint32_t orphans;

	(void)state;
	version_comes(0, "1.0");
	version_comes(1, "2.0");
	buckets_go(SLOT_NONE, 0);
	packets_for(0, 3);
	buckets_go(0, 1);
	packets_for(1, 5);
	assert_int_equal(samples_of("1.0"), 3);
	assert_int_equal(samples_of("2.0"), 5);
	datapath_slot_dead(rig.dp, 0);
	turn();
	for (uint32_t i = 0; !datapath_slot_recovered(rig.dp, 0, &orphans); i++) {
		assert_true(i < 1000);
		datapath_poll(rig.dp);
		turn();
	}
	version_comes(0, "3.0"); /* in the slot of 1.0 */
	buckets_go(1, 0);
	packets_for(0, 7);
	assert_int_equal(samples_of("1.0"), 3);
	assert_int_equal(samples_of("2.0"), 5);
	assert_int_equal(samples_of("3.0"), 7);
	residence_add_all(all, &rig.stats, 0);
	assert_int_equal(hist_count(all), 15);
	datapath_slot_dead(rig.dp, 0);
	datapath_slot_dead(rig.dp, 1);
	turn();
}

/* In bursts of all sizes, so that most are not looked at one by one: the sum is exact, and of two buckets of which one
 * has three packets of four, it has about three quarters. Always the same ones, at the same distances. */
static void load_is_counted_by_bucket(void **state)
{
	uint32_t load[BUCKETS], busy = 0, quiet = 0, sum = 0, orphans;

	(void)state;
	version_comes(0, "1.0");
	buckets_go(SLOT_NONE, 0);
	uint64_t before = page()->reaped;
	for (uint32_t i = 0; i < 400; i++) {
		uint32_t burst = 1 + i % 64;

		for (uint32_t k = 0; k < burst; k++) {
			uint8_t payload[16] = { [0] = k % 4 == 0 ? 77 : 1 };
			rig_inject(&rig, 0, rig_frame(&rig, 0, payload, sizeof(payload)));
		}
		for (uint64_t reaped = page()->reaped; page()->reaped < reaped + burst;) {
			turn();
			settle_all(0);
		}
		take_replies(8);
	}
	datapath_load(rig.dp, 0, load);
	for (uint32_t b = 0; b < BUCKETS; b++) {
		sum += load[b];
		if (load[b] > load[busy])
			quiet = busy, busy = b;
		else if (b != busy && load[b] > load[quiet])
			quiet = b;
	}
	assert_int_equal(sum, page()->reaped - before);
	assert_int_equal(load[busy] + load[quiet], sum);
	assert_in_range(load[busy], sum * 65 / 100, sum * 85 / 100);
	datapath_slot_dead(rig.dp, 0);
	turn();
	for (uint32_t i = 0; !datapath_slot_recovered(rig.dp, 0, &orphans) && i < 1000; i++) {
		datapath_poll(rig.dp);
		turn();
	}
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(what_settles_while_it_is_reaped_is_whole),
		CASE(a_commit_word_that_no_honest_worker_writes_is_fenced),
		CASE(a_reply_longer_than_its_request_is_not_sent),
		CASE(what_waits_for_a_worker_and_what_it_settled_is_known),
		CASE(every_buffer_comes_home),
		cmocka_unit_test_setup_teardown(residence_is_that_of_the_version_that_handles, set_up_versions, tear_down),
		cmocka_unit_test_setup_teardown(load_is_counted_by_bucket, set_up_versions, tear_down),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
