/* The worker's loop: every kind of entry, bursts, ownership, ticks, the end. */
#define _GNU_SOURCE
#include "loop_rig.h"

static void packets_of_a_belt_are_answered_in_order(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 1000; i++) {
		offer_request(i % BELTS, i % 7, COUNT);
		if (i % 97 == 0)
			run();
	}
	run();
	assert_int_equal(packets_seen, 1000);
	assert_int_equal(prefetches_seen, 1000);
	for (uint32_t belt = 0; belt < BELTS; belt++) {
		uint64_t last[7] = {0};

		assert_int_equal(reap(belt), 500);
		for (uint32_t i = 0; i < 500; i++) {
			assert_int_equal(reaped.verdict[i], baton_reply(sizeof(struct request)));
			assert_true(reaped.reply[i].count > last[reaped.reply[i].key]);
			last[reaped.reply[i].key] = reaped.reply[i].count;
			if (i > 0)
				assert_true(reaped.entry[i]->time_ns > reaped.entry[i - 1]->time_ns);
		}
	}
	uint64_t sum = 0;
	for (uint32_t key = 0; key < 7; key++)
		sum += read_record(key, key).count;
	assert_int_equal(sum, 1000);
	assert_int_equal(stats->processed, 1000);
	assert_int_equal(stats->burst_packets, 1000);
	assert_true(stats->bursts >= 1000 / BATON_BURST && stats->bursts <= 1000);
	assert_true(stats->processed_cycles > 0);
}

static void a_burst_is_settled_before_another_belt_is_taken_from(void **state)
{
	uint64_t done[BELTS];

	(void)state;
	for (uint32_t i = 0; i < 200; i++)
		offer_request(i % BELTS, i, COUNT);
	done[0] = atomic_load(&primary[0].commit->done);
	done[1] = atomic_load(&primary[1].commit->done);
	for (uint32_t turn = 0; turn < 4; turn++) {
		uint32_t belt = turn % BELTS, expected = turn < 2 ? BATON_BURST : 100 - BATON_BURST;

		assert_int_equal(loop_turn(&loop), expected);
		done[belt] += expected;
		assert_int_equal(atomic_load(&primary[0].commit->done), done[0]);
		assert_int_equal(atomic_load(&primary[1].commit->done), done[1]);
		assert_int_equal(journal_used(), 0);
	}
	assert_int_equal(loop_turn(&loop), 0);
}

static void longer_entries_are_handled_in_their_cells(void **state)
{
	static const uint16_t len[] = {BELT_INLINE, BELT_INLINE + 1, BELT_MEDIUM_BYTES, BELT_MEDIUM_BYTES + 1,
				       BELT_CELL_BYTES};
	uint8_t data[BELT_CELL_BYTES] = {0};
	struct request request = {.key = 3};

	(void)state;
	memcpy(data, &request, sizeof(request));
	for (uint32_t i = 0; i < 20; i++) {
		offer(0, BELT_PACKET, 3, data, len[i % 5]);
		run();
	}
	assert_int_equal(reap(0), 20);
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(reaped.reply[i].count, i + 1);
		assert_int_equal(reaped.verdict[i], baton_reply(len[i % 5]));
	}
}

/* The first three of a burst are too near. */
static void the_plugin_looks_into_medium_cells_once_they_were_asked_for(void **state)
{
	uint8_t data[BELT_MEDIUM_BYTES] = {0};
	struct request request = {.key = 3};

	(void)state;
	memcpy(data, &request, sizeof(request));
	for (uint32_t i = 0; i < 200; i++)
		offer(0, BELT_PACKET, 3, data, BELT_INLINE + 1 + i % 80);
	run();
	assert_int_equal(packets_seen, 200);
	assert_int_equal(prefetches_seen, 197);
	assert_int_equal(reap(0), 200);
}

