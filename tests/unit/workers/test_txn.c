/* Transactions as the loop uses them: settle, early settle, refusal, ticks, the same seed again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>

#include <cmocka.h>

#include "fake.h"
#include "txn.h"

#define BUCKETS 8u
#define RECORD  40u
#define COST    56u /* of a save of 40 bytes */

static struct state state;
static struct fake_primary primary[2];
static struct belt_consumer consumer[2];
static struct fake_entry entry = {.kind = BELT_PACKET, .len = 32};
static struct txn txn;

static void bind(uint32_t max_undo)
{
	txn = (struct txn){0};
	assert_int_equal(txn_bind(&txn, &state, 0, 0, max_undo, 99), 0);
	for (uint32_t b = 0; b < 2; b++)
		belt_consumer_init(&consumer[b], primary[b].belt, primary[b].commit);
}

static int start(void **context)
{
	(void)context;
	fake_state_create(&state, BUCKETS, RECORD, 64, 1, 2);
	for (uint32_t b = 0; b < 2; b++)
		fake_primary_init(&primary[b], &state_control(&state, 0)->commit[b], b, 0);
	for (uint32_t i = 0; i < 1000; i++)
		assert_true(fake_offer(&primary[0], &entry) && fake_offer(&primary[1], &entry));
	bind(4 * COST);
	return 0;
}

static int stop(void **context)
{
	(void)context;
	for (uint32_t b = 0; b < 2; b++)
		fake_primary_fini(&primary[b]);
	state_close(&state);
	return 0;
}

static struct journal *journal(void)
{
	return &state_control(&state, 0)->journal;
}

static uint64_t done(uint32_t b)
{
	return atomic_load(&primary[b].commit->done);
}

/* The value of key 1 of `bucket`, inserted by the first call; changes it by one save. */
static bool add(uint64_t n)
{
	uint64_t *value = baton_find(&txn.ctx, 1);

	if (value == NULL && (value = baton_insert(&txn.ctx, 1)) == NULL)
		return false;
	if (!baton_save(&txn.ctx, value, RECORD))
		return false;
	*value += n;
	return true;
}

static uint64_t value(uint32_t bucket)
{
	uint64_t out = 0;
	int rc = state_read_record(&state, 0, bucket, 1, &out, sizeof(out));

	assert_true(rc == 0 || rc == -ENOENT);
	return out;
}

static uint32_t undo(void)
{
	struct journal_report report;

	assert_int_equal(state_roll_back(&state, 0, &report), 0);
	return report.undone;
}

static void a_burst_is_open_until_it_is_settled(void **context)
{
	(void)context;
	txn_open(&txn, &consumer[1], 1);
	for (uint32_t i = 0; i < 3; i++) {
		txn_begin(&txn, 5, 2);
		assert_true(add(1));
		assert_int_equal(txn_end(&txn, baton_reply(7)), baton_reply(7));
	}
	assert_int_equal(value(2), 3); /* readable, not settled */
	assert_int_equal(done(1), 0);
	assert_int_equal(journal()->belt, 1);
	assert_int_equal(undo(), 4);
	assert_int_equal(value(2), 0);
	bind(4 * COST);
	txn_open(&txn, &consumer[1], 1);
	txn_begin(&txn, 5, 2);
	assert_true(add(10));
	txn_end(&txn, baton_reply(7));
	txn_pass(&txn);
	txn_settle(&txn);
	assert_int_equal(done(1), 2);
	assert_int_equal(done(0), 0);
	assert_int_equal(undo(), 0);
	assert_int_equal(value(2), 10);
	txn_open(&txn, &consumer[0], 0); /* the other belt, from its own position */
	txn_begin(&txn, 5, 2);
	assert_true(add(1));
	txn_end(&txn, baton_no_reply());
	assert_int_equal(journal()->belt, 0);
	assert_int_equal(journal()->first, 0);
	assert_int_equal(undo(), 1);
	assert_int_equal(value(2), 10);
}

