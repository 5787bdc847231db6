/* The books of hit points. */
#include "ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

static uint64_t taken(const struct account_state *state)
{
	return (uint64_t)GAME_HIT_POINTS - state->hit_points + state->healed;
}

static uint32_t most_damage(void)
{
	uint32_t most = 0;

#define X(number, NAME, damage, range, cooldown_ms) most = (damage) > most ? (damage) : most;
	GAME_SKILLS(X)
#undef X
	return most;
}

/* The state after the next hit of the row, or told again. */
static void note(struct account *a, const struct account_state *state)
{
	a->now = *state;
	a->seen_healed = state->healed;
	a->recent[state->hits % ACCOUNT_RECENT] = *state;
}

void account_open(struct account *a, const struct account_hit *first, struct attack_faults *faults)
{
	struct account_state before = first->after;

	if (first->damage != 0) {
		before.hits--;
		before.hit_points += first->damage;
	}
	if (before.hit_points > GAME_HIT_POINTS || taken(&before) < before.hits ||
	    taken(&before) > (uint64_t)before.hits * most_damage())
		faults->wrong_hit_points++;
	a->known = true;
	a->looking = false;
	a->base = before;
	memset(a->recent, 0xff, sizeof(a->recent));
	note(a, &before);
}

/* Hit points that were told against those that follow from the row. Told wrongly once, the row goes on as computed; if
 * the next ones are off by the same, that is the truth now, and it has been reported once. Returns the hit points that
 * the row goes on with. */
static uint32_t judge_points(struct account *a, uint32_t told, int64_t computed, struct attack_faults *faults)
{
	int64_t off = (int64_t)told - computed;
	bool again = off != 0 && off == a->drift;

	if (off != 0 && !again)
		faults->wrong_hit_points++;
	a->drift = again ? 0 : off;
	return off == 0 || again || computed < 0 || computed > (int64_t)GAME_HIT_POINTS ? told : (uint32_t)computed;
}

/* A look at the target between the newest hit of the row and the one after. */
static void look(struct account *a, const struct account_state *state, struct attack_faults *faults)
{
	if (state->healed < a->now.healed) {
		faults->wrong_healing++;
		return;
	}
	uint32_t grown = state->healed - a->now.healed;
	uint32_t points = judge_points(a, state->hit_points, (int64_t)a->now.hit_points + grown, faults);
	if (state->healed > a->seen_healed)
		a->seen_healed = state->healed;
	a->now.hit_points = points > grown ? points - grown : 0; /* both are those at the hit */
	a->recent[a->now.hits % ACCOUNT_RECENT] = a->now;
}

/* A look that tells of a state before the newest hit. */
static void look_back(const struct account *a, const struct account_state *state, struct attack_faults *faults)
{
	const struct account_state *then = &a->recent[state->hits % ACCOUNT_RECENT];
	const struct account_state *next = &a->recent[(state->hits + 1) % ACCOUNT_RECENT];

	if (then->hits != state->hits || next->hits != state->hits + 1)
		return; /* too long ago */
	if (state->healed < then->healed || state->healed > next->healed) {
		faults->wrong_healing++;
		return;
	}
	int64_t off = (int64_t)state->hit_points - ((int64_t)then->hit_points + state->healed - then->healed);
	if (off != 0 && off != a->drift)
		faults->wrong_hit_points++;
}

/* The next hit of the row. */
static void append(struct account *a, const struct account_hit *hit, struct attack_faults *faults)
{
	struct account_state after = hit->after;

	if (after.healed < a->seen_healed) {
		faults->wrong_healing++;
		note(a, &after);
		return;
	}
	int64_t computed = (int64_t)a->now.hit_points + (after.healed - a->now.healed) - hit->damage;
	after.hit_points = judge_points(a, after.hit_points, computed, faults);
	note(a, &after);
}

static bool is_next(const struct account *a, const struct account_hit *hit)
{
	return hit->after.hits == a->now.hits + (hit->damage != 0);
}

