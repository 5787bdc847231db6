/* A plugin tried out: loaded, initialised, fed with datagrams, messages and ticks, each in verify mode. */
#define _GNU_SOURCE
#include "try.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "plugin.h"
#include "sandbox.h"

#define BUCKETS  64u
#define SLOTS    16u /* records of a bucket: few, so that it fills up */
#define PACKETS  512u
#define PER_TICK 16u
#define KEYS     32u /* players that come back */
#define START_NS 1700000000000000000ull

static int out_fd; /* where JSON goes: no number that a plugin would guess */

/* One plugin, one process. */
static struct {
	uint64_t random;
	struct sandbox sandbox;
	struct baton_ctx ctx;
	struct baton_peer peer[4];
	uint64_t time_ns;
	uint32_t packets, replies, drops, ticks, messages, undone, undo_bytes;
} run;

/* ---- saying ---- */

void try_say(const char *format, ...)
{
	char line[4096];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (int at = 0; at < len;) {
		ssize_t n = write(out_fd, line + at, (size_t)(len - at));
		if (n < 0 && errno != EINTR)
			_exit(1); /* nobody listens any more */
		at += n > 0 ? (int)n : 0;
	}
}

/* Text as the inside of a JSON string; what is not printable becomes a dot. */
const char *try_quoted(const char *text)
{
	static char out[2048];
	size_t at = 0;

	for (; *text != 0 && at < sizeof(out) - 2; text++) {
		if (*text == '"' || *text == '\\')
			out[at++] = '\\';
		out[at++] = *text >= ' ' && *text <= '~' ? *text : '.';
	}
	out[at] = 0;
	return out;
}

static void say_log(const char *text)
{
	try_say("{\"log\":\"%s\"}\n", try_quoted(text));
}

static int say_finding(void)
{
	try_say("{\"finding\":\"%s\",\"signal\":%d}\n", try_quoted(verify_finding(run.sandbox.verify)),
	    verify_signal(run.sandbox.verify));
	return 1;
}

/* ---- entries ---- */

/* xorshift64* (Vigna 2016) */
static uint32_t below(uint32_t n)
{
	run.random ^= run.random >> 12;
	run.random ^= run.random << 25;
	run.random ^= run.random >> 27;
	return (uint32_t)((run.random * 0x2545f4914f6cdd1dull) >> 32) % n;
}

/* First the empty one and every short length, then lengths up to the longest, mostly short ones. Bytes are zeroes,
 * ones, small numbers or noise; the first word is often the length and the second small, as protocols have it; the key
 * is often one that has come before. */
static uint16_t make_datagram(uint32_t number, uint8_t *data)
{
	const struct baton_plugin *p = run.sandbox.plugin;
	uint32_t len = number < 65 ? number : below(4) != 0 ? below(128) : below(BELT_CELL_BYTES + 1);
	uint32_t kind = below(4);

	for (uint32_t i = 0; i < len; i++)
		data[i] = kind == 0 ? 0 : kind == 1 ? 0xff : kind == 3 ? (uint8_t)below(256) :
			  i % 4 == 0 ? (uint8_t)below(8) : 0;
	if (len >= 8 && below(2) == 0) {
		memcpy(data, &len, 4);
		uint32_t type = below(8);
		memcpy(data + 4, &type, 4);
	}
	if (p->key == BATON_KEY_PAYLOAD && below(4) != 0 && p->key_offset + p->key_length <= len) {
		uint64_t key = below(KEYS);
		memcpy(data + p->key_offset, &key, p->key_length);
	}
	return (uint16_t)len;
}

static int finish(int rc, baton_verdict verdict)
{
	uint32_t kind = verdict & 0xffffu;

	if (rc != 0)
		return say_finding();
	run.undone += verdict == BATON_DROP_REFUSED;
	run.replies += kind == BATON_REPLY || kind == BATON_REPLY_ERROR;
	run.drops += kind == BATON_DROP_MALFORMED || kind == BATON_DROP_RUNT;
	if (verdict != BATON_DROP_REFUSED && run.sandbox.undo_bytes > run.undo_bytes)
		run.undo_bytes = run.sandbox.undo_bytes;
	return 0;
}

static int try_message(uint32_t bucket, uint8_t *data, uint16_t len)
{
	struct baton_packet packet = {.len = len, .bucket = (uint16_t)bucket, .time_ns = run.time_ns++};
	struct verify_call call = {.kind = VERIFY_MESSAGE, .packet = &packet, .data = data};
	baton_verdict verdict;

	try_say("{\"stage\":\"message\",\"entry\":%u,\"bytes\":%u}\n", run.messages, len);
	run.messages++;
	int rc = sandbox_run(&run.sandbox, &call, bucket, packet.time_ns, &verdict);
	return finish(rc, verdict);
}

/* What the last call posted arrives, and what that posts, a few times over; now and then one that nobody posted. */
static int deliver_messages(void)
{
	uint8_t data[BATON_POSTS_MOST][BATON_MESSAGE_MOST + 16];
	uint32_t bucket[BATON_POSTS_MOST];
	uint16_t len[BATON_POSTS_MOST];

	for (uint32_t round = 0; round < 4; round++) {
		const struct sandbox *s = &run.sandbox;
		uint32_t count = 0;

		for (uint64_t at = s->out_first; at != s->consumer.filled && count < BATON_POSTS_MOST; at++) {
			const struct belt_out_cell *cell = &s->belt->out[at % BELT_OUT_CELLS];

			if (cell->kind != BELT_OUT_MESSAGE)
				continue;
			bucket[count] = cell->bucket;
			len[count] = cell->len;
			memcpy(data[count++], cell->data, cell->len);
		}
		if (count == 0 && round == 0 && below(8) == 0) {
			bucket[0] = below(BUCKETS);
			len[0] = (uint16_t)(1 + below(BATON_MESSAGE_MOST));
			for (uint32_t i = 0; i < len[0]; i++)
				data[0][i] = (uint8_t)below(below(2) != 0 ? 8 : 256);
			count = 1;
		}
		for (uint32_t i = 0; i < count; i++)
			if (try_message(bucket[i], data[i], len[i]) != 0)
				return 1;
		if (count == 0)
			break;
	}
	return 0;
}

