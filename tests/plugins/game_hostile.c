/* The game with an enemy inside: a datagram `attack NAME` (at GAME_KEY_OFFSET the key that steers it, behind it the
 * name) names what the worker does at the next tick, once the datagram is settled: it is no poison, and the next process
 * is tame. `hostile.walk: 1` lets each process try at its start to write to all that is not its own, and to make each
 * system call that it must not make; it says in the log how that went. tests/smoke/76_hostile_test.sh says what must
 * come of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "baton.h"
#undef BATON_PLUGIN
#define BATON_PLUGIN(...) static const struct baton_plugin tame = {__VA_ARGS__}
#include "game.c" /* the other files are linked: see rules.mk */

#include "core_stats.h"
#include "outbox.h"
#include "state.h"
#include "zygote.h"

#define CONTROL 3 /* the worker's socket */

static char attack[32];    /* to come; empty: none */
static char lie[32];       /* goes on */
static char last[32];      /* that was carried out: what `poke` is answered with */
static uint64_t asked_at;  /* position of the datagram that asked for it */
static struct baton_ctx *context;

static struct belt_consumer *consumer(void) { return ((struct outbox *)context->outbox)->consumer; }
static struct control_block *control_block(void)
{
	return (struct control_block *)(void *)((uintptr_t)context->journal_used & ~(uintptr_t)(BATON_HUGE_PAGE - 1));
}

/* ---- what is not its own ---- */

static sigjmp_buf back;
static void on_fault(int number) { siglongjmp(back, number); }

/* True: it could be written to. */
static bool writes(volatile uint8_t *at)
{
	if (sigsetjmp(back, 1) != 0)
		return false;
	*at = *at;
	*at = 0xff; /* not reached if the read has failed; then it is mapped, and the worst is done on purpose */
	return true;
}

/* Every 2 MiB page, and every page of smaller mappings, of the addresses that the worker has given up: the zygote had
 * them mapped shared, and a hole without access stands there now. */
static void walk_maps(struct baton_ctx *ctx)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned long start, end, tried = 0, faults = 0, own = 0, belts = 0, files = 0;
	char line[512], mode[8];

	if (file == NULL) {
		baton_log(ctx, "hostile: no maps: %s", strerror(errno));
		return;
	}
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &start, &end, mode) != 3)
			continue;
		if (mode[3] == 's') {
			own += (end - start + BATON_HUGE_PAGE - 1) / BATON_HUGE_PAGE;
			belts += strstr(line, "map_") != NULL;
			files++;
		}
		if (mode[0] != '-' || mode[1] != '-' || mode[3] != 'p')
			continue;
		unsigned long step = start % BATON_HUGE_PAGE == 0 && end % BATON_HUGE_PAGE == 0 ? BATON_HUGE_PAGE : 4096;
		for (unsigned long at = start; at < end && tried < 1000000; at += step, tried++)
			faults += !writes((volatile uint8_t *)at);
	}
	fclose(file);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	baton_log(ctx, "hostile: %lu pages tried, %lu faults, %lu written; %lu own pages in %lu mappings, %lu of belts", tried,
		  faults, tried - faults, own, files, belts);
}

/* ---- what it must not ask for ---- */

static unsigned int asked, granted;
static char allowed[256];

static void try_call(const char *name, long rc)
{
	asked++;
	if (rc == -1)
		return;
	granted++;
	snprintf(allowed + strlen(allowed), sizeof(allowed) - strlen(allowed), " %s", name);
}
#define TRY(name, call) try_call(#name, (long)(call))

