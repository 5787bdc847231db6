/* batonctl state verify: the state file looked at, live or when nobody has it open; see shared/state_verify.h. The
 * plugin that says what its records may be runs in a process of baton-zygote, confined as a worker is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ask.h"
#include "ctl_lines.h"
#include "ctl_reply.h"
#include "ctl_values.h"
#include "state_verify.h"

#define FINDINGS_MOST 1000u /* listed; all are counted */

struct verify_run {
	const struct ctl_options *o;
	FILE *err;
	const char *file;
	bool live;
	struct state state;
	struct state_verify verify;
	json_t *findings;                                 /* array of {group, slot, bucket, record, key, text} */
	char plugin[BATON_MAX_GROUPS][2 * BATON_PATH_BYTES]; /* that says what its records may be; empty: nobody does */
	const char *looked[BATON_MAX_GROUPS];             /* who did; NULL: nobody */
	FILE *records[BATON_MAX_GROUPS];                  /* on their way to it; NULL: nobody wants them */
	uint64_t wrong;
};

/* ---- findings ---- */

static void add(struct verify_run *run, const char *group, int64_t slot, int64_t bucket, int64_t record,
		const char *key, const char *text)
{
	json_t *o = json_object();

	run->wrong++;
	if (json_array_size(run->findings) >= FINDINGS_MOST) {
		json_decref(o);
		return;
	}
	if (group != NULL)
		json_object_set_new(o, "group", json_string(group));
	if (slot >= 0)
		json_object_set_new(o, "slot", json_integer(slot));
	if (bucket >= 0)
		json_object_set_new(o, "bucket", json_integer(bucket));
	if (record >= 0)
		json_object_set_new(o, "record", json_integer(record));
	if (key != NULL)
		json_object_set_new(o, "key", json_string(key));
	json_object_set_new(o, "text", json_string(text));
	json_array_append_new(run->findings, o);
}

static int64_t number_or_none(uint32_t n)
{
	return n == STATE_NOWHERE ? -1 : (int64_t)n;
}

static void found(void *arg, const struct state_finding *f)
{
	struct verify_run *run = arg;
	char key[32];

	snprintf(key, sizeof(key), "%#" PRIx64, f->key);
	add(run, f->group == STATE_NOWHERE ? NULL : run->state.header->group[f->group].name, number_or_none(f->slot),
	    number_or_none(f->bucket), number_or_none(f->record), f->record == STATE_NOWHERE ? NULL : key, f->text);
}

static void take_record(void *arg, uint32_t group, uint32_t bucket, uint32_t record, uint64_t key, const void *data)
{
	const struct verify_run *run = arg;
	const struct state_record_head head = {.bucket = bucket, .record = record, .key = key};

	if (run->records[group] == NULL)
		return;
	fwrite(&head, sizeof(head), 1, run->records[group]);
	fwrite(data, run->state.header->group[group].record_size, 1, run->records[group]);
}

/* ---- what the plugin says ---- */

struct listener {
	struct verify_run *run;
	uint32_t group;
	struct ctl_lines lines;
	bool has, done;
};

static void hear(void *arg, json_t *o)
{
	struct listener *l = arg;
	const char *key = json_string_value(json_object_get(o, "key"));
	const char *text = json_string_value(json_object_get(o, "text"));

	if (json_is_true(json_object_get(o, "has")))
		l->has = true;
	else if (json_object_get(o, "done") != NULL)
		l->done = true;
	else if (text != NULL && key != NULL)
		add(l->run, l->run->state.header->group[l->group].name, -1, number_of(o, "bucket"), number_of(o, "record"), key,
		    text);
}

static void ask_plugin(struct verify_run *run, uint32_t group, const char *zygote)
{
	struct listener l = {.run = run, .group = group, .lines = {.object = hear, .arg = &l}};
	struct ask ask = {.take = ctl_lines_take, .arg = &l.lines};
	char text[200], *argv[] = {(char *)(uintptr_t)zygote, (char *)(uintptr_t) "--verify", run->plugin[group], NULL};
	int status = 0, ms = run->o->timeout_ms < INT_MAX ? (int)run->o->timeout_ms : INT_MAX;

	fflush(run->records[group]);
	ask.in = fileno(run->records[group]);
	lseek(ask.in, 0, SEEK_SET);
	int rc = ask_begin_with(&ask, argv, ms);
	if (rc == 0)
		rc = ask_wait(&ask, &status);
	ask.complaint[ask.complaint_len < sizeof(ask.complaint) ? ask.complaint_len : sizeof(ask.complaint) - 1] = 0;
	ask.complaint[strcspn(ask.complaint, "\n")] = 0;
	if (rc == 0 && l.done) {
		run->looked[group] = l.has ? run->plugin[group] : NULL;
		return;
	}
	snprintf(text, sizeof(text), "its plugin %.80s looked at no more: %.60s", run->plugin[group],
		 rc == -ETIMEDOUT ? "it took too long" : rc != 0 ? strerror(-rc) : WIFSIGNALED(status) ?
		 strsignal(WTERMSIG(status)) : ask.complaint[0] ? ask.complaint : "it ended");
	add(run, run->state.header->group[group].name, -1, -1, -1, NULL, text);
}

