/* Clients of the control socket on the supervisor's rig, so that several wait at once. Include once per program. */
#ifndef TEST_CALLERS_H
#define TEST_CALLERS_H

#include <sys/un.h>

#include "supervisor_rig.h"

struct caller {
	int fd;
	uint32_t got;
	json_t *reply;
	uint8_t in[65536];
};

static inline void hang_up_on(struct caller *c)
{
	if (c->fd > 0)
		close(c->fd);
	json_decref(c->reply);
	*c = (struct caller){ .fd = 0 };
}

static inline void dial(struct caller *c)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	hang_up_on(c);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(address.sun_path, rig.primary->command->path, sizeof(address.sun_path));
	assert_int_equal(connect(c->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static inline void forget_reply(struct caller *c)
{
	json_decref(c->reply);
	c->reply = NULL;
}

/* Another order of the same client, be the one before it answered or not. */
static inline void add_order(struct caller *c, const char *text)
{
	uint32_t len = (uint32_t)strlen(text);

	assert_int_equal(send(c->fd, &len, 4, MSG_NOSIGNAL), 4);
	assert_int_equal(send(c->fd, text, len, MSG_NOSIGNAL), len);
}

static inline void demand(struct caller *c, const char *text)
{
	forget_reply(c);
	add_order(c, text);
}

static inline void call(struct caller *c, const char *text)
{
	dial(c);
	demand(c, text);
}

/* Has its reply, complete. */
static inline bool told(struct caller *c)
{
	uint32_t len;

	if (c->reply)
		return true;
	ssize_t n = recv(c->fd, c->in + c->got, sizeof(c->in) - c->got, MSG_DONTWAIT);
	c->got += n > 0 ? (uint32_t)n : 0;
	memcpy(&len, c->in, 4);
	if (c->got < 4 || c->got < 4 + len)
		return false;
	c->reply = json_loadb((char *)c->in + 4, len, 0, NULL);
	assert_non_null(c->reply);
	c->got -= 4 + len;
	memmove(c->in, c->in + 4 + len, c->got);
	return true;
}

static inline void told_well(struct caller *c)
{
	wait_until(told(c));
	if (!json_is_true(json_object_get(c->reply, "ok")))
		fail_msg("%s", json_dumps(c->reply, 0));
}

/* Refused or failed: with that code, and one line that has those words. */
static inline void told_why(struct caller *c, const char *code, const char *words)
{
	wait_until(told(c));
	char *all = json_dumps(c->reply, 0);
	const char *error = json_string_value(json_object_get(c->reply, "error"));

	if (json_is_true(json_object_get(c->reply, "ok")) || !error ||
	    strcmp(json_string_value(json_object_get(c->reply, "code")), code) != 0 || !strstr(all, words) ||
	    strchr(error, '\n'))
		fail_msg("not %s with '%s': %s", code, words, all);
	free(all);
}

#endif
