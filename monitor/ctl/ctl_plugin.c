/* batonctl plugin check: a plugin file looked at, described and tried out, before any worker gets to see it.
 *
 * Nothing of it is loaded here. Its bytes are read; its code runs in two processes of baton-zygote, confined as a
 * worker is, one for its descriptor and one for its callbacks, each with its own limit of time. What they say is the
 * plugin's word as much as theirs: it is parsed as anybody's. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ask.h"
#include "ctl_lines.h"
#include "ctl_reply.h"
#include "ctl_values.h"
#include "plugin_report.h"

#define DESCRIBE_MS 5000 /* as batond */
#define TRY_MS      15000

/* ---- the report ---- */

void plugin_say(struct plugin_report *r, enum plugin_level level, const char *what, const char *format, ...)
{
	static const char *const names[] = {"ok", "warn", "error"};
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (char *c = text; *c != 0; c++) /* names of symbols are anybody's bytes, and terminals obey some */
		if (*c < ' ' || *c > '~')
			*c = '.';
	json_array_append_new(r->lines, json_pack("{s:s, s:s, s:s}", "level", names[level], "what", what, "text", text));
	r->count[level]++;
}

static int print_report(const struct ctl_options *o, const char *file, const struct plugin_report *r, FILE *out)
{
	int code = r->count[PLUGIN_ERROR] != 0 ? CTL_FAILED : CTL_OK;
	size_t index;
	json_t *line;

	if (o->json) {
		json_t *name = ctl_text(file);
		json_t *object = json_pack("{s:i, s:b, s:i, s:o, s:i, s:i, s:O}", "schema", 1, "ok", code == CTL_OK,
					   "exit_code", code, "file", name, "errors", (int)r->count[PLUGIN_ERROR],
					   "warnings", (int)r->count[PLUGIN_WARN], "checks", r->lines);
		ctl_print_json(out, object);
		json_decref(object);
		return code;
	}
	json_array_foreach(r->lines, index, line)
		fprintf(out, "%-5s  %-10s  %s\n", json_string_value(json_object_get(line, "level")),
			json_string_value(json_object_get(line, "what")), json_string_value(json_object_get(line, "text")));
	fprintf(out, "%s: %u error%s, %u warning%s\n", file, r->count[PLUGIN_ERROR], r->count[PLUGIN_ERROR] == 1 ? "" : "s",
		r->count[PLUGIN_WARN], r->count[PLUGIN_WARN] == 1 ? "" : "s");
	return code;
}

/* ---- the file ---- */

static void check_file(struct plugin_report *r, const struct plugin_elf *e)
{
	plugin_say(r, PLUGIN_OK, "file", "a shared object for x86-64, %zu bytes", e->size);
	if (e->build_id[0] != 0)
		plugin_say(r, PLUGIN_OK, "build id", "%s", e->build_id);
	else
		plugin_say(r, PLUGIN_WARN, "build id", "none: nobody can tell which build a worker runs; link with "
			   "-Wl,--build-id=sha1");
	if (e->debug_info)
		plugin_say(r, PLUGIN_OK, "debug info", "present: addr2line and gdb name lines");
	else
		plugin_say(r, PLUGIN_WARN, "debug info", "none: a crash has no line numbers; build with -g, it costs "
			"nothing at "
			   "run time");
	if (e->text_relocations)
		plugin_say(r, PLUGIN_WARN, "code", "has text relocations, so it is written to when it is loaded and is no "
			"longer "
			   "shared: build all of it with -fPIC");
	if (e->executable_stack)
		plugin_say(r, PLUGIN_WARN, "stack", "wants an executable stack, which makes that of the whole worker one: "
			"link with "
			   "-Wl,-z,noexecstack, and look for assembler files or nested functions");
}

/* ---- the descriptor ---- */

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value != NULL ? value : "?";
}

/* Numbers that are allowed and cannot be meant. An insertion saves the record with the runtime's header of 16 bytes
 * behind an undo header of 16 (baton.h). */
static void check_sizes(struct plugin_report *r, const json_t *d)
{
	long long record = number_of(d, "record_size"), undo = number_of(d, "max_undo_bytes");
	long long insertion = 32 + ((record + 7) & ~7ll);

	if (record != 0 && undo == 0)
		plugin_say(r, PLUGIN_WARN, "undo", ".max_undo_bytes is 0: every insertion and every change is refused; an "
			"insertion "
			   "takes %lld", insertion);
	else if (record != 0 && undo < insertion)
		plugin_say(r, PLUGIN_WARN, "undo", ".max_undo_bytes is %lld, an insertion takes %lld: no record can be "
			"made", undo,
			   insertion);
	else if (record == 0 && undo != 0)
		plugin_say(r, PLUGIN_WARN, "undo", ".max_undo_bytes is %lld, but it has no records: set it to 0", undo);
	if (number_of(d, "schema") == 0)
		plugin_say(r, PLUGIN_WARN, "schema", ".schema is 0: start with 1, and raise it when the layout of a record "
			"changes");
}

