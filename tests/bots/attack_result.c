/* Results: what the target's side has told of an attack that was taken, for the books. */
#include <string.h>

#include "attack.h"

/* Replies by two ways, and by the entry or by message, are not ordered against each other; but what is this late was
 * not on its way any more: the sockets were read to their ends in between, and I/O lcores do not dawdle so long. */
#define LATE_ROUNDS 2u
#define LATE_NS     200000000ull

static bool is_late(const struct model *model, uint64_t since_ns, uint64_t since_round)
{
	return since_ns != 0 && model->round >= since_round + LATE_ROUNDS && model->now_ns - since_ns >= LATE_NS;
}

struct settled *attack_find_settled(struct fighter *f, uint32_t sequence)
{
	for (uint32_t i = 0; i < FIGHTER_SETTLED && i < f->settleds; i++)
		if (f->settled[i].sequence == sequence)
			return &f->settled[i];
	return NULL;
}

static const char *judge_result(const struct model *model, const struct request *r, const struct GameAttack *g)
{
	const struct attack *a = &r->attack;
	bool certain = a->target != MODEL_NONE && model->fighter[a->target].epoch == a->epoch;

	if (g->status == GAME_TARGET_FULL && attack_may_be_taken(a))
		return NULL; /* whoever the target is, and wherever */
	switch (a->kind) {
	case ATTACK_UNKNOWN:
		return g->status == GAME_NO_TARGET ? NULL : "a target that does not exist was found";
	case ATTACK_AIMED:
	case ATTACK_MEANWHILE:
		if (g->status == GAME_NO_TARGET)
			return "a target that exists was not found";
		return certain && g->status == GAME_MISSED ? "missed, although the target is at the aim" : NULL;
	case ATTACK_LOOK:
	case ATTACK_BESIDE:
		if (g->status == GAME_NO_TARGET)
			return "a target that exists was not found";
		return certain && g->status != GAME_MISSED ? "not missed, although the target is far from the aim" : NULL;
	default: return "an attack against the rules was taken";
	}
}

/* When was it taken, against the cooldown of the one before, and against a newer one that was refused meanwhile. */
static void judge_times(struct model *model, struct fighter *f, const struct request *r, uint64_t server_ns)
{
	struct game_skill skill = { 0 };
	bool newer = !f->accepted.known || game_serial_newer(r->sequence, f->accepted.sequence);
	uint64_t cooldown = (uint64_t)f->accepted.cooldown_ms * 1000000;

	if (newer && f->accepted.known &&
	    (server_ns < f->accepted.server_ns || server_ns - f->accepted.server_ns < cooldown))
		model->tally->attack.faults.cooldown_faults++;
	game_skill_find(r->attack.skill, &skill);
	if (f->deferred_ns != 0 && r->attack.kind != ATTACK_MEANWHILE) {
		model->tally->attack.faults.cooldown_faults += !attack_cooling(f, f->deferred_ns) &&
			!attack_within(f->deferred_ns, server_ns, skill.cooldown_ms);
		f->deferred_ns = 0;
	}
	if (!newer)
		return;
	f->previous = f->accepted;
	f->accepted.known = true;
	f->accepted.sequence = r->sequence;
	f->accepted.cooldown_ms = skill.cooldown_ms;
	f->accepted.server_ns = server_ns;
	f->ready_ns = model->now_ns + (uint64_t)skill.cooldown_ms * 1000000;
}

