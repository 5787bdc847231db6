/* Who gives an order: a process at the other end of the control socket, or the sender of a signal; and its role. */
#ifndef BATON_PRIMARY_PEER_H
#define BATON_PRIMARY_PEER_H

#include <stdint.h>
#include <sys/types.h>

#include "config.h"

/* No uid, gid or login: what the kernel takes for none, and no configuration can name. */
#define PEER_NONE ((uint32_t)-1)

/* Not 0 and 1: a table row that was meant to hold a bool does not grant anything. */
enum peer_role { ROLE_NONE = 0, ROLE_VIEWER = 'v', ROLE_OPERATOR = 'o' };

struct peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;    /* 0: not of our pid namespace */
	uid_t login;  /* whom the process's session belongs to, sudo or not; PEER_NONE: unknown */
	int signal;   /* that gave the order; 0: it came over the socket */
	gid_t *group; /* supplementary groups, when it connected; peer_free() */
	uint32_t groups;
	char process[16]; /* its command name */
};

/* Asks the kernel who connected. Credentials that cannot be had are nobody's. */
void peer_of_socket(struct peer *out, int fd);
/* The sender of a signal, by what came with it. It may have ended by now. */
void peer_of_signal(struct peer *out, int signal, uid_t uid, pid_t pid);
/* Who started us. */
void peer_of_starter(struct peer *out);
void peer_free(struct peer *peer);

/* By the configuration in force: root and our own user are operators, others as `control` says. */
enum peer_role peer_role(const struct config *config, const struct peer *peer);
const char *peer_role_name(enum peer_role role);

#define PEER_USER_BYTES 64u
/* Name of the user in this machine's file, else "": a name service over the network could take its time. */
const char *peer_user(uid_t uid, char out[PEER_USER_BYTES]);

#endif
