/* From a snapshot to Prometheus text.
 *
 * Every series has the label `baton`, the instance's name: two instances of one machine may end up in one scrape.
 * Worker counters are labelled by slot, because a page's counters go on when another worker or version takes the slot;
 * which one that is says baton_worker_info, to be joined on (baton, slot). */
#include "exporter/prom.h"

#include <string.h>

#include "exporter/prom_text.h"

/* ---- counters ---- */

enum counted_by { BY_CORE, BY_SLOT, BY_MAIN };

/* Counters that have a family. Those of the generator and the cycle counters have theirs below. */
static const struct {
	enum core_counter counter;
	enum counted_by by;
	const char *name;
} counters[] = {
	{ COUNTER_rx_packets, BY_CORE, "baton_rx_packets_total" },
	{ COUNTER_rx_bytes, BY_CORE, "baton_rx_bytes_total" },
	{ COUNTER_tx_packets, BY_CORE, "baton_tx_packets_total" },
	{ COUNTER_tx_bytes, BY_CORE, "baton_tx_bytes_total" },
	{ COUNTER_offered, BY_CORE, "baton_offered_packets_total" },
	{ COUNTER_reaped, BY_CORE, "baton_reaped_packets_total" },
	{ COUNTER_replies, BY_CORE, "baton_replies_total" },
	{ COUNTER_error_replies, BY_CORE, "baton_error_replies_total" },
	{ COUNTER_no_reply, BY_CORE, "baton_no_reply_packets_total" },
	{ COUNTER_redelivered, BY_CORE, "baton_redelivered_packets_total" },
	{ COUNTER_arp_replies, BY_CORE, "baton_arp_replies_total" },
	{ COUNTER_icmp_replies, BY_CORE, "baton_icmp_replies_total" },
	{ COUNTER_allocated, BY_CORE, "baton_buffers_allocated_total" },
	{ COUNTER_freed, BY_CORE, "baton_buffers_freed_total" },
	{ COUNTER_control_entries, BY_CORE, "baton_control_entries_total" },
	{ COUNTER_moves, BY_CORE, "baton_moves_total" },
	{ COUNTER_parked, BY_CORE, "baton_parked_packets_total" },
	{ COUNTER_wakeups, BY_CORE, "baton_doorbells_total" },
	{ COUNTER_loops, BY_CORE, "baton_core_loops_total" },
	{ COUNTER_busy_loops, BY_CORE, "baton_core_busy_loops_total" },
	{ COUNTER_bursts, BY_CORE, "baton_core_bursts_total" },
	{ COUNTER_burst_packets, BY_CORE, "baton_core_burst_packets_total" },
	{ COUNTER_sleeps, BY_CORE, "baton_core_sleeps_total" },
	{ COUNTER_ledger_drift, BY_CORE, "baton_ledger_drift_total" },
	{ COUNTER_deaths, BY_MAIN, "baton_deaths_total" },
	{ COUNTER_deaths_with_unsettled, BY_MAIN, "baton_deaths_with_unsettled_total" },
	{ COUNTER_deaths_with_undo, BY_MAIN, "baton_deaths_with_undo_total" },
	{ COUNTER_records_undone, BY_MAIN, "baton_undo_records_applied_total" },
	{ COUNTER_balance_moves, BY_MAIN, "baton_balance_moves_total" },
	{ COUNTER_balance_buckets, BY_MAIN, "baton_balance_buckets_total" },
	{ COUNTER_processed, BY_SLOT, "baton_worker_entries_total" },
	{ COUNTER_processed_cycles, BY_SLOT, "baton_worker_cycles_total" },
	{ COUNTER_bursts, BY_SLOT, "baton_worker_bursts_total" },
	{ COUNTER_burst_packets, BY_SLOT, "baton_worker_burst_entries_total" },
	{ COUNTER_sleeps, BY_SLOT, "baton_worker_sleeps_total" },
	{ COUNTER_undone, BY_SLOT, "baton_worker_undone_entries_total" },
	{ COUNTER_table_full, BY_SLOT, "baton_worker_table_full_total" },
	{ COUNTER_early_settles, BY_SLOT, "baton_worker_early_settles_total" },
	{ COUNTER_migrated, BY_SLOT, "baton_worker_migrated_total" },
};

/* A core by its name, a worker's page by its slot. */
static void begin_core(struct prom *p, const struct snapshot_core *c)
{
	prom_begin(p, "");
	if (c->kind == CORE_WORKER)
		prom_label_number(p, "slot", c->index);
	else
		prom_label(p, "core", c->name);
}

static void write_counters(struct prom *p)
{
	static const uint32_t kind[] = { [BY_CORE] = CORE_IO, [BY_SLOT] = CORE_WORKER, [BY_MAIN] = CORE_MAIN };
	const struct snapshot *s = p->s;

	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		prom_family(p, counters[i].name, "counter", core_counter_help(counters[i].counter));
		for (uint32_t k = 0; k < s->cores; k++) {
			const struct snapshot_core *c = &s->core[k];
			if (c->kind != kind[counters[i].by])
				continue;
			begin_core(p, c);
			prom_end_count(p, c->counter[counters[i].counter]);
		}
	}
}

