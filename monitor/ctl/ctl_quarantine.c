/* batonctl quarantine list|show|replay: entries that kill workers. A replay runs here, in a process of baton-zygote
 * that is confined as a worker is, with the rights of who asks; batond only says what there is to run. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ask.h"
#include "config.h"
#include "ctl_lines.h"
#include "ctl_reply.h"
#include "ctl_values.h"

#define REPLAY_MS 5000

static const char *or_dash(const char *text)
{
	return text[0] ? text : "-";
}

static json_t *name_args(const struct ctl_options *o)
{
	json_t *args = json_object();

	json_object_set_new(args, "name", ctl_word(o->target));
	return args;
}

/* ---- list ---- */

static void print_list(FILE *out, const json_t *reply)
{
	const json_t *files = json_object_get(reply, "files"), *f;
	size_t i;

	if (json_array_size(files) == 0)
		fprintf(out, "nothing in %s\n", text_of(reply, "directory"));
	else
		fprintf(out, "%-50s %-8s %-12s %-12s %-10s %-10s %-16s %7s\n", "NAME", "ENTRY", "SERVICE", "WORKER", "VERSION",
			"SIGNAL", "ADDRESS", "BYTES");
	json_array_foreach(files, i, f) {
		if (json_is_true(json_object_get(f, "unreadable")))
			fprintf(out, "%-50s cannot be read\n", text_of(f, "name"));
		else
			fprintf(out, "%-50s %-8s %-12s %-12s %-10s %-10.10s %-16s %7lld\n", text_of(f, "name"),
				or_dash(text_of(f, "entry")), or_dash(text_of(f, "service")), or_dash(text_of(f, "worker")),
				or_dash(text_of(f, "version")), or_dash(text_of(f, "signal")), or_dash(text_of(f, "address")),
				number_of(f, "len"));
	}
	if (number_of(reply, "left") > number_of(reply, "kept"))
		fprintf(out, "%lld more have left since batond started and are in no file: its log says why\n",
			number_of(reply, "left") - number_of(reply, "kept"));
	if (number_of(reply, "attempts") == 0)
		fprintf(out, "the quarantine is off: quarantine.attempts\n");
}

int ctl_quarantine_list(const struct ctl_options *o, FILE *out, FILE *err)
{
	return ctl_order(o, "quarantine.list", json_object(), CTL_ANSWER_MS, print_list, out, err);
}

/* ---- show ---- */

static unsigned byte_at(const char *hex, size_t i)
{
	unsigned value = 0;

	sscanf(hex + 2 * i, "%2x", &value);
	return value;
}

static void print_bytes(FILE *out, const char *hex)
{
	size_t count = strlen(hex) / 2;

	for (size_t at = 0; at < count; at += 16) {
		fprintf(out, "  %04zx ", at);
		for (size_t i = at; i < at + 16; i++)
			if (i < count)
				fprintf(out, " %02x", byte_at(hex, i));
			else
				fputs("   ", out);
		fputs("  ", out);
		for (size_t i = at; i < at + 16 && i < count; i++)
			fputc(byte_at(hex, i) >= ' ' && byte_at(hex, i) <= '~' ? (int)byte_at(hex, i) : '.', out);
		fputc('\n', out);
	}
}

static void print_shown(FILE *out, const json_t *reply)
{
	const json_t *entry = json_object_get(reply, "entry");
	static const char *const keys[] = { "entry", "deaths", "signal", "address", "worker", "plugin", "version",
					    "build_id", "file", "service", "bucket", "time" };

	fprintf(out, "%s\n", text_of(entry, "name"));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *value = json_object_get(entry, keys[i]);
		if (json_is_integer(value))
			fprintf(out, "  %-9s %lld\n", keys[i], (long long)json_integer_value(value));
		else if (json_is_string(value))
			fprintf(out, "  %-9s %s\n", keys[i], json_string_value(value));
	}
	fprintf(out, "  payload   %zu bytes\n", strlen(text_of(entry, "payload")) / 2);
	print_bytes(out, text_of(entry, "payload"));
}

