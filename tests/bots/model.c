/* Players, and requests from their making to their end. */
#include "model.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"

#define ROAM_PERMILLE 20u
#define FIRST_LIMIT   16u /* before the first reply: ARP queues in kernels are short */

uint64_t model_random(struct model *model)
{
	model->random += 0x9e3779b97f4a7c15ull;
	return hash_mix64(model->random);
}

static bool chance(struct model *model, uint32_t permille)
{
	return model_random(model) % 1000 < permille;
}

int model_create(struct model *model, const struct bots_options *options, struct bots_tally *tally,
		 uint32_t socket_limit)
{
	*model = (struct model){
		.options = options, .tally = tally, .oldest = MODEL_NONE, .newest = MODEL_NONE,
		.random = hash_mix64(options->seed), .socket_limit = socket_limit,
		.sockets = options->sockets,
		.limit = FIRST_LIMIT < options->in_flight ? FIRST_LIMIT : options->in_flight,
	};
	model->player = calloc(options->players, sizeof(*model->player));
	model->request = calloc(options->in_flight, sizeof(*model->request));
	model->socket_open = calloc(options->sockets, sizeof(*model->socket_open));
	if (model->player == NULL || model->request == NULL || model->socket_open == NULL) {
		model_destroy(model);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < options->in_flight; i++)
		model->request[i].next = i + 1 < options->in_flight ? i + 1 : MODEL_NONE;
	uint32_t base = (uint32_t)model_random(model);
	for (uint32_t i = 0; i < options->players; i++) {
		struct player *p = &model->player[i];
		p->id = base + i;
		p->socket = i % options->sockets;
		/* every fourth player passes the end of the number circle soon */
		p->first_sequence = i % 4 == 3 ? UINT32_MAX - (uint32_t)(model_random(model) % 200)
					       : (uint32_t)model_random(model);
		p->sequence = p->first_sequence;
		p->stale_used = p->first_sequence - 1;
		p->beat = (uint32_t)model_random(model);
	}
	return 0;
}

void model_destroy(struct model *model)
{
	free(model->player);
	free(model->request);
	free(model->socket_open);
	*model = (struct model){ 0 };
}

void model_echo_fill(uint8_t *out, uint32_t len, uint32_t id, uint32_t sequence)
{
	uint64_t state = (uint64_t)id << 32 | sequence;

	memcpy(out, &id, sizeof(id));
	memcpy(out + 4, &sequence, sizeof(sequence));
	for (uint32_t at = 8; at < len; at += 8) {
		uint64_t word = hash_mix64(state += 0x9e3779b97f4a7c15ull);
		memcpy(out + at, &word, len - at < 8 ? len - at : 8);
	}
}

static float coordinate(struct model *model)
{
	uint64_t r = model_random(model);

	switch (r % 64) {
	case 0: return GAME_WORLD_XY;
	case 1: return -GAME_WORLD_XY;
	case 2: return -0.0f;
	case 3: return 1e-42f; /* denormal */
	default: return ((float)(r >> 40) / (float)(1 << 23) - 1.0f) * GAME_WORLD_XY;
	}
}

static struct position outside(struct model *model)
{
	static const float beyond[] = { 10000.001f, -10000.001f, 3e38f, INFINITY, -INFINITY, NAN };
	struct position p = { coordinate(model), coordinate(model), coordinate(model) };
	uint64_t r = model_random(model);

	if (r % 3 == 0)
		p.x = beyond[(r >> 8) % 6];
	else if (r % 3 == 1)
		p.y = beyond[(r >> 8) % 6];
	else
		p.z = beyond[3 + (r >> 8) % 3]; /* z has no wall */
	return p;
}

static enum request_kind choose(struct model *model, struct player *p)
{
	const struct bots_options *o = model->options;

	if (o->service == BOTS_ECHO)
		return REQUEST_ECHO;
	if (p->want_repeat) {
		p->want_repeat = false;
		if (p->synced && p->doubts == 0)
			return REQUEST_REPEAT;
	}
	if (model_random(model) % (o->move_weight + o->heartbeat_weight) >= o->move_weight)
		return REQUEST_HEARTBEAT;
	if (!p->synced || p->doubts > 0)
		return REQUEST_MOVE;
	if (chance(model, o->outside_permille))
		return REQUEST_OUTSIDE;
	if (chance(model, o->stale_permille) && p->stale_used != p->acknowledged - 1)
		return REQUEST_STALE;
	return REQUEST_MOVE;
}

/* Fills in kind, sequence, positions and bytes of a request, and what the player remembers of it. */
static void build(struct model *model, struct player *p, struct request *r)
{
	r->kind = choose(model, p);
	r->hold = p->position;
	r->type = r->kind == REQUEST_ECHO ? 0 : r->kind == REQUEST_HEARTBEAT ? HEARTBEAT : PLAYER_MOVE;
	r->want = (struct position){ coordinate(model), coordinate(model), coordinate(model) };
	if (r->kind == REQUEST_ECHO) {
		uint32_t span = model->options->max_bytes - model->options->min_bytes + 1;
		r->sequence = ++p->beat;
		r->len = (uint16_t)(model->options->min_bytes + model_random(model) % span);
		model_echo_fill(r->bytes, r->len, p->id, r->sequence);
		return;
	}
	if (r->kind == REQUEST_HEARTBEAT) {
		r->sequence = ++p->beat;
		r->len = (uint16_t)wire_build_heartbeat(r->bytes, p->id, r->sequence, r->wall_ns);
	} else {
		if (r->kind == REQUEST_STALE)
			p->stale_used = p->acknowledged - 1;
		else if (r->kind != REQUEST_REPEAT)
			p->sequence += 2;
		r->sequence = r->kind == REQUEST_STALE ? p->stale_used
			    : r->kind == REQUEST_REPEAT ? p->acknowledged : p->sequence;
		if (r->kind == REQUEST_OUTSIDE)
			r->want = outside(model);
		else if (r->kind == REQUEST_MOVE)
			p->position = r->want;
		r->len = (uint16_t)wire_build_move(r->bytes, p->id, r->sequence, r->want.x, r->want.y, r->want.z);
	}
	if (chance(model, model->options->long_permille)) {
		uint32_t size = r->len + 1 + (uint32_t)(model_random(model) % 400);
		memset(r->bytes + r->len, 0xa5, size - r->len);
		memcpy(r->bytes, &size, sizeof(size));
		r->len = (uint16_t)size;
	}
}

