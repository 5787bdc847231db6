/* Answers with a count that it keeps in a static variable. */
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
	static uint8_t count;

	if (tally_of(ctx, data) == NULL)
		return baton_no_reply();
	data[packet->len - 1] = ++count;
	return baton_reply(packet->len);
}

BATON_PLUGIN(.name = "bad-static", .version = "1", .key = BATON_KEY_PAYLOAD, .key_offset = 0, .key_length = 4,
	     .schema = 1, .record_size = sizeof(struct tally), .max_undo_bytes = 128, .packet = handle);
