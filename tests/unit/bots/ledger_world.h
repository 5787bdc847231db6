/* A target as an honest server has it, and the account that the bots keep of what they are told. */
#ifndef LEDGER_WORLD_H
#define LEDGER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hash.h"
#include "ledger.h"
#include "wire.h"

#define TOLD 400u

struct told {
	struct account_hit hit;
	uint32_t skill_damage;
};

/* A target as the server has it, and what is told of it. */
struct world {
	struct account account;
	struct attack_faults faults;
	struct account_state target;
	struct told told[TOLD];
	uint32_t count;
	uint64_t random;
};

static uint64_t seed; /* of all that is random */

static inline uint32_t roll(struct world *w, uint32_t below)
{
	return (uint32_t)(hash_mix64(w->random += 0x9e3779b97f4a7c15ull) % below);
}

static inline uint64_t all(const struct attack_faults *faults)
{
	uint64_t sum = 0;

#define X(field, text) sum += faults->field;
	ATTACK_FAULTS(X)
#undef X
	return sum;
}

static inline void begin(struct world *w, struct account_state base)
{
	const struct account_hit first = { .after = base };

	*w = (struct world){ .target = base, .random = seed };
	account_open(&w->account, &first, &w->faults);
}

static const struct account_state fresh = { .hit_points = GAME_HIT_POINTS };
static const struct account_state known_before = { .hits = 7, .hit_points = 90, .healed = 10 };

/* A hit, or with damage 0 a look, as an honest server tells it. */
static inline struct told happen(struct world *w, uint32_t skill_damage)
{
	uint32_t damage = skill_damage < w->target.hit_points ? skill_damage : w->target.hit_points;

	w->target.hit_points -= damage;
	w->target.hits += damage != 0;
	return (struct told){ { w->target, damage }, skill_damage };
}

static inline void heal(struct world *w, uint32_t points)
{
	uint32_t missing = GAME_HIT_POINTS - w->target.hit_points;

	points = points < missing ? points : missing;
	w->target.hit_points += points;
	w->target.healed += points;
}

static inline void tell(struct world *w, const struct told *told)
{
	assert_int_equal(account_enter(&w->account, &told->hit, told->skill_damage, &w->faults), 0);
}

static inline void hit(struct world *w, uint32_t skill_damage)
{
	const struct told told = happen(w, skill_damage);

	tell(w, &told);
}

static inline bool end(struct world *w)
{
	account_settle(&w->account, &w->faults);
	bool balanced = account_audit(&w->account, &w->target, &w->faults);
	account_fini(&w->account);
	return balanced;
}

#endif
