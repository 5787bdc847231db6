/* The seed game protocol on the wire: little-endian, packed, over UDP port 8080. docs/wire.md draws the bytes. */
#ifndef BATON_SHARED_WIRE_H
#define BATON_SHARED_WIRE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GAME_UDP_PORT  8080u
#define GAME_WORLD_XY  10000.0f /* |x| and |y| are at most this */

enum game_packet_type {
	PLAYER_MOVE = 1,
	PLAYER_ATTACK = 2,
	HEARTBEAT = 3,
	PLAYER_SUBSCRIBE = 4,
	NEIGHBOURS = 5, /* started by the server: no request, no reply */
};

/* What a reply says of its request; docs/wire.md says which type may get which. */
enum game_status {
	GAME_OK = 0,
	GAME_OUTSIDE_WORLD = 1,
	GAME_STALE = 2,
	GAME_FULL = 3,
	GAME_TOO_FAR = 4,      /* the aim is beyond the skill's range */
	GAME_COOLDOWN = 5,     /* the last accepted skill has not cooled down */
	GAME_BUSY = 6,         /* an older attack of this player has no result yet */
	GAME_NO_TARGET = 7,    /* it does not exist, or is the attacker itself */
	GAME_NO_SKILL = 8,
	GAME_MISSED = 9,       /* the target is not near the aim */
	GAME_TARGET_DOWN = 10, /* it has no hit points */
	GAME_NO_PLAYER = 11,   /* the attacker does not exist */
	GAME_NO_RADIUS = 12,   /* not a number from 0 to GAME_RADIUS_MOST */
	GAME_TARGET_FULL = 13, /* the target's bucket has no room to remember the hit, so it did not land */
};

#define GAME_HIT_POINTS 100u  /* of a new player; no player ever has more */
#define GAME_AIM_RADIUS 64.0f /* the target is hit within this distance of the aim */

#define GAME_RADIUS_MOST 200.0f /* of a subscription */

/* X(number, NAME, damage, range, cooldown_ms): range is the Euclidean distance between attacker and aim. */
#define GAME_SKILLS(X) \
	X(1, STRIKE, 10, 100.0f, 200) \
	X(2, SHOT, 4, 3000.0f, 400) \
	X(3, METEOR, 1, 40000.0f, 20)

enum game_skill_number {
#define X(number, NAME, damage, range, cooldown_ms) GAME_##NAME = (number),
	GAME_SKILLS(X)
#undef X
};

struct game_skill {
	uint32_t damage; /* hit points */
	float range;
	uint32_t cooldown_ms; /* from an accepted attack to the next, of whatever skill */
};

/* False, and *skill untouched, if there is none of this number. */
static inline bool game_skill_find(uint32_t number, struct game_skill *skill)
{
	switch (number) {
#define X(value, NAME, points, reach, pause) \
	case value: \
		*skill = (struct game_skill){ .damage = points, .range = reach, .cooldown_ms = pause }; \
		return true;
	GAME_SKILLS(X)
#undef X
	default: return false;
	}
}

/* Starts every request and every reply; a reply has the header of its request, but for its own packet_size. */
struct GamePacketHeader {
	uint32_t packet_size; /* bytes of the datagram's payload, this header included */
	uint32_t packet_type; /* enum game_packet_type */
	uint32_t player_id;
	uint32_t sequence;      /* of this player; serial arithmetic (RFC 1982) */
	uint64_t session_token; /* 0 for now */
} __attribute__((packed));

/* Request and reply. A request is at least as long as its reply: status and server_time_ns are 0 in it, what comes
 * after the struct is padding and is not sent back. */
struct GameMove {
	struct GamePacketHeader header;
	uint32_t status; /* enum game_status */
	float x, y, z;   /* request: where the player wants to be; reply: where it is */
	uint64_t server_time_ns;
} __attribute__((packed));

struct GameHeartbeat {
	struct GamePacketHeader header;
	uint32_t status;
	uint32_t reserved;
	uint64_t client_time_ns; /* returned as it came */
	uint64_t server_time_ns;
} __attribute__((packed));

/* A reply has the result in place of the aim. */
struct GameAttack {
	struct GamePacketHeader header; /* its sequences are a circle of their own, independent of moves */
	uint32_t status;
	uint32_t target; /* player id */
	uint32_t skill;  /* enum game_skill_number */
	uint32_t damage; /* request: 0; reply: hit points the target lost */
	union {
		struct {
			float x, y, z; /* where the client sees the target */
			uint32_t reserved;
		} aim;
		struct {
			uint32_t hit_points; /* of the target, after this attack */
			uint32_t hits;       /* with GAME_OK that it has ever taken, this one included: an ordinal */
			uint32_t healed;     /* hit points it has regenerated ever */
			uint32_t reserved;
		} result;
	};
	uint64_t server_time_ns; /* of the request that was accepted, whichever of its repeats is answered */
} __attribute__((packed));

/* From now on the positions of others within the radius come as NEIGHBOURS, and others see this player's; 0 ends
 * both. */
