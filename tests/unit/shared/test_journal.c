/* The undo journal: what is undone, what is left alone, and what a damaged one can do (nothing). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>

#include <cmocka.h>

#include "fake.h"

#define BELTS    2u
#define STRIDE   128u
#define SLOTS    16u
#define BUCKETS  4u
#define RECORDS  (BUCKETS * SLOTS * STRIDE)
#define WORDS    (BUCKETS * sizeof(struct bucket_word))
#define CANARY   256u

static struct journal journal_memory;
static struct journal *const journal = &journal_memory;
static struct belt_commit commit[BELTS];
static uint8_t memory[CANARY + RECORDS + CANARY] baton_aligned(128);
static uint8_t word_memory[CANARY + WORDS + CANARY] baton_aligned(64);
static struct journal_area area;
static struct baton_ctx ctx;

static int start(void **context)
{
	(void)context;
	memset(journal, 0, sizeof(*journal));
	memset(commit, 0, sizeof(commit));
	memset(memory, 0xc7, sizeof(memory));
	memset(word_memory, 0xc7, sizeof(word_memory));
	memset(memory + CANARY, 0, RECORDS);
	memset(word_memory + CANARY, 0, WORDS);
	area = (struct journal_area){memory + CANARY, RECORDS, STRIDE, word_memory + CANARY, WORDS};
	ctx = (struct baton_ctx){
		.records = area.records,
		.records_bytes = RECORDS,
		.bucket_bytes = SLOTS * STRIDE,
		.bucket_slots = SLOTS,
		.stride = STRIDE,
		.record_size = 100,
		.journal = journal->records,
		.journal_used = (uint32_t *)(uintptr_t)&journal->used,
		.limit = JOURNAL_BYTES,
		.last = JOURNAL_NONE,
	};
	journal_open(journal, &ctx, 0, 0);
	return 0;
}

static int stop(void **context)
{
	(void)context;
	for (uint32_t i = 0; i < CANARY; i++) {
		assert_int_equal(memory[i], 0xc7);
		assert_int_equal(memory[CANARY + RECORDS + i], 0xc7);
		assert_int_equal(word_memory[i], 0xc7);
		assert_int_equal(word_memory[CANARY + WORDS + i], 0xc7);
	}
	return 0;
}

static struct baton_record *record(uint32_t bucket, uint32_t slot)
{
	return (struct baton_record *)(void *)(area.records + (bucket * SLOTS + slot) * STRIDE);
}

/* Saves and sets one byte of a record's bytes. */
static void set(uint32_t bucket, uint32_t slot, uint32_t at, uint8_t value)
{
	uint8_t *byte = (uint8_t *)(record(bucket, slot) + 1) + at;

	ctx.bucket = bucket;
	assert_true(baton_save(&ctx, byte, 1));
	*byte = value;
}

static uint8_t get(uint32_t bucket, uint32_t slot, uint32_t at)
{
	return ((uint8_t *)(record(bucket, slot) + 1))[at];
}

static int roll_back(struct journal_report *report)
{
	return journal_roll_back(journal, commit, BELTS, &area, report);
}

static void an_unsettled_burst_is_undone_backwards(void **context)
{
	struct journal_report report;

	(void)context;
	journal_open(journal, &ctx, 1, 40);
	atomic_store(&commit[1].done, 40);
	atomic_store(&commit[0].done, 99);
	for (uint8_t i = 1; i <= 5; i++)
		set(2, 3, 7, i);
	set(1, 0, 0, 9);
	journal_end_entry(&ctx, 0);
	set(2, 3, 8, 1);
	assert_int_equal(roll_back(&report), 0);
	assert_true(report.valid);
	assert_int_equal(report.undone, 7);
	assert_int_equal(report.belt, 1);
	assert_int_equal(report.first, 40);
	assert_int_equal(get(2, 3, 7), 0);
	assert_int_equal(get(2, 3, 8), 0);
	assert_int_equal(get(1, 0, 0), 0);
	assert_int_equal(journal->used, 0);
	assert_int_equal(roll_back(&report), 0);
	assert_false(report.valid);
	assert_int_equal(report.undone, 0);
}

static void a_settled_burst_is_left_alone_and_its_journal_closed(void **context)
{
	struct journal_report report;

	(void)context;
	set(0, 0, 0, 5);
	journal_end_entry(&ctx, 0);
	atomic_store(&commit[0].done, 1);
	assert_int_equal(roll_back(&report), 0);
	assert_false(report.valid);
	assert_int_equal(report.undone, 0);
	assert_int_equal(get(0, 0, 0), 5);
	assert_int_equal(journal->used, 0);
}

