/* Histograms of residence, by I/O lcore and by version. */
#include "exporter/prom_text.h"
#include "hist.h"

#define HIST_FIRST 7u  /* le from 2^7 - 1 ns */
#define HIST_LAST  34u /* to 2^34 - 1 ns, 17 s: what the histogram can tell */

/* CoreStats keep no sum; the middles of the buckets give one that is off by 6 % at most and never falls. */
static double middle_sum(const uint64_t *bucket)
{
	double sum = 0;

	for (uint32_t i = 0; i < STATS_HIST_BUCKETS; i++)
		sum += (double)bucket[i] * ((double)hist_floor(i) + (double)(hist_floor(i + 1) - 1)) / 2;
	return sum / 1e9;
}

/* `labels` writes those of the histogram: the core's, or the version's. */
static void write_histogram(struct prom *p, const uint64_t *bucket, void (*labels)(struct prom *p, uint32_t which),
			    uint32_t which)
{
	uint64_t seen = 0, count = hist_count(bucket);
	uint32_t at = 0;

	for (uint32_t power = HIST_FIRST; power <= HIST_LAST; power++) {
		/* The last bucket is left to +Inf: what is longer than all edges is in it too. */
		while (at < STATS_HIST_BUCKETS - 1 && hist_floor(at + 1) <= 1ull << power)
			seen += bucket[at++];
		prom_begin(p, "_bucket");
		labels(p, which);
		fprintf(p->out, ",le=\"%.12g\"", (double)((1ull << power) - 1) / 1e9);
		prom_end_count(p, seen);
	}
	prom_begin(p, "_bucket");
	labels(p, which);
	fprintf(p->out, ",le=\"+Inf\"");
	prom_end_count(p, count);
	prom_begin(p, "_sum");
	labels(p, which);
	prom_end_real(p, middle_sum(bucket));
	prom_begin(p, "_count");
	labels(p, which);
	prom_end_count(p, count);
}

static void label_lcore(struct prom *p, uint32_t lcore)
{
	fprintf(p->out, ",core=\"io.%u\"", lcore);
}

static void label_version(struct prom *p, uint32_t at)
{
	prom_label(p, "group", p->s->version[at].group);
	prom_label(p, "version", p->s->version[at].version);
}

void prom_residences(struct prom *p)
{
	prom_family(p, "baton_residence_seconds", "histogram",
	       "time from receive to reap; of bursts over 8 packets one in 8; the sum is made of bucket middles");
	for (uint32_t i = 0; i < p->s->lcores; i++)
		write_histogram(p, p->s->lcore[i].total_bucket, label_lcore, i);
	prom_family(p, "baton_version_residence_seconds", "histogram",
	       "the same by the version that handled the packet; one that is gone stays until its place is needed");
	for (uint32_t i = 0; i < p->s->versions; i++)
		if (p->s->version[i].counted)
			write_histogram(p, p->s->version[i].total_bucket, label_version, i);
}
