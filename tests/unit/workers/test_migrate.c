/* Records that change their schema: lazily, up and down, one transaction or many, with kills after every instruction.
 * The sources under test are included so that a rule can be broken while it runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static bool word_first;
#include "sabotage.h"
#ifndef BATON_SABOTAGE_RULE
#undef BATON_SABOTAGE
#define BATON_SABOTAGE(rule) (__builtin_strcmp(#rule, "schema_word_first") == 0 && word_first)
#endif
#include "workers/runtime/migrate.c"
#undef BATON_SABOTAGE
#ifdef BATON_SABOTAGE_RULE
#define BATON_SABOTAGE(rule) (__builtin_strcmp(#rule, BATON_SABOTAGE_RULE) == 0)
#else
#define BATON_SABOTAGE(rule) 0
#endif

#include "migrate_world.h"

static void only_the_bucket_of_the_entry_is_migrated(void **unused)
{
	struct world w;

	(void)unused;
	begin(&w);
	offer_all(&w, BELT_GRANT, 0);
	offer_packet(&w, 1);
	offer_packet(&w, 3);
	run_all(&w);
	assert_int_equal(schema_of(&w, 0), 0); /* as the file was made */
	assert_int_equal(schema_of(&w, 1), 2);
	assert_int_equal(w.stats->migrated, 1);
	assert_int_equal(dropped, 0);
	assert_true(records_say(&w.state, counted));
	world_destroy(&w);
}

static void a_bucket_that_is_handed_back_is_converted_first(void **unused)
{
	struct world w;

	(void)unused;
	begin(&w);
	offer_all(&w, BELT_GRANT, 0);
	offer_packet(&w, 1);
	offer_all(&w, BELT_REVOKE, 0);
	offer_all(&w, BELT_CONVERT, 1); /* of both buckets: one has never been migrated */
	run_all(&w);
	assert_int_equal(schema_of(&w, 0), 0);
	assert_int_equal(schema_of(&w, 1), 1);
	w.plugin = &plugin_old;
	offer_all(&w, BELT_GRANT, 0);
	offer_packet(&w, 1);
	offer_packet(&w, 2);
	run_all(&w);
	assert_int_equal(reaped, 3);
	assert_int_equal(dropped, 0);
	assert_true(records_say(&w.state, counted));
	world_destroy(&w);
}

static void a_bucket_larger_than_the_journal_is_migrated_piece_by_piece(void **unused)
{
	struct world w;

	(void)unused;
	begin(&w);
	w.chunk = 1;
	offer_all(&w, BELT_GRANT, 0);
	for (uint64_t key = 0; key < KEYS; key++)
		offer_packet(&w, key);
	run_all(&w);
	assert_int_equal(schema_of(&w, 0), 2);
	assert_int_equal(dropped, 0);
	assert_true(loop.txn.early_settles >= KEYS / BUCKETS);
	assert_true(records_say(&w.state, counted));
	world_destroy(&w);
}

static void settled(const struct world *w, const uint64_t *keys, uint64_t *count)
{
	uint64_t done = w->primary.commit->done;

	count_start(count);
	for (uint64_t i = 1; i < done; i++) /* behind the grant */
		count[keys[i - 1]]++;
}

/* Cuts one run after each instruction that changed something. Returns false and a complaint if a cut is not sound. */
static uint64_t nsteps;
static bool sweep(uint32_t chunk, uint32_t *cuts)
{
	static uint8_t last[BUCKETS * SLOTS * STRIDE + BUCKETS * sizeof(struct bucket_word) + 64];
	uint64_t keys[PACKETS], count[KEYS];
	struct journal_report report;
	struct state copy;
	struct world w;
	bool good = true;

	world_create(&w);
	w.chunk = chunk;
	fake_state_create(&copy, BUCKETS, sizeof(struct old), 1, 1, 1);
	offer_all(&w, BELT_GRANT, 0);
	for (uint32_t i = 0; i < 4; i++)
		offer_packet(&w, keys[i] = i * 5 % KEYS);
	const struct control_block *c = state_control(&w.state, 0);
	struct control_block *d = state_control(&copy, 0);
	size_t records = BUCKETS * SLOTS * STRIDE, words = BUCKETS * sizeof(struct bucket_word);
	memset(last, 0xff, sizeof(last));
	pid_t pid = stepper_start(work, &w);
	while (good && stepper_step(pid)) {
		nsteps++;
		if (memcmp(last, state_records(&w.state, 0), records) == 0 &&
		    memcmp(last + records, state_words(&w.state, 0), words) == 0 &&
		    memcmp(last + records + words, &c->journal, 24) == 0 &&
		    memcmp(last + records + words + 24, &c->commit[0], 16) == 0)
			continue;
		memcpy(last, state_records(&w.state, 0), records);
		memcpy(last + records, state_words(&w.state, 0), words);
		memcpy(last + records + words, &c->journal, 24);
		memcpy(last + records + words + 24, &c->commit[0], 16);
		memcpy(state_records(&copy, 0), state_records(&w.state, 0), records);
		memcpy(state_words(&copy, 0), state_words(&w.state, 0), words);
		memcpy(d->commit, c->commit, sizeof(c->commit[0]));
		memcpy(&d->journal, &c->journal, offsetof(struct journal, records) + c->journal.used);
		settled(&w, keys, count);
		good = state_roll_back(&copy, 0, &report) == 0 && records_say(&copy, count);
		(*cuts)++;
	}
	if (!good)
		stepper_kill(pid);
	state_close(&copy);
	world_destroy(&w);
	return good;
}