/* One line of what the other process said. */
static const char *complaint(struct ask *ask)
{
	char *said = ask->complaint;

	said[ask->complaint_len] = 0;
	said[strcspn(said, "\n")] = 0;
	return said[0] != 0 ? said : "it did not say why";
}

static bool check_descriptor(struct plugin_report *r, const char *zygote, const char *file, int limit_ms)
{
	char *argv[] = {(char *)(uintptr_t)zygote, (char *)(uintptr_t) "--describe", (char *)(uintptr_t)file, NULL};
	struct ask ask = {.pid = 0};
	int status = 0, rc = ask_begin(&ask, argv, limit_ms < DESCRIBE_MS ? limit_ms : DESCRIBE_MS);
	json_t *d = NULL;

	if (rc == 0)
		rc = ask_wait(&ask, &status);
	if (rc == -ETIMEDOUT)
		plugin_say(r, PLUGIN_ERROR, "load", "not described within %d ms: does a constructor block?", ask.timeout_ms);
	else if (rc != 0)
		plugin_say(r, PLUGIN_ERROR, "load", "cannot run %s: %s", zygote, strerror(-rc));
	else if (WIFSIGNALED(status))
		plugin_say(r, PLUGIN_ERROR, "load", "died of signal %d (%s) while it was loaded", WTERMSIG(status),
			   strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		plugin_say(r, PLUGIN_ERROR, "descriptor", "%s", complaint(&ask));
	else if (!json_is_object(d = json_loadb(ask.text, ask.text_len, JSON_REJECT_DUPLICATES, NULL)))
		plugin_say(r, PLUGIN_ERROR, "load", "it was loaded, and then something else came than its descriptor: does a "
			   "constructor print or exit?");
	if (!json_is_object(d)) {
		json_decref(d);
		return false;
	}
	plugin_say(r, PLUGIN_OK, "descriptor", "%s, version %s, plugin ABI %lld; callbacks %s", text(d, "name"),
		   text(d, "version"), number_of(d, "abi"), text(d, "callbacks"));
	if (strcmp(text(d, "key"), "payload") == 0)
		plugin_say(r, PLUGIN_OK, "key", "%lld bytes at %lld of the payload", number_of(d, "key_length"),
			   number_of(d, "key_offset"));
	else
		plugin_say(r, PLUGIN_OK, "key", "%s", text(d, "key"));
	plugin_say(r, PLUGIN_OK, "records", "%lld bytes each, schema %lld; at most %lld undo bytes a call",
		   number_of(d, "record_size"), number_of(d, "schema"), number_of(d, "max_undo_bytes"));
	check_sizes(r, d);
	json_decref(d);
	return true;
}

/* ---- the callbacks ---- */

/* What the other process said, line by line. */
struct trial {
	struct plugin_report *report;
	struct ctl_lines lines;
	char stage[16];
	long long entry, bytes;
	bool over; /* it came to its own end */
	unsigned logs;
};

static void take_done(struct trial *t, const json_t *o)
{
	long long undone = number_of(o, "undone");

	t->over = true;
	plugin_say(t->report, PLUGIN_OK, "entries",
		   "%lld datagrams (%lld answered, %lld dropped), %lld messages and %lld ticks, each run, undone and run "
		   "again; at most %lld undo bytes", number_of(o, "packets"), number_of(o, "replies"), number_of(o, "drops"),
		   number_of(o, "messages"), number_of(o, "ticks"), number_of(o, "undo_bytes"));
	if (undone != 0)
		plugin_say(t->report, PLUGIN_WARN, "undo", "%lld of them needed more than .max_undo_bytes, or posted more than "
			   ".max_posts, and were undone and dropped: raise it", undone);
}

static void take(void *arg, json_t *o)
{
	struct trial *t = arg;

	if (t->over)
		return;
	if (json_object_get(o, "stage") != NULL) {
		snprintf(t->stage, sizeof(t->stage), "%.15s", text(o, "stage"));
		t->entry = number_of(o, "entry");
		t->bytes = number_of(o, "bytes");
	} else if (json_object_get(o, "log") != NULL && t->logs++ < 8) {
		plugin_say(t->report, PLUGIN_OK, "log", "%s", text(o, "log"));
	} else if (json_object_get(o, "init") != NULL && number_of(o, "init") != 0) {
		long long rc = number_of(o, "init");
		t->over = true;
		plugin_say(t->report, PLUGIN_WARN, "init", "refuses to start without settings: %lld (%s); no entry was "
			"tried", rc,
			   rc < 0 && rc > -4096 ? strerror((int)-rc) : "not a negative errno");
	} else if (json_object_get(o, "init") != NULL) {
		plugin_say(t->report, PLUGIN_OK, "init", "starts without settings");
	} else if (json_object_get(o, "refused") != NULL) {
		t->over = true;
		plugin_say(t->report, PLUGIN_ERROR, "load", "%s", text(o, "refused"));
	} else if (json_object_get(o, "finding") != NULL) {
		t->over = true;
		plugin_say(t->report, PLUGIN_ERROR, t->stage[0] != 0 ? t->stage : "load", "%s", text(o, "finding"));
	} else if (json_is_true(json_object_get(o, "done"))) {
		take_done(t, o);
	}
}

/* It did not come to its own end. */
static void say_end(struct trial *t, int rc, int status, int limit_ms)
{
	struct plugin_report *r = t->report;
	char where[64] = "load";

	if (strcmp(t->stage, "packet") == 0)
		snprintf(where, sizeof(where), "datagram %lld of %lld bytes", t->entry, t->bytes);
	else if (strcmp(t->stage, "tick") == 0)
		snprintf(where, sizeof(where), "tick %lld", t->entry);
	else if (t->stage[0] != 0)
		snprintf(where, sizeof(where), "%s", t->stage);
	const char *what = t->stage[0] != 0 ? t->stage : "load";
	if (rc == -ETIMEDOUT)
		plugin_say(r, PLUGIN_ERROR, what, "hangs: %s did not return within %d ms in all", where, limit_ms);
	else if (rc != 0)
		plugin_say(r, PLUGIN_ERROR, what, "cannot be tried: %s", strerror(-rc));
	else if (WIFSIGNALED(status))
		plugin_say(r, PLUGIN_ERROR, what, "died of signal %d (%s) in %s", WTERMSIG(status), strsignal(WTERMSIG(status)),
			   where);
	else
		plugin_say(r, PLUGIN_ERROR, what, "ended the process (exit status %d) in %s: a plugin returns, it never exits",
			   WEXITSTATUS(status), where);
}

static void check_callbacks(struct plugin_report *r, const char *zygote, const char *file, const struct ctl_options *o,
			    int limit_ms)
{
	char seed[24];
	char *argv[] = {(char *)(uintptr_t)zygote, (char *)(uintptr_t) "--seed", seed, (char *)(uintptr_t) "--try",
			(char *)(uintptr_t)file, NULL};
	struct trial trial = {.report = r, .lines = {.object = take, .arg = &trial}};
	struct ask ask = {.take = ctl_lines_take, .arg = &trial.lines};
	int status = 0, limit = limit_ms < TRY_MS ? limit_ms : TRY_MS;

	snprintf(seed, sizeof(seed), "%" PRIu64, o->seed);
	int rc = ask_begin(&ask, argv, limit);
	if (rc == 0)
		rc = ask_wait(&ask, &status);
	if (!trial.over || rc != 0)
		say_end(&trial, rc, status, limit);
	if (ask.complaint_total != 0)
		plugin_say(r, PLUGIN_WARN, "output", "printed %llu bytes, the first of them '%.60s': a worker has nowhere "
			"to print; "
			   "use baton_log() in init", (unsigned long long)ask.complaint_total, complaint(&ask));
}

/* ---- the command ---- */

static int read_zygote(struct plugin_elf *e, char *path, size_t bytes)
{
	char why[256];
	int rc = ask_find("baton-zygote", "BATON_ZYGOTE", path, bytes);
	int fd = rc == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return -ENOENT;
	rc = plugin_elf_read(e, fd, why, sizeof(why));
	close(fd);
	return rc;
}

static void check_all(struct plugin_report *r, const struct ctl_options *o, const char *file, int fd,
		      const struct plugin_elf *zygote, const char *program)
{
	int limit_ms = o->timeout_ms < INT_MAX ? (int)o->timeout_ms : INT_MAX;
	struct plugin_elf plugin;
	char why[256];

	if (plugin_elf_read(&plugin, fd, why, sizeof(why)) != 0) {
		plugin_say(r, PLUGIN_ERROR, "file", "%s", why);
		return;
	}
	check_file(r, &plugin);
	bool loads = plugin_imports(r, &plugin, zygote) == 0;
	plugin_elf_free(&plugin);
	if (loads && check_descriptor(r, program, file, limit_ms))
		check_callbacks(r, program, file, o, limit_ms);
}

int ctl_plugin_check(const struct ctl_options *o, FILE *out, FILE *err)
{
	struct plugin_report report = {.lines = json_array()};
	char program[PATH_MAX], file[PATH_MAX];
	struct plugin_elf zygote;
	struct stat status;
	/* Non-blocking: a FIFO in its place must not hold us up. */
	int fd = open(o->target, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || realpath(o->target, file) == NULL || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		int error = fd < 0 ? errno : 0;
		if (fd >= 0)
			close(fd);
		json_decref(report.lines);
		return ctl_fail(o, error == EACCES ? CTL_DENIED : CTL_NOT_FOUND, err, "%s: %s", o->target,
				error != 0 ? strerror(error) : "not a regular file");
	}
	int rc = read_zygote(&zygote, program, sizeof(program));
	if (rc != 0) {
		rc = ctl_fail(o, CTL_FAILED, err, "no program baton-zygote beside batonctl: install it there or set "
			      "BATON_ZYGOTE to its path");
	} else {
		check_all(&report, o, file, fd, &zygote, program);
		plugin_elf_free(&zygote);
		rc = print_report(o, o->target, &report, out);
	}
	close(fd);
	json_decref(report.lines);
	return rc;
}
