/* Walks the document along the schema: stores each key's value, fills in defaults, names what is wrong. */
#include <string.h>

#include "loader.h"

#define SHOWN_PATH 160u
#define SHOWN_PREFIX 96u

/* A mapping being read: the schema's path of its keys, the same as shown to people, and where its values go. */
struct level {
	const char *parent;     /* "ports[]" */
	char shown[SHOWN_PREFIX]; /* "ports[0]" */
	uint8_t *base;          /* struct that the rows' offsets count from */
};

static void walk_map(struct loader *l, yaml_node_t *node, const struct level *level);

static yaml_node_t *node_of(struct loader *l, int index)
{
	return yaml_document_get_node(l->document, index);
}

static void shown_child(const struct level *level, const char *key, char out[SHOWN_PATH])
{
	snprintf(out, SHOWN_PATH, "%s%s%.60s", level->shown, level->shown[0] ? "." : "", key);
}

const char *loader_shown(const yaml_node_t *node, char out[SHOWN_BYTES])
{
	if (node->type == YAML_SEQUENCE_NODE)
		return "a list";
	if (node->type == YAML_MAPPING_NODE)
		return "a section";
	if (node->data.scalar.length == 0 && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		return "nothing";
	return value_shown((const char *)node->data.scalar.value, node->data.scalar.length, out);
}

const char *loader_scalar(struct loader *l, yaml_node_t *node, const char *shown, const char *what,
			  const char *example)
{
	char found[SHOWN_BYTES];

	if (node->type != YAML_SCALAR_NODE ||
	    (node->data.scalar.length == 0 && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)) {
		loader_error(l, place_of(node->start_mark), "%s: expected %s such as %s, found %s", shown, what,
			     example, loader_shown(node, found));
		return NULL;
	}
	const unsigned char *text = node->data.scalar.value;
	for (size_t i = 0; i < node->data.scalar.length; i++) {
		if (text[i] < 0x20 || text[i] == 0x7f) {
			loader_error(l, place_of(node->start_mark), "%s: %s holds a control character", shown,
				     loader_shown(node, found));
			return NULL;
		}
	}
	return (const char *)text;
}

static bool walk_scalar(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown,
			void *field)
{
	struct problem problem;
	const char *text = loader_scalar(l, node, shown, schema_type_phrase(row->type), row->example);

	if (!text)
		return false;
	if (!value_parse(row, text, node->data.scalar.length, node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE,
			 l->base, field, &problem))
		return true;
	loader_error(l, place_of(node->start_mark), "%s: %s", shown, problem.text);
	return false;
}

static bool length_ok(struct loader *l, const struct schema_row *row, uint64_t count, yaml_node_t *node,
		      const char *shown)
{
	if (count >= row->min && count <= row->max)
		return true;
	loader_error(l, place_of(node->start_mark), "%s: %llu element%s out of range; allowed %llu to %llu", shown,
		     (unsigned long long)count, count == 1 ? " is" : "s are", (unsigned long long)row->min,
		     (unsigned long long)row->max);
	return false;
}

static uint64_t sequence_length(const yaml_node_t *node)
{
	return (uint64_t)(node->data.sequence.items.top - node->data.sequence.items.start);
}

bool loader_sequence(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown)
{
	char found[SHOWN_BYTES];

	if (node->type == YAML_SEQUENCE_NODE)
		return length_ok(l, row, sequence_length(node), node, shown);
	loader_error(l, place_of(node->start_mark), "%s: expected a list%s%s, found %s", shown,
		     row->example ? " such as " : "", row->example ? row->example : "", loader_shown(node, found));
	return false;
}

static bool walk_cores(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown,
		       uint8_t *base)
{
	uint32_t *cores = (uint32_t *)(void *)(base + row->offset), count = 0;
	struct problem problem;
	bool ok = true;

	if (node->type == YAML_SEQUENCE_NODE && !length_ok(l, row, sequence_length(node), node, shown))
		return false;
	uint64_t length = node->type == YAML_SEQUENCE_NODE ? sequence_length(node) : 1;
	for (uint64_t i = 0; i < length; i++) {
		yaml_node_t *item =
			node->type == YAML_SEQUENCE_NODE ? node_of(l, node->data.sequence.items.start[i]) : node;
		const char *text = loader_scalar(l, item, shown, schema_type_phrase(row->type), row->example);

		if (text && item == node && row->zero && strcmp(text, row->zero) == 0)
			continue;
		if (text && value_parse_cores(text, cores, &count, (uint32_t)row->max, &problem))
			loader_error(l, place_of(item->start_mark), "%s: %s%s%s", shown, problem.text,
				     item == node && row->zero ? ", or " : "",
				     item == node && row->zero ? row->zero : "");
		else if (text)
			continue;
		ok = false;
	}
	memcpy(base + row->count_offset, &count, sizeof(count));
	return ok;
}

static bool walk_prefixes(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown,
			  uint8_t *base)
{
	struct config_address *address = (struct config_address *)(void *)(base + row->offset);
	struct problem problem;
	bool ok = true;

	if (!loader_sequence(l, row, node, shown))
		return false;
	uint32_t count = (uint32_t)sequence_length(node);
	for (uint32_t i = 0; i < count; i++) {
		yaml_node_t *item = node_of(l, node->data.sequence.items.start[i]);
		char element[SHOWN_PATH + 16];
		bool good = false;

		snprintf(element, sizeof(element), "%s[%u]", shown, i);
		const char *text = loader_scalar(l, item, element, "an address", "10.77.0.1/24");
		if (text) {
			good = value_parse_prefix(text, &address[i], &problem) == 0;
			if (!good)
				loader_error(l, place_of(item->start_mark), "%s: %s", element, problem.text);
		}
		loader_note(l, &address[i], place_of(item->start_mark), true, true, !good);
		ok = ok && good;
	}
	memcpy(base + row->count_offset, &count, sizeof(count));
	return ok;
}

/* One `key: value` of a free section, stored as text. */
static bool walk_setting(struct loader *l, yaml_node_t *key, yaml_node_t *value, const char *shown,
			 struct config_setting *setting, uint32_t count)
{
	char found[SHOWN_BYTES], element[2 * SHOWN_PATH];
	size_t bytes = key->type == YAML_SCALAR_NODE ? key->data.scalar.length : 0;
	const char *name = (const char *)key->data.scalar.value;

	if (!bytes || !value_is_setting_key(name, bytes)) {
		loader_error(l, place_of(key->start_mark),
			     "%s: %s is not a setting's name: use letters, digits, '-', '_' and '.', "
			     "at most %u",
			     shown, loader_shown(key, found), BATON_NAME_BYTES - 1);
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(setting[i].key, name) == 0) {
			loader_error(l, place_of(key->start_mark), "duplicate key '%s' in %s", name, shown);
			return false;
		}
	}
	snprintf(element, sizeof(element), "%s.%s", shown, name);
	memcpy(setting[count].key, name, bytes + 1);
	const char *text = loader_scalar(l, value, element, "a value", "60s");
	if (!text)
		return false;
	if (value->data.scalar.length >= CONFIG_VALUE_BYTES) {
		loader_error(l, place_of(value->start_mark), "%s: %zu bytes are too long; allowed are %u", element,
			     value->data.scalar.length, CONFIG_VALUE_BYTES - 1);
		return false;
	}
	memcpy(setting[count].value, text, value->data.scalar.length + 1);
	return true;
}

