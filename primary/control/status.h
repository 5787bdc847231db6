/* How the instance is, in one word and in sentences: what an operator looks at first. */
#ifndef BATON_PRIMARY_STATUS_H
#define BATON_PRIMARY_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

struct primary;
struct supervisor;

#define STATUS_SAMPLES   12u         /* so many seconds are looked back */
#define STATUS_SAMPLE_NS 1000000000ull

/* Sums of once a second, so that `drops` means lately and not ever. */
struct status_sample {
	uint64_t at_ns;
	uint64_t received; /* by ports and, unseen, by devices */
	uint64_t lost;     /* dropped for want of room, a worker or a buffer; not what clients sent wrong */
	int64_t balance[BATON_MAX_IO_LCORES];
};

struct status_history {
	struct status_sample sample[STATUS_SAMPLES]; /* ring: number n at n % STATUS_SAMPLES */
	uint64_t count;
};

/* Every turn; samples once a second. */
void status_poll(struct primary *primary, struct status_history *history);

/* verdict (ok, warn, critical), sentences, instance, zygote, ports, workers, ledger, control socket. */
json_t *status_build(struct primary *primary);
/* Add to a reply: zygote, what is under way and what was done; ledger, recovery, control socket, audit log, crash records. */
void status_add_supervisor(json_t *reply, const struct supervisor *sup);
void status_add_books(json_t *reply, const struct primary *primary);
/* name, device, interface (of the kernel, "" if there is none) and state (up, no_link, gone) of each port. */
json_t *status_ports(const struct primary *primary);
/* One row for each worker, then for each other incarnation (standby, retiring, dead). */
json_t *status_workers(struct primary *primary);
/* Counters and drops, in sum and by page. */
json_t *status_stats(struct primary *primary);

#endif
