/* The source of samples follows the instance: over restarts of the primary, files that are not sound, torn entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hist.h"
#include "monitor/top/snapshot.h"
#include "residence.h"

#define HZ 1000000000ull

static struct sample *base, *now;
static struct snapshot *s;
static char instance[BATON_NAME_BYTES];

static int start(void **state)
{
	(void)state;
	base = sample_create();
	now = sample_create();
	s = malloc(sizeof(*s));
	return base == NULL || now == NULL || s == NULL ? -1 : 0;
}

static int finish(void **state)
{
	(void)state;
	stats_unlink(instance);
	free(base);
	free(now);
	free(s);
	return 0;
}

static void source_follows_a_primary_that_starts_anew(void **state)
{
	(void)state;
	struct stats first = { 0 }, second = { 0 };
	struct source source;

	assert_int_equal(source_open(&source, instance), -ENOENT);
	assert_int_equal(stats_create(&first, instance, 1, 1, HZ, NULL), 0);
	stats_io(&first, 0)->rx_packets = 111;
	assert_int_equal(source_open(&source, instance), 0);
	source_take(&source, base);
	assert_int_equal(base->page[1].rx_packets, 111);
	assert_false(base->gone);
	stats_unlink(instance);
	source_take(&source, now); /* the last figures stay to be seen */
	assert_true(now->gone);
	assert_int_equal(now->page[1].rx_packets, 111);
	assert_int_equal(stats_create(&second, instance, 2, 4, HZ, NULL), 0);
	stats_io(&second, 1)->rx_packets = 222;
	source_take(&source, now);
	assert_false(now->gone);
	assert_int_equal(now->io_lcores, 2);
	assert_int_equal(now->slots, 4);
	assert_int_equal(sample_io(now, 1)->rx_packets, 222);
	assert_true(now->boot_id != base->boot_id);
	assert_string_equal(now->instance, instance);
	snapshot_derive(s, base, now);
	assert_true(s->interval_s == 0);
	source_close(&source);
	stats_detach(&first);
	stats_detach(&second);
}

static void file_that_is_not_sound_leaves_the_old_one_attached(void **state)
{
	(void)state;
	struct stats first = { 0 }, second = { 0 };
	struct source source;

	assert_int_equal(stats_create(&first, instance, 1, 1, HZ, NULL), 0);
	assert_int_equal(source_open(&source, instance), 0);
	assert_int_equal(stats_create(&second, instance, 1, 1, HZ, NULL), 0);
	second.header->version++;
	source_take(&source, now);
	assert_true(now->boot_id == first.header->boot_id);
	second.header->version--;
	source_take(&source, now);
	assert_true(now->boot_id == second.header->boot_id);
	source_close(&source);
	stats_detach(&first);
	stats_detach(&second);
}

static void torn_directory_entry_is_left_out(void **state)
{
	(void)state;
	struct stats w = { 0 };
	struct source source;

	assert_int_equal(stats_create(&w, instance, 1, 2, HZ, NULL), 0);
	stats_worker_write(&w, 0, &(struct stats_worker){ .state = WORKER_ACTIVE, .pid = 5 });
	stats_worker_write(&w, 1, &(struct stats_worker){ .state = WORKER_ACTIVE, .pid = 6 });
	atomic_fetch_add(&w.header->worker[1].seq, 1);
	assert_int_equal(source_open(&source, instance), 0);
	source_take(&source, now);
	assert_int_equal(now->worker[0].pid, 5);
	assert_int_equal(now->worker[1].state, WORKER_NONE);
	source_close(&source);
	stats_detach(&w);
}

