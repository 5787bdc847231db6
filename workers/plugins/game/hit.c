/* Hits: the target's side of an attack. Applied once per (attacker, sequence), whoever asks how often. */
#include "fight.h"

static void tell(struct baton_ctx *ctx, uint32_t attacker, const struct memory *memory)
{
	const struct note note = {
		.kind = NOTE_RESULT, .status = memory->status, .damage = memory->damage, .attacker = attacker,
		.target = memory->target, .sequence = memory->sequence, .told = memory->told,
	};

	note_post(ctx, attacker, &note);
}

/* Not without memory: it would be applied again. */
static void turn_away(struct baton_ctx *ctx, const struct note *hit)
{
	const struct note note = {
		.kind = NOTE_RESULT, .skill = hit->status, .status = GAME_TARGET_FULL, .attacker = hit->attacker,
		.target = hit->target, .sequence = hit->sequence,
	};

	if (!BATON_SABOTAGE(turned_away_unsaid))
		note_post(ctx, hit->attacker, &note);
}

static bool is_spent(const struct baton_ctx *ctx, const struct memory *memory)
{
	if (!memory->forgotten)
		return false;
	if (memory->posted != 0 && !memory->stray && memory->came >= memory->posted)
		return true;
	return ctx->time_ns > memory->time_ns && ctx->time_ns - memory->time_ns > MEMORY_KEEP_NS;
}

/* Room for one more: at most `most` in a bucket, of which the spent go first. */
static struct memory *remember(struct baton_ctx *ctx, uint32_t attacker, uint32_t most)
{
	uint32_t iter = 0, count = 0;
	uint64_t key;
	void *record, *spent = NULL;

	while ((record = baton_next(ctx, &iter, &key)) != NULL) {
		if (record_kind(key) != RECORD_MEMORY)
			continue;
		count++;
		if (spent == NULL && (is_spent(ctx, record) || BATON_SABOTAGE(memory_evicted_early)))
			spent = record;
	}
	if (spent != NULL && !baton_remove(ctx, spent))
		return NULL;
	if (count - (spent != NULL) >= most && !BATON_SABOTAGE(memory_without_bound))
		return NULL;
	return baton_insert(ctx, MEMORY_KEY(attacker));
}

/* Decides the hit and changes the target. False: no room for it as a fighter. */
static bool apply(struct baton_ctx *ctx, const struct note *hit, struct memory *memory)
{
	static const struct vitals unhurt = {.hit_points = GAME_HIT_POINTS};
	const struct player *target = player_find(ctx, hit->target);
	struct fighter *fighter = target != NULL ? fighter_find(ctx, hit->target) : NULL;
	struct game_skill skill;

	memory->status = GAME_NO_TARGET;
	if (target == NULL || !game_skill_find(hit->skill, &skill))
		return true;
	memory->told = fighter != NULL ? fighter->vitals : unhurt;
	memory->status = GAME_MISSED;
	if (!fight_within((const float[3]){target->x, target->y, target->z}, hit->aim, GAME_AIM_RADIUS))
		return true;
	memory->status = GAME_TARGET_DOWN;
	if (memory->told.hit_points == 0)
		return true;
	if (fighter == NULL && (fighter = fighter_create(ctx, hit->target)) == NULL)
		return false;
	if (!baton_save(ctx, &fighter->vitals, sizeof(fighter->vitals)))
		return false;
	memory->status = GAME_OK;
	memory->damage = (uint8_t)(skill.damage < fighter->vitals.hit_points ? skill.damage : fighter->vitals.hit_points);
	fighter->vitals.hit_points -= memory->damage;
	fighter->vitals.hits++;
	memory->told = fighter->vitals;
	return true;
}

/* The same hit again: the result is told again, unless the attacker's bucket is known to have it. */
static void again(struct baton_ctx *ctx, uint32_t attacker, struct memory *memory)
{
	if (!baton_save(ctx, memory, sizeof(*memory)))
		return;
	memory->came++;
	if (!memory->forgotten)
		tell(ctx, attacker, memory);
	else if (is_spent(ctx, memory))
		baton_remove(ctx, memory);
}

void hit_arrived(struct baton_ctx *ctx, const struct note *hit, uint32_t most)
{
	struct memory *memory = BATON_SABOTAGE(no_memory_at_target) ? NULL : baton_find(ctx, MEMORY_KEY(hit->attacker));

	if (memory != NULL && memory->sequence == hit->sequence)
		return again(ctx, hit->attacker, memory);
	/* Of an attack that is over: the attacker has begun a newer one since. */
	if (memory != NULL && !game_serial_newer(hit->sequence, memory->sequence))
		return;
	bool stray = memory != NULL;
	if (memory == NULL && (memory = remember(ctx, hit->attacker, most)) == NULL)
		return turn_away(ctx, hit);
	if (!baton_save(ctx, memory, sizeof(*memory)))
		return;
	const struct memory before = *memory;
	*memory = (struct memory){
		.time_ns = ctx->time_ns, .sequence = hit->sequence, .target = hit->target, .came = 1, .stray = stray,
	};
	if (!apply(ctx, hit, memory)) {
		/* What an older hit left stays: it keeps that one's repeats out. */
		if (stray && !BATON_SABOTAGE(failed_hit_forgets))
			*memory = before;
		else
			baton_remove(ctx, memory);
		return turn_away(ctx, hit);
	}
	tell(ctx, hit->attacker, memory);
}

void hit_forgotten(struct baton_ctx *ctx, const struct note *forget)
{
	struct memory *memory = baton_find(ctx, MEMORY_KEY(forget->attacker));

	if (memory == NULL || memory->sequence != forget->sequence || memory->forgotten)
		return;
	if (!baton_save(ctx, memory, sizeof(*memory)))
		return;
	memory->forgotten = 1;
	memory->posted = forget->posted;
	memory->time_ns = ctx->time_ns;
	if (is_spent(ctx, memory))
		baton_remove(ctx, memory);
}

/* After the death of a primary, results and forgets that were under way are gone. */
void hit_tick(struct baton_ctx *ctx)
{
	uint32_t iter = 0, removed = 0;
	uint64_t key;
	struct memory *memory;

	while ((memory = baton_next(ctx, &iter, &key)) != NULL) {
		if (record_kind(key) != RECORD_MEMORY || ctx->time_ns <= memory->time_ns)
			continue;
		if (is_spent(ctx, memory)) {
			if (removed++ < PLAYER_REMOVED_PER_TICK && !baton_remove(ctx, memory))
				return;
		} else if (!memory->forgotten && ctx->posts > 0 && ctx->time_ns - memory->time_ns > MEMORY_REPOST_NS) {
			if (!baton_save(ctx, &memory->time_ns, sizeof(memory->time_ns)))
				return;
			memory->time_ns = ctx->time_ns;
			tell(ctx, (uint32_t)key, memory);
		}
	}
}
