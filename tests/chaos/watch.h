/* What the chaos programs see of a running batond: its CoreStats, as any monitor; and what may not have happened. */
#ifndef BATON_CHAOS_WATCH_H
#define BATON_CHAOS_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core_stats.h"

#define WATCH_WAIT_S 60 /* the most that any state may take */

struct watch {
	struct stats stats;
	const char *instance;
	uint32_t workers, buckets; /* how many must serve, and own */
	uint64_t seed;             /* of watch_random() */
};

/* Sums over the primary's pages. */
struct watch_counts {
	uint64_t replies, redelivered, deaths, with_unsettled, with_undo, records_undone, stalls, drift;
	uint64_t sent, ok, lost, duplicated, reordered, wrong; /* the generator's */
	uint64_t dropped; /* for want of room, a worker or a buffer */
	uint64_t gaps;    /* number of the next gap of I/O lcore 0 */
};

/* A process of a worker as it was when it was looked at. */
struct watch_process {
	uint32_t slot, state, incarnation, buckets;
	pid_t pid;
};

/* Waits for the instance. Returns 0 or -errno. */
int watch_attach(struct watch *watch, const char *instance, uint32_t workers, uint32_t buckets);
uint64_t watch_now_ms(void);
void watch_nap_us(uint32_t us);
uint64_t watch_random(struct watch *watch, uint64_t below);
void watch_take(const struct watch *watch, struct watch_counts *out);
/* Processes in the states from..to, at most BATON_MAX_WORKERS. */
uint32_t watch_list(const struct watch *watch, uint32_t from, uint32_t to, struct watch_process *out);
/* As many workers serve as must, and own all buckets. */
bool watch_serves(const struct watch *watch);
/* Waits until it does, and `replies` more have been sent than in `since`. False after WATCH_WAIT_S. */
bool watch_await_service(struct watch *watch, const struct watch_counts *since, uint64_t replies);
/* Sends the signal if the process is still the one that was looked at. */
bool watch_kill(const struct watch *watch, const struct watch_process *process, int signal);
/* `batonctl worker restart GROUP`, in the background: its pid, or -1. */
pid_t watch_restart(const struct watch *watch, const char *group);
/* What is wrong, in words, or NULL: nothing may be lost, doubled, reordered, wrong, dropped or off the books, ever. */
const char *watch_fault(const struct watch_counts *now);

#endif