static void every_record_named_is_readable_after_a_roll_back(void **context)
{
	struct journal_report report;

	(void)context;
	ctx.bucket = 1;
	/* killed after the sequence word became odd, before any byte changed */
	assert_true(baton_save(&ctx, record(1, 1) + 1, 100));
	assert_int_equal(record(1, 1)->seq & 1, 1);
	/* killed between the undo record and the sequence word */
	set(1, 2, 0, 1);
	record(1, 2)->seq = 6;
	/* killed in the middle of the end of an entry */
	set(1, 3, 0, 1);
	set(1, 3, 1, 1);
	record(1, 3)->seq++;
	uint32_t seq = record(1, 3)->seq;
	assert_int_equal(roll_back(&report), 0);
	for (uint32_t slot = 1; slot <= 3; slot++) {
		assert_int_equal(record(1, slot)->seq & 1, 0);
		assert_int_equal(get(1, slot, 0), 0);
	}
	assert_true(record(1, 3)->seq > seq); /* a reader that copied before the undo must see a change */
	assert_int_equal(record(1, 2)->seq, 8);
}

static void the_header_of_a_record_is_restored_but_for_its_sequence_word(void **context)
{
	struct journal_report report;
	struct baton_record *r = record(3, 15);

	(void)context;
	r->key = 0x1122334455667788;
	r->state = BATON_RECORD_GONE;
	memset(r + 1, 0x33, 100);
	r->seq = 20;
	ctx.bucket = 3;
	assert_true(baton_save(&ctx, r, sizeof(*r) + 100));
	r->key = 1;
	r->state = BATON_RECORD_USED;
	memset(r + 1, 0, 100);
	assert_int_equal(roll_back(&report), 0);
	assert_int_equal(r->key, 0x1122334455667788);
	assert_int_equal(r->state, BATON_RECORD_GONE);
	assert_int_equal(r->seq, 22);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(get(3, 15, i), 0x33);
	/* parts of the header, cut at every byte */
	for (uint32_t from = 0; from < 16; from++) {
		for (uint32_t to = from + 1; to <= 16; to++) {
			uint8_t before[16];

			start(context);
			memset(r, 0x40, 16);
			memcpy(before, r, 16);
			ctx.bucket = 3;
			assert_true(baton_save(&ctx, (uint8_t *)r + from, to - from));
			for (uint32_t i = from; i < to; i++)
				if (i < 8 || i >= 12)
					((uint8_t *)r)[i] = 0x99;
			assert_int_equal(roll_back(&report), 0);
			assert_memory_equal(r, before, 8);
			assert_memory_equal((uint8_t *)r + 12, before + 12, 4);
			assert_int_equal(r->seq, 0x40404042);
			stop(context);
		}
	}
	start(context);
}

static void bucket_words_are_part_of_the_burst(void **context)
{
	struct bucket_word *words = (struct bucket_word *)(void *)area.words;
	struct journal_report report;

	(void)context;
	words[3].last_tick = 11;
	journal_save_word(&ctx, words, &words[3].last_tick, sizeof(uint64_t));
	words[3].last_tick = 12;
	uint32_t mark = ctx.used;
	set(3, 0, 0, 1);
	journal_end_entry(&ctx, mark);
	assert_int_equal(roll_back(&report), 0);
	assert_int_equal(report.undone, 2);
	assert_int_equal(words[3].last_tick, 11);
	assert_int_equal(get(3, 0, 0), 0);
}

static void an_entry_undone_by_its_worker_leaves_the_entries_before_it(void **context)
{
	struct journal_report report;

	(void)context;
	set(0, 0, 0, 1);
	set(0, 1, 0, 1);
	journal_end_entry(&ctx, 0);
	uint32_t mark = ctx.used, last = ctx.last;
	set(0, 0, 0, 2);
	set(0, 0, 0, 3);
	set(0, 2, 0, 3);
	journal_undo_to(&ctx, mark);
	assert_int_equal(get(0, 0, 0), 1);
	assert_int_equal(get(0, 1, 0), 1);
	assert_int_equal(get(0, 2, 0), 0);
	assert_int_equal(journal->used, mark);
	assert_int_equal(ctx.used, mark);
	assert_int_equal(ctx.last, last);
	for (uint32_t slot = 0; slot < 3; slot++)
		assert_int_equal(record(0, slot)->seq & 1, 0);
	journal_undo_to(&ctx, mark);
	set(0, 3, 0, 4);
	journal_end_entry(&ctx, mark);
	assert_int_equal(roll_back(&report), 0);
	assert_int_equal(report.undone, 3);
	for (uint32_t slot = 0; slot < 4; slot++)
		assert_int_equal(get(0, slot, 0), 0);
	journal_open(journal, &ctx, 0, 1);
	set(0, 0, 0, 2);
	journal_undo_to(&ctx, 0);
	assert_int_equal(ctx.last, JOURNAL_NONE);
}

