/* Two versions of a plugin for tests of migrations: schema 1, and schema 2, which converts up and down. */
#ifndef MIGRATE_PLUGINS_H
#define MIGRATE_PLUGINS_H

#include "fake.h"

/* Schema 2 is wider, in another order, and each knows its own records. */
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

#endif