static void verdicts_stand_in_the_belt_in_order(void **context)
{
	(void)context;
	txn_open(&txn, &consumer[0], 0);
	for (uint16_t i = 0; i < 10; i++) {
		txn_begin(&txn, i, 0);
		txn_end(&txn, baton_reply(i));
	}
	txn_pass(&txn);
	txn_settle(&txn);
	assert_int_equal(belt_settled(&primary[0].producer), 11);
	for (uint16_t i = 0; i < 11; i++) {
		uint32_t verdict, longs = 0;
		const uint8_t *reply;
		belt_settled_at(&primary[0].producer, i, &longs, &verdict, &reply);
		assert_int_equal(verdict, i < 10 ? baton_reply(i) : BATON_NO_REPLY);
	}
}

static void an_entry_that_needs_too_much_is_undone_alone_and_counted(void **context)
{
	(void)context;
	txn_open(&txn, &consumer[0], 0);
	txn_begin(&txn, 1, 3);
	assert_true(add(5));
	txn_end(&txn, baton_reply(1));
	txn_begin(&txn, 2, 3);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(add(100));
	assert_false(add(100));
	assert_false(add(100));
	consumer[0].filled += 2; /* it posted two cells */
	for (uint32_t i = 0; i < 2; i++)
		primary[0].belt->out[i].cause = txn.position;
	assert_int_equal(txn_end(&txn, baton_reply(1)), BATON_DROP_REFUSED);
	assert_int_equal(consumer[0].filled, 0);
	assert_int_equal(txn.undone, 1);
	assert_int_equal(value(3), 5);
	txn_begin(&txn, 3, 3); /* the next one starts clean */
	assert_true(add(1));
	assert_int_equal(txn_end(&txn, baton_reply(1)), baton_reply(1));
	txn_settle(&txn);
	assert_int_equal(value(3), 6);
	assert_int_equal(primary[0].belt->verdict[1], BATON_DROP_REFUSED);
}

static void a_full_journal_settles_early_and_the_rest_of_the_burst_can_still_be_undone(void **context)
{
	uint32_t i;

	(void)context;
	bind(JOURNAL_BYTES / 2);
	txn_open(&txn, &consumer[0], 0);
	for (i = 0; txn.early_settles == 0; i++) {
		assert_true(i < 1000);
		txn_begin(&txn, i, 4);
		for (uint32_t n = 0; n < 50; n++)
			assert_true(add(1));
		txn_end(&txn, baton_reply(1));
	}
	/* all but the entry that had no room are settled, under a header of their own */
	assert_int_equal(done(0), i - 1);
	assert_int_equal(consumer[0].done, i - 1);
	assert_int_equal(journal()->first, i - 1);
	assert_int_equal(value(4), i * 50);
	assert_int_equal(undo(), 50);
	assert_int_equal(value(4), (i - 1) * 50);
}

static void a_tick_and_its_number_are_one(void **context)
{
	struct bucket_word *words = state_words(&state, 0);

	(void)context;
	txn_open(&txn, &consumer[0], 0);
	for (uint64_t number = 7; number <= 8; number++) {
		for (uint32_t bucket = 1; bucket < BUCKETS; bucket += 2) {
			assert_true(txn_last_tick(&txn, bucket) < number);
			txn_begin_tick(&txn, number, number * 1000, bucket);
			assert_int_equal(txn.ctx.time_ns, number * 1000);
			assert_int_equal(txn.ctx.bucket, bucket);
			assert_true(add(number));
			txn_end_tick(&txn);
		}
		txn_pass(&txn);
	}
	assert_int_equal(words[3].last_tick, 8);
	assert_int_equal(value(3), 15);
	undo();
	assert_int_equal(words[3].last_tick, 0);
	assert_int_equal(value(3), 0);
	bind(4 * COST);
	txn_open(&txn, &consumer[0], 0);
	txn_begin_tick(&txn, 9, 9000, 3);
	while (add(1))
		;
	txn_end_tick(&txn);
	assert_int_equal(txn.undone, 1);
	txn_pass(&txn);
	txn_settle(&txn);
	assert_int_equal(words[3].last_tick, 9); /* refused ticks are passed over, not tried for ever */
	assert_int_equal(value(3), 0);
	assert_int_equal(undo(), 0);
}