static int try_packet(uint32_t number)
{
	static uint8_t data[BELT_CELL_BYTES + 64];
	baton_verdict verdict;
	uint16_t len = make_datagram(number, data);

	run.ctx.peer = &run.peer[below(4)];
	int32_t bucket = sandbox_bucket(&run.sandbox, run.ctx.peer, data, len);
	if (bucket < 0)
		return 0; /* no worker sees it */
	struct baton_packet packet = {.len = len, .bucket = (uint16_t)bucket, .time_ns = run.time_ns++};
	struct verify_call call = {.kind = VERIFY_PACKET, .packet = &packet, .data = data};
	try_say("{\"stage\":\"packet\",\"entry\":%u,\"bytes\":%u}\n", number, len);
	run.packets++;
	int rc = sandbox_run(&run.sandbox, &call, packet.bucket, packet.time_ns, &verdict);
	rc = finish(rc, verdict);
	return rc == 0 && run.sandbox.plugin->message != NULL ? deliver_messages() : rc;
}

/* All buckets, one tick each, a second after the one before. */
static int try_tick(uint64_t number)
{
	int rc = 0;

	run.time_ns += 1000000000;
	try_say("{\"stage\":\"tick\",\"entry\":%" PRIu64 ",\"bytes\":0}\n", number);
	for (uint32_t bucket = 0; bucket < BUCKETS && rc == 0; bucket++) {
		struct verify_call call = {.kind = VERIFY_TICK, .number = number};
		baton_verdict verdict;

		run.ticks++;
		rc = sandbox_run(&run.sandbox, &call, bucket, run.time_ns, &verdict);
		rc = finish(rc, verdict);
	}
	return rc;
}

static int try_entries(void)
{
	const struct baton_plugin *p = run.sandbox.plugin;

	for (uint32_t i = 0; i < 4; i++)
		run.peer[i] = (struct baton_peer){.ip = 0x0200000au | i << 24, .udp_port = (uint16_t)(0x8813 + (i << 8))};
	run.time_ns = START_NS;
	for (uint32_t i = 0; i < PACKETS; i++) {
		if (try_packet(i) != 0)
			return 1;
		if (p->tick != NULL && i % PER_TICK == PER_TICK - 1 && try_tick(1 + i / PER_TICK) != 0)
			return 1;
	}
	try_say("{\"done\":true,\"packets\":%u,\"replies\":%u,\"drops\":%u,\"ticks\":%u,\"messages\":%u,"
	    "\"undone\":%u,\"undo_bytes\":%u}\n",
	    run.packets, run.replies, run.drops, run.ticks, run.messages, run.undone, run.undo_bytes);
	return 0;
}

/* ---- the whole ---- */

/* What a worker may use without end would be ours to lose. */
static void limit(void)
{
	static const struct { int what; rlim_t most; } limits[] = {
		{RLIMIT_CORE, 0}, {RLIMIT_FSIZE, 0}, {RLIMIT_AS, 4ul << 30}, {RLIMIT_CPU, 60},
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		setrlimit(limits[i].what, &(struct rlimit){limits[i].most, limits[i].most});
}

int try_start(void)
{
	out_fd = fcntl(1, F_DUPFD_CLOEXEC, 100);
	if (out_fd < 0 || dup2(2, 1) < 0)
		return -errno;
	setvbuf(stdout, NULL, _IONBF, 0);
	limit();
	host_log_to(say_log);
	return 0;
}

int try_load(const char *path, struct plugin *plugin)
{
	char why[PLUGIN_WHY_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		try_say("{\"refused\":\"cannot be opened: %s\"}\n", fd < 0 ? strerror(errno) : "not a file");
		return 1;
	}
	try_say("{\"stage\":\"load\",\"entry\":0,\"bytes\":0}\n");
	if (plugin_load(plugin, fd, path, why, sizeof(why)) != 0) {
		try_say("{\"refused\":\"%s\"}\n", try_quoted(why));
		return 1;
	}
	return 0;
}

static int load_and_init(const char *path, struct plugin *plugin)
{
	int rc = 1;

	if (try_load(path, plugin) != 0)
		return 1;
	if (sandbox_create(&run.sandbox, plugin->descriptor, &run.ctx, BUCKETS, SLOTS, true) != 0) {
		try_say("{\"refused\":\"no memory to try it in\"}\n");
		return 1;
	}
	try_say("{\"stage\":\"init\",\"entry\":0,\"bytes\":0}\n");
	if (verify_init(run.sandbox.verify, &run.ctx, &rc) != 0)
		return say_finding();
	try_say("{\"init\":%d}\n", rc);
	return rc != 0;
}

int try_plugin(const char *path, uint64_t seed)
{
	struct plugin plugin;

	if (try_start() != 0)
		return 1;
	run.random = seed * 2 + 1; /* never 0 */
	if (load_and_init(path, &plugin) != 0)
		return 1;
	return try_entries();
}
