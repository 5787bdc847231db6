/* The text frame. */
#include <string.h>

#include "render.h"

#define CELL 16

const char *render_count(char *text, size_t size, double value)
{
	static const char unit[] = { 0, 'k', 'M', 'G', 'T', 'P' };
	size_t at = 0;

	if (value < 0) {
		snprintf(text, size, "-");
		return text;
	}
	/* 999.5 would be printed as 1000 */
	while (value >= (at == 0 ? 999.95 : 999.5) && at + 1 < sizeof(unit)) {
		value /= 1000;
		at++;
	}
	if (at == 0)
		snprintf(text, size, value < 10 && value != (double)(long)value ? "%.1f" : "%.0f", value);
	else
		snprintf(text, size, value < 9.995 ? "%.2f%c" : value < 99.95 ? "%.1f%c" : "%.0f%c", value, unit[at]);
	return text;
}

const char *render_ns(char *text, size_t size, uint64_t ns)
{
	if (ns < 1000)
		snprintf(text, size, "%u ns", (unsigned)ns);
	else if (ns < 1000000)
		snprintf(text, size, "%.2f us", (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(text, size, "%.2f ms", (double)ns / 1e6);
	else
		snprintf(text, size, "%.2f s", (double)ns / 1e9);
	return text;
}

const char *render_clock(char *text, size_t size, uint64_t wall_ns)
{
	unsigned of_day = (unsigned)(wall_ns / 1000000000u % 86400u);

	snprintf(text, size, "%02u:%02u:%02uZ", of_day / 3600, of_day / 60 % 60, of_day % 60);
	return text;
}

static const char *percent(char *text, size_t size, double share)
{
	if (share < 0)
		snprintf(text, size, "-");
	else
		snprintf(text, size, "%.1f%%", 100 * share);
	return text;
}

static const char *number(char *text, size_t size, double value, int digits)
{
	if (value < 0)
		snprintf(text, size, "-");
	else
		snprintf(text, size, "%.*f", digits, value);
	return text;
}

/* A worker that was not pinned has no CPU of its own. */
static const char *cpu(char *text, size_t size, uint32_t index)
{
	if (index > INT32_MAX)
		snprintf(text, size, "any");
	else
		snprintf(text, size, "%u", index);
	return text;
}

static void print_verdict(FILE *out, const struct snapshot *s)
{
	char clock[CELL];
	unsigned long up = (unsigned long)s->up_s;

	fprintf(out, "baton-top %s  %s  %s  up ", BATON_VERSION, s->host, s->instance);
	if (up >= 86400)
		fprintf(out, "%lud%02luh", up / 86400, up / 3600 % 24);
	else
		fprintf(out, "%luh%02lum%02lus", up / 3600, up / 60 % 60, up % 60);
	fprintf(out, "  %s\n%s", render_clock(clock, sizeof(clock), s->wall_ns), verdict_name(s->verdict));
	for (uint32_t i = 0; i < s->reasons; i++)
		fprintf(out, "%s%s", i == 0 ? "  " : " | ", s->reason[i]);
	if (s->interval_s > 0)
		fprintf(out, "  (rates over %.2f s)\n", s->interval_s);
	else
		fprintf(out, "  (first look: no rates yet)\n");
}

static void print_cores(FILE *out, const struct snapshot *s)
{
	char a[CELL], b[CELL], c[CELL], d[CELL], e[CELL], f[CELL], g[CELL], h[CELL];

	fprintf(out, "\n CPU ROLE   NAME             BUSY  BURST   RX pps   TX pps DROP pps  CYC/PKT"
		"   BELTS PENDING  POOL FREE\n");
	for (uint32_t i = 0; i < s->cores; i++) {
		const struct snapshot_core *k = &s->core[i];
		fprintf(out, "%4s %-6s %-14.14s %6s %6s %8s %8s %8s %8s %7llu %7llu", cpu(h, sizeof(h), k->cpu),
			core_kind_name(k->kind), k->name, percent(a, sizeof(a), k->busy), number(b, sizeof(b), k->burst, 1),
			render_count(c, sizeof(c), k->rx_pps), render_count(d, sizeof(d), k->tx_pps),
			render_count(e, sizeof(e), k->drop_pps), number(f, sizeof(f), k->cycles, 0),
			(unsigned long long)k->belt_depth, (unsigned long long)k->pending);
		if (k->pool_size != 0)
			fprintf(out, " %10s", percent(g, sizeof(g), (double)k->pool_free / (double)k->pool_size));
		fputc('\n', out);
	}
}

static void print_workers(FILE *out, const struct snapshot *s)
{
	char a[CELL], b[CELL], c[CELL];

	if (s->workers == 0) {
		fprintf(out, "\n no workers\n");
		return;
	}
	fprintf(out, "\nSLOT WORKER         VERSION      STATE     INC     PID CPU BUCKETS  BELT ENTRIES/s CYC/ENTRY"
		" RESTARTS CRASHES BUILD\n");
	for (uint32_t i = 0; i < s->workers; i++) {
		const struct snapshot_worker *w = &s->worker[i];
		fprintf(out, "%4u %-14.14s %-12.12s %-8.8s %4u %7u %3s %7u %5llu %9s %9s %8u %7u %.8s\n", w->slot,
			w->entry.name, w->entry.version, worker_words(&w->entry), w->entry.incarnation,
			w->entry.pid, cpu(c, sizeof(c), w->entry.cpu), w->entry.buckets, (unsigned long long)w->belt_depth,
			render_count(a, sizeof(a), w->pps), number(b, sizeof(b), w->cycles, 0), w->entry.restarts,
			w->entry.crashes, w->entry.build_id);
	}
}

static void print_drop(FILE *out, const char *name, uint64_t total, double pps, const char *help)
{
	char a[CELL];

	if (total != 0)
		fprintf(out, " %-17s %12llu %9s  %s\n", name, (unsigned long long)total,
			render_count(a, sizeof(a), pps), help);
}

static void print_drops(FILE *out, const struct snapshot *s)
{
	const uint32_t retried = COUNTER_tx_errors_retried;

	if (s->dropped == 0)
		fprintf(out, "\nDROPS  none\n");
	else
		fprintf(out, "\nDROPS                     TOTAL        /s  MEANING\n");
	for (uint32_t i = 0; i < DROP_COUNT; i++)
		print_drop(out, core_drop_name(i), s->drop[i].total, s->drop[i].pps, core_drop_help(i));
	if (s->total[retried] != 0)
		fprintf(out, "NOT DROPPED\n");
	print_drop(out, core_counter_name(retried), s->total[retried], s->rate[retried], core_counter_help(retried));
}

static void print_ports(FILE *out, const struct snapshot *s)
{
	char words[120];

	if (s->ports != 0)
		fputc('\n', out);
	for (uint32_t i = 0; i < s->ports; i++) {
		const struct snapshot_port *p = &s->port[i];
		port_words(s, p, words, sizeof(words));
		fprintf(out, "PORT %-14.14s %-4s  %s\n", p->entry.name, verdict_name(p->level), words);
	}
}

/* Those with which something is wrong. */
static void print_groups(FILE *out, const struct snapshot *s)
{
	char words[160];

	for (uint32_t i = 0; i < s->groups; i++) {
		group_words(&s->group[i], words, sizeof(words));
		if (group_level(&s->group[i]) != VERDICT_OK)
			fprintf(out, "GROUP %-13.13s %-4s  %s\n", s->group[i].name, verdict_name(group_level(&s->group[i])),
				words);
	}
}

static void print_residence(FILE *out, const char *label, const struct snapshot_residence *r)
{
	char a[CELL], b[CELL], c[CELL], d[CELL], e[CELL];

	if (r->count == 0) {
		fprintf(out, "RESIDENCE %-9s no samples\n", label);
		return;
	}
	fprintf(out, "RESIDENCE %-9s p50 %s  p90 %s  p99 %s  p99.9 %s  max %s  (%llu samples)\n", label,
		render_ns(a, sizeof(a), r->p50), render_ns(b, sizeof(b), r->p90), render_ns(c, sizeof(c), r->p99),
		render_ns(d, sizeof(d), r->p999), render_ns(e, sizeof(e), r->max), (unsigned long long)r->count);
}

static void print_version(FILE *out, const struct snapshot_version *v, const char *when,
			  const struct snapshot_residence *r)
{
	const uint64_t value[] = { r->p50, r->p90, r->p99, r->p999, r->max };
	char text[CELL];

	fprintf(out, "%-8.8s %-12.12s %-4s %8s", v->group, v->version[0] != 0 ? v->version : "?", when,
		render_count(text, sizeof(text), (double)r->count));
	for (size_t i = 0; i < sizeof(value) / sizeof(value[0]); i++)
		fprintf(out, " %9s", r->count != 0 ? render_ns(text, sizeof(text), value[i]) : "-");
}

/* Those with workers, and what is left of those that are gone. */
static void print_versions(FILE *out, const struct snapshot *s)
{
	char a[CELL], b[CELL];

	if (s->versions == 0)
		return;
	fprintf(out, "\nGROUP    VERSION      TIME  SAMPLES       P50       P90       P99     P99.9       MAX"
		" ENTRIES/s CYC/ENTRY WORKERS\n");
	for (uint32_t i = 0; i < s->versions; i++) {
		const struct snapshot_version *v = &s->version[i];
		if (v->workers != 0) {
			print_version(out, v, "now", &v->now);
			fprintf(out, " %9s %9s %7u\n", render_count(a, sizeof(a), v->pps),
				number(b, sizeof(b), v->cycles, 0), v->workers);
		}
		if (v->total.count != 0) {
			print_version(out, v, "all", &v->total);
			fputc('\n', out);
		}
	}
	fputc('\n', out);
}

static void print_totals(FILE *out, const struct snapshot *s)
{
	const uint64_t *t = s->total;
	char a[CELL], b[CELL];
	uint64_t in = t[COUNTER_rx_packets] + t[COUNTER_allocated];
	uint64_t left = t[COUNTER_tx_packets] + t[COUNTER_freed] + s->in_belts + s->pending + s->unresolved +
			s->tx_backlog;

	fprintf(out, "TOTALS    rx %llu  tx %llu  dropped %llu (%s, now %s)  replies %llu  errors %llu  moves %llu"
		"  parked %llu\n",
		(unsigned long long)t[COUNTER_rx_packets], (unsigned long long)t[COUNTER_tx_packets],
		(unsigned long long)s->dropped, percent(a, sizeof(a), s->drop_share_total),
		percent(b, sizeof(b), s->drop_share), (unsigned long long)t[COUNTER_replies],
		(unsigned long long)t[COUNTER_error_replies], (unsigned long long)t[COUNTER_moves],
		(unsigned long long)t[COUNTER_parked]);
	/* Read while the lcores run, so the two sides need not agree to the packet; the primary's own check does. */
	fprintf(out, "BUFFERS   received %llu + allocated %llu\n"
		"        = sent %llu + freed %llu + belts %llu + pending %llu + unresolved %llu + tx backlog %llu"
		"  (difference %lld)\n",
		(unsigned long long)t[COUNTER_rx_packets], (unsigned long long)t[COUNTER_allocated],
		(unsigned long long)t[COUNTER_tx_packets], (unsigned long long)t[COUNTER_freed],
		(unsigned long long)s->in_belts, (unsigned long long)s->pending,
		(unsigned long long)s->unresolved, (unsigned long long)s->tx_backlog,
		(long long)(in - left));
}

void render_text(FILE *out, const struct snapshot *s)
{
	print_verdict(out, s);
	print_cores(out, s);
	print_workers(out, s);
	print_ports(out, s);
	print_groups(out, s);
	render_rollouts(out, s);
	print_drops(out, s);
	fputc('\n', out);
	print_residence(out, "now", &s->residence);
	print_residence(out, "all", &s->residence_total);
	print_versions(out, s);
	print_totals(out, s);
}

void render_summary(FILE *out, const struct snapshot *s)
{
	const uint64_t *t = s->total;
	char clock[CELL], a[CELL], b[CELL], c[CELL], d[CELL], e[CELL];

	fprintf(out, "%s %s %s  rx %llu  tx %llu  processed %llu  dropped %llu  drop rate %s\n",
		render_clock(clock, sizeof(clock), s->wall_ns), s->instance, verdict_name(s->verdict),
		(unsigned long long)t[COUNTER_rx_packets], (unsigned long long)t[COUNTER_tx_packets],
		(unsigned long long)t[COUNTER_processed], (unsigned long long)s->dropped,
		s->drop_share < 0 ? "-" : (snprintf(a, sizeof(a), "%.3f%%", 100 * s->drop_share), a));
	for (uint32_t i = 0; i < s->cores; i++) {
		const struct snapshot_core *k = &s->core[i];
		if (k->kind == CORE_MAIN)
			continue;
		fprintf(out, "  %-14s cpu %s  %s pps  %s cycles/packet  busy %s  burst %s\n", k->name,
			cpu(e, sizeof(e), k->cpu),
			render_count(a, sizeof(a), k->rx_pps), number(b, sizeof(b), k->cycles, 0),
			percent(c, sizeof(c), k->busy), number(d, sizeof(d), k->burst, 1));
	}
}
