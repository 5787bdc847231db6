/* Where players stay, and who attacks whom, when and how. */
#include <math.h>
#include <string.h>

#include "attack.h"
#include "interest.h"

#define PLACE_STEP      16.0f /* a player is at most so far from its place, on each axis */
#define PLACE_REACH     29.0f /* so no farther than that: the diagonal, rounded up */
#define AIM_STEP        8.0f  /* an aim is so far from the target's place at most, on each axis */
#define NEIGHBOUR_STEP  20.0f
#define MOVING_PERMILLE 20u   /* of the moves: to another place */
#define TARGET_TRIES    8u

/* Within the radius from wherever the target may be; and a STRIKE must reach a neighbour. */
static_assert(((int)PLACE_STEP + (int)AIM_STEP) * 17321 < (int)GAME_AIM_RADIUS * 10000, "an aim finds its target");
static_assert(((int)NEIGHBOUR_STEP + (int)AIM_STEP) * 17321 + (int)PLACE_REACH * 10000 < 100 * 10000,
	      "neighbours are within a STRIKE");

static float inside(float value)
{
	return fmaxf(-GAME_WORLD_XY, fminf(GAME_WORLD_XY, value));
}

static struct position around(struct model *model, const struct position *at, float step)
{
	float by[3];

	for (uint32_t i = 0; i < 3; i++)
		by[i] = ((float)(model_random(model) >> 40) / (float)(1 << 23) - 1.0f) * step;
	return (struct position){ inside(at->x + by[0]), inside(at->y + by[1]), inside(at->z + by[2]) };
}

static float distance(const struct position *a, const struct position *b)
{
	float x = a->x - b->x, y = a->y - b->y, z = a->z - b->z;

	return sqrtf(x * x + y * y + z * z);
}

bool attack_allowed(const struct model *model, uint32_t attacker, uint32_t target)
{
	return attacker != target && (!model->options->teams || attacker % 2 != target % 2);
}

struct position attack_place(struct model *model, const struct player *p)
{
	uint32_t index = (uint32_t)(p - model->player);
	struct fighter *f = &model->fighter[index];
	bool free_to_go = f->main == MODEL_NONE && f->extra == MODEL_NONE;

	if (f->epoch == 0 || (free_to_go && model_chance(model, MOVING_PERMILLE))) {
		uint32_t other = (uint32_t)(model_random(model) % model->options->players);
		bool join = attack_allowed(model, index, other) && model->fighter[other].epoch != 0 &&
			    model_chance(model, 600);
		f->neighbour = join ? other : MODEL_NONE;
		f->place = join ? around(model, &model->fighter[other].place, NEIGHBOUR_STEP)
			   : model->interest != NULL ? interest_place(model, index)
				: (struct position){ model_coordinate(model), model_coordinate(model),
						     model_coordinate(model) };
		f->epoch++;
		f->there = false;
	}
	return around(model, &f->place, PLACE_STEP);
}

/* A target that is known to be at its place. MODEL_NONE: none was found. */
static uint32_t find_target(struct model *model, uint32_t attacker, bool first_look)
{
	const struct fighter *f = &model->fighter[attacker];

	for (uint32_t i = 0; i < TARGET_TRIES; i++) {
		uint32_t t = i == 0 && f->neighbour != MODEL_NONE && model_chance(model, 500) ? f->neighbour
			   : (uint32_t)(model_random(model) % model->options->players);
		const struct account *account = &model->fighter[t].account;
		if (attack_allowed(model, attacker, t) && model->fighter[t].there && !account->looking &&
		    (account->known || first_look))
			return t;
	}
	return MODEL_NONE;
}

static void aim_at(struct model *model, struct attack *a, uint32_t target, struct position *aim)
{
	const struct fighter *t = &model->fighter[target];

	a->target = target;
	a->epoch = t->epoch;
	*aim = around(model, &t->place, AIM_STEP);
}

/* So that it misses: 150 to 300 away from the target's place, towards the middle of the world. */
static void aim_beside(struct model *model, struct attack *a, uint32_t target, struct position *aim)
{
	float by = 150.0f + (float)(model_random(model) % 150);

	aim_at(model, a, target, aim);
	*aim = model->fighter[target].place;
	aim->x += aim->x > 0 ? -by : by;
	a->skill = GAME_METEOR;
}

/* A skill that certainly reaches the aim; half of them METEOR, which every aim is in reach of. */
static uint32_t fitting_skill(struct model *model, const struct fighter *f, const struct position *aim)
{
	uint32_t number = 1 + (uint32_t)(model_random(model) % 2);
	struct game_skill skill;

	if (model_chance(model, 500) || !game_skill_find(number, &skill) ||
	    distance(&f->place, aim) + PLACE_REACH > skill.range)
		return GAME_METEOR;
	return number;
}

static void aim_too_far(struct model *model, const struct fighter *f, struct attack *a, struct position *aim)
{
	a->skill = 1 + (uint32_t)(model_random(model) % 2);
	struct game_skill skill;

	if (game_skill_find(a->skill, &skill) && distance(&f->place, aim) - PLACE_REACH > skill.range)
		return;
	a->skill = GAME_METEOR;
	aim->z += 100000.0f;
}

/* What a player does against the rules. */
static enum attack_kind violation(struct model *model, const struct fighter *f)
{
	static const enum attack_kind kinds[] = {
		ATTACK_AIMED, ATTACK_AIMED, ATTACK_BESIDE, ATTACK_BESIDE, ATTACK_UNKNOWN, ATTACK_NO_SKILL,
		ATTACK_OUTSIDE, ATTACK_SELF, ATTACK_FAR, ATTACK_STALE, ATTACK_AGAIN, ATTACK_AGAIN,
	};
	enum attack_kind kind = kinds[model_random(model) % (sizeof(kinds) / sizeof(kinds[0]))];

