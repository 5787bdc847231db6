/* From samples to figures: rates, shares, verdicts; nothing is made up where there is no baseline. */
#include "sample_rig.h"

static void near(double a, double b)
{
	if (a < b - 1e-9 * (1 + b) || a > b + 1e-9 * (1 + b))
		fail_msg("%g is not %g", a, b);
}

static void rates_are_differences_over_tsc_seconds(void **state)
{
	(void)state;
	struct CoreStats *a = &base->page[1], *b = &now->page[1];

	now->tsc = base->tsc + 2 * HZ;
	now->alive_tsc = b->heartbeat = now->tsc;
	a->rx_packets = 1000;
	b->rx_packets = 5000;
	b->tx_packets = 3000;
	a->busy_cycles = 500;
	b->busy_cycles = 500 + 400000;
	b->idle_cycles = 1200000;
	b->bursts = 100;
	b->burst_packets = 4000;
	b->drop[DROP_fragment] = 10;
	b->drop[DROP_malformed] = 30;
	snapshot_derive(s, base, now);
	near(s->interval_s, 2);
	assert_int_equal(s->cores, 5);
	near(s->core[1].rx_pps, 2000);
	near(s->core[1].tx_pps, 1500);
	near(s->core[1].drop_pps, 20);
	near(s->core[1].busy, 0.25);
	near(s->core[1].burst, 40);
	near(s->core[1].cycles, 100);
	near(s->drop[DROP_fragment].pps, 5);
	assert_int_equal(s->drop[DROP_malformed].total, 30);
	assert_int_equal(s->dropped, 40);
	near(s->drop_share, 40.0 / 4000);
	near(s->drop_share_total, 40.0 / 5000);
	near(s->rate[COUNTER_rx_packets], 2000);
	assert_int_equal(s->total[COUNTER_rx_packets], 5000);
}

static void drop_share_counts_what_the_device_never_gave(void **state)
{
	(void)state;
	now->page[1].rx_packets = 900;
	now->page[1].drop[DROP_device_missed] = 100;
	snapshot_derive(s, base, now);
	near(s->drop_share, 0.1);
}

static void worker_figures_come_from_its_page_and_its_entry(void **state)
{
	(void)state;
	struct CoreStats *page = &now->page[3];

	now->worker[1] = (struct stats_worker){ .state = WORKER_STANDBY, .pid = 77, .incarnation = 3, .name = "game.1" };
	page->processed = 500;
	page->processed_cycles = 20000;
	now->page[1].belt[1] = 9; /* the lcore's count, true also of a worker that is stopped */
	snapshot_derive(s, base, now);
	assert_int_equal(s->workers, 2);
	assert_int_equal(s->worker[1].slot, 1);
	assert_int_equal(s->worker[1].entry.pid, 77);
	assert_int_equal(s->worker[1].belt_depth, 9);
	near(s->worker[1].pps, 500);
	near(s->worker[1].cycles, 40);
	near(s->core[3].rx_pps, 500);
	near(s->core[3].tx_pps, UNKNOWN);
}

static void without_a_baseline_nothing_is_a_rate(void **state)
{
	(void)state;
	now->page[1].rx_packets = 1000;
	now->page[1].drop[DROP_runt] = 10;
	for (int i = 0; i < 2; i++) {
		base->boot_id = i == 0 ? base->boot_id : 8; /* counters of another boot are no baseline */
		snapshot_derive(s, i == 0 ? NULL : base, now);
		near(s->interval_s, 0);
		near(s->core[1].rx_pps, UNKNOWN);
		near(s->core[1].busy, UNKNOWN);
		near(s->drop[DROP_runt].pps, UNKNOWN);
		near(s->drop_share, UNKNOWN);
		near(s->drop_share_total, 0.01);
		near(s->rate[COUNTER_rx_packets], UNKNOWN);
		assert_int_equal(s->residence.count, 0);
		assert_int_equal(s->verdict, VERDICT_OK);
	}
}

static void idle_lcore_has_no_cost_per_packet(void **state)
{
	(void)state;
	now->page[1].idle_cycles = 100;
	snapshot_derive(s, base, now);
	near(s->core[1].busy, 0);
	near(s->core[1].cycles, UNKNOWN);
	near(s->core[1].burst, UNKNOWN);
	near(s->drop_share, UNKNOWN);
}

static void residence_is_merged_over_lcores_and_since_the_baseline(void **state)
{
	(void)state;
	base->io_lcores = now->io_lcores = 2; /* page 2 is an I/O lcore now, page 4 the second slot's */
	now->page[2].kind = CORE_IO;
	now->page[2].heartbeat = now->tsc;
	resided(base, 0, 0, 1 << 20, 1000);
	resided(now, 0, 0, 1 << 20, 1000);
	resided(now, 0, 0, 500, 90);
	resided(now, 1, 0, 5000, 10);
	snapshot_derive(s, base, now);
	assert_int_equal(s->residence.count, 100);
	assert_true(s->residence.p50 >= 500 && s->residence.p50 < 600);
	assert_int_equal(s->residence.p90, s->residence.p50);
	assert_true(s->residence.p99 >= 5000 && s->residence.p99 < 5700);
	assert_int_equal(s->residence.max, s->residence.p99);
	assert_int_equal(s->residence_total.count, 1100);
	assert_true(s->residence_total.p50 >= 1 << 20);
}