/* Cycles as seconds, because nobody knows the frequency of a machine that is gone. */
static void write_seconds(struct prom *p, const char *name, const char *help, enum core_counter counter, bool workers)
{
	prom_family(p, name, "counter", help);
	for (uint32_t i = 0; i < p->s->cores; i++) {
		const struct snapshot_core *c = &p->s->core[i];
		if ((c->kind == CORE_WORKER) != workers || p->s->tsc_hz == 0)
			continue;
		begin_core(p, c);
		prom_end_real(p, (double)c->counter[counter] / (double)p->s->tsc_hz);
	}
}

/* All reasons, also those never given: a rate needs the 0 before the first. */
static void write_drops(struct prom *p)
{
	prom_family(p, "baton_drops_total", "counter", "packets that got no answer, by reason");
	for (uint32_t i = 0; i < p->s->cores; i++) {
		const struct snapshot_core *c = &p->s->core[i];
		for (uint32_t k = 0; c->kind == CORE_IO && k < DROP_COUNT; k++) {
			begin_core(p, c);
			prom_label(p, "reason", core_drop_name(k));
			prom_label(p, "kind", drop_is_loss(k) ? "loss" : "refused");
			prom_end_count(p, c->drop[k]);
		}
	}
}

static void write_generator(struct prom *p)
{
	if (p->s->total[COUNTER_gen_sent] == 0)
		return;
	prom_family(p, "baton_generator_packets_total", "counter", "what the generator port sent and got, by outcome");
	for (uint32_t i = COUNTER_gen_sent; i <= COUNTER_gen_malformed; i++) {
		prom_begin(p, "");
		prom_label(p, "outcome", core_counter_name(i) + strlen("gen_"));
		prom_end_count(p, p->s->total[i]);
	}
}

/* ---- gauges of cores ---- */

static void write_gauge(struct prom *p, const char *name, const char *help, size_t offset)
{
	prom_family(p, name, "gauge", help);
	for (uint32_t i = 0; i < p->s->cores; i++) {
		const struct snapshot_core *c = &p->s->core[i];
		if (c->kind != CORE_IO)
			continue;
		begin_core(p, c);
		prom_end_count(p, *(const uint64_t *)(const void *)((const char *)c + offset));
	}
}

static void write_cores(struct prom *p)
{
	const struct snapshot *s = p->s;

	prom_family(p, "baton_core_info", "gauge", "role and CPU of a core of the primary");
	for (uint32_t i = 0; i < s->cores; i++) {
		const struct snapshot_core *c = &s->core[i];
		if (c->kind == CORE_WORKER)
			continue;
		begin_core(p, c);
		prom_label(p, "role", core_kind_name(c->kind));
		if (c->cpu <= INT32_MAX) /* pinned */
			prom_label_number(p, "cpu", c->cpu);
		prom_end_count(p, 1);
	}
	prom_family(p, "baton_core_heartbeat_age_seconds", "gauge", "time since the core's last sign of life");
	for (uint32_t i = 0; i < s->cores; i++) {
		if (s->core[i].kind == CORE_WORKER || s->core[i].heartbeat_s < 0)
			continue;
		begin_core(p, &s->core[i]);
		prom_end_real(p, s->core[i].heartbeat_s);
	}
	write_gauge(p, "baton_belt_packets", "packets in belts", offsetof(struct snapshot_core, belt_depth));
	write_gauge(p, "baton_pending_packets", "packets in pending lists", offsetof(struct snapshot_core, pending));
	write_gauge(p, "baton_unresolved_packets", "packets that wait for the address of a neighbour",
		    offsetof(struct snapshot_core, unresolved));
	write_gauge(p, "baton_tx_backlog_packets", "packets that wait for the port",
		    offsetof(struct snapshot_core, tx_backlog));
	write_gauge(p, "baton_mempool_free_objects", "free buffers of the core's pool",
		    offsetof(struct snapshot_core, pool_free));
	write_gauge(p, "baton_mempool_objects", "buffers of the core's pool", offsetof(struct snapshot_core, pool_size));
}

/* ---- workers ---- */

static void begin_worker(struct prom *p, const struct snapshot_worker *w)
{
	prom_begin(p, "");
	prom_label_number(p, "slot", w->slot);
	prom_label(p, "worker", w->entry.name);
}

/* Of a logical worker, which may have two slots while it is handed over: its first, with the larger figure. */
static void write_worker_total(struct prom *p, const char *name, const char *help, bool crashes)
{
	const struct snapshot *s = p->s;

	prom_family(p, name, "counter", help);
	for (uint32_t i = 0; i < s->workers; i++) {
		uint32_t most = 0;
		bool first = true;
		for (uint32_t k = 0; k < s->workers; k++) {
			if (strcmp(s->worker[k].entry.name, s->worker[i].entry.name) != 0)
				continue;
			uint32_t value = crashes ? s->worker[k].entry.crashes : s->worker[k].entry.restarts;
			most = value > most ? value : most;
			first = first && k >= i;
		}
		if (!first)
			continue;
		prom_begin(p, "");
		prom_label(p, "worker", s->worker[i].entry.name);
		prom_end_count(p, most);
	}
}