static void try_calls(struct baton_ctx *ctx)
{
	pid_t parent = getppid();
	struct rlimit limit = {1 << 20, 1 << 20};
	struct iovec here = {.iov_base = &limit, .iov_len = 1}, there = here;
	char path[64], *argv[] = {path, NULL};

	TRY(fork, fork());
	TRY(clone3, syscall(SYS_clone3, NULL, 0));
	TRY(execve, execve("/bin/true", argv, argv + 1));
	TRY(ptrace, ptrace(PTRACE_ATTACH, parent, NULL, NULL));
	TRY(readv, process_vm_readv(parent, &here, 1, &there, 1, 0));
	TRY(writev, process_vm_writev(parent, &here, 1, &there, 1, 0));
	TRY(kill, kill(parent, SIGKILL));
	TRY(kill_all, kill(-1, SIGKILL));
	TRY(kill_group, kill(0, SIGKILL));
	TRY(tgkill, syscall(SYS_tgkill, parent, parent, SIGKILL));
	TRY(tkill, syscall(SYS_tkill, parent, SIGKILL));
	TRY(pidfd_open, syscall(SYS_pidfd_open, parent, 0));
	TRY(setown, fcntl(CONTROL, F_SETOWN, parent));
	TRY(setsig, fcntl(CONTROL, F_SETSIG, SIGKILL));
	TRY(ioctl_setown, ioctl(CONTROL, 0x8901, &parent));
	TRY(pdeathsig, prctl(PR_SET_PDEATHSIG, 0));
	TRY(core, setrlimit(RLIMIT_CORE, &limit));
	TRY(prlimit, syscall(SYS_prlimit64, parent, RLIMIT_NOFILE, &limit, NULL));
	TRY(nice, setpriority(PRIO_PROCESS, parent, 19));
	TRY(map_state, mmap(NULL, BATON_HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0));
	TRY(cut_state, ftruncate(4, 0));
	TRY(punch_state, fallocate(4, 3, 0, BATON_HUGE_PAGE));
	TRY(unlock_state, syscall(SYS_flock, 4, 8));
	TRY(remove_page, madvise(control_block(), BATON_HUGE_PAGE, MADV_REMOVE));
	TRY(grow, mremap(control_block(), BATON_HUGE_PAGE, 2 * BATON_HUGE_PAGE, MREMAP_MAYMOVE));
	TRY(remap, syscall(SYS_remap_file_pages, control_block(), BATON_HUGE_PAGE, 0, 0, 0));
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)parent);
	TRY(memory_write, open(path, O_RDWR));
	TRY(memory_read, open(path, O_RDONLY));
	TRY(open_write, open("/dev/null", O_WRONLY));
	TRY(create, open("/tmp/baton-hostile", O_RDONLY | O_CREAT, 0600));
	TRY(unlink, unlink("/dev/hugepages/none"));
	TRY(socket, socket(AF_INET, SOCK_DGRAM, 0));
	TRY(unix_socket, socket(AF_UNIX, SOCK_STREAM, 0));
	TRY(io_uring, syscall(SYS_io_uring_setup, 1, NULL));
	baton_log(ctx, "hostile: %u calls tried, %u allowed:%s", asked, granted, allowed);
}

/* ---- what it may write to ---- */

/* All that stands in the belt, the primary's words among it. The worker's own place in it is private. */
static void belt_noise(void)
{
	struct belt *belt = consumer()->belt;

	memset((void *)belt, 0xa5, sizeof(*belt));
	raise(SIGSEGV);
}

static void tags(void)
{
	struct belt *belt = consumer()->belt;

	for (uint32_t i = 0; i < BELT_SLOTS; i++)
		belt->slots[i].packet = (struct baton_packet){.len = 0xffff, .kind = (uint8_t)i, .flags = (uint8_t)(i >> 8),
							      .bucket = 0xffff, .cell = 0xffff, .time_ns = UINT64_MAX};
	memset(belt->peer, 0xff, sizeof(belt->peer));
	for (uint32_t i = 0; i < BELT_OUT_CELLS; i++)
		belt->out[i].cause = UINT64_MAX - i;
	raise(SIGSEGV);
}

static void words(void)
{
	struct belt *belt = consumer()->belt;

	belt->magic = 0;
	atomic_store(&belt->offered, atomic_load(&belt->offered) + 3000);
	atomic_store(&belt->out_taken, UINT64_MAX);
	atomic_store(&belt->doorbell, 0x12345678);
	atomic_store(&belt->sleeping, 1);
	raise(SIGSEGV);
}

static void control_noise(void)
{
	struct control_block *c = control_block();

	c->magic = 0;
	c->slot = c->belts = 77;
	c->group = 0; /* the honest one */
	c->incarnation = UINT32_MAX;
	memset((void *)c->commit, 0xff, sizeof(c->commit));
	raise(SIGSEGV);
}

/* A journal that looks open and names records of the other group, and what is no record at all. */
static void journal_noise(void)
{
	struct control_block *c = control_block();
	uint32_t at = 0, before = JOURNAL_NONE;

	c->group = 0;
	c->journal.belt = 0;
	c->journal.first = UINT64_MAX >> 2;
	for (uint32_t i = 0; i < 2000; i++) {
		struct baton_undo *undo = (struct baton_undo *)(void *)(c->journal.records + at);

		*undo = (struct baton_undo){.len = 32, .prev = before, .offset = (uint64_t)i * 64 + 16};
		memset(undo + 1, 0xee, 32);
		if (i == 1999)
			undo->offset = UINT64_MAX - 4096;
		before = at;
		at += journal_cost(32);
	}
	atomic_store(&c->journal.used, at);
	raise(SIGSEGV);
}

static void journal_header(void)
{
	struct control_block *c = control_block();

	c->journal.belt = 4711;
	c->journal.first = UINT64_MAX;
	atomic_store(&c->journal.used, UINT32_MAX);
	raise(SIGSEGV);
}

/* Records of other buckets of its group: nothing keeps it from them, and `batonctl state verify` finds them. One of each
 * kind of damage, in the buckets behind the first that has players. */
