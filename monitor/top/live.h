/* What the live screen is fed from: samples, the record of events, and the picture that is shown. No terminal in it. */
#ifndef BATON_TOP_LIVE_H
#define BATON_TOP_LIVE_H

#include "record.h"
#include "sample.h"
#include "screen.h"

struct live {
	struct source *source; /* NULL: made-up samples */
	uint64_t demo_ms; /* their time */
	struct sample *base, *now, *origin;
	bool taken, rebased;
	struct snapshot *latest;
	struct snapshot *shown; /* what is drawn: the latest, unless the picture is stopped */
	struct record *record;
};

/* Takes the first sample. Returns 0 or -ENOMEM; live_fini() is due in any case. */
int live_init(struct live *live, struct source *source);
void live_fini(struct live *live);
/* One sample more: events are recorded whether or not the picture is stopped. */
void live_sample(struct live *live, uint64_t interval_ns, bool paused);
/* Totals count from the latest sample on. */
void live_rebase(struct live *live);

#endif