/* A repeat goes alone, else its reply could not be told from a duplicate of the first one; a player changes its port
 * between requests, for two flows of one player are not ordered against each other. */
static void plan(struct model *model, struct player *p, enum request_kind made)
{
	if (made == REQUEST_MOVE && chance(model, model->options->repeat_permille))
		p->want_repeat = true;
	if (model->options->roam && model->sockets > 1 && chance(model, ROAM_PERMILLE))
		p->want_roam = true;
}

static void roam(struct model *model, struct player *p)
{
	uint32_t to = (p->socket + 1 + (uint32_t)(model_random(model) % (model->sockets - 1))) % model->sockets;

	p->want_roam = false;
	if (model->socket_open[to] >= model->socket_limit)
		return;
	p->socket = to;
	model->tally->roams++;
}

/* A player that may send: its window and its socket have room, and nothing it wants to be alone for is open. */
static struct player *next_player(struct model *model)
{
	for (uint32_t i = 0; i < model->options->players; i++) {
		struct player *p = &model->player[model->cursor];
		model->cursor = model->cursor + 1 < model->options->players ? model->cursor + 1 : 0;
		bool known = p->synced || model->options->service == BOTS_ECHO;
		if (p->opens != 0 && (p->want_repeat || p->want_roam))
			continue;
		if (p->opens < (known ? model->options->window : 1) &&
		    model->socket_open[p->socket] < model->socket_limit)
			return p;
	}
	return NULL;
}

struct request *model_next(struct model *model, uint64_t wall_ns)
{
	struct player *p = model->open < model->limit ? next_player(model) : NULL;

	if (p == NULL)
		return NULL;
	if (p->want_roam)
		roam(model, p);
	uint32_t at = model->free;
	struct request *r = &model->request[at];
	model->free = r->next;
	r->player = (uint32_t)(p - model->player);
	r->socket = p->socket;
	r->order = ++p->orders;
	r->used = true;
	r->sent = r->overtaken = false;
	r->wall_ns = wall_ns;
	r->queue_next = NULL;
	build(model, p, r);
	plan(model, p, r->kind);
	p->open[p->opens++] = at;
	model->socket_open[r->socket]++;
	r->prev = model->newest;
	r->next = MODEL_NONE;
	if (model->newest != MODEL_NONE)
		model->request[model->newest].next = at;
	else
		model->oldest = at;
	model->newest = at;
	model->open++;
	return r;
}

void model_sent(struct model *model, struct request *r, uint64_t now_ns)
{
	r->sent = true;
	r->sent_ns = now_ns;
	if (model->gap_from_ns == 0)
		model->gap_from_ns = now_ns;
	model->tally->sent++;
}

void model_close(struct model *model, struct request *r)
{
	struct player *p = &model->player[r->player];
	uint32_t at = (uint32_t)(r - model->request);

	for (uint32_t i = 0, kept = 0; i < p->opens; i++)
		if (p->open[i] != at)
			p->open[kept++] = p->open[i];
	p->opens--;
	model->socket_open[r->socket]--;
	*(r->prev != MODEL_NONE ? &model->request[r->prev].next : &model->oldest) = r->next;
	*(r->next != MODEL_NONE ? &model->request[r->next].prev : &model->newest) = r->prev;
	r->used = false;
	r->next = model->free;
	model->free = at;
	if (--model->open == 0)
		model->gap_from_ns = 0; /* silence is no gap when nothing was asked */
}

void model_doubt(struct model *model, const struct request *r)
{
	struct player *p = &model->player[r->player];

	if (r->kind != REQUEST_MOVE)
		return;
	p->doubt_order = r->order;
	p->doubtful[p->doubts++ % BOTS_MAX_WINDOW] = r->want;
}

void model_gap(struct model *model, uint64_t now_ns)
{
	uint64_t gap = model->gap_from_ns != 0 ? now_ns - model->gap_from_ns : 0;

	if (gap > model->tally->longest_gap_ns)
		model->tally->longest_gap_ns = gap;
}

uint64_t model_expire(struct model *model, uint64_t now_ns)
{
	uint64_t after = model->options->lost_after_ms * 1000000ull;

	while (model->oldest != MODEL_NONE) {
		struct request *r = &model->request[model->oldest];
		if (!r->sent || r->sent_ns + after > now_ns)
			return r->sent ? r->sent_ns + after : now_ns + after;
		model_doubt(model, r);
		uint32_t at = model->losts++ % MODEL_LOST;
		model->lost[at].player = r->player;
		model->lost[at].type = r->type;
		model->lost[at].sequence = r->sequence;
		model->tally->lost++;
		model_gap(model, now_ns);
		model_close(model, r);
	}
	return 0;
}
