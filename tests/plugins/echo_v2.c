/* An echo of another version and build id: what a worker can be upgraded to. */
#include "baton.h"

static baton_verdict echo(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	(void)ctx;
	(void)data;
	return baton_reply(packet->len);
}

BATON_PLUGIN(.name = "echo", .version = "2", .key = BATON_KEY_FLOW, .schema = 1, .packet = echo);
