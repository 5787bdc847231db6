/* What players send: any datagrams to the game, with ticks and lost or late messages between, each call a checked
 * transaction (verify mode of the plugin test library: undone and run again it gives the same, touches only its bucket,
 * saves all that it changes). An input is a list:
 *
 *   'd' player len[2] bytes  a datagram with these bytes behind the player's id
 *   'v' kind player at[2] bits len  a valid request, with the bits at `at` turned over
 *   'm' n                    the n-th message under way arrives       'l' n    is lost
 *   'k' bucket               a tick                                   's' n    n tenths of a second go by
 *
 * Whatever it was: nothing is found; a reply answers its request; every record is one that the game itself calls right;
 * nobody is hit more often than was attacked, and no attack has two results. Half an hour later nobody is left. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "baton_test.h"
#include "workers/plugins/game/fight.h"
#include "fuzz.h"
#include "wire.h"

#define BUCKETS 8u
#define SLOTS   16u
#define UNDER_WAY 64u
#define CALLS   48u /* of one input */
#define PLAYERS 8u
#define MESSAGES_MOST 10000u /* that lead to one another */
#define TIME_MOST 400u /* tenths of a second of one input: nobody is idle for so long that he is removed */

#define must(condition) ((condition) ? (void)0 : broken(__LINE__, #condition))
static void broken(int line, const char *what)
{
	printf("fuzz_wire.c:%d: not so: %s\n", line, what);
	fflush(stdout);
	abort();
}

/* ---- signals ---- */

/* Verify mode sets five handlers before each run of a callback and takes them back afterwards, ten system calls that cost
 * more than the callback: the kernel has one handler here, which passes a signal on to the one that was set last. */
int __real_sigaction(int number, const struct sigaction *act, struct sigaction *before);
int __wrap_sigaction(int number, const struct sigaction *act, struct sigaction *before);
static struct sigaction set[_NSIG];

static void pass_on(int number, siginfo_t *info, void *context)
{
	if ((set[number].sa_flags & SA_SIGINFO) != 0) {
		set[number].sa_sigaction(number, info, context);
		return;
	}
	signal(number, SIG_DFL); /* again, and the end */
}

int __wrap_sigaction(int number, const struct sigaction *act, struct sigaction *before)
{
	static bool ours[_NSIG];
	const struct sigaction one = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

	if (number != SIGSEGV && number != SIGBUS && number != SIGFPE && number != SIGILL && number != SIGTRAP)
		return __real_sigaction(number, act, before);
	if (!ours[number] && __real_sigaction(number, &one, &set[number]) != 0)
		return -1;
	ours[number] = true;
	if (before != NULL)
		*before = set[number];
	if (act != NULL)
		set[number] = *act;
	return 0;
}

/* ---- players ---- */

struct posted {
	uint32_t bucket;
	uint16_t len;
	uint8_t data[BATON_MESSAGE_MOST];
};
static struct posted posted[UNDER_WAY];
/* An attack that was asked for, and what was told of it. */
struct attack {
	uint32_t attacker, sequence, target;
	bool told;
	struct GameAttack result;
};
static struct attack attack[CALLS];
static uint32_t attacks, under_way, calls, sequence, tenths;
static struct baton_test t;
static struct baton_peer peer = {.ip = 0x0200000a, .udp_port = 0x409c, .mac = {2, 0, 0, 0, 0, 2}};

static void asked(const struct GameAttack *a)
{
	attack[attacks++] = (struct attack){.attacker = a->header.player_id, .sequence = a->header.sequence, .target = a->target};
}

/* A hit that was told: of an attack that was asked for, always the same, and nobody else's. */
static void told(const struct GameAttack *a)
{
	bool found = false;

	if (a->status != GAME_OK)
		return;
	for (uint32_t i = 0; i < attacks; i++) {
		struct attack *known = &attack[i];
		bool same = known->attacker == a->header.player_id && known->sequence == a->header.sequence;

		if (known->told && !same)
			must(known->result.target != a->target || known->result.result.hits != a->result.hits);
		if (!same || known->target != a->target)
			continue;
		found = true;
		if (known->told) /* but for what the client may have chosen anew */
			must(memcmp(&known->result.status, &a->status, sizeof(*a) - offsetof(struct GameAttack, status)) == 0);
		known->told = true;
		known->result = *a;
	}
	must(found);
}

