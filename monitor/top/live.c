/* Sampling for the live screen. */
#include "live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void derive(struct live *live)
{
	snapshot_derive_since(live->latest, live->rebased ? live->origin : NULL, live->taken ? live->base : NULL,
			      live->now);
}

void live_sample(struct live *live, uint64_t interval_ns, bool paused)
{
	struct sample *old = live->base;

	live->base = live->now;
	live->now = old;
	if (live->source != NULL)
		source_take(live->source, live->now);
	else
		sample_demo(live->now, live->demo_ms, 1000000); /* in steps of 1 ms: the interval may change */
	live->demo_ms += interval_ns / 1000000;
	derive(live);
	record_observe(live->record, live->taken ? live->base : NULL, live->now, live->latest);
	live->taken = true;
	if (!paused)
		memcpy(live->shown, live->latest, sizeof(*live->shown));
}

void live_rebase(struct live *live)
{
	memcpy(live->origin, live->now, sizeof(*live->origin));
	live->rebased = true;
	derive(live);
	memcpy(live->shown, live->latest, sizeof(*live->shown));
}

int live_init(struct live *live, struct source *source)
{
	memset(live, 0, sizeof(*live));
	live->source = source;
	live->base = sample_create();
	live->now = sample_create();
	live->origin = sample_create();
	live->latest = malloc(sizeof(*live->latest));
	live->shown = malloc(sizeof(*live->shown));
	live->record = malloc(sizeof(*live->record));
	if (!live->base || !live->now || !live->origin || !live->latest || !live->shown || !live->record)
		return -ENOMEM;
	record_init(live->record);
	live_sample(live, 1000000000, false);
	return 0;
}

void live_fini(struct live *live)
{
	free(live->base);
	free(live->now);
	free(live->origin);
	free(live->latest);
	free(live->shown);
	free(live->record);
	memset(live, 0, sizeof(*live));
}
