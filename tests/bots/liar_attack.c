/* Attacks at the server that lies. Both sides of an attack live here, but a result comes a while after its request, as
 * if it came by message. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "hash.h"
#include "liar.h"

#define RESULT_NS    2000000ull    /* results come within this, in the order of their requests */
#define LONG_WHILE_NS 1500000000ull /* nobody could take it for one that was under way */

bool liar_lies_now(struct liar *liar, enum lie lie)
{
	if (liar->lie != lie || ++liar->chances % liar->every != 0)
		return false;
	liar->lies++;
	return true;
}

static void heal(const struct liar *liar, struct liar_player *p, uint64_t now_ns)
{
	uint64_t tick = liar->regen_ns != 0 ? now_ns / liar->regen_ns : 0;
	uint64_t missing = GAME_HIT_POINTS - p->hit_points;
	uint32_t gain = (uint32_t)(tick - p->tick < missing ? tick - p->tick : missing);

	p->tick = tick;
	p->hit_points += gain;
	p->healed += gain;
}

void liar_join(struct liar *liar, struct liar_player *p, uint32_t id, uint64_t now_ns)
{
	if (p->used)
		return;
	*p = (struct liar_player){ .id = id, .used = true, .hit_points = GAME_HIT_POINTS };
	p->tick = liar->regen_ns != 0 ? now_ns / liar->regen_ns : 0;
}

/* Puts a hit where its time is in the row. */
static void enqueue(struct liar *liar, struct liar_hit *hit, uint64_t due_ns)
{
	struct liar_hit **at = &liar->first_hit;

	while (*at != NULL && (*at)->due_ns <= due_ns)
		at = &(*at)->next;
	hit->due_ns = due_ns;
	hit->next = *at;
	*at = hit;
}

/* A chance to lie about the player's open attack, once: if so its result comes a long while later. NULL: no lie. */
static struct liar_hit *put_off(struct liar *liar, const struct liar_player *p, enum lie lie, uint64_t now_ns)
{
	struct liar_hit **at = &liar->first_hit;

	while ((*at)->attacker != p)
		at = &(*at)->next;
	struct liar_hit *hit = *at;
	if (hit->put_off || !liar_lies_now(liar, lie))
		return NULL;
	*at = hit->next;
	hit->put_off = true;
	enqueue(liar, hit, now_ns + LONG_WHILE_NS);
	return hit;
}

void liar_reach(struct liar *liar, struct liar_player *p, const struct sockaddr_in *from, uint64_t now_ns)
{
	bool changed = p->way.sin_port != from->sin_port || p->way.sin_addr.s_addr != from->sin_addr.s_addr;

	struct liar_hit *hit = changed && p->open ? put_off(liar, p, LIE_OLD_WAY, now_ns) : NULL;
	if (hit != NULL) {
		hit->old_way = true;
		hit->old = p->way;
	}
	p->way = *from;
}

static double distance(const float a[3], const struct GameAttack *g)
{
	double x = (double)a[0] - (double)g->aim.x, y = (double)a[1] - (double)g->aim.y;
	double z = (double)a[2] - (double)g->aim.z;

	return sqrt(x * x + y * y + z * z);
}

static bool outside(const struct GameAttack *g)
{
	return !isfinite(g->aim.x) || !isfinite(g->aim.y) || !isfinite(g->aim.z) || fabsf(g->aim.x) > 10000.0f ||
	       fabsf(g->aim.y) > 10000.0f;
}

static void skill_of(uint32_t number, double *range, uint64_t *cooldown_ns, uint32_t *damage)
{
	static const struct { double range; uint64_t cooldown_ms; uint32_t damage; } skills[] = {
		{ 0, 0, 0 }, { 100, 200, 10 }, { 3000, 400, 4 }, { 40000, 20, 1 },
	};

	*range = skills[number].range;
	*cooldown_ns = skills[number].cooldown_ms * 1000000;
	*damage = skills[number].damage;
}