static void verdicts_are_passed_on_as_they_are(void **state)
{
	static const enum what what[] = {SILENT, MALFORMED, RUNT, COUNT};
	const uint32_t verdict[] = {BATON_NO_REPLY, BATON_DROP_MALFORMED, BATON_DROP_RUNT,
				    baton_reply(sizeof(struct request))};

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		offer_request(0, 5, what[i]);
	run();
	assert_int_equal(reap(0), 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(reaped.verdict[i], verdict[i]);
}

static void a_reply_or_verdict_that_is_none_is_dropped_with_its_effects(void **state)
{
	(void)state;
	offer_request(0, 9, COUNT);
	offer_request(0, 9, TOO_LONG);
	offer_request(0, 9, NO_VERDICT);
	offer_request(0, 10, TOO_LONG); /* would have made the record */
	offer_request(0, 9, COUNT);
	run();
	assert_int_equal(reap(0), 5);
	for (uint32_t i = 1; i < 4; i++)
		assert_int_equal(reaped.verdict[i], BATON_DROP_MALFORMED);
	assert_int_equal(reaped.reply[4].count, 2);
	assert_int_equal(read_record(9, 9).count, 2);
	assert_int_equal(read_record(9, 9).last_time, reaped.entry[4]->time_ns);
	struct record gone;
	assert_int_equal(state_read_record(&memory, 0, 10, 10, &gone, sizeof(gone)), -ENOENT);
}

static void an_entry_that_needs_more_undo_bytes_than_declared_is_undone_and_counted(void **state)
{
	(void)state;
	offer_request(1, 9, COUNT);
	offer_request(1, 9, TOO_MUCH);
	offer_request(1, 9, COUNT);
	run();
	assert_int_equal(reap(1), 3);
	assert_int_equal(reaped.verdict[1], BATON_DROP_REFUSED);
	assert_int_equal(reaped.reply[2].count, 2);
	assert_int_equal(stats->undone, 1);
}

static void refusals_and_full_buckets_are_counted_over_incarnations(void **state)
{
	(void)state;
	for (uint32_t life = 1; life <= 3; life++) {
		start_worker(false);
		for (uint32_t i = 0; i < 2; i++) {
			offer_request(0, 9, TOO_MUCH);
			run();
		}
		uint64_t full_before = stats->table_full;
		for (uint64_t i = 0; i < memory.header->group[0].bucket_slots + 5; i++) {
			offer_request(0, i * BUCKETS + 1, COUNT);
			run();
		}
		assert_int_equal(stats->undone, 2 * life);
		assert_int_equal(stats->table_full, full_before + 5);
		assert_int_equal(reap(0), memory.header->group[0].bucket_slots + 7);
	}
}

static void a_bucket_is_owned_from_the_first_grant_to_the_last_revoke(void **state)
{
	(void)state;
	offer_buckets(0, BELT_GRANT, 1ull << 5 | 1ull << 63);
	run();
	assert_int_equal(loop.owned_buckets, 2);
	offer_buckets(1, BELT_GRANT, 1ull << 5 | 1ull << 63);
	offer_buckets(0, BELT_GRANT, 1ull << 6);
	run();
	assert_int_equal(loop.owned_buckets, 3);
	offer_buckets(0, BELT_REVOKE, 1ull << 5);
	run();
	assert_int_equal(loop.owned_buckets, 3); /* the other belt has not revoked it */
	assert_int_equal(loop.owned[5], 1);
	offer_buckets(1, BELT_REVOKE, 1ull << 5);
	run();
	assert_int_equal(loop.owned_buckets, 2);
	assert_int_equal(loop.owned[5], 0);
	assert_int_equal(reap(0) + reap(1), 5);
}

static void every_bucket_can_be_named_without_a_map(void **state)
{
	(void)state;
	offer_buckets(0, BELT_GRANT, UINT64_MAX);
	run();
	assert_int_equal(loop.owned_buckets, BUCKETS);
	offer_buckets(0, BELT_REVOKE, UINT64_MAX);
	run();
	assert_int_equal(loop.owned_buckets, 0);
}

static void a_range_beyond_the_buckets_is_cut(void **state)
{
	uint8_t bytes[sizeof(struct belt_buckets) + 16];
	struct belt_buckets head = {.first = BUCKETS - 2, .count = 100};

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	memcpy(bytes, &head, sizeof(head));
	offer(0, BELT_GRANT, 0, bytes, sizeof(bytes));
	head.first = UINT32_MAX;
	memcpy(bytes, &head, sizeof(head));
	offer(0, BELT_GRANT, 0, bytes, sizeof(bytes));
	run();
	assert_int_equal(loop.owned_buckets, 2);
	assert_int_equal(reap(0), 2);
}

/* Random grants and revokes of random buckets on both belts, as moves may overlap, against a model. */
static void ownership_is_that_of_the_model(void **state)
{
	uint64_t random = fake_seed("ownership_is_that_of_the_model");
	uint64_t granted[BELTS] = {0};

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t belt = fake_random(&random) % BELTS;
		uint64_t map = fake_random(&random) & fake_random(&random);
		bool grant = fake_random(&random) % 2;

		map &= grant ? ~granted[belt] : granted[belt];
		granted[belt] ^= map;
		offer_buckets(belt, grant ? BELT_GRANT : BELT_REVOKE, map);
		run();
		reap(belt);
		uint64_t owned = granted[0] | granted[1];
		assert_int_equal(loop.owned_buckets, __builtin_popcountll(owned));
		for (uint32_t b = 0; b < BUCKETS; b++)
			assert_int_equal(loop.owned[b] != 0, owned >> b & 1u);
	}
}

