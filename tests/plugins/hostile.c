/* What `batonctl plugin check` must survive. Tests compile it with what it does, and when:
 *	-DWHEN="load" (or init, packet)   -DWHAT="crash" (or hang, exit, print, fork) */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "baton.h"

#ifndef WHEN
#define WHEN "packet"
#define WHAT "crash"
#endif

static void misbehave(const char *when)
{
	volatile uintptr_t nowhere = 8;

	if (strcmp(when, WHEN) != 0)
		return;
	if (strcmp(WHAT, "crash") == 0)
		*(volatile int *)nowhere = 1;
	for (volatile int i = 0; strcmp(WHAT, "hang") == 0; i++)
		;
	if (strcmp(WHAT, "exit") == 0)
		_exit(0);
	if (strcmp(WHAT, "print") == 0)
		for (int i = 0; i < 100; i++)
			fprintf(i & 1 ? stdout : stderr, "\033[2J{garbage}%d\n", i);
	if (strcmp(WHAT, "fork") == 0 && fork() >= 0)
		abort(); /* it was allowed */
}

__attribute__((constructor)) static void load(void)
{
	misbehave("load");
}

static int init(struct baton_ctx *ctx)
{
	(void)ctx;
	misbehave("init");
	return 0;
}

static baton_verdict handle(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	(void)ctx;
	(void)data;
	misbehave("packet");
	return baton_reply(packet->len);
}

BATON_PLUGIN(.name = "hostile", .version = "1", .key = BATON_KEY_FLOW, .schema = 1, .init = init, .packet = handle);