static void write_worker_info(struct prom *p)
{
	prom_family(p, "baton_worker_info", "gauge", "what runs in a slot; join worker counters to it on (baton, slot)");
	for (uint32_t i = 0; i < p->s->workers; i++) {
		const struct stats_worker *w = &p->s->worker[i].entry;
		begin_worker(p, &p->s->worker[i]);
		prom_label(p, "group", w->group);
		prom_label(p, "version", w->version);
		prom_label(p, "build_id", w->build_id);
		prom_end_count(p, 1);
	}
	prom_family(p, "baton_worker_state", "gauge", "1 for the state a worker is in, 0 for the others");
	for (uint32_t i = 0; i < p->s->workers; i++)
		for (uint32_t state = WORKER_STARTING; state < WORKER_STATE_COUNT; state++) {
			begin_worker(p, &p->s->worker[i]);
			prom_label(p, "state", worker_state_name(state));
			prom_end_count(p, p->s->worker[i].entry.state == state);
		}
}

enum worker_gauge { GAUGE_INCARNATION, GAUGE_BUCKETS, GAUGE_BELT, GAUGE_DEBUG };

static void write_worker_gauge(struct prom *p, const char *name, const char *help, enum worker_gauge which)
{
	prom_family(p, name, "gauge", help);
	for (uint32_t i = 0; i < p->s->workers; i++) {
		const struct snapshot_worker *w = &p->s->worker[i];
		begin_worker(p, w);
		prom_end_count(p, which == GAUGE_INCARNATION ? w->entry.incarnation
							 : which == GAUGE_BUCKETS ? w->entry.buckets
							 : which == GAUGE_DEBUG ? w->entry.debug : w->belt_depth);
	}
}

static void write_workers(struct prom *p)
{
	write_worker_info(p);
	write_worker_gauge(p, "baton_worker_incarnation", "counts up with every new process in the slot",
			   GAUGE_INCARNATION);
	write_worker_gauge(p, "baton_worker_buckets", "buckets the worker owns", GAUGE_BUCKETS);
	write_worker_gauge(p, "baton_worker_debug", "1: an operator debugs the worker, it may stand still", GAUGE_DEBUG);
	write_worker_gauge(p, "baton_worker_belt_entries", "entries in the worker's belts", GAUGE_BELT);
	write_worker_total(p, "baton_worker_restarts_total", "new processes of a worker that were asked for", false);
	write_worker_total(p, "baton_worker_crashes_total", "deaths of a worker that nobody asked for", true);
	prom_family(p, "baton_worker_heartbeat_age_seconds", "gauge",
	       "time since the slot's last loop turn; a worker without work may sleep for long");
	for (uint32_t i = 0; i < p->s->cores; i++)
		if (p->s->core[i].kind == CORE_WORKER && p->s->core[i].heartbeat_s >= 0) {
			begin_core(p, &p->s->core[i]);
			prom_end_real(p, p->s->core[i].heartbeat_s);
		}
}

/* ---- all ---- */

static void write_primary(struct prom *p)
{
	const struct snapshot *s = p->s;

	prom_family(p, "baton_build_info", "gauge", "the primary's version, build type and build id");
	prom_begin(p, "");
	prom_label(p, "build", s->build);
	prom_end_count(p, 1);
	prom_family(p, "baton_primary_up", "gauge", "1 if the primary has turned within the last second");
	prom_begin(p, "");
	prom_end_count(p, !s->gone && s->alive_s <= SILENT_S);
	prom_family(p, "baton_primary_heartbeat_age_seconds", "gauge", "time since the primary's main loop last turned");
	prom_begin(p, "");
	prom_end_real(p, s->alive_s);
	prom_family(p, "baton_start_time_seconds", "gauge", "when the primary started, Unix time");
	prom_begin(p, "");
	fprintf(p->out, "} %.3f\n", (double)s->started_ns / 1e9);
}

void prom_write(FILE *out, const struct snapshot *s)
{
	struct prom p = { .out = out, .s = s };

	write_primary(&p);
	write_cores(&p);
	write_seconds(&p, "baton_core_busy_seconds_total", "time of loop turns that did work", COUNTER_busy_cycles, false);
	write_seconds(&p, "baton_core_idle_seconds_total", "time of loop turns without work, sleep included",
		      COUNTER_idle_cycles, false);
	write_seconds(&p, "baton_worker_busy_seconds_total", "time of loop turns that did work", COUNTER_busy_cycles, true);
	write_seconds(&p, "baton_worker_idle_seconds_total", "time of loop turns without work, sleep included",
		      COUNTER_idle_cycles, true);
	write_counters(&p);
	write_drops(&p);
	prom_residences(&p);
	prom_ports(&p);
	prom_groups(&p);
	prom_rollouts(&p);
	prom_zygote(&p);
	write_workers(&p);
	write_generator(&p);
}
