/* The reference of all keys, written from the schema. */
#include "config.h"
#include "explain.h"
#include "schema.h"

void config_dump_reference(FILE *out)
{
	static const char *const titles[] = { "Set these first", "Performance", "Rarely needed" };

	for (enum schema_tier tier = TIER_FIRST; tier <= TIER_RARELY; tier++) {
		fprintf(out, "### %s\n\n", titles[tier]);
		fputs("| key | type | default | allowed | takes effect | meaning |\n|---|---|---|---|---|---|\n", out);
		for (size_t i = 0; i < schema_rows; i++) {
			const struct schema_row *row = &schema[i];
			char range[160];

			if (row->tier != tier || row->type == SCHEMA_MAP)
				continue;
			schema_range(row, range, sizeof(range));
			fprintf(out, "| `%s` | %s | %s | %s | %s | %s |\n", row->path, schema_type_name(row->type),
				schema_default(row), range, schema_reload_name(row->reload), row->help);
		}
		fputs(tier == TIER_RARELY ? "" : "\n", out);
	}
}
