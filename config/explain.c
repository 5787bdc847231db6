/* What one key means, from the schema. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "explain.h"
#include "value.h"

void schema_range(const struct schema_row *row, char *out, size_t size)
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
	case SCHEMA_USERS:
	case SCHEMA_GROUPS:
	case SCHEMA_STEPS:
	case SCHEMA_KEYS:
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
	case SCHEMA_BUILD:
		snprintf(out, size, "%s", "VERSION or PATH");
		break;
	case SCHEMA_GATE:
		snprintf(out, size, "%s", row->zero ? "max, max_delta, max_ratio, dry_run, immediate" : "max: 0");
		break;
	default:
		break;
	}
	if (row->zero)
		snprintf(out + strlen(out), size - strlen(out), "%s%s", out[0] ? ", or " : "", row->zero);
}

const char *schema_default(const struct schema_row *row)
{
	if (row->required)
		return "required";
	if (!row->fallback)
		return "";
	return row->fallback[0] ? row->fallback : "empty";
}

const char *schema_unit(const struct schema_row *row)
{
	switch (row->type) {
	case SCHEMA_COUNT:
		return "none; k M G are 1000, Ki Mi Gi are 1024";
	case SCHEMA_RATE:
		return "packets per second; k M G are 1000, Ki Mi Gi are 1024";
	case SCHEMA_SIZE:
		return "B, KiB, MiB or GiB, always written";
	case SCHEMA_DURATION:
		return "ns, us, ms, s, m or h, always written";
	case SCHEMA_STEPS:
		return "shares: 10%, 0.5% or 5‰; durations as always";
	case SCHEMA_GATE:
		switch (rollout_gate_unit(gate_of(row))) {
		case GATE_RATIO:
			return "percent, always written; max_ratio: a factor such as 1.2";
		case GATE_NS:
			return "ns, us, ms, s, m or h, always written; max_ratio: a factor such as 1.2";
		case GATE_A_PACKET:
			return "a number for each packet, such as 0.5; max_ratio: a factor such as 1.2";
		case GATE_CYCLES_A_PACKET:
			return "cycles, with k or M; max_ratio: a factor such as 1.2";
		default:
			return "none";
		}
	default:
		return "none";
	}
}

/* groups[0].settings -> groups[].settings */
static void general_path(const char *path, char *out, size_t size)
{
	size_t n = 0;

	for (; *path && n + 1 < size; path++) {
		if (isdigit((unsigned char)*path) && n > 0 && out[n - 1] == '[')
			continue;
		out[n++] = *path;
	}
	out[n] = '\0';
}

/* groups[].settings -> groups.settings */
static void without_brackets(const char *path, char *out, size_t size)
{
	size_t n = 0;

	for (; *path && n + 1 < size; path++)
		if (*path != '[' && *path != ']')
			out[n++] = *path;
	out[n] = '\0';
}

/* For who writes groups.count; no two rows differ in brackets alone. NULL: no such key. */
static const struct schema_row *find_without_brackets(const char *general)
{
	char asked[96], path[96];

	without_brackets(general, asked, sizeof(asked));
	for (size_t i = 0; i < schema_rows; i++) {
		without_brackets(schema[i].path, path, sizeof(path));
		if (strcmp(asked, path) == 0)
			return &schema[i];
	}
	return NULL;
}

int schema_look_up(const char *path, const struct schema_row **row, char *why, size_t bytes)
{
	char general[96], parent[96];
	const char *dot, *near = NULL, *key = general;

	if (strlen(path) >= sizeof(general)) {
		snprintf(why, bytes, "no key is as long as that");
		return -ENOENT;
	}
	general_path(path, general, sizeof(general));
	*row = schema_find(general);
	if (!*row)
		*row = find_without_brackets(general);
	if (*row)
		return 0;
	dot = strrchr(general, '.');
	snprintf(parent, sizeof(parent), "%.*s", dot ? (int)(dot - general) : 0, general);
	if (dot)
		key = dot + 1;
	near = schema_nearest(parent, key);
	if (near)
		snprintf(why, bytes, "no key '%s'; did you mean '%s%s%s'?", path, parent, dot ? "." : "", near);
	else
		snprintf(why, bytes, "no key '%s': write it as docs/configuration.md does, such as groups[].settings",
			 path);
	return -ENOENT;
}
