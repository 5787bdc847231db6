/* Buckets that are held when the primary ends: the next one knows them, and nobody else gets them. Versions "one" (schema 1)
 * and "new" (schema 2, knows both ways). */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "held_store.h"
#include "restart_rig.h"

#define NEW    "of 2 older 1 down 1 version new"
#define POISON 4u

static struct supervisor *sup(void) { return rig.primary->supervisor; }

static uint32_t converters(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		count += rig_slot(i)->state != WORKER_NONE && rig_slot(i)->converter;
	return count;
}

/* Both workers run version one; the file is one of this test's own. */
static int of_one(void **unused)
{
	(void)unused;
	if (rig_prepare())
		return -1;
	rig_records();
	rig_plugin("one.so", "ok 1");
	rig_plugin("new.so", NEW);
	if (held_store_init(rig.primary) != 0)
		return -1;
	rig_path(rig.primary->held->path, "held.json");
	if (supervisor_init(rig.primary) || command_init(rig.primary))
		return -1;
	wait_until(rig_settled());
	rig.primary->ready = true;
	return 0;
}

static int end(void **unused)
{
	held_store_fini(rig.primary);
	return rig_end(unused);
}

/* game.0 has had the newer version, and goes back; one record ends whoever converts it. */
static void one_is_held(uint32_t deaths)
{
	char path[BATON_PATH_BYTES];

	restart("game.0", rig_path(path, "new.so"));
	assert_true(rig_ok());
	wait_until(rig_settled());
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		if (fake.owner[0][b] == rig_worker(0)->slot)
			bucket_word_store(&state_words(&rig.primary->state, 0)[b], 2, 0, 0);
	fake.poisoned = 1 + POISON;
	restart("game.0", rig_path(path, "one.so"));
	assert_true(rig_ok());
	for (uint32_t n = 2; n <= deaths; n++) {
		wait_until(sup()->held.count == 1 && sup()->held.bucket[0].deaths == n);
		sup()->held.bucket[0].again_ns = n < deaths ? 0 : UINT64_MAX; /* a second is over, or never is */
	}
	wait_until(worker_settled(sup(), 0) && worker_settled(sup(), 1) && converters() == 0);
}

static void end_the_primary(void)
{
	supervisor_fini(rig.primary);
	command_fini(rig.primary);
	held_store_fini(rig.primary);
	memset(fake.owner, SLOT_NONE, sizeof(fake.owner));
	memset(fake.slot, 0, sizeof(fake.slot));
	memset(fake.move, 0, sizeof(fake.move));
}

static void load(void)
{
	assert_int_equal(held_store_init(rig.primary), 0);
	rig_path(rig.primary->held->path, "held.json");
	held_load(rig.primary);
}

static void start(void)
{
	load();
	assert_int_equal(supervisor_init(rig.primary), 0);
	assert_int_equal(command_init(rig.primary), 0);
}

static bool all_but_one_are_served(void)
{
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		if (b != POISON && fake.owner[0][b] != rig_worker(b % RIG_WORKERS)->slot)
			return false;
	return worker_settled(sup(), 0) && worker_settled(sup(), 1);
}

/* ---- claims ---- */

static void the_next_primary_holds_it_again(void **unused)
{
	char words[800];
	uint32_t slot;

	(void)unused;
	one_is_held(HELD_TRIES);
	end_the_primary();
	fake.converts = 0;
	start();
	assert_true(held_was(rig.primary, 0, POISON));
	assert_false(held_was(rig.primary, 0, POISON + 2));
	wait_until(sup()->held.count == 1 && sup()->held.bucket[0].slot != SLOT_NONE && all_but_one_are_served());
	slot = sup()->held.bucket[0].slot;
	wait_until(held_slot(sup(), slot));
	for (int i = 0; i < 300; i++) /* its three tries were before */
		rig_turn();
	assert_int_equal(fake.converts, 0);
	assert_int_equal(converters(), 0);
	assert_int_equal(fake.owner[0][POISON], slot);
	assert_true(fake.slot[slot].held);
	assert_string_equal(rig_slot(slot)->name, "game.held");
	assert_int_equal(sup()->held.bucket[0].deaths, HELD_TRIES);
	assert_int_equal(sup()->held.bucket[0].to, 1);
	assert_true(held_words(sup(), 0, words, sizeof(words)));
	assert_non_null(strstr(words, "bucket 4 held: version new"));
}