struct GameSubscribe {
	struct GamePacketHeader header; /* its sequence is only returned, as a heartbeat's */
	uint32_t status;
	float radius; /* request: asked for; reply: that holds */
	uint64_t reserved;
	uint64_t server_time_ns;
} __attribute__((packed));

struct GameNeighbour {
	uint32_t player_id;
	uint32_t sequence; /* of the MOVE that brought it there */
	float x, y, z;
} __attribute__((packed));

/* In front of `count` neighbours. Started by the server at a tick: header.player_id is the subscriber, header.sequence
 * the low half of the tick's number. */
struct GameNeighbours {
	struct GamePacketHeader header;
	uint32_t count; /* of neighbours that follow, at least 1 */
	uint32_t cell;  /* of the world; two of one tick may both name a player that has just crossed over */
	uint64_t server_time_ns; /* of the tick */
} __attribute__((packed));
#define GAME_NEIGHBOURS_MOST 70u /* in one packet: it fits an Ethernet of MTU 1500 */

static_assert(sizeof(struct GamePacketHeader) == 24 && offsetof(struct GamePacketHeader, player_id) == 8, "wire");
static_assert(sizeof(struct GameMove) == 48 && offsetof(struct GameMove, server_time_ns) == 40, "wire");
static_assert(sizeof(struct GameHeartbeat) == 48 && offsetof(struct GameHeartbeat, client_time_ns) == 32, "wire");
static_assert(sizeof(struct GameAttack) == 64 && offsetof(struct GameAttack, target) == 28, "wire");
static_assert(offsetof(struct GameAttack, damage) == 36 && offsetof(struct GameAttack, server_time_ns) == 56, "wire");
static_assert(offsetof(struct GameAttack, aim.x) == 40 && offsetof(struct GameAttack, aim.reserved) == 52, "wire");
static_assert(offsetof(struct GameAttack, result.hit_points) == 40 && offsetof(struct GameAttack, result.hits) == 44 &&
	      offsetof(struct GameAttack, result.healed) == 48, "wire");
static_assert(sizeof(struct GameSubscribe) == 48 && offsetof(struct GameSubscribe, radius) == 28, "wire");
static_assert(sizeof(struct GameNeighbour) == 20 && sizeof(struct GameNeighbours) == 40, "wire");
static_assert(sizeof(struct GameNeighbours) + GAME_NEIGHBOURS_MOST * sizeof(struct GameNeighbour) <= 1472, "wire");

/* Where the player id stands: the steering key of the game. */
#define GAME_KEY_OFFSET 8u
#define GAME_KEY_LENGTH 4u

/* True if serial number a is newer than b (RFC 1982; exactly half way counts as not newer). */
static inline bool game_serial_newer(uint32_t a, uint32_t b)
{
	return a != b && (uint32_t)(a - b) < 0x80000000u;
}

/* X(type, struct of its request and reply, name): what a server of this protocol answers. */
#define GAME_PACKETS(X) \
	X(PLAYER_MOVE, struct GameMove, move) \
	X(PLAYER_ATTACK, struct GameAttack, attack) \
	X(HEARTBEAT, struct GameHeartbeat, heartbeat) \
	X(PLAYER_SUBSCRIBE, struct GameSubscribe, subscribe)

/* Bytes of a reply of this type, which are also the least bytes of its request; 0: no such type. */
static inline uint32_t wire_reply_bytes(uint32_t type)
{
	switch (type) {
#define X(type, body, name) case type: return (uint32_t)sizeof(body);
	GAME_PACKETS(X)
#undef X
	default: return 0;
	}
}

enum wire_error { WIRE_OK = 0, WIRE_RUNT = -1, WIRE_MALFORMED = -2 };

/* Checks a request: header whole, packet_size equal to len, known type, length at least that of its reply, token 0.
 * Returns WIRE_OK and *type, WIRE_RUNT (shorter than the reply would be) or WIRE_MALFORMED.
 * Inline, because a plugin links with nothing but the worker that loads it. */
static inline int wire_parse(const uint8_t *data, uint32_t len, uint32_t *type)
{
	const struct GamePacketHeader *header = (const struct GamePacketHeader *)(const void *)data;

	if (len < sizeof(*header))
		return WIRE_RUNT;
	uint32_t least = wire_reply_bytes(header->packet_type);
	if (header->packet_size != len || least == 0 || header->session_token != 0)
		return WIRE_MALFORMED;
	if (len < least)
		return WIRE_RUNT;
	*type = header->packet_type;
	return WIRE_OK;
}

/* Fills in requests; `out` must have room. Return the number of bytes. */
uint32_t wire_build_move(uint8_t *out, uint32_t player, uint32_t sequence, float x, float y, float z);
uint32_t wire_build_heartbeat(uint8_t *out, uint32_t player, uint32_t sequence, uint64_t client_time_ns);
uint32_t wire_build_subscribe(uint8_t *out, uint32_t player, uint32_t sequence, float radius);
uint32_t wire_build_attack(uint8_t *out, uint32_t player, uint32_t sequence, uint32_t target, uint32_t skill, float x,
			   float y, float z);

#endif
