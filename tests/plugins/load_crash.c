/* Dies while it is loaded, before anybody has asked it anything. */
#include "baton.h"

__attribute__((constructor)) static void crash(void)
{
	__builtin_trap();
}

static baton_verdict echo(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	(void)ctx;
	(void)data;
	return baton_reply(packet->len);
}

BATON_PLUGIN(.name = "load-crash", .version = "1", .key = BATON_KEY_PAYLOAD, .key_offset = 8, .key_length = 4,
	     .schema = 1, .packet = echo);
