/* What a reply says, field by field: for shadows, whose replies are compared with production's. */
#include "game.h"

static void digest_move(struct baton_digest *digest, const struct GameMove *move)
{
	baton_field(digest, "status", move->status);
	baton_field_real(digest, "x", move->x);
	baton_field_real(digest, "y", move->y);
	baton_field_real(digest, "z", move->z);
	baton_field(digest, "server_time_ns", (int64_t)move->server_time_ns);
}

static void digest_attack(struct baton_digest *digest, const struct GameAttack *attack)
{
	baton_field(digest, "status", attack->status);
	baton_field(digest, "target", attack->target);
	baton_field(digest, "skill", attack->skill);
	baton_field(digest, "damage", attack->damage);
	baton_field(digest, "hit_points", attack->result.hit_points);
	baton_field(digest, "hits", attack->result.hits);
	baton_field(digest, "healed", attack->result.healed);
	baton_field(digest, "server_time_ns", (int64_t)attack->server_time_ns);
}

static void digest_heartbeat(struct baton_digest *digest, const struct GameHeartbeat *beat)
{
	baton_field(digest, "status", beat->status);
	baton_field(digest, "client_time_ns", (int64_t)beat->client_time_ns);
	baton_field(digest, "server_time_ns", (int64_t)beat->server_time_ns);
}

static void digest_subscribe(struct baton_digest *digest, const struct GameSubscribe *subscribe)
{
	baton_field(digest, "status", subscribe->status);
	baton_field_real(digest, "radius", subscribe->radius);
	baton_field(digest, "server_time_ns", (int64_t)subscribe->server_time_ns);
}

/* Copied: a reply stands anywhere. */
void game_digest(struct baton_digest *digest, const uint8_t *reply, uint32_t len)
{
	struct GamePacketHeader header;
	union {
		struct GameMove move;
		struct GameAttack attack;
		struct GameHeartbeat beat;
		struct GameSubscribe subscribe;
	} body;

	baton_field(digest, "length", len);
	if (len < sizeof(header))
		return;
	memcpy(&header, reply, sizeof(header));
	memset(&body, 0, sizeof(body));
	memcpy(&body, reply, len < sizeof(body) ? len : sizeof(body));
	baton_field(digest, "packet_size", header.packet_size);
	baton_field(digest, "packet_type", header.packet_type);
	baton_field(digest, "player_id", header.player_id);
	baton_field(digest, "sequence", header.sequence);
	baton_field(digest, "session_token", (int64_t)header.session_token);
	switch (header.packet_type) {
	case PLAYER_MOVE: return digest_move(digest, &body.move);
	case PLAYER_ATTACK: return digest_attack(digest, &body.attack);
	case HEARTBEAT: return digest_heartbeat(digest, &body.beat);
	case PLAYER_SUBSCRIBE: return digest_subscribe(digest, &body.subscribe);
	default: return;
	}
}
