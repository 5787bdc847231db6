/* The control socket: clients, frames, replies; what can be asked is verbs.c. */
#define _GNU_SOURCE
#include "command.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "process.h"
#include "reply.h"

#define HEADER 4u

static void on_listen(struct primary *primary, int fd, void *arg);
static void on_client(struct primary *primary, int fd, void *arg);

/* ---- clients ---- */

static void client_close(struct primary *primary, struct command_client *c)
{
	primary_unwatch(primary, c->fd);
	close(c->fd);
	free(c->in);
	free(c->out);
	json_decref(c->id);
	*c = (struct command_client){ .fd = -1, .generation = c->generation + 1 };
}

/* Watches for what the client is waited for. One that has ended is not watched: poll() would report it every turn. */
static void client_watch(struct primary *primary, struct command_client *c)
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

static bool may_mutate(const struct command_client *c)
{
	return c->uid == 0 || c->uid == geteuid();
}

static json_t *run(struct primary *primary, struct command_client *c, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command"));
	const json_t *args = json_object_get(request, "args");
	json_t *none = NULL, *reply;
	char text[160];

	if (!name || (args && !json_is_object(args))) {
		primary->command->counters.garbage++;
		return reply_error("garbage", "a frame holds one object {\"command\": text, \"args\": object}");
	}
	const struct command_verb *verb = command_verbs;
	while (verb->name && strcmp(verb->name, name) != 0)
		verb++;
	if (!verb->name) {
		snprintf(text, sizeof(text), "no command '%.64s'", name);
		return reply_error("unknown_command", text);
	}
	if (verb->mutating) {
		log_info("control socket: %s by uid %u, pid %d", verb->name, c->uid, (int)c->pid);
		if (!may_mutate(c))
			return reply_error("denied", "only root and the user batond runs as may do that");
	}
	primary->command->counters.commands++;
	if (!args)
		args = none = json_object();
	const struct command_call call = { .primary = primary, .args = args, .token = token_of(primary->command, c) };
	reply = verb->handler(&call);
	c->pending = reply == NULL;
	json_decref(none);
	return reply;
}

static void run_frame(struct primary *primary, struct command_client *c, const uint8_t *frame, uint32_t len)
{
	json_t *request = json_loadb((const char *)frame, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *reply;

	if (json_is_object(request)) {
		c->id = json_incref(json_object_get(request, "id"));
		reply = run(primary, c, request);
	} else {
		primary->command->counters.garbage++;
		reply = reply_error("garbage", "the frame is not a JSON object");
	}
	json_decref(request);
	if (reply)
		client_answer(primary->command, c, reply);
}

/* Runs the frames that are complete, as long as nothing is due to the client. */
static void run_frames(struct primary *primary, struct command_client *c)
{
	uint32_t len;

	while (!c->pending && !c->closing && c->out_len == 0 && c->in_len >= HEADER) {
		memcpy(&len, c->in, HEADER);
		len = le32toh(len);
		if (len == 0 || len > COMMAND_FRAME_MAX) {
			primary->command->counters.oversize++;
			client_answer(primary->command, c, reply_error("oversize", "a frame holds 1 to 1048576 bytes"));
			c->closing = true; /* where the next frame starts is anybody's guess */
			break;
		}
		if (c->in_len < HEADER + len)
			break;
		c->since_ns = 0;
		run_frame(primary, c, c->in + HEADER, len);
		c->in_len -= HEADER + len;
		memmove(c->in, c->in + HEADER + len, c->in_len);
		if (c->out_len && !client_flush(c))
			c->closing = c->ended = true;
	}
	if (c->since_ns == 0 && c->in_len && !c->pending)
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
	bool due = c->pending || c->out_len > c->out_at;
	if (!due && (c->closing || c->ended))
		client_close(primary, c);
	else
		client_watch(primary, c);
}

static void on_client(struct primary *primary, int fd, void *arg)
{
	struct command_client *c = arg;

	(void)fd;
	if (client_read(primary->command, c))
		client_serve(primary, c);
	else
		client_close(primary, c);
}

void command_reply(struct primary *primary, uint64_t token, json_t *reply)
{
	struct command *command = primary->command;
	struct command_client *c = command ? &command->client[(uint32_t)token % COMMAND_CLIENTS] : NULL;

	if (!c || c->fd < 0 || c->generation != token >> 32 || !c->pending) {
		json_decref(reply);
		return;
	}
	c->pending = false;
	client_answer(command, c, reply);
	client_serve(primary, c);
}

/* ---- connections ---- */

/* A free place, or that of the client that has been silent longest and is owed nothing: idle connections must not keep
 * an operator out. */
static struct command_client *find_place(struct primary *primary)
{
	struct command_client *silent = NULL;

	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++) {
		struct command_client *c = &primary->command->client[i];

		if (c->fd < 0)
			return c;
		if (!c->pending && c->out_len == 0 && (!silent || c->heard_ns < silent->heard_ns))
			silent = c;
	}
	if (silent) {
		primary->command->counters.evicted++;
		client_close(primary, silent);
	}
	return silent;
}

static void on_listen(struct primary *primary, int fd, void *arg)
{
	struct command *command = arg;
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (client < 0)
		return;
	struct command_client *c = find_place(primary);
	if (!c) {
		command->counters.refused++;
		close(client);
		return;
	}
	getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	command->counters.accepted++;
	*c = (struct command_client){
		.fd = client,
		.generation = c->generation,
		.uid = peer.uid,
		.pid = peer.pid,
		.heard_ns = process_now_ns(),
	};
	client_watch(primary, c);
}

/* A new listener in the old one's place; who is connected stays so. */
static void keep_listening(struct primary *primary, uint64_t now)
{
	struct command *command = primary->command;
	int old = command->fd;

	if (now < command->look_ns)
		return;
	command->look_ns = now + COMMAND_LOOK_NS;
	if (!command_socket_remake(command))
		return;
	primary_unwatch(primary, old);
	close(old);
	if (primary_watch(primary, command->fd, on_listen, command))
		log_warn("control socket: no watch is free");
	command->counters.remade++;
}

void command_poll(struct primary *primary)
{
	struct command *command = primary->command;
	uint64_t now = process_now_ns();

	if (!command)
		return;
	status_poll(primary, &command->history);
	keep_listening(primary, now);
	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++) {
		struct command_client *c = &command->client[i];

		if (c->fd >= 0 && (c->ended || c->closing))
			client_serve(primary, c);
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

	if (!command)
		return rc;
	command->fd = -1;
	command->patience_ns = COMMAND_PATIENCE_NS;
	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++)
		command->client[i].fd = -1;
	int len = snprintf(command->path, sizeof(command->path), "%s/%s", primary->run_dir, BATON_CONTROL_SOCKET);
	rc = len < (int)sizeof(command->path) ? command_socket_open(command) : -ENAMETOOLONG;
	if (rc == 0)
		rc = primary_watch(primary, command->fd, on_listen, command);
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