static void a_version_that_reads_it_gets_it_after_the_start(void **unused)
{
	char path[BATON_PATH_BYTES];
	uint32_t slot;

	(void)unused;
	one_is_held(HELD_TRIES);
	end_the_primary();
	start();
	wait_until(sup()->held.count == 1 && sup()->held.bucket[0].slot != SLOT_NONE && all_but_one_are_served());
	slot = sup()->held.bucket[0].slot;
	restart("game.0", rig_path(path, "new.so"));
	assert_true(rig_ok());
	wait_until(sup()->held.count == 0 && rig_settled());
	assert_int_equal(fake.owner[0][POISON], rig_worker(0)->slot);
	assert_int_equal(rig_slot(slot)->state, WORKER_NONE); /* it is free again */
	/* and so the next start knows nothing of it */
	end_the_primary();
	load();
	assert_int_equal(rig.primary->held->count, 0);
	assert_int_equal(supervisor_init(rig.primary), 0);
	assert_int_equal(command_init(rig.primary), 0);
}

/* The tries are one count: those before the start, and those after it; by the file that could. */
static void what_had_tries_left_has_them_after_the_start(void **unused)
{
	(void)unused;
	one_is_held(HELD_TRIES - 1);
	end_the_primary();
	fake.converts = 0;
	start();
	wait_until(sup()->held.count == 1 && sup()->held.bucket[0].deaths == HELD_TRIES && converters() == 0);
	wait_until(all_but_one_are_served());
	for (int i = 0; i < 300; i++)
		rig_turn();
	assert_int_equal(fake.converts, 1);
	/* An operator says so, and it is mended. */
	fake.poisoned = 0;
	restart("game.0", NULL);
	assert_true(rig_ok());
	wait_until(sup()->held.count == 0 && rig_settled());
	assert_int_equal(state_schema(&rig.primary->state, 0, POISON), 1);
}

static void another_state_file_holds_nothing(void **unused)
{
	(void)unused;
	one_is_held(HELD_TRIES);
	end_the_primary();
	rig.primary->state.header->salt++;
	load();
	assert_int_equal(rig.primary->held->count, 0);
	held_store_fini(rig.primary);
	rig.primary->state.header->salt--;
	load();
	assert_int_equal(rig.primary->held->count, 1);
}

static void what_is_readable_by_now_or_has_been_put_back_is_not_held(void **unused)
{
	struct bucket_word *word = &state_words(&rig.primary->state, 0)[POISON];

	(void)unused;
	one_is_held(HELD_TRIES);
	end_the_primary();
	bucket_word_store(word, 1, 0, 0); /* from a snapshot, in the moment in which the primary died */
	load();
	assert_int_equal(rig.primary->held->count, 0);
	held_store_fini(rig.primary);
	bucket_word_store(word, 5, 0, 0); /* by somebody else's hand: that is for the start to say */
	load();
	assert_int_equal(rig.primary->held->count, 0);
	held_store_fini(rig.primary);
	bucket_word_store(word, 2, 1, 3); /* half of it, as the version left it that crashes */
	load();
	assert_int_equal(rig.primary->held->count, 1);
	held_store_fini(rig.primary);
	bucket_word_store(word, 2, 0, 0);
	rig.primary->plugin[0].schema = 2; /* it is started with the newer one */
	load();
	assert_int_equal(rig.primary->held->count, 0);
}

static void what_the_file_says_is_not_believed_blindly(void **unused)
{
	static const char *const odd[] = {
		"", "{", "[]", "{\"schema\": 2}", "{\"schema\": 1, \"state\": \"000000000000004d\"}",
		("{\"schema\": 1, \"state\": \"000000000000004d\", \"buckets\": [1, null, {}, {\"group\": \"game\", \"bucket\": 64},"
		" {\"group\": \"games\", \"bucket\": 4, \"schema\": 2}, {\"group\": \"game\", \"bucket\": -4, \"schema\": 2}]}"),
	};
	char path[BATON_PATH_BYTES];

	(void)unused;
	one_is_held(HELD_TRIES);
	end_the_primary();
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		FILE *file = fopen(rig_path(path, "held.json"), "w");

		assert_non_null(file);
		fputs(odd[i], file);
		fclose(file);
		load();
		assert_int_equal(rig.primary->held->count, 0);
		held_store_fini(rig.primary);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, of_one, end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		TEST(the_next_primary_holds_it_again),
		TEST(a_version_that_reads_it_gets_it_after_the_start),
		TEST(what_had_tries_left_has_them_after_the_start),
		TEST(another_state_file_holds_nothing),
		TEST(what_is_readable_by_now_or_has_been_put_back_is_not_held),
		TEST(what_the_file_says_is_not_believed_blindly),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
