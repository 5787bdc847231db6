/* Inserts the key of a datagram without looking whether it is there. */
#include "baton.h"

static baton_verdict handle(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	uint32_t key;

	memcpy(&key, data, sizeof(key));
	return baton_insert(ctx, key) != NULL ? baton_reply(packet->len) : baton_no_reply();
}

BATON_PLUGIN(.name = "bad-insert", .version = "1", .key = BATON_KEY_PAYLOAD, .key_offset = 0, .key_length = 4,
	     .schema = 1, .record_size = 8, .max_undo_bytes = 64, .packet = handle);
