/* Lanes of residence: who gets which, what a lane that changes hands keeps, and what a monitor reads meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hist.h"
#include "residence.h"

#define LCORES 2u
#define SLOTS  3u
#define LANES  (SLOTS + STATS_LANES_KEPT)

static char instance[BATON_NAME_BYTES];
static struct stats w, r; /* the primary's, a monitor's */

static int start(void **state)
{
	(void)state;
	return stats_create(&w, instance, LCORES, SLOTS, 1000000000, NULL) != 0 || stats_attach(&r, instance) != 0;
}

static int finish(void **state)
{
	(void)state;
	stats_detach(&r);
	stats_detach(&w);
	stats_unlink(instance);
	return 0;
}

static uint32_t lane_of(uint32_t slot)
{
	return w.header->slot_lane[slot] - 1;
}

/* A worker of the version comes to the slot, and each lcore attaches it. */
static void comes(uint32_t slot, const char *group, const char *version)
{
	residence_take(&w, slot, group, version);
	for (uint32_t i = 0; i < LCORES; i++)
		residence_open(&w, i, slot);
}

static void count(uint32_t lcore, uint32_t slot, uint64_t ns, uint32_t packets)
{
	stats_add(&residence_open(&w, lcore, slot)[hist_bucket(ns)], packets);
}

/* Samples of the version, over all lcores: as a monitor finds it by name. UINT64_MAX: it is not there. */
static uint64_t samples_of(const char *group, const char *version)
{
	uint64_t buckets[STATS_HIST_BUCKETS] = { 0 }, all[STATS_HIST_BUCKETS] = { 0 };
	struct stats_version v;

	for (uint32_t lane = 0; lane < r.lanes; lane++) {
		assert_int_equal(stats_version_read(&r, lane, &v), 0);
		if (v.id == 0 || strcmp(v.group, group) != 0 || strcmp(v.version, version) != 0)
			continue;
		for (uint32_t i = 0; i < r.io_lcores; i++)
			residence_add(buckets, all, &r, i, lane, v.id);
		return hist_count(buckets);
	}
	return UINT64_MAX;
}

static uint64_t samples_in_all(void)
{
	uint64_t buckets[STATS_HIST_BUCKETS] = { 0 };

	for (uint32_t i = 0; i < r.io_lcores; i++)
		residence_add_all(buckets, &r, i);
	return hist_count(buckets);
}

static void slots_and_incarnations_of_a_version_add_up(void **state)
{
	(void)state;
	comes(0, "game", "1.0");
	comes(1, "game", "1.0");
	comes(2, "echo", "1.0");
	assert_int_equal(lane_of(0), lane_of(1));
	assert_int_not_equal(lane_of(0), lane_of(2)); /* another group's 1.0 is another program */
	count(0, 0, 700, 3);
	count(1, 1, 900, 4);
	count(1, 2, 900, 5);
	comes(0, "game", "1.0"); /* its next incarnation */
	count(0, 0, 700, 6);
	assert_int_equal(samples_of("game", "1.0"), 13);
	assert_int_equal(samples_of("echo", "1.0"), 5);
	assert_int_equal(samples_in_all(), 18);
}

static void a_version_that_is_gone_keeps_its_figures(void **state)
{
	(void)state;
	comes(0, "game", "1.0");
	count(0, 0, 700, 3);
	comes(0, "game", "2.0");
	count(0, 0, 700, 5);
	assert_int_equal(samples_of("game", "1.0"), 3);
	assert_int_equal(samples_of("game", "2.0"), 5);
	comes(1, "game", "1.0"); /* rolled back: it goes on */
	count(0, 1, 700, 1);
	assert_int_equal(samples_of("game", "1.0"), 4);
}

