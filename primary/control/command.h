/* The control socket: length-framed JSON from many clients, none of which can hold up or break the primary.
 *
 * A frame is 4 bytes of length (little-endian, 1 to 1 MiB) and that many bytes of one JSON object
 * {"command": "worker.restart", "args": {...}, "id": anything}. The reply is framed alike and carries the same id. A
 * client's commands are answered in order, one at a time; orders that take time are answered when they are done. */
#ifndef BATON_PRIMARY_COMMAND_H
#define BATON_PRIMARY_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "peer.h"
#include "primary.h"
#include "status.h"

#define COMMAND_FRAME_MAX  (1u << 20)
#define COMMAND_VIEWER_FRAME_MAX (64u << 10) /* of what a viewer may send: its questions are short */
#define COMMAND_CLIENTS    32u
#define COMMAND_VIEWERS    24u /* of them at most: an operator always finds a place */
#define COMMAND_TURN_NS    5000000ull /* commands of one turn of the main loop; the rest waits for the next */
#define COMMAND_BACKLOG    128       /* connections that wait to be accepted */
#define COMMAND_ACCEPTS    64u       /* of them, in one turn */
#define COMMAND_KEEP_BYTES 65536u     /* of a client's buffer, when it is empty */
#define COMMAND_PATIENCE_NS 10000000000ull
#define COMMAND_LOOK_NS     1000000000ull /* so often is looked whether the socket is still there */

struct command_counters {
	uint64_t accepted, refused; /* connections; refused: all others are owed replies */
	uint64_t strangers; /* connections of peers without a role */
	uint64_t denied;    /* commands that the peer's role does not allow */
	uint64_t evicted;   /* silent connections closed for new ones */
	uint64_t commands, errors;  /* errors: answered with ok: false */
	uint64_t garbage;   /* frames that are not a JSON object with a command */
	uint64_t oversize;  /* frames longer than COMMAND_FRAME_MAX, or empty */
	uint64_t stalled;   /* connections closed: half a frame, or replies unread, for too long */
	uint64_t flooded;   /* connections closed: sent on and on while a reply was due */
	uint64_t remade;    /* times the socket was gone and has been made again */
};

struct command_client {
	int fd; /* -1: free */
	uint32_t generation;
	struct peer peer;
	bool ended;   /* has nothing more to say */
	bool closing; /* goes once its last reply is written */
	bool pending; /* its order is under way: the reply comes later */
	bool waits;   /* its next order waits for a move of the balancing: it is read, and not begun */
	uint8_t *in, *out;
	size_t in_len, in_size, out_len, out_at;
	uint64_t since_ns; /* of the half frame or unread reply; 0: neither */
	uint64_t heard_ns; /* when it last sent anything */
	json_t *id;
};

struct command {
	int fd;
	char path[108];
	dev_t device; /* of the socket's file, to know it again */
	ino_t inode;
	uint64_t look_ns; /* when it is looked for next */
	bool complained;  /* that it cannot be made again */
	bool open_to_all; /* its directory has no access lists: credentials alone decide */
	uint64_t stranger_ns; /* when one was last mentioned in the log */
	uint32_t next;        /* client whose turn comes first */
	uint64_t turn_ns, turn_end_ns;
	struct command_client client[COMMAND_CLIENTS];
	struct command_counters counters;
	uint64_t patience_ns; /* for the rest of a frame, and for a reader that does not read */
	struct status_history history;
};

/* One order as its handler sees it. */
struct command_call {
	struct primary *primary;
	const json_t *args; /* an object, maybe empty */
	uint64_t token;     /* for command_reply(), if the handler returns NULL */
	const struct peer *peer;
	enum peer_role role; /* the peer's */
};

/* Returns the reply, or NULL if it comes later, by command_reply() (never before this returns). */
typedef json_t *(*command_handler)(const struct command_call *call);

/* A row is written VIEWER(name, handler) or OPERATOR(name, handler): there is none without a role. */
struct command_verb {
	enum peer_role role; /* that its caller needs; what an operator alone may do is in the audit log */
	const char *name;
	command_handler handler;
};
#define VIEWER(name, handler)   { ROLE_VIEWER, (name), (handler) }   /* changes nothing */
#define OPERATOR(name, handler) { ROLE_OPERATOR, (name), (handler) } /* changes something */
#define VERBS_END               { ROLE_NONE, NULL, NULL }

/* The verbs, ended by VERBS_END: verbs.c. */
extern const struct command_verb command_verbs[];

/* Answers an order that took time. Takes the reference; a client that is gone is no error. */
void command_reply(struct primary *primary, uint64_t token, json_t *reply);

/* Lets those connect whom the configuration in force names: after a reload. */
void command_permit(struct primary *primary);

/* ---- between the files of the control socket ---- */

/* command_socket.c: makes the socket at command->path, replacing a dead one's. Returns 0 or -errno. */
int command_socket_open(struct command *command, const struct config *config);
/* Makes it again if its file is gone or is not ours any more, unless somebody else listens there. True: command->fd is
 * a new one, the old one is the caller's to close. */
bool command_socket_remake(struct command *command, const struct config *config);
/* Its access list: root, our own user, and whom the configuration names. Returns 0 or -errno. */
int command_socket_permit(struct command *command, const struct config *config);

/* command_accept.c: the listener's watch, and the look whether its file is still there. */
void command_on_listen(struct primary *primary, int fd, void *arg);
void command_keep_listening(struct primary *primary, uint64_t now);

/* command_run.c: the reply to a request, which is an object; NULL: it comes later, and the client is pending, or the
 * client waits, and the same request is to be run again in the next turn.
 * token: the client's, for command_reply(). */
json_t *command_run(struct primary *primary, struct command_client *c, uint64_t token, const json_t *request);

/* command.c */
void client_close(struct primary *primary, struct command_client *c);
void client_watch(struct primary *primary, struct command_client *c);

/* reply.c's error that says which role it takes and who gives it. */
json_t *command_denied(const struct primary *primary, const struct peer *peer, const char *what);

#endif
