/* Refuses to start and says why. Its key is the game's, so that it gets as far as init in the game's place. */
#include <errno.h>

#include "baton.h"

static int refuse(struct baton_ctx *ctx)
{
	baton_log(ctx, "init-refuse: this plugin never starts; use another one");
	return -EPERM;
}

static baton_verdict echo(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	(void)ctx;
	(void)data;
	return baton_reply(packet->len);
}

BATON_PLUGIN(.name = "init-refuse", .version = "1", .key = BATON_KEY_PAYLOAD, .key_offset = 8, .key_length = 4,
	     .schema = 1,
	     .init = refuse, .packet = echo);
