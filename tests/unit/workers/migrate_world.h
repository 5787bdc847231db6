/* A world for tests of migrations, in memory that a child shares: a group of records, a belt, a worker's turn, and what
 * must be true of the records. Included behind workers/runtime/migrate.c. */
#ifndef MIGRATE_WORLD_H
#define MIGRATE_WORLD_H

#include "migrate_plugins.h"
#include "stepper.h"

#define BUCKETS 2u
#define KEYS    12u /* key k is in bucket k % BUCKETS */
#define SLOTS   16u
#define STRIDE  64u
#define PACKETS 8u
#define TSC_HZ  1000000000ull

struct world {
	struct state state;
	struct fake_primary primary;
	struct CoreStats *stats;
	const struct baton_plugin *plugin;
	uint32_t chunk; /* records that one transaction may convert; 0: all */
};

/* Entries in belts, and those that may be offered: one that is still in a belt must stay as it is, however many come
 * after it. */
#define POOL 256u
static struct fake_entry pool[POOL], *unused_entry[POOL];
static uint32_t unused_entries;
static uint64_t offered;
static struct loop loop;

static inline void pool_init(void)
{
	offered = 0;
	for (unused_entries = 0; unused_entries < POOL; unused_entries++)
		unused_entry[unused_entries] = &pool[unused_entries];
}

static inline void pool_return(const struct fake_entry *entry)
{
	assert_true(unused_entries < POOL && entry >= pool && entry < pool + POOL);
	unused_entry[unused_entries++] = &pool[entry - pool];
}

static inline struct baton_record *record_of(const struct state *state, uint32_t bucket, uint32_t slot)
{
	return (struct baton_record *)(void *)(state_records(state, 0) +
					       ((size_t)bucket * SLOTS + slot) * STRIDE);
}

static inline void world_create(struct world *w)
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

static inline void world_destroy(struct world *w)
{
	fake_primary_fini(&w->primary);
	munmap(w->stats, sizeof(*w->stats));
	state_close(&w->state);
}

static inline void offer(struct world *w, uint8_t kind, uint16_t bucket, const void *data, uint32_t len)
{
	assert_true(unused_entries != 0);
	struct fake_entry *entry = unused_entry[--unused_entries];

	*entry = (struct fake_entry){.kind = kind, .bucket = bucket, .len = (uint16_t)len, .time_ns = 1001 + offered++};
	memcpy(entry->data, data, len);
	assert_true(fake_offer(&w->primary, entry));
}

static inline void offer_all(struct world *w, uint8_t kind, uint32_t schema)
{
	struct belt_buckets head = {.count = BUCKETS, .all = 1, .schema = (uint16_t)schema};

	offer(w, kind, 0, &head, sizeof(head));
}

static inline void offer_packet(struct world *w, uint64_t key)
{
	offer(w, BELT_PACKET, (uint16_t)(key % BUCKETS), &key, sizeof(key));
}

static inline void work(void *arg)
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
static inline bool records_say(const struct state *state, const uint64_t *count)
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

static inline void count_start(uint64_t *count)
{
	for (uint64_t key = 0; key < KEYS; key++)
		count[key] = 100 * key;
}

static uint64_t counted[KEYS];
static uint32_t reaped, dropped;

static inline void on_reaped(void *arg, const struct fake_entry *entry, uint32_t verdict, const uint8_t *reply)
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

static inline void run_all(struct world *w)
{
	work(w);
	assert_true(fake_reap(&w->primary, on_reaped, NULL) >= 0);
}

static inline uint16_t schema_of(const struct world *w, uint32_t bucket)
{
	return state_words(&w->state, 0)[bucket].schema;
}

static inline void begin(struct world *w)
{
	world_create(w);
	count_start(counted);
	reaped = dropped = 0;
}

#endif
