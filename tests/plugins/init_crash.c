/* Dies in init. Its key is the game's, so that it gets as far as init in the game's place. */
#include "baton.h"

static int crash(struct baton_ctx *ctx)
{
	baton_log(ctx, "init-crash: about to write to address 0");
	*(volatile int *)0 = 1;
	return 0;
}

static baton_verdict echo(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	(void)ctx;
	(void)data;
	return baton_reply(packet->len);
}

BATON_PLUGIN(.name = "init-crash", .version = "1", .key = BATON_KEY_PAYLOAD, .key_offset = 8, .key_length = 4,
	     .schema = 1,
	     .init = crash, .packet = echo);
