/* What a look at a state file finds: each kind of damage, by its place, and nothing where nothing is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "fake.h"
#include "log.h"
#include "state_verify.h"

static struct state_group groups[2];
static struct state state;
static struct baton_ctx ctx;
static struct state_finding last;
static uint32_t found, seen;

static int start(void **context)
{
	char path[] = "/dev/shm/baton.test.XXXXXX";
	bool fresh;
	int fd = mkstemp(path);

	(void)context;
	assert_true(fd >= 0);
	close(fd);
	log_init("test", LEVEL_ERROR);
	assert_int_equal(state_group_init(&groups[0], "game", 8, 40, 64, 1), 0);
	assert_int_equal(state_group_init(&groups[1], "echo", 16, 0, 0, 0), 0);
	int rc = state_open(&state, path, groups, 2, 3, 2, 0xfeed, 0, &fresh);
	unlink(path);
	assert_int_equal(rc, 0);
	memset(&ctx, 0, sizeof(ctx));
	state_bind(&state, 1, 0, &ctx);
	journal_open(&state_control(&state, 1)->journal, &ctx, 0, 0);
	ctx.limit = JOURNAL_BYTES;
	for (uint64_t key = 0; key < 40; key++) {
		ctx.bucket = (uint32_t)key % 8;
		uint8_t *data = baton_insert(&ctx, key * 77);
		assert_non_null(data);
		memset(data, 7, 40);
	}
	journal_end_entry(&ctx, 0);
	journal_clear(&state_control(&state, 1)->journal, &ctx);
	return 0;
}

static int stop(void **context)
{
	(void)context;
	state_close(&state);
	return 0;
}

static void note(void *arg, const struct state_finding *finding)
{
	(void)arg;
	found++;
	last = *finding;
}

static void look_at(void *arg, uint32_t group, uint32_t bucket, uint32_t record, uint64_t key, const void *data)
{
	(void)arg;
	(void)record;
	assert_int_equal(group, 0);
	assert_int_equal(bucket, key / 77 % 8);
	assert_int_equal(((const uint8_t *)data)[39], 7);
	seen++;
}

static uint32_t findings(bool live, bool records)
{
	struct state_verify v = {.live = live, .found = note, .record = records ? look_at : NULL};

	found = seen = 0;
	assert_int_equal(state_verify(&state, &v), 0);
	assert_int_equal(v.findings, found);
	assert_int_equal(v.busy, 0);
	return found;
}

static void what_workers_leave_is_sound(void **context)
{
	(void)context;
	assert_int_equal(findings(false, true), 0);
	assert_int_equal(seen, 40);
	assert_int_equal(findings(true, true), 0);
	assert_int_equal(seen, 40);
	/* removed ones among them */
	journal_open(&state_control(&state, 1)->journal, &ctx, 0, 0);
	for (uint64_t key = 0; key < 40; key += 3) {
		ctx.bucket = (uint32_t)key % 8;
		assert_true(baton_remove(&ctx, baton_find(&ctx, key * 77)));
	}
	journal_end_entry(&ctx, 0);
	journal_clear(&state_control(&state, 1)->journal, &ctx);
	assert_int_equal(findings(false, true), 0);
	assert_int_equal(seen, 26);
}

static struct baton_record *used(uint32_t bucket, uint32_t nth)
{
	struct baton_record *record;

	for (uint64_t at = 0;; at += groups[0].stride) {
		assert_true(at < ctx.bucket_bytes);
		record = (struct baton_record *)(void *)(ctx.records + bucket * ctx.bucket_bytes + at);
		if (record->state == BATON_RECORD_USED && nth-- == 0)
			return record;
	}
}

/* Damages, looks, and mends. */
#define DAMAGE(place, value, wanted, words) do { \
	__typeof__(place) *at = &(place), was = *at; \
	*at = (value); \
	if (findings(false, false) != (wanted) || strstr(last.text, words) == NULL) \
		fail_msg("%u findings, the last: %s", found, last.text); \
	*at = was; \
} while (0)

