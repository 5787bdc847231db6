/* A small world for kill tests: one worker, two belts, a script of entries, and a model of what each leaves behind.
 * The sources under test are included so that one rule at a time can be broken. */
#ifndef BATON_TEST_KILL_WORLD_H
#define BATON_TEST_KILL_WORLD_H

#define SABOTAGES(X) \
	X(none) X(no_undo) X(undo_forwards) X(used_before_undo) X(only_valid_cleared) X(seq_restored) \
	X(used_before_done) X(header_while_used) X(early_settle_without_header) X(save_after_write) X(tick_outside) \
	X(done_before_filled) X(refused_keeps_cells) X(seq_not_counted_up) X(undo_under_even_word)
#define X(name) SABOTAGE_##name,
enum sabotage {
	SABOTAGES(X) SABOTAGE_COUNT,
	SABOTAGE_undo_bounds_believed, /* no kill comes near it: a fuzz program */
};
#undef X
static enum sabotage sabotage;
#ifndef BATON_SABOTAGE_RULE /* `make sabotage` has broken one already */
#define BATON_SABOTAGE(rule) (sabotage == SABOTAGE_##rule)
#endif

#include "shared/journal.c"
#include "workers/runtime/table.c"
#include "workers/runtime/txn.c"

#include "fake.h"
#include "hash.h"

#define BELTS       2u
#define BUCKETS     4u
#define SLOTS       16u /* per bucket */
#define RECORD      40u
#define STRIDE      64u
#define ENTRIES     36u
#define KEYS        13u
#define SUBS        (ENTRIES * BUCKETS)
#define ENTRY_CELLS 2u

/* What the entries carry; the worker's reply overwrites it. */
struct body {
	uint32_t index; /* of the entry in the script: the order of effects, whatever belt it is on */
	uint32_t group; /* ticks: buckets b with b % 2 == group */
	uint64_t number;
	uint64_t reply; /* of what the handler saw */
	uint8_t fill[168]; /* long enough for a long cell */
};

struct script {
	struct fake_entry entry[ENTRIES];
	uint8_t belt[ENTRIES];
	uint32_t burst; /* most entries the worker takes at once */
	uint32_t max_undo;
};

struct world {
	const struct script *script;
	struct state state;
	struct fake_primary primary[BELTS];
	struct txn txn;
	struct belt_consumer consumer[BELTS];
	void (*after)(struct world *world); /* after each part of an entry that is all or nothing */
};

/* Records without their sequence words, and bucket words. */
struct image {
	uint8_t records[BUCKETS * SLOTS * STRIDE];
	struct bucket_word words[BUCKETS];
};

/* ---- the worker ---- */

static void world_change(struct baton_ctx *ctx, uint8_t *at, uint32_t len)
{
	uint64_t noise[2] = {baton_random(ctx), baton_random(ctx)};

	memcpy(at, noise, len); /* at most 16 */
}

/* Saves and changes some bytes of a record; false if refused. */
static bool world_write(struct baton_ctx *ctx, uint8_t *data)
{
	uint32_t from = (uint32_t)(baton_random(ctx) % RECORD);
	uint32_t len = 1 + (uint32_t)(baton_random(ctx) % (RECORD - from));

	if (len > 12)
		len = 12;
	if (sabotage == SABOTAGE_save_after_write)
		world_change(ctx, data + from, len);
	if (!baton_save(ctx, data + from, len))
		return false;
	world_change(ctx, data + from, len);
	return true;
}

static void world_post(struct txn *txn, uint32_t index, uint32_t nth)
{
	struct belt_consumer *c = txn->consumer;
	struct belt_out_cell *cell = &c->belt->out[c->filled % BELT_OUT_CELLS];

	cell->cause = txn->position;
	cell->bucket = index;
	cell->len = (uint16_t)nth;
	c->filled++;
}

static bool world_operation(struct txn *txn, uint32_t index)
{
	struct baton_ctx *ctx = &txn->ctx;
	uint64_t dice = baton_random(ctx), key = 1 + (dice >> 8) % KEYS;
	uint8_t *data = baton_find(ctx, key);

	if (data == NULL)
		return (data = baton_insert(ctx, key)) != NULL && (world_change(ctx, data, 6), true);
	switch (dice % 8) {
	case 0:
	case 1:
		return baton_remove(ctx, data);
	case 2: /* twice the same bytes, changed in between */
		return world_write(ctx, data) && baton_save(ctx, data, 8) && (world_change(ctx, data, 8), true);
	case 3: /* refused after changes have been made: other bucket's bytes */
		world_post(txn, index, 77);
		return !world_write(ctx, data) ||
		       baton_save(ctx, ctx->records + (ctx->bucket ^ 1u) * ctx->bucket_bytes + 16, 8);
	default:
		return world_write(ctx, data);
	}
}

static void world_handle(struct txn *txn, struct body *body)
{
	uint64_t sum = txn->ctx.seed;
	uint64_t key;
	uint32_t count = 1 + (uint32_t)(baton_random(&txn->ctx) % 3), iter = 0;

	for (uint32_t i = 0; i < count; i++)
		if (!world_operation(txn, body->index) && txn->ctx.overflow)
			return;
	for (uint32_t i = 0; i < body->index % (ENTRY_CELLS + 1); i++)
		world_post(txn, body->index, i);
	for (uint8_t *data; (data = baton_next(&txn->ctx, &iter, &key)) != NULL;)
		sum = hash_mix64(sum + key + data[0] + data[RECORD - 1]);
	body->reply = sum;
}

