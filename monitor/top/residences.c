/* Residence by lcore, by version and in all: from the histograms of two samples to percentiles. */
#include <stdio.h>
#include <string.h>

#include "hist.h"
#include "snapshot.h"

static void derive_quantiles(struct snapshot_residence *out, const uint64_t *h)
{
	out->count = hist_count(h);
	out->p50 = hist_quantile(h, 0.5);
	out->p90 = hist_quantile(h, 0.9);
	out->p99 = hist_quantile(h, 0.99);
	out->p999 = hist_quantile(h, 0.999);
	out->max = hist_quantile(h, 1);
}

struct snapshot_version *snapshot_version(struct snapshot *s, const char *group, const char *version)
{
	uint32_t at = 0;

	while (at < s->versions &&
	       (strcmp(s->version[at].group, group) != 0 || strcmp(s->version[at].version, version) != 0))
		at++;
	struct snapshot_version *v = &s->version[at];
	if (at == s->versions) {
		s->versions++;
		snprintf(v->group, sizeof(v->group), "%s", group);
		snprintf(v->version, sizeof(v->version), "%s", version);
		v->pps = v->cycles = UNKNOWN;
	}
	return v;
}

/* What the same lane had counted then; NULL: nothing, it was another version's. */
static const uint64_t *counted_then(const struct sample *then, const struct sample *now, uint32_t lane)
{
	return then != NULL && then->version[lane].entry.id == now->version[lane].entry.id ? then->version[lane].count
											    : NULL;
}

static void derive_version(struct snapshot *s, const struct sample *origin, const struct sample *base,
			   const struct sample *now, uint32_t lane)
{
	const struct sample_version *from = &now->version[lane];
	struct snapshot_version *v = snapshot_version(s, from->entry.group, from->entry.version);
	uint64_t recent[STATS_HIST_BUCKETS] = { 0 };

	v->counted = true;
	hist_add(v->total_bucket, from->count, counted_then(origin, now, lane));
	derive_quantiles(&v->total, v->total_bucket);
	if (base != NULL)
		hist_add(recent, from->count, counted_then(base, now, lane));
	derive_quantiles(&v->now, recent);
}

/* Lanes, the latest taken first: those with workers have their rows already. */
static void derive_versions(struct snapshot *s, const struct sample *origin, const struct sample *base,
			    const struct sample *now)
{
	bool done[STATS_LANES_MAX] = { false };

	for (;;) {
		uint32_t latest = now->lanes;
		for (uint32_t i = 0; i < now->lanes; i++)
			if (!done[i] && now->version[i].entry.id != 0 &&
			    (latest == now->lanes || now->version[i].entry.taken > now->version[latest].entry.taken))
				latest = i;
		if (latest == now->lanes)
			return;
		done[latest] = true;
		derive_version(s, origin, base, now, latest);
	}
}

/* What is in the total of the lcores and in none of the versions'. */
static void derive_earlier(struct snapshot *s, const uint64_t *all)
{
	uint64_t rest[STATS_HIST_BUCKETS], known[STATS_HIST_BUCKETS] = { 0 };

	for (uint32_t i = 0; i < s->versions; i++)
		hist_add(known, s->version[i].total_bucket, NULL);
	for (uint32_t i = 0; i < STATS_HIST_BUCKETS; i++)
		rest[i] = all[i] > known[i] ? all[i] - known[i] : 0;
	derive_quantiles(&s->earlier, rest);
}

void snapshot_residences(struct snapshot *s, const struct sample *origin, const struct sample *base,
			 const struct sample *now)
{
	uint64_t all_now[STATS_HIST_BUCKETS] = { 0 }, all_total[STATS_HIST_BUCKETS] = { 0 };

	s->lcores = now->io_lcores;
	for (uint32_t i = 0; i < now->io_lcores; i++) {
		struct snapshot_lcore *l = &s->lcore[i];
		hist_add(l->total_bucket, now->residence[i], origin != NULL ? origin->residence[i] : NULL);
		if (base != NULL)
			hist_add(l->now_bucket, now->residence[i], base->residence[i]);
		hist_add(all_total, l->total_bucket, NULL);
		hist_add(all_now, l->now_bucket, NULL);
		derive_quantiles(&l->now, l->now_bucket);
		derive_quantiles(&l->total, l->total_bucket);
	}
	derive_quantiles(&s->residence, all_now);
	derive_quantiles(&s->residence_total, all_total);
	derive_versions(s, origin, base, now);
	derive_earlier(s, all_total);
}