static void records(void)
{
	uint32_t kind = 0, used = 0;

	for (uint64_t at = 0; at < context->records_bytes && kind < 6; at += context->stride) {
		struct baton_record *r = (struct baton_record *)(void *)(context->records + at);
		struct player *player = (struct player *)(void *)(r + 1);

		if (r->state != BATON_RECORD_USED || record_kind(r->key) != RECORD_PLAYER || used++ % 2 != 0)
			continue;
		switch (kind++) {
		case 0: r->key ^= 0x55550000; break;
		case 1: r->seq |= 1; break;
		case 2: player->x = 1e30f; break;
		case 3: r->state = 7; break;
		case 4: player->flags = 0xff; break;
		default: memset(player, 0xff, sizeof(*player)); break;
		}
	}
}

static void bucket_words(void)
{
	/* behind the group's records' beginning: the words stand in the pages before them */
	struct bucket_word *word = (struct bucket_word *)(void *)(context->records - BATON_HUGE_PAGE);

	for (uint32_t i = 0; i < context->buckets; i++)
		word[i] = (struct bucket_word){.last_tick = UINT64_MAX, .schema = 77};
	raise(SIGSEGV);
}

static void stats_noise(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512], mode[8];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strstr(line, ".stats") != NULL && sscanf(line, "%lx-%lx %7s", &start, &end, mode) == 3 && mode[3] == 's')
			memset((void *)start, 0xff, end - start);
	if (file != NULL)
		fclose(file);
}

/* ---- what it says ---- */

static struct zygote_message message(uint32_t kind)
{
	struct zygote_message m = {.magic = ZYGOTE_MAGIC, .abi = BATON_ABI, .kind = kind};

	if (kind != WORKER_READY)
		memset(m.text, '\033', sizeof(m.text));
	return m;
}