	if (kind == ATTACK_AGAIN || kind == ATTACK_STALE) {
		const struct settled *last = &f->settled[(f->settleds - 1) % FIGHTER_SETTLED];
		if (!f->accepted.known || (kind == ATTACK_AGAIN && last->sequence != f->accepted.sequence))
			return ATTACK_AIMED;
	}
	return kind;
}

/* The kind of attack that this player can make now; false: none. */
static bool choose_kind(struct model *model, const struct player *p, const struct request *r, enum attack_kind *kind)
{
	const struct fighter *f = &model->fighter[r->player];
	bool violate = model_chance(model, model->options->violate_permille);

	if (f->main == MODEL_NONE && f->extra == MODEL_NONE && r->order == 1 && violate) {
		*kind = ATTACK_EARLY_LIFE;
		return true;
	}
	if (!p->synced || !f->there || f->extra != MODEL_NONE)
		return false;
	if (f->main != MODEL_NONE) {
		const struct request *open = &model->request[f->main];
		if (!violate || !f->synced || !f->accepted.known || !open->sent || open->attack.ways == 2 ||
		    open->attack.kind > ATTACK_UNKNOWN)
			return false;
		*kind = model_chance(model, 300) ? ATTACK_STALE : ATTACK_MEANWHILE;
		return true;
	}
	if ((!f->synced || !violate) && model->now_ns < f->ready_ns)
		return false;
	*kind = f->synced && violate ? violation(model, f) : ATTACK_AIMED;
	return true;
}

static uint32_t choose_sequence(struct model *model, struct fighter *f, enum attack_kind kind)
{
	uint64_t r = model_random(model);

	if (kind == ATTACK_AGAIN)
		return f->settled[(f->settleds - 1) % FIGHTER_SETTLED].sequence;
	if (kind == ATTACK_STALE)
		return f->accepted.sequence - 0x1000u - (uint32_t)(r % 0x10000u);
	if (!f->free_again || r % 2 == 0)
		f->sequence += 1 + (uint32_t)(r % 7 == 0 ? r % 5 : 0);
	f->free_again = false;
	return f->sequence;
}

/* Target, skill and aim. False if there is no target for such an attack now. */
static bool choose_target(struct model *model, struct request *r, struct position *aim)
{
	struct fighter *f = &model->fighter[r->player];
	struct attack *a = &r->attack;
	bool may_look = a->kind == ATTACK_AIMED || a->kind == ATTACK_BESIDE;
	uint32_t target = find_target(model, r->player, may_look);

	if (target == MODEL_NONE)
		return false;
	if (may_look && !model->fighter[target].account.known)
		a->kind = ATTACK_LOOK;
	aim_at(model, a, target, aim);
	a->skill = fitting_skill(model, f, aim);
	switch (a->kind) {
	case ATTACK_LOOK:
	case ATTACK_BESIDE: aim_beside(model, a, target, aim); break;
	case ATTACK_FAR: aim_too_far(model, f, a, aim); break;
	case ATTACK_OUTSIDE: *aim = model_outside(model); break;
	case ATTACK_NO_SKILL:
		a->skill = model_chance(model, 500) ? 0 : 4 + (uint32_t)(model_random(model) >> 33);
		break;
	default: break;
	}
	return true;
}

/* The attack is decided: its bytes, and what is remembered of it. */
static void commit(struct model *model, struct player *p, struct request *r, uint32_t target_id,
		   const struct position *aim)
{
	struct fighter *f = &model->fighter[r->player];
	struct attack *a = &r->attack;

	r->len = (uint16_t)wire_build_attack(r->bytes, p->id, r->sequence, target_id, a->skill, aim->x, aim->y, aim->z);
	a->socket[0] = r->socket;
	a->ways = 1;
	*(f->main == MODEL_NONE ? &f->main : &f->extra) = (uint32_t)(r - model->request);
	if (attack_may_land(a)) {
		struct account *account = &model->fighter[a->target].account;
		account->open++;
		account->looking = a->kind == ATTACK_LOOK;
	}
}

bool attack_build(struct model *model, struct player *p, struct request *r)
{
	struct fighter *f = &model->fighter[r->player];
	struct attack *a = &r->attack;
	struct position aim = f->place;
	uint32_t target_id = p->id;

	*a = (struct attack){ .target = MODEL_NONE, .skill = GAME_METEOR };
	if (!choose_kind(model, p, r, &a->kind))
		return false;
	if (a->kind == ATTACK_UNKNOWN) {
		target_id = model->player[0].id - 1 - (uint32_t)(model_random(model) % 1000);
	} else if (a->kind != ATTACK_SELF && a->kind != ATTACK_EARLY_LIFE && a->kind != ATTACK_AGAIN) {
		if (!choose_target(model, r, &aim))
			return false;
		target_id = model->player[a->target].id;
	}
	r->sequence = choose_sequence(model, f, a->kind);
	if (a->kind == ATTACK_AGAIN) { /* target and skill are those of the first time, for they come back */
		struct GameAttack told;
		memcpy(&told, attack_find_settled(f, r->sequence)->reply, sizeof(told));
		target_id = told.target;
		a->skill = told.skill;
	}
	commit(model, p, r, target_id, &aim);
	return true;
}

void attack_build_audit(struct model *model, struct player *p, struct request *r)
{
	struct attack *a = &r->attack;
	struct position aim;

	*a = (struct attack){ .kind = ATTACK_LOOK };
	aim_beside(model, a, model->audit_target, &aim);
	r->sequence = choose_sequence(model, &model->fighter[r->player], a->kind);
	commit(model, p, r, model->player[a->target].id, &aim);
}
