/* PLAYER_ATTACK: the attacker's side. Range, cooldown and sequence are checked here; what becomes of the hit is
 * decided in the target's bucket (hit.c) and comes back by message, is kept, and is the answer to each repeat
 * (protocol.md R9). */
#include "game.h"

/* Turns the request into a refusal: nothing has changed. */
static uint16_t refuse(const struct baton_ctx *ctx, struct GameAttack *attack, uint32_t status)
{
	attack->header.packet_size = (uint32_t)sizeof(*attack);
	attack->status = status;
	attack->damage = 0;
	memset(&attack->result, 0, sizeof(attack->result));
	attack->server_time_ns = ctx->time_ns;
	return (uint16_t)sizeof(*attack);
}

static void fill_result(struct GameAttack *attack, const struct fighter *fighter)
{
	attack->header.packet_size = (uint32_t)sizeof(*attack);
	attack->status = fighter->status;
	attack->target = fighter->target;
	attack->skill = fighter->skill;
	attack->damage = fighter->damage;
	attack->result.hit_points = fighter->told.hit_points;
	attack->result.hits = fighter->told.hits;
	attack->result.healed = fighter->told.healed;
	attack->result.reserved = 0;
	attack->server_time_ns = fighter->time_ns;
}

static uint16_t seconds(const struct baton_ctx *ctx)
{
	return (uint16_t)(ctx->time_ns / 1000000000);
}

/* fighter is saved. */
static bool post_hit(struct baton_ctx *ctx, uint32_t attacker, struct fighter *fighter)
{
	struct note note = {
		.kind = NOTE_HIT, .skill = fighter->skill, .status = (fighter->flags & FIGHTER_TURNED_AWAY) != 0,
		.attacker = attacker, .target = fighter->target, .sequence = fighter->sequence,
	};

	memcpy(note.aim, fighter->aim, sizeof(note.aim));
	fighter->posted++;
	fighter->posted_s = seconds(ctx);
	return note_post(ctx, fighter->target, &note);
}

/* Why the attack is refused; GAME_OK if it is not. skill: what it asks for. */
static uint32_t examine(const struct baton_ctx *ctx, const struct GameAttack *attack, const struct player *player,
			const struct fighter *fighter, const float aim[3])
{
	struct game_skill skill, last;

	if (!game_skill_find(attack->skill, &skill))
		return GAME_NO_SKILL;
	if (!fight_in_world(aim))
		return GAME_OUTSIDE_WORLD;
	if (attack->target == attack->header.player_id)
		return GAME_NO_TARGET;
	if (!fight_within((const float[3]){player->x, player->y, player->z}, aim, skill.range))
		return GAME_TOO_FAR;
	if (fighter != NULL && fighter->flags & FIGHTER_HAS_ATTACKED && game_skill_find(fighter->skill, &last) &&
	    (ctx->time_ns < fighter->time_ns || ctx->time_ns - fighter->time_ns < last.cooldown_ms * 1000000ull))
		return GAME_COOLDOWN;
	return GAME_OK;
}

static baton_verdict accept(struct baton_ctx *ctx, const struct GameAttack *attack, struct player *player,
			    struct fighter *fighter, const float aim[3])
{
	if (!baton_save(ctx, fighter, sizeof(*fighter)) || !baton_save(ctx, &player->time_ns, sizeof(player->time_ns)))
		return baton_no_reply();
	player->time_ns = ctx->time_ns;
	fighter->time_ns = ctx->time_ns;
	fighter->sequence = attack->header.sequence;
	fighter->target = attack->target;
	fighter->skill = (uint8_t)attack->skill;
	fighter->flags = FIGHTER_HAS_ATTACKED | FIGHTER_OPEN;
	fighter->posted = 0;
	memcpy(fighter->aim, aim, sizeof(fighter->aim));
	post_hit(ctx, attack->header.player_id, fighter);
	return baton_no_reply(); /* the result will be the reply */
}

