/* The source of samples follows the instance: over restarts of the primary, files that are not sound, torn entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "monitor/top/snapshot.h"

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
	stats_detach(&w);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, start, finish)
	const struct CMUnitTest tests[] = {
		T(source_follows_a_primary_that_starts_anew),
		T(file_that_is_not_sound_leaves_the_old_one_attached),
		T(torn_directory_entry_is_left_out),
		T(list_names_instances_and_nothing_else),
	};

	snprintf(instance, sizeof(instance), "top-test-%d", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