static void healthy_instance_is_ok(void **state)
{
	(void)state;
	now->page[1].rx_packets = 1000;
	now->page[1].drop[DROP_malformed] = 900; /* what clients send is not our illness */
	snapshot_derive(s, base, now);
	assert_int_equal(s->verdict, VERDICT_OK);
	assert_int_equal(s->reasons, 0);
}

static void expect(enum verdict verdict, const char *reason)
{
	snapshot_derive(s, base, now);
	assert_int_equal(s->verdict, verdict);
	assert_true(s->reasons >= 1);
	assert_non_null(strstr(s->reason[0], reason));
}

static void each_illness_is_named(void **state)
{
	(void)state;
	now->page[1].rx_packets = 100000;
	now->page[1].drop[DROP_belt_full] = 10;
	expect(VERDICT_WARN, "belt_full");
	now->page[1].drop[DROP_no_worker] = 5000;
	expect(VERDICT_CRIT, "no_worker");
	healthy(now, 1);
	now->gone = true;
	expect(VERDICT_CRIT, "stopped");
	healthy(now, 1);
	now->alive_tsc -= 5 * HZ;
	expect(VERDICT_CRIT, "silent for 5 s");
	healthy(now, 1);
	now->page[1].heartbeat -= 3 * HZ;
	expect(VERDICT_CRIT, "lcore 0 silent");
	healthy(now, 1);
	now->page[1].busy_cycles = 95;
	now->page[1].idle_cycles = 5;
	expect(VERDICT_WARN, "io.0 busy 95%");
	healthy(now, 1);
	now->page[1].bursts = 10;
	now->page[1].burst_packets = 600;
	expect(VERDICT_WARN, "bursts of 60");
	healthy(now, 1);
	now->page[1].pool_size = 1000;
	now->page[1].pool_free = 50;
	expect(VERDICT_WARN, "5% of its buffers");
	healthy(now, 1);
	now->worker[0].crashes = 1;
	expect(VERDICT_WARN, "game.0 crashed");
	strcpy(now->worker[0].name, "game.1"); /* another logical worker's history */
	snapshot_derive(s, base, now);
	assert_int_equal(s->verdict, VERDICT_OK);
	healthy(now, 1);
	now->worker[0].state = WORKER_DEAD;
	expect(VERDICT_CRIT, "no worker is active");
	assert_string_equal(s->reason[1], "game.0 is dead");
}

static void only_the_worst_three_are_told_worst_first(void **state)
{
	(void)state;
	now->page[1].bursts = 10;
	now->page[1].burst_packets = 600;
	now->page[1].pool_size = 100;
	now->page[1].pool_free = 1;
	now->worker[0].crashes = 1;
	now->worker[1].state = WORKER_DEAD;
	now->alive_tsc = 0;
	snapshot_derive(s, base, now);
	assert_int_equal(s->verdict, VERDICT_CRIT);
	assert_int_equal(s->reasons, 3);
	assert_non_null(strstr(s->reason[0], "silent"));
	assert_non_null(strstr(s->reason[1], "dead"));
	assert_non_null(strstr(s->reason[2], "crashed"));
}

static void demo_is_the_same_every_time_and_never_runs_backwards(void **state)
{
	(void)state;
	static struct sample third;

	for (uint64_t n = 1; n < 200; n++) {
		sample_demo(base, n - 1, 300000000);
		sample_demo(now, n, 300000000);
		sample_demo(&third, n, 300000000);
		assert_memory_equal(now, &third, sizeof(third));
		for (uint32_t p = 0; p < 1 + now->io_lcores + now->slots; p++)
			for (uint32_t i = 0; i < COUNTER_COUNT; i++)
				assert_true(core_counter(&now->page[p], i) >= core_counter(&base->page[p], i));
		snapshot_derive(s, base, now);
		assert_int_equal(s->verdict, VERDICT_OK);
		assert_true(s->core[1].rx_pps > 1e6);
		assert_true(s->core[1].busy > 0 && s->core[1].busy < 0.85);
	}
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, samples_make, samples_drop)
	const struct CMUnitTest tests[] = {
		T(rates_are_differences_over_tsc_seconds),
		T(drop_share_counts_what_the_device_never_gave),
		T(worker_figures_come_from_its_page_and_its_entry),
		T(without_a_baseline_nothing_is_a_rate),
		T(idle_lcore_has_no_cost_per_packet),
		T(residence_is_merged_over_lcores_and_since_the_baseline),
		T(healthy_instance_is_ok),
		T(each_illness_is_named),
		T(only_the_worst_three_are_told_worst_first),
		T(demo_is_the_same_every_time_and_never_runs_backwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
