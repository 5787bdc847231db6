/* Workers and their slots, as the files of the supervisor share them: supervisor.c (what every worker needs, turn by
 * turn), worker_spawn.c, worker_slot.c and worker_hear.c (one incarnation), transfer.c (buckets from slot to slot),
 * restart.c and scale.c (the operations), worker_table.c (workers come and go). Main lcore only. */
#ifndef BATON_PRIMARY_SUPERVISOR_H
#define BATON_PRIMARY_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "balance.h"
#include "budget.h"
#include "convert.h"
#include "debug.h"
#include "group.h"
#include "held.h"
#include "primary.h"
#include "quarantine.h"
#include "restart.h"
#include "scale.h"
#include "shadow.h"
#include "stall.h"
#include "standby.h"
#include "state_op.h"
#include "version_find.h"
#include "version_kept.h"
#include "worker_life.h"
#include "zygote_client.h"

#define WORKER_STOP_NS      2000000000ull  /* from the stop order to SIGKILL */
#define WORKER_STEADY_NS    10000000000ull /* alive for so long: the next death is replaced at once */
#define WORKER_KILLED_NS    100000000ull   /* the same if it was killed by somebody else */

/* One incarnation: a process in a slot. */
struct worker_slot {
	uint32_t state; /* enum worker_state; changed by slot_event() only */
	uint32_t worker; /* whose incarnation: index into supervisor.worker; of a standby: some worker of its group */
	bool standby;    /* nobody's incarnation yet; see standby.h */
	bool converter;  /* nor ever: it is there for one conversion; see convert.h */
	uint32_t generation; /* of a standby, as is when it was last asked for a sign of life: */
	uint64_t looked_ns;
	char name[BATON_NAME_BYTES]; /* of its worker, or "game.standby" */
	uint32_t incarnation;
	int32_t cpu; /* -1: any */
	int socket, pidfd; /* -1: none */
	int image;         /* sealed copy of the plugin that it runs; -1: none */
	pid_t pid;         /* 0: not known yet */
	uint64_t spawned_ns, deadline_ns; /* CLOCK_MONOTONIC; deadline 0: none */
	uint64_t serves_ns; /* when it became its worker's incarnation: of others, at its start */
	uint32_t zygote_deaths; /* the client's count when it was asked for */
	uint64_t log_ns;        /* when its lines were last paid for */
	uint32_t log_spent;     /* lines that are not paid for yet */
	uint32_t log_left_out;  /* lines since the last that was logged */
	bool kill_wanted;
	bool fenced;
	bool fault; /* it has died by what it did itself */
	bool stalled; /* we killed it because it settled nothing, and nobody had kept it from its work */
	int signal;   /* that it died of; 0: of none, or not known */
	bool judging; /* DEAD only: whether its fault was an entry's is not known yet */
	uint32_t quarantined; /* DEAD only: deaths of the entry that left by the quarantine; 0: none did */
	bool decided;         /* DEAD only: its group has fallen back because of it */
	struct stall_watch stall;
	bool by_records;  /* DEAD only: it died of records that it was to convert: see held.h */
	bool recovered;   /* DEAD only: waits for its orphans to be moved away */
	uint32_t orphans; /* DEAD and recovered only */
	uint64_t max_age_ns; /* DEAD and recovered only: what the I/O lcores have been told; see budget.h */
	struct worker_ready ready; /* from READY on */
	char path[BATON_PATH_BYTES]; /* plugin file it was started with */
	char cause[128]; /* why we killed it; empty: we did not, or as ordered */
	char words[256]; /* why it could not start, or how it ended; may stand here before that is acted on */
	enum shadow_side shadow; /* whose records it has: see shadow.h */
};

/* Buckets on their way from one slot to another, service by service. */
struct transfer {
	bool open;
	uint32_t from; /* SLOT_NONE: buckets without an owner */
	uint32_t to;
	uint32_t from_incarnation, to_incarnation;
	bool ahead;        /* `from` is dead, which the data path is told next */
	bool part;         /* only the buckets of scale.map, of one service */
	uint32_t services; /* bit per service still to do */
	uint32_t service;  /* under way if id > 0 */
	int id;
	struct move_report report; /* sums, longest gap */
	bool failed;
	struct convert convert;
	bool returned; /* its records could not be converted: the buckets are with `from` again */
};

/* What a worker is to its group's rollout. Buckets are shared and balanced among workers of one role only. */
enum worker_role {
	ROLE_STABLE = 0, /* also of every group without a rollout */
	ROLE_CANDIDATE,  /* runs the version that is on trial */
	ROLE_CONTROL     /* runs the stable version, as fresh as the candidate: what that is compared with */
};