static void a_kill_after_any_instruction_leaves_whole_records_that_the_word_tells(void **unused)
{
	uint32_t cuts = 0;

	(void)unused;
	for (uint32_t chunk = 0; chunk <= 2; chunk += 2)
		if (!sweep(chunk, &cuts))
			fail_msg("chunk %u: %s", chunk, complaint);
	printf("%llu instructions, %u cuts\n", (unsigned long long)nsteps, cuts);
	assert_true(cuts > 100);
}

#ifndef BATON_SABOTAGE_RULE
static void a_word_before_its_records_is_noticed(void **unused)
{
	uint32_t cuts = 0;

	(void)unused;
	word_first = true;
	bool good = sweep(0, &cuts);
	word_first = false;
	assert_false(good);
}
#endif

/* ---- a bucket that ends its converter ---- */

static bool down_or_die(struct baton_ctx *ctx, uint64_t key, void *record, uint32_t to)
{
	if (key == 5) { /* of bucket 1, when bucket 0 and some of its own are done */
		memset(record, 0xee, sizeof(struct fresh));
		abort();
	}
	return down(ctx, key, record, to);
}

static struct baton_plugin plugin_dying;

static void the_bucket_that_ends_its_converter_is_named(void **unused)
{
	struct belt_buckets head = {.count = BUCKETS, .schema = 1};
	uint8_t entry[sizeof(head) + 1];
	_Atomic uint32_t *converting;
	struct journal_report report;
	struct world w;
	int status;

	(void)unused;
	begin(&w);
	offer_all(&w, BELT_GRANT, 0);
	for (uint64_t key = 0; key < BUCKETS; key++) /* both to schema 2 */
		offer_packet(&w, key);
	run_all(&w);
	converting = &state_control(&w.state, 0)->converting;
	assert_int_equal(*converting, 0);
	plugin_dying = plugin_fresh;
	plugin_dying.down = down_or_die;
	w.plugin = &plugin_dying;
	offer_all(&w, BELT_CONVERT, 1);
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		work(&w);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(*converting, 1 + 1);
	/* It is undone, with all that came before it in the burst: whole records of schema 2. */
	assert_true(fake_reap(&w.primary, on_reaped, NULL) >= 0);
	assert_int_equal(state_roll_back(&w.state, 0, &report), 0);
	assert_true(records_say(&w.state, counted));
	const struct fake_entry *back[BELT_SLOTS];
	for (uint32_t i = fake_take_back(&w.primary, back); i != 0; i--)
		pool_return(back[i - 1]);
	/* Without it the same version converts the others. */
	*converting = 0;
	memcpy(entry, &head, sizeof(head));
	entry[sizeof(head)] = 1u << 0;
	offer(&w, BELT_CONVERT, 0, entry, sizeof(entry));
	run_all(&w);
	assert_int_equal(*converting, 0);
	assert_true(schema_of(&w, 0) < 2);
	assert_int_equal(schema_of(&w, 1), 2);
	assert_true(records_say(&w.state, counted));
	world_destroy(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_bucket_of_the_entry_is_migrated),
		cmocka_unit_test(a_bucket_that_is_handed_back_is_converted_first),
		cmocka_unit_test(a_bucket_larger_than_the_journal_is_migrated_piece_by_piece),
		cmocka_unit_test(a_kill_after_any_instruction_leaves_whole_records_that_the_word_tells),
#ifndef BATON_SABOTAGE_RULE
		cmocka_unit_test(a_word_before_its_records_is_noticed),
#endif
		cmocka_unit_test(the_bucket_that_ends_its_converter_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
