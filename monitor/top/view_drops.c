/* View 2: every reason a packet got no answer, what it means and whose it is. */
#include <stdio.h>

#include "render.h"
#include "screen.h"

#define TOTAL_MOST 99999999999ull /* what the column holds */

enum { REASON, KIND, RATE, SHARE, TOTAL, MEANING, COLUMNS };

static const struct column columns[COLUMNS] = {
	[REASON] = { "REASON", 17, true, 0 }, [KIND] = { "KIND", 7, true, 1 },    [RATE] = { "/s", 7, false, 0 },
	[SHARE] = { "SHARE", 6, false, 2 },   [TOTAL] = { "TOTAL", 11, false, 0 }, [MEANING] = { "MEANING", 0, true, 3 },
};

static void draw(struct screen *s, const struct snapshot *snap, const struct record *record, int row, int height)
{
	struct canvas *c = &s->canvas;
	struct table *t = &s->table;
	char text[16], share[16];

	(void)record;
	percent_text(share, sizeof(share), snap->drop_share_total, 3);
	canvas_print(c, row, 0, ATTR_NORMAL, "%llu dropped in %.0f s: %s of what arrived; now %s/s",
		     (unsigned long long)snap->dropped, snap->counted_s, share,
		     render_count(text, sizeof(text), snap->drop_pps));
	table_begin(t, columns, COLUMNS);
	/* Reasons that were never given are not worth a row, but those that were stay, or rows would jump. */
	for (uint32_t i = 0; i < DROP_COUNT; i++) {
		if (snap->drop[i].total == 0)
			continue;
		bool loss = drop_is_loss(i);
		enum attr attr = snap->drop[i].pps <= 0 ? ATTR_NORMAL : loss ? ATTR_WARN : ATTR_BOLD;
		double part = snap->drop_pps > 0 ? snap->drop[i].pps / snap->drop_pps : UNKNOWN;
		table_row(t);
		table_put(t, REASON, attr, 0, "%s", core_drop_name(i));
		table_put(t, KIND, attr, 0, "%s", loss ? "loss" : "refused");
		table_put(t, RATE, attr, snap->drop[i].pps, "%s", render_count(text, sizeof(text), snap->drop[i].pps));
		table_put(t, SHARE, ATTR_NORMAL, part, "%s", percent_text(share, sizeof(share), part, 1));
		if (snap->drop[i].total > TOTAL_MOST)
			render_count(text, sizeof(text), (double)snap->drop[i].total);
		else
			snprintf(text, sizeof(text), "%llu", (unsigned long long)snap->drop[i].total);
		table_put(t, TOTAL, ATTR_NORMAL, (double)snap->drop[i].total, "%s", text);
		table_put(t, MEANING, ATTR_NORMAL, 0, "%s", core_drop_help(i));
	}
	screen_table(s, row + 1, height - 1);
}

const struct view view_drops = { "Drops", columns, COLUMNS, draw };
