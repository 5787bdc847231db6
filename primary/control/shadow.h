/* The shadow of a rollout: what production settles is handled once more by a candidate and by a fresh stable worker (the
 * control, for the noise floor), in records of their own, and compared; nothing they do reaches anybody. Main lcore only;
 * the mirror itself is the I/O lcore's (mirror.h).
 *
 * Order of calls, for one group at a time:
 *   worker_add(); worker[].shadow = SHADOW_CANDIDATE (SHADOW_CONTROL)   before the worker's first process starts
 *   slot_spawn() as ever, until slot_usable()                           it has no access to the group's records
 *   shadow_begin(); every turn shadow_poll(); shadow_counts(), shadow_diff()
 *   shadow_end()   the two workers' processes are told to stop, worker[].shadow is SHADOW_NONE: the next process of
 *                  each, which the supervisor starts by itself, is an ordinary worker that may own buckets
 * A shadow worker owns no buckets (datapath_owned() is 0) and must not be given any. That it died or stalled shows in
 * worker[].crashes and .stalls as for any other; mirroring to it ends, the other side goes on. */
#ifndef BATON_PRIMARY_SHADOW_H
#define BATON_PRIMARY_SHADOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct supervisor;

/* struct worker.shadow, struct worker_slot.shadow: whose records a process has. */
enum shadow_side { SHADOW_NONE = 0, SHADOW_CANDIDATE, SHADOW_CONTROL };

/* Since shadow_begin(), monotonic; they stay until the next one. */
struct shadow_counts {
	uint64_t mirrored;    /* packets, messages and ticks handed to the candidate */
	uint64_t dropped;     /* copies there was no room for: each takes its bucket out of step */
	uint64_t out_of_step; /* times a bucket was taken out of step, for whatever reason, on the candidate's side */
	/* candidate against production: packets, messages, and ticks of a bucket that posted or sent something */
	uint64_t compared, differed;
	uint64_t noise_compared, noise_differed; /* the same: control against production */
	uint64_t ticks_compared, ticks_differed; /* of compared and differed */
	uint64_t in_step;     /* gauge: buckets that are compared now, on the candidate's side */
	uint64_t left_out;    /* workers of production whose numbers are no order: their buckets are not compared */
};

/* Begins to mirror the buckets of `map` (bit b: bucket b of every service of the group) to the two workers. They serve
 * (slot_usable()) as shadows; control_worker may be sup->workers: no noise floor then. digest: replies that differ in
 * bytes are compared by the plugin's digest() where it has one.
 * Returns 0; -EAGAIN if a worker is not there yet or the shadow before is not over (ask again next turn); -ENOTSUP if the
 * candidate's or the stable plugin does not declare that it can run in shadow;
 * -E2BIG if a bucket is too large to be copied between two entries; -EBUSY if the group has one already; -ENOMEM. `why`
 * says it in a line, with what to do. */
int shadow_begin(struct supervisor *sup, uint32_t group, const uint64_t *map, uint32_t candidate_worker,
		 uint32_t control_worker, bool digest, char *why, size_t bytes);

/* What of that is known before anything is started: the group's service, the size of a bucket, and of `count` of them.
 * 0, or -ENOTSUP, -E2BIG, -EINVAL and a line in `why`. */
int shadow_fits(const struct supervisor *sup, uint32_t group, uint32_t count, char *why, size_t bytes);

/* Ends it, at any time: nothing is mirrored any more once this returns and the I/O lcore has come through a turn. No-op
 * without one. Counts and sample stay to be read. */
void shadow_end(struct supervisor *sup, uint32_t group);

/* The shadow has not ended, or the I/O lcore still has its memory. */
bool shadow_active(const struct supervisor *sup, uint32_t group);

/* Whether it compares. 0: yes, or there is nothing to compare. -EAGAIN: players of its buckets have been answered, but
 * for SHADOW_STILL_NS nothing of that has been compared. Others, of give_pages() in shadow.c: it could not be set up,
 * and has ended. `why` says it in a line. */
#define SHADOW_STILL_NS      10000000000ull
#define SHADOW_STILL_ENTRIES 64u
int shadow_compares(const struct supervisor *sup, uint32_t group, char *why, size_t bytes);

/* Every turn of the main loop, all groups. */
void shadow_poll(struct supervisor *sup);

/* The memory of shadow_region.h, sealed in its length and without pages. Returns a descriptor or -errno. */
int shadow_region_create(const struct supervisor *sup);
/* The I/O lcores have stopped. */
void shadow_fini(struct supervisor *sup);

void shadow_counts(const struct supervisor *sup, uint32_t group, struct shadow_counts *out);

/* {"counts": {as struct shadow_counts}, "fields": {"x": {"candidate": n, "noise": n}, ...}, "sample": [{"side", "time_ns",
 * "bucket", "kind", "request" (hex), "production": {"verdict", "reply" (hex)}, "shadow": {…},
 * "fields": [{"name", "production", "shadow"}]}, ...]}, newest first, at most SHADOW_SAMPLES. Bytes are cut to 256. New reference;
 * NULL if there is no memory. */
#define SHADOW_SAMPLES 32u
json_t *shadow_diff(const struct supervisor *sup, uint32_t group);

#endif