static void what_was_counted_before_is_not_the_next_versions(void **state)
{
	(void)state;
	char version[BATON_NAME_BYTES];

	comes(1, "game", "stays");
	count(1, 1, 700, 1000);
	/* slot 1 has a lane; the next LANES - 1 versions fill the others, the one after them needs the first's */
	for (uint32_t i = 0; i < LANES; i++) {
		snprintf(version, sizeof(version), "%u", i);
		comes(0, "game", version);
		count(0, 0, 700, 100 + i);
		count(1, 0, 900, 10);
	}
	assert_true(samples_of("game", "0") == UINT64_MAX); /* the one that nobody had for the longest time */
	assert_int_equal(samples_of("game", "1"), 111);
	assert_int_equal(samples_of("game", version), 100 + LANES - 1 + 10);
	assert_int_equal(samples_of("game", "stays"), 1000);
	uint64_t all = 1000;
	for (uint32_t i = 0; i < LANES; i++)
		all += 110 + i;
	assert_int_equal(samples_in_all(), all); /* nothing is reset */
}

static void a_version_with_a_worker_is_never_given_up(void **state)
{
	(void)state;
	char version[BATON_NAME_BYTES];

	comes(1, "game", "a");
	comes(2, "game", "b");
	count(0, 1, 700, 1);
	count(0, 2, 700, 2);
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(version, sizeof(version), "%u", i);
		comes(0, "game", version);
		count(0, 0, 700, 1);
		assert_int_equal(samples_of("game", version), 1);
		assert_int_equal(samples_of("game", "a"), 1);
		assert_int_equal(samples_of("game", "b"), 2);
	}
}

static void a_version_has_nothing_before_the_lcore_knows_of_it(void **state)
{
	(void)state;
	char version[BATON_NAME_BYTES];

	for (uint32_t i = 0; i < LANES; i++) {
		snprintf(version, sizeof(version), "%u", i);
		comes(0, "game", version);
		count(0, 0, 700, 9);
		count(1, 0, 700, 9);
	}
	residence_take(&w, 0, "game", "new");
	assert_int_equal(samples_of("game", "new"), 0); /* neither has attached it: what is in the lane is another's */
	residence_open(&w, 0, 0);
	count(0, 0, 700, 2);
	assert_int_equal(samples_of("game", "new"), 2);
}

#define ROUNDS 20000u

static void *take_turns(void *arg)
{
	char version[BATON_NAME_BYTES];

	for (uint32_t i = 0; i < ROUNDS; i++) {
		snprintf(version, sizeof(version), "%u", i);
		residence_take(&w, 0, "game", version);
		uint64_t *counts = residence_open(&w, 0, 0);
		for (uint32_t k = 0; k < 16; k++)
			stats_add(&counts[i % STATS_HIST_BUCKETS], 1);
	}
	return arg;
}

/* Each version counts 16 in a bucket of its own number. */
static void a_lane_that_changes_hands_is_never_read_as_both(void **state)
{
	(void)state;
	pthread_t writer;
	struct stats_version v, after;
	uint64_t seen = 0;
	bool last = false;

	assert_int_equal(pthread_create(&writer, NULL, take_turns, NULL), 0);
	while (!last)
		for (uint32_t lane = 0; lane < LANES; lane++) {
			uint64_t buckets[STATS_HIST_BUCKETS] = { 0 }, all[STATS_HIST_BUCKETS] = { 0 };
			if (stats_version_read(&r, lane, &v) != 0 || v.id == 0)
				continue;
			residence_add(buckets, all, &r, 0, lane, v.id);
			if (stats_version_read(&r, lane, &after) != 0 || after.id != v.id)
				continue;
			last |= v.id == ROUNDS;
			uint32_t own = (uint32_t)strtoul(v.version, NULL, 10) % STATS_HIST_BUCKETS;
			assert_in_range(buckets[own], 0, 16);
			assert_int_equal(hist_count(buckets), buckets[own]);
			assert_true(hist_count(all) >= hist_count(buckets));
			seen += buckets[own];
		}
	pthread_join(writer, NULL);
	assert_true(seen > 0);
	assert_int_equal(samples_in_all(), 16 * ROUNDS);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, start, finish)
	const struct CMUnitTest tests[] = {
		T(slots_and_incarnations_of_a_version_add_up),
		T(a_version_that_is_gone_keeps_its_figures),
		T(what_was_counted_before_is_not_the_next_versions),
		T(a_version_with_a_worker_is_never_given_up),
		T(a_version_has_nothing_before_the_lcore_knows_of_it),
		T(a_lane_that_changes_hands_is_never_read_as_both),
	};

	snprintf(instance, sizeof(instance), "residence-%d", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
