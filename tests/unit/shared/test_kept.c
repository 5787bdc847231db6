/* Records of one bucket, kept as a block of bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake.h"
#include "kept.h"

#define BUCKETS 8u

static struct state state;
static uint8_t *block;

static int set_up(void **unused)
{
	(void)unused;
	fake_state_create(&state, BUCKETS, 48, 1, 1, 1);
	block = aligned_alloc(64, KEPT_MOST);
	return block == NULL;
}

static int tear_down(void **unused)
{
	(void)unused;
	state_close(&state);
	free(block);
	return 0;
}

static void put(uint32_t bucket, uint32_t slot, uint32_t what)
{
	const struct state_group *g = &state.header->group[0];
	struct baton_record *record =
	    (void *)(state_records(&state, 0) + ((uint64_t)bucket * g->bucket_slots + slot) * g->stride);

	record->key = bucket * 100 + slot;
	record->state = what;
	memset(record + 1, (int)slot, 48);
}

static void a_block_has_the_buckets_records_in_their_slots(void **unused)
{
	const struct kept_head *head = (const void *)block;

	(void)unused;
	put(3, 1, BATON_RECORD_USED);
	put(3, 7, BATON_RECORD_GONE); /* probes pass it */
	put(3, 15, BATON_RECORD_USED);
	put(2, 2, BATON_RECORD_USED);
	bucket_word_store(&state_words(&state, 0)[3], 4, 5, 9);
	int len = kept_copy(&state, 0, 3, block);
	assert_int_equal(len, sizeof(*head) + 3 * 64);
	assert_int_equal(kept_check(block, (size_t)len), -EBADMSG);
	kept_seal(block);
	assert_int_equal(kept_check(block, (size_t)len), 0);
	assert_int_equal(head->bucket, 3);
	assert_int_equal(head->buckets, BUCKETS);
	assert_int_equal(head->bucket_slots, 16);
	assert_int_equal(head->stride, 64);
	assert_int_equal(head->schema, 4);
	assert_int_equal(head->to, 5);
	static const uint32_t slots[] = {1, 7, 15};
	for (uint32_t i = 0; i < 3; i++) {
		const struct snap_record *r = kept_record(block, i);
		assert_int_equal(r->slot, slots[i]);
		assert_int_equal(r->key, 300 + slots[i]);
		assert_int_equal(r->state, slots[i] == 7 ? BATON_RECORD_GONE : BATON_RECORD_USED);
		assert_int_equal(((const uint8_t *)(r + 1))[47], slots[i]);
	}
	assert_int_equal(kept_copy(&state, 0, 5, block), sizeof(*head)); /* empty is no fault */
	kept_seal(block);
	assert_int_equal(kept_check(block, sizeof(*head)), 0);
	assert_int_equal(head->schema, 1);
}

static void nothing_cut_or_changed_is_taken(void **unused)
{
	(void)unused;
	put(3, 1, BATON_RECORD_USED);
	put(3, 2, BATON_RECORD_USED);
	size_t len = (size_t)kept_copy(&state, 0, 3, block);
	kept_seal(block);
	for (size_t at = 0; at < len; at++) {
		block[at] ^= (uint8_t)(1u << at % 8);
		assert_int_equal(kept_check(block, len), -EBADMSG);
		block[at] ^= (uint8_t)(1u << at % 8);
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(kept_check(block, cut), -EBADMSG);
	assert_int_equal(kept_check(block, len + 1), -EBADMSG);
	assert_int_equal(kept_check(block, len), 0);
	/* the right checksum over the wrong order */
	struct kept_head *head = (void *)block;
	struct snap_record *first = (void *)(head + 1);
	first->slot = 9;
	kept_seal(block);
	assert_int_equal(kept_check(block, len), -EBADMSG);
}

static void what_is_too_much_is_not_kept(void **unused)
{
	struct state large;

	(void)unused;
	state.header->group[0].bucket_slots = 2 * KEPT_SLOTS;
	assert_int_equal(kept_copy(&state, 0, 0, block), -E2BIG);
	state.header->group[0].bucket_slots = 16;
	state.header->group[0].record_size = 0;
	assert_int_equal(kept_copy(&state, 0, 0, block), -ENODATA);
	fake_state_create(&large, 1, STATE_MAX_RECORD, 1, 1, 1); /* 64 KiB each */
	for (uint32_t slot = 0; slot < 4; slot++)
		((struct baton_record *)(void *)(state_records(&large, 0) + slot * 65536u))->state = BATON_RECORD_USED;
	assert_int_equal(kept_copy(&large, 0, 0, block), -E2BIG);
	state_close(&large);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_block_has_the_buckets_records_in_their_slots),
		TEST(nothing_cut_or_changed_is_taken),
		TEST(what_is_too_much_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
