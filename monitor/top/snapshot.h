/* What is drawn: everything the renderers print, computed once from two samples and never changed afterwards. */
#ifndef BATON_TOP_SNAPSHOT_H
#define BATON_TOP_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "core_stats.h"
#include "sample.h"

#define SNAPSHOT_REASONS  3u
#define SNAPSHOT_VERSIONS (STATS_LANES_MAX + BATON_MAX_WORKERS) /* known, and those of workers that are not ready */
#define UNKNOWN (-1.0) /* a figure for which there is no baseline or nothing happened */

/* Limits of what is well; the verdict and the health table share them. */
#define SILENT_S     1.0  /* main loop and I/O lcores turn at least every 10 ms */
#define LOSS_CRIT    0.01 /* share of what arrived */
#define BUSY_WARN    0.85
#define BURST_WARN   (0.75 * BATON_BURST) /* near the maximum the next stop is a full queue */
#define POOL_WARN    0.10

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_CRIT };

struct snapshot_core {
	uint32_t kind; /* enum core_kind */
	uint32_t index;
	uint32_t cpu;
	char name[BATON_NAME_BYTES];
	double busy;   /* share of its cycles in turns that did work, 0 to 1 */
	double burst;  /* mean entries of a burst */
	double rx_pps; /* workers: entries handled */
	double tx_pps; /* workers: UNKNOWN, as drop_pps: the I/O lcores know */
	double drop_pps;
	double cycles; /* TSC cycles a packet: I/O lcores of busy turns, workers of handling */
	double heartbeat_s; /* age of its last sign of life */
	uint64_t belt_depth, pending, unresolved, tx_backlog, pool_free, pool_size;
	uint64_t counter[COUNTER_COUNT];
	uint64_t drop[DROP_COUNT];
};

struct snapshot_worker {
	uint32_t slot;
	struct stats_worker entry;
	uint64_t belt_depth;
	double pps;    /* entries handled */
	double cycles; /* an entry */
};

/* Residence time in ns; upper edges of histogram buckets. count 0: no samples. */
struct snapshot_residence {
	uint64_t count, p50, p90, p99, p999, max;
};

/* A version of a group, and its workers, standbys included: none of one that is gone. Those with workers come first,
 * then the others, the latest first. */
struct snapshot_version {
	char group[BATON_NAME_BYTES];
	char version[BATON_NAME_BYTES];
	bool counted; /* its residence is known: a worker has been ready */
	struct snapshot_residence now, total;
	uint64_t total_bucket[STATS_HIST_BUCKETS];
	uint32_t workers;
	uint32_t buckets;
	uint64_t belt_depth;
	uint64_t entries, spent; /* handled in the interval, and the TSC cycles of that */
	double pps;
	double cycles; /* an entry */
};

struct snapshot_drop {
	uint64_t total;
	double pps;
};

/* As the device counts; by the latest two looks at it, a second apart. */
struct snapshot_port {
	struct stats_port entry;
	double rx_pps, tx_pps;
	uint64_t lost;    /* since the totals count */
	double lost_pps;
	double lost_share; /* of what arrived or was to be sent, 0 to 1; UNKNOWN: nothing was */
	enum core_drop worst; /* most of what is lost now */
	enum verdict level;
};

/* What only I/O lcores know, by index. */
struct snapshot_lcore {
	struct snapshot_residence now, total;
	uint64_t now_bucket[STATS_HIST_BUCKETS];
	uint64_t total_bucket[STATS_HIST_BUCKETS];
};

struct snapshot {
	char host[BATON_NAME_BYTES];
	char instance[BATON_NAME_BYTES];
	char build[64];
	uint32_t primary_pid;
	uint64_t boot_id;
	uint64_t tsc_hz;
	uint64_t started_ns;
	uint64_t wall_ns;
	double up_s;
	double counted_s; /* totals are since so long ago: the primary's start, or the origin */
	double interval_s; /* 0: the first sample of this boot, rates are UNKNOWN */
	bool gone;
	double alive_s; /* age of the main loop's last turn */