/* By which way, and in which order to the results of other attacks of this player. */
static void judge_way(struct model *model, const struct request *r, uint32_t socket)
{
	struct fighter *f = &model->fighter[r->player];
	const struct attack *a = &r->attack;
	bool single = a->tries == 1;

	if (a->ways == 2 && a->alone && single && socket == a->socket[0] && is_late(model, a->known_ns, a->known_round))
		model->tally->attack.faults.way_faults++;
	if (a->ways == 1 && single && is_late(model, a->newer_ns, a->newer_round))
		model->tally->attack.faults.busy_faults++;
	if (a->ways == 1 && a->passed) {
		model->tally->reordered++;
		model_blame(model, r->player);
	}
	uint32_t other = f->main == (uint32_t)(r - model->request) ? f->extra : f->main;
	if (other != MODEL_NONE && game_serial_newer(r->sequence, model->request[other].sequence))
		model->request[other].attack.passed = true;
	if (a->kind == ATTACK_MEANWHILE && f->main != MODEL_NONE && model->request[f->main].attack.newer_ns == 0) {
		model->request[f->main].attack.newer_ns = model->now_ns;
		model->request[f->main].attack.newer_round = model->round;
	}
}

static void enter(struct model *model, const struct request *r, const struct GameAttack *g)
{
	struct attack_faults *faults = &model->tally->attack.faults;
	struct account *account = &model->fighter[r->attack.target].account;
	const struct account_hit hit = {
		.after = { .hits = g->result.hits, .hit_points = g->result.hit_points, .healed = g->result.healed },
		.damage = g->damage,
	};
	struct game_skill skill = { 0 };

	game_skill_find(g->skill, &skill);
	if (!account->known)
		account_open(account, &hit, faults);
	if (model->auditing && hit.damage == 0) {
		account_settle(account, faults);
		model->off_accounts += !account_audit(account, &hit.after, faults);
		model->audit_ns = model->now_ns;
	} else if (account_enter(account, &hit, skill.damage, faults) != 0) {
		model->off_accounts++;
		model_tell(model, r, "no memory to enter it in the books");
	}
}

static void count_result(struct bots_attacks *t, const struct GameAttack *g)
{
	t->hits += g->status == GAME_OK;
	t->missed += g->status == GAME_MISSED;
	t->down += g->status == GAME_TARGET_DOWN;
	t->no_target += g->status == GAME_NO_TARGET;
	t->target_full += g->status == GAME_TARGET_FULL;
	t->damage += g->damage;
}

/* The same attack once more, after its result: what comes must be what came. */
void attack_take_again(struct model *model, struct request *r, const uint8_t *data)
{
	struct settled *settled = attack_find_settled(&model->fighter[r->player], r->sequence);

	settled->answers++;
	model->tally->attack.echoes++;
	if (memcmp(data, settled->reply, sizeof(settled->reply)) != 0)
		model->tally->attack.faults.stored_faults++;
	attack_count(model, r);
	attack_close(model, r);
}

void attack_take_result(struct model *model, struct player *p, struct request *r, uint32_t socket,
			const struct GameAttack *g, uint64_t wall_ns)
{
	struct fighter *f = &model->fighter[r->player];
	struct attack *a = &r->attack;
	struct settled *settled = &f->settled[f->settleds++ % FIGHTER_SETTLED];
	const char *fault = judge_result(model, r, g), *other = NULL;

	*settled = (struct settled){ .sequence = r->sequence, .tries = a->tries, .answers = a->answers };
	memcpy(settled->reply, g, sizeof(settled->reply));
	a->told = true;
	f->synced = true;
	f->free_again = false;
	if (a->tries > 1 || a->ways > 1) /* taken at the time of any of its requests */
		other = judge_window(model, r, g->server_time_ns, wall_ns) ? NULL : "server time is not that of a request";
	else
		other = judge_time(model, p, r, g->server_time_ns, wall_ns);
	if (fault == NULL)
		fault = other;
	if (fault != NULL)
		model_tell(model, r, fault);
	judge_way(model, r, socket);
	judge_times(model, f, r, g->server_time_ns);
	count_result(&model->tally->attack, g);
	model->tally->full += g->status == GAME_TARGET_FULL;
	if (a->target != MODEL_NONE) {
		model->tally->attack.uncertain += model->fighter[a->target].epoch != a->epoch;
		model->tally->attack.audits += model->auditing;
		if (g->status != GAME_NO_TARGET && g->status != GAME_TARGET_FULL && attack_may_land(a))
			enter(model, r, g);
	}
	attack_count(model, r);
	attack_close(model, r);
}