/* A place for the records of each group that has somebody to look at them. */
static void open_records(struct verify_run *run)
{
	const struct state_header *h = run->state.header;

	for (uint32_t g = 0; g < h->groups; g++) {
		struct state_records_head head = {STATE_RECORDS_MAGIC, h->salt, h->group[g].buckets, h->group[g].record_size};
		int fd = run->plugin[g][0] && h->group[g].record_size != 0 ? memfd_create("baton-records", MFD_CLOEXEC) : -1;

		run->records[g] = fd < 0 ? NULL : fdopen(fd, "w+");
		if (run->records[g] != NULL)
			fwrite(&head, sizeof(head), 1, run->records[g]);
	}
}

static void ask_plugins(struct verify_run *run)
{
	char zygote[PATH_MAX];
	int rc = ask_find("baton-zygote", "BATON_ZYGOTE", zygote, sizeof(zygote));

	for (uint32_t g = 0; g < run->state.header->groups; g++) {
		if (run->records[g] == NULL)
			continue;
		if (rc == 0)
			ask_plugin(run, g, zygote);
		else
			add(run, run->state.header->group[g].name, -1, -1, -1, NULL,
			    "no program baton-zygote beside batonctl to have its plugin look: set BATON_ZYGOTE to its path");
		fclose(run->records[g]);
	}
}

/* ---- the report ---- */

static uint64_t records_of(const struct verify_run *run)
{
	uint64_t sum = 0;

	for (uint32_t g = 0; g < run->state.header->groups; g++)
		sum += run->verify.records[g];
	return sum;
}

static void print_json(const struct verify_run *run, int code, FILE *out)
{
	const struct state_header *h = run->state.header;
	json_t *groups = json_array(), *name = ctl_text(run->file);

	for (uint32_t g = 0; g < h->groups; g++)
		json_array_append_new(groups, json_pack("{s:s, s:i, s:I, s:o}", "name", h->group[g].name, "buckets",
			(int)h->group[g].buckets, "records", (json_int_t)run->verify.records[g], "looked_at_by",
			run->looked[g] != NULL ? json_string(run->looked[g]) : json_null()));
	json_t *o = json_pack("{s:i, s:b, s:i, s:o, s:b, s:o, s:I, s:I, s:O}", "schema", 1, "ok", code == CTL_OK,
			      "exit_code", code, "file", name, "live", run->live, "groups", groups, "wrong",
			      (json_int_t)run->wrong, "busy_buckets", (json_int_t)run->verify.busy, "findings", run->findings);
	ctl_print_json(out, o);
	json_decref(o);
}

static void print_finding(const json_t *f, FILE *out)
{
	const char *group = json_string_value(json_object_get(f, "group"));
	const char *key = json_string_value(json_object_get(f, "key"));
	const json_t *slot = json_object_get(f, "slot"), *bucket = json_object_get(f, "bucket");
	const json_t *record = json_object_get(f, "record");

	if (group != NULL)
		fprintf(out, "%s", group);
	if (slot != NULL)
		fprintf(out, "worker slot %lld", (long long)json_integer_value(slot));
	if (bucket != NULL)
		fprintf(out, " bucket %lld", (long long)json_integer_value(bucket));
	if (record != NULL)
		fprintf(out, " record %lld", (long long)json_integer_value(record));
	if (key != NULL)
		fprintf(out, " key %s", key);
	fprintf(out, ": %s\n", json_string_value(json_object_get(f, "text")));
}

static int report(const struct verify_run *run, FILE *out)
{
	int code = run->wrong != 0 ? CTL_FAILED : CTL_OK;
	size_t i;
	const json_t *f;

	if (run->o->json) {
		print_json(run, code, out);
		return code;
	}
	json_array_foreach(run->findings, i, f)
		print_finding(f, out);
	if (run->wrong > json_array_size(run->findings))
		fprintf(out, "and %" PRIu64 " more\n", run->wrong - json_array_size(run->findings));
	for (uint32_t g = 0; g < run->state.header->groups; g++)
		if (run->looked[g] == NULL && run->state.header->group[g].record_size != 0)
			fprintf(out, "%s: only the tables were looked at: %s\n", run->state.header->group[g].name,
				run->plugin[g][0] ? "its plugin has no verify" : "no plugin was named, see --plugin");
	if (run->verify.busy != 0)
		fprintf(out, "%" PRIu64 " buckets changed all the time and were not looked at\n", run->verify.busy);
	fprintf(out, "%s, %s: %" PRIu64 " buckets, %" PRIu64 " records: ", run->file, run->live ? "live" : "at rest",
		run->verify.buckets, records_of(run));
	fprintf(out, run->wrong == 0 ? "nothing is wrong\n" : "%" PRIu64 " things are wrong\n", run->wrong);
	return code;
}