static void each_kind_of_damage_is_found_where_it_is(void **context)
{
	struct control_block *control = state_control(&state, 2);

	(void)context;
	DAMAGE(used(3, 1)->seq, 7, 1, "odd");
	assert_int_equal(last.bucket, 3);
	assert_int_equal(last.group, 0);
	DAMAGE(used(4, 0)->state, 9, 1, "neither empty nor used nor removed");
	struct baton_record *twice = used(5, 2);
	uint64_t own = twice->key;
	twice->key = used(5, 1)->key; /* one of the two is not found, or both are in the way of each other */
	assert_true(findings(false, false) >= 1);
	assert_int_equal(last.bucket, 5);
	twice->key = own;
	DAMAGE(((uint8_t *)(used(6, 0) + 1))[45], 1, 1, "behind its 40 bytes");
	DAMAGE(state_words(&state, 0)[5].last_tick, 3, 1, "last tick 3, 0 is the last");
	assert_int_equal(last.bucket, 5);
	DAMAGE(state_words(&state, 1)[5].schema, 3, 1, "schema 3");
	assert_int_equal(last.group, 1);
	DAMAGE(control->magic, 3, 1, "does not say what it is");
	assert_int_equal(last.slot, 2);
	DAMAGE(control->journal.used, JOURNAL_BYTES + 8, 1, "at most");
	DAMAGE(control->journal.used, 12, 1, "12 bytes");
	DAMAGE(control->commit[1].done, UINT64_MAX, 1, "where no worker gets");
	assert_int_equal(findings(false, false), 0);
	/* a key that nobody finds: its probe begins elsewhere, at an empty place */
	struct baton_record *lost = used(1, 0);
	uint64_t key = lost->key;
	for (lost->key = 1ull << 40; findings(false, false) == 0; lost->key++)
		assert_true(lost->key < (1ull << 40) + 1000);
	assert_non_null(strstr(last.text, "nobody finds it"));
	lost->key = key;
	assert_int_equal(findings(false, false), 0);
}

/* As after a kill -9 of everything: what the journal undoes is no damage, and the file itself stays as it is. */
/* It is of no group: what it writes names no record. */
static void a_shadows_slot_is_sound(void **context)
{
	(void)context;
	state_slot_begin(&state, 2, BATON_MAX_GROUPS);
	assert_int_equal(findings(true, false), 0);
	assert_int_equal(findings(false, false), 0);
	DAMAGE(state_control(&state, 2)->group, 0, 1, "names group 0, the primary noted 16");
}

static void a_copy_at_rest_is_rolled_back_first(void **context)
{
	struct state_verify v = {.found = note};
	struct state copy;
	char why[200];

	(void)context;
	ctx.bucket = 2;
	journal_open(&state_control(&state, 1)->journal, &ctx, 0, 0);
	uint8_t *data = baton_find(&ctx, 2 * 77);
	assert_true(baton_save(&ctx, data, 8));
	memset(data, 9, 8);
	assert_int_equal(findings(false, false), 1); /* in change */
	found = 0;
	assert_int_equal(state_verify_copy(&copy, state.fd, &v, why, sizeof(why)), 0);
	assert_int_equal(state_verify(&copy, &v), 0);
	assert_int_equal(found, 0);
	assert_int_equal(v.records[0], 40);
	state_verify_copy_free(&copy);
	assert_int_equal(data[0], 9);
	assert_true(atomic_load(&state_control(&state, 1)->journal.used) != 0);
	/* and an unsound one is told */
	atomic_store(&state_control(&state, 1)->journal.used, JOURNAL_BYTES + 1);
	assert_int_equal(state_verify_copy(&copy, state.fd, &v, why, sizeof(why)), 0);
	assert_int_equal(found, 1);
	assert_non_null(strstr(last.text, "journal: damaged"));
	state_verify_copy_free(&copy);
}

static void a_header_that_is_none_is_refused(void **context)
{
	struct state_header *h = state.header;
	uint64_t size = h->bytes;
	char why[200];

	(void)context;
	assert_int_equal(state_verify_header(h, size, why, sizeof(why)), 0);
#define REFUSED(place, value, words) do { \
		__typeof__(place) was = (place); \
		(place) = (value); \
		assert_int_equal(state_verify_header(h, size, why, sizeof(why)), -EPROTO); \
		assert_non_null(strstr(why, words)); \
		(place) = was; \
	} while (0)
	REFUSED(h->magic, 1, "not a Baton state file");
	REFUSED(h->abi, STATE_ABI + 1, "use the batonctl of");
	REFUSED(h->groups, BATON_MAX_GROUPS + 1, "counts");
	REFUSED(h->slots, 0, "counts");
	REFUSED(h->slots, 2, "layout hash");
	REFUSED(h->bytes, size + 1, "size");
	REFUSED(h->group[0].records_at, 0, "offsets");
	assert_int_equal(state_verify_header(h, size - BATON_HUGE_PAGE, why, sizeof(why)), -EPROTO);
	/* hashed anew: what it names must still be possible */
	h->group[0].stride = 1 << 20;
	h->layout_hash = state_layout_hash(h->slots, h->belts, h->group, h->groups);
	assert_int_equal(state_verify_header(h, size, why, sizeof(why)), -EPROTO);
	assert_non_null(strstr(why, "geometry"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(what_workers_leave_is_sound),
		TEST(each_kind_of_damage_is_found_where_it_is),
		TEST(a_shadows_slot_is_sound),
		TEST(a_copy_at_rest_is_rolled_back_first),
		TEST(a_header_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
