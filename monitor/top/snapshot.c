/* From two samples to the figures on the screen. */
#include "snapshot.h"

#include <stdio.h>
#include <string.h>

#include "hist.h"

static double ratio(uint64_t part, uint64_t whole)
{
	return whole != 0 ? (double)part / (double)whole : UNKNOWN;
}

/* Seconds from then to now; TSCs of two cores may differ by a little, which must not become an age of centuries. */
static double age_s(uint64_t then, const struct sample *now)
{
	return then < now->tsc ? (double)(now->tsc - then) / (double)now->tsc_hz : 0;
}

static uint64_t grown(const struct CoreStats *base, const struct CoreStats *now, enum core_counter counter)
{
	return base != NULL ? core_counter(now, counter) - core_counter(base, counter) : 0;
}

static uint64_t drops_of(const struct CoreStats *page)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; page != NULL && i < DROP_COUNT; i++)
		sum += page->drop[i];
	return sum;
}

/* Entries that wait for a worker, as the lcores that own its belts count them. */
static uint64_t belts_of(const struct sample *now, uint32_t slot)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < now->io_lcores; i++)
		sum += sample_io(now, i)->belt[slot];
	return sum;
}

static void derive_core(struct snapshot_core *c, const struct CoreStats *base, const struct CoreStats *page,
			const struct sample *now, double seconds)
{
	c->kind = page->kind;
	c->index = page->index;
	c->cpu = page->cpu;
	memcpy(c->name, page->name, sizeof(c->name));
	c->belt_depth = page->kind == CORE_WORKER && page->index < now->slots ? belts_of(now, page->index) : page->belt_depth;
	c->pending = page->pending;
	c->tx_backlog = page->tx_backlog;
	c->pool_free = page->pool_free;
	c->pool_size = page->pool_size;
	c->heartbeat_s = page->heartbeat != 0 ? age_s(page->heartbeat, now) : UNKNOWN;
	for (uint32_t i = 0; i < COUNTER_COUNT; i++)
		c->counter[i] = core_counter(page, i);
	c->busy = c->burst = c->rx_pps = c->tx_pps = c->drop_pps = c->cycles = UNKNOWN;
	if (base == NULL)
		return;
	uint64_t busy = grown(base, page, COUNTER_busy_cycles);
	c->busy = ratio(busy, busy + grown(base, page, COUNTER_idle_cycles));
	c->burst = ratio(grown(base, page, COUNTER_burst_packets), grown(base, page, COUNTER_bursts));
	if (page->kind == CORE_WORKER) {
		uint64_t processed = grown(base, page, COUNTER_processed);
		c->rx_pps = (double)processed / seconds;
		c->cycles = ratio(grown(base, page, COUNTER_processed_cycles), processed);
	} else if (page->kind == CORE_IO) {
		uint64_t rx = grown(base, page, COUNTER_rx_packets);
		c->rx_pps = (double)rx / seconds;
		c->tx_pps = (double)grown(base, page, COUNTER_tx_packets) / seconds;
		c->drop_pps = (double)(drops_of(page) - drops_of(base)) / seconds;
		c->cycles = ratio(busy, rx);
	}
}

static void derive_workers(struct snapshot *s, const struct sample *base, const struct sample *now)
{
	for (uint32_t slot = 0; slot < now->slots; slot++) {
		if (now->worker[slot].state == WORKER_NONE)
			continue;
		struct snapshot_worker *w = &s->worker[s->workers++];
		const struct CoreStats *page = sample_worker(now, slot);
		const struct CoreStats *before = base != NULL ? sample_worker(base, slot) : NULL;
		uint64_t processed = grown(before, page, COUNTER_processed);
		w->slot = slot;
		memcpy(&w->entry, &now->worker[slot], sizeof(w->entry));
		w->belt_depth = belts_of(now, slot);
		w->pps = before != NULL ? (double)processed / s->interval_s : UNKNOWN;
		w->cycles = ratio(grown(before, page, COUNTER_processed_cycles), processed);
	}
}

static void derive_residence(struct snapshot_residence *out, const uint64_t *h)
{
	out->count = hist_count(h);
	out->p50 = hist_quantile(h, 0.5);
	out->p90 = hist_quantile(h, 0.9);
	out->p99 = hist_quantile(h, 0.99);
	out->p999 = hist_quantile(h, 0.999);
	out->max = hist_quantile(h, 1);
}