/* ---- the file ---- */

/* --plugin is for the groups whose records are of its size, which it says itself; here: for all, the others refuse
 * it. */
static void use_plugin(struct verify_run *run, const char *plugin)
{
	for (uint32_t g = 0; g < BATON_MAX_GROUPS; g++)
		snprintf(run->plugin[g], sizeof(run->plugin[g]), "%s", plugin);
}

/* Maps it, live or as a copy. Returns CTL_OK or the exit code after a line. */
static int attach(struct verify_run *run, int fd)
{
	char why[256] = "";
	struct stat file;
	int rc;

	run->live = flock(fd, LOCK_SH | LOCK_NB) != 0;
	run->verify = (struct state_verify){.live = run->live, .found = found, .record = take_record, .arg = run};
	if (!run->live) {
		rc = state_verify_copy(&run->state, fd, &run->verify, why, sizeof(why));
	} else {
		rc = fstat(fd, &file) != 0 ? -errno : state_attach(&run->state, dup(fd), false);
		if (rc == -EPROTO)
			snprintf(why, sizeof(why), "not a Baton state file, or of another version");
		if (rc == 0)
			rc = state_verify_header(run->state.header, (uint64_t)file.st_size, why, sizeof(why));
	}
	if (rc == 0)
		return CTL_OK;
	return ctl_fail(run->o, CTL_FAILED, run->err, "%s: %s", run->file, why[0] ? why : strerror(-rc));
}

static int look(struct verify_run *run, int fd, FILE *out)
{
	int rc = attach(run, fd);

	if (rc != CTL_OK)
		return rc;
	open_records(run);
	if (state_verify(&run->state, &run->verify) != 0)
		return ctl_fail(run->o, CTL_FAILED, run->err, "%s: no memory to look at it", run->file);
	if (!run->live)
		flock(fd, LOCK_UN); /* what is left to do looks at copies: a start need not wait for it */
	ask_plugins(run);
	rc = report(run, out);
	if (!run->live)
		state_verify_copy_free(&run->state);
	else
		state_close(&run->state);
	return rc;
}

/* Where the daemon has it, and which files its groups run. */
static int ask_daemon(struct verify_run *run, char *path, size_t bytes)
{
	struct ctl_options o = *run->o;
	json_t *reply = NULL, *group;
	size_t i;
	int rc = ctl_find_socket(&o, run->err);

	if (rc == CTL_OK)
		rc = ctl_ask_ok(&o, "state.info", json_object(), CTL_ANSWER_MS, &reply, run->err);
	if (rc != CTL_OK)
		return rc;
	snprintf(path, bytes, "%s", text_of(reply, "file"));
	json_array_foreach(json_object_get(reply, "groups"), i, group) {
		const char *plugin = json_string_value(json_object_get(group, "plugin"));
		if (i < BATON_MAX_GROUPS && plugin)
			snprintf(run->plugin[i], sizeof(run->plugin[i]), "%s", plugin);
	}
	json_decref(reply);
	return CTL_OK;
}

int ctl_state_verify(const struct ctl_options *o, FILE *out, FILE *err)
{
	struct verify_run *run = calloc(1, sizeof(*run));
	char path[2 * BATON_PATH_BYTES];
	int rc = CTL_OK, fd = -1;

	if (run == NULL)
		return ctl_fail(o, CTL_FAILED, err, "out of memory");
	run->o = o;
	run->err = err;
	run->state.fd = -1;
	run->findings = json_array();
	if (o->target == NULL)
		rc = ask_daemon(run, path, sizeof(path));
	run->file = o->target != NULL ? o->target : path;
	if (o->plugin != NULL)
		use_plugin(run, o->plugin);
	if (rc == CTL_OK && (fd = open(run->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
		rc = ctl_fail(o, errno == EACCES ? CTL_DENIED : CTL_NOT_FOUND, err, "%s: %s%s", run->file, strerror(errno),
			      errno == EACCES ? ": run it as root" : "");
	if (rc == CTL_OK)
		rc = look(run, fd, out);
	if (fd >= 0)
		close(fd);
	json_decref(run->findings);
	free(run);
	return rc;
}
