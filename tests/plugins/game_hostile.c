/* The game with an enemy inside: a datagram `attack NAME` (at GAME_KEY_OFFSET the key that steers it, behind it the
 * name) names what the worker does at the next tick, once the datagram is settled: it is no poison, and the next
 * process is tame. `hostile.walk: 1` lets each process try at its start to write to all that is not its own, and to
 * make each system call that it must not make; it says in the log how that went. tests/smoke/76_hostile_test.sh says
 * what must come of it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
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

#include "game_hostile_reach.h"
#include "game_hostile_writes.h"

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
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				.msg_controllen = sizeof(control)};
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
