/* Counters of a running batond. */
#include "sums.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "residence.h"

#define WAIT_S  60
#define WARM_NS 300000000l /* caches, page tables and the players' first round */

void nap(long ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

void sums_take(const struct stats *stats, struct sums *s)
{
	memset(s, 0, sizeof(*s));
	s->tsc = __rdtsc();
	for (uint32_t p = 1; p < stats->header->pages; p++) {
		const struct CoreStats *page = &stats->page[p];
		uint64_t *to = page->kind == CORE_IO ? s->io : s->worker;
		for (uint32_t i = 0; i < COUNTER_COUNT; i++)
			to[i] += core_counter(page, i);
		if (page->kind != CORE_IO)
			continue;
		for (uint32_t i = 0; i < DROP_COUNT; i++)
			s->drop[i] += page->drop[i];
	}
	for (uint32_t i = 0; i < stats->header->io_lcores; i++)
		residence_add_all(s->residence, stats, i);
}

int sums_attach(struct stats *stats, const char *instance)
{
	struct sums s;
	int rc = -ENOENT;

	for (int i = 0; i < WAIT_S * 50; i++, nap(20000000)) {
		if (stats->header == NULL)
			rc = stats_attach(stats, instance);
		if (rc != 0)
			continue;
		sums_take(stats, &s);
		if (s.io[COUNTER_gen_ok] > 0) {
			nap(WARM_NS);
			return 0;
		}
	}
	fprintf(stderr, "bench-measure: %s: %s within %d s\n", instance,
		rc != 0 ? "no such instance" : "nothing was answered", WAIT_S);
	return 1;
}

double sums_longest_gap_us(const struct stats *stats, const uint64_t *from, uint64_t tsc, bool *unseen)
{
	double longest = STATS_GAP_NS / 1e3;

	for (uint32_t i = 0; i < stats->header->io_lcores; i++) {
		struct stats_gap gap[STATS_GAPS];
		uint64_t missed;
		uint32_t count = stats_gaps_read(stats_io(stats, i), from[i], gap, &missed);

		*unseen |= missed != 0;
		for (uint32_t g = 0; g < count; g++)
			if (gap[g].end_tsc > tsc && (double)gap[g].ns / 1e3 > longest)
				longest = (double)gap[g].ns / 1e3;
	}
	return longest;
}

int sums_print_faults(const struct sums *a, const struct sums *b)
{
	uint64_t faults = 0, refused = 0, other = 0, malformed;

	for (uint32_t i = COUNTER_gen_lost; i <= COUNTER_gen_wrong; i++)
		faults += b->io[i] - a->io[i];
	for (uint32_t i = 0; i < DROP_COUNT; i++) {
		uint64_t n = b->drop[i] - a->drop[i];
		if (i == DROP_bad_ip_version || i == DROP_bad_ip_length || i == DROP_bad_udp_length ||
		    i == DROP_unknown_ethertype || i == DROP_malformed) /* the ways in which the generator spoils a frame */
			refused += n;
		else
			other += n;
	}
	malformed = b->io[COUNTER_gen_malformed] - a->io[COUNTER_gen_malformed];
	printf(" lost=%llu duplicated=%llu reordered=%llu wrong=%llu malformed_sent=%llu malformed_counted=%llu"
	       " dropped=%llu\n",
	       (unsigned long long)(b->io[COUNTER_gen_lost] - a->io[COUNTER_gen_lost]),
	       (unsigned long long)(b->io[COUNTER_gen_duplicated] - a->io[COUNTER_gen_duplicated]),
	       (unsigned long long)(b->io[COUNTER_gen_reordered] - a->io[COUNTER_gen_reordered]),
	       (unsigned long long)(b->io[COUNTER_gen_wrong] - a->io[COUNTER_gen_wrong]), (unsigned long long)malformed,
	       (unsigned long long)refused, (unsigned long long)other);
	/* Those that were under way at the one or the other reading are counted a little later than sent. */
	uint64_t off = malformed > refused ? malformed - refused : refused - malformed;
	if (faults == 0 && other == 0 && off <= 64)
		return 0;
	fprintf(stderr, "bench-measure: replies or drops are not as they must be: see the line above\n");
	for (uint32_t i = 0; i < DROP_COUNT; i++)
		if (b->drop[i] != a->drop[i])
			fprintf(stderr, "bench-measure:   %s %llu\n", core_drop_name(i),
				(unsigned long long)(b->drop[i] - a->drop[i]));
	return 1;
}