/* What the last call posted is under way; what it sent, neighbours or an attack's late result, is well-formed. */
static void collect(void)
{
	const char *finding = baton_test_finding(&t);

	if (finding != NULL)
		printf("fuzz_wire.c: %s\n", finding);
	must(finding == NULL);
	for (uint32_t i = 0; i < baton_test_outs(&t); i++) {
		struct baton_test_out out = baton_test_out(&t, i);

		if (out.is_packet) {
			uint32_t head[2];
			must(out.len >= sizeof(struct GamePacketHeader) && out.len <= BATON_SEND_MOST);
			memcpy(head, out.data, sizeof(head));
			must(head[0] == out.len && (head[1] == NEIGHBOURS || head[1] == PLAYER_ATTACK));
			if (head[1] == PLAYER_ATTACK) {
				struct GameAttack result;
				must(out.len == sizeof(result));
				memcpy(&result, out.data, sizeof(result));
				told(&result);
			}
		} else if (under_way < UNDER_WAY) {
			must(out.bucket < BUCKETS && out.len <= BATON_MESSAGE_MOST);
			posted[under_way].bucket = out.bucket;
			posted[under_way].len = out.len;
			memcpy(posted[under_way++].data, out.data, out.len);
		}
	}
}

static void datagram(const uint8_t *data, uint16_t len)
{
	struct GamePacketHeader question, answer;
	struct GameAttack a;

	if (len < 12 || calls >= CALLS)
		return;
	calls++;
	memset(&a, 0, sizeof(a));
	memcpy(&a, data, len < sizeof(a) ? len : sizeof(a));
	if (a.header.packet_type == PLAYER_ATTACK)
		asked(&a);
	const struct baton_test_reply *reply = baton_test_send(&t, data, len);
	collect();
	must(reply->len <= len);
	if (reply->len == 0)
		return;
	must(len >= sizeof(question) && reply->len >= sizeof(answer) + 4);
	memcpy(&question, data, sizeof(question));
	memcpy(&answer, reply->data, sizeof(answer));
	must(answer.packet_size == reply->len && answer.packet_type == question.packet_type &&
	     answer.player_id == question.player_id && answer.sequence == question.sequence &&
	     answer.session_token == question.session_token);
	if (answer.packet_type == PLAYER_ATTACK) {
		must(reply->len == sizeof(a));
		memcpy(&a, reply->data, sizeof(a));
		told(&a);
	}
}

static void request(const uint8_t *how)
{
	union {
		uint8_t byte[256];
		struct GamePacketHeader header;
		struct GameMove move;
		struct GameAttack attack;
		struct GameHeartbeat heartbeat;
		struct GameSubscribe subscribe;
	} r;
	uint32_t kind = 1 + how[0] % 4, at = how[2] | (uint32_t)how[3] << 8;
	uint16_t len;

	memset(&r, 0, sizeof(r));
	switch (kind) {
	case PLAYER_MOVE:
		len = sizeof(r.move);
		r.move.x = how[1];
		r.move.y = how[5];
		break;
	case PLAYER_ATTACK:
		len = sizeof(r.attack);
		r.attack.target = how[5] % PLAYERS;
		r.attack.skill = 1 + how[5] / 8 % 3;
		r.attack.aim.x = how[5] % PLAYERS;
		break;
	case PLAYER_SUBSCRIBE:
		len = sizeof(r.subscribe);
		r.subscribe.radius = how[5];
		break;
	default: len = sizeof(r.heartbeat);
	}
	r.header.packet_size = len;
	r.header.packet_type = kind;
	r.header.player_id = how[1] % PLAYERS;
	r.header.sequence = how[0] & 128 ? sequence : ++sequence;
	r.byte[at % len] ^= how[4];
	datagram(r.byte, len);
}

static void arrives(uint32_t n)
{
	struct posted message;

	if (under_way == 0 || calls >= CALLS)
		return;
	calls++;
	n %= under_way;
	message = posted[n];
	posted[n] = posted[--under_way];
	baton_test_message(&t, message.bucket, message.data, message.len);
	collect();
}

static size_t act(const uint8_t *data, size_t bytes)
{
	uint8_t raw[1024] = {0};
	size_t len;

	if (bytes < 7)
		return bytes;
	switch (data[0]) {
	case 'd':
		len = (data[2] | (size_t)data[3] << 8) % sizeof(raw);
		len = len < bytes - 4 ? len : bytes - 4;
		memcpy(raw, data + 4, len);
		raw[8] = data[1] % PLAYERS;
		datagram(raw, (uint16_t)len);
		return 4 + len;
	case 'v': request(data + 1); return 7;
	case 'm': arrives(data[1]); return 2;
	case 'l':
		if (under_way != 0)
			posted[data[1] % under_way] = posted[under_way - 1], under_way--;
		return 2;
	case 'k':
		if (calls < CALLS) {
			calls++;
			baton_test_tick(&t, data[1] % BUCKETS);
			collect();
		}
		return 2;
	case 's':
		if (tenths + data[1] <= TIME_MOST) {
			tenths += data[1];
			baton_test_advance(&t, data[1] * 100000000ull);
		}
		return 2;
	default: return 1;
	}
}