static void versions_ports_and_zygote_are_copied(void **state)
{
	(void)state;
	struct stats w = { 0 };
	struct source source;

	assert_int_equal(stats_create(&w, instance, 2, 2, HZ, NULL), 0);
	assert_int_equal(source_open(&source, instance), 0);
	source_take(&source, now);
	assert_int_equal(now->ports, 0);
	assert_int_equal(now->lanes, 2 + STATS_LANES_KEPT);
	assert_int_equal(now->version[0].entry.id, 0);
	residence_take(&w, 0, "game", "1.0");
	residence_take(&w, 1, "game", "2.0");
	stats_add(&residence_open(&w, 0, 0)[hist_bucket(500)], 3);
	stats_add(&residence_open(&w, 1, 0)[hist_bucket(500)], 4);
	stats_add(&residence_open(&w, 1, 1)[hist_bucket(900)], 5);
	stats_port_write(&w, 0, &(struct stats_port){ .state = PORT_GONE, .name = "lan", .interface = "eth1" });
	stats_port_write(&w, 1, &(struct stats_port){ .name = "wan" });
	atomic_fetch_add(&w.header->port[1].seq, 1); /* half written */
	w.header->ports = 2;
	atomic_store(&w.header->zygote_pid, 70);
	atomic_store(&w.header->zygote_deaths, 2);
	source_take(&source, now);
	assert_string_equal(now->version[0].entry.version, "1.0");
	assert_int_equal(now->version[0].count[hist_bucket(500)], 7);
	assert_int_equal(hist_count(now->version[1].count), 5);
	assert_int_equal(hist_count(now->residence[0]), 3);
	assert_int_equal(hist_count(now->residence[1]), 9);
	assert_int_equal(now->ports, 2);
	assert_int_equal(now->port[0].state, PORT_GONE);
	assert_string_equal(now->port[0].interface, "eth1");
	assert_int_equal(now->port[1].name[0], 0);
	assert_int_equal(now->zygote_pid, 70);
	assert_int_equal(now->zygote_spare_pid, 0);
	assert_int_equal(now->zygote_deaths, 2);
	w.header->ports = UINT32_MAX;
	w.header->io_lcores = UINT32_MAX; /* what is mapped does not grow by that */
	source_take(&source, now);
	assert_int_equal(now->ports, BATON_MAX_PORTS);
	assert_int_equal(now->io_lcores, 2);
	source_close(&source);
	stats_detach(&w);
}

static struct stats counting;
static _Atomic bool enough;

static void *count_on(void *arg)
{
	uint64_t *counts = residence_open(&counting, 0, 0);

	for (uint64_t n = 0; !atomic_load(&enough); n++)
		stats_add(&counts[n % 64], 1);
	return arg;
}

/* No sample is taken for one of an earlier version because it was counted between two readings. */
static void what_is_counted_meanwhile_is_of_its_version(void **state)
{
	(void)state;
	struct source source;
	pthread_t writer;

	assert_int_equal(stats_create(&counting, instance, 1, 1, HZ, NULL), 0);
	residence_take(&counting, 0, "game", "1.0");
	atomic_store(&enough, false);
	assert_int_equal(source_open(&source, instance), 0);
	assert_int_equal(pthread_create(&writer, NULL, count_on, NULL), 0);
	do
		source_take(&source, base);
	while (hist_count(base->version[0].count) < 1000);
	for (int i = 0; i < 500; i++) {
		source_take(&source, now);
		assert_memory_equal(now->version[0].count, now->residence[0], sizeof(now->residence[0]));
		snapshot_derive_since(s, base, NULL, now);
		assert_int_equal(s->earlier.count, 0);
	}
	atomic_store(&enough, true);
	pthread_join(writer, NULL);
	source_close(&source);
	stats_detach(&counting);
}

static void list_names_instances_and_nothing_else(void **state)
{
	(void)state;
	struct stats w = { 0 };
	char names[64][BATON_NAME_BYTES];
	bool before = false, after = false;

	for (uint32_t i = 0, n = source_list(names, 64); i < n; i++)
		before |= strcmp(names[i], instance) == 0;
	assert_int_equal(stats_create(&w, instance, 1, 1, HZ, NULL), 0);
	for (uint32_t i = 0, n = source_list(names, 64); i < n; i++) {
		after |= strcmp(names[i], instance) == 0;
		assert_true(i == 0 || strcmp(names[i - 1], names[i]) < 0);
	}
	assert_false(before);
	assert_true(after);
	assert_int_equal(source_list(names, 0), 0);
	if (geteuid() == 0) { /* a stranger's is none: who wants the only instance must not find two */
		char path[BATON_PATH_BYTES];

		snprintf(path, sizeof(path), BATON_STATS_PATH_FMT, instance);
		assert_int_equal(chown(path, 12345, 12345), 0);
		for (uint32_t i = 0, n = source_list(names, 64); i < n; i++)
			assert_string_not_equal(names[i], instance);
	}
	stats_detach(&w);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, start, finish)
	const struct CMUnitTest tests[] = {
		T(source_follows_a_primary_that_starts_anew),
		T(file_that_is_not_sound_leaves_the_old_one_attached),
		T(torn_directory_entry_is_left_out),
		T(versions_ports_and_zygote_are_copied),
		T(what_is_counted_meanwhile_is_of_its_version),
		T(list_names_instances_and_nothing_else),
	};

	snprintf(instance, sizeof(instance), "top-test-%d", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
