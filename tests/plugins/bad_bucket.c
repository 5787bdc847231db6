/* Writes to a record of another bucket: the neighbour, or one far away if an F stands behind the key. */
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
	uint64_t buckets = ctx->records_bytes / ctx->bucket_bytes;
	uint64_t step = packet->len > 4 && data[4] == 'F' ? buckets / 2 : 1;
	uint64_t other = (ctx->bucket + step) % buckets;
	struct baton_record *record = (struct baton_record *)(void *)(ctx->records + other * ctx->bucket_bytes);

	if (tally_of(ctx, data) == NULL)
		return baton_no_reply();
	((struct tally *)(void *)(record + 1))->datagrams = packet->len;
	return baton_reply(packet->len);
}

BATON_PLUGIN(.name = "bad-bucket", .version = "1", .key = BATON_KEY_PAYLOAD, .key_offset = 0, .key_length = 4,
	     .schema = 1, .record_size = sizeof(struct tally), .max_undo_bytes = 128, .packet = handle);