int ctl_quarantine_show(const struct ctl_options *o, FILE *out, FILE *err)
{
	return ctl_order(o, "quarantine.show", name_args(o), CTL_ANSWER_MS, print_shown, out, err);
}

/* ---- replay ---- */

/* What the other process said. */
struct replay {
	struct ctl_lines lines;
	json_t *fault, *result, *refused, *plugin; /* objects; NULL: it did not say so */
	json_t *logs;
	char reply[2 * 2048 + 1];
	size_t reply_len;
	char stage[16];
};

static void take(void *arg, json_t *o)
{
	struct replay *r = arg;
	const char *part = json_string_value(json_object_get(o, "reply"));

	if (json_object_get(o, "stage"))
		snprintf(r->stage, sizeof(r->stage), "%.15s", text_of(o, "stage"));
	else if (json_object_get(o, "log") && json_array_size(r->logs) < 20)
		json_array_append(r->logs, json_object_get(o, "log"));
	else if (json_object_get(o, "plugin") && !r->plugin)
		r->plugin = json_incref(o);
	else if (json_object_get(o, "signal") && !r->fault)
		r->fault = json_incref(o);
	else if (json_object_get(o, "refused") && !r->refused)
		r->refused = json_incref(o);
	else if (json_object_get(o, "verdict") && !r->result)
		r->result = json_incref(o);
	else if (part && strlen(part) < sizeof(r->reply) - r->reply_len) {
		memcpy(r->reply + r->reply_len, part, strlen(part) + 1);
		r->reply_len += strlen(part);
	}
}

/* The sender as the frame has it: its UDP port stands before the payload; IPv4 begins behind the EtherType. */
static void peer_of(const json_t *entry, char ip[9], char port[5])
{
	const char *frame = text_of(entry, "frame");
	long long payload_at = number_of(entry, "payload_at");
	size_t ip_at = strncmp(frame + (strlen(frame) > 24 ? 24 : strlen(frame)), "8100", 4) == 0 ? 18 : 14;

	snprintf(ip, 9, "00000000");
	snprintf(port, 5, "0000");
	if (payload_at < 42 || strlen(frame) < 2 * (size_t)payload_at)
		return;
	snprintf(ip, 9, "%.8s", frame + 2 * (ip_at + 12));
	snprintf(port, 5, "%.4s", frame + 2 * ((size_t)payload_at - 8));
}

static json_t *outcome(const struct replay *r, int rc, int status, uint32_t limit_ms)
{
	json_t *o = json_object();

	if (rc == -ETIMEDOUT) {
		json_object_set_new(o, "outcome", json_string("stalled"));
		json_object_set_new(o, "after_ms", json_integer(limit_ms));
	} else if (rc != 0) {
		json_object_set_new(o, "outcome", json_string("failed"));
		json_object_set_new(o, "error", json_string(strerror(-rc)));
	} else if (WIFSIGNALED(status)) {
		json_object_set_new(o, "outcome", json_string("signal"));
		json_object_set_new(o, "signal", json_integer(WTERMSIG(status)));
		json_object_set_new(o, "signal_text", json_string(strsignal(WTERMSIG(status))));
		if (r->fault && number_of(r->fault, "signal") == WTERMSIG(status)) {
			json_object_set(o, "address", json_object_get(r->fault, "address"));
			if (json_object_get(r->fault, "offset"))
				json_object_set(o, "offset", json_object_get(r->fault, "offset"));
		}
	} else if (r->refused) {
		json_object_set_new(o, "outcome", json_string("refused"));
		json_object_set(o, "error", json_object_get(r->refused, "refused"));
	} else if (r->result && WEXITSTATUS(status) == 0) {
		json_object_set_new(o, "outcome", json_string("handled"));
		json_object_update_missing(o, r->result);
		json_object_set_new(o, "reply", json_string(r->reply));
	} else {
		json_object_set_new(o, "outcome", json_string("exited"));
		json_object_set_new(o, "exit_status", json_integer(WEXITSTATUS(status)));
	}
	json_object_set_new(o, "stage", json_string(r->stage[0] ? r->stage : "load"));
	if (r->plugin) {
		json_object_set(o, "plugin", json_object_get(r->plugin, "plugin"));
		json_object_set(o, "version", json_object_get(r->plugin, "version"));
	}
	json_object_set(o, "log", r->logs);
	return o;
}