/* A logical worker, "game.0": what stays when incarnations come and go. */
struct worker {
	char name[BATON_NAME_BYTES];
	uint32_t group, index;
	enum worker_role role; /* set by the rollout that adds it */
	enum shadow_side shadow; /* of its next process; likewise */
	uint32_t sharers;  /* of those that the configuration names, how many share the group's buckets at the start */
	uint32_t slot;     /* the incarnation that serves, or is to serve; SLOT_NONE: none */
	uint32_t placed;   /* bit per service: its share has been given an owner once */
	bool held;         /* an operation is at work on it: that starts the replacement, not we */
	bool drained;      /* owns nothing, and is to own nothing: kept over its incarnations */
	bool debugged;     /* an operator debugs it: it keeps its buckets, and nothing else is asked of it; see debug.h */
	bool debug_over;   /* its process ended: an even share is to follow */
	uint32_t debug_slot, debug_incarnation;
	bool leaving;      /* its buckets are being given to the others */
	bool gone;         /* stopped: its place is given up as soon as no slot is its own any more */
	uint32_t restarts; /* planned */
	uint32_t crashes;
	uint32_t stalls;   /* of them: killed because it settled nothing */
	uint32_t failed_starts; /* since the last good one */
	uint64_t next_start_ns, backoff_ns;
	uint64_t complained_ns;
	char path[BATON_PATH_BYTES]; /* plugin file of its next incarnation */
	const struct config_group *config; /* what that one runs with, if not what is in force: during a reload */
	char trouble[256];           /* why it is down; empty: it is not */
	uint64_t convert_again_ns;   /* orphans whose records could not be converted are not tried again before */
	struct transfer transfer;
	struct version_kept *kept; /* what its next process runs, if of that path; NULL: none has been ready yet */
};

struct supervisor {
	struct primary *primary;
	struct zygote_client zygote;
	int epoll;
	uint32_t slots, workers;
	struct worker_slot slot[BATON_MAX_WORKERS];
	struct worker worker[BATON_MAX_WORKERS];
	char group_path[BATON_MAX_GROUPS][BATON_PATH_BYTES]; /* current version of each group */
	struct budget budget[BATON_MAX_GROUPS];
	struct quarantine quarantine;
	struct standbys standbys[BATON_MAX_GROUPS];
	struct restart restart;
	struct scale scale;
	struct balance balance;
	struct state_op state_op;
	struct held held;
	struct version_find find; /* the restart's, while it looks for its file */
	bool stopping;
	uint64_t published_ns; /* when the groups' entries of the stats directory were written */
	bool busy;          /* counted in primary->operations */
	pid_t unclaimed;    /* ended child whose name nobody knew the last time; see slots_reap_strays() */
	uint32_t fences;    /* workers killed for what they wrote or said, ever */
	uint32_t fenced_for[FENCE_WHYS]; /* of them, by what it was */
	uint32_t stalls;    /* workers killed because they settled nothing, ever */
	uint32_t restarts_done, restarts_failed;
	int shadow_fd; /* the shadow region; -1: none */
	struct shadow *shadow[BATON_MAX_GROUPS]; /* NULL: there has been none */
	struct gate_book *gate_book; /* see gate_collect.h */
	struct version_watch version[BATON_MAX_GROUPS];
};

/* ---- worker_slot.c ---- */

/* Applies the life table: changes the state, acts, publishes. An event that means nothing in the state is logged. */
void slot_event(struct supervisor *sup, uint32_t slot, enum worker_event event);

/* Brings the slot's entry in the stats directory up to date. */
void slot_publish(const struct supervisor *sup, uint32_t slot);
/* Alive, attached on every lcore, able to own buckets. */
bool slot_usable(const struct supervisor *sup, uint32_t slot);
/* epoll names the slot and which of its two descriptors. Returns 0 or -errno. */
int slot_watch(struct supervisor *sup, uint32_t slot, int fd);
/* Closes *fd, if it is one, and makes it -1. */
void slot_close(int *fd);

/* ---- worker_spawn.c ---- */

/* Starts an incarnation of `worker` from the plugin file at `path`, read anew, in a free slot, with the settings and CPUs
 * of `config` (NULL: of the configuration in force). Returns 0 and the slot, -EAGAIN if no slot is free, -ENOTCONN
 * without a zygote, or -errno; `why` says what to do. */
int slot_spawn(struct supervisor *sup, uint32_t worker, const char *path, const struct config_group *config,
	       uint32_t *slot, char *why, size_t bytes);