/* The reason to refuse a new attack that has nothing to do with another one; GAME_OK: none. */
static uint32_t refuse(const struct liar_player *p, const struct GameAttack *g)
{
	double range;
	uint64_t cooldown_ns;
	uint32_t damage;

	if (g->skill < 1 || g->skill > 3)
		return GAME_NO_SKILL;
	if (outside(g))
		return GAME_OUTSIDE_WORLD;
	if (g->target == p->id)
		return GAME_NO_TARGET;
	skill_of(g->skill, &range, &cooldown_ns, &damage);
	return distance(p->at, g) > range ? GAME_TOO_FAR : GAME_OK;
}

/* Takes the attack: its result will come. */
static void take(struct liar *liar, struct liar_player *p, const struct GameAttack *g, uint64_t now_ns,
		 uint64_t time_ns)
{
	struct liar_hit *hit = liar->free_hit;
	double range;
	uint32_t damage;

	liar->free_hit = hit->next;
	*hit = (struct liar_hit){ .attacker = p, .request = *g };
	hit->request.server_time_ns = time_ns;
	p->attacked = p->open = true;
	p->attack = g->header.sequence;
	p->attack_ns = time_ns;
	skill_of(g->skill, &range, &p->cooldown_ns, &damage);
	liar->random += 0x9e3779b97f4a7c15ull;
	uint64_t due = now_ns + hash_mix64(liar->random) % RESULT_NS;
	if (due < liar->last_due_ns)
		due = liar->last_due_ns;
	liar->last_due_ns = due;
	enqueue(liar, hit, due);
}

/* A repeat of the last attack, or an older one, or one while it is open. Returns the status, GAME_OK if it is none of
 * these, or -1 if nothing is to be answered now. */
static int against_the_last(struct liar *liar, struct liar_player *p, struct GameAttack *g, uint64_t now_ns,
			    uint64_t time_ns)
{
	int32_t ahead = (int32_t)(g->header.sequence - p->attack);
	bool cooling = time_ns - p->attack_ns < p->cooldown_ns;

	if (!p->attacked)
		return GAME_OK;
	if (ahead <= 0)
		return ahead == 0 ? -1 : GAME_STALE;
	if (!p->open)
		return GAME_OK;
	bool lied = cooling && refuse(p, g) == GAME_OK && put_off(liar, p, LIE_NEVER_BUSY, now_ns) != NULL;
	return lied ? GAME_OK : GAME_BUSY;
}

static uint32_t stored(struct liar *liar, const struct liar_player *p, struct GameAttack *g)
{
	if (p->open)
		return 0;
	*g = p->result;
	if ((g->status == GAME_OK || g->status == GAME_MISSED) && liar_lies_now(liar, LIE_FORGET_RESULT))
		g->result.healed++;
	return sizeof(*g);
}

uint32_t liar_attack(struct liar *liar, struct GameAttack *g, const struct sockaddr_in *from, uint64_t now_ns,
		     uint64_t time_ns)
{
	struct liar_player *p = liar_place(liar, g->header.player_id);
	int status = GAME_NO_PLAYER;

	if (p != NULL && p->used) {
		liar_reach(liar, p, from, now_ns);
		status = against_the_last(liar, p, g, now_ns, time_ns);
		if (status < 0)
			return stored(liar, p, g);
		if (status == GAME_OK)
			status = (int)refuse(p, g);
		bool cooling = p->attacked && time_ns - p->attack_ns < p->cooldown_ns;
		if (status == GAME_OK && ((cooling && (p->open || !liar_lies_now(liar, LIE_NO_COOLDOWN))) ||
					  (!cooling && p->attacked && liar_lies_now(liar, LIE_REFUSE))))
			status = GAME_COOLDOWN;
		if (status == GAME_OK && liar->free_hit == NULL)
			status = GAME_FULL;
		if (status == GAME_OK) {
			take(liar, p, g, now_ns, time_ns);
			return 0;
		}
	}
	g->status = (uint32_t)status;
	g->damage = 0;
	memset(&g->result, 0, sizeof(g->result));
	g->server_time_ns = time_ns;
	return sizeof(*g);
}

