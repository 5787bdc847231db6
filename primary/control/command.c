/* The control socket: clients, frames, replies; what can be asked is verbs.c, by whom is command_run.c. */
#define _GNU_SOURCE
#include "command.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "audit.h"
#include "log.h"
#include "process.h"
#include "reply.h"

#define HEADER 4u

static void on_client(struct primary *primary, int fd, void *arg);

/* ---- clients ---- */

void client_close(struct primary *primary, struct command_client *c)
{
	primary_unwatch(primary, c->fd);
	close(c->fd);
	if (!BATON_SABOTAGE(buffer_kept))
		free(c->in);
	free(c->out);
	json_decref(c->id);
	peer_free(&c->peer);
	*c = (struct command_client){ .fd = -1, .generation = c->generation + 1 };
}

/* Watches for what the client is waited for. One that has ended is not watched: poll() would report it every turn. */
void client_watch(struct primary *primary, struct command_client *c)
{
	if (c->ended || c->closing)
		primary_unwatch(primary, c->fd);
	else if (primary_watch_events(primary, c->fd, c->out_len > c->out_at, on_client, c))
		log_warn("control socket: no watch is free");
}

static uint64_t token_of(const struct command *command, const struct command_client *c)
{
	return (uint64_t)c->generation << 32 | (uint64_t)(c - command->client);
}

/* ---- replies ---- */

/* Writes what the socket takes. Returns false when the client is gone. */
static bool client_flush(struct command_client *c)
{
	if (c->out_len == 0)
		return true;
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		c->out_at += (size_t)n;
		c->since_ns = process_now_ns(); /* it reads, if slowly */
	}
	free(c->out);
	c->out = NULL;
	c->out_len = c->out_at = 0;
	c->since_ns = 0;
	return true;
}

