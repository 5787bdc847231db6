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

#include "fake.h"
#include "stepper.h"

#define BUCKETS 2u
#define KEYS    12u /* key k is in bucket k % BUCKETS */
#define SLOTS   16u
#define STRIDE  64u
#define PACKETS 8u
#define TSC_HZ  1000000000ull

/* Schema 1, schema 2: wider, in another order, and each knows its own records. */
struct old {
	uint64_t count, mark;
};
struct fresh {
	uint64_t mark, count, both;
};
static uint64_t old_mark(uint64_t key) { return key * 11 + 1; }
static uint64_t fresh_mark(uint64_t key) { return key * 13 + 2; }

static bool up(struct baton_ctx *ctx, uint64_t key, void *record, uint32_t from)
{
	struct old was;
	uint64_t rest;

	(void)ctx;
	memcpy(&was, record, sizeof(was));
	memcpy(&rest, (uint8_t *)record + sizeof(was), sizeof(rest));
	if (from != 1 || was.mark != old_mark(key) || rest != 0)
		return false; /* converted before, or never inserted; or not zeroed */
	*(struct fresh *)record = (struct fresh){fresh_mark(key), was.count, was.count ^ fresh_mark(key)};
	return true;
}

static bool down(struct baton_ctx *ctx, uint64_t key, void *record, uint32_t to)
{
	struct fresh was;

	(void)ctx;
	memcpy(&was, record, sizeof(was));
	if (to != 1 || was.mark != fresh_mark(key) || was.both != (was.count ^ was.mark))
		return false;
	*(struct old *)record = (struct old){was.count, old_mark(key)};
	return true;
}

static baton_verdict count_old(struct baton_ctx *ctx, const struct baton_packet *p, uint8_t *data)
{
	uint64_t key;

	memcpy(&key, data, sizeof(key));
	struct old *record = baton_find(ctx, key);
	if (record == NULL || record->mark != old_mark(key) || !baton_save(ctx, record, sizeof(*record)))
		return baton_drop_malformed();
	record->count++;
	return baton_reply(p->len);
}

static baton_verdict count_fresh(struct baton_ctx *ctx, const struct baton_packet *p, uint8_t *data)
{
	uint64_t key;

	memcpy(&key, data, sizeof(key));
	struct fresh *record = baton_find(ctx, key);
	if (record == NULL || record->mark != fresh_mark(key) || !baton_save(ctx, record, sizeof(*record)))
		return baton_drop_malformed();
	record->count++;
	record->both = record->count ^ record->mark;
	return baton_reply(p->len);
}

static const struct baton_older older[] = {{.schema = 1, .record_size = sizeof(struct old), .down = 1}};
static const struct baton_plugin plugin_old = {
	.abi = BATON_PLUGIN_ABI, .size = sizeof(plugin_old), .name = "test", .version = "1", .key = BATON_KEY_PAYLOAD,
	.key_length = 8, .schema = 1, .record_size = sizeof(struct old), .max_undo_bytes = 64, .packet = count_old,
};
static const struct baton_plugin plugin_fresh = {
	.abi = BATON_PLUGIN_ABI, .size = sizeof(plugin_fresh), .name = "test", .version = "2", .key = BATON_KEY_PAYLOAD,
	.key_length = 8, .schema = 2, .record_size = sizeof(struct fresh), .max_undo_bytes = 64, .packet = count_fresh,
	.older = older, .olders = 1, .migrate = up, .down = down,
};

/* ---- a world in memory that a child shares ---- */

struct world {
	struct state state;
	struct fake_primary primary;
	struct CoreStats *stats;
	const struct baton_plugin *plugin;
	uint32_t chunk; /* records that one transaction may convert; 0: all */
};

/* Entries in belts, and those that may be offered: one that is still in a belt must stay as it is, however many come after it. */
#define POOL 256u
static struct fake_entry pool[POOL], *unused_entry[POOL];
static uint32_t unused_entries;
static uint64_t offered;
static struct loop loop;

static void pool_init(void)
{
	offered = 0;
	for (unused_entries = 0; unused_entries < POOL; unused_entries++)
		unused_entry[unused_entries] = &pool[unused_entries];
}

static void pool_return(const struct fake_entry *entry)
{
	assert_true(unused_entries < POOL && entry >= pool && entry < pool + POOL);
	unused_entry[unused_entries++] = &pool[entry - pool];
}

static struct baton_record *record_of(const struct state *state, uint32_t bucket, uint32_t slot)
{
	return (struct baton_record *)(void *)(state_records(state, 0) +
					       ((size_t)bucket * SLOTS + slot) * STRIDE);
}