/* ---- the target's side -------------------------------------------------------------------------------------- */

static void tell(const struct liar_player *t, struct GameAttack *g)
{
	g->result.hit_points = t->hit_points;
	g->result.hits = t->hits;
	g->result.healed = t->healed;
}

/* A hit of `damage` has landed and *g tells it: the server may lie. */
static void lie(struct liar *liar, struct liar_player *t, struct GameAttack *g, uint32_t damage)
{
	if (t->hit_points <= damage || t->hits < t->lied + 4)
		return; /* the lie would not show */
	uint64_t before = liar->lies;
	if (liar_lies_now(liar, LIE_HIT_TWICE)) {
		t->hit_points -= damage;
	} else if (liar_lies_now(liar, LIE_HIT_UNAPPLIED)) {
		t->hit_points += damage;
		t->hits--;
	} else if (liar_lies_now(liar, LIE_HIT_AGAIN)) {
		t->hit_points -= damage;
		t->hits++;
	} else if (liar_lies_now(liar, LIE_HIT_POINTS)) {
		g->result.hit_points--;
	} else if (liar_lies_now(liar, LIE_HIT_ORDINAL)) {
		t->hits--;
		g->result.hits--;
	}
	if (liar->lies != before)
		t->lied = t->hits;
}

static void land(struct liar *liar, struct liar_player *t, struct GameAttack *g, uint32_t damage)
{
	if (t->hit_points == 0) {
		g->status = GAME_TARGET_DOWN;
		liar->downs = 1;
		tell(t, g);
		return;
	}
	g->status = GAME_OK;
	g->damage = damage < t->hit_points ? damage : t->hit_points;
	t->hits++;
	t->hit_points -= g->damage;
	tell(t, g);
	lie(liar, t, g, g->damage);
}

/* What the target says. */
static void judge(struct liar *liar, struct GameAttack *g, uint64_t now_ns)
{
	struct liar_player *t = liar_place(liar, g->target);
	double range;
	uint64_t cooldown_ns;
	uint32_t damage;

	bool full = liar_lies_now(liar, LIE_TARGET_FULL);
	if (full || t == NULL || !t->used) {
		g->status = full ? GAME_TARGET_FULL : GAME_NO_TARGET;
		memset(&g->result, 0, sizeof(g->result));
		return;
	}
	*((g->target - g->header.player_id) % 2 == 0 ? &liar->friends : &liar->foes) += 1;
	skill_of(g->skill, &range, &cooldown_ns, &damage);
	bool missed = distance(t->at, g) > 64;
	memset(&g->result, 0, sizeof(g->result));
	heal(liar, t, now_ns);
	if (!missed) {
		land(liar, t, g, damage);
		return;
	}
	g->status = GAME_MISSED;
	tell(t, g);
	if (t->hit_points > damage && liar_lies_now(liar, LIE_HIT_INVENTED)) {
		g->status = GAME_OK;
		g->damage = damage;
		g->result.hit_points -= damage;
		g->result.hits++;
	}
}

int liar_results(struct liar *liar, uint64_t now_ns, int *wait_ms)
{
	while (liar->first_hit != NULL && liar->first_hit->due_ns <= now_ns) {
		struct liar_hit *hit = liar->first_hit;
		struct liar_player *p = hit->attacker;
		liar->first_hit = hit->next;
		hit->request.status = GAME_OK;
		hit->request.damage = 0;
		judge(liar, &hit->request, now_ns);
		p->open = false;
		p->result = hit->request;
		int rc = liar_send(liar, &p->result, sizeof(p->result), hit->old_way ? &hit->old : &p->way);
		hit->next = liar->free_hit;
		liar->free_hit = hit;
		if (rc != 0)
			return rc;
	}
	if (liar->first_hit != NULL) {
		uint64_t ms = (liar->first_hit->due_ns - now_ns) / 1000000 + 1;
		*wait_ms = ms < (uint64_t)*wait_ms ? (int)ms : *wait_ms;
	}
	return 0;
}
