/* View 3: worker processes by slot. */
#include <stdio.h>

#include "render.h"
#include "screen.h"

enum { SLOT, NAME, GROUP, VERSION, STATE, INC, BELT, RATE, CYCLES, BUCKETS, PID, CPU, RESTARTS, CRASHES, BUILD,
       COLUMNS };

static const struct column columns[COLUMNS] = {
	[SLOT] = { "SLOT", 4, false, 3 },       [NAME] = { "WORKER", 12, true, 0 },   [GROUP] = { "GROUP", 10, true, 4 },
	[VERSION] = { "VERSION", 9, true, 0 },  [STATE] = { "STATE", 9, true, 0 },    [INC] = { "INC", 4, false, 0 },
	[BELT] = { "BELT", 5, false, 0 },       [RATE] = { "ENTRY/s", 7, false, 1 },  [CYCLES] = { "CYCLES", 6, false, 8 },
	[BUCKETS] = { "BUCKETS", 7, false, 5 }, [PID] = { "PID", 7, false, 2 },       [CPU] = { "CPU", 3, false, 9 },
	[RESTARTS] = { "RESTART", 7, false, 7 }, [CRASHES] = { "CRASH", 5, false, 6 }, [BUILD] = { "BUILD", 12, true, 10 },
};

static enum attr attr_of(const struct stats_worker *w)
{
	return w->state == WORKER_DEAD ? ATTR_CRIT : w->state == WORKER_ACTIVE ? ATTR_OK : ATTR_NORMAL;
}

static void put_worker(struct table *t, const struct snapshot_worker *k)
{
	const struct stats_worker *w = &k->entry;
	char text[16];

	table_row(t);
	table_put(t, SLOT, ATTR_NORMAL, k->slot, "%u", k->slot);
	table_put(t, NAME, ATTR_NORMAL, 0, "%s", w->name);
	table_put(t, GROUP, ATTR_NORMAL, 0, "%s", w->group);
	table_put(t, VERSION, ATTR_NORMAL, 0, "%s", w->version[0] != 0 ? w->version : "?");
	table_put(t, STATE, attr_of(w), 0, "%s", worker_words(w));
	table_put(t, INC, ATTR_NORMAL, w->incarnation, "%u", w->incarnation);
	table_put(t, BELT, ATTR_NORMAL, (double)k->belt_depth, "%llu", (unsigned long long)k->belt_depth);
	table_put(t, RATE, ATTR_NORMAL, k->pps, "%s", render_count(text, sizeof(text), k->pps));
	table_put(t, CYCLES, ATTR_NORMAL, k->cycles, "%s", render_count(text, sizeof(text), k->cycles));
	table_put(t, BUCKETS, ATTR_NORMAL, w->buckets, "%u", w->buckets);
	table_put(t, PID, ATTR_NORMAL, w->pid, "%u", w->pid);
	if (w->cpu > INT32_MAX)
		table_put(t, CPU, ATTR_NORMAL, -1, "any");
	else
		table_put(t, CPU, ATTR_NORMAL, w->cpu, "%u", w->cpu);
	table_put(t, RESTARTS, ATTR_NORMAL, w->restarts, "%u", w->restarts);
	table_put(t, CRASHES, w->crashes != 0 ? ATTR_WARN : ATTR_NORMAL, w->crashes, "%u", w->crashes);
	table_put(t, BUILD, ATTR_DIM, 0, "%.12s", w->build_id);
}

static void draw(struct screen *s, const struct snapshot *snap, const struct record *record, int row, int height)
{
	(void)record;
	table_begin(&s->table, columns, COLUMNS);
	for (uint32_t i = 0; i < snap->workers; i++)
		put_worker(&s->table, &snap->worker[i]);
	int below = screen_table(s, row, height);
	if (snap->workers == 0 && height > 1)
		canvas_text(&s->canvas, below, 0, ATTR_CRIT, "no workers");
}

const struct view view_workers = { "Workers", columns, COLUMNS, draw };