/* Takes the reference. The reply before this one has been written. */
static void client_answer(struct command *command, struct command_client *c, json_t *reply)
{
	if (reply && c->id)
		json_object_set_new(reply, "id", c->id);
	else
		json_decref(c->id);
	c->id = NULL;
	char *text = reply ? json_dumps(reply, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
	size_t len = text ? strlen(text) : 0;
	if (!text || len > COMMAND_FRAME_MAX) {
		static const char sorry[] =
			"{\"schema\":1,\"ok\":false,\"code\":\"failed\",\"error\":\"the reply cannot be built\"}";
		free(text);
		text = strdup(sorry);
		len = sizeof(sorry) - 1;
	}
	if (!json_is_true(json_object_get(reply, "ok")))
		command->counters.errors++;
	json_decref(reply);
	c->out = text ? malloc(HEADER + len) : NULL;
	if (!c->out) {
		c->closing = true;
		free(text);
		return;
	}
	uint32_t frame = htole32((uint32_t)len);
	memcpy(c->out, &frame, HEADER);
	memcpy(c->out + HEADER, text, len);
	c->out_len = HEADER + len;
	c->out_at = 0;
	c->since_ns = process_now_ns();
	free(text);
}

/* ---- commands ---- */

/* False: it has to wait. */
static bool run_frame(struct primary *primary, struct command_client *c, const uint8_t *frame, uint32_t len)
{
	json_t *request = json_loadb((const char *)frame, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *reply;

	c->waits = false;
	if (json_is_object(request)) {
		c->id = json_incref(json_object_get(request, "id"));
		reply = command_run(primary, c, token_of(primary->command, c), request);
	} else {
		primary->command->counters.garbage++;
		reply = reply_error("garbage", "the frame is not a JSON object");
	}
	json_decref(request);
	if (c->waits) {
		json_decref(c->id);
		c->id = NULL;
		return false;
	}
	if (reply)
		client_answer(primary->command, c, reply);
	return true;
}

/* The longest frame that is taken from it. */
static uint32_t frame_max(const struct primary *primary, const struct command_client *c, uint32_t len)
{
	/* Asked only where it matters: who is who takes a look through lists. */
	if (len <= COMMAND_VIEWER_FRAME_MAX || peer_role(&primary->config, &c->peer) == ROLE_OPERATOR)
		return COMMAND_FRAME_MAX;
	return COMMAND_VIEWER_FRAME_MAX;
}

static json_t *oversize(uint32_t most)
{
	char text[64];

	snprintf(text, sizeof(text), "a frame of yours holds 1 to %u bytes", most);
	return reply_error("oversize", text);
}

/* Gives back what a long frame took. */
static void shrink(struct command_client *c)
{
	if (c->in_len > 0 || c->in_size <= COMMAND_KEEP_BYTES)
		return;
	free(c->in);
	c->in = NULL;
	c->in_size = 0;
}

/* Runs the frames that are complete, as long as nothing is due to the client and it is still this turn. */
static void run_frames(struct primary *primary, struct command_client *c)
{
	uint32_t len, most;

	while (!c->pending && !c->closing && c->out_len == 0 && c->in_len >= HEADER) {
		memcpy(&len, c->in, HEADER);
		len = le32toh(len);
		most = frame_max(primary, c, len);
		if (len == 0 || (len > most && !BATON_SABOTAGE(length_believed))) {
			primary->command->counters.oversize++;
			client_answer(primary->command, c, oversize(most));
			c->closing = true; /* where the next frame starts is anybody's guess */
			break;
		}
		if (c->in_len < HEADER + len)
			break;
		c->since_ns = 0;
		if (!run_frame(primary, c, c->in + HEADER, len))
			break;
		c->in_len -= HEADER + len;
		memmove(c->in, c->in + HEADER + len, c->in_len);
		if (c->out_len && !client_flush(c))
			c->closing = c->ended = true;
		if (process_now_ns() >= primary->command->turn_end_ns)
			break; /* one frame at least: everybody gets on */
	}
	shrink(c);
	if (c->since_ns == 0 && c->in_len && !c->pending && !c->waits)
		c->since_ns = process_now_ns();
}

/* Reads what is there, up to one frame and what follows it. Returns false when the client is to be closed at once. */
static bool client_read(struct command *command, struct command_client *c)
{
	const size_t most = 2 * (size_t)(HEADER + COMMAND_FRAME_MAX);

	for (int i = 0; i < 4; i++) {
		if (c->in_size - c->in_len < 4096) {
			size_t size = c->in_size ? 2 * c->in_size : 8192;
			if (size > most) {
				command->counters.flooded++;
				return false;
			}
			uint8_t *in = realloc(c->in, size);
			if (!in)
				return false;
			c->in = in;
			c->in_size = size;
		}
		ssize_t n = recv(c->fd, c->in + c->in_len, c->in_size - c->in_len, MSG_DONTWAIT);
		if (n == 0)
			c->ended = true;
		if (n <= 0)
			return n == 0 || errno == EAGAIN || errno == EINTR;
		c->in_len += (size_t)n;
		c->heard_ns = process_now_ns();
	}
	return true;
}

/* All that can be done for the client now. */
static void client_serve(struct primary *primary, struct command_client *c)
{
	if (!client_flush(c)) {
		client_close(primary, c);
		return;
	}
	run_frames(primary, c);
	bool due = c->pending || c->waits || c->out_len > c->out_at;
	if (!due && (c->closing || c->ended))
		client_close(primary, c);
	else
		client_watch(primary, c);
}

static void on_client(struct primary *primary, int fd, void *arg)
{
	struct command_client *c = arg;

	(void)fd;
	/* What was read is run by command_poll(), in this turn if there is time. */
	if (!client_read(primary->command, c) || !client_flush(c))
		client_close(primary, c);
	else
		client_watch(primary, c);
}

void command_reply(struct primary *primary, uint64_t token, json_t *reply)
{
	struct command *command = primary->command;

	audit_answered(primary, token, reply);
	struct command_client *c = command ? &command->client[(uint32_t)token % COMMAND_CLIENTS] : NULL;

	if (!c || c->fd < 0 || c->generation != token >> 32 || !c->pending) {
		json_decref(reply);
		return;
	}
	c->pending = false;
	client_answer(command, c, reply);
	/* Its next order has its turn in command_poll(), after what waits: not inside of the one that has just ended. */
	if (!client_flush(c))
		client_close(primary, c);
	else
		client_watch(primary, c);
}

/* ---- turns ---- */

static bool has_to_do(const struct command_client *c)
{
	return c->fd >= 0 && (c->ended || c->closing || (c->in_len > 0 && !c->pending && c->out_len == 0));
}

/* Clients in turn, until the time is up; who did not come to it is the first of the next turn. */
static void serve_turn(struct primary *primary, uint64_t now)
{
	struct command *command = primary->command;
	uint32_t first = command->next;

	command->turn_end_ns = now + command->turn_ns;
	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++) {
		struct command_client *c = &command->client[(first + i) % COMMAND_CLIENTS];

		if (!has_to_do(c))
			continue;
		command->next = (first + i + 1) % COMMAND_CLIENTS;
		client_serve(primary, c);
		if (process_now_ns() >= command->turn_end_ns)
			break;
	}
}

void command_poll(struct primary *primary)
{
	struct command *command = primary->command;
	uint64_t now = process_now_ns();

	if (!command)
		return;
	status_poll(primary, &command->history);
	command_keep_listening(primary, now);
	serve_turn(primary, now);
	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++) {
		struct command_client *c = &command->client[i];

		if (c->fd >= 0 && c->since_ns && now > c->since_ns && now - c->since_ns > command->patience_ns) {
			command->counters.stalled++;
			client_close(primary, c);
		}
	}
}

int command_init(struct primary *primary)
{
	struct command *command = calloc(1, sizeof(*command));
	int rc = -ENOMEM;

	for (const struct command_verb *verb = command_verbs; verb->name; verb++)
		assert(verb->handler && (verb->role == ROLE_VIEWER || verb->role == ROLE_OPERATOR));

	if (!command)
		return rc;
	command->fd = -1;
	command->patience_ns = COMMAND_PATIENCE_NS;
	command->turn_ns = COMMAND_TURN_NS;
	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++)
		command->client[i].fd = -1;
	int len = snprintf(command->path, sizeof(command->path), "%s/%s", primary->run_dir, BATON_CONTROL_SOCKET);
	rc = len < (int)sizeof(command->path) ? command_socket_open(command, &primary->config) : -ENAMETOOLONG;
	if (rc == 0)
		rc = primary_watch(primary, command->fd, command_on_listen, command);
	if (rc) {
		log_error("control socket %s: %s", command->path, strerror(-rc));
		if (command->fd >= 0)
			close(command->fd);
		free(command);
		return rc;
	}
	primary->command = command;
	return 0;
}

void command_fini(struct primary *primary)
{
	struct command *command = primary->command;

	if (!command)
		return;
	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++) {
		if (command->client[i].fd < 0)
			continue;
		client_flush(&command->client[i]); /* what it takes at once; nobody waits for it any more */
		client_close(primary, &command->client[i]);
	}
	primary_unwatch(primary, command->fd);
	close(command->fd);
	unlink(command->path);
	free(command);
	primary->command = NULL;
}
