/* One entry, one plugin, one process. */
#define _GNU_SOURCE
#include "replay.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "host.h"
#include "kept.h"
#include "plugin.h"
#include "sandbox.h"
#include "try.h"

#define SLOTS      16u /* records of a bucket */
#define SLOTS_MANY 2u  /* of a service with many buckets: only one of them is used */
#define MANY       8192u

struct entry {
	bool is_message;
	uint32_t bucket, buckets;
	uint64_t time_ns;
	struct baton_peer peer;
	uint16_t len;
	uint8_t data[BELT_CELL_BYTES + 64];
};

static struct {
	struct sandbox sandbox;
	struct baton_ctx ctx;
	struct entry entry;
	struct zygote_spawn spawn; /* for its settings */
	uintptr_t base, end;       /* of the plugin in memory; 0: not loaded */
	const struct kept_head *kept; /* NULL: no records were given */
} run;

void replay_setting(const char *text)
{
	const char *equals = strchr(text, '=');
	struct config_setting *setting = &run.spawn.setting[run.spawn.settings];

	if (equals == NULL || run.spawn.settings == CONFIG_SETTINGS ||
	    (size_t)(equals - text) >= sizeof(setting->key) || strlen(equals + 1) >= sizeof(setting->value))
		return;
	snprintf(setting->key, sizeof(setting->key), "%.*s", (int)(equals - text), text);
	snprintf(setting->value, sizeof(setting->value), "%s", equals + 1);
	run.spawn.settings++;
}

/* ---- faults ---- */

/* Then the default action, which ends the process by the same signal: of a fault the instruction is tried again, and
 * abort() raises it again. */
static void on_fault(int number, siginfo_t *info, void *context)
{
	uintptr_t ip = (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	char at[64] = "";

	if (run.base != 0 && ip >= run.base && ip < run.end)
		snprintf(at, sizeof(at), ",\"offset\":\"0x%" PRIxPTR "\"", ip - run.base);
	try_say("{\"signal\":%d,\"code\":%d,\"address\":\"0x%" PRIxPTR "\",\"ip\":\"0x%" PRIxPTR "\"%s}\n", number,
		info->si_code, info->si_code > 0 ? (uintptr_t)info->si_addr : 0, ip, at);
}

void replay_watch(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
	static uint8_t stack[65536];
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND};

	sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigaction(faults[i], &action, NULL);
}

static void learn_place(const struct baton_plugin *plugin)
{
	Dl_info info;

	if (dladdr(plugin, &info) == 0)
		return;
	run.base = (uintptr_t)info.dli_fbase;
	run.end = (uintptr_t)plugin + sizeof(*plugin); /* data stands behind the code */
}

/* ---- the entry ---- */

static bool read_hex(const char *text, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++) {
		unsigned value;
		if (sscanf(text + 2 * i, "%2x", &value) != 1)
			return false;
		out[i] = (uint8_t)value;
	}
	return true;
}

static bool parse(const char *text, struct entry *e)
{
	char kind[8], ip[9], port[5];
	int at = 0;

	if (sscanf(text, "%7[a-z]:%" SCNu32 ":%" SCNu32 ":%" SCNu64 ":%8[0-9a-f]:%4[0-9a-f]:%n", kind, &e->bucket,
		   &e->buckets, &e->time_ns, ip, port, &at) != 6 || at == 0)
		return false;
	const char *hex = text + at;
	size_t digits = strspn(hex, "0123456789abcdef");
	e->is_message = strcmp(kind, "message") == 0;
	size_t most = e->is_message ? BATON_MESSAGE_MOST : BELT_CELL_BYTES;
	e->len = (uint16_t)(digits / 2);
	return (e->is_message || strcmp(kind, "packet") == 0) && hex[digits] == 0 && digits % 2 == 0 &&
	       digits / 2 <= most && e->bucket < e->buckets && strlen(ip) == 8 && strlen(port) == 4 &&
	       read_hex(ip, 4, (uint8_t *)&e->peer.ip) && read_hex(port, 2, (uint8_t *)&e->peer.udp_port) &&
	       read_hex(hex, digits / 2, e->data);
}

