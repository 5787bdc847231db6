/* The server that lies. */
#include "liar.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "hash.h"
#include "wire.h"

int liar_mode(const char *name, enum lie *out)
{
	static const char *const names[] = {
#define X(constant, word) word,
		LIES(X)
#undef X
	};

	for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0) {
			*out = (enum lie)i;
			return 0;
		}
	return -EINVAL;
}

int liar_open(struct liar *liar, enum lie lie, enum bots_service service, uint64_t every, struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int size = 8 << 20;

	*liar = (struct liar){ .lie = lie, .service = service, .every = every,
			       .tick_ns = 100000000, .lease_ns = 2000000000 };
	liar->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (liar->fd < 0 || bind(liar->fd, (struct sockaddr *)address, length) != 0 ||
	    getsockname(liar->fd, (struct sockaddr *)address, &length) != 0) {
		int error = errno;
		fprintf(stderr, "baton-bots: cannot serve there: %s\n", strerror(error));
		liar_close(liar);
		return -error;
	}
	if (setsockopt(liar->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(liar->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	liar->player = calloc(LIAR_PLAYERS, sizeof(*liar->player));
	liar->hit = calloc(LIAR_PLAYERS, sizeof(*liar->hit));
	if (liar->player == NULL || liar->hit == NULL) {
		liar_close(liar);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < LIAR_PLAYERS; i++)
		liar->hit[i].next = i + 1 < LIAR_PLAYERS ? &liar->hit[i + 1] : NULL;
	liar->free_hit = liar->hit;
	return 0;
}

void liar_close(struct liar *liar)
{
	if (liar->fd >= 0)
		close(liar->fd);
	free(liar->player);
	free(liar->hit);
	for (uint32_t i = 0; i < liar->nears; i++)
		free(liar->near[i]);
	liar->nears = 0;
	liar->player = NULL;
	liar->hit = NULL;
	liar->fd = -1;
}

struct liar_player *liar_place(struct liar *liar, uint32_t id)
{
	for (uint32_t i = 0; i < LIAR_PLAYERS; i++) {
		struct liar_player *p = &liar->player[(hash_mix64(id) + i) % LIAR_PLAYERS];
		if (!p->used || p->id == id)
			return p;
	}
	return NULL;
}

static void answer_move(struct liar *liar, struct GameMove *move, const struct sockaddr_in *from, uint64_t now_ns)
{
	struct liar_player *p = liar_place(liar, move->header.player_id);
	const float want[3] = { move->x, move->y, move->z };

	if (!isfinite(want[0]) || !isfinite(want[1]) || !isfinite(want[2]) || fabsf(want[0]) > 10000.0f ||
	    fabsf(want[1]) > 10000.0f) {
		move->status = GAME_OUTSIDE_WORLD;
		if (p != NULL && p->used && p->near != NULL) {
			p->near->outside = move->header.sequence;
			p->near->outside_known = true;
		}
	} else if (p == NULL) {
		move->status = GAME_FULL;
	} else if (p->moved && (int32_t)(move->header.sequence - p->sequence) <= 0) {
		move->status = move->header.sequence == p->sequence ? GAME_OK : GAME_STALE;
	} else {
		move->status = GAME_OK;
		liar_join(liar, p, move->header.player_id, now_ns);
		liar_reach(liar, p, from, now_ns);
		liar_leaves(liar, p, want, now_ns);
		p->moved = true;
		p->sequence = move->header.sequence;
		memcpy(p->at, want, sizeof(want));
		liar_hears(liar, p, from, now_ns);
	}
	move->x = p != NULL && p->used ? p->at[0] : 0;
	move->y = p != NULL && p->used ? p->at[1] : 0;
	move->z = p != NULL && p->used ? p->at[2] : 0;
}

static uint64_t nanoseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void answer_heartbeat(struct liar *liar, struct GameHeartbeat *beat, const struct sockaddr_in *from,
			     uint64_t now_ns)
{
	struct liar_player *p = liar_place(liar, beat->header.player_id);

	beat->status = p == NULL ? GAME_FULL : GAME_OK;
	beat->reserved = 0;
	if (p == NULL)
		return;
	liar_join(liar, p, beat->header.player_id, now_ns);
	liar_reach(liar, p, from, now_ns);
	liar_hears(liar, p, from, now_ns);
}

/* Turns a request into its honest reply, in place. Returns its length, 0 for none. */
static uint32_t answer(struct liar *liar, uint8_t *data, uint32_t len, const struct sockaddr_in *from)
{
	uint64_t now_ns = nanoseconds(CLOCK_MONOTONIC), time_ns = nanoseconds(CLOCK_REALTIME);
	uint32_t type;

	if (liar->service == BOTS_ECHO)
		return len;
	if (wire_parse(data, len, &type) != WIRE_OK)
		return 0;
	if (time_ns <= liar->last_time_ns)
		time_ns = liar->last_time_ns + 1;
	liar->last_time_ns = time_ns;
	len = wire_reply_bytes(type);
	memcpy(data, &len, sizeof(len));
	if (type == PLAYER_ATTACK)
		return liar_attack(liar, (struct GameAttack *)(void *)data, from, now_ns, time_ns);
	if (type == PLAYER_MOVE)
		answer_move(liar, (struct GameMove *)(void *)data, from, now_ns);
	else if (type == PLAYER_SUBSCRIBE)
		liar_subscribe(liar, (struct GameSubscribe *)(void *)data, from, now_ns);
	else
		answer_heartbeat(liar, (struct GameHeartbeat *)(void *)data, from, now_ns);
	memcpy(data + len - sizeof(time_ns), &time_ns, sizeof(time_ns)); /* all end with the server's time */
	return len;
}

int liar_send_raw(struct liar *liar, const void *data, uint32_t len, const struct sockaddr_in *to)
{
	if (sendto(liar->fd, data, len, 0, (const struct sockaddr *)to, sizeof(*to)) == (ssize_t)len)
		return 0;
	return errno == ECONNREFUSED ? 0 : -errno; /* the client has left */
}

/* Flips the top bit of one byte, another one each time. Of the server's time only the bytes that take it out of any
 * allowed skew: a nanosecond more or less is nobody's to see. */
static void alter(struct liar *liar, uint8_t *data, uint32_t len)
{
	uint32_t at = (uint32_t)((liar->lies * 7) % len);

	if (liar->service == BOTS_GAME && at >= len - 8 && at < len - 4)
		at += 4;
	data[at] ^= 0x80;
}

static bool same_player(const struct liar *liar, const uint8_t *a, const uint8_t *b)
{
	uint32_t at = liar->service == BOTS_GAME ? GAME_KEY_OFFSET : 0;
	return memcmp(a + at, b + at, 4) == 0;
}

int liar_send(struct liar *liar, const void *data, uint32_t len, const struct sockaddr_in *to)
{
	liar->replies++;
	if (liar->lie == LIE_DROP_ATTACK && ++liar->chances % liar->every == 0) {
		liar->lies++;
		return 0;
	}
	return liar_send_raw(liar, data, len, to);
}

/* Sends a reply, or does what the mode says to every so-manyth. */
static int reply(struct liar *liar, uint8_t *data, uint32_t len, const struct sockaddr_in *to)
{
	bool lying = ++liar->replies % liar->every == 0 && !liar->holding && liar->lie != LIE_HONEST &&
		     liar->lie <= LIE_ALTER;
	int rc;

	if (lying && liar->lies < LIAR_VICTIMS)
		memcpy(&liar->victim[liar->lies], data + (liar->service == BOTS_GAME ? GAME_KEY_OFFSET : 0), 4);
	liar->lies += lying;
	if (lying && liar->lie == LIE_DROP)
		return 0;
	if (lying && liar->lie == LIE_SWAP) {
		liar->holding = true;
		liar->held_to = *to;
		liar->held_len = len;
		memcpy(liar->held, data, len);
		return 0;
	}
	if (lying && liar->lie == LIE_ALTER)
		alter(liar, data, len);
	rc = liar_send_raw(liar, data, len, to);
	if (rc == 0 && lying && liar->lie == LIE_DOUBLE)
		rc = liar_send_raw(liar, data, len, to);
	if (rc == 0 && liar->holding && same_player(liar, data, liar->held)) {
		liar->holding = false;
		rc = liar_send_raw(liar, liar->held, liar->held_len, &liar->held_to);
	}
	return rc;
}

/* Takes one datagram and answers it. Returns 0 or -errno. */
static int serve_one(struct liar *liar)
{
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	uint8_t data[2048];
	uint32_t type = 0;
	ssize_t got = recvfrom(liar->fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&from, &length);

	if (got < 0)
		return 0; /* nothing yet, or an ICMP error of a client that left */
	liar->requests++;
	uint32_t len = answer(liar, data, (uint32_t)got, &from);
	if (len == 0)
		return 0;
	if (liar->service == BOTS_GAME)
		memcpy(&type, data + offsetof(struct GamePacketHeader, packet_type), sizeof(type));
	if (type == PLAYER_ATTACK && liar->lie > LIE_ALTER)
		return liar_send(liar, data, len, &from);
	return reply(liar, data, len, &from);
}

int liar_serve(struct liar *liar, const volatile sig_atomic_t *stop)
{
	while (!*stop) {
		struct pollfd wait = { .fd = liar->fd, .events = POLLIN };
		int wait_ms = 20;
		uint64_t now_ns = nanoseconds(CLOCK_MONOTONIC);
		int rc = liar_results(liar, now_ns, &wait_ms);
		if (rc == 0)
			rc = liar_tick(liar, now_ns, nanoseconds(CLOCK_REALTIME), &wait_ms);
		if (rc == 0 && poll(&wait, 1, wait_ms) > 0)
			rc = serve_one(liar);
		if (rc != 0) {
			fprintf(stderr, "baton-bots: cannot answer: %s\n", strerror(-rc));
			return rc;
		}
	}
	return 0;
}
