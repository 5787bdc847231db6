/* Walks the schema over configurations that are loaded already. */
#include "items.h"
#include "value.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const void *at(const struct config *config, uint32_t offset)
{
	return (const uint8_t *)config + offset;
}

static uint32_t number_at(const struct config *config, uint32_t offset)
{
	uint32_t value;

	memcpy(&value, at(config, offset), sizeof(value));
	return value;
}

static bool is_list(const struct schema_row *row)
{
	return row->count_offset != 0;
}

/* ---- as it would be written ---- */

static uint64_t scalar_of(const struct config *config, const struct config_item *item)
{
	const void *field = at(config, item->base + item->row->offset);
	uint64_t value = 0;

	memcpy(&value, field, item->row->width); /* x86-64: little-endian */
	return value;
}

/* Text that YAML would take for something else, or not at all, stands in quotes. */
static void print_text(const char *text, FILE *out)
{
	const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+/=,:";
	bool quoted = text[0] == '\0' || text[strspn(text, plain)] != '\0' || strchr("-:,=", text[0]) ||
		      text[strlen(text) - 1] == ':';

	if (!quoted) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++)
		fprintf(out, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
	fputc('"', out);
}

static void print_ip(uint32_t ip, FILE *out)
{
	char text[INET_ADDRSTRLEN];

	fputs(inet_ntop(AF_INET, &ip, text, sizeof(text)), out);
}

static void print_element(const struct schema_row *row, const void *element, FILE *out)
{
	const struct config_address *address = element;
	const struct config_setting *setting = element;
	const struct config_account *account = element;
	uint32_t cpu;

	switch (row->type) {
	case SCHEMA_CORES:
		memcpy(&cpu, element, sizeof(cpu));
		fprintf(out, "%u", cpu);
		break;
	case SCHEMA_PREFIXES:
		print_ip(address->ip, out);
		fprintf(out, "/%u", address->prefix);
		break;
	case SCHEMA_USERS:
	case SCHEMA_GROUPS:
		print_text(account->name, out);
		break;
	case SCHEMA_KEYS:
		print_text(element, out);
		break;
	case SCHEMA_STEPS:
		step_print(element, out);
		break;
	default:
		fprintf(out, "%s: ", setting->key);
		print_text(setting->value, out);
	}
}

static void print_list(const struct config *config, const struct config_item *item, FILE *out)
{
	const struct schema_row *row = item->row;
	uint32_t count = number_at(config, item->base + row->count_offset);
	bool map = row->type == SCHEMA_SETTINGS;

	if (row->type == SCHEMA_LIST) {
		fprintf(out, "%u element%s", count, count == 1 ? "" : "s");
	} else if (count == 0 && row->zero) {
		fputs(row->zero, out);
	} else {
		fputc(map ? '{' : '[', out);
		for (uint32_t i = 0; i < count; i++) {
			fputs(i ? ", " : "", out);
			print_element(row, at(config, item->base + row->offset + i * row->width), out);
		}
		fputc(map ? '}' : ']', out);
	}
}

void config_item_print(const struct config *config, const struct config_item *item, FILE *out)
{
	const struct schema_row *row = item->row;
	const char *text = at(config, item->base + row->offset);
	bool is_text = row->type == SCHEMA_STRING || row->type == SCHEMA_NAME || row->type == SCHEMA_VERSION ||
		       row->type == SCHEMA_PATH || row->type == SCHEMA_BUILD;
	uint64_t value = is_text || is_list(row) || row->type == SCHEMA_GATE ? 0 : scalar_of(config, item);
	char number[32];

	if (is_list(row)) {
		print_list(config, item, out);
	} else if (is_text) {
		if (text[0] == '\0' && row->zero)
			fputs(row->zero, out);
		else
			print_text(text, out);
	} else if (row->type == SCHEMA_GATE) {
		gate_print(row, at(config, item->base + row->offset), out);
	} else if (value == 0 && row->zero) {
		fputs(row->zero, out);
	} else if (row->type == SCHEMA_BOOL) {
		fputs(value ? "true" : "false", out);
	} else if (row->type == SCHEMA_ENUM) {
		fputs(row->words[value], out);
	} else if (row->type == SCHEMA_IP) {
		print_ip((uint32_t)value, out);
	} else {
		schema_format_number(row->type, value, number, sizeof(number));
		fputs(number, out);
	}
}

