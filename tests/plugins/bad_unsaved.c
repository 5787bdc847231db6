/* Changes a record without baton_save: the second of its two counters. */
#include "baton.h"

struct tally {
	uint64_t datagrams;
	uint64_t bytes;
};

/* The record of the datagram's first four bytes. */
static struct tally *tally_of(struct baton_ctx *ctx, const uint8_t *data)
{
	uint32_t key;

	memcpy(&key, data, sizeof(key));
	struct tally *tally = baton_find(ctx, key);
	return tally != NULL ? tally : baton_insert(ctx, key);
}

static baton_verdict handle(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	struct tally *tally = tally_of(ctx, data);

	if (tally == NULL || !baton_save(ctx, &tally->datagrams, sizeof(tally->datagrams)))
		return baton_no_reply();
	tally->datagrams++;
	tally->bytes += packet->len;
	return baton_reply(packet->len);
}

BATON_PLUGIN(.name = "bad-unsaved", .version = "1", .key = BATON_KEY_PAYLOAD, .key_offset = 0, .key_length = 4,
	     .schema = 1, .record_size = sizeof(struct tally), .max_undo_bytes = 128, .packet = handle);
