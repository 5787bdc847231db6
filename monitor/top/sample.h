/* One reading of an instance's CoreStats: a private copy, so that what is drawn from it does not change under the
 * pen.
 *
 * The source follows the instance: a primary that starts anew has a new door of that name, and what is behind it is
 * attached. */
#ifndef BATON_TOP_SAMPLE_H
#define BATON_TOP_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core_stats.h"

#define SAMPLE_PAGES (1u + BATON_MAX_IO_LCORES + BATON_MAX_WORKERS)

/* A version of a group that has or had workers, by lane. */
struct sample_version {
	struct stats_version entry; /* id 0: none */
	uint64_t count[STATS_HIST_BUCKETS]; /* residence of its packets, over all I/O lcores */
};

struct sample {
	uint64_t tsc;     /* when it was taken */
	uint64_t wall_ns; /* CLOCK_REALTIME */
	uint64_t tsc_hz;
	uint64_t boot_id; /* counters of two boots must not be subtracted */
	uint64_t started_ns;
	uint64_t alive_tsc;
	uint32_t primary_pid;
	uint32_t io_lcores;
	uint32_t slots;
	bool gone; /* the door is not there any more: the last state of a primary that stopped */
	char host[BATON_NAME_BYTES];
	char instance[BATON_NAME_BYTES];
	char build[64];
	struct stats_worker worker[BATON_MAX_WORKERS]; /* state WORKER_NONE where it could not be read whole */
	uint32_t lanes;
	struct sample_version version[STATS_LANES_MAX];
	uint64_t residence[BATON_MAX_IO_LCORES][STATS_HIST_BUCKETS]; /* by I/O lcore, over all versions there ever were */
	uint32_t ports;
	struct stats_port port[BATON_MAX_PORTS]; /* without a name where it could not be read whole */
	struct stats_group group[BATON_MAX_GROUPS]; /* likewise */
	struct stats_rollout rollout[BATON_MAX_GROUPS]; /* by group; ROLLOUT_NONE where it could not be read whole */
	uint32_t zygote_pid, zygote_spare_pid, zygote_deaths; /* as in the header */
	struct CoreStats page[SAMPLE_PAGES];
};

static inline const struct CoreStats *sample_io(const struct sample *s, uint32_t lcore) { return &s->page[1 + lcore]; }
static inline const struct CoreStats *sample_worker(const struct sample *s, uint32_t slot)
{
	return &s->page[1 + s->io_lcores + slot];
}

struct source {
	char instance[BATON_NAME_BYTES];
	struct stats stats;
	dev_t device;
	ino_t inode;
	bool gone;
};

/* Attaches read-only. Returns 0, or as stats_attach(). */
int source_open(struct source *source, const char *instance);
void source_close(struct source *source);

/* Attaches anew if the instance's door is another one than before, then copies. Never fails: if it is gone, or
 * nobody answers there, what was attached last is read again. Allocates not, and waits only for who does not answer:
 * a second. */
void source_take(struct source *source, struct sample *out);

/* Names of the instances that have a door, of killed ones too, and not a stranger's, sorted. Returns their number,
 * at most `most`. */
uint32_t source_list(char (*names)[BATON_NAME_BYTES], uint32_t most);

/* Zeroed; page-aligned as CoreStats wants it. NULL: out of memory. Freed by free(). */
struct sample *sample_create(void);

/* Synthetic reading number n, `interval_ns` apart: for screenshots, documentation and tests without a primary. */
void sample_demo(struct sample *out, uint64_t n, uint64_t interval_ns);

#endif
