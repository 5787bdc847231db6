/* What a worker says on its socket: the primary's side of it as it is, on a real socket. An input is a list of
 *
 *   'm' kind n bytes        a message of this version, its content the bytes, again and again
 *   'y' at n bytes          a READY that fits, but for n bytes at a place
 *   'r' n bytes             a datagram of any kind
 *   'f' n                   the next one carries n descriptors      'l' n   n lines to log
 *   's' state               the slot's process is in that state     'h'     the primary listens
 *   'c'                     the worker hangs up; another comes
 *
 * Whatever it was: what is kept of it are lines of text, a pid is taken once, who says what is said once again is
 * killed, and no descriptor stays. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crash_record.h"
#include "fuzz.h"
#include "log.h"
#include "process.h"
#include "schema_check.h"
#include "supervisor.h"

#define must(condition) ((condition) ? (void)0 : broken(__LINE__, #condition))
static void broken(int line, const char *what)
{
	printf("fuzz_worker.c:%d: not so: %s\n", line, what);
	fflush(stdout);
	abort();
}

#define PIDFD (1 << 20) /* none: it is never looked at */
#define LINES 101u      /* that may be logged at once; and one more with each tenth of a second */

static struct primary primary;
static struct supervisor sup;
static struct worker_slot *slot = &sup.slot[0];
static struct CoreStats page[2];
static int worker = -1, carried;
static uint32_t logged, killed;
static uint64_t came_ns;

/* ---- what worker_hear.c calls ---- */

static void must_be_line(const char *text, size_t room)
{
	must(memchr(text, 0, room) != NULL);
	for (; *text; text++)
		must((unsigned char)*text >= ' ' && *text != 127);
}

void log_line(enum log_level level, const char *format, ...)
{
	char text[2048];
	va_list args;

	(void)level;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	must_be_line(text, sizeof(text));
}

/* As worker_slot.c does it, but that nothing is really done. */
void slot_event(struct supervisor *s, uint32_t number, enum worker_event event)
{
	struct worker_step step = worker_life_step(s->slot[number].state, event);

	must(number == 0);
	if (!step.allowed)
		return;
	logged += step.action == ACTION_LOG;
	killed += step.action == ACTION_KILL;
	if (step.action == ACTION_NOTE_PID && slot->pid > 0)
		slot->pidfd = PIDFD;
	slot->state = step.next;
}

void crash_record_line(struct supervisor *s, uint32_t number, const char *line)
{
	(void)s;
	must(number == 0);
	must_be_line(line, sizeof(slot->words));
}

void crash_record_death(struct supervisor *s, uint32_t number, const struct process_end *end, bool refused,
			char *detail, size_t bytes)
{
	(void)s;
	(void)number;
	(void)end;
	(void)refused;
	(void)bytes;
	detail[0] = 0;
}

/* As if all schemas could be read: what READY says is compared in plugin_info.c. */
void schema_info(const struct worker_ready *ready, struct plugin_info *info)
{
	*info = (struct plugin_info){ .schema = ready->schema };
}

enum schema_way schema_check_group(const struct primary *p, uint32_t group, const struct plugin_info *info,
				   char *why, size_t bytes)
{
	(void)why;
	(void)bytes;
	must(p == &primary && group == 0 && info);
	return SCHEMA_SAME;
}

/* ---- the worker ---- */

static void hang_up(void)
{
	if (worker >= 0)
		close(worker);
	if (slot->socket >= 0)
		close(slot->socket);
	worker = slot->socket = -1;
}

/* The next one gets the same connection, if it still stands: what was said and not heard is forgotten. */
static bool same_again(void)
{
	static char heard[sizeof(struct zygote_message)];

	if (worker < 0 || slot->socket < 0 || slot->fenced)
		return false;
	while (recv(slot->socket, heard, sizeof(heard), MSG_DONTWAIT) >= 0)
		;
	return errno == EAGAIN;
}

