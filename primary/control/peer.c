/* Credentials of peers, and the roles that the configuration gives them. */
#define _GNU_SOURCE
#include "peer.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* First line of /proc/PID/NAME, without its end; "" if it cannot be read. */
static void read_proc(pid_t pid, const char *name, char *out, size_t bytes)
{
	char path[64];

	out[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	FILE *file = pid > 0 ? fopen(path, "re") : NULL;
	if (!file)
		return;
	if (!fgets(out, (int)bytes, file))
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	fclose(file);
}

/* What /proc knows of it, while it lives. */
static void look(struct peer *peer)
{
	char login[16];

	read_proc(peer->pid, "comm", peer->process, sizeof(peer->process));
	read_proc(peer->pid, "loginuid", login, sizeof(login));
	peer->login = login[0] ? (uid_t)strtoul(login, NULL, 10) : PEER_NONE;
}

static void read_groups(struct peer *peer, int fd)
{
	socklen_t bytes = 0;

	/* Asked without room it says how much is needed. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) == 0 || errno != ERANGE || bytes == 0)
		return;
	peer->group = malloc(bytes);
	if (!peer->group)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer->group, &bytes) == 0)
		peer->groups = (uint32_t)(bytes / sizeof(gid_t));
}

void peer_of_socket(struct peer *out, int fd)
{
	struct ucred peer = { .uid = PEER_NONE, .gid = PEER_NONE };
	socklen_t bytes = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
		peer = (struct ucred){ .uid = PEER_NONE, .gid = PEER_NONE };
	*out = (struct peer){ .uid = peer.uid, .gid = peer.gid, .pid = peer.pid };
	read_groups(out, fd);
	look(out);
}

void peer_of_signal(struct peer *out, int signal, uid_t uid, pid_t pid)
{
	*out = (struct peer){ .uid = uid, .gid = PEER_NONE, .pid = pid, .signal = signal };
	look(out);
}

void peer_of_starter(struct peer *out)
{
	char login[16];

	*out = (struct peer){ .uid = getuid(), .gid = getgid(), .pid = getppid() };
	look(out);
	read_proc(getpid(), "loginuid", login, sizeof(login));
	out->login = login[0] ? (uid_t)strtoul(login, NULL, 10) : PEER_NONE;
}

void peer_free(struct peer *peer)
{
	free(peer->group);
	peer->group = NULL;
	peer->groups = 0;
}

static bool in_group(const struct peer *peer, gid_t gid)
{
	bool in = peer->gid == gid;

	for (uint32_t i = 0; i < peer->groups && !in; i++)
		in = peer->group[i] == gid;
	return in;
}

static bool has(const struct config_role *role, const struct peer *peer)
{
	for (uint32_t i = 0; i < role->users; i++)
		if (role->user[i].id == peer->uid)
			return true;
	for (uint32_t i = 0; i < role->groups; i++)
		if (in_group(peer, role->group[i].id))
			return true;
	return false;
}

enum peer_role peer_role(const struct config *config, const struct peer *peer)
{
	if (peer->uid == PEER_NONE)
		return ROLE_NONE;
	if (peer->uid == 0 || peer->uid == geteuid() || has(&config->operators, peer))
		return ROLE_OPERATOR;
	return has(&config->viewers, peer) ? ROLE_VIEWER : ROLE_NONE;
}

const char *peer_role_name(enum peer_role role)
{
	return role == ROLE_OPERATOR ? "operator" : role == ROLE_VIEWER ? "viewer" : "none";
}

const char *peer_user(uid_t uid, char out[PEER_USER_BYTES])
{
	char memory[4096];
	struct passwd entry, *found;
	FILE *file = fopen("/etc/passwd", "re");

	out[0] = '\0';
	while (file && !out[0] && fgetpwent_r(file, &entry, memory, sizeof(memory), &found) == 0)
		if (entry.pw_uid == uid)
			snprintf(out, PEER_USER_BYTES, "%s", entry.pw_name);
	if (file)
		fclose(file);
	return out;
}