static bool walk_settings(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown,
			  uint8_t *base)
{
	struct config_setting *setting = (struct config_setting *)(void *)(base + row->offset);
	char found[SHOWN_BYTES];
	uint32_t count = 0;
	bool ok = true;

	if (node->type != YAML_MAPPING_NODE) {
		loader_error(l, place_of(node->start_mark), "%s: expected a section such as %s, found %s", shown,
			     row->example, loader_shown(node, found));
		return false;
	}
	if (!length_ok(l, row, (uint64_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start), node, shown))
		return false;
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		bool good = walk_setting(l, node_of(l, pair->key), node_of(l, pair->value), shown, setting, count);

		count += good;
		ok = ok && good;
	}
	memcpy(base + row->count_offset, &count, sizeof(count));
	return ok;
}

static void walk_list(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown,
		      uint8_t *base)
{
	uint32_t count = 0;
	char parent[64];
	bool ok = loader_sequence(l, row, node, shown);

	loader_note(l, base + row->count_offset, place_of(node->start_mark), false, true, !ok);
	if (node->type != YAML_SEQUENCE_NODE)
		return;
	/* The elements of a list that is too long are read as far as there is room, for their errors. */
	count = (uint32_t)(sequence_length(node) < row->max ? sequence_length(node) : row->max);
	snprintf(parent, sizeof(parent), "%s[]", row->path);
	memcpy(base + row->count_offset, &count, sizeof(count));
	for (uint32_t i = 0; i < count; i++) {
		yaml_node_t *item = node_of(l, node->data.sequence.items.start[i]);
		struct level level = { .parent = parent, .base = base + row->offset + (size_t)i * row->width };

		snprintf(level.shown, sizeof(level.shown), "%.80s[%u]", shown, i);
		loader_note(l, level.base, place_of(item->start_mark), true, true, false);
		walk_map(l, item, &level);
	}
}

static void walk_value(struct loader *l, const struct schema_row *row, yaml_node_t *node, const struct level *level)
{
	struct level inner = { .parent = row->path, .base = level->base };
	uint8_t *field = level->base + row->offset;
	char shown[SHOWN_PATH];
	bool ok;

	shown_child(level, schema_key(row), shown);
	switch (row->type) {
	case SCHEMA_MAP:
		snprintf(inner.shown, sizeof(inner.shown), "%.80s", shown);
		walk_map(l, node, &inner);
		return;
	case SCHEMA_LIST:
		walk_list(l, row, node, shown, level->base);
		return;
	case SCHEMA_CORES:
		ok = walk_cores(l, row, node, shown, level->base);
		break;
	case SCHEMA_PREFIXES:
		ok = walk_prefixes(l, row, node, shown, level->base);
		break;
	case SCHEMA_USERS:
	case SCHEMA_GROUPS:
		ok = loader_accounts(l, row, node, shown, level->base);
		break;
	case SCHEMA_SETTINGS:
		ok = walk_settings(l, row, node, shown, level->base);
		break;
	case SCHEMA_STEPS:
		ok = loader_steps(l, row, node, shown, level->base);
		break;
	case SCHEMA_KEYS:
		ok = loader_keys(l, row, node, shown, level->base);
		break;
	case SCHEMA_GATE:
		ok = loader_gate(l, row, node, shown, field);
		break;
	default:
		ok = walk_scalar(l, row, node, shown, field);
	}
	if (row->width)
		loader_note(l, field, place_of(node->start_mark), false, true, !ok);
}

