/* What a start of the primary makes of the state file that a killed one has left. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "held_store.h"
#include "journal.h"
#include "primary.h"

#define SLOTS  3u
#define BYTES  32u
#define BUCKET 5u

static struct primary primary;

static int setup(void **state)
{
	struct config *config = &primary.config;

	(void)state;
	memset(&primary, 0, sizeof(primary));
	config->groups = 1;
	config->worker_slots = SLOTS;
	config->io_cores = 2;
	snprintf(config->state_file, sizeof(config->state_file), "/dev/shm/baton.test.start.%d", (int)getpid());
	unlink(config->state_file);
	primary.served = true; /* the file is kept */
	return state_group_init(&primary.state_group[0], "game", 64, BYTES, 1000, 1);
}

static int teardown(void **state)
{
	(void)state;
	unlink(primary.config.state_file);
	return 0;
}

static uint8_t *record(uint32_t slot)
{
	const struct state_group *g = &primary.state.header->group[0];

	/* a bucket of its own for each worker */
	return state_records(&primary.state, 0) + (size_t)(BUCKET + slot) * g->bucket_slots * g->stride +
	       sizeof(struct baton_record);
}

/* A worker changes its record in a burst from `first` of belt 1 on, and dies with the primary. */
static void change(uint32_t slot, uint64_t first, uint8_t value)
{
	struct journal *journal = &state_control(&primary.state, slot)->journal;
	struct baton_ctx ctx = { .bucket = BUCKET + slot };

	state_bind(&primary.state, slot, 0, &ctx);
	journal_open(journal, &ctx, 1, first);
	ctx.limit = JOURNAL_BYTES;
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(baton_save(&ctx, record(slot), BYTES));
		memset(record(slot), value + (int)i, BYTES);
	}
}

static void start(void) { assert_int_equal(state_file_init(&primary), 0); }
static void die(void) { state_file_fini(&primary); } /* as the kernel does it: unmapped and closed */

static void half_done_bursts_of_the_last_run_are_undone_and_settled_ones_kept(void **state)
{
	(void)state;
	start();
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		memset(record(slot), 1, BYTES);
		atomic_store(&state_control(&primary.state, slot)->commit[1].done, 100);
	}
	change(0, 100, 7);
	change(1, 100, 7);
	change(2, 99, 7); /* it died between `done` and `used = 0` */
	die();
	start();
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		const struct control_block *control = state_control(&primary.state, slot);
		const struct baton_record *r = (const struct baton_record *)(void *)record(slot) - 1;

		assert_int_equal(record(slot)[0], slot < 2 ? 1 : 8);
		assert_int_equal(record(slot)[BYTES - 1], slot < 2 ? 1 : 8);
		assert_int_equal(atomic_load(&control->journal.used), 0);
		assert_int_equal(atomic_load(&control->commit[1].done), 100); /* positions go on from there */
		if (slot < 2)
			assert_int_equal(r->seq & 1, 0);
	}
	/* The next worker of slot 0 changes it again and settles; one more start takes nothing back. */
	change(0, 100, 20);
	atomic_store(&state_control(&primary.state, 0)->commit[1].done, 101);
	die();
	start();
	assert_int_equal(record(0)[0], 21);
	die();
}

/* A bucket of schema 3, and a version that is of schema 1: that ends the start, unless it is held. */
static void a_bucket_that_is_held_does_not_keep_the_version_from_starting(void **state)
{
	static char path[64];
	FILE *file;

	(void)state;
	primary.config.services = 1;
	primary.config.service[0].buckets = 64;
	snprintf(primary.config.service[0].name, sizeof(primary.config.service[0].name), "udp");
	snprintf(primary.config.group[0].name, sizeof(primary.config.group[0].name), "game");
	primary.plugin[0].record_size = BYTES;
	primary.plugin[0].schema = 1;
	start();
	uint64_t salt = primary.state.header->salt;
	bucket_word_store(&state_words(&primary.state, 0)[BUCKET], 3, 0, 0);
	die();
	assert_int_equal(state_file_init(&primary), -ESTALE);
	assert_int_equal(held_store_init(&primary), 0);
	snprintf(path, sizeof(path), "/tmp/baton.test.held.%d", (int)getpid());
	snprintf(primary.held->path, sizeof(primary.held->path), "%s", path);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "{\"schema\": 1, \"state\": \"%016llx\", \"buckets\": [{\"group\": \"game\", \"service\": \"udp\", "
		"\"bucket\": %u, \"schema\": 3, \"to_schema\": 1, \"deaths\": 3, \"version\": \"3\"}]}",
		(unsigned long long)salt, BUCKET);
	fclose(file);
	start();
	assert_int_equal(primary.held->count, 1);
	assert_int_equal(primary.held->bucket[0].deaths, 3);
	/* Another one is another matter. */
	bucket_word_store(&state_words(&primary.state, 0)[BUCKET + 1], 3, 0, 0);
	die();
	primary.held->count = 0;
	assert_int_equal(state_file_init(&primary), -ESTALE);
	held_store_fini(&primary);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(half_done_bursts_of_the_last_run_are_undone_and_settled_ones_kept, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_bucket_that_is_held_does_not_keep_the_version_from_starting, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
