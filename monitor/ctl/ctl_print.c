/* Answers for people: one screen, columns as wide as their widest cell. */
#include <stdlib.h>
#include <string.h>

#include "ctl_reply.h"

#define COLUMNS_MOST 16u
#define CELL_BYTES   48u

void ctl_print_json(FILE *out, const json_t *reply)
{
	char *text = json_dumps(reply, JSON_COMPACT | JSON_REAL_PRECISION(12));

	fprintf(out, "%s\n", text ? text : "{}");
	free(text);
}

/* ---- tables ---- */

static const struct column {
	const char *title, *key;
	bool right;
} worker_column[] = {
	{ "NAME", "name", false },       { "ROLE", "role", false },     { "STATE", "state", false },
	{ "SLOT", "slot", true },        { "PID", "pid", true },        { "CPU", "cpu", true },
	{ "VERSION", "version", false }, { "BUILD", "build_id", false }, { "BUCKETS", "buckets", true },
	{ "RESTARTS", "restarts", true }, { "CRASHES", "crashes", true }, { "AGE", "age_s", true },
};
#define WORKER_COLUMNS (sizeof(worker_column) / sizeof(worker_column[0]))

static void cell(char out[CELL_BYTES], const json_t *row, const struct column *column)
{
	const json_t *value = json_object_get(row, column->key);
	const char *side = text_of(row, "rollout");

	/* Whose players are exposed is read here. */
	if (strcmp(column->key, "role") == 0 && (strcmp(side, "candidate") == 0 || strcmp(side, "control") == 0) &&
	    strcmp(text_of(row, "role"), "serving") == 0)
		snprintf(out, CELL_BYTES, "%s", side);
	else if (json_is_string(value))
		snprintf(out, CELL_BYTES, strcmp(column->key, "build_id") ? "%.47s" : "%.12s",
			 json_string_value(value));
	else if (json_is_integer(value))
		snprintf(out, CELL_BYTES, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		snprintf(out, CELL_BYTES, "%.1fs", json_real_value(value));
	else
		snprintf(out, CELL_BYTES, "-");
	if (!out[0])
		snprintf(out, CELL_BYTES, "-");
}

void ctl_print_workers(FILE *out, const json_t *rows)
{
	size_t width[WORKER_COLUMNS], index;
	char text[CELL_BYTES];
	json_t *row;

	for (size_t c = 0; c < WORKER_COLUMNS; c++) {
		width[c] = strlen(worker_column[c].title);
		json_array_foreach((json_t *)(uintptr_t)rows, index, row) {
			cell(text, row, &worker_column[c]);
			if (strlen(text) > width[c])
				width[c] = strlen(text);
		}
	}
	for (size_t c = 0; c < WORKER_COLUMNS; c++)
		fprintf(out, "%*s%s", worker_column[c].right ? (int)width[c] : -(int)width[c], worker_column[c].title,
			c + 1 < WORKER_COLUMNS ? "  " : "\n");
	json_array_foreach((json_t *)(uintptr_t)rows, index, row) {
		for (size_t c = 0; c < WORKER_COLUMNS; c++) {
			cell(text, row, &worker_column[c]);
			fprintf(out, "%*s%s", worker_column[c].right ? (int)width[c] : -(int)width[c], text,
				c + 1 < WORKER_COLUMNS ? "  " : "\n");
		}
		if (text_of(row, "trouble")[0])
			fprintf(out, "  %s: %s\n", text_of(row, "name"), text_of(row, "trouble"));
	}
}

/* ---- answers ---- */

void ctl_print_status(FILE *out, const json_t *reply)
{
	const json_t *zygote = json_object_get(reply, "zygote");
	json_t *sentence, *port;
	size_t index;

	fprintf(out, "%s: %s, pid %lld, version %s (%s)%s\n", text_of(reply, "instance"), text_of(reply, "verdict"),
		number_of(reply, "pid"), text_of(reply, "version"), text_of(reply, "build_type"),
		json_is_true(json_object_get(reply, "ready")) ? "" : ", not ready yet");
	json_array_foreach(json_object_get(reply, "sentences"), index, sentence)
		fprintf(out, "  %s: %s\n", text_of(sentence, "level"), text_of(sentence, "text"));
	if (text_of(reply, "restarting")[0])
		fprintf(out, "  a restart of %s is under way\n", text_of(reply, "restarting"));
	if (text_of(reply, "operation")[0])
		fprintf(out, "  `%s` is under way\n", text_of(reply, "operation"));
	if (zygote)
		fprintf(out, "zygote: pid %lld, spare %lld, %s\n", number_of(zygote, "pid"),
			number_of(zygote, "spare_pid"), text_of(zygote, "dpdk"));
	json_array_foreach(json_object_get(reply, "ports"), index, port)
		fprintf(out, "port %s: %s%s%s\n", text_of(port, "name"), text_of(port, "state"),
			text_of(port, "interface")[0] ? ", interface " : "", text_of(port, "interface"));
	ctl_print_workers(out, json_object_get(reply, "workers"));
}

void ctl_print_restart(FILE *out, const json_t *reply)
{
	json_t *worker;
	size_t index;

	json_array_foreach(json_object_get(reply, "workers"), index, worker) {
		const json_t *gap = json_object_get(worker, "gap_us");

		fprintf(out, "%s: pid %lld -> %lld, version %s -> %s, build %.12s, %lld buckets",
			text_of(worker, "name"), number_of(worker, "old_pid"), number_of(worker, "pid"),
			text_of(worker, "old_version")[0] ? text_of(worker, "old_version") : "none",
			text_of(worker, "version"), text_of(worker, "build_id"), number_of(worker, "buckets"));
		if (json_is_number(gap))
			fprintf(out, ", gap %.1f us, %lld packets waited", json_number_value(gap),
				number_of(worker, "parked"));
		fputc('\n', out);
	}
}
