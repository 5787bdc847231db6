/* A validator for the part of JSON Schema that config_dump_schema() uses, and YAML as JSON by YAML 1.2's core schema.
 * A keyword it does not know fails the test: nothing is promised that nobody checks. */
#ifndef JSON_SCHEMA_RIG_H
#define JSON_SCHEMA_RIG_H

#include <jansson.h>
#include <regex.h>
#include <yaml.h>

#include "config_test.h"

/* ---- validation ---- */

static bool matches(const char *pattern, const char *text)
{
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	bool found = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

static bool has_type(const json_t *value, const char *type)
{
	return !strcmp(type, "object") ? json_is_object(value) : !strcmp(type, "array") ? json_is_array(value) :
	       !strcmp(type, "string") ? json_is_string(value) : !strcmp(type, "boolean") ? json_is_boolean(value) :
	       !strcmp(type, "integer") ? json_is_integer(value) : !strcmp(type, "number") && json_is_number(value);
}

static bool allows(json_t *rules, json_t *value);

static bool allows_type(json_t *type, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(type); i++)
		if (has_type(value, json_string_value(json_array_get(type, i))))
			return true;
	return json_is_string(type) && has_type(value, json_string_value(type));
}

static bool one_of(json_t *list, json_t *value, bool schemas)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (schemas ? allows(json_array_get(list, i), value) : json_equal(json_array_get(list, i), value))
			return true;
	return false;
}

static bool allows_members(json_t *rules, const char *keyword, json_t *rule, json_t *value)
{
	json_t *known = json_object_get(rules, "properties"), *member;
	const char *name;

	json_object_foreach(value, name, member) {
		json_t *of = json_object_get(known, name), *text = json_string(name);
		bool fine = true;

		if (!strcmp(keyword, "properties") && of)
			fine = allows(of, member);
		else if (!strcmp(keyword, "propertyNames"))
			fine = allows(rule, text);
		else if (!strcmp(keyword, "additionalProperties") && !of)
			fine = json_is_object(rule) ? allows(rule, member) : json_is_true(rule);
		json_decref(text);
		if (!fine)
			return false;
	}
	for (size_t i = 0; !strcmp(keyword, "required") && i < json_array_size(rule); i++)
		if (!json_object_get(value, json_string_value(json_array_get(rule, i))))
			return false;
	return true;
}

static bool allows_size(const char *keyword, json_t *rule, const json_t *value)
{
	static const struct { const char *keyword; char of; int sign; } limits[] = {
		{ "minimum", 'i', -1 }, { "maximum", 'i', 1 }, { "minLength", 's', -1 }, { "maxLength", 's', 1 },
		{ "minItems", 'a', -1 }, { "maxItems", 'a', 1 }, { "maxProperties", 'o', 1 },
	};
	json_int_t limit = json_integer_value(rule);

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		char of = limits[i].of;
		json_int_t size = of == 'i' ? json_integer_value(value) : of == 's' ? (json_int_t)json_string_length(value) :
				  of == 'a' ? (json_int_t)json_array_size(value) : (json_int_t)json_object_size(value);

		if (strcmp(limits[i].keyword, keyword) != 0)
			continue;
		bool applies = of == 'i' ? json_is_integer(value) : of == 's' ? json_is_string(value) :
			       of == 'a' ? json_is_array(value) : json_is_object(value);
		return !applies || (limits[i].sign > 0 ? size <= limit : size >= limit);
	}
	fail_msg("nobody checks the keyword '%s'", keyword);
	return false;
}

static bool allows(json_t *rules, json_t *value)
{
	static const char *const annotations[] = { "$schema", "title", "description", "default", "x-baton-tier",
						   "x-baton-reload", NULL };
	const char *keyword;
	json_t *rule;

	json_object_foreach(rules, keyword, rule) {
		bool fine = true, annotation = false;

		for (size_t i = 0; annotations[i]; i++)
			annotation = annotation || !strcmp(annotations[i], keyword);
		if (annotation)
			continue;
		if (!strcmp(keyword, "type"))
			fine = allows_type(rule, value);
		else if (!strcmp(keyword, "const"))
			fine = json_equal(rule, value);
		else if (!strcmp(keyword, "enum") || !strcmp(keyword, "anyOf"))
			fine = one_of(rule, value, keyword[0] == 'a');
		else if (!strcmp(keyword, "pattern"))
			fine = !json_is_string(value) || matches(json_string_value(rule), json_string_value(value));
		else if (!strcmp(keyword, "properties") || !strcmp(keyword, "propertyNames") ||
			 !strcmp(keyword, "additionalProperties") || !strcmp(keyword, "required"))
			fine = !json_is_object(value) || allows_members(rules, keyword, rule, value);
		else if (!strcmp(keyword, "items"))
			for (size_t i = 0; i < json_array_size(value); i++)
				fine = fine && allows(rule, json_array_get(value, i));
		else
			fine = allows_size(keyword, rule, value);
		if (!fine)
			return false;
	}
	return true;
}

/* ---- YAML ---- */

static json_t *json_of(yaml_document_t *document, yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;
	json_t *value;

	if (node->type == YAML_SEQUENCE_NODE) {
		value = json_array();
		for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++)
			json_array_append_new(value, json_of(document, yaml_document_get_node(document, *i)));
		return value;
	}
	if (node->type == YAML_MAPPING_NODE) {
		value = json_object();
		for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++)
			json_object_set_new(value, (char *)yaml_document_get_node(document, p->key)->data.scalar.value,
					    json_of(document, yaml_document_get_node(document, p->value)));
		return value;
	}
	if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return json_string(text);
	if (!text[0])
		return json_null();
	if (!strcmp(text, "true") || !strcmp(text, "false"))
		return json_boolean(text[0] == 't');
	if (matches("^[-+]?[0-9]+$", text))
		return json_integer(strtoll(text, NULL, 10));
	if (matches("^[-+]?([.][0-9]+|[0-9]+[.][0-9]*)$", text))
		return json_real(strtod(text, NULL));
	return json_string(text);
}

static json_t *json_of_yaml(const char *text, size_t bytes)
{
	yaml_document_t document;
	yaml_parser_t parser;

	yaml_parser_initialize(&parser);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
	assert_true(yaml_parser_load(&parser, &document));
	json_t *value = json_of(&document, yaml_document_get_root_node(&document));
	yaml_document_delete(&document);
	yaml_parser_delete(&parser);
	return value;
}

#endif