static void print_outcome(FILE *out, const json_t *o, const char *file)
{
	const char *how = text_of(o, "outcome");

	fprintf(out, "%s, %s %s, on %s records: ", file, or_dash(text_of(o, "plugin")), or_dash(text_of(o, "version")),
		text_of(o, "records"));
	if (strcmp(how, "handled") == 0) {
		fprintf(out, "handled: %s, %lld bytes; %lld undo bytes, %lld messages, %lld packets\n", text_of(o, "verdict"),
			number_of(o, "reply_bytes"), number_of(o, "undo_bytes"), number_of(o, "messages"),
			number_of(o, "packets"));
		print_bytes(out, text_of(o, "reply"));
	} else if (strcmp(how, "signal") == 0) {
		fprintf(out, "died of signal %lld (%s), address %s, in its %s\n", number_of(o, "signal"),
			text_of(o, "signal_text"), or_dash(text_of(o, "address")), text_of(o, "stage"));
		if (text_of(o, "offset")[0])
			fprintf(out, "  at offset %s of the file: addr2line -f -e %s %s\n", text_of(o, "offset"), file,
				text_of(o, "offset"));
	} else if (strcmp(how, "stalled") == 0) {
		fprintf(out, "did not return within %lld ms, in its %s\n", number_of(o, "after_ms"), text_of(o, "stage"));
	} else if (strcmp(how, "exited") == 0) {
		fprintf(out, "ended the process, exit status %lld, in its %s\n", number_of(o, "exit_status"),
			text_of(o, "stage"));
	} else {
		fprintf(out, "%s: %s\n", how, text_of(o, "error"));
	}
}

/* argv of the process: the settings, the entry, the file. Its texts are the reply's, or stand in the arrays. */
struct command_line {
	char *argv[2 * CONFIG_SETTINGS + 9];
	char setting[CONFIG_SETTINGS][BATON_NAME_BYTES + CONFIG_VALUE_BYTES + 2];
	char entry[3 * 2048 + 4096];
};

static void build(struct command_line *c, const char *program, const json_t *reply, bool records)
{
	const json_t *entry = json_object_get(reply, "entry");
	const char *key;
	json_t *value;
	char ip[9], port[5];
	uint32_t n = 0, settings = 0;

	c->argv[n++] = (char *)(uintptr_t)program;
	json_object_foreach((json_t *)(uintptr_t)json_object_get(reply, "settings"), key, value) {
		if (settings == CONFIG_SETTINGS)
			break;
		snprintf(c->setting[settings], sizeof(c->setting[0]), "%s=%s", key, json_string_value(value));
		c->argv[n++] = (char *)(uintptr_t) "--setting";
		c->argv[n++] = c->setting[settings++];
	}
	peer_of(entry, ip, port);
	const json_t *time = json_object_get(entry, "time_ns");
	char number[24];
	snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(time));
	snprintf(c->entry, sizeof(c->entry), "%s:%lld:%lld:%s:%s:%s:%s", text_of(entry, "entry"),
		 number_of(entry, "bucket"), number_of(reply, "buckets"),
		 json_is_string(time) ? json_string_value(time) : number, ip, port, text_of(entry, "payload"));
	c->argv[n++] = (char *)(uintptr_t) "--entry";
	c->argv[n++] = c->entry;
	if (records)
		c->argv[n++] = (char *)(uintptr_t) "--records";
	c->argv[n++] = (char *)(uintptr_t) "--replay";
	c->argv[n++] = (char *)(uintptr_t)text_of(reply, "run");
	c->argv[n] = NULL;
}