static void world_tick(struct world *world, struct body *body)
{
	struct txn *txn = &world->txn;

	for (uint32_t bucket = body->group; bucket < BUCKETS; bucket += 2) {
		if (txn_last_tick(txn, bucket) >= body->number)
			continue;
		txn_begin_tick(txn, body->number, body->number * 1000, bucket);
		world_operation(txn, body->index);
		txn_end_tick(txn);
		if (world->after != NULL)
			world->after(world);
	}
	txn_pass_tick(txn, false);
}

static struct body *world_body(const struct belt_consumer *c, uint64_t position)
{
	return (struct body *)(void *)belt_slot_data(c, belt_slot_at(c, position));
}

/* The belt whose first entry is the oldest, BELTS if there is none; *count: how many to take from it. */
static uint32_t world_next(const struct world *world, uint32_t *count)
{
	uint32_t best = BELTS, index = UINT32_MAX;

	for (uint32_t b = 0; b < BELTS; b++) {
		const struct belt_consumer *c = &world->consumer[b];
		if (belt_take(c, 1) == 1 && world_body(c, c->done)->index < index) {
			best = b;
			index = world_body(c, c->done)->index;
		}
	}
	if (best == BELTS)
		return BELTS;
	const struct belt_consumer *c = &world->consumer[best];
	uint32_t ready = belt_take(c, world->script->burst);
	for (*count = 1; *count < ready && world_body(c, c->done + *count)->index == index + *count;)
		(*count)++;
	return best;
}

/* Runs until the belts are empty. */
static void world_work(void *arg)
{
	struct world *world = arg;
	struct txn *txn = &world->txn;
	uint32_t count, b;

	for (b = 0; b < BELTS; b++)
		belt_consumer_init(&world->consumer[b], world->primary[b].belt, world->primary[b].commit);
	if (txn_bind(txn, &world->state, 0, 0, 0, 7) != 0)
		abort();
	txn->max_undo = world->script->max_undo; /* near the whole journal: settles early every few saves */
	while ((b = world_next(world, &count)) != BELTS) {
		txn_open(txn, &world->consumer[b], b);
		for (uint32_t i = 0; i < count; i++) {
			struct belt_slot *slot = belt_slot_at(&world->consumer[b], txn->position);
			struct body *body = world_body(&world->consumer[b], txn->position);

			if (slot->packet.kind == BELT_TICK) {
				world_tick(world, body);
				continue;
			}
			txn_begin(txn, slot->packet.time_ns, slot->packet.bucket);
			world_handle(txn, body);
			txn_end(txn, baton_reply(slot->packet.len));
			if (world->after != NULL)
				world->after(world);
		}
		txn_settle(txn);
	}
}

/* ---- the script and the world ---- */

static void script_fill(struct script *script, uint64_t *random, uint32_t max_undo)
{
	uint8_t belt = 0;

	*script = (struct script){.burst = 5, .max_undo = max_undo};
	for (uint32_t i = 0; i < ENTRIES; i++) {
		struct fake_entry *entry = &script->entry[i];
		struct body body = {.index = i, .number = i + 1, .group = fake_below(random, 2)};

		if (fake_below(random, 2) != 0)
			belt ^= 1;
		script->belt[i] = belt;
		entry->kind = fake_below(random, 8) != 0 ? BELT_PACKET : BELT_TICK;
		entry->bucket = (uint16_t)fake_below(random, BUCKETS);
		const uint16_t sizes[] = {BELT_INLINE, BELT_INLINE, BELT_MEDIUM_BYTES, sizeof(body)};
		entry->len = sizes[fake_below(random, 4)];
		entry->time_ns = 1000000 + i + (fake_random(random) & ~0xffull);
		memcpy(entry->data, &body, sizeof(body));
	}
}

static void world_create(struct world *world, const struct script *script)
{
	*world = (struct world){.script = script};
	fake_state_create(&world->state, BUCKETS, RECORD, 1, 1, BELTS);
	for (uint32_t b = 0; b < BELTS; b++) {
		struct belt_commit *commit = &state_control(&world->state, 0)->commit[b];
		commit->done = BELT_SLOTS - 3 + b; /* wraps soon */
		commit->filled = BELT_OUT_CELLS - 2;
		fake_primary_init(&world->primary[b], commit, b, 0);
	}
	for (uint32_t i = 0; i < ENTRIES; i++)
		if (!fake_offer(&world->primary[script->belt[i]], &script->entry[i]))
			abort();
}

static void world_destroy(struct world *world)
{
	for (uint32_t b = 0; b < BELTS; b++)
		fake_primary_fini(&world->primary[b]);
	state_close(&world->state);
}

static void world_image(const struct world *world, struct image *image)
{
	memcpy(image->records, state_records(&world->state, 0), sizeof(image->records));
	memcpy(image->words, state_words(&world->state, 0), sizeof(image->words));
	for (uint32_t at = 0; at < sizeof(image->records); at += STRIDE)
		memset(image->records + at + offsetof(struct baton_record, seq), 0, sizeof(uint32_t));
}

#endif
