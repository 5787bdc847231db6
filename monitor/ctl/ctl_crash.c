/* batonctl crash: what workers died of. */
#include <stdlib.h>
#include <string.h>

#include "ctl_reply.h"

#define LABEL 10 /* columns of what stands in front of a line of `show` */

static void put_label(FILE *out, const char *label)
{
	fprintf(out, "  %-*s ", LABEL, label);
}

/* A line of label and text, if there is one. */
static void put_line(FILE *out, const char *label, const char *text)
{
	if (!text[0])
		return;
	put_label(out, label);
	ctl_put(out, text);
	fputc('\n', out);
}

/* ---- list ---- */

static void print_list(FILE *out, const json_t *rows)
{
	int worker = 6, version = 7;
	json_t *row;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		int w = (int)strlen(text_of(row, "worker")), v = (int)strlen(text_of(row, "version"));

		worker = w > worker && w < 32 ? w : worker;
		version = v > version && v < 32 ? v : version;
	}
	fprintf(out, "%6s  %-19s  %-*s  %-*s  WHAT\n", "ID", "TIME", worker, "WORKER", version, "VERSION");
	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		char cell[4][40];

		snprintf(cell[0], sizeof(cell[0]), "%lld", number_of(row, "id"));
		snprintf(cell[1], sizeof(cell[1]), "%.19s", text_of(row, "time"));
		snprintf(cell[2], sizeof(cell[2]), "%.31s", text_of(row, "worker"));
		snprintf(cell[3], sizeof(cell[3]), "%.31s", text_of(row, "version")[0] ? text_of(row, "version") : "-");
		for (int c = 0; c < 4; c++) {
			int width = c == 0 ? 6 : c == 1 ? 19 : c == 2 ? worker : version, len = (int)strlen(cell[c]);

			fprintf(out, "%*s", c == 0 && len < width ? width - len : 0, "");
			ctl_put(out, cell[c]);
			fprintf(out, "%*s  ", c != 0 && len < width ? width - len : 0, "");
		}
		ctl_put(out, text_of(row, "what"));
		fputc('\n', out);
	}
}

static void print_crashes(FILE *out, const json_t *reply)
{
	const json_t *rows = json_object_get(reply, "crashes");

	if (json_array_size(rows) == 0)
		fprintf(out, number_of(reply, "lost") > 0 ? "no death is on record\n" : "no worker has died but as ordered\n");
	else
		print_list(out, rows);
}

int ctl_crash_list(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = json_pack("{s:i}", "last", (int)o->last), *reply;
	int rc = ctl_ask_ok(o, "crash.list", args, CTL_ANSWER_MS, &reply, err);

	if (rc != CTL_OK)
		return rc;
	ctl_print_reply(o, reply, print_crashes, out);
	if (!o->json && number_of(reply, "lost") > 0) {
		fprintf(err, "batonctl: %lld deaths could not be recorded in ", number_of(reply, "lost"));
		ctl_put(err, text_of(reply, "directory"));
		fputc('\n', err);
	}
	json_decref(reply);
	return CTL_OK;
}

/* ---- show ---- */

static void put_place(FILE *out, const char *label, const json_t *place)
{
	put_label(out, label);
	if (text_of(place, "function")[0]) {
		ctl_put(out, text_of(place, "function"));
		fprintf(out, "+0x%llx (", (unsigned long long)number_of(place, "offset"));
	}
	ctl_put(out, text_of(place, "module")[0] ? text_of(place, "module") : text_of(place, "address"));
	if (text_of(place, "file_address")[0]) {
		fputc(' ', out);
		ctl_put(out, text_of(place, "file_address"));
	} else {
		fputs(", where nothing is loaded", out);
	}
	fputs(text_of(place, "function")[0] ? ")\n" : "\n", out);
}