/* A key that is not written: its default, or an error. place: where the section it belongs to begins. */
static void walk_absent(struct loader *l, const struct schema_row *row, const struct level *level, struct place place)
{
	char shown[SHOWN_PATH];
	struct problem problem;

	if (row->type == SCHEMA_MAP) {
		for (size_t i = 0; i < schema_rows; i++)
			if (schema_inside(&schema[i], row->path))
				walk_absent(l, &schema[i], level, place);
		return;
	}
	shown_child(level, schema_key(row), shown);
	if (row->required)
		loader_error(l, place, "%s%s'%s' is missing: %s", level->shown, level->shown[0] ? ": " : "",
			     schema_key(row), row->help);
	/* A list without a default, and one whose default is its zero word, is empty: the memory is zero already. */
	bool list = row->count_offset != 0;
	bool bad = row->required;
	if (!list && row->fallback && value_parse(row, row->fallback, strlen(row->fallback), true, l->base,
						  level->base + row->offset, &problem)) {
		loader_error(l, place, "%s: default: %s", shown, problem.text);
		bad = true;
	}
	if (row->width)
		loader_note(l, level->base + (row->type == SCHEMA_LIST ? row->count_offset : row->offset), place, false,
			    false, bad);
}

static void unknown_key(struct loader *l, yaml_node_t *key, const struct level *level)
{
	char found[SHOWN_BYTES], known[512] = "";
	bool scalar = key->type == YAML_SCALAR_NODE;
	const char *near = scalar ? schema_nearest(level->parent, (const char *)key->data.scalar.value) : NULL;
	const char *in = level->shown[0] ? " in " : "";

	if (scalar && strcmp((const char *)key->data.scalar.value, "<<") == 0) {
		loader_error(l, place_of(key->start_mark), "merge keys ('<<') are not allowed; write the values out");
		return;
	}
	if (near) {
		loader_error(l, place_of(key->start_mark), "unknown key %s%s%s; did you mean '%s'?",
			     loader_shown(key, found), in, level->shown, near);
		return;
	}
	for (size_t i = 0; i < schema_rows; i++) {
		size_t used = strlen(known);

		if (schema_inside(&schema[i], level->parent))
			snprintf(known + used, sizeof(known) - used, "%s%s", used ? " " : "", schema_key(&schema[i]));
	}
	loader_error(l, place_of(key->start_mark), "unknown key %s%s%s; known are: %s", loader_shown(key, found), in,
		     level->shown, known);
}

static void walk_map(struct loader *l, yaml_node_t *node, const struct level *level)
{
	struct place seen[SCHEMA_MAX];
	bool given[SCHEMA_MAX] = { false };
	char found[SHOWN_BYTES];

	if (node->type != YAML_MAPPING_NODE) {
		loader_error(l, place_of(node->start_mark), "%s%sexpected a section (key: value), found %s",
			     level->shown, level->shown[0] ? ": " : "", loader_shown(node, found));
		return;
	}
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = node_of(l, pair->key);
		const struct schema_row *row = NULL;

		if (key->type == YAML_SCALAR_NODE && strlen((char *)key->data.scalar.value) == key->data.scalar.length)
			row = schema_child(level->parent, (char *)key->data.scalar.value);
		if (!row) {
			unknown_key(l, key, level);
		} else if (given[row - schema]) {
			struct place first = seen[row - schema];
			loader_error(l, place_of(key->start_mark), "duplicate key '%s'%s%s; first at line %u column %u",
				     schema_key(row), level->shown[0] ? " in " : "", level->shown, first.line + 1,
				     first.column + 1);
		} else {
			given[row - schema] = true;
			seen[row - schema] = place_of(key->start_mark);
			walk_value(l, row, node_of(l, pair->value), level);
		}
	}
	for (size_t i = 0; i < schema_rows; i++)
		if (schema_inside(&schema[i], level->parent) && !given[i])
			walk_absent(l, &schema[i], level, place_of(node->start_mark));
}

void loader_walk(struct loader *l)
{
	struct level top = { .parent = "", .shown = "", .base = (uint8_t *)l->config };
	yaml_node_t *root = yaml_document_get_root_node(l->document);

	if (!root || (root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0))
		loader_error(l, (struct place){ 0, 0 },
			     "the file is empty; see config/minimal.yaml for the shortest that works");
	else
		walk_map(l, root, &top);
}
