/* The state file's layout, and what its users find in it: roll back by slot, readers, groups without records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "fake.h"
#include "log.h"

static struct state_group groups[2];
static struct state state;

static int start(void **context)
{
	char path[] = "/dev/shm/baton.test.XXXXXX";
	bool fresh;
	int fd = mkstemp(path);

	(void)context;
	assert_true(fd >= 0);
	close(fd);
	log_init("test", LEVEL_ERROR);
	assert_int_equal(state_group_init(&groups[0], "game", 64, 48, 1000, 1), 0);
	assert_int_equal(state_group_init(&groups[1], "echo", 16, 0, 0, 0), 0);
	int rc = state_open(&state, path, groups, 2, 3, 2, 0xfeed, 0, &fresh);
	unlink(path);
	assert_int_equal(rc, 0);
	return 0;
}

static int stop(void **context)
{
	(void)context;
	state_close(&state);
	return 0;
}

static void regions_start_on_huge_pages_and_do_not_overlap(void **context)
{
	uint64_t bytes = state_layout(groups, 2, 3), at = 4ull * BATON_HUGE_PAGE;

	(void)context;
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(groups[i].words_at >= at && groups[i].words_at % BATON_HUGE_PAGE == 0);
		at = groups[i].words_at + groups[i].buckets * sizeof(struct bucket_word);
		assert_true(groups[i].records_at >= at && groups[i].records_at % BATON_HUGE_PAGE == 0);
		at = groups[i].records_at + groups[i].records_bytes;
	}
	assert_true(bytes >= at && bytes % BATON_HUGE_PAGE == 0);
}

static void geometry_follows_its_rules(void **context)
{
	struct state_group group;
	static const struct { uint32_t buckets, size; uint64_t records; int rc; uint32_t slots, stride; } rows[] = {
		{4096, 48, 10000, 0, 16, 64}, {4096, 49, 100000, 0, 128, 128}, {1, 1, 5, 0, 32, 64},
		{1, 8, 4, 0, 16, 64}, {65536, 240, 1u << 20, 0, 64, 256}, {4096, 0, 5000, 0, 1, 64},
		{4096, 65520, 0, 0, 16, 65536},
		{0, 8, 8, -EINVAL, 0, 0}, {3, 8, 8, -EINVAL, 0, 0}, {131072, 8, 8, -EINVAL, 0, 0},
		{8, 65521, 8, -ERANGE, 0, 0}, {1, 8, 1u << 30, -ERANGE, 0, 0}, {1, 8, UINT64_MAX, -ERANGE, 0, 0},
	};

	(void)context;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = state_group_init(&group, "g", rows[i].buckets, rows[i].size, rows[i].records, 1);
		assert_int_equal(rc, rows[i].rc);
		if (rc != 0)
			continue;
		uint64_t bytes = (uint64_t)rows[i].buckets * rows[i].slots * rows[i].stride;
		assert_int_equal(group.bucket_slots, rows[i].slots);
		assert_int_equal(group.stride, rows[i].stride);
		assert_int_equal(group.records_bytes, rows[i].size == 0 ? 0 : bytes);
	}
	assert_int_equal(state_group_init(&group, "", 8, 8, 8, 1), -EINVAL);
	assert_int_equal(state_group_init(&group, "a-name-of-thirty-two-characters-", 8, 8, 8, 1), -EINVAL);
}

static void attaching_checks_what_it_maps(void **context)
{
	char path[] = "/dev/shm/baton.test.XXXXXX";
	struct state reader;

	(void)context;
	assert_int_equal(state_attach(&reader, dup(state.fd), false), 0);
	assert_int_equal(reader.header->salt, 0xfeed);
	state_close(&reader);
	int fd = mkstemp(path);
	unlink(path);
	assert_int_equal(state_attach(&reader, fd, false), -EPROTO);
	assert_int_equal(ftruncate(fd, BATON_HUGE_PAGE), 0);
	assert_int_equal(state_attach(&reader, fd, true), -EPROTO);
	close(fd);
}

static void every_slot_is_rolled_back_with_the_records_of_its_own_group(void **context)
{
	struct journal_report report;
	struct baton_ctx ctx = {0};

	(void)context;
	for (uint32_t slot = 0; slot < 3; slot++) {
		struct journal *journal = &state_control(&state, slot)->journal;

		state_control(&state, slot)->group = 0;
		state_bind(&state, slot, 0, &ctx);
		journal_open(journal, &ctx, 1, 0);
		ctx.limit = JOURNAL_BYTES;
		ctx.bucket = slot;
		uint8_t *byte = ctx.records + slot * ctx.bucket_bytes + 20;
		assert_true(baton_save(&ctx, byte, 1));
		*byte = 1;
	}
	state_control(&state, 1)->group = 1; /* a group without records: the journal cannot be its */
	state_control(&state, 2)->group = 77;
	assert_int_equal(state_roll_back(&state, 0, &report), 0);
	assert_int_equal(report.undone, 1);
	assert_int_equal(state_roll_back(&state, 1, &report), -EBADMSG);
	assert_int_equal(state_roll_back(&state, 2, &report), -EBADMSG);
	for (uint32_t slot = 0; slot < 3; slot++) {
		assert_int_equal(ctx.records[slot * ctx.bucket_bytes + 20], slot == 0 ? 0 : 1);
		assert_int_equal(state_control(&state, slot)->journal.used, 0);
	}
}