char *config_item_text(const struct config *config, const struct config_item *item)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	config_item_print(config, item, out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- walking ---- */

struct walk {
	const struct config *a, *b; /* b: only elements that it has, too, are entered; NULL: no such limit */
	config_item_fn fn;
	void *arg;
};

/* A section, an element of a list, or the whole. */
struct region {
	const char *parent; /* the schema's path of its keys: "groups[]" */
	char shown[ITEM_PATH_BYTES / 2]; /* "groups[0]" */
	uint32_t base, index;
	bool inside; /* a list's element */
};

static void walk_region(const struct walk *w, const struct region *region);

static void walk_elements(const struct walk *w, const struct config_item *item, const struct region *region)
{
	const struct schema_row *row = item->row;
	uint32_t count = number_at(w->a, item->base + row->count_offset);
	char parent[ITEM_PATH_BYTES];

	if (w->b && number_at(w->b, item->base + row->count_offset) < count)
		count = number_at(w->b, item->base + row->count_offset);
	snprintf(parent, sizeof(parent), "%s[]", row->path);
	for (uint32_t i = 0; i < count; i++) {
		struct region element = {
			.parent = parent, .base = item->base + row->offset + i * row->width,
			.index = region->inside ? region->index : i, .inside = true,
		};

		snprintf(element.shown, sizeof(element.shown), "%.50s[%u]", item->path, i);
		walk_region(w, &element);
	}
}

static void walk_region(const struct walk *w, const struct region *region)
{
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		struct config_item item = { .row = row, .base = region->base, .index = region->index };

		if (!schema_inside(row, region->parent))
			continue;
		snprintf(item.path, sizeof(item.path), "%s%s%s", region->shown, region->shown[0] ? "." : "",
			 schema_key(row));
		if (row->type == SCHEMA_MAP) {
			struct region section = { .parent = row->path, .base = region->base, .index = region->index,
						 .inside = region->inside };

			snprintf(section.shown, sizeof(section.shown), "%.60s", item.path);
			walk_region(w, &section);
			continue;
		}
		if (row->width)
			w->fn(&item, w->arg);
		if (row->type == SCHEMA_LIST)
			walk_elements(w, &item, region);
	}
}

void config_each(const struct config *config, config_item_fn fn, void *arg)
{
	const struct walk w = { .a = config, .fn = fn, .arg = arg };

	walk_region(&w, &(struct region){ .parent = "" });
}

struct comparison {
	const struct config *a, *b;
	config_item_fn fn;
	void *arg;
};

/* As text: what is written the same is the same, whatever stands behind a string's end or between two members. */
static void compare(const struct config_item *item, void *arg)
{
	const struct comparison *c = arg;
	char *a = config_item_text(c->a, item), *b = config_item_text(c->b, item);

	if (!a || !b || strcmp(a, b) != 0)
		c->fn(item, c->arg);
	free(a);
	free(b);
}

void config_diff(const struct config *a, const struct config *b, config_item_fn fn, void *arg)
{
	struct comparison c = { .a = a, .b = b, .fn = fn, .arg = arg };
	const struct walk w = { .a = a, .b = b, .fn = compare, .arg = &c };

	walk_region(&w, &(struct region){ .parent = "" });
}

void config_item_copy(struct config *to, const struct config *from, const struct config_item *item)
{
	const struct schema_row *row = item->row;
	uint32_t field = item->base + row->offset, count = item->base + row->count_offset;
	size_t bytes = is_list(row) ? (size_t)row->width * row->max : row->width;

	memcpy((uint8_t *)to + field, at(from, field), bytes);
	if (is_list(row))
		memcpy((uint8_t *)to + count, at(from, count), sizeof(uint32_t));
}

const struct config_origin *config_item_origin(const struct config_origins *origins, const struct config_item *item)
{
	uint32_t offset = item->base + (item->row->type == SCHEMA_LIST ? item->row->count_offset : item->row->offset);

	for (uint32_t i = 0; i < origins->count; i++)
		if (origins->at[i].offset == offset)
			return &origins->at[i];
	return NULL;
}
