/* echo: sends every datagram back as it came. The template: copy this folder, then edit (docs/sdk.md).
 *
 * A plugin is one shared object made of the *.c files of its folder. Of Baton it includes "baton.h" alone. */
#include "baton.h"

/* Once per process, before any datagram; for settings and tables. Nothing built here may change later. */
static int echo_init(struct baton_ctx *ctx)
{
	const char *greeting = baton_setting(ctx, "greeting"); /* NULL unless the group's `settings:` has it */

	baton_log(ctx, "echo: %s", greeting != NULL ? greeting : "ready");
	return 0; /* -errno refuses to start: say why with baton_log, and what to do */
}

/* One datagram: packet->len bytes at data. It may be handled again after a crash and must then end the same way, so
 * it depends on the datagram, the records and ctx alone: no clock (ctx->time_ns is the time), no rand()
 * (baton_random(ctx)), no globals that change, no system calls. */
static baton_verdict echo_packet(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	(void)ctx;
	(void)data; /* the reply is written over the request; an echo stands there already */

	/* To remember something per sender: record = baton_find(ctx, key), or baton_insert(ctx, key) the first time;
	 * baton_save(ctx, record, bytes) before a change. Record and reply then take effect together or not at all. */

	return baton_reply(packet->len); /* never longer than the request */
}

/* What the worker reads first. */
BATON_PLUGIN(
	.name = "echo",
	.version = "1",
	.key = BATON_KEY_FLOW, /* steer by addresses and ports; BATON_KEY_PAYLOAD: by bytes of the datagram */
	.schema = 1,           /* raise it when the layout of a record changes */
	.record_size = 0,      /* sizeof(struct yours) if it remembers something */
	.max_undo_bytes = 0,   /* then: bytes that one datagram saves at most, each save rounded up to 8, plus 16 */
	.init = echo_init,
	.packet = echo_packet,
	.shadow = 1            /* has no effect but its reply: a new version may be tried on copies first */
);