/* What the control block says of itself stands where the worker can write. */
static void a_journal_names_records_of_the_group_that_the_primary_noted(void **context)
{
	struct journal_report report;
	struct baton_ctx ctx = {0};
	struct control_block *control = state_control(&state, 2);

	(void)context;
	assert_int_equal(state_slot_begin(&state, 2, 1), 1);
	assert_int_equal(state_slot_begin(&state, 2, 1), 2);
	assert_int_equal(control->incarnation, 2);
	state_bind(&state, 2, 0, &ctx);
	journal_open(&control->journal, &ctx, 1, 0);
	ctx.limit = JOURNAL_BYTES;
	ctx.bucket = 3;
	uint8_t *byte = ctx.records + 3 * ctx.bucket_bytes + 20;
	assert_true(baton_save(&ctx, byte, 1));
	*byte = 1;
	control->group = 0;
	control->incarnation = UINT32_MAX;
	control->slot = 99;
	control->magic = 1;
	assert_int_equal(state_roll_back(&state, 2, &report), -EBADMSG);
	assert_int_equal(*byte, 1);
	assert_int_equal(control->journal.used, 0);
	state_control_mend(&state, 2);
	assert_int_equal(control->group, 1);
	assert_int_equal(control->incarnation, 2);
	assert_int_equal(control->slot, 2);
	assert_int_equal(control->magic, STATE_CONTROL_MAGIC);
	assert_int_equal(state_slot_begin(&state, 2, 0), 3);
	assert_int_equal(state_slot_group(&state, 2), 0);
}

static void a_group_without_records_finds_and_keeps_nothing(void **context)
{
	struct baton_ctx ctx = {0};
	uint8_t out[8];
	uint32_t iter = 0;

	(void)context;
	state_bind(&state, 0, 1, &ctx);
	ctx.limit = JOURNAL_BYTES;
	ctx.bucket = 15;
	assert_null(baton_find(&ctx, 1));
	assert_null(baton_next(&ctx, &iter, NULL));
	assert_null(baton_insert(&ctx, 1));
	assert_true(ctx.overflow);
	assert_int_equal(state_read_record(&state, 1, 3, 1, out, 8), -ENOENT);
}

static void a_reader_finds_whole_records_only(void **context)
{
	struct baton_ctx ctx = {0};
	uint8_t out[64] = {0};

	(void)context;
	state_bind(&state, 0, 0, &ctx);
	ctx.limit = JOURNAL_BYTES;
	ctx.bucket = 9;
	uint8_t *data = baton_insert(&ctx, 42);
	assert_non_null(data);
	memset(data, 0x17, 48);
	assert_int_equal(state_read_record(&state, 0, 9, 42, out, 48), -EAGAIN); /* in a transaction */
	journal_end_entry(&ctx, 0);
	assert_int_equal(state_read_record(&state, 0, 9, 42, out, 200), 0);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(out[i], i < 48 ? 0x17 : 0); /* never more than a record */
	assert_int_equal(state_read_record(&state, 0, 9, 43, out, 48), -ENOENT);
	assert_int_equal(state_read_record(&state, 0, 8, 42, out, 48), -ENOENT);
	assert_int_equal(state_read_record(&state, 0, 64, 42, out, 48), -ENOENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(regions_start_on_huge_pages_and_do_not_overlap),
		TEST(geometry_follows_its_rules),
		TEST(attaching_checks_what_it_maps),
		TEST(every_slot_is_rolled_back_with_the_records_of_its_own_group),
		TEST(a_journal_names_records_of_the_group_that_the_primary_noted),
		TEST(a_group_without_records_finds_and_keeps_nothing),
		TEST(a_reader_finds_whole_records_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
