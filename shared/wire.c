/* Builds requests of the game protocol: what clients and tests send. Checking them is inline in wire.h. */
#include "wire.h"

#include <string.h>

static struct GamePacketHeader header_of(uint32_t type, uint32_t player, uint32_t sequence)
{
	return (struct GamePacketHeader){
		.packet_size = wire_reply_bytes(type),
		.packet_type = type,
		.player_id = player,
		.sequence = sequence,
	};
}

uint32_t wire_build_move(uint8_t *out, uint32_t player, uint32_t sequence, float x, float y, float z)
{
	struct GameMove move = { .header = header_of(PLAYER_MOVE, player, sequence), .x = x, .y = y, .z = z };

	memcpy(out, &move, sizeof(move));
	return (uint32_t)sizeof(move);
}

uint32_t wire_build_heartbeat(uint8_t *out, uint32_t player, uint32_t sequence, uint64_t client_time_ns)
{
	struct GameHeartbeat beat = {
		.header = header_of(HEARTBEAT, player, sequence),
		.client_time_ns = client_time_ns,
	};

	memcpy(out, &beat, sizeof(beat));
	return (uint32_t)sizeof(beat);
}

uint32_t wire_build_attack(uint8_t *out, uint32_t player, uint32_t sequence, uint32_t target, uint32_t skill, float x,
			   float y, float z)
{
	struct GameAttack attack = {
		.header = header_of(PLAYER_ATTACK, player, sequence),
		.target = target,
		.skill = skill,
		.aim = { .x = x, .y = y, .z = z },
	};

	memcpy(out, &attack, sizeof(attack));
	return (uint32_t)sizeof(attack);
}

uint32_t wire_build_subscribe(uint8_t *out, uint32_t player, uint32_t sequence, float radius)
{
	struct GameSubscribe subscribe = { .header = header_of(PLAYER_SUBSCRIBE, player, sequence), .radius = radius };

	memcpy(out, &subscribe, sizeof(subscribe));
	return (uint32_t)sizeof(subscribe);
}
