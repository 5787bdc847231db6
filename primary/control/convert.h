/* Buckets on their way to a worker of another schema: held between two owners until a worker of the version that knows
 * both has converted them. That is the old owner, if it lives; else any other worker of the group that can; else a
 * process that is started for it alone, from the dead one's file. Main lcore only; part of a transfer. */
#ifndef BATON_PRIMARY_CONVERT_H
#define BATON_PRIMARY_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

struct supervisor;

/* Part of struct transfer. */
struct convert {
	bool hold;     /* the move under way was asked to hold */
	bool asked;    /* `via` is at work */
	bool started;  /* `via` has been started for this */
	uint32_t via, via_incarnation; /* SLOT_NONE: nobody yet */
	uint32_t tries;
	uint32_t died_at; /* 1 + the bucket that `via` was at when it died by a fault of its own; 0: none */
	bool leaving;     /* the I/O lcores are taking buckets out of the move */
	bool sorted;      /* those that are held already have been */
	uint32_t left;    /* taken out because somebody died of them now */
	uint64_t deadline_ns;
};

/* Must buckets of the transfer's present service be converted before its target may have them? */
bool convert_needed(struct supervisor *sup, uint32_t worker);
/* While the move is held: the next step. Lets the move go on when all is converted, or back when that cannot be done,
 * with a line in the log. */
void convert_poll(struct supervisor *sup, uint32_t worker);
/* The process in `slot` has died, and is reaped: was it by a bucket that it converted? Before anybody judges the death. */
void convert_death(struct supervisor *sup, uint32_t slot);
/* The transfer is over: who was started for it leaves. */
void convert_end(struct supervisor *sup, uint32_t worker);

/* The stable workers of the group have all one schema by now: it is what the next version is compared with. After a
 * restart, and when a rollout is complete. */
void convert_adopt(struct supervisor *sup, uint32_t group);

#endif