/* The same for the next process of a worker, as it is: of the version that it ran, whatever has become of the file. */
int slot_respawn(struct supervisor *sup, uint32_t worker, uint32_t *slot, char *why, size_t bytes);
/* The same for a standby of the group of `worker`, of the version that the group runs. */
int slot_spawn_standby(struct supervisor *sup, uint32_t worker, uint32_t *slot, char *why, size_t bytes);
/* The same from another file, to convert records: nobody's incarnation, ever. */
int slot_spawn_converter(struct supervisor *sup, uint32_t worker, const char *path, uint32_t *slot, char *why,
			 size_t bytes);
/* A standby becomes an incarnation of `worker`. */
void slot_adopt(struct supervisor *sup, uint32_t slot, uint32_t worker);
/* CPU of the worker's processes; -1: any. */
int32_t slot_cpu(const struct supervisor *sup, uint32_t worker);

/* ---- worker_hear.c ---- */

/* Takes what its socket holds; false at hang-up. */
bool slot_hear(struct supervisor *sup, uint32_t slot);
/* Looks whether its process has ended, and reaps it. */
void slot_check_end(struct supervisor *sup, uint32_t slot);
/* Every turn: reaps adopted children that ended without ever being introduced. */
void slots_reap_strays(struct supervisor *sup);

/* Kills a worker that did what no honest one does, once: counted, logged, and said of its death. */
void slot_breach(struct supervisor *sup, uint32_t slot, enum fence_why why);
/* Names of enum fence_why, as in the status. */
extern const char *const fence_why_name[FENCE_WHYS];

/* ---- transfer.c ---- */

/* Opens a transfer of everything `from` owns (or of the worker's share, if from is SLOT_NONE) to `to`. */
void transfer_begin(struct supervisor *sup, uint32_t worker, uint32_t from, uint32_t to);
/* Opens a transfer of the buckets of sup->scale.map that `from` owns (SLOT_NONE: that nobody does) to `to`. `worker` is
 * who receives them. Fails, for the caller to think again, if either of the two dies meanwhile. */
void transfer_begin_part(struct supervisor *sup, uint32_t worker, uint32_t service, uint32_t from, uint32_t to);
/* Kills whoever keeps an open transfer from its end: the old owner that does not let go, whose death replaces its
 * revokes (R7), or the new one that does not take what it was given. Returns false if nobody alive is to blame. */
bool transfer_break(struct supervisor *sup, uint32_t worker, uint64_t waited_ns);
/* Does the next step. True once it is over: look at failed and report. */
bool transfer_poll(struct supervisor *sup, uint32_t worker);
/* Bit per service of a group. */
uint32_t group_services(const struct supervisor *sup, uint32_t group);

/* ---- worker_table.c ---- */

/* A worker more, sorted by group and number: the indices of those behind it change. Only while no operation that knows
 * workers by index is under way. Returns its index. */
uint32_t worker_add(struct supervisor *sup, uint32_t group, uint32_t number);
/* Takes it out again; no slot may be its own any more. Indices change as above. */
void worker_remove(struct supervisor *sup, uint32_t worker);
/* No slot holds a process of it, or what one left. */
bool worker_has_no_slot(const struct supervisor *sup, uint32_t worker);
/* Index of the worker of that name, or sup->workers. */
uint32_t worker_find(const struct supervisor *sup, const char *name);
/* Every turn: removes those that are gone. */
void workers_sweep(struct supervisor *sup);
/* Workers of the group that are to own buckets, and may be given others: not those that are debugged. */
uint32_t group_owners(const struct supervisor *sup, uint32_t group);
/* It is down, and stays so until an operator restarts its group: restarts are spent. */
bool worker_is_lost(const struct supervisor *sup, uint32_t worker);

/* ---- supervisor.c ---- */

/* The incarnation in `slot` is gone or will never serve: the worker gets another one, after a pause that grows. */
void worker_lost(struct supervisor *sup, uint32_t worker, uint32_t slot);
/* Why it is down, or cannot have buckets: its trouble from now on. The same words are logged every 30 s at most, as
 * NAME: prefix: words. */
void worker_complain(struct worker *w, const char *words, const char *prefix);
/* A process has ended that has lived for so long: when the next may start. 10 ms after the first, doubling to 1 s; at
 * once after a steady life. */
void backoff_note(const struct config_group *group, uint64_t *next_start_ns, uint64_t *backoff_ns, uint64_t lived_ns,
		  bool fault);
/* Everything the worker should own is with its serving incarnation. */
bool worker_settled(const struct supervisor *sup, uint32_t worker);

#endif