static uint8_t digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The records kept with the entry, in a file without a name; -1: there are none, or they are not wanted. */
static int records_fd(const struct ctl_options *o, const json_t *reply)
{
	const char *hex = text_of(json_object_get(reply, "entry"), "kept");
	size_t len = strlen(hex) / 2, at = 0;
	uint8_t *bytes = o->without_records || len == 0 ? NULL : malloc(len);
	int fd = bytes == NULL ? -1 : memfd_create("baton-records", MFD_CLOEXEC);

	for (; fd >= 0 && at < len; at++)
		bytes[at] = (uint8_t)(digit(hex[2 * at]) << 4 | digit(hex[2 * at + 1]));
	if (fd >= 0 && (write(fd, bytes, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0)) {
		close(fd);
		fd = -1;
	}
	free(bytes);
	return fd;
}

static int run(const struct ctl_options *o, const char *program, const json_t *reply, FILE *out)
{
	struct command_line *line = calloc(1, sizeof(*line));
	struct replay *r = calloc(1, sizeof(*r));
	uint32_t limit = o->timeout_ms < REPLAY_MS ? (uint32_t)o->timeout_ms : REPLAY_MS;
	struct ask asked = {.take = ctl_lines_take, .arg = r ? &r->lines : NULL};
	int status = 0, rc = line && r ? 0 : -ENOMEM, code = CTL_FAILED;
	asked.in = records_fd(o, reply);

	if (rc == 0) {
		r->lines.object = take;
		r->lines.arg = r;
		r->logs = json_array();
		build(line, program, reply, asked.in >= 0);
		rc = ask_begin_with(&asked, line->argv, (int)limit);
		if (rc == 0)
			rc = ask_wait(&asked, &status);
		json_t *result = outcome(r, rc, status, limit);
		code = strcmp(text_of(result, "outcome"), "handled") == 0 ? CTL_OK : CTL_FAILED;
		json_object_set_new(result, "schema", json_integer(1));
		json_object_set_new(result, "ok", json_boolean(code == CTL_OK));
		json_object_set(result, "file", json_object_get(reply, "run"));
		json_object_set(result, "name", json_object_get(json_object_get(reply, "entry"), "name"));
		json_object_set_new(result, "records", json_string(asked.in >= 0 ? "kept" : "empty"));
		if (o->json)
			ctl_print_json(out, result);
		else
			print_outcome(out, result, text_of(reply, "run"));
		json_decref(result);
		json_decref(r->fault);
		json_decref(r->result);
		json_decref(r->refused);
		json_decref(r->plugin);
		json_decref(r->logs);
	}
	if (asked.in >= 0)
		close(asked.in);
	free(line);
	free(r);
	return code;
}

int ctl_quarantine_replay(const struct ctl_options *o, FILE *out, FILE *err)
{
	char program[PATH_MAX], path[PATH_MAX];
	json_t *args = name_args(o), *reply = NULL;

	if (o->version) {
		/* A path is ours to open. */
		const char *version = strchr(o->version, '/') && realpath(o->version, path) ? path : o->version;
		json_object_set_new(args, "version", ctl_word(version));
	}
	int rc = ctl_ask_ok(o, "quarantine.replay", args, CTL_ANSWER_MS, &reply, err);
	if (rc != CTL_OK)
		return rc;
	if (ask_find("baton-zygote", "BATON_ZYGOTE", program, sizeof(program)) != 0)
		rc = ctl_fail(o, CTL_FAILED, err, "no program baton-zygote beside batonctl: install it there or set "
			      "BATON_ZYGOTE to its path");
	else if (access(text_of(reply, "run"), R_OK) != 0)
		rc = ctl_fail(o, errno == EACCES ? CTL_DENIED : CTL_NOT_FOUND, err, "%s: %s; --version names another plugin",
			      text_of(reply, "run"), strerror(errno));
	else
		rc = run(o, program, reply, out);
	json_decref(reply);
	return rc;
}
