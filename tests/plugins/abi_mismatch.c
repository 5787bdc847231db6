/* A plugin of another ABI: must be refused with the fix, before any of its code runs. */
#include "baton.h"

static baton_verdict never(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	(void)ctx;
	(void)packet;
	(void)data;
	__builtin_trap();
}

const struct baton_plugin baton_plugin_descriptor = {
	.abi = BATON_PLUGIN_ABI + 1,
	.size = sizeof(struct baton_plugin),
	.name = "abi-mismatch",
	.version = "1",
	.key = BATON_KEY_FLOW,
	.schema = 1,
	.packet = never,
};