static const char *verdict_text(baton_verdict verdict)
{
	static const char *const text[BATON_VERDICT_COUNT] = {
		[BATON_NO_REPLY] = "handled, no reply", [BATON_REPLY] = "reply", [BATON_REPLY_ERROR] = "error reply",
		[BATON_DROP_MALFORMED] = "dropped as malformed", [BATON_DROP_RUNT] = "dropped as a runt",
		[BATON_DROP_REFUSED] = "undone: it needs more undo bytes than the plugin declares",
	};
	uint32_t what = verdict & 0xffffu;

	return what < BATON_VERDICT_COUNT ? text[what] : "no verdict there is: dropped as malformed";
}

static void say_result(const struct entry *e, baton_verdict verdict)
{
	const struct sandbox *s = &run.sandbox;
	uint32_t what = verdict & 0xffffu, len = verdict >> 16, messages = 0, packets = 0;
	static char hex[2 * BELT_CELL_BYTES + 1];

	if (what != BATON_REPLY && what != BATON_REPLY_ERROR)
		len = 0;
	for (uint32_t i = 0; i < len && i < e->len; i++)
		snprintf(hex + 2 * i, 3, "%02x", e->data[i]);
	for (uint64_t at = s->out_first; at != s->consumer.filled; at++)
		*(s->belt->out[at % BELT_OUT_CELLS].kind == BELT_OUT_MESSAGE ? &messages : &packets) += 1;
	try_say("{\"verdict\":\"%s%s\",\"reply_bytes\":%u,\"undo_bytes\":%u,\"messages\":%u,\"packets\":%u}\n",
		verdict_text(verdict), len > e->len ? " longer than the request: dropped as malformed" : "", len, run.ctx.used,
		messages, packets);
	for (const char *rest = hex; *rest != 0; rest += strnlen(rest, 2048)) /* a line has its limit */
		try_say("{\"reply\":\"%.2048s\"}\n", rest);
}

static int run_entry(const struct baton_plugin *plugin, struct entry *e)
{
	struct sandbox *s = &run.sandbox;
	struct baton_packet packet = {.len = e->len, .bucket = (uint16_t)e->bucket, .time_ns = e->time_ns};
	baton_verdict verdict = BATON_NO_REPLY;

	if (e->is_message && plugin->message == NULL) {
		try_say("{\"refused\":\"it has no callback for messages: such a version drops the entry\"}\n");
		return 1;
	}
	sandbox_begin(s, e->bucket, e->time_ns, e->time_ns);
	run.ctx.peer = &e->peer;
	try_say("{\"stage\":\"entry\"}\n");
	if (e->is_message) {
		run.ctx.posts = run.ctx.posts > 1 ? 1 : run.ctx.posts;
		plugin->message(&run.ctx, &packet, e->data);
	} else {
		verdict = plugin->packet(&run.ctx, &packet, e->data);
	}
	if (run.ctx.overflow) {
		s->consumer.filled = s->out_first;
		verdict = BATON_DROP_REFUSED;
	}
	say_result(e, verdict);
	return 0;
}

/* ---- the records ---- */

bool replay_records(void)
{
	uint8_t *bytes = aligned_alloc(64, KEPT_MOST + 64);
	size_t len = bytes == NULL ? 0 : fread(bytes, 1, KEPT_MOST + 1, stdin);

	if (len == 0 || len > KEPT_MOST || kept_check(bytes, len) != 0)
		return false;
	run.kept = (const void *)bytes;
	return true;
}

