/* The control socket with verbs of the test's own, a main loop turned by hand, and clients. Once per program. */
#ifndef TEST_COMMAND_RIG_H
#define TEST_COMMAND_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "log.h"
#include "process.h"
#include "reply.h"

#define WAIT_NS 60000000000ull

static struct primary primary;
static char dir[64];
static uint64_t later[64]; /* tokens of orders not yet answered */
static uint32_t laters;
static uint32_t mutations;

/* ---- verbs of the test; no supervisor, no data path ---- */

static inline json_t *verb_echo(const struct command_call *call)
{
	json_t *reply = reply_ok();

	json_object_set(reply, "args", (json_t *)(uintptr_t)call->args);
	return reply;
}

static inline json_t *verb_later(const struct command_call *call)
{
	later[laters++ % 64] = call->token;
	return NULL;
}

static inline json_t *verb_big(const struct command_call *call)
{
	size_t bytes = (size_t)json_integer_value(json_object_get(call->args, "bytes"));
	char *text = malloc(bytes + 1);
	json_t *reply = reply_ok();

	memset(text, 'x', bytes);
	text[bytes] = 0;
	reply_set_text(reply, "text", text);
	free(text);
	return reply;
}

static inline json_t *verb_mutate(const struct command_call *call)
{
	(void)call;
	mutations++;
	return reply_ok();
}

static inline json_t *verb_fail(const struct command_call *call)
{
	(void)call;
	return reply_error("busy", "another one is under way");
}

const struct command_verb command_verbs[] = {
	VIEWER("echo", verb_echo),	 VIEWER("later", verb_later),	      VIEWER("big", verb_big),
	OPERATOR("mutate", verb_mutate), OPERATOR("mutate.later", verb_later), OPERATOR("mutate.fail", verb_fail),
	VERBS_END,
};

void status_poll(struct primary *p, struct status_history *history)
{
	(void)p;
	(void)history;
}

/* ---- the main loop's part ---- */

int primary_watch_events(struct primary *p, int fd, bool writable, primary_watch_fn fn, void *arg)
{
	struct primary_watch *place = NULL;

	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++) {
		if (p->watch[i].fd == fd) {
			place = &p->watch[i];
			break;
		}
		if (p->watch[i].fd < 0 && !place)
			place = &p->watch[i];
	}
	if (!place)
		return -ENOSPC;
	*place = (struct primary_watch){
		.fd = fd, .events = (short)(POLLIN | (writable ? POLLOUT : 0)), .fn = fn, .arg = arg
	};
	return 0;
}

int primary_watch(struct primary *p, int fd, primary_watch_fn fn, void *arg)
{
	return primary_watch_events(p, fd, false, fn, arg);
}

void primary_unwatch(struct primary *p, int fd)
{
	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		if (p->watch[i].fd == fd)
			p->watch[i].fd = -1;
}

/* Returns what poll() did: 0 when nothing was to be done. */
static inline int turn(int timeout_ms)
{
	struct pollfd fds[PRIMARY_WATCHES];
	int n;

	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		fds[i] = (struct pollfd){ .fd = primary.watch[i].fd, .events = primary.watch[i].events };
	n = poll(fds, PRIMARY_WATCHES, timeout_ms);
	for (uint32_t i = 0; i < PRIMARY_WATCHES && n > 0; i++) {
		struct primary_watch w = primary.watch[i];
		if (fds[i].fd >= 0 && fds[i].revents && w.fd == fds[i].fd)
			w.fn(&primary, w.fd, w.arg);
	}
	command_poll(&primary);
	return n;
}

#define wait_until(condition) \
	do { \
		uint64_t end_ = process_now_ns() + WAIT_NS; \
		while (!(condition)) { \
			if (process_now_ns() > end_) \
				fail_msg("still not so after 60 s: %s", #condition); \
			turn(1); \
		} \
	} while (0)

static inline struct command_counters *counters(void) { return &primary.command->counters; }

/* ---- a client ---- */

static inline int connect_client(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, primary.command->path, sizeof(address.sun_path));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Sends it all, with turns of the server in between. */
static inline void push(int fd, const void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, (const uint8_t *)data + at, len - at, MSG_NOSIGNAL);
		if (n > 0)
			at += (size_t)n;
		else if (errno != EAGAIN)
			fail_msg("send: %s", strerror(errno));
		turn(0);
	}
}

static inline void push_frame(int fd, const char *text)
{
	uint8_t frame[4096];
	uint32_t len = (uint32_t)strlen(text);

	assert_true(len + 4 <= sizeof(frame));
	memcpy(frame, &len, 4); /* x86-64: little-endian */
	memcpy(frame + 4, text, len);
	push(fd, frame, len + 4);
}

/* Waits for exactly len bytes; false at hang-up. */
static inline bool pull(int fd, void *data, size_t len)
{
	uint64_t end = process_now_ns() + WAIT_NS;

	for (size_t at = 0; at < len;) {
		ssize_t n = recv(fd, (uint8_t *)data + at, len - at, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
		if (n > 0)
			at += (size_t)n;
		if (process_now_ns() > end)
			fail_msg("no reply within 60 s");
		turn(n > 0 ? 0 : 1);
	}
	return true;
}

static inline json_t *pull_frame(int fd)
{
	static char text[COMMAND_FRAME_MAX];
	uint32_t len;

	if (!pull(fd, &len, 4))
		return NULL;
	assert_in_range(len, 1, COMMAND_FRAME_MAX);
	assert_true(pull(fd, text, len));
	json_t *reply = json_loadb(text, len, 0, NULL);
	assert_non_null(reply);
	return reply;
}

static inline void expect(int fd, bool ok, const char *code)
{
	json_t *reply = pull_frame(fd);
	const char *got = json_string_value(json_object_get(reply, "code"));

	assert_non_null(reply);
	assert_int_equal(json_integer_value(json_object_get(reply, "schema")), 1);
	assert_int_equal(json_is_true(json_object_get(reply, "ok")), ok);
	assert_string_equal(got ? got : "", code);
	json_decref(reply);
}

static inline void expect_alive(void)
{
	int fd = connect_client();

	push_frame(fd, "{\"command\":\"echo\"}");
	expect(fd, true, "");
	close(fd);
}

static inline uint32_t clients(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++)
		n += primary.command->client[i].fd >= 0;
	return n;
}

/* ---- start and end ---- */

static inline int start(void **unused)
{
	(void)unused;
	memset(&primary, 0, sizeof(primary));
	snprintf(dir, sizeof(dir), "/tmp/baton-command.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(primary.run_dir, sizeof(primary.run_dir), "%s", dir);
	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		primary.watch[i].fd = -1;
	return command_init(&primary);
}

static inline int end(void **unused)
{
	(void)unused;
	command_fini(&primary);
	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		assert_int_equal(primary.watch[i].fd, -1);
	return rmdir(dir);
}

#endif
