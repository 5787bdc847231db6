/* Takes its time in init: for the group's setting `init_ms` if there is one, else for ever. Then it is an echo.
 * Its key is the game's, so that it gets as far as init in the game's place. */
#include <stdlib.h>
#include <time.h>

#include "baton.h"

static int slow(struct baton_ctx *ctx)
{
	const char *text = baton_setting(ctx, "init_ms");
	unsigned long left = text != NULL ? strtoul(text, NULL, 10) : 0;

	while (text == NULL || left-- > 0) {
		struct timespec ms = { .tv_nsec = 1000000 };
		nanosleep(&ms, NULL);
	}
	return 0;
}

static baton_verdict echo(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	(void)ctx;
	(void)data;
	return baton_reply(packet->len);
}

BATON_PLUGIN(.name = "slow-init", .version = "1", .key = BATON_KEY_PAYLOAD, .key_offset = 8, .key_length = 4,
	     .schema = 1,
	     .init = slow, .packet = echo);
