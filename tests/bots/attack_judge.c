/* What the server may say to an attack. A reply that cannot be one, or that says what cannot be, is wrong and does not
 * end the attack: it is sent again, as a client would. All else is believed, judged, and entered in the books. */
#include <string.h>

#include "attack.h"

bool attack_is_result(const struct GameAttack *g)
{
	return g->status == GAME_OK || g->status == GAME_MISSED || g->status == GAME_TARGET_DOWN ||
	       g->status == GAME_TARGET_FULL ||
	       (g->status == GAME_NO_TARGET && g->target != g->header.player_id);
}

/* A result that no hit and no target can have, whatever happened before. */
static const char *judge_values(const struct GameAttack *g)
{
	struct game_skill skill = { 0 };
	bool known = game_skill_find(g->skill, &skill);

	if (!attack_is_result(g) || g->status == GAME_NO_TARGET || g->status == GAME_TARGET_FULL)
		return g->damage == 0 && g->result.hit_points == 0 && g->result.hits == 0 && g->result.healed == 0
		       ? NULL : "what did not meet its target has values of a result";
	if (g->result.hit_points > GAME_HIT_POINTS)
		return "more hit points than anybody can have";
	if (g->status != GAME_OK)
		return g->damage != 0 ? "damage without a hit"
		     : g->status == GAME_TARGET_DOWN && g->result.hit_points != 0 ? "a target is down and is not" : NULL;
	return !known || g->damage == 0 || g->damage > skill.damage ? "a hit with damage its skill cannot do"
	     : g->result.hits == 0 ? "a hit is not counted as one" : NULL;
}

/* Is it a reply to this attack at all? */
static const char *judge_shape(const struct request *r, uint32_t socket, const uint8_t *data, uint32_t len,
			       struct GameAttack *g)
{
	const struct attack *a = &r->attack;
	struct GameAttack sent;

	memcpy(&sent, r->bytes, sizeof(sent));
	sent.header.packet_size = sizeof(sent); /* padding does not come back */
	if (len != sizeof(*g))
		return "length is not that of a reply";
	memcpy(g, data, sizeof(*g));
	if (memcmp(&g->header, &sent.header, sizeof(g->header)) != 0)
		return "header is not that of the request";
	if (g->target != sent.target || g->skill != sent.skill)
		return "target or skill are not those of the request";
	if (g->result.reserved != 0)
		return "reserved bytes are not 0";
	if (g->status >= BOTS_STATUSES && !attack_is_result(g))
		return "no such status";
	if (socket != a->socket[0] && (a->ways < 2 || socket != a->socket[1]))
		return "came to a port the player did not use meanwhile";
	return judge_values(g);
}

void attack_count(struct model *model, struct request *r)
{
	if (r->attack.lost)
		model->tally->late++; /* and stays lost */
	else
		model->tally->received++;
}

void attack_answer(struct model *model, struct request *r, uint32_t socket, const uint8_t *data, uint32_t len,
		   uint64_t now_ns, uint64_t wall_ns)
{
	struct player *p = &model->player[r->player];
	struct GameAttack g;
	const char *fault = judge_shape(r, socket, data, len, &g);

	r->attack.answers++;
	model->limit = model->options->in_flight;
	model_remember(p, data, len);
	if (fault != NULL) {
		model_tell(model, r, fault);
		return;
	}
	if (r->attack.tries == 1)
		model_rtt(model, now_ns - r->sent_ns);
	if (!attack_is_result(&g))
		attack_take_refusal(model, p, r, &g, wall_ns);
	else if (r->attack.kind == ATTACK_AGAIN)
		attack_take_again(model, r, data);
	else
		attack_take_result(model, p, r, socket, &g, wall_ns);
}

/* A further reply to an attack whose result is known. False if none was to come and none like it came before. */
static bool take_echo(struct model *model, struct player *p, struct settled *settled, const uint8_t *data, uint32_t len)
{
	const struct fighter *f = &model->fighter[p - model->player];
	bool same = len == sizeof(settled->reply) && memcmp(data, settled->reply, len) == 0;
	struct GameAttack g = { 0 };

	if (settled->answers >= settled->tries) {
		model->tally->duplicated += same;
		if (same)
			model_blame(model, (uint32_t)(p - model->player));
		return same;
	}
	settled->answers++;
	memcpy(&g, data, len < sizeof(g) ? len : sizeof(g));
	if (same)
		model->tally->attack.echoes++;
	else if (g.status == GAME_STALE && f->sequence != settled->sequence)
		model->tally->attack.refused[GAME_STALE]++; /* overtaken by a newer one on its way there */
	else
		model->tally->attack.faults.stored_faults++;
	return true;
}

/* A further reply to an attack that was refused for good. False if none was to come. */
static bool take_remainder(struct model *model, struct player *p, const struct GameAttack *g, const uint8_t *data,
			   uint32_t len)
{
	struct fighter *f = &model->fighter[p - model->player];

	for (uint32_t i = 0; i < FIGHTER_SETTLED; i++) {
		struct refused *refused = &f->refused[i];
		if (refused->sequence != g->header.sequence || refused->missing == 0 ||
		    (attack_is_result(g) ? !refused->superseded : g->status >= BOTS_STATUSES))
			continue;
		refused->missing--;
		model_remember(p, data, len);
		if (attack_is_result(g))
			model->tally->attack.echoes++;
		else
			attack_count_refusal(model->tally, g->status);
		return true;
	}
	return false;
}

bool attack_reply(struct model *model, struct player *p, uint32_t socket, const uint8_t *data, uint32_t len,
		  uint64_t now_ns, uint64_t wall_ns)
{
	struct fighter *f = &model->fighter[p - model->player];
	const uint32_t open[2] = { f->main, f->extra };
	struct GameAttack g = { 0 };

	memcpy(&g, data, len < sizeof(g) ? len : sizeof(g));
	/* two results may be the same to the byte, two refusals have different times */
	if (!attack_is_result(&g) && model_remembers(p, data, len))
		return false;
	for (uint32_t i = 0; i < 2; i++) {
		struct request *r = open[i] != MODEL_NONE ? &model->request[open[i]] : NULL;
		if (r != NULL && r->sequence == g.header.sequence && r->sent) {
			attack_answer(model, r, socket, data, len, now_ns, wall_ns);
			return true;
		}
	}
	struct settled *settled = attack_find_settled(f, g.header.sequence);
	if (settled == NULL && take_remainder(model, p, &g, data, len))
		return true;
	return settled != NULL && take_echo(model, p, settled, data, len);
}