static baton_verdict repeat(struct baton_ctx *ctx, struct GameAttack *attack, struct fighter *fighter)
{
	if (!(fighter->flags & FIGHTER_OPEN) && !BATON_SABOTAGE(stored_result_not_used)) {
		fill_result(attack, fighter);
		return baton_reply((uint16_t)sizeof(*attack));
	}
	/* Once one was turned away no more are posted, so that the last of them can be told. */
	if (fighter->flags & FIGHTER_TURNED_AWAY && (uint16_t)(seconds(ctx) - fighter->posted_s) <= FIGHT_QUIET_S)
		return baton_no_reply();
	if (!baton_save(ctx, fighter, sizeof(*fighter)))
		return baton_no_reply();
	post_hit(ctx, attack->header.player_id, fighter);
	return baton_no_reply();
}

baton_verdict game_attack(struct baton_ctx *ctx, uint8_t *data)
{
	struct GameAttack *attack = (struct GameAttack *)(void *)data;
	const float aim[3] = {attack->aim.x, attack->aim.y, attack->aim.z};
	struct player *player = player_find(ctx, attack->header.player_id);
	struct fighter *fighter;
	uint32_t status;

	if (player == NULL)
		return baton_reply_error(refuse(ctx, attack, GAME_NO_PLAYER));
	if (!player_reach(ctx, player, ctx->peer))
		return baton_no_reply();
	fighter = fighter_find(ctx, attack->header.player_id);
	if (fighter != NULL && fighter->flags & FIGHTER_HAS_ATTACKED) {
		if (attack->header.sequence == fighter->sequence)
			return repeat(ctx, attack, fighter);
		if (!game_serial_newer(attack->header.sequence, fighter->sequence))
			return baton_reply(refuse(ctx, attack, GAME_STALE));
		if (fighter->flags & FIGHTER_OPEN && !BATON_SABOTAGE(two_attacks_open))
			return baton_reply(refuse(ctx, attack, GAME_BUSY));
	}
	status = examine(ctx, attack, player, fighter, aim);
	if (status == GAME_COOLDOWN)
		return baton_reply(refuse(ctx, attack, status));
	if (status == GAME_OK && fighter == NULL && (fighter = fighter_create(ctx, attack->header.player_id)) == NULL)
		status = GAME_FULL;
	if (status != GAME_OK)
		return baton_reply_error(refuse(ctx, attack, status));
	if (BATON_SABOTAGE(result_told_at_once)) {
		accept(ctx, attack, player, fighter, aim);
		return baton_reply(refuse(ctx, attack, GAME_OK));
	}
	return accept(ctx, attack, player, fighter, aim);
}

/* A hit of the attack was turned away. True if that was the last of it, and so is the attack's result. fighter is
 * saved. */
static bool was_last(struct fighter *fighter, const struct note *result)
{
	if (fighter->posted != 0)
		fighter->posted--;
	fighter->flags |= FIGHTER_TURNED_AWAY;
	return fighter->posted == 0 || result->skill != 0 || BATON_SABOTAGE(first_turned_away_ends_it);
}

/* The first result of the open attack is kept and told; each is answered, so that the target's bucket may forget. */
void attack_result(struct baton_ctx *ctx, const struct note *result)
{
	struct fighter *fighter = fighter_find(ctx, result->attacker);
	const struct player *player = player_find(ctx, result->attacker);
	bool known = fighter != NULL && fighter->flags & FIGHTER_HAS_ATTACKED && fighter->sequence == result->sequence;
	const struct note forget = {
		.kind = NOTE_FORGET, .attacker = result->attacker, .target = result->target, .sequence = result->sequence,
		.posted = known ? fighter->posted : 0,
	};

	if (known && fighter->flags & FIGHTER_OPEN) {
		struct GameAttack reply = {
			.header = {.packet_type = PLAYER_ATTACK, .player_id = result->attacker, .sequence = result->sequence},
		};

		if (!baton_save(ctx, fighter, sizeof(*fighter)))
			return;
		if (result->status == GAME_TARGET_FULL && !was_last(fighter, result))
			return;
		if (!BATON_SABOTAGE(result_told_not_stored))
			fighter->flags &= (uint8_t)~(FIGHTER_OPEN | FIGHTER_TURNED_AWAY);
		fighter->status = result->status;
		fighter->damage = result->damage;
		fighter->told = result->told;
		fill_result(&reply, fighter);
		if (player != NULL)
			baton_send(ctx, &player->peer, &reply, sizeof(reply));
	}
	/* The target's bucket keeps nothing of a hit that it turned away; of another one it must not forget. */
	if (result->status != GAME_TARGET_FULL)
		note_post(ctx, result->target, &forget);
}