static int refuse_records(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int refuse_records(const char *format, ...)
{
	char why[300];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	try_say("{\"refused\":\"%s\"}\n", try_quoted(why));
	return 1;
}

/* Can the version run on them? */
static int check_records(const struct baton_plugin *plugin, const struct entry *e, const struct baton_older **from)
{
	const struct kept_head *kept = run.kept;

	*from = NULL;
	if (kept->bucket != e->bucket || kept->buckets != e->buckets)
		return refuse_records("the records are of bucket %u of %u, the entry is of bucket %u of %u", kept->bucket,
				      kept->buckets, e->bucket, e->buckets);
	if (kept->to != 0)
		return refuse_records("the records were on their way from schema %u to %u, half converted: "
				      "--without-records runs the entry on empty ones", kept->schema, kept->to);
	if (kept->schema == plugin->schema)
		return 0;
	for (uint32_t i = 0; i < plugin->olders; i++)
		if (plugin->older[i].schema == kept->schema)
			*from = &plugin->older[i];
	if (*from == NULL || plugin->migrate == NULL)
		return refuse_records("the records kept are of schema %u; version %s has schema %u and does not migrate "
				      "from it: --without-records runs the entry on empty ones", kept->schema, plugin->version,
				      plugin->schema);
	return 0;
}

/* As they stood in the state file: each in its slot. */
static void put_records(void)
{
	uint8_t *table = run.ctx.records + run.kept->bucket * run.ctx.bucket_bytes;

	for (uint32_t i = 0; i < run.kept->records; i++) {
		const struct snap_record *r = kept_record((const uint8_t *)run.kept, i);
		struct baton_record *record = (void *)(table + (size_t)r->slot * run.ctx.stride);

		record->key = r->key;
		record->state = r->state;
		memcpy(record + 1, r + 1, run.ctx.stride - sizeof(*record));
	}
}

/* As the worker does, record by record (migrate.c), but for the journal: nobody goes on from here. */
static int migrate_records(const struct baton_plugin *plugin, const struct baton_older *from)
{
	uint32_t wide = run.ctx.stride - (uint32_t)sizeof(struct baton_record), iter = 0;
	uint64_t key;
	uint8_t *data;

	sandbox_begin(&run.sandbox, run.kept->bucket, run.entry.time_ns, run.entry.time_ns);
	run.ctx.limit = run.ctx.used;
	try_say("{\"stage\":\"migrate\"}\n");
	while ((data = baton_next(&run.ctx, &iter, &key)) != NULL) {
		memset(data + from->record_size, 0, wide - from->record_size);
		if (!plugin->migrate(&run.ctx, key, data, from->schema) || run.ctx.overflow)
			return refuse_records("its migration from schema %u refuses the record of key %#" PRIx64, from->schema,
					      key);
	}
	return 0;
}

static int create_sandbox(const struct baton_plugin *plugin, const struct entry *e)
{
	uint32_t slots = e->buckets > MANY ? SLOTS_MANY : SLOTS;
	int rc = run.kept == NULL ? sandbox_create(&run.sandbox, plugin, &run.ctx, e->buckets, slots, false)
				  : sandbox_create_wide(&run.sandbox, plugin, &run.ctx, e->buckets, run.kept->bucket_slots,
							run.kept->stride, false);

	if (rc == -ERANGE)
		return refuse_records("its records of %u bytes do not fit into the %u of those kept", plugin->record_size,
				      run.kept->stride);
	if (rc != 0)
		return refuse_records("no memory to run it in");
	return 0;
}

int replay_entry(const char *path, const char *text)
{
	static struct plugin plugin;
	struct entry *e = &run.entry;

	if (try_start() != 0)
		return 1;
	if (!parse(text, e)) {
		try_say("{\"refused\":\"the entry cannot be read: batonctl and baton-zygote differ; install them "
			"together\"}\n");
		return 1;
	}
	if (try_load(path, &plugin) != 0)
		return 1;
	learn_place(plugin.descriptor);
	char version[64];
	snprintf(version, sizeof(version), "%s", try_quoted(plugin.descriptor->version));
	try_say("{\"plugin\":\"%s\",\"version\":\"%s\"}\n", try_quoted(plugin.descriptor->name), version);
	if (run.kept != NULL && plugin.descriptor->record_size == 0)
		run.kept = NULL; /* it has nowhere to look at them */
	const struct baton_older *from = NULL;
	if (run.kept != NULL && check_records(plugin.descriptor, e, &from) != 0)
		return 1;
	if (create_sandbox(plugin.descriptor, e) != 0)
		return 1;
	host_settings(&run.spawn);
	try_say("{\"stage\":\"init\"}\n");
	int rc = plugin.descriptor->init == NULL ? 0 : plugin.descriptor->init(&run.ctx);
	if (rc != 0) {
		try_say("{\"refused\":\"its init refuses to start: %s\"}\n", strerror(rc < 0 ? -rc : rc));
		return 1;
	}
	if (run.kept != NULL)
		put_records();
	if (from != NULL && migrate_records(plugin.descriptor, from) != 0)
		return 1;
	return run_entry(plugin.descriptor, e);
}
