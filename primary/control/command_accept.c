/* Connections to the control socket: who gets one of the places, and who gets none. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "log.h"
#include "process.h"
#include "reply.h"

#define STRANGER_LOG_NS 10000000000ull

/* "uid 1001 (alice)" */
static const char *name_of(const struct peer *peer, char *out, size_t bytes)
{
	char user[PEER_USER_BYTES];

	peer_user(peer->uid, user);
	snprintf(out, bytes, "uid %u%s%s%s", peer->uid, user[0] ? " (" : "", user, user[0] ? ")" : "");
	return out;
}

json_t *command_denied(const struct primary *primary, const struct peer *peer, const char *what)
{
	char name[96], text[BATON_PATH_BYTES * 2 + 320];

	name_of(peer, name, sizeof(name));
	if (what)
		snprintf(text, sizeof(text), "%s needs an operator, and %s is a viewer: root gives the role by "
			 "control.operators in %s and `batonctl config reload`", what, name, primary->config_path);
	else
		snprintf(text, sizeof(text), "%s has no role here: root gives one by control.viewers or control.operators "
			 "in %s and `batonctl config reload`", name, primary->config_path);
	return reply_error("denied", text);
}

/* One line, if the socket takes it at once, and the end. It never had a place. */
static void turn_away(struct primary *primary, int fd, const struct peer *peer)
{
	struct command *command = primary->command;
	uint64_t now = process_now_ns();
	json_t *reply = command_denied(primary, peer, NULL);
	char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL, name[96];

	command->counters.strangers++;
	if (text) {
		uint32_t frame = htole32((uint32_t)strlen(text));
		struct iovec part[2] = { { &frame, sizeof(frame) }, { text, strlen(text) } };
		struct msghdr message = { .msg_iov = part, .msg_iovlen = 2 };
		sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	close(fd);
	free(text);
	json_decref(reply);
	if (command->stranger_ns && now - command->stranger_ns < STRANGER_LOG_NS)
		return;
	command->stranger_ns = now;
	log_warn("control socket: %s, pid %d (%s), has no role and was turned away", name_of(peer, name, sizeof(name)),
		 (int)peer->pid, peer->process);
}

/* ---- places ---- */

static bool is_viewer(const struct primary *primary, const struct command_client *c)
{
	return peer_role(&primary->config, &c->peer) != ROLE_OPERATOR;
}

/* The one that has been silent longest, of those that are owed nothing; of viewers only, and also of those that do not
 * read what they are owed, if `press`. NULL: none. */
static struct command_client *find_silent(struct primary *primary, bool viewers_only, bool press)
{
	struct command_client *silent = NULL;

	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++) {
		struct command_client *c = &primary->command->client[i];

		if (c->fd < 0 || c->pending || (c->out_len && !press) || (viewers_only && !is_viewer(primary, c)))
			continue;
		if (!silent || c->heard_ns < silent->heard_ns)
			silent = c;
	}
	return silent;
}

/* A free place, or that of a client that is silent: idle connections must not keep an operator out, nor may viewers
 * that do not read. */
static struct command_client *find_place(struct primary *primary, enum peer_role role)
{
	struct command_client *unused = NULL, *silent;
	uint32_t viewers = 0;

	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++) {
		struct command_client *c = &primary->command->client[i];

		if (c->fd < 0)
			unused = unused ? unused : c;
		else
			viewers += role == ROLE_VIEWER && is_viewer(primary, c);
	}
	bool full = role == ROLE_VIEWER && viewers >= COMMAND_VIEWERS;
	if (unused && !full)
		return unused;
	silent = find_silent(primary, role == ROLE_VIEWER, false);
	if (!silent && role == ROLE_OPERATOR)
		silent = find_silent(primary, true, true);
	if (silent) {
		primary->command->counters.evicted++;
		client_close(primary, silent);
	}
	return silent;
}

static void take_place(struct primary *primary, int client)
{
	struct command *command = primary->command;
	struct peer peer;

	peer_of_socket(&peer, client);
	enum peer_role role = peer_role(&primary->config, &peer);
	struct command_client *c = role == ROLE_NONE ? NULL : find_place(primary, role);
	if (!c) {
		if (role == ROLE_NONE)
			turn_away(primary, client, &peer);
		else
			close(client);
		command->counters.refused += role != ROLE_NONE;
		peer_free(&peer);
		return;
	}
	command->counters.accepted++;
	*c = (struct command_client){
		.fd = client,
		.generation = c->generation,
		.peer = peer,
		.heard_ns = process_now_ns(),
	};
	client_watch(primary, c);
}

void command_on_listen(struct primary *primary, int fd, void *arg)
{
	(void)arg;
	/* Who comes and goes by the hundred must not make others wait at the door. */
	for (uint32_t i = 0; i < COMMAND_ACCEPTS; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (client < 0)
			return;
		take_place(primary, client);
	}
}

/* ---- the listener ---- */

/* A new listener in the old one's place; who is connected stays so. */
void command_keep_listening(struct primary *primary, uint64_t now)
{
	struct command *command = primary->command;
	int old = command->fd;

	if (now < command->look_ns)
		return;
	command->look_ns = now + COMMAND_LOOK_NS;
	if (!command_socket_remake(command, &primary->config))
		return;
	primary_unwatch(primary, old);
	close(old);
	if (primary_watch(primary, command->fd, command_on_listen, command))
		log_warn("control socket: no watch is free");
	command->counters.remade++;
}

void command_permit(struct primary *primary)
{
	int rc = primary->command ? command_socket_permit(primary->command, &primary->config) : 0;

	if (rc)
		log_error("control socket %s: cannot set who may connect: %s", primary->command->path, strerror(-rc));
}
