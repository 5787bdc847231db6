/* The worker as its plugin sees it: log lines and settings. */
#include "host.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "baton.h"

#define SEND_WAIT_MS 1000

/* One worker, one process. */
static struct {
	int control;
	const struct zygote_spawn *spawn; /* NULL: no primary to talk to */
	const struct zygote_spawn *settings; /* without a primary; NULL: there are none */
	void (*log)(const char *text);    /* likewise; NULL: standard error */
} host;

void host_init(int control, const struct zygote_spawn *spawn)
{
	host.control = control;
	host.spawn = spawn;
}

void host_log_to(void (*log)(const char *text))
{
	host.log = log;
}

void host_settings(const struct zygote_spawn *spawn)
{
	host.settings = spawn;
}

int host_send(struct zygote_message *message)
{
	message->magic = ZYGOTE_MAGIC;
	message->abi = BATON_ABI;
	for (;;) {
		struct pollfd room = {.fd = host.control, .events = POLLOUT};
		int rc = zygote_send(host.control, message, -1, -1);

		if (rc != -EAGAIN)
			return rc;
		if (poll(&room, 1, SEND_WAIT_MS) <= 0)
			return -EAGAIN;
	}
}

int host_say(uint32_t kind, const char *text)
{
	static struct zygote_message message; /* zeroed: nothing of the stack leaves the process */

	message.kind = kind;
	snprintf(message.text, sizeof(message.text), "%s", text);
	return host_send(&message);
}

void baton_log(struct baton_ctx *ctx, const char *format, ...)
{
	char text[sizeof(((struct zygote_message *)0)->text)];
	va_list args;

	(void)ctx;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (host.spawn == NULL && host.log != NULL)
		host.log(text);
	else if (host.spawn == NULL)
		fprintf(stderr, "%s\n", text);
	else
		host_say(WORKER_LOG, text); /* a line that finds no room is lost, not waited for any longer */
}

const char *baton_setting(struct baton_ctx *ctx, const char *key)
{
	const struct zygote_spawn *from = host.spawn != NULL ? host.spawn : host.settings;

	(void)ctx;
	for (uint32_t i = 0; from != NULL && i < from->settings && i < CONFIG_SETTINGS; i++)
		if (strcmp(from->setting[i].key, key) == 0)
			return from->setting[i].value;
	return NULL;
}