static void come(void)
{
	int pair[2] = {slot->socket, worker}, on = 1;

	if (!same_again()) {
		hang_up();
		must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
		must(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	}
	*slot = (struct worker_slot){ .state = WORKER_STARTING, .socket = pair[0], .pidfd = -1 };
	worker = pair[1];
	logged = killed = 0;
	came_ns = process_now_ns();
}

static void say(const void *data, size_t bytes)
{
	union {
		char bytes[CMSG_SPACE(16 * sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = bytes };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (carried > 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE((size_t)carried * sizeof(int));
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN((size_t)carried * sizeof(int));
		for (int i = 0; i < carried; i++)
			memcpy(CMSG_DATA(cmsg) + (size_t)i * sizeof(int), &worker, sizeof(int));
	}
	carried = 0;
	if (worker >= 0)
		(void)!sendmsg(worker, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static struct zygote_message honest(uint32_t kind)
{
	struct zygote_message message = { .magic = ZYGOTE_MAGIC, .abi = BATON_ABI, .kind = kind };

	return message;
}

static void say_ready(const uint8_t *bytes, size_t at, size_t n)
{
	struct zygote_message message = honest(WORKER_READY);

	message.ready = (struct worker_ready){ .abi = BATON_PLUGIN_ABI, .key = BATON_KEY_PAYLOAD, .key_length = 4,
					       .schema = 1, .record_size = 16, .plugin_name = "game", .version = "1" };
	memcpy((uint8_t *)&message.ready + at % (sizeof(message.ready) - n), bytes, n);
	say(&message, sizeof(message));
}

/* ---- the primary listens ---- */

static void hear(void)
{
	pid_t pid = slot->pid;
	uint32_t fences = sup.fences;

	slot_hear(&sup, 0);
	must(slot->state < WORKER_STATE_COUNT);
	must_be_line(slot->words, sizeof(slot->words));
	must_be_line(slot->cause, sizeof(slot->cause));
	must_be_line(slot->ready.plugin_name, sizeof(slot->ready.plugin_name));
	must_be_line(slot->ready.version, sizeof(slot->ready.version));
	must_be_line(slot->ready.build_id, sizeof(slot->ready.build_id));
	must(pid == 0 || slot->pid == pid);
	must(sup.fences - fences <= 1 && (sup.fences == fences || (slot->fenced && killed > 0)));
	must(logged <= LINES + (process_now_ns() - came_ns) / 100000000u);
	must(slot->state != WORKER_STANDBY || slot->pidfd == PIDFD); /* nobody serves whom we could not kill */
}

static size_t act(const uint8_t *data, size_t bytes)
{
	struct zygote_message message;
	size_t n;

	if (bytes < 4)
		return bytes;
	switch (data[0]) {
	case 'm':
		n = data[2] % 64 < bytes - 3 ? data[2] % 64 : bytes - 3;
		message = honest(data[1] % 8);
		for (size_t at = 0; n != 0 && at + n <= sizeof(message.text); at += n)
			memcpy(message.text + at, data + 3, n);
		say(&message, sizeof(message));
		return 3 + n;
	case 'y':
		n = data[2] % 64 < bytes - 3 ? data[2] % 64 : bytes - 3;
		say_ready(data + 3, data[1], n);
		return 3 + n;
	case 'r':
		n = data[1] < bytes - 2 ? data[1] : bytes - 2;
		say(data + 2, n);
		return 2 + n;
	case 'f': carried = data[1] % 16; return 2;
	case 'l':
		message = honest(WORKER_LOG);
		memcpy(message.text, "a line", 6);
		for (n = data[1]; n > 0; n--) {
			say(&message, sizeof(message));
			if (n % 32 == 0)
				hear();
		}
		return 2;
	case 's':
		if (slot->pidfd == PIDFD)
			slot->state = data[1] % WORKER_STATE_COUNT;
		return 2;
	case 'h': hear(); return 1;
	case 'c': hear(); hang_up(); come(); return 1;
	default: return 1;
	}
}

/* The number that the next descriptor gets: what was passed and not closed raises it. A connection has two, of which a
 * new one gets the lowest again. */
static int next_descriptor(void)
{
	int fd = dup(0);

	must(fd >= 0);
	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static int before = -1;

	if (before < 0) {
		worker = slot->socket = -1;
		before = next_descriptor() + 2;
	}
	sup.primary = &primary;
	primary.stats.page = page;
	sup.slots = 1;
	sup.workers = 1;
	primary.plugin[0] = (struct plugin_info){ .key = BATON_KEY_PAYLOAD, .key_length = 4, .schema = 1,
						    .record_size = 16 };
	memcpy(primary.plugin[0].name, "game", 5);
	memcpy(sup.worker[0].name, "game.0", 7);
	come();
	for (size_t at = 0; at < bytes;)
		at += act(data + at, bytes - at);
	for (int i = 0; i < 8 && slot->socket >= 0; i++)
		hear();
	/* One that serves says nothing again that is said once. */
	bool serves = slot->state >= WORKER_STANDBY && slot->state <= WORKER_DRAINED && !slot->fenced && slot->socket >= 0;
	struct zygote_message again = honest(WORKER_HELLO);
	say(&again, sizeof(again));
	hear();
	must(!serves || slot->fenced);
	carried = 0;
	must(next_descriptor() == (slot->socket >= 0 ? before : before - 2));
	return 0;
}

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("m\2\4abcdhy\0\0hm\4\7a\nbc\033dehl\377hhhhs\3hm\3\2nohhhh"),
	FUZZ_SEED("y\0\0hs\3hm\2\1ahhhh"),
	FUZZ_SEED("f\2m\4\3abchf\12m\4\3abchf\1r\4abcdhhhh"),
	FUZZ_SEED("m\2\1ahy\40\4\nabchy\0\4\0\0\0\0hc\2\2hhhhhh"),
	FUZZ_SEED("m\3\20no licence for ithm\1\4\1\0\0\0hhhhhhh"),
	{ NULL, 0 },
};
const struct fuzz_seed fuzz_words[] = {
	FUZZ_SEED("h"), FUZZ_SEED("c"), FUZZ_SEED("y\0\0"), FUZZ_SEED("m\2\1a"), FUZZ_SEED("m\4\5abc\nd"),
	FUZZ_SEED("s\3"), FUZZ_SEED("s\6"),
	FUZZ_SEED("f\3"), FUZZ_SEED("l\200"), FUZZ_SEED("r\20"), FUZZ_SEED("y\50\4a\n\377b"),
	FUZZ_SEED("m\3\2no"), FUZZ_SEED("m\1\4\1\0\0\0"),
	{ NULL, 0 },
};
const size_t fuzz_longest = 512;
