/* Depends on a clock: in its reply, and with an R behind the key in its record. */
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

#include <x86intrin.h>

static baton_verdict handle(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	struct tally *tally = tally_of(ctx, data);
	uint64_t now = __rdtsc();

	if (tally == NULL || !baton_save(ctx, tally, sizeof(*tally)))
		return baton_no_reply();
	if (packet->len > 4 && data[4] == 'R')
		tally->bytes = now;
	else if (packet->len >= 12)
		memcpy(data + 4, &now, sizeof(now));
	return baton_reply(packet->len);
}

BATON_PLUGIN(.name = "bad-clock", .version = "1", .key = BATON_KEY_PAYLOAD, .key_offset = 0, .key_length = 4,
	     .schema = 1, .record_size = sizeof(struct tally), .max_undo_bytes = 128, .packet = handle);
