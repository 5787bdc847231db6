/* View 4: each part of the instance, how it is, and a sentence that says why. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "render.h"
#include "screen.h"

enum { PART, HEALTH, WHY, COLUMNS };

static const struct column columns[COLUMNS] = {
	[PART] = { "PART", 18, true, 0 }, [HEALTH] = { "HEALTH", 8, true, 0 }, [WHY] = { "WHY", 0, true, 0 },
};

static void __attribute__((format(printf, 4, 5))) part(struct table *t, const char *name, enum verdict level,
						       const char *format, ...)
{
	static const char *const word[] = { "ok", "! warn", "X crit" };
	enum attr attr = level_attr(level);
	char why[TABLE_TEXT];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	table_row(t);
	table_put(t, PART, ATTR_NORMAL, 0, "%s", name);
	table_put(t, HEALTH, attr, level, "%s", word[level]);
	table_put(t, WHY, level != VERDICT_OK ? attr : ATTR_NORMAL, 0, "%s", why);
}

static void put_primary(struct table *t, const struct snapshot *s)
{
	if (s->gone)
		part(t, "primary", VERDICT_CRIT, "has stopped; a new one is attached to when it starts");
	else if (s->alive_s > SILENT_S)
		part(t, "primary", VERDICT_CRIT, "pid %u silent for %.1f s", s->primary_pid, s->alive_s);
	else
		part(t, "primary", VERDICT_OK, "pid %u turns, up %.0f s", s->primary_pid, s->up_s);
}

static void put_zygote(struct table *t, const struct snapshot *s)
{
	if (s->zygote_pid == 0)
		part(t, "zygote", VERDICT_CRIT, "none, no worker can be started until there is one");
	else if (s->zygote_spare_pid == 0)
		part(t, "zygote", VERDICT_WARN, "pid %u has no spare: its death would end restarts", s->zygote_pid);
	else
		part(t, "zygote", VERDICT_OK, "pid %u, spare pid %u; %u died so far", s->zygote_pid, s->zygote_spare_pid,
		     s->zygote_deaths);
}

static void put_lcore(struct table *t, const struct snapshot *s, const struct snapshot_core *k)
{
	char rate[16];

	if (k->heartbeat_s > SILENT_S && !s->gone)
		part(t, k->name, VERDICT_CRIT, "stalled: silent for %.1f s", k->heartbeat_s);
	else if (k->busy > BUSY_WARN)
		part(t, k->name, VERDICT_WARN, "busy %.0f%%: little is left for bursts of traffic", 100 * k->busy);
	else if (k->burst > BURST_WARN)
		part(t, k->name, VERDICT_WARN, "bursts of %.0f of %u: the port's queue is about to fill", k->burst,
		     BATON_BURST);
	else if (k->busy < 0)
		part(t, k->name, VERDICT_OK, "turns");
	else
		part(t, k->name, VERDICT_OK, "busy %.1f%%, %s packets/s", 100 * k->busy,
		     render_count(rate, sizeof(rate), k->rx_pps));
}

static void put_pool(struct table *t, const struct snapshot_core *k)
{
	char name[BATON_NAME_BYTES + 8];
	double left = k->pool_size != 0 ? (double)k->pool_free / (double)k->pool_size : 1;

	snprintf(name, sizeof(name), "pool %s", k->name);
	if (k->pool_size == 0)
		return;
	part(t, name, k->pool_free == 0 ? VERDICT_CRIT : left < POOL_WARN ? VERDICT_WARN : VERDICT_OK,
	     "%.0f%% of %llu buffers free", 100 * left, (unsigned long long)k->pool_size);
}

static void put_port(struct table *t, const struct snapshot *s, const struct snapshot_port *p)
{
	char name[BATON_NAME_BYTES + 8], why[TABLE_TEXT];

	snprintf(name, sizeof(name), "port %s", p->entry.name);
	port_words(s, p, why, sizeof(why));
	part(t, name, p->level, "%s", why);
}

/* Of what the lcores have for the ports, not of what the devices say. */
static void put_transmit(struct table *t, const struct snapshot *s)
{
	const struct snapshot_drop *full = &s->drop[DROP_tx_full];
	double tx = s->rate[COUNTER_tx_packets] > 0 ? s->rate[COUNTER_tx_packets] : 0;
	char rate[16];

	if (full->pps > 0)
		part(t, "transmit", full->pps / (tx + full->pps) > LOSS_CRIT ? VERDICT_CRIT : VERDICT_WARN,
		     "%s/s dropped: a port's queue stays full", render_count(rate, sizeof(rate), full->pps));
}

static void put_group(struct table *t, const struct stats_group *g)
{
	char name[BATON_NAME_BYTES + 8], why[TABLE_TEXT];

	snprintf(name, sizeof(name), "group %s", g->name);
	group_words(g, why, sizeof(why));
	part(t, name, group_level(g), "%s", why);
}

static void put_worker(struct table *t, const struct snapshot *s, const struct snapshot_worker *k)
{
	const struct stats_worker *w = &k->entry;
	char name[BATON_NAME_BYTES + 16], rate[16];

	snprintf(name, sizeof(name), "%s slot %u", w->name, k->slot);
	/* Entries wait and not one was handled in a whole interval: a worker that takes its time is not so slow. */
	if (w->state == WORKER_DEAD)
		part(t, name, VERDICT_CRIT, "dead, pid %u; %u crashes in all", w->pid, w->crashes);
	else if (w->debug != 0)
		part(t, name, VERDICT_WARN, "being debugged: %llu entries wait", (unsigned long long)k->belt_depth);
	else if (w->state == WORKER_ACTIVE && k->belt_depth != 0 && k->pps == 0 && s->interval_s >= SILENT_S / 2)
		part(t, name, VERDICT_WARN, "%llu entries wait and none is handled", (unsigned long long)k->belt_depth);
	else if (w->state == WORKER_ACTIVE)
		part(t, name, VERDICT_OK, "serves %u buckets, %s entries/s", w->buckets,
		     render_count(rate, sizeof(rate), k->pps));
	else
		part(t, name, VERDICT_OK, "%s, pid %u", worker_state_name(w->state), w->pid);
}

static void draw(struct screen *s, const struct snapshot *snap, const struct record *record, int row, int height)
{
	struct table *t = &s->table;
	uint32_t active = 0;

	(void)record;
	table_begin(t, columns, COLUMNS);
	put_primary(t, snap);
	put_zygote(t, snap);
	for (uint32_t i = 0; i < snap->ports; i++)
		put_port(t, snap, &snap->port[i]);
	put_transmit(t, snap);
	for (uint32_t i = 0; i < snap->cores; i++)
		if (snap->core[i].kind == CORE_IO) {
			put_lcore(t, snap, &snap->core[i]);
			put_pool(t, &snap->core[i]);
		}
	for (uint32_t i = 0; i < snap->groups && !snap->gone; i++)
		put_group(t, &snap->group[i]);
	for (uint32_t i = 0; i < snap->workers; i++) {
		active += snap->worker[i].entry.state == WORKER_ACTIVE;
		put_worker(t, snap, &snap->worker[i]);
	}
	if (active == 0)
		part(t, "workers", VERDICT_CRIT, "none is active: nothing is answered");
	screen_table(s, row, height);
}

const struct view view_health = { "Health", columns, COLUMNS, draw };