static void world_create(struct world *w)
{
	struct baton_ctx ctx = {.last = JOURNAL_NONE};
	uint8_t *scratch = calloc(1, 1 << 16);
	uint32_t used = 0;

	*w = (struct world){.plugin = &plugin_fresh};
	fake_state_create(&w->state, BUCKETS, sizeof(struct old), 1, 1, 1);
	w->stats = mmap(NULL, sizeof(*w->stats), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fake_primary_init(&w->primary, &state_control(&w->state, 0)->commit[0], 0, 0);
	assert_int_equal(w->state.header->group[0].bucket_slots, SLOTS);
	assert_int_equal(w->state.header->group[0].stride, STRIDE);
	state_bind(&w->state, 0, 0, &ctx);
	ctx.journal = scratch;
	ctx.journal_used = &used;
	ctx.limit = 1 << 16;
	for (uint64_t key = 0; key < KEYS; key++) {
		ctx.bucket = (uint32_t)key % BUCKETS;
		struct old *record = baton_insert(&ctx, key);
		assert_non_null(record);
		*record = (struct old){.count = 100 * key, .mark = old_mark(key)};
	}
	for (uint32_t b = 0; b < BUCKETS; b++)
		for (uint32_t s = 0; s < SLOTS; s++)
			record_of(&w->state, b, s)->seq &= ~1u;
	free(scratch);
	pool_init();
}

static void world_destroy(struct world *w)
{
	fake_primary_fini(&w->primary);
	munmap(w->stats, sizeof(*w->stats));
	state_close(&w->state);
}

static void offer(struct world *w, uint8_t kind, uint16_t bucket, const void *data, uint32_t len)
{
	assert_true(unused_entries != 0);
	struct fake_entry *entry = unused_entry[--unused_entries];

	*entry = (struct fake_entry){.kind = kind, .bucket = bucket, .len = (uint16_t)len, .time_ns = 1001 + offered++};
	memcpy(entry->data, data, len);
	assert_true(fake_offer(&w->primary, entry));
}

static void offer_all(struct world *w, uint8_t kind, uint32_t schema)
{
	struct belt_buckets head = {.count = BUCKETS, .all = 1, .schema = (uint16_t)schema};

	offer(w, kind, 0, &head, sizeof(head));
}

static void offer_packet(struct world *w, uint64_t key)
{
	offer(w, BELT_PACKET, (uint16_t)(key % BUCKETS), &key, sizeof(key));
}

static void work(void *arg)
{
	struct world *w = arg;
	struct belt *belt[] = {w->primary.belt};

	if (txn_bind(&loop.txn, &w->state, 0, 0, w->plugin->max_undo_bytes, 77) != 0 ||
	    loop_init(&loop, w->plugin, belt, state_control(&w->state, 0)->commit, 1, BUCKETS, w->stats, TSC_HZ, true) != 0)
		abort();
	loop.converting = &state_control(&w->state, 0)->converting;
	if (w->chunk != 0) /* as if the journal were so short */
		loop.txn.max_undo = JOURNAL_BYTES - ROOM_KEPT - journal_cost(8) - w->chunk * STRIDE - 64;
	while (loop_turn(&loop) != 0)
		;
}

/* ---- what must be true ---- */

static const char *complaint;

/* Each record, read by its bucket's word, has the count that the settled packets give it; none is left half done. */
static bool records_say(const struct state *state, const uint64_t *count)
{
	for (uint32_t b = 0; b < BUCKETS; b++) {
		struct bucket_word word = bucket_word_load(&state_words(state, 0)[b]);
		uint32_t found = 0;

		for (uint32_t s = 0; s < SLOTS; s++) {
			const struct baton_record *record = record_of(state, b, s);
			uint32_t schema = word.to != 0 && s < word.at ? word.to : word.schema != 0 ? word.schema : 1;

			if (record->seq & 1u) {
				complaint = "a sequence word is odd";
				return false;
			}
			if (record->state != BATON_RECORD_USED)
				continue;
			found++;
			const struct old *was = (const void *)(record + 1);
			const struct fresh *is = (const void *)(record + 1);
			bool good = schema == 1 ? was->mark == old_mark(record->key) && was->count == count[record->key]
						: is->mark == fresh_mark(record->key) && is->count == count[record->key] &&
							  is->both == (is->count ^ is->mark);
			if (!good) {
				complaint = "a record is not what the bucket's schema and the settled packets say";
				return false;
			}
		}
		if (found != KEYS / BUCKETS) {
			complaint = "a record is missing";
			return false;
		}
	}
	return true;
}

static void count_start(uint64_t *count)
{
	for (uint64_t key = 0; key < KEYS; key++)
		count[key] = 100 * key;
}

static uint64_t counted[KEYS];
static uint32_t reaped, dropped;

static void on_reaped(void *arg, const struct fake_entry *entry, uint32_t verdict, const uint8_t *reply)
{
	uint64_t key;

	(void)arg;
	(void)reply;
	pool_return(entry);
	if (entry->kind != BELT_PACKET)
		return;
	memcpy(&key, entry->data, sizeof(key));
	counted[key]++;
	reaped++;
	dropped += (verdict & 0xffff) != BATON_REPLY;
}

static void run_all(struct world *w)
{
	work(w);
	assert_true(fake_reap(&w->primary, on_reaped, NULL) >= 0);
}

static uint16_t schema_of(const struct world *w, uint32_t bucket)
{
	return state_words(&w->state, 0)[bucket].schema;
}

static void begin(struct world *w)
{
	world_create(w);
	count_start(counted);
	reaped = dropped = 0;
}

/* ---- claims ---- */

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

static uint64_t seed;

/* A sanitizer makes ten times as many instructions of it. */
#ifdef __SANITIZE_ADDRESS__
#define ROUNDS 1
#else
#define ROUNDS 3
#endif

/* Instructions of a run that nobody kills: what is drawn follows from it. */
static uint32_t steps_of_a_run(void)
{
	struct world w;
	uint32_t steps = 0;

	begin(&w);
	offer_all(&w, BELT_GRANT, 0);
	for (uint64_t key = 0; key < 4; key++)
		offer_packet(&w, key);
	for (pid_t pid = stepper_start(work, &w); stepper_step(pid);)
		steps++;
	world_destroy(&w);
	return steps;
}

/* Up and down by chance, killed at random instructions, until all packets are settled. */
static void records_are_converted_once_whatever_is_killed(void **unused)
{
	const struct fake_entry *back[BELT_SLOTS];
	uint32_t kills = 0, downs = 0, turns = 0, run = steps_of_a_run();

	(void)unused;
	for (int round = 0; round < ROUNDS; round++) {
		struct world w;
		uint32_t left = PACKETS;

		begin(&w);
		w.chunk = fake_below(&seed, 3);
		for (bool over = false; !over;) {
			struct journal_report report;
			bool hand_back = fake_below(&seed, 3) == 0;

			if (!hand_back) {
				offer_all(&w, BELT_GRANT, 0);
				for (uint32_t i = fake_below(&seed, 4); i != 0 && left != 0; i--, left--)
					offer_packet(&w, fake_below(&seed, KEYS));
			} else {
				offer_all(&w, BELT_CONVERT, 1);
			}
			/* now and then it gets to the end */
			uint32_t steps = 1 + fake_below(&seed, run / 2 + run / 10 * (turns++ % 16));
			pid_t pid = stepper_start(work, &w);
			while (steps != 0 && stepper_step(pid))
				steps--;
			if (steps == 0) {
				stepper_kill(pid);
				kills++;
			}
			assert_true(fake_reap(&w.primary, on_reaped, NULL) >= 0);
			assert_int_equal(state_roll_back(&w.state, 0, &report), 0);
			if (!records_say(&w.state, counted))
				fail_msg("%s", complaint);
			uint32_t unsettled = fake_take_back(&w.primary, back), packets = 0;
			downs += hand_back && unsettled == 0;
			for (uint32_t i = 0; i < unsettled; i++)
				if (back[i]->kind == BELT_PACKET)
					packets++;
				else
					pool_return(back[i]);
			over = left == 0 && packets == 0;
			if (packets != 0) { /* to a worker that owns the buckets */
				offer_all(&w, BELT_GRANT, 0);
				for (uint32_t i = 0; i < unsettled; i++)
					if (back[i]->kind == BELT_PACKET)
						assert_true(fake_offer(&w.primary, back[i]));
			}
		}
		offer_all(&w, BELT_CONVERT, 1);
		run_all(&w);
		for (uint32_t b = 0; b < BUCKETS; b++)
			assert_true(schema_of(&w, b) < 2 && state_words(&w.state, 0)[b].to == 0);
		assert_true(records_say(&w.state, counted));
		assert_int_equal(reaped, PACKETS);
		assert_int_equal(dropped, 0);
		world_destroy(&w);
	}
	printf("%u kills, %u conversions back\n", kills, downs);
	assert_true(kills > 0);
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
		cmocka_unit_test(records_are_converted_once_whatever_is_killed),
	};

	seed = fake_seed("test_migrate");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
