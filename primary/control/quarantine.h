/* The quarantine: entries that kill workers. The I/O lcores decide which (primary/datapath/judge.c); here, on the main
 * lcore, a death is told to them, what leaves is written to a file, and the restart budget hears of it. */
#ifndef BATON_PRIMARY_QUARANTINE_H
#define BATON_PRIMARY_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "datapath.h"

/* A flood of poison must not fill a disk with writes: so many files at once, and one every so often. */
#define QUARANTINE_BURST   10u
#define QUARANTINE_FILE_NS 1000000000ull
#define QUARANTINE_WAITING 4u

struct supervisor;

/* How the latest worker in a slot has ended: the slot may have another one before the file is written. */
struct quarantine_death {
	int signal;        /* 0: it stalled, and we killed it */
	bool has_address;
	uint64_t address;  /* of the fault */
	char name[BATON_NAME_BYTES]; /* worker */
	char plugin[BATON_NAME_BYTES], version[BATON_NAME_BYTES], build_id[44];
	char path[BATON_PATH_BYTES];
};

struct quarantine {
	struct quarantine_death death[BATON_MAX_WORKERS]; /* by slot */
	uint64_t left;        /* entries, since the start; kept and not */
	uint64_t kept;        /* of them in files */
	uint64_t paid_ns;     /* CLOCK_MONOTONIC: when files were last paid for */
	uint32_t spent;       /* files not paid for yet */
	uint64_t complained_ns;
	uint64_t last_ns;     /* CLOCK_MONOTONIC: when the latest left */
	bool failing;         /* the latest could not be written */
	char latest[80];      /* file; empty: none yet */
	/* What left: it is written when its worker is undone, with the records that it was about to see. */
	struct death_report waiting[QUARANTINE_WAITING];
	uint32_t waits;
};

/* The slot's process has been reaped; before the data path hears of it. */
void quarantine_death(struct supervisor *sup, uint32_t slot);
/* Every turn: takes what the I/O lcores report. */
void quarantine_poll(struct supervisor *sup);
/* The I/O lcores have looked at what the slot's worker left: counts its crash, or not. */
void quarantine_judge(struct supervisor *sup, uint32_t slot);
/* A worker of the group has died of what may be an entry's fault: nothing is started until that is known. */
bool quarantine_judging(const struct supervisor *sup, uint32_t group);

#endif
