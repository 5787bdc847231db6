/* The reference of all keys, written from the schema. */
#include <inttypes.h>
#include <string.h>

#include "config.h"
#include "schema.h"

static void range_text(const struct schema_row *row, char *out, size_t size)
{
	char min[32], max[32];

	out[0] = '\0';
	switch (row->type) {
	case SCHEMA_INT:
	case SCHEMA_COUNT:
	case SCHEMA_RATE:
	case SCHEMA_SIZE:
	case SCHEMA_DURATION:
		schema_format_number(row->type, row->min, min, sizeof(min));
		schema_format_number(row->type, row->max, max, sizeof(max));
		snprintf(out, size, row->min == row->max ? "%s" : "%s to %s", min, max);
		break;
	case SCHEMA_ENUM:
		for (uint32_t i = 0; row->words[i]; i++)
			snprintf(out + strlen(out), size - strlen(out), "%s%s", i ? ", " : "", row->words[i]);
		break;
	case SCHEMA_LIST:
	case SCHEMA_PREFIXES:
	case SCHEMA_CORES:
	case SCHEMA_SETTINGS:
		snprintf(out, size, "%" PRIu64 " to %" PRIu64 " elements", row->min, row->max);
		break;
	case SCHEMA_STRING:
	case SCHEMA_NAME:
	case SCHEMA_VERSION:
	case SCHEMA_PATH:
		snprintf(out, size, "%" PRIu64 " to %" PRIu64 " bytes", row->min, row->max);
		break;
	case SCHEMA_IP:
		snprintf(out, size, "%s", "ADDRESS");
		break;
	default:
		break;
	}
	if (row->zero)
		snprintf(out + strlen(out), size - strlen(out), "%s%s", out[0] ? ", or " : "", row->zero);
}

static const char *default_text(const struct schema_row *row)
{
	if (row->required)
		return "required";
	if (!row->fallback)
		return "";
	return row->fallback[0] ? row->fallback : "empty";
}

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
			range_text(row, range, sizeof(range));
			fprintf(out, "| `%s` | %s | %s | %s | %s | %s |\n", row->path, schema_type_name(row->type),
				default_text(row), range, schema_reload_name(row->reload), row->help);
		}
		fputs(tier == TIER_RARELY ? "" : "\n", out);
	}
}
