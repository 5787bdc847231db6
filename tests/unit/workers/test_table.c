/* The keyed table against a plain model: what is found, what is full, how long probes get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>

#include <cmocka.h>

#include "fake.h"
#include "txn.h"

#define BUCKETS 4u
#define SLOTS   32u
#define RECORD  24u
#define KEYS    64u /* more than slots */

static struct state state;
static struct baton_ctx ctx;

/* Every call below is an entry of its own, settled at once. */
static void begin(uint32_t bucket)
{
	journal_clear(&state_control(&state, 0)->journal, &ctx);
	ctx.bucket = bucket;
	ctx.limit = JOURNAL_BYTES;
	ctx.overflow = 0;
}

static void end(void)
{
	journal_end_entry(&ctx, 0);
}

static int start(void **context)
{
	(void)context;
	fake_state_create(&state, BUCKETS, RECORD, BUCKETS * SLOTS / 4, 1, 1);
	ctx = (struct baton_ctx){0};
	state_bind(&state, 0, 0, &ctx);
	assert_int_equal(ctx.bucket_slots, SLOTS);
	return 0;
}

static int stop(void **context)
{
	(void)context;
	state_close(&state);
	return 0;
}

static void the_table_is_a_map_per_bucket(void **context)
{
	uint64_t random = fake_seed("test_table"), model[BUCKETS][KEYS] = {{0}};
	uint32_t count[BUCKETS] = {0}, full = 0;

	(void)context;
	for (uint32_t round = 0; round < 200000; round++) {
		uint32_t bucket = fake_below(&random, BUCKETS), key = fake_below(&random, KEYS);
		uint64_t value = fake_random(&random);

		begin(bucket);
		uint64_t *data = baton_find(&ctx, key);
		assert_int_equal(data != NULL, model[bucket][key] != 0);
		if (data != NULL) {
			assert_int_equal(*data, model[bucket][key]);
			if (value >> 60 < 8) {
				assert_true(baton_remove(&ctx, data));
				assert_true(ctx.used <= BATON_UNDO_REMOVE);
				model[bucket][key] = 0;
				count[bucket]--;
			}
		} else if ((data = baton_insert(&ctx, key)) == NULL) {
			assert_int_equal(count[bucket], SLOTS);
			assert_int_equal(ctx.used, 0);
			full++;
		} else {
			assert_int_equal(ctx.used, journal_cost(sizeof(struct baton_record) + RECORD));
			for (uint32_t i = 0; i < RECORD / 8; i++)
				assert_int_equal(data[i], 0);
			*data = model[bucket][key] = value | 1;
			count[bucket]++;
		}
		end();
		uint64_t out[RECORD / 8];
		int rc = state_read_record(&state, 0, bucket, key, out, sizeof(out));
		assert_int_equal(rc, model[bucket][key] != 0 ? 0 : -ENOENT);
		if (rc == 0)
			assert_int_equal(out[0], model[bucket][key]);
	}
	assert_true(full > 100);
	assert_int_equal(ctx.table_full, full);
	for (uint32_t bucket = 0; bucket < BUCKETS; bucket++) {
		uint32_t iter = 0, seen = 0;
		uint64_t key;

		begin(bucket);
		for (uint64_t *data; (data = baton_next(&ctx, &iter, &key)) != NULL; seen++)
			assert_int_equal(*data, model[bucket][key]);
		assert_int_equal(seen, count[bucket]);
	}
}

/* Slots that a probe for `key` looks at. */
static uint32_t probes(uint64_t key)
{
	uint32_t at = (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 32), i;

	for (i = 0; i < SLOTS; i++) {
		const struct baton_record *record =
		    (const struct baton_record *)(const void *)(ctx.records + ((at + i) & (SLOTS - 1)) * ctx.stride);
		if (record->state == BATON_RECORD_EMPTY)
			break;
	}
	return i;
}

static void probes_stay_short_while_players_come_and_go(void **context)
{
	uint64_t random = fake_seed("test_table"), live[SLOTS / 4], next = 1, sum = 0;

	(void)context;
	/* once every slot was taken: nothing but removed records is left */
	for (uint32_t i = 0; i < SLOTS; i++) {
		begin(0);
		assert_non_null(baton_insert(&ctx, 1000000 + i));
		end();
	}
	for (uint32_t i = 0; i < SLOTS; i++) {
		begin(0);
		assert_true(baton_remove(&ctx, baton_find(&ctx, 1000000 + i)));
		end();
	}
	for (uint32_t i = 0; i < SLOTS / 4; i++) {
		begin(0);
		assert_non_null(baton_insert(&ctx, live[i] = next++));
		end();
	}
	for (uint32_t round = 0; round < 20000; round++) {
		uint32_t i = fake_below(&random, SLOTS / 4);

		begin(0);
		assert_true(baton_remove(&ctx, baton_find(&ctx, live[i])));
		end();
		begin(0);
		assert_non_null(baton_insert(&ctx, live[i] = fake_random(&random)));
		end();
		if (round >= 10000)
			sum += probes(fake_random(&random));
	}
	/* a quarter full: an ideal table looks at 0.4 on average before it finds nothing */
	printf("%.2f probes for a key that is not there\n", (double)sum / 10000);
	assert_true(sum < 8000);
}

static void nothing_changes_when_the_undo_bytes_are_spent(void **context)
{
	uint8_t before[SLOTS * 64];

	(void)context;
	begin(1);
	uint8_t *data = baton_insert(&ctx, 5);
	assert_non_null(data);
	end();
	memcpy(before, ctx.records + ctx.bucket_bytes, sizeof(before));
	for (uint32_t limit = 0; limit < 24; limit += 8) {
		begin(1);
		ctx.limit = limit;
		assert_null(baton_insert(&ctx, 6));
		assert_true(ctx.overflow);
		ctx.overflow = 0;
		assert_false(baton_remove(&ctx, data));
		assert_true(ctx.overflow);
		assert_memory_equal(before, ctx.records + ctx.bucket_bytes, sizeof(before));
	}
	assert_int_equal(ctx.table_full, 0); /* it was not full */
}

static void only_records_of_the_entrys_bucket_can_be_saved(void **context)
{
	uint8_t *base = ctx.records + 2 * ctx.bucket_bytes;
	const struct { const uint8_t *at; uint32_t len; bool good; } rows[] = {
		{base, 64, true}, {base + 16, 48, true}, {base + 63, 1, true}, {base + ctx.bucket_bytes - 1, 1, true},
		{base + 16, 49, false}, {base + 63, 2, false}, {base - 1, 1, false},
		{base + ctx.bucket_bytes, 1, false},
		{base + 16, UINT32_MAX, false}, {base + 16, UINT32_MAX - 7, false}, {ctx.records, 8, false},
		{NULL, 8, false}, {(const uint8_t *)&rows, 8, false},
	};

	(void)context;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(2);
		assert_int_equal(baton_save(&ctx, rows[i].at, rows[i].len), rows[i].good);
		assert_int_equal(ctx.overflow, !rows[i].good);
		assert_int_equal(ctx.used != 0, rows[i].good);
		end();
	}
	begin(2);
	assert_false(baton_remove(&ctx, base - 48));    /* of another bucket */
	assert_false(baton_remove(&ctx, base + 16 + 1)); /* not a record */
	assert_int_equal(ctx.used, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(the_table_is_a_map_per_bucket),
		TEST(probes_stay_short_while_players_come_and_go),
		TEST(nothing_changes_when_the_undo_bytes_are_spent),
		TEST(only_records_of_the_entrys_bucket_can_be_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
