/* Counts for the gates of a rollout: sums over the workers of one role, with those of their dead incarnations.
 *
 * Pages by slot are never reset, and a slot may have had any worker before: whoever starts a process in one says so,
 * and what the pages hold then is no count of that process; what they hold when the next one is started is its last.
 * Main lcore only. */
#ifndef BATON_PRIMARY_GATE_COLLECT_H
#define BATON_PRIMARY_GATE_COLLECT_H

#include "gates.h"
#include "supervisor.h"

struct gate_book;

/* Of the supervisor's init and fini. NULL if there is no memory. */
struct gate_book *gate_book_create(void);
void gate_book_destroy(struct gate_book *book);

/* A process is about to be started in the slot (a standby: of its group's stable role); it has become a worker's; the
 * worker was killed because it stalled, and then, as any that died, is counted once more. Each does nothing without a
 * book. */
void gate_book_start(struct supervisor *sup, uint32_t slot);
void gate_book_adopt(struct supervisor *sup, uint32_t slot);
void gate_book_death(struct supervisor *sup, uint32_t worker, bool stalled);

/* All counts of the group's workers of that role since the primary started; shadow counts are left 0: shadow.h has
 * them. Only grows. About 15 KiB a slot are read: see gates_due(). */
void gate_collect(const struct supervisor *sup, uint32_t group, enum worker_role role, struct gate_counts *out);
/* Of the same what entries have posted and sent alone: out->at_large of what is collected for control. */
void gate_collect_fanout(const struct supervisor *sup, uint32_t group, enum worker_role role, struct gate_fanout *out);
/* Crashes and stalls alone; the rest is left as it is. */
void gate_collect_deaths(const struct supervisor *sup, uint32_t group, enum worker_role role, struct gate_counts *out);

#endif