static void put_code(FILE *out, const json_t *crash)
{
	const json_t *at = json_object_get(crash, "at");
	json_t *frame;
	size_t i;

	if (text_of(crash, "code")[0]) {
		put_label(out, "code");
		ctl_put(out, text_of(crash, "code"));
		if (text_of(crash, "code_words")[0]) {
			fputs(": ", out);
			ctl_put(out, text_of(crash, "code_words"));
		}
		fputc('\n', out);
	}
	put_line(out, "address", text_of(crash, "address"));
	if (at)
		put_place(out, "in", at);
	json_array_foreach(json_object_get(crash, "called_from"), i, frame)
		put_place(out, i == 0 ? "called by" : "", frame);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_payload(FILE *out, const char *hex)
{
	size_t bytes = strlen(hex) / 2;

	for (size_t row = 0; row < bytes; row += 16) {
		char text[17] = "";

		fprintf(out, "  %-*s %04zx ", LABEL, row == 0 ? "payload" : "", row);
		for (size_t i = 0; i < 16; i++) {
			int high = row + i < bytes ? hex_digit(hex[2 * (row + i)]) : -1;
			int low = row + i < bytes ? hex_digit(hex[2 * (row + i) + 1]) : -1;
			int byte = high * 16 + low;

			if (high < 0 || low < 0) {
				fputs("   ", out);
				continue;
			}
			fprintf(out, " %02x", (unsigned)byte);
			text[i] = byte >= 0x20 && byte < 0x7f ? (char)byte : '.';
		}
		fprintf(out, "  %s\n", text);
	}
}

static void put_entry(FILE *out, const json_t *entry)
{
	const json_t *game = json_object_get(entry, "game");
	bool packet = json_object_get(entry, "bucket") != NULL;

	put_label(out, "entry");
	ctl_put(out, text_of(entry, "kind"));
	if (text_of(entry, "service")[0]) {
		fputs(" of service ", out);
		ctl_put(out, text_of(entry, "service"));
	}
	if (packet)
		fprintf(out, ", bucket %lld, %lld bytes, %lld deaths before", number_of(entry, "bucket"),
			number_of(entry, "length"), number_of(entry, "attempts"));
	fprintf(out, ", position %lld of I/O lcore %lld\n", number_of(entry, "position"), number_of(entry, "lcore"));
	put_line(out, "", json_is_true(json_object_get(entry, "exact"))
				  ? "it was the one being handled"
				  : "it was the first that was not settled: that one, or one of the 63 after it, was being handled");
	put_line(out, "received", text_of(entry, "received"));
	if (game) {
		put_label(out, "game");
		if (text_of(game, "type")[0])
			ctl_put(out, text_of(game, "type"));
		else
			fprintf(out, "type %lld", number_of(game, "packet_type"));
		fprintf(out, " of player %lld, sequence %lld, packet_size %lld\n", number_of(game, "player"),
			number_of(game, "sequence"), number_of(game, "packet_size"));
	}
	put_payload(out, text_of(entry, "payload"));
}

static void put_lines(FILE *out, const char *label, const json_t *lines)
{
	json_t *line;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)lines, i, line)
		put_line(out, i == 0 ? label : "", json_string_value(line) ? json_string_value(line) : "");
}

static void print_crash(FILE *out, const json_t *reply)
{
	const json_t *crash = json_object_get(reply, "crash"), *entry = json_object_get(crash, "entry");

	fprintf(out, "crash %lld: ", number_of(crash, "id"));
	ctl_put(out, text_of(crash, "what"));
	fputc('\n', out);
	put_label(out, "when");
	ctl_put(out, text_of(crash, "time"));
	fprintf(out, ", %.3f s after its start\n", json_number_value(json_object_get(crash, "uptime_s")));
	put_label(out, "worker");
	ctl_put(out, text_of(crash, "worker"));
	fprintf(out, ", pid %lld, slot %lld, incarnation %lld\n", number_of(crash, "pid"), number_of(crash, "slot"),
		number_of(crash, "incarnation"));
	put_label(out, "plugin");
	ctl_put(out, text_of(crash, "plugin"));
	fputs(text_of(crash, "version")[0] ? " " : "", out);
	ctl_put(out, text_of(crash, "version"));
	fputs(", build ", out);
	ctl_put(out, text_of(crash, "build_id")[0] ? text_of(crash, "build_id") : "unknown");
	fputs(", ", out);
	ctl_put(out, text_of(crash, "file"));
	fputc('\n', out);
	put_label(out, "cause");
	ctl_put(out, text_of(crash, "cause"));
	fputs(": ", out);
	ctl_put(out, text_of(crash, "words"));
	fputc('\n', out);
	put_code(out, crash);
	if (entry)
		put_entry(out, entry);
	put_label(out, "left");
	fprintf(out, "%lld entries unsettled, %lld undo records rolled back\n", number_of(crash, "unsettled"),
		number_of(crash, "undone"));
	put_lines(out, "log", json_object_get(crash, "log"));
	put_lines(out, "source", json_object_get(crash, "commands"));
	if (json_array_size(json_object_get(reply, "withheld")) > 0)
		fputs("  payload and log lines are shown to operators only\n", out);
}

/* "last" or a number. */
static json_t *args_of(const char *target)
{
	char *end;
	unsigned long id = strtoul(target, &end, 10);

	if (strcmp(target, "last") == 0)
		return json_pack("{s:s}", "id", target);
	return target[0] >= '0' && target[0] <= '9' && *end == '\0' && id >= 1 && id <= 99999999
		       ? json_pack("{s:I}", "id", (json_int_t)id)
		       : NULL;
}

int ctl_crash_show(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = args_of(o->target);

	if (!args)
		return ctl_fail(o, CTL_USAGE, err, "give a number, as `batonctl crash list` has it, or last");
	return ctl_order(o, "crash.show", args, CTL_ANSWER_MS, print_crash, out, err);
}
