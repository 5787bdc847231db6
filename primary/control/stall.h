/* Stall: entries wait in a worker's belts and it settles none. Judged by the main lcore, turn by turn, from words that
 * it can read without the worker's help; the worker's clock and state are asked for only while nothing moves. */
#ifndef BATON_PRIMARY_STALL_H
#define BATON_PRIMARY_STALL_H

#include <stdbool.h>
#include <stdint.h>

struct supervisor;

struct stall_limits {
	uint64_t timeout_ns; /* of its own CPU time, or while it is stopped or blocked; 0: off */
	uint64_t wall_ns;    /* in any case; 0: off */
};

/* What is known at every look. */
struct stall_look {
	uint64_t settled;    /* `done`, summed over its belts */
	uint32_t waiting;    /* entries that it may take, or has taken and not settled */
	uint64_t tsc;        /* now */
	uint64_t lcores_tsc; /* every I/O lcore has begun a turn at this time or later, and come through */
};

/* What has to be asked of the kernel. */
struct stall_clock {
	uint64_t now_ns; /* CLOCK_MONOTONIC */
	uint64_t cpu_ns; /* CPU time of the process, ever */
	bool blocked;    /* stopped, traced, or asleep in a system call: it does not wait for a CPU */
};

enum stall { STALL_NONE = 0, STALL_CPU, STALL_BLOCKED, STALL_WALL };

/* One incarnation. Zeroed at its start. */
struct stall_watch {
	bool off;           /* it is being debugged: never stalled */
	uint32_t rounds;    /* 0: it moves; 1, 2: the I/O lcores have yet to turn once, twice; 3: the clocks run */
	uint64_t settled;
	uint64_t mark_tsc;
	struct stall_clock last; /* now_ns 0: none yet */
	uint64_t cpu_ns, blocked_ns, wall_ns; /* that nothing has been settled for */
};

/* Takes a look. True if nothing has moved for so long that stall_count() is to be asked, with the clocks. That begins
 * when every I/O lcore has turned twice since: until then the worker may rightly sleep, its doorbell not yet rung, or
 * wait for room in its outbound ring. */
bool stall_suspect(struct stall_watch *watch, const struct stall_look *look);

/* Counts the time since the last look and judges. No single look counts for more than half of what a blocked process
 * may take, and a tenth of wall_ns: if the main lcore, or the whole machine, stood still, that was not the worker. */
enum stall stall_count(struct stall_watch *watch, const struct stall_limits *limits, const struct stall_clock *clock);

/* Every turn: fences workers that have stalled. */
void stalls_poll(struct supervisor *sup);
/* Looks closely at a worker: the main loop had better turn fast. */
static inline bool stall_is_near(const struct stall_watch *watch)
{
	return watch->rounds > 1;
}

#endif