/* One that is not beyond the row. */
static void enter_known(struct account *a, const struct account_hit *hit, struct attack_faults *faults)
{
	if (hit->damage != 0 && is_next(a, hit)) {
		append(a, hit, faults);
	} else if (hit->damage != 0) {
		faults->doubled_hits++;
		if (hit->after.hits == a->now.hits) {
			note(a, &hit->after); /* the later one of two is what hits after it go on from */
			a->drift = 0;
		}
	} else if (is_next(a, hit)) {
		look(a, &hit->after, faults);
	} else {
		look_back(a, &hit->after, faults);
	}
}

/* Enters what waited and is no longer beyond the row. */
static void advance(struct account *a, struct attack_faults *faults)
{
	uint32_t used = 0;

	while (used < a->waitings && (is_next(a, &a->waiting[used]) || a->waiting[used].after.hits <= a->now.hits))
		enter_known(a, &a->waiting[used++], faults);
	a->waitings -= used;
	if (used != 0)
		memmove(a->waiting, a->waiting + used, a->waitings * sizeof(*a->waiting));
}

static int wait_for_others(struct account *a, const struct account_hit *hit)
{
	uint32_t at = a->waitings;

	if (a->waitings == a->room) {
		uint32_t room = a->room != 0 ? a->room * 2 : 8;
		struct account_hit *grown = realloc(a->waiting, room * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		a->waiting = grown;
		a->room = room;
	}
	while (at > 0 && (a->waiting[at - 1].after.hits > hit->after.hits ||
			  (a->waiting[at - 1].after.hits == hit->after.hits && hit->damage != 0 &&
			   a->waiting[at - 1].damage == 0)))
		at--;
	memmove(a->waiting + at + 1, a->waiting + at, (a->waitings - at) * sizeof(*a->waiting));
	a->waiting[at] = *hit;
	a->waitings++;
	return 0;
}

int account_enter(struct account *a, const struct account_hit *hit, uint32_t skill_damage,
		  struct attack_faults *faults)
{
	const struct account_state *after = &hit->after;

	if (hit->damage != 0 && hit->damage != skill_damage &&
	    (hit->damage > skill_damage || after->hit_points != 0))
		faults->wrong_damage++;
	if (after->hit_points + hit->damage > GAME_HIT_POINTS)
		faults->wrong_healing++;
	a->damage += hit->damage;
	if (after->hits > a->now.hits && !is_next(a, hit))
		return wait_for_others(a, hit);
	enter_known(a, hit, faults);
	advance(a, faults);
	return 0;
}

/* Hits are missing: as many as there are attacks without an answer may be theirs. */
static void miss(struct account *a, uint32_t missing, struct attack_faults *faults)
{
	uint32_t explained = missing < a->unknown ? missing : a->unknown;

	a->unknown -= explained;
	a->explained += explained;
	faults->lost_hits += missing - explained;
	a->drift = 0;
}

void account_settle(struct account *a, struct attack_faults *faults)
{
	while (a->waitings != 0) {
		const struct account_hit *first = &a->waiting[0];
		miss(a, first->after.hits - (first->damage != 0) - a->now.hits, faults);
		note(a, &first->after); /* what the missing ones did to it nobody can say */
		a->waitings--;
		memmove(a->waiting, a->waiting + 1, a->waitings * sizeof(*a->waiting));
		advance(a, faults);
	}
}

bool account_audit(struct account *a, const struct account_state *last, struct attack_faults *faults)
{
	if (last->hits > a->now.hits)
		miss(a, last->hits - a->now.hits, faults);
	else if (last->hits < a->now.hits)
		faults->phantom_hits += a->now.hits - last->hits;
	else
		look(a, last, faults);
	a->audited = true;
	a->taken = taken(last) - taken(&a->base);
	return a->taken >= a->damage + a->explained &&
	       a->taken <= a->damage + (uint64_t)a->explained * most_damage();
}

void account_fini(struct account *a)
{
	free(a->waiting);
	a->waiting = NULL;
	a->waitings = a->room = 0;
}
