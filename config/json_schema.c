/* The schema as JSON Schema (draft 2020-12). A value may be typed as YAML's core schema types it: 8080 is a number
 * there, 16k a string. Patterns are what ECMA 262 and POSIX have in common. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "config.h"
#include "schema.h"
#include "value.h"

#define DECIMAL "(0|[1-9][0-9]*)"
#define SHARE   "(" DECIMAL "([.][0-9]{1,12})?(%|‰))"
#define PERCENT "(" DECIMAL "([.][0-9]{1,12})?%)"
#define TIME    DECIMAL "(ns|us|ms|s|m|h)"
#define OCTET   "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define ADDRESS OCTET "[.]" OCTET "[.]" OCTET "[.]" OCTET
#define CPU     "(0|[1-9][0-9]{0,3})"
#define CPUS    CPU "(-" CPU ")?(," CPU "(-" CPU ")?)*"

static void set_number(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

static json_t *of_type(const char *type)
{
	return json_pack("{s:s}", "type", type);
}

static json_t *pattern(const char *expression)
{
	return json_pack("{s:s, s:o}", "type", "string", "pattern", json_sprintf("^%s$", expression));
}

/* Plain digits are a number to YAML, and may be meant as text. */
static json_t *text_or_number(const char *expression, const struct schema_row *row)
{
	json_t *object = json_pack("{s:[s, s]}", "type", "string", "number");

	if (expression)
		json_object_set_new(object, "pattern", json_sprintf("^%s$", expression));
	set_number(object, "minLength", row->min);
	set_number(object, "maxLength", row->max);
	return object;
}

static json_t *integer(const struct schema_row *row)
{
	json_t *object = of_type("integer");

	set_number(object, "minimum", row->min);
	set_number(object, "maximum", row->max);
	return object;
}

static json_t *any_of(json_t *a, json_t *b)
{
	return json_pack("{s:[o, o]}", "anyOf", a, b);
}

static json_t *words_of(const struct schema_row *row)
{
	json_t *words = json_array();

	for (uint32_t i = 0; row->words[i]; i++)
		json_array_append_new(words, json_string(row->words[i]));
	return json_pack("{s:o}", "enum", words);
}

static json_t *list_of(const struct schema_row *row, json_t *items)
{
	json_t *object = json_pack("{s:s, s:o}", "type", "array", "items", items);

	set_number(object, "minItems", row->min);
	set_number(object, "maxItems", row->max);
	return object;
}

static json_t *settings_of(const struct schema_row *row)
{
	json_t *object = json_pack("{s:s, s:{s:s, s:i}, s:{s:[s, s, s], s:i}}", "type", "object", "propertyNames",
				   "pattern", "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength", (int)BATON_NAME_BYTES - 1,
				   "additionalProperties", "type", "string", "number", "boolean", "maxLength",
				   (int)CONFIG_VALUE_BYTES - 1);

	set_number(object, "maxProperties", row->max);
	return object;
}

/* An object with one property, which must be there. */
static json_t *single(const char *key, json_t *value)
{
	return json_pack("{s:s, s:b, s:[s], s:{s:o}}", "type", "object", "additionalProperties", 0, "required", key,
			 "properties", key, value);
}

static json_t *steps_of(const struct schema_row *row)
{
	json_t *shadow = json_pack("{s:s, s:b, s:[s], s:{s:o, s:o, s:{s:[s, s]}}}", "type", "object",
				   "additionalProperties", 0, "required", "for", "properties", "sample", pattern(SHARE),
				   "for", pattern(TIME), "compare", "enum", "bytes", "digest");
	json_t *resumed = json_pack("{s:s, s:b}", "type", "object", "additionalProperties", 0);
	const struct schema_row keep = { "keep", SCHEMA_INT, .min = 1, .max = CONFIG_SNAPSHOTS };
	json_t *snapshot = json_pack("{s:s, s:b, s:{s:o}}", "type", "object", "additionalProperties", 0, "properties",
				     "keep", integer(&keep));

	return list_of(row, json_pack("{s:[o, o, o, o]}", "anyOf", single("weight", pattern(SHARE)),
				      single("pause", any_of(pattern(TIME), resumed)), single("shadow", shadow),
				      single("snapshot", snapshot)));
}

static json_t *gate_schema(const struct schema_row *row)
{
	enum gate_unit unit = rollout_gate_unit(gate_of(row));
	const struct schema_row count = { "count", SCHEMA_COUNT, .min = unit == GATE_NUMBER ? 0 : 1,
					  .max = unit == GATE_NUMBER ? 0 : 1000000000 };
	json_t *keys = json_object();

	for (int delta = 0; delta < (unit == GATE_NUMBER ? 1 : 2); delta++)
		json_object_set_new(keys, delta ? "max_delta" : "max",
				    unit == GATE_A_PACKET ? of_type("number") :
				    unit == GATE_RATIO ? pattern(PERCENT) : unit == GATE_NS ? pattern(TIME) :
				    unit == GATE_NUMBER ? integer(&count) :
				    any_of(integer(&count), pattern(DECIMAL "([kMG]|[KMG]i)")));
	json_object_set_new(keys, "immediate", of_type("boolean"));
	if (unit != GATE_NUMBER) {
		json_object_set_new(keys, "max_ratio", of_type("number"));
		json_object_set_new(keys, "dry_run", of_type("boolean"));
	}
	return json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0, "properties", keys);
}

static json_t *section_of(const char *parent);

static json_t *list_rows(const struct schema_row *row)
{
	char parent[96];

	snprintf(parent, sizeof(parent), "%s[]", row->path);
	return list_of(row, section_of(parent));
}

