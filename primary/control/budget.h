/* The restart budget of a group: workers that crash by what their plugin does are replaced so often in a window, then
 * the group falls back to the last good version, and if there is none it waits for an operator, its buckets parked.
 * Deaths that somebody else caused (SIGKILL, short memory) and starts that fail do not count: those only back off. */
#ifndef BATON_PRIMARY_BUDGET_H
#define BATON_PRIMARY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "primary.h"

#define BUDGET_MOST 64u /* restart_burst */

struct supervisor;

/* A version that ran for good_after while no worker of the group crashed. */
struct good_version {
	bool known;
	int image; /* our own descriptor of the sealed copy it ran from: the file may have been rebuilt since */
	char path[BATON_PATH_BYTES];
	char version[BATON_NAME_BYTES];
	char build_id[44];
	struct plugin_info facts; /* its schemas */
};

/* Of one group. */
struct budget {
	uint64_t crash_ns[BUDGET_MOST]; /* CLOCK_MONOTONIC; crash n at n % BUDGET_MOST */
	uint64_t crashes;               /* since the last reset */
	uint64_t last_ns;               /* latest crash, ever; 0: none */
	bool spent;                     /* nothing is started any more */
	bool fell_back;                 /* good[back] runs, or is to */
	uint32_t back;
	char failed[BATON_NAME_BYTES];  /* version that it fell back from */
	uint32_t tick_deaths;           /* at a tick or another control entry, since tick_ns was last so long ago */
	uint64_t tick_ns;               /* the latest */
	struct good_version good[2];    /* latest first */
};

/* The process in `slot` has died by a fault of its own. Decides what its group does from now on. */
void budget_crash(struct supervisor *sup, uint32_t slot);
/* The same, but it was the last of `deaths` that an entry caused which has left by the quarantine: they count as one
 * crash, and what comes next decides. So no single entry spends a budget that is not smaller than quarantine.attempts,
 * but a version that crashes at whatever it gets does. */
void budget_quarantined(struct supervisor *sup, uint32_t slot, uint32_t deaths);
/* The process in `slot` has died of a tick or another control entry, which no quarantine takes: with the `most`th such
 * death within the window the group falls back at once, and true is returned. Otherwise the budget decides as ever. */
bool budget_tick_kills(struct supervisor *sup, uint32_t slot, uint32_t most);
/* Every turn: which versions have proved good. */
void budget_poll(struct supervisor *sup);
/* An operator restarts: everything is tried again, from files. */
void budget_reset(struct supervisor *sup, uint32_t group);
/* Crashes of the group within restart_window. */
uint32_t budget_recent(const struct supervisor *sup, uint32_t group);
void budget_fini(struct supervisor *sup);

#endif
