/* The audit log: who ordered what, and how it ended; one JSON object a line, in a file that is only ever appended to.
 *
 * An order has a line when it begins and one when it ends, so that the one during which batond died is there, too; an
 * order that is refused for want of a role has one line. Nothing that is wrong with the file stops the primary or an
 * order: lines that could not be written are counted, said once, and their number is in the next line that could.
 * Main lcore only. docs/operations.md has the fields. */
#ifndef BATON_PRIMARY_AUDIT_H
#define BATON_PRIMARY_AUDIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "peer.h"
#include "primary.h"

/* Token of the reload that nobody waits for; there is one at a time. */
#define AUDIT_RELOAD UINT64_MAX
/* Refusals are written at this rate at most, after a first burst: a viewer cannot fill the disk. */
#define AUDIT_REFUSALS_BURST 100u
#define AUDIT_REFUSAL_NS     100000000ull
#define AUDIT_ARGS_BYTES     1024u /* longer arguments are cut, and their length is given */

/* An order that has begun. */
struct audit_order {
	struct audit_order *next; /* of those whose end comes later */
	uint64_t token;
	uint64_t request;
	uint64_t began_ns; /* CLOCK_MONOTONIC */
	json_t *facts;     /* what both its lines say */
};

struct audit {
	char path[BATON_PATH_BYTES]; /* changes with the configuration, but not while an order is under way */
	uint32_t open_orders;
	int fd; /* -1: not open */
	dev_t device;
	ino_t inode;
	bool torn;       /* the file's last line has no end */
	bool complained; /* that nothing can be written */
	uint64_t requests;
	uint64_t written, lost, suppressed;      /* lines */
	uint64_t lost_said, suppressed_said;     /* of them, what the log itself says */
	uint32_t refusals;                       /* that may be written now */
	uint64_t refusal_ns;                     /* since when */
	struct audit_order *pending, *start, *stop;
};

/* The file's name, by the configuration in force. */
void audit_path(const struct primary *primary, char out[BATON_PATH_BYTES]);

/* An order begins. args may be NULL. Returns what audit_end() or audit_await() takes; NULL without a log. */
struct audit_order *audit_begin(struct primary *primary, const struct peer *peer, const char *verb, const json_t *args);
/* It has ended: `reply` says how. Takes the order, which may be NULL. */
void audit_end(struct primary *primary, struct audit_order *order, const json_t *reply);
/* Its end will be told by audit_answered() with this token. Takes the order, which may be NULL. */
void audit_await(struct primary *primary, struct audit_order *order, uint64_t token);
/* Nothing if no order waits by that token. */
void audit_answered(struct primary *primary, uint64_t token, const json_t *reply);
/* An order that its giver may not give. */
void audit_refused(struct primary *primary, const struct peer *peer, const char *verb, const json_t *args,
		   const json_t *reply);

/* A line that is no order: what batond does by itself, such as a step of a rollout. Takes the reference to facts. */
void audit_note(struct primary *primary, const char *event, json_t *facts);

/* The file is opened anew for the next line. */
void audit_reopen(struct primary *primary);
/* Start and stop of batond are orders, too. */
void audit_started(struct primary *primary);
void audit_stopping(struct primary *primary);

#endif