/* Packets that reached the devices, taken in or not: what a drop rate is a share of. */
static uint64_t arrived(uint64_t rx, const uint64_t *drop)
{
	return rx + drop[DROP_device_missed] + drop[DROP_device_nombuf] + drop[DROP_device_rx_errors];
}

static void derive_totals(struct snapshot *s, const struct sample *base, const struct sample *now)
{
	uint64_t before[COUNTER_COUNT] = { 0 }, drop_before[DROP_COUNT] = { 0 }, drop_now[DROP_COUNT] = { 0 };
	uint64_t residence[STATS_HIST_BUCKETS] = { 0 }, residence_total[STATS_HIST_BUCKETS] = { 0 };
	uint64_t fresh_drop[DROP_COUNT], dropped_before = 0;

	for (uint32_t p = 0; p < 1 + now->io_lcores + now->slots; p++) {
		const struct CoreStats *page = &now->page[p], *old = base != NULL ? &base->page[p] : NULL;
		for (uint32_t i = 0; i < COUNTER_COUNT; i++) {
			s->total[i] += core_counter(page, i);
			before[i] += old != NULL ? core_counter(old, i) : 0;
		}
		for (uint32_t i = 0; i < DROP_COUNT; i++) {
			drop_now[i] += page->drop[i];
			drop_before[i] += old != NULL ? old->drop[i] : 0;
		}
		hist_add(residence_total, page->residence, NULL);
		if (old != NULL)
			hist_add(residence, page->residence, old->residence);
		if (page->kind == CORE_IO) {
			s->in_belts += page->belt_depth;
			s->pending += page->pending;
			s->tx_backlog += page->tx_backlog;
		}
	}
	for (uint32_t i = 0; i < COUNTER_COUNT; i++)
		s->rate[i] = base != NULL ? (double)(s->total[i] - before[i]) / s->interval_s : UNKNOWN;
	for (uint32_t i = 0; i < DROP_COUNT; i++) {
		fresh_drop[i] = drop_now[i] - drop_before[i];
		s->drop[i].total = drop_now[i];
		s->drop[i].pps = base != NULL ? (double)fresh_drop[i] / s->interval_s : UNKNOWN;
		s->dropped += drop_now[i];
		dropped_before += drop_before[i];
	}
	s->drop_share_total = ratio(s->dropped, arrived(s->total[COUNTER_rx_packets], drop_now));
	s->drop_pps = s->drop_share = UNKNOWN;
	if (base != NULL) {
		uint64_t rx = s->total[COUNTER_rx_packets] - before[COUNTER_rx_packets];
		s->drop_pps = (double)(s->dropped - dropped_before) / s->interval_s;
		s->drop_share = ratio(s->dropped - dropped_before, arrived(rx, fresh_drop));
	}
	derive_residence(&s->residence, residence);
	derive_residence(&s->residence_total, residence_total);
}

void snapshot_derive(struct snapshot *out, const struct sample *base, const struct sample *now)
{
	if (base != NULL && (base->boot_id != now->boot_id || base->tsc >= now->tsc || base->io_lcores != now->io_lcores ||
			     base->slots != now->slots))
		base = NULL;
	memset(out, 0, sizeof(*out));
	memcpy(out->host, now->host, sizeof(out->host));
	memcpy(out->instance, now->instance, sizeof(out->instance));
	memcpy(out->build, now->build, sizeof(out->build));
	out->primary_pid = now->primary_pid;
	out->boot_id = now->boot_id;
	out->wall_ns = now->wall_ns;
	out->gone = now->gone;
	out->up_s = now->wall_ns > now->started_ns ? (double)(now->wall_ns - now->started_ns) / 1e9 : 0;
	out->interval_s = base != NULL ? (double)(now->tsc - base->tsc) / (double)now->tsc_hz : 0;
	out->alive_s = age_s(now->alive_tsc, now);
	for (uint32_t p = 0; p < 1 + now->io_lcores + now->slots; p++)
		if (now->page[p].kind != CORE_UNUSED)
			derive_core(&out->core[out->cores++], base != NULL ? &base->page[p] : NULL, &now->page[p], now,
				    out->interval_s);
	derive_workers(out, base, now);
	derive_totals(out, base, now);
	snapshot_judge(out, base);
}