static void records_are_right(void)
{
	for (uint32_t b = 0; b < BUCKETS; b++) {
		uint32_t iter = 0;
		uint64_t key;
		const void *record;

		t.ctx.bucket = b;
		while ((record = baton_next(&t.ctx, &iter, &key)) != NULL) {
			const char *wrong = baton_plugin_verify.record(&t.ctx, key, record);
			if (wrong != NULL)
				printf("fuzz_wire.c: bucket %u, key %llx: %s\n", b, (unsigned long long)key, wrong);
			must(wrong == NULL);
		}
	}
	for (uint32_t id = 0; id < PLAYERS; id++) {
		const struct fighter *target = baton_test_record(&t, baton_bucket(&t.ctx, id), FIGHTER_KEY(id));
		uint32_t most = 0;

		for (uint32_t i = 0; i < attacks; i++) {
			uint32_t same = 0;

			while (same < i && memcmp(&attack[same], &attack[i], offsetof(struct attack, told)) != 0)
				same++;
			most += attack[i].target == id && same == i;
		}
		must(target == NULL || target->vitals.hits <= most);
	}
}

/* Half an hour later: as many ticks as it takes, each removes some. */
static void everybody_leaves(void)
{
	uint32_t left = 1;

	for (uint32_t round = 0; left != 0; round++) {
		must(round < 16);
		baton_test_advance(&t, 1800000000000ull);
		left = 0;
		for (uint32_t b = 0; b < BUCKETS; b++) {
			if (baton_test_records(&t, b) == 0)
				continue;
			baton_test_tick(&t, b);
			collect();
			/* results of hits, and that they have come: however many, but not for ever */
			for (uint32_t n = 0; under_way != 0; n++) {
				must(n < MESSAGES_MOST);
				calls = 0;
				arrives(0);
			}
		}
		for (uint32_t b = 0; b < BUCKETS; b++)
			left += baton_test_records(&t, b);
	}
}

static void unmake(void)
{
	baton_test_destroy(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (t.plugin == NULL) {
		baton_test_create(&t, &baton_plugin_descriptor, BUCKETS, SLOTS);
		t.keep_findings = true;
		must(baton_test_init(&t) == 0);
		t.ctx.peer = &peer;
		atexit(unmake);
	}
	calls = attacks = sequence = tenths = 0;
	for (size_t at = 0; at < bytes;)
		at += act(data + at, bytes - at);
	records_are_right();
	everybody_leaves();
	return 0;
}

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("v\0\1\0\0\0\1" "v\0\2\0\0\0\2" "v\1\1\0\0\0\2" "v\201\1\0\0\0\2" "m\0m\0m\0m\0m\0v\201\1\0\0\0\2m\0m\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("v\0\1\0\0\0\1" "v\0\2\0\0\0\2" "v\1\1\0\0\0\2" "m\0m\0m\0k\0k\1s\3" "v\1\1\0\0\0\12\0\0\0\0\0\0\0"),
	FUZZ_SEED("v\3\1\0\0\0\100" "v\0\1\0\0\0\3" "k\0k\1k\2k\3m\0m\0s\2k\0k\1\0\0\0\0\0\0\0"),
	FUZZ_SEED("v\2\1\0\0\0\0" "v\0\1\0\0\1\0" "v\0\1\30\0\377\0" "v\200\1\0\0\0\1" "d\1\60\0\60\0\0\0\1\0\0\0\1\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
	{NULL, 0},
};
const struct fuzz_seed fuzz_words[] = {
	FUZZ_SEED("v\0\1\0\0\0\1"), FUZZ_SEED("v\1\1\0\0\0\2"), FUZZ_SEED("v\1\2\0\0\0\1"), FUZZ_SEED("v\3\1\0\0\0\100"), FUZZ_SEED("v\201\1\0\0\0\2"), FUZZ_SEED("m\0"), FUZZ_SEED("m\1"),
	FUZZ_SEED("l\0"), FUZZ_SEED("k\0"), FUZZ_SEED("k\3"), FUZZ_SEED("s\2"), FUZZ_SEED("s\377"), FUZZ_SEED("\0\0\300\177"), FUZZ_SEED("\0\0\200\177"),
	{NULL, 0},
};
const size_t fuzz_longest = 512;
