/* Residence from histograms to percentiles: by version, over lanes that change hands and totals that count from now. */
#include "sample_rig.h"

/* The version's row; fails if there is none. */
static const struct snapshot_version *row(const char *version)
{
	for (uint32_t i = 0; i < s->versions; i++)
		if (strcmp(s->version[i].version, version) == 0)
			return &s->version[i];
	fail_msg("no row of version %s", version);
	return NULL;
}

static int start(void **state)
{
	int rc = samples_make(state);

	base->io_lcores = now->io_lcores = 2; /* page 2 is an I/O lcore now */
	now->page[2].kind = CORE_IO;
	now->page[2].heartbeat = now->tsc;
	for (int i = 0; i < 2; i++) {
		lane_of(i == 0 ? base : now, 0, 1, "1.0");
		lane_of(i == 0 ? base : now, 1, 2, "2.0");
		resided(i == 0 ? base : now, 0, 0, 1 << 20, 1000);
	}
	return rc;
}

static void each_version_has_what_its_packets_took(void **state)
{
	(void)state;
	resided(now, 0, 0, 500, 90);
	resided(now, 1, 0, 500, 10);
	resided(now, 1, 1, 5000, 7);
	snapshot_derive(s, base, now);
	assert_int_equal(s->versions, 2);
	assert_int_equal(row("1.0")->now.count, 100);
	assert_int_equal(row("1.0")->now.p99, row("1.0")->now.p50);
	assert_true(row("1.0")->now.p50 >= 500 && row("1.0")->now.p50 < 600);
	assert_int_equal(row("1.0")->total.count, 1100);
	assert_true(row("1.0")->total.p50 >= 1 << 20);
	assert_int_equal(row("2.0")->now.count, 7);
	assert_true(row("2.0")->now.p50 >= 5000 && row("2.0")->now.p50 < 5700);
	assert_int_equal(row("2.0")->total.count, 7);
	assert_int_equal(s->residence.count, 107);
	assert_int_equal(s->residence_total.count, 1107);
	assert_int_equal(s->lcore[1].now.count, 17);
	assert_int_equal(s->earlier.count, 0);
}

static void those_with_workers_come_first_then_the_latest(void **state)
{
	(void)state;
	lane_of(now, 2, 9, "4.0");
	now->version[0].entry.taken = 5; /* of 1.0: it has a worker */
	now->version[1].entry.taken = 8; /* of 2.0 */
	now->version[2].entry.taken = 6;
	snapshot_derive(s, base, now);
	assert_int_equal(s->versions, 3);
	assert_string_equal(s->version[0].version, "1.0");
	assert_int_equal(s->version[0].workers, 1);
	assert_string_equal(s->version[1].version, "2.0");
	assert_int_equal(s->version[1].workers, 0);
	assert_true(s->version[1].pps == UNKNOWN);
	assert_string_equal(s->version[2].version, "4.0");
}

static void a_version_that_takes_a_lane_over_begins_at_nothing(void **state)
{
	(void)state;
	resided(base, 0, 1, 700, 50);
	resided(now, 0, 1, 700, 60); /* ten more before its lane was needed */
	lane_of(now, 1, 3, "3.0");
	resided(now, 0, 1, 900, 5);
	snapshot_derive(s, base, now);
	assert_int_equal(row("3.0")->now.count, 5);
	assert_int_equal(row("3.0")->total.count, 5);
	assert_int_equal(s->earlier.count, 60);
	assert_int_equal(s->residence.count, 15);
	assert_int_equal(s->residence_total.count, 1065);
	snapshot_derive_since(s, base, base, now);
	assert_int_equal(row("1.0")->total.count, 0);
	assert_int_equal(row("3.0")->total.count, 5);
	assert_int_equal(s->earlier.count, 10); /* the others were counted before */
	assert_int_equal(s->residence_total.count, 15);
}

static void a_worker_that_is_not_ready_has_no_residence(void **state)
{
	(void)state;
	now->worker[1] = (struct stats_worker){ .state = WORKER_STARTING, .group = "game", .name = "game.1" };
	snapshot_derive(s, base, now);
	assert_false(row("")->counted);
	assert_true(row("1.0")->counted);
	assert_int_equal(row("")->total.count, 0);
}

/* Each has its own lane and a row, and nothing is lost of them. */
static void as_many_versions_as_there_can_be_are_told_apart(void **state)
{
	char version[BATON_NAME_BYTES];

	(void)state;
	now->slots = BATON_MAX_WORKERS;
	now->lanes = STATS_LANES_MAX;
	for (uint32_t i = 0; i < now->lanes; i++) {
		snprintf(version, sizeof(version), "v%u", i);
		lane_of(now, i, 100 + i, version);
		resided(now, i % 2, i, 1000 + i, 1 + i);
	}
	for (uint32_t i = 0; i < now->slots; i++) {
		now->worker[i] = (struct stats_worker){ .state = WORKER_STARTING };
		snprintf(now->worker[i].group, sizeof(now->worker[i].group), "group %u", i);
	}
	snapshot_derive(s, NULL, now);
	assert_int_equal(s->versions, SNAPSHOT_VERSIONS);
	assert_int_equal(row("v71")->total.count, 72);
	assert_int_equal(s->earlier.count, 1000);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, start, samples_drop)
	const struct CMUnitTest tests[] = {
		T(each_version_has_what_its_packets_took),
		T(those_with_workers_come_first_then_the_latest),
		T(a_version_that_takes_a_lane_over_begins_at_nothing),
		T(a_worker_that_is_not_ready_has_no_residence),
		T(as_many_versions_as_there_can_be_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
