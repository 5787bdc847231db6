/* Standbys: processes of a group's present version that are started, attached and asleep, own nothing, and take the
 * place of a worker that dies. Each is a worker_slot whose `standby` is set until it has become somebody's incarnation.
 *
 * A death with a standby: the move to it is ordered before the data path hears of the death (R7: the roll back replaces
 * the revokes), so it wakes up while the I/O lcores take the belts over and the journal is undone. Main lcore only. */
#ifndef BATON_PRIMARY_STANDBY_H
#define BATON_PRIMARY_STANDBY_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

struct supervisor;

/* Of one group. */
struct standbys {
	uint32_t generation; /* counts up when the group runs something else: older ones leave */
	uint64_t next_start_ns, backoff_ns; /* as those of a worker */
	uint64_t taken;      /* deaths after which one took over, ever */
	char trouble[256];   /* why the last one ended or did not start; empty: it did not */
};

/* Every turn: as many as the configuration says, of the present generation, and alive. */
void standbys_poll(struct supervisor *sup);
/* The group runs another version, the same file read again, or other settings: those there are leave. */
void standbys_renew(struct supervisor *sup, uint32_t group);
/* Ready to take over. */
uint32_t standbys_ready(const struct supervisor *sup, uint32_t group);
/* Of all groups, as the configuration in force wants them. */
uint32_t standbys_wanted(const struct supervisor *sup);

/* The process of `slot` is gone, and the data path has not been told: one takes its worker's place, if there is one
 * and the worker is to have a successor; the move to it is under way then. */
void standby_take_over(struct supervisor *sup, uint32_t slot);
/* Makes one the serving incarnation of a worker that has none. False: there is none for it. */
bool standby_take(struct supervisor *sup, uint32_t worker);
/* The standby in `slot` has died or could not start. */
void standby_lost(struct supervisor *sup, uint32_t slot);

#endif