static void an_early_settle_in_the_middle_of_a_tick_keeps_whole_buckets(void **context)
{
	struct bucket_word *words = state_words(&state, 0);
	uint32_t ticks = 0;

	(void)context;
	bind(JOURNAL_BYTES / 2);
	txn_open(&txn, &consumer[0], 0);
	for (uint64_t number = 1; txn.early_settles == 0; number++) {
		for (uint32_t bucket = 0; bucket < BUCKETS; bucket++, ticks++) {
			txn_begin_tick(&txn, number, number, bucket);
			for (uint32_t n = 0; n < 100; n++)
				assert_true(add(1));
			txn_end_tick(&txn);
		}
	}
	assert_int_equal(done(0), 0); /* the entry is not settled, its first buckets are */
	undo();
	uint64_t sum = 0;
	for (uint32_t bucket = 0; bucket < BUCKETS; bucket++) {
		assert_int_equal(value(bucket), words[bucket].last_tick * 100);
		sum += words[bucket].last_tick;
	}
	assert_true(sum > 0 && sum < ticks);
}

static void chance_is_the_same_when_an_entry_is_handled_again(void **context)
{
	uint64_t first, again;

	(void)context;
	txn_open(&txn, &consumer[0], 0);
	txn_begin(&txn, 123456, 5);
	first = baton_random(&txn.ctx);
	assert_int_not_equal(first, baton_random(&txn.ctx));
	txn_end(&txn, 0);
	bind(0); /* another worker, another belt */
	txn_open(&txn, &consumer[1], 1);
	txn_begin(&txn, 1, 5);
	again = baton_random(&txn.ctx);
	assert_int_not_equal(first, again);
	txn_end(&txn, 0);
	txn_begin(&txn, 123456, 6);
	assert_int_not_equal(first, baton_random(&txn.ctx));
	txn_end(&txn, 0);
	txn_begin(&txn, 123456, 5);
	assert_int_equal(first, baton_random(&txn.ctx));
	txn_end(&txn, 0);
	txn.salt++;
	txn_begin(&txn, 123456, 5);
	assert_int_not_equal(first, baton_random(&txn.ctx));
	txn_end(&txn, 0);
}

static void a_worker_does_not_start_on_a_journal_that_was_not_rolled_back(void **context)
{
	struct txn other = {0};

	(void)context;
	txn_open(&txn, &consumer[0], 0);
	txn_begin(&txn, 1, 0);
	assert_true(add(1));
	txn_end(&txn, 0);
	assert_int_equal(txn_bind(&other, &state, 0, 0, 8, 0), -ESTALE);
	undo();
	assert_int_equal(txn_bind(&other, &state, 0, 0, 8, 0), 0);
	assert_int_equal(txn_bind(&other, &state, 1, 0, 8, 0), -EINVAL);
	assert_int_equal(txn_bind(&other, &state, 0, 1, 8, 0), -EINVAL);
	assert_int_equal(txn_bind(&other, &state, 0, 0, JOURNAL_BYTES / 2 + 1, 0), -E2BIG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(a_burst_is_open_until_it_is_settled),
		TEST(verdicts_stand_in_the_belt_in_order),
		TEST(an_entry_that_needs_too_much_is_undone_alone_and_counted),
		TEST(a_full_journal_settles_early_and_the_rest_of_the_burst_can_still_be_undone),
		TEST(a_tick_and_its_number_are_one),
		TEST(an_early_settle_in_the_middle_of_a_tick_keeps_whole_buckets),
		TEST(chance_is_the_same_when_an_entry_is_handled_again),
		TEST(a_worker_does_not_start_on_a_journal_that_was_not_rolled_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
