/* Writes behind the datagram: into the first byte that is not its own, or with an F behind the key far behind. */
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
	if (tally_of(ctx, data) == NULL)
		return baton_no_reply();
	data[packet->len + (packet->len > 4 && data[4] == 'F' ? 4096 : 0)] = 1;
	return baton_reply(packet->len);
}

BATON_PLUGIN(.name = "bad-past-end", .version = "1", .key = BATON_KEY_PAYLOAD, .key_offset = 0, .key_length = 4,
	     .schema = 1, .record_size = sizeof(struct tally), .max_undo_bytes = 128, .packet = handle);
