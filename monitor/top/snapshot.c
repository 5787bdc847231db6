/* From two samples to the figures on the screen. */
#include "snapshot.h"

#include <stdio.h>
#include <string.h>

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
	c->belt_depth = page->kind != CORE_WORKER ? page->belt_depth
			: page->index < now->slots ? belts_of(now, page->index) : 0;
	c->pending = page->pending;
	c->unresolved = page->unresolved;
	c->tx_backlog = page->tx_backlog;
	c->pool_free = page->pool_free;
	c->pool_size = page->pool_size;
	c->heartbeat_s = page->heartbeat != 0 ? age_s(page->heartbeat, now) : UNKNOWN;
	for (uint32_t i = 0; i < COUNTER_COUNT; i++)
		c->counter[i] = core_counter(page, i);
	memcpy(c->drop, page->drop, sizeof(c->drop));
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

/* Slots 1 and 2 may take turns at being one worker, so what they did is added by what they ran. */
static void derive_versions(struct snapshot *s, const struct sample *base, const struct sample *now)
{
	for (uint32_t i = 0; i < s->workers; i++) {
		const struct snapshot_worker *w = &s->worker[i];
		const struct CoreStats *page = sample_worker(now, w->slot);
		const struct CoreStats *before = base != NULL ? sample_worker(base, w->slot) : NULL;
		struct snapshot_version *v = snapshot_version(s, w->entry.group, w->entry.version);
		v->workers++;
		v->buckets += w->entry.buckets;
		v->belt_depth += w->belt_depth;
		v->entries += grown(before, page, COUNTER_processed);
		v->spent += grown(before, page, COUNTER_processed_cycles);
		v->pps = base != NULL ? (double)v->entries / s->interval_s : UNKNOWN;
		v->cycles = ratio(v->spent, v->entries);
	}
}

/* Packets that reached the devices, taken in or not: what a drop rate is a share of. */
static uint64_t arrived(uint64_t rx, const uint64_t *drop)
{
	return rx + drop[DROP_device_missed] + drop[DROP_device_nombuf] + drop[DROP_device_rx_errors];
}

/* Sums over the pages of a sample; all 0 without one. */
struct sums {
	uint64_t counter[COUNTER_COUNT], drop[DROP_COUNT], dropped, arrived;
};

/* What workers count, too. The others are the primary's alone: a plugin that scribbles on its page must not change
 * them. */
static bool of_workers_too(uint32_t counter)
{
	return (counter >= COUNTER_processed && counter <= COUNTER_sleeps) || counter == COUNTER_undone ||
	       counter == COUNTER_table_full || counter == COUNTER_early_settles ||
	       counter == COUNTER_migrated;
}

static void sum_up(struct sums *sums, const struct sample *sample)
{
	memset(sums, 0, sizeof(*sums));
	if (sample == NULL)
		return;
	for (uint32_t p = 0; p < 1 + sample->io_lcores + sample->slots; p++) {
		bool workers = p > sample->io_lcores;

		for (uint32_t i = 0; i < COUNTER_COUNT; i++)
			if (!workers || of_workers_too(i))
				sums->counter[i] += core_counter(&sample->page[p], i);
		if (workers)
			continue;
		for (uint32_t i = 0; i < DROP_COUNT; i++)
			sums->drop[i] += sample->page[p].drop[i];
		sums->dropped += drops_of(&sample->page[p]);
	}
	sums->arrived = arrived(sums->counter[COUNTER_rx_packets], sums->drop);
}

static void derive_totals(struct snapshot *s, const struct sample *origin, const struct sample *base,
			  const struct sample *now)
{
	struct sums first, before, last;

	sum_up(&first, origin);
	sum_up(&before, base);
	sum_up(&last, now);
	for (uint32_t i = 0; i < COUNTER_COUNT; i++) {
		s->total[i] = last.counter[i] - first.counter[i];
		s->rate[i] = base != NULL ? (double)(last.counter[i] - before.counter[i]) / s->interval_s : UNKNOWN;
	}
	for (uint32_t i = 0; i < DROP_COUNT; i++) {
		s->drop[i].total = last.drop[i] - first.drop[i];
		s->drop[i].pps = base != NULL ? (double)(last.drop[i] - before.drop[i]) / s->interval_s : UNKNOWN;
	}
	for (uint32_t i = 0; i < now->io_lcores; i++) {
		s->in_belts += sample_io(now, i)->belt_depth;
		s->pending += sample_io(now, i)->pending;
		s->unresolved += sample_io(now, i)->unresolved;
		s->tx_backlog += sample_io(now, i)->tx_backlog;
	}
	s->dropped = last.dropped - first.dropped;
	s->drop_share_total = ratio(s->dropped, last.arrived - first.arrived);
	s->drop_pps = base != NULL ? (double)(last.dropped - before.dropped) / s->interval_s : UNKNOWN;
	s->drop_share = base != NULL ? ratio(last.dropped - before.dropped, last.arrived - before.arrived) : UNKNOWN;
}

/* Samples can be subtracted only if they are of one boot and one shape, and in order. */
static bool comparable(const struct sample *base, const struct sample *now)
{
	return base != NULL && base->boot_id == now->boot_id && base->tsc <= now->tsc &&
	       base->io_lcores == now->io_lcores && base->slots == now->slots;
}

void snapshot_derive(struct snapshot *out, const struct sample *base, const struct sample *now)
{
	snapshot_derive_since(out, NULL, base, now);
}

void snapshot_derive_since(struct snapshot *out, const struct sample *origin, const struct sample *base,
			   const struct sample *now)
{
	if (!comparable(base, now) || base->tsc == now->tsc) /* no time between them, no rates */
		base = NULL;
	if (!comparable(origin, now))
		origin = NULL;
	memset(out, 0, sizeof(*out));
	memcpy(out->host, now->host, sizeof(out->host));
	memcpy(out->instance, now->instance, sizeof(out->instance));
	memcpy(out->build, now->build, sizeof(out->build));
	out->primary_pid = now->primary_pid;
	out->boot_id = now->boot_id;
	out->tsc_hz = now->tsc_hz;
	out->started_ns = now->started_ns;
	out->wall_ns = now->wall_ns;
	out->gone = now->gone;
	out->up_s = now->wall_ns > now->started_ns ? (double)(now->wall_ns - now->started_ns) / 1e9 : 0;
	out->counted_s = origin != NULL ? (double)(now->tsc - origin->tsc) / (double)now->tsc_hz : out->up_s;
	out->interval_s = base != NULL ? (double)(now->tsc - base->tsc) / (double)now->tsc_hz : 0;
	out->alive_s = age_s(now->alive_tsc, now);
	for (uint32_t p = 0; p < 1 + now->io_lcores + now->slots; p++)
		if (now->page[p].kind != CORE_UNUSED)
			derive_core(&out->core[out->cores++], base != NULL ? &base->page[p] : NULL, &now->page[p], now,
				    out->interval_s);
	derive_workers(out, base, now);
	derive_versions(out, base, now);
	derive_totals(out, origin, base, now);
	snapshot_residences(out, origin, base, now);
	snapshot_parts(out, origin, now);
	snapshot_rollouts(out, now);
	snapshot_judge(out, base);
}
