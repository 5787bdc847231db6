/* What the configuration's tests share: loading a text, finding an error at its place, writing a document for a row. */
#ifndef CONFIG_TEST_H
#define CONFIG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "schema.h"

struct outcome {
	int errors;
	char text[32768];
	struct config config;
	const char *document;
};
static struct outcome outcome;

__attribute__((unused)) static void load_bytes(const char *text, size_t bytes)
{
	FILE *out;

	memset(&outcome, 0, sizeof(outcome));
	out = fmemopen(outcome.text, sizeof(outcome.text) - 1, "w");
	assert_non_null(out);
	outcome.errors = config_parse(text, bytes, "t.yaml", &outcome.config, out);
	fclose(out);
}

__attribute__((unused)) static void load_text(const char *text)
{
	load_bytes(text, strlen(text));
	outcome.document = text;
}

/* Where `part` first stands in a line of the text loaded last, from 1. ASCII only. */
__attribute__((unused)) static uint32_t column_of(uint32_t line, const char *part)
{
	const char *at = outcome.document;

	for (uint32_t i = 1; i < line; i++)
		at = strchr(at, '\n') + 1;
	const char *found = strstr(at, part);
	assert_true(found && (size_t)(found - at) < strcspn(at, "\n"));
	return (uint32_t)(found - at) + 1;
}

__attribute__((unused)) static uint32_t lines_printed(void)
{
	uint32_t lines = 0;

	for (const char *c = outcome.text; *c; c++)
		lines += *c == '\n';
	return lines;
}

/* The error at line:column begins with `message`. */
__attribute__((unused)) static void expect_error(uint32_t line, uint32_t column, const char *message)
{
	char want[1024];

	snprintf(want, sizeof(want), "t.yaml:%u:%u: error: %s", line, column, message);
	for (const char *at = outcome.text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (strncmp(at, want, strlen(want)) == 0)
			return;
	fail_msg("expected: %s\nfound %d error(s):\n%s", want, outcome.errors, outcome.text);
}

__attribute__((unused)) static void expect_only(uint32_t line, uint32_t column, const char *message)
{
	expect_error(line, column, message);
	if (outcome.errors != 1 || lines_printed() != 1)
		fail_msg("more than the one error expected:\n%s", outcome.text);
}

__attribute__((unused)) static void expect_good(void)
{
	if (outcome.errors || outcome.text[0])
		fail_msg("expected no error, found %d:\n%s", outcome.errors, outcome.text);
}

/* A valid document with as few keys as possible around one row, and where that row's parts stand (from 1). */
enum shape { SHAPE_PLAIN, SHAPE_SIBLING, SHAPE_TWICE, SHAPE_MISSING };
struct document {
	char text[16384];
	size_t bytes;
	const struct schema_row *target;
	const char *value;   /* written for the target */
	const char *sibling; /* SHAPE_SIBLING: further key beside it */
	enum shape shape;
	uint32_t line;
	uint32_t value_line, value_column;     /* of the target's value */
	uint32_t key_line, key_column;         /* of the target's key */
	uint32_t extra_line, extra_column;     /* of the sibling, or of the second of two */
	uint32_t section_line, section_column; /* of the first key beside the target */
};

__attribute__((unused)) static bool is_generator_key(const struct schema_row *row)
{
	static const char *const keys[] = { "in_flight", "rate", "players", "malformed_every", "lost_after" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(schema_key(row), keys[i]) == 0)
			return true;
	return false;
}

/* Whether the row must be written: needed by itself, or by the target inside it. */
static bool is_wanted(const struct document *d, const struct schema_row *row)
{
	size_t bytes = strlen(row->path);

	if (row == d->target)
		return d->shape != SHAPE_MISSING;
	if (strncmp(d->target->path, row->path, bytes) == 0 &&
	    (d->target->path[bytes] == '.' || d->target->path[bytes] == '['))
		return row->type != SCHEMA_MAP || d->shape != SHAPE_MISSING;
	if (strcmp(row->path, "ports[].addresses") == 0)
		return true;
	if (strcmp(row->path, "ports[].device") == 0)
		return !is_generator_key(d->target);
	if (strcmp(row->path, "ports[].driver") == 0)
		return is_generator_key(d->target);
	return row->required;
}

__attribute__((format(printf, 2, 3))) static void put(struct document *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	d->bytes += (size_t)vsnprintf(d->text + d->bytes, sizeof(d->text) - d->bytes, format, args);
	va_end(args);
	assert_true(d->bytes < sizeof(d->text));
}

static void put_target(struct document *d, uint32_t indent)
{
	const char *key = schema_key(d->target);

	d->key_line = d->value_line = d->line;
	d->key_column = indent + 1;
	d->value_column = indent + (uint32_t)strlen(key) + 3;
	put(d, "%s: %s\n", key, d->value);
	d->line++;
	if (d->shape == SHAPE_SIBLING || d->shape == SHAPE_TWICE) {
		d->extra_line = d->line++;
		d->extra_column = indent + 1;
		put(d, "%*s%s: %s\n", (int)indent, "", d->shape == SHAPE_TWICE ? key : d->sibling,
		    d->shape == SHAPE_TWICE ? d->value : "1");
	}
}

static void put_map(struct document *d, const char *parent, uint32_t indent)
{
	bool first = true;

	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		bool list = row->type == SCHEMA_LIST;
		char inner[64];

		if (!schema_inside(row, parent) || !is_wanted(d, row))
			continue;
		if (first && schema_inside(d->target, parent)) {
			d->section_line = d->line;
			d->section_column = indent + 1;
		}
		if (!first || parent[0] == '\0' || parent[strlen(parent) - 1] != ']')
			put(d, "%*s", (int)indent, "");
		first = false;
		if (row == d->target) {
			put_target(d, indent);
		} else if (list || row->type == SCHEMA_MAP) {
			put(d, list ? "%s:\n%*s- " : "%s:\n", schema_key(row), (int)indent + 2, "");
			d->line++;
			snprintf(inner, sizeof(inner), list ? "%s[]" : "%s", row->path);
			put_map(d, inner, indent + (list ? 4 : 2));
		} else {
			bool driver = strcmp(row->path, "ports[].driver") == 0;
			put(d, "%s: %s\n", schema_key(row), driver ? "generator" : row->example);
			d->line++;
		}
	}
}