static void what_stands_before_the_damage_is_undone(void **context)
{
	struct journal_report report;
	uint32_t third;

	(void)context;
	set(0, 0, 0, 1);
	set(0, 1, 0, 1);
	third = ctx.used;
	set(0, 2, 0, 1);
	set(0, 3, 0, 1);
	struct baton_undo *undo = (struct baton_undo *)(void *)(journal->records + third);
	struct baton_undo good = *undo;
	const struct baton_undo bad[] = {
		{.len = JOURNAL_BYTES, .prev = good.prev, .offset = good.offset},
		{.len = UINT32_MAX, .prev = good.prev, .offset = good.offset},
		{.len = UINT32_MAX - 7, .prev = good.prev, .offset = good.offset},
		{.len = STRIDE, .prev = good.prev, .offset = good.offset},                  /* into the next record */
		{.len = good.len, .prev = third, .offset = good.offset},                    /* a loop */
		{.len = good.len, .prev = JOURNAL_NONE, .offset = good.offset},
		{.len = good.len, .prev = good.prev, .offset = RECORDS},
		{.len = good.len, .prev = good.prev, .offset = UINT64_MAX >> 1},
		{.len = good.len, .prev = good.prev, .offset = JOURNAL_WORD | WORDS},
		{.len = 8, .prev = good.prev, .offset = JOURNAL_WORD | 12},                 /* into the next word */
		{.len = good.len, .prev = good.prev, .offset = UINT64_MAX},
	};
	uint32_t used = ctx.used;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		*undo = bad[i];
		for (uint32_t slot = 0; slot < 4; slot++)
			*(uint8_t *)(record(0, slot) + 1) = 1;
		atomic_store(&journal->used, used);
		assert_int_equal(roll_back(&report), -EBADMSG);
		assert_int_equal(report.undone, 2);
		assert_int_equal(get(0, 0, 0), 0);
		assert_int_equal(get(0, 1, 0), 0);
		assert_int_equal(get(0, 2, 0), 1);
		assert_int_equal(get(0, 3, 0), 1);
		assert_int_equal(journal->used, 0);
	}
}

static void a_header_that_says_nothing_undoes_nothing(void **context)
{
	struct journal_report report;

	(void)context;
	set(0, 0, 0, 1);
	uint32_t used = ctx.used;
	atomic_store(&journal->used, JOURNAL_BYTES + 1);
	assert_int_equal(roll_back(&report), -EBADMSG);
	assert_int_equal(journal->used, 0);
	atomic_store(&journal->used, used);
	journal->belt = BELTS;
	assert_int_equal(roll_back(&report), -EBADMSG);
	assert_int_equal(journal->used, 0);
	atomic_store(&journal->used, used - 1); /* cut inside a record */
	journal->belt = 0;
	assert_int_equal(roll_back(&report), -EBADMSG);
	assert_int_equal(report.undone, 0);
	assert_int_equal(get(0, 0, 0), 1);
}

/* Bytes of a journal are whatever a worker gone wild wrote: nothing outside the area may be touched (stop() looks at
 * the canaries, sanitizers at the rest), the journal ends empty, and it always ends. */
static void a_journal_of_noise_harms_nobody(void **context)
{
	uint64_t random = fake_seed("test_journal");
	struct journal_report report;
	uint32_t sound = 0, damaged = 0;

	(void)context;
	for (uint32_t round = 0; round < 3000; round++) {
		journal_open(journal, &ctx, (uint32_t)round % BELTS, 0);
		for (uint32_t i = 0; i < 20; i++)
			set(fake_below(&random, BUCKETS), fake_below(&random, SLOTS), fake_below(&random, 100),
			    (uint8_t)i);
		uint8_t *bytes = (uint8_t *)journal;
		for (uint32_t flips = fake_below(&random, 4); flips != 0; flips--)
			bytes[fake_below(&random, 64 + ctx.used)] ^= (uint8_t)(1u << fake_below(&random, 8));
		if (fake_below(&random, 2) != 0) /* a wild `used` */
			atomic_store(&journal->used, fake_below(&random, 2 * JOURNAL_BYTES));
		int rc = roll_back(&report);
		assert_true(rc == 0 || rc == -EBADMSG);
		sound += rc == 0;
		damaged += rc != 0;
		assert_int_equal(journal->used, 0);
	}
	assert_true(sound > 100 && damaged > 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(an_unsettled_burst_is_undone_backwards),
		TEST(a_settled_burst_is_left_alone_and_its_journal_closed),
		TEST(every_record_named_is_readable_after_a_roll_back),
		TEST(the_header_of_a_record_is_restored_but_for_its_sequence_word),
		TEST(bucket_words_are_part_of_the_burst),
		TEST(an_entry_undone_by_its_worker_leaves_the_entries_before_it),
		TEST(what_stands_before_the_damage_is_undone),
		TEST(a_header_that_says_nothing_undoes_nothing),
		TEST(a_journal_of_noise_harms_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