static void a_tick_runs_once_per_number_and_owned_bucket(void **state)
{
	(void)state;
	offer_buckets(0, BELT_GRANT, 1ull << 1 | 1ull << 2 | 1ull << 5);
	offer_tick(0, 100, 1, 4); /* buckets 1, 5, 9, ... */
	offer_tick(0, 100, 1, 4);
	offer_tick(1, 100, 1, 4);
	offer_tick(0, 101, 1, 4);
	offer_tick(0, 99, 1, 4);
	run();
	assert_int_equal(read_record(1, 1).numbers, 1); /* 0, then 1 */
	assert_int_equal(read_record(5, 5).numbers, 1);
	assert_int_equal(read_record(2, 2).numbers, 0); /* another group's */
	assert_int_equal(read_record(9, 9).numbers, 0); /* not ours */
	assert_int_equal(txn_last_tick(&loop.txn, 1), 101);
	assert_int_equal(txn_last_tick(&loop.txn, 9), 0);
	assert_int_equal(read_record(1, 1).last_time, TICK_15 + 86ull * 1000000);
	assert_int_equal(reap(0) + reap(1), 6);
	offer_tick(0, 101, 2, 4);
	run();
	assert_int_equal(read_record(2, 2).numbers, 1);
}

static void missed_ticks_are_made_up_for_four_an_entry(void **state)
{
	(void)state;
	offer_buckets(0, BELT_GRANT, 1ull << 7);
	offer_tick(0, 11, 0, 1);
	offer_tick(0, 18, 0, 1);
	run();
	assert_int_equal(reap(0), 3);
	assert_int_equal(reaped.verdict[1], BATON_NO_REPLY);
	assert_int_equal(reaped.verdict[2], TICK_BEHIND); /* so that the primary posts it again */
	assert_int_equal(read_record(7, 7).numbers, 12345);
	assert_int_equal(read_record(7, 7).last_time, TICK_15); /* its own time, not that of the entry */
	offer_tick(0, 18, 0, 1);
	run();
	assert_int_equal(reap(0), 1);
	assert_int_equal(reaped.verdict[0], BATON_NO_REPLY);
	assert_int_equal(read_record(7, 7).numbers, 12345678);
	offer_tick(0, 18, 0, 1);
	run();
	assert_int_equal(read_record(7, 7).numbers, 12345678);
}

static void another_worker_goes_on_with_the_ticks(void **state)
{
	(void)state;
	offer_buckets(0, BELT_GRANT, 1ull << 7);
	offer_tick(0, 11, 0, 1);
	run();
	start_worker(false);
	offer_tick(0, 12, 0, 1);
	run();
	assert_int_equal(read_record(7, 7).numbers, 1); /* owns nothing yet */
	offer_buckets(1, BELT_GRANT, 1ull << 7);
	offer_tick(1, 13, 0, 1);
	run();
	assert_int_equal(read_record(7, 7).numbers, 123);
}