static void say(struct zygote_message m, uint32_t times)
{
	for (uint32_t i = 0; i < times; i++)
		(void)!send(CONTROL, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void say_ready(void) { say(message(WORKER_READY), 1); }
static void say_stopped(void) { say(message(WORKER_REFUSED), 1); }
static void say_unknown(void) { say(message(4711), 10000); }
static void say_flood(void) { say(message(WORKER_LOG), 10000); }
static void say_version(void)
{
	struct zygote_message m = message(WORKER_LOG);

	m.abi = UINT32_MAX;
	say(m, 1);
}

static void say_huge(void)
{
	static char much[100000];

	(void)!send(CONTROL, much, sizeof(much), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)!send(CONTROL, much, 3, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void say_nothing(void)
{
	(void)!send(CONTROL, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(CONTROL);
}

static void say_descriptors(void)
{
	struct zygote_message m = message(WORKER_LOG);
	struct iovec iov = {.iov_base = &m, .iov_len = sizeof(m)};
	char control[CMSG_SPACE(64 * sizeof(int))] = {0};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(64 * sizeof(int));
	for (int i = 0; i < 64; i++)
		memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &(int){4}, sizeof(int));
	(void)!sendmsg(CONTROL, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- how it ends ---- */

static void at_exit_again(void)
{
	memset((void *)consumer()->belt, 0x5a, sizeof(struct belt));
	exit(3); /* in a handler of exit() */
}

static void leave(void)
{
	atexit(at_exit_again);
	exit(0);
}

static void close_all(void)
{
	for (int fd = 0; fd < 64; fd++)
		dup2(0, fd);
	close_range(0, ~0u, 0);
}

/* ---- what it lies about, packet by packet ---- */

static void bad_cell(uint64_t cause, uint8_t kind, uint16_t len, uint32_t bucket)
{
	struct belt_out_cell *cell = belt_out_next(consumer());

	*cell = (struct belt_out_cell){.cause = cause, .kind = kind, .len = len, .bucket = bucket};
	memset(&cell->to, 0xff, sizeof(cell->to));
	consumer()->filled++;
}

/* Before the runtime stores what is true again. */
static void stay_with(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store(word, value);
	for (;;)
		pause();
}

/* What the runtime would see and refuse. */
static void settle_behind_its_back(uint64_t at, uint32_t verdict)
{
	consumer()->belt->verdict[at & BELT_MASK] = verdict;
	stay_with(&consumer()->commit->done, at + 1);
}

static baton_verdict tell_lie(const struct baton_packet *packet)
{
	uint64_t at = *((struct outbox *)context->outbox)->cause;
	struct belt_commit *commit = consumer()->commit;

#define IS(name) (strcmp(lie, name) == 0)
	if (IS("verdict"))
		settle_behind_its_back(at, 77);
	if (IS("length"))
		settle_behind_its_back(at, BATON_REPLY | (packet->len + 1u) << 16);
	if (IS("done_ahead"))
		stay_with(&commit->done, at + 5000);
	if (IS("done_back"))
		stay_with(&commit->done, at - 64);
	if (IS("done_jumps"))
		for (uint64_t i = 0;; i++) { /* forth, far away, and back */
			atomic_store(&commit->done, at + 1);
			atomic_store(&commit->done, i % 2 ? at - 1 : UINT64_MAX - i);
		}
	if (IS("filled"))
		stay_with(&commit->filled, UINT64_MAX / 2);
	if (IS("filled_ahead"))
		consumer()->filled += BELT_OUT_CELLS + 1;
	if (IS("cell_kind"))
		bad_cell(at, 99, 16, 0);
	if (IS("cell_length"))
		bad_cell(at, BELT_OUT_PACKET, 0xffff, 0);
	if (IS("cell_bucket"))
		bad_cell(at, BELT_OUT_MESSAGE, 16, UINT32_MAX);
	if (IS("cell_past"))
		bad_cell(at - 1000, BELT_OUT_MESSAGE, 16, 0);
	if (IS("cell_future")) /* never emitted, and in the way of all others: the ring is full in the end */
		bad_cell(at + 100000, BELT_OUT_MESSAGE, 16, 0);
	for (uint32_t i = 0; IS("posts") && i < BATON_POSTS_MOST + 1; i++)
		bad_cell(at, BELT_OUT_MESSAGE, 16, i);
	for (uint32_t i = 0; IS("sends") && i < BATON_SENDS_MOST + 1; i++)
		bad_cell(at, BELT_OUT_PACKET, 16, i);
	for (uint32_t i = 0; IS("flood") && i < BATON_SENDS_MOST; i++) /* as many as it may: each to nowhere */
		bad_cell(at, BELT_OUT_PACKET, BATON_SEND_MOST, 0);
	return baton_reply(packet->len);
}

static const struct {
	const char *name;
	void (*run)(void); /* NULL: a lie, with each packet from now on */
} attacks[] = {
	{"belt", belt_noise}, {"tags", tags}, {"words", words}, {"control", control_noise}, {"journal", journal_noise},
	{"journal_header", journal_header}, {"records", records}, {"bucket_words", bucket_words}, {"stats", stats_noise},
	{"say_ready", say_ready}, {"say_stopped", say_stopped}, {"say_unknown", say_unknown}, {"say_flood", say_flood},
	{"say_version", say_version}, {"say_huge", say_huge}, {"say_nothing", say_nothing},
	{"say_descriptors", say_descriptors}, {"exit", leave}, {"descriptors", close_all},
};

static void hostile_tick(struct baton_ctx *ctx, uint64_t number)
{
	context = ctx;
	if (attack[0] != 0 && atomic_load(&consumer()->commit->done) > asked_at) {
		char name[sizeof(attack)];

		memcpy(name, attack, sizeof(name));
		attack[0] = 0;
		memcpy(last, name, sizeof(last));
		for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
			if (strcmp(name, attacks[i].name) == 0)
				return attacks[i].run();
		memcpy(lie, name, sizeof(lie));
	}
	game_tick(ctx, number);
}

static baton_verdict hostile_packet(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	const uint32_t at = GAME_KEY_OFFSET + GAME_KEY_LENGTH;

	context = ctx;
	if (packet->len > at && memcmp(data, "attack ", 7) == 0) {
		snprintf(attack, sizeof(attack), "%.*s", (int)(packet->len - at), (const char *)data + at);
		attack[strcspn(attack, " \n")] = 0;
		asked_at = *((struct outbox *)ctx->outbox)->cause;
		return baton_reply(packet->len);
	}
	if (packet->len > at && memcmp(data, "poke ", 5) == 0) {
		memcpy(data, last, packet->len < sizeof(last) ? packet->len : sizeof(last));
		return lie[0] == 0 ? baton_reply(packet->len) : tell_lie(packet);
	}
	return game_packet(ctx, packet, data);
}

static int hostile_init(struct baton_ctx *ctx)
{
	context = ctx;
	if (baton_setting(ctx, "hostile.walk") != NULL) {
		walk_maps(ctx);
		try_calls(ctx);
	}
	return tame.init(ctx);
}

const struct baton_plugin baton_plugin_descriptor = {
	.abi = BATON_PLUGIN_ABI, .size = sizeof(struct baton_plugin), .name = "game", .version = "hostile",
	.key = BATON_KEY_PAYLOAD, .key_offset = GAME_KEY_OFFSET, .key_length = GAME_KEY_LENGTH, .schema = 2,
	.record_size = GAME_RECORD, .max_undo_bytes = GAME_MAX_UNDO, .max_posts = BATON_POSTS_MOST,
	.max_sends = BATON_SENDS_MOST, .init = hostile_init, .prefetch = game_prefetch, .packet = hostile_packet,
	.tick = hostile_tick, .message = game_message,
};
