/* A service that its neighbours must survive. The ninth byte of a datagram says what it does:
 *	l  posts as many messages as it may, and each of them goes on for ever
 *	h  posts as many as it may to one bucket
 *	s  sends as many packets as it may to addresses that nobody has
 *	g  writes a line to the log
 * Everything is echoed. The eight bytes in front are the key. */
#include <string.h>

#include "baton.h"

#define HOT 0u

static baton_verdict crowd_packet(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	char what = packet->len > 8 ? (char)data[8] : 0;
	struct baton_peer nobody = *ctx->peer;

	for (uint32_t i = 0; i < BATON_POSTS_MOST && (what == 'l' || what == 'h'); i++)
		if (!baton_post(ctx, what == 'h' ? HOT : (ctx->bucket + i) & (ctx->buckets - 1), &data[8], 1))
			return BATON_NO_REPLY;
	for (uint32_t i = 0; i < BATON_SENDS_MOST && what == 's'; i++) {
		memset(nobody.mac, 0, sizeof(nobody.mac));
		((uint8_t *)&nobody.ip)[3] = (uint8_t)(16 + baton_random(ctx) % 224);
		baton_send(ctx, &nobody, data, packet->len);
	}
	if (what == 'g')
		baton_log(ctx, "a datagram of %u bytes", packet->len);
	return baton_reply(packet->len);
}

static void crowd_message(struct baton_ctx *ctx, const struct baton_packet *message, const uint8_t *data)
{
	if (data[0] == 'l')
		baton_post(ctx, (ctx->bucket + 1) & (ctx->buckets - 1), data, message->len);
}

BATON_PLUGIN(
	.name = "crowd",
	.version = "1",
	.key = BATON_KEY_PAYLOAD,
	.key_offset = 0,
	.key_length = 8,
	.schema = 1,
	.max_posts = BATON_POSTS_MOST,
	.max_sends = BATON_SENDS_MOST,
	.packet = crowd_packet,
	.message = crowd_message
);
