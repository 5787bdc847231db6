/* What the monitor itself saw happen between samples: events with their time, and a minute of rates. */
#ifndef BATON_TOP_RECORD_H
#define BATON_TOP_RECORD_H

#include "snapshot.h"

#define RECORD_EVENTS 128u
#define RECORD_RATES  60u

struct event {
	uint64_t wall_ns;
	enum verdict level; /* OK: to be known; WARN and CRIT: something is wrong */
	char text[96];
};

struct record {
	uint64_t events; /* number n is at n % RECORD_EVENTS */
	struct event event[RECORD_EVENTS];
	double rx[RECORD_RATES], drops[RECORD_RATES]; /* per second, oldest first; UNKNOWN: before the first */
	/* of the latest sample, to see the change to the next one */
	bool silent, gone;
	bool stalled[BATON_MAX_IO_LCORES];
	uint64_t drop_began_ns[DROP_COUNT]; /* 0: none under way */
	uint64_t drop_last_ns[DROP_COUNT];
	uint64_t drop_seen[DROP_COUNT]; /* since it began */
};

void record_init(struct record *r);
/* Compares two samples, s being derived from them. base: NULL at the first. */
void record_observe(struct record *r, const struct sample *base, const struct sample *now, const struct snapshot *s);
/* Event number n back from the latest, 0 is the latest, of those not younger than wall_ns; NULL: no more. */
const struct event *record_event(const struct record *r, uint64_t back, uint64_t wall_ns);

#endif