static void chance_and_time_of_a_tick_are_the_same_whoever_runs_it(void **state)
{
	(void)state;
	offer_buckets(0, BELT_GRANT, 1ull << 7);
	offer_tick(0, 11, 0, 1);
	offer_tick(0, 12, 0, 1);
	run();
	struct record first = read_record(7, 7);
	tear_down(NULL);
	set_up(NULL);
	for (uint32_t i = 0; i < 10; i++) /* other receive times */
		offer_request(1, i, COUNT);
	offer_buckets(1, BELT_GRANT, 1ull << 7);
	offer_tick(1, 11, 0, 1);
	offer_tick(1, 12, 0, 1);
	run();
	struct record again = read_record(7, 7);
	assert_int_equal(first.chance, again.chance);
	assert_int_equal(first.last_time, again.last_time);
	assert_int_equal(first.numbers, again.numbers);
}

static void an_entry_of_an_unknown_kind_is_passed_over(void **state)
{
	(void)state;
	offer(0, 0, 0, NULL, 0);
	offer(0, BELT_MESSAGE + 1, 0, NULL, 0);
	offer(0, 255, 0, NULL, 0);
	offer_request(0, 1, COUNT);
	run();
	assert_int_equal(reap(0), 4);
	assert_int_equal(reaped.reply[3].count, 1);
}

static void nothing_is_taken_after_a_stop(void **state)
{
	(void)state;
	offer_request(0, 1, COUNT);
	offer(0, BELT_STOP, 0, NULL, 0);
	offer_request(0, 1, COUNT);
	offer_request(1, 1, COUNT);
	loop_run(&loop); /* returns */
	assert_int_equal(loop_turn(&loop), 0);
	assert_int_equal(reap(0), 2);
	assert_int_equal(reaped.reply[0].count, 1);
	assert_true(reap(1) <= 1); /* if it came first */
	assert_int_equal(journal_used(), 0);
	assert_int_equal(read_record(1, 1).count, packets_seen);
	assert_true(stats->loops >= stats->busy_loops && stats->busy_loops > 0);
	assert_true(stats->heartbeat > 0 && stats->busy_cycles > 0);
}

static void belts_and_buckets_out_of_range_are_refused(void **state)
{
	struct belt *belt[BELTS] = {primary[0].belt, primary[1].belt};
	struct belt_commit *commit = state_control(&memory, 0)->commit;

	(void)state;
	assert_int_equal(loop_init(&loop, &plugin, belt, commit, 0, BUCKETS, stats, TSC_HZ, false), -EINVAL);
	assert_int_equal(
	    loop_init(&loop, &plugin, belt, commit, BATON_MAX_IO_LCORES + 1, BUCKETS, stats, TSC_HZ, false), -EINVAL);
	assert_int_equal(loop_init(&loop, &plugin, belt, commit, BELTS, 0, stats, TSC_HZ, false), -EINVAL);
	assert_int_equal(loop_init(&loop, &plugin, belt, commit, BELTS, BATON_MAX_BUCKETS + 1, stats, TSC_HZ, false),
			 -EINVAL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(packets_of_a_belt_are_answered_in_order),
		TEST(a_burst_is_settled_before_another_belt_is_taken_from),
		TEST(longer_entries_are_handled_in_their_cells),
		TEST(the_plugin_looks_into_medium_cells_once_they_were_asked_for),
		TEST(verdicts_are_passed_on_as_they_are),
		TEST(a_reply_or_verdict_that_is_none_is_dropped_with_its_effects),
		TEST(an_entry_that_needs_more_undo_bytes_than_declared_is_undone_and_counted),
		TEST(refusals_and_full_buckets_are_counted_over_incarnations),
		TEST(a_bucket_is_owned_from_the_first_grant_to_the_last_revoke),
		TEST(every_bucket_can_be_named_without_a_map),
		TEST(a_range_beyond_the_buckets_is_cut),
		TEST(ownership_is_that_of_the_model),
		TEST(a_tick_runs_once_per_number_and_owned_bucket),
		TEST(missed_ticks_are_made_up_for_four_an_entry),
		TEST(another_worker_goes_on_with_the_ticks),
		TEST(chance_and_time_of_a_tick_are_the_same_whoever_runs_it),
		TEST(an_entry_of_an_unknown_kind_is_passed_over),
		TEST(nothing_is_taken_after_a_stop),
		TEST(belts_and_buckets_out_of_range_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