static json_t *value_of(const struct schema_row *row)
{
	switch (row->type) {
	case SCHEMA_MAP:
		return section_of(row->path);
	case SCHEMA_LIST:
		return list_rows(row);
	case SCHEMA_USERS:
	case SCHEMA_GROUPS:
		return list_of(row, json_pack("{s:[s, s], s:i, s:i, s:i}", "type", "string", "integer", "minLength", 1,
					      "maxLength", (int)CONFIG_ACCOUNT_BYTES - 1, "minimum", 0));
	case SCHEMA_BOOL:
		return of_type("boolean");
	case SCHEMA_INT:
		return integer(row);
	case SCHEMA_COUNT:
	case SCHEMA_RATE:
		return any_of(integer(row), pattern(DECIMAL "([kMG]|[KMG]i)"));
	case SCHEMA_SIZE:
		return pattern(DECIMAL "(B|[KMG]|[KMG]iB)");
	case SCHEMA_DURATION:
		return pattern(TIME);
	case SCHEMA_STEPS:
		return steps_of(row);
	case SCHEMA_KEYS:
		return list_of(row, json_pack("{s:[s, s], s:i, s:i}", "type", "string", "number", "minLength", 1,
					      "maxLength", (int)CONFIG_KEY_BYTES - 1));
	case SCHEMA_GATE:
		return gate_schema(row);
	case SCHEMA_BUILD:
		return text_or_number("([A-Za-z0-9][A-Za-z0-9._+-]*|.*/.*)", row);
	case SCHEMA_STRING:
	case SCHEMA_PATH:
		return text_or_number(NULL, row);
	case SCHEMA_NAME:
		return text_or_number("[A-Za-z0-9][A-Za-z0-9_-]*", row);
	case SCHEMA_VERSION:
		return text_or_number("[A-Za-z0-9][A-Za-z0-9._+-]*", row);
	case SCHEMA_ENUM:
		return words_of(row);
	case SCHEMA_IP:
		return pattern(ADDRESS);
	case SCHEMA_PREFIXES:
		return list_of(row, pattern(ADDRESS "/([1-9]|[12][0-9]|3[0-2])"));
	case SCHEMA_CORES:
		return any_of(list_of(row, any_of(json_pack("{s:s, s:i, s:i}", "type", "integer", "minimum", 0,
							    "maximum", 1023), pattern(CPUS))),
			      any_of(json_pack("{s:s, s:i, s:i}", "type", "integer", "minimum", 0, "maximum", 1023),
				     pattern(CPUS)));
	default:
		return settings_of(row);
	}
}

/* `{max: 0, immediate: true}`: the defaults have nothing else in them than JSON has, but quotes. */
static json_t *default_gate(const char *text)
{
	char copy[160], *rest = copy, *pair;
	json_t *object = json_object();

	snprintf(copy, sizeof(copy), "%.*s", (int)strlen(text) - 2, text + 1);
	while ((pair = strsep(&rest, ",")) != NULL) {
		char *colon = strstr(pair, ": "), *value = colon + 2;

		*colon = '\0';
		json_t *typed = json_loads(value, JSON_DECODE_ANY, NULL);
		json_object_set_new(object, pair + strspn(pair, " "), typed ? typed : json_string(value));
	}
	return object;
}

/* The default as YAML types it, so that an editor that fills it in writes what the table says. */
static json_t *default_of(const struct schema_row *row)
{
	bool digits = row->fallback[0] != '\0' && row->fallback[strspn(row->fallback, "0123456789")] == '\0';
	json_int_t number = 0;

	if (row->type == SCHEMA_GATE)
		return default_gate(row->fallback);
	if (row->type == SCHEMA_BOOL)
		return json_boolean(strcmp(row->fallback, "true") == 0);
	if (!digits)
		return json_string(row->fallback);
	for (const char *c = row->fallback; *c; c++)
		number = number * 10 + *c - '0';
	return json_integer(number);
}

static json_t *property(const struct schema_row *row)
{
	json_t *object = value_of(row);

	if (row->zero)
		object = any_of(json_pack("{s:s}", "const", row->zero), object);
	json_object_set_new(object, "description", json_string(row->help));
	if (row->fallback)
		json_object_set_new(object, "default", default_of(row));
	if (row->type != SCHEMA_MAP) {
		json_object_set_new(object, "x-baton-tier", json_string(schema_tier_name(row->tier)));
		json_object_set_new(object, "x-baton-reload", json_string(schema_reload_name(row->reload)));
	}
	return object;
}

static json_t *section_of(const char *parent)
{
	json_t *properties = json_object(), *required = json_array();

	for (size_t i = 0; i < schema_rows; i++) {
		if (!schema_inside(&schema[i], parent))
			continue;
		json_object_set_new(properties, schema_key(&schema[i]), property(&schema[i]));
		if (schema[i].required)
			json_array_append_new(required, json_string(schema_key(&schema[i])));
	}
	return json_pack("{s:s, s:b, s:o, s:o}", "type", "object", "additionalProperties", 0, "required", required,
			 "properties", properties);
}

int config_dump_schema(FILE *out)
{
	json_t *object = section_of("");

	if (!object)
		return -ENOMEM;
	json_object_set_new(object, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
	json_object_set_new(object, "title", json_string("configuration of batond " BATON_VERSION));
	int rc = json_dumpf(object, out, JSON_INDENT(1));
	json_decref(object);
	fputc('\n', out);
	return rc ? -ENOMEM : 0;
}
