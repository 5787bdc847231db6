/* The world of fuzz_feed.c: two of them, one of two I/O lcores and one of one; and workers, whose work is a model's. */
#ifndef BATON_TEST_FUZZ_FEED_H
#define BATON_TEST_FUZZ_FEED_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "belt_consumer.h"
#include "datapath_rig.h"

#define SLOTS     4u
#define LIAR      0u /* of production: the buckets with even numbers */
#define HONEST    1u /* likewise: the odd ones */
#define CANDIDATE 2u /* may lie */
#define CONTROL   3u
#define BUCKETS   128u /* two to a tick */
#define WANTED    8u   /* of them in the shadow's map: 0 to 3 and 64 to 67 */
#define REQUESTS  1024u /* of one input: all of them have room */
#define LEAST     20u  /* bytes of a request */

struct fuzz_request {
	uint32_t key, number;
	uint64_t state; /* of the reply */
	uint32_t what;  /* WHAT_* bits */
};
#define WHAT_POST  1u
#define WHAT_SEND  2u
#define WHAT_ERROR 4u
#define WHAT_NONE  8u

struct world {
	struct rig rig;
	uint32_t lcores;
	struct mirror *mirror;
	struct belt_consumer worker[SLOTS][2];
	uint64_t bursts[SLOTS];
	uint32_t key[WANTED]; /* of each wanted bucket */
	uint8_t owned[2][BUCKETS]; /* by production's slots: bit per belt */
};

/* What an input has brought about. */
struct model {
	uint64_t made[BUCKETS], copy[2][BUCKETS]; /* production's buckets, and the sides' */
	uint64_t ticked[BUCKETS];
	bool known[BUCKETS];       /* the control's copy is of an honest worker's */
	bool lied, strange;        /* slot 0, slot 2: ever */
	int32_t skew;              /* of the liar's stamps */
	uint8_t names;             /* bits of the buckets that it says a tick has run */
	bool uncounted;            /* it does not count its next burst */
	uint8_t differ, listed;    /* what the candidate says of two replies; differ: it makes them, too */
	uint32_t requests, odd, answered_odd;
	uint64_t told[REQUESTS]; /* by number: what an honest worker has answered */
	bool is_told[REQUESTS], came[REQUESTS];
};

extern struct world world[2], *w;
extern struct model model;
extern uint32_t last_odd[2][WANTED]; /* by lcore: 1 + number of the last request of the bucket that was answered */

#define STEP_NS  20000ull
#define ROUND_NS 1100000ull /* a snapshot may be posted in each */
#define PORTS    1024u      /* a client's port tells the request */

#define must(condition) ((condition) ? (void)0 : broken(__FILE__, __LINE__, #condition))
static inline void broken(const char *file, int line, const char *what)
{
	printf("%s:%d: not so: %s\n", file, line, what);
	fflush(stdout);
	abort();
}

static inline struct io_lcore *io_of(uint32_t lcore) { return w->rig.dp->io[lcore]; }
static inline uint32_t wanted(uint32_t nth) { return nth % 4 + nth % WANTED / 4 * 64; }

void make(uint32_t lcores);
void go_by(uint64_t ns);
/* The lcores of these bits turn, and it is looked at what has come of it. */
void turn(uint32_t lcores);
void work(uint32_t slot, uint32_t most);
/* Everybody turns and works, from `first_slot` on: 1: without the liars. */
void rounds(uint32_t count, uint32_t first_slot, uint64_t ns);
/* A death, and a successor in the same slot. */
void die(uint32_t slot);
void begin_mirror(void);
void end_mirror(void);

/* A burst of at most so many entries, done as they want it. Returns how many there were. */
uint32_t worker_burst(uint32_t slot, uint32_t lcore, uint32_t most);
void worker_comes(uint32_t slot);

#endif