	enum verdict verdict;
	uint32_t reasons; /* worst first */
	char reason[SNAPSHOT_REASONS][192];

	uint32_t cores;
	struct snapshot_core core[SAMPLE_PAGES];
	uint32_t workers;
	struct snapshot_worker worker[BATON_MAX_WORKERS];

	uint32_t versions;
	struct snapshot_version version[SNAPSHOT_VERSIONS];
	struct snapshot_residence earlier; /* of versions that are not told apart any more; since the totals count */
	uint32_t ports;
	struct snapshot_port port[BATON_MAX_PORTS];
	uint32_t groups;
	struct stats_group group[BATON_MAX_GROUPS];
	uint32_t rollouts; /* of groups that have or had one: those under way first, then the degraded */
	struct stats_rollout rollout[BATON_MAX_GROUPS];
	uint32_t zygote_pid, zygote_spare_pid; /* 0: there is none */
	uint32_t zygote_deaths; /* of zygotes and spares */
	uint32_t lcores;
	struct snapshot_lcore lcore[BATON_MAX_IO_LCORES];

	uint64_t total[COUNTER_COUNT]; /* over all pages, since the primary started or the origin */
	double rate[COUNTER_COUNT];
	struct snapshot_drop drop[DROP_COUNT];
	uint64_t dropped;
	double drop_pps;
	double drop_share;       /* of what arrived in the interval, 0 to 1 */
	double drop_share_total; /* since then */
	uint64_t in_belts, pending, unresolved, tx_backlog;
	struct snapshot_residence residence;       /* in the interval */
	struct snapshot_residence residence_total; /* since then */
};

/* base: an earlier sample, or NULL. One of another boot counts as none. */
void snapshot_derive(struct snapshot *out, const struct sample *base, const struct sample *now);

/* The same, with totals since `origin` instead of the primary's start: a reader's way to reset counters that nobody may
 * reset. The counters by core, which are for machines, stay whole. */
void snapshot_derive_since(struct snapshot *out, const struct sample *origin, const struct sample *base,
			   const struct sample *now);

/* Fills in verdict and reasons from the rest. Called by snapshot_derive(). */
void snapshot_judge(struct snapshot *s, const struct sample *base);

/* Fills in ports, groups and zygote. base, origin: of this boot, or NULL. */
void snapshot_parts(struct snapshot *s, const struct sample *origin, const struct sample *now);

/* Adds versions and residence, by lcore, by version and in all. base, origin: as above. */
void snapshot_residences(struct snapshot *s, const struct sample *origin, const struct sample *base,
			 const struct sample *now);

/* The version's row, which is made if there is none. */
struct snapshot_version *snapshot_version(struct snapshot *s, const char *group, const char *version);

/* What is wrong with the port, or that nothing is, in at most 52 columns as long as its interface's name is short. */
void port_words(const struct snapshot *s, const struct snapshot_port *port, char *text, size_t size);

/* The same of a group; what comes last, why a worker is down, may be cut off. */
void group_words(const struct stats_group *group, char *text, size_t size);
enum verdict group_level(const struct stats_group *group);

/* The same of a rollout. */
void rollout_words(const struct stats_rollout *rollout, char *text, size_t size);
enum verdict rollout_level(const struct stats_rollout *rollout);
bool rollout_at_work(const struct stats_rollout *rollout);
/* The gate that is nearest to ending it: of those that failed, the one with most failures; NULL: none has. */
const struct stats_gate *rollout_worst(const struct stats_rollout *rollout, uint32_t *gate);
/* A gate's number as its unit wants it, "-" for NAN. size: at least 16. Returns text. */
const char *gate_figure(char *text, size_t size, uint32_t gate, double value);
/* Fills in s->rollouts. */
void snapshot_rollouts(struct snapshot *s, const struct sample *now);

/* As worker_state_name(), or "debug". */
const char *worker_words(const struct stats_worker *worker);

/* Drops that are Baton's or the machine's; the others are refusals of what a client sent. */
bool drop_is_loss(uint32_t drop);

const char *verdict_name(enum verdict verdict);

#endif
