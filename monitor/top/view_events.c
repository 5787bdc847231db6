/* View 6: what happened, the latest first. */
#include "screen.h"

enum { TIME, LEVEL, EVENT, COLUMNS };

static const struct column columns[COLUMNS] = {
	[TIME] = { "TIME", 9, true, 0 }, [LEVEL] = { "LEVEL", 6, true, 0 }, [EVENT] = { "EVENT", 0, true, 0 },
};

static void draw(struct screen *s, const struct snapshot *snap, const struct record *record, int row, int height)
{
	static const char *const level[] = { "info", "! WARN", "X CRIT" };
	struct table *t = &s->table;
	const struct event *event;
	char clock[16];

	table_begin(t, columns, COLUMNS);
	for (uint64_t n = 0; (event = record_event(record, n, snap->wall_ns)) != NULL; n++) {
		enum attr attr = event->level == VERDICT_OK ? ATTR_NORMAL : level_attr(event->level);
		table_row(t);
		table_put(t, TIME, ATTR_DIM, 0, "%s", clock_text(clock, sizeof(clock), event->wall_ns));
		table_put(t, LEVEL, attr, 0, "%s", level[event->level]);
		table_put(t, EVENT, attr, 0, "%s", event->text);
	}
	screen_table(s, row, height);
}

const struct view view_events = { "Events", columns, COLUMNS, draw };