/* Writes the document and loads it. */
__attribute__((unused)) static struct document *load_row(const struct schema_row *row, const char *value,
							 enum shape shape, const char *sibling)
{
	static struct document d;

	d = (struct document){ .target = row, .value = value, .shape = shape, .sibling = sibling, .line = 1 };
	put_map(&d, "", 0);
	load_bytes(d.text, d.bytes);
	return &d;
}

/* The row's path with every [] turned into [0]. */
__attribute__((unused)) static const char *row_shown(const struct schema_row *row)
{
	static char shown[128];
	size_t n = 0;

	for (const char *c = row->path; *c; c++) {
		if (*c == ']')
			shown[n++] = '0';
		shown[n++] = *c;
	}
	shown[n] = '\0';
	return shown;
}

/* " in ports[0]", or nothing at the top. */
__attribute__((unused)) static const char *row_within(const struct schema_row *row)
{
	static char within[128];
	const char *shown = row_shown(row), *dot = strrchr(shown, '.');

	snprintf(within, sizeof(within), "%s%.*s", dot ? " in " : "", dot ? (int)(dot - shown) : 0, shown);
	return within;
}

/* Path of a file of the source tree, which is the working directory or one above it. */
__attribute__((unused)) static const char *source_file(const char *name)
{
	static char path[512];
	char up[256] = "";

	for (int i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "%sconfig/schema.h", up);
		if (access(path, R_OK) == 0) {
			snprintf(path, sizeof(path), "%s%s", up, name);
			return path;
		}
		strcat(up, "../");
	}
	fail_msg("run this inside the source tree: it reads %s", name);
	return NULL;
}

/* The lines of a small valid document, for tests that change one of them. */
#define PORTS "version: 1\nports:\n- {name: lan, device: net_tap0, addresses: [10.77.0.1/24]}\n"
#define SERVICES "services:\n- {name: game, port: 8080, group: game}\n"
#define GROUPS "groups:\n- {name: game, plugin: /p/game.so}\n"

#endif
