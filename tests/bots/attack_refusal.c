/* Refusals: given by the attacker's side, for the attack itself or because of another one of the same player. */
#include "attack.h"

bool attack_within(uint64_t server_ns, uint64_t accepted_ns, uint32_t cooldown_ms)
{
	return server_ns >= accepted_ns && server_ns - accepted_ns < (uint64_t)cooldown_ms * 1000000;
}

/* True if an attack at that time comes too early after one of the last two that were taken. */
bool attack_cooling(const struct fighter *f, uint64_t server_ns)
{
	return attack_within(server_ns, f->accepted.server_ns, f->accepted.cooldown_ms) ||
	       (f->previous.known && attack_within(server_ns, f->previous.server_ns, f->previous.cooldown_ms));
}

static const char *judge_cooldown(struct model *model, struct fighter *f, struct request *r, uint64_t server_ns)
{
	if (!attack_may_be_taken(&r->attack)) /* AGAIN never comes here */
		return "refused for the cooldown, which comes last of all reasons";
	if (r->attack.kind == ATTACK_MEANWHILE && f->main != MODEL_NONE)
		f->deferred_ns = server_ns; /* until the result of the older one says when that was taken */
	else if (f->accepted.known && !attack_cooling(f, server_ns))
		model->tally->attack.faults.cooldown_faults++;
	return NULL;
}

/* A sequence that the server says is old. */
static const char *judge_stale(struct model *model, struct fighter *f, struct request *r)
{
	struct attack *a = &r->attack;

	if (a->kind == ATTACK_STALE)
		return NULL;
	if (!f->synced && a->kind <= ATTACK_UNKNOWN && f->attempts < 3) {
		f->attempts++; /* it knows this player from an earlier run: go on almost half a circle ahead */
		f->sequence += 0x7fffffe0u;
		return NULL;
	}
	if (a->tries > 1 && game_serial_newer(f->sequence, r->sequence)) {
		/* a newer one was taken before this one came: whether it was taken itself will not be known */
		a->told = false;
		model->tally->attack.superseded++;
		return NULL;
	}
	return "a newer sequence was refused as old";
}

static const char *judge_refusal(struct model *model, struct fighter *f, struct request *r, const struct GameAttack *g)
{
	enum attack_kind kind = r->attack.kind;
	bool ours = kind <= ATTACK_UNKNOWN; /* one that should be taken */

	if (kind == ATTACK_AGAIN)
		return "an attack that has a result was refused";
	if (kind == ATTACK_EARLY_LIFE) /* the server may know this player from an earlier run */
		return g->status == GAME_NO_PLAYER || g->status == GAME_NO_TARGET || g->status == GAME_STALE ||
		       g->status == GAME_BUSY ? NULL : "an attack of a player that has never moved";
	switch (g->status) {
	case GAME_COOLDOWN: return judge_cooldown(model, f, r, g->server_time_ns);
	case GAME_STALE: return judge_stale(model, f, r);
	case GAME_BUSY:
		return kind == ATTACK_MEANWHILE || (ours && !f->synced) ? NULL : "busy, although nothing is open";
	case GAME_FULL: return ours || kind == ATTACK_MEANWHILE ? NULL : "full, which comes last of all reasons";
	case GAME_OUTSIDE_WORLD: return kind == ATTACK_OUTSIDE ? NULL : "the aim is within the world";
	case GAME_TOO_FAR: return kind == ATTACK_FAR ? NULL : "the aim is within range";
	case GAME_NO_SKILL: return kind == ATTACK_NO_SKILL ? NULL : "there is such a skill";
	case GAME_NO_TARGET: return kind == ATTACK_SELF ? NULL : "this is not the attacker itself";
	default: return "the attacker does exist";
	}
}

/* A refusal is given by the request's own entry: in order with all other replies to the player. */
static const char *judge_order(struct model *model, struct player *p, struct request *r, uint64_t server_ns,
			       uint64_t wall_ns)
{
	if (r->attack.tries > 1 || r->attack.ways > 1) /* which of the requests, or by which way, cannot be told */
		return judge_window(model, r, server_ns, wall_ns) ? NULL : "server time is not that of the request";
	if (r->overtaken) {
		model->tally->reordered++;
		model_blame(model, r->player);
	}
	for (uint32_t i = 0; i < p->opens; i++) {
		struct request *other = &model->request[p->open[i]];
		if (other->order < r->order)
			other->overtaken = true;
	}
	attack_overtaken(model, r);
	return judge_time(model, p, r, server_ns, wall_ns);
}

void attack_count_refusal(struct bots_tally *tally, uint32_t status)
{
	tally->attack.refused[status]++;
	tally->full += status == GAME_FULL;
	tally->error_replies += status != GAME_STALE && status != GAME_BUSY && status != GAME_COOLDOWN;
}

void attack_take_refusal(struct model *model, struct player *p, struct request *r, const struct GameAttack *g,
			 uint64_t wall_ns)
{
	struct fighter *f = &model->fighter[r->player];
	struct attack *a = &r->attack;
	struct request *older = f->main != MODEL_NONE ? &model->request[f->main] : NULL;

	a->told = true;
	const char *fault = judge_refusal(model, f, r, g);
	const char *other = judge_order(model, p, r, g->server_time_ns, wall_ns);
	if (fault == NULL)
		fault = other;
	if (fault != NULL)
		model_tell(model, r, fault);
	attack_count_refusal(model->tally, g->status);
	if (a->kind == ATTACK_MEANWHILE && g->status != GAME_BUSY && older != NULL && older->attack.newer_ns == 0) {
		older->attack.newer_ns = model->now_ns;
		older->attack.newer_round = model->round;
	}
	if (g->status == GAME_BUSY && !f->synced)
		f->ready_ns = model->now_ns + 100000000;
	bool settled = a->answers >= a->tries;
	if (!a->waits || (!settled && attack_may_be_taken(a) && a->told))
		return; /* another of its requests may have been taken */
	if (!settled)
		f->refused[f->refuseds++ % FIGHTER_SETTLED] =
			(struct refused){ r->sequence, a->tries - a->answers, !a->told };
	if (older == r && f->deferred_ns != 0) {
		model->tally->attack.faults.cooldown_faults += a->told && f->accepted.known &&
							       !attack_cooling(f, f->deferred_ns);
		f->deferred_ns = 0;
	}
	f->free_again = f->free_again || (settled && a->told && f->sequence == r->sequence);
	attack_count(model, r);
	attack_close(model, r);
}
