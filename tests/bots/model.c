/* Players, and requests from their making to their end. */
#include "attack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "interest.h"

#define ROAM_PERMILLE 20u
#define FIRST_LIMIT   16u /* before the first reply: ARP queues in kernels are short */

int model_create(struct model *model, const struct bots_options *options, struct bots_tally *tally,
		 uint32_t socket_limit)
{
	*model = (struct model){
		.options = options, .tally = tally,
		.plain = { MODEL_NONE, MODEL_NONE }, .attacks = { MODEL_NONE, MODEL_NONE },
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
	if (options->service == BOTS_ECHO)
		return 0;
	int rc = options->subscribe_permille != 0 ? interest_create(model) : 0;
	if (rc == 0 && options->attack_weight != 0)
		rc = attack_create(model);
	if (rc != 0)
		model_destroy(model);
	return rc;
}

void model_destroy(struct model *model)
{
	attack_destroy(model);
	interest_destroy(model);
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

static bool stands_still(const struct model *model)
{
	return model->interest != NULL && model->interest->phase != INTEREST_PLAY;
}

bool model_finish(struct model *model)
{
	return outage_finish(model) || model_audit(model) || interest_finish(model);
}

bool model_finishing(const struct model *model)
{
	return model->looking || model->auditing || stands_still(model);
}

static enum request_kind choose(struct model *model, struct player *p, struct request *r)
{
	const struct bots_options *o = model->options;

	if (o->service == BOTS_ECHO)
		return REQUEST_ECHO;
	if (p->want_look)
		return REQUEST_LOOK;
	if (model->interest != NULL && interest_asks(model, p))
		return REQUEST_SUBSCRIBE;
	if (stands_still(model))
		return REQUEST_HEARTBEAT;
	if (p->want_repeat) {
		p->want_repeat = false;
		if (p->synced && p->doubts == 0)
			return REQUEST_REPEAT;
	}
	if (model->auditing) {
		attack_build_audit(model, p, r);
		return REQUEST_ATTACK;
	}
	uint32_t plain = o->move_weight + o->heartbeat_weight;
	if (model->fighter != NULL && model_random(model) % (plain + o->attack_weight) >= plain &&
	    attack_build(model, p, r))
		return REQUEST_ATTACK;
	if (model_random(model) % plain >= o->move_weight ||
	    (model->interest != NULL && !interest_may_move(model, r->player)))
		return REQUEST_HEARTBEAT;
	if (!p->synced || p->doubts > 0)
		return REQUEST_MOVE;
	if (model_chance(model, o->outside_permille))
		return REQUEST_OUTSIDE;
	if (model_chance(model, o->stale_permille) && p->stale_used != p->acknowledged - 1)
		return REQUEST_STALE;
	return REQUEST_MOVE;
}

static void build_echo(struct model *model, struct player *p, struct request *r)
{
	uint32_t span = model->options->max_bytes - model->options->min_bytes + 1;

	r->sequence = ++p->beat;
	r->len = (uint16_t)(model->options->min_bytes + model_random(model) % span);
	model_echo_fill(r->bytes, r->len, p->id, r->sequence);
}

static void build_move(struct model *model, struct player *p, struct request *r)
{
	if (r->kind == REQUEST_STALE)
		p->stale_used = p->acknowledged - 1;
	else if (r->kind != REQUEST_REPEAT && r->kind != REQUEST_LOOK)
		p->sequence += 2;
	r->sequence = r->kind == REQUEST_STALE ? p->stale_used
		    : r->kind == REQUEST_REPEAT || r->kind == REQUEST_LOOK ? p->acknowledged : p->sequence;
	if (r->kind == REQUEST_OUTSIDE) {
		r->want = model_outside(model);
	} else if (r->kind == REQUEST_MOVE) {
		if (model->fighter != NULL) {
			r->want = attack_place(model, p);
			r->epoch = model->fighter[r->player].epoch;
		} else if (model->interest != NULL) {
			r->want = interest_walk(model, r->player);
		}
		p->position = r->want;
	}
	if (model->interest != NULL && (r->kind == REQUEST_MOVE || r->kind == REQUEST_OUTSIDE))
		interest_stepped(model, r, r->kind == REQUEST_OUTSIDE);
	r->len = (uint16_t)wire_build_move(r->bytes, p->id, r->sequence, r->want.x, r->want.y, r->want.z);
}

/* Fills in kind, sequence, positions and bytes of a request, and what the player remembers of it. */
static void build(struct model *model, struct player *p, struct request *r)
{
	r->kind = choose(model, p, r);
	r->hold = p->position;
	r->type = r->kind == REQUEST_ECHO ? 0
		: r->kind == REQUEST_HEARTBEAT ? HEARTBEAT
		: r->kind == REQUEST_ATTACK ? PLAYER_ATTACK
		: r->kind == REQUEST_SUBSCRIBE ? PLAYER_SUBSCRIBE : PLAYER_MOVE;
	if (r->kind == REQUEST_ECHO) {
		build_echo(model, p, r);
		return;
	}
	if (r->kind == REQUEST_HEARTBEAT) {
		r->sequence = ++p->beat;
		r->len = (uint16_t)wire_build_heartbeat(r->bytes, p->id, r->sequence, r->wall_ns);
	} else if (r->kind == REQUEST_SUBSCRIBE) {
		interest_build(model, p, r);
	} else if (r->kind != REQUEST_ATTACK) {
		r->want = (struct position){ model_coordinate(model), model_coordinate(model),
					     model_coordinate(model) };
		build_move(model, p, r);
	}
	if (model_chance(model, model->options->long_permille)) {
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
	if (stands_still(model))
		return;
	if (made == REQUEST_MOVE && model_chance(model, model->options->repeat_permille))
		p->want_repeat = true;
	if (model->options->roam && model->sockets > 1 && model_chance(model, ROAM_PERMILLE))
		p->want_roam = true;
}

static void roam(struct model *model, struct player *p)
{
	uint32_t to = (p->socket + 1 + (uint32_t)(model_random(model) % (model->sockets - 1))) % model->sockets;

	p->want_roam = false;
	if (model->socket_open[to] >= model->socket_limit)
		return;
	if (model->fighter != NULL && !attack_roams(model, p, to))
		return;
	if (model->interest != NULL && !interest_roams(model, (uint32_t)(p - model->player), to))
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
		if (p->opens != 0 && (p->want_repeat || p->want_roam || p->want_look))
			continue;
		if (p->opens < (known ? model->options->window : 1) &&
		    model->socket_open[p->socket] < model->socket_limit)
			return p;
	}
	return NULL;
}

void requests_append(struct model *model, struct requests *list, struct request *r)
{
	uint32_t at = (uint32_t)(r - model->request);

	r->prev = list->newest;
	r->next = MODEL_NONE;
	*(list->newest != MODEL_NONE ? &model->request[list->newest].next : &list->oldest) = at;
	list->newest = at;
}

void requests_remove(struct model *model, struct requests *list, struct request *r)
{
	*(r->prev != MODEL_NONE ? &model->request[r->prev].next : &list->oldest) = r->next;
	*(r->next != MODEL_NONE ? &model->request[r->next].prev : &list->newest) = r->prev;
}

struct request *model_next(struct model *model, uint64_t wall_ns)
{
	struct player *p = NULL;

	if (model->outage)
		return NULL;
	if (model->open < model->limit)
		p = model->looking ? outage_next_look(model) : stands_still(model) ? interest_next(model)
		  : model->auditing ? attack_auditor(model) : next_player(model);
	if (p == NULL)
		return NULL;
	if (p->want_roam && !model_finishing(model))
		roam(model, p);
	struct request *r = model->fighter != NULL && !stands_still(model) ? attack_insist(model, p) : NULL;
	if (r != NULL)
		return r;
	uint32_t at = model->free;
	r = &model->request[at];
	model->free = r->next;
	r->player = (uint32_t)(p - model->player);
	r->socket = p->socket;
	r->order = ++p->orders;
	r->used = true;
	r->sent = r->overtaken = r->excused = false;
	r->wall_ns = wall_ns;
	r->queue_next = NULL;
	build(model, p, r);
	plan(model, p, r->kind);
	model->socket_open[r->socket]++;
	model->open++;
	if (r->kind == REQUEST_ATTACK)
		return r;
	p->open[p->opens++] = at;
	requests_append(model, &model->plain, r);
	return r;
}

void model_sent(struct model *model, struct request *r, uint64_t now_ns)
{
	model->now_ns = now_ns;
	if (model->gap_from_ns == 0)
		model->gap_from_ns = now_ns;
	if (r->kind == REQUEST_ATTACK) {
		attack_sent(model, r, now_ns);
		return;
	}
	r->sent = true;
	r->sent_ns = now_ns;
	model->tally->sent++;
}

void model_release(struct model *model, struct request *r)
{
	model->socket_open[r->socket]--;
	r->used = false;
	r->next = model->free;
	model->free = (uint32_t)(r - model->request);
	if (--model->open == 0)
		model->gap_from_ns = 0; /* silence is no gap when nothing was asked */
}

void model_close(struct model *model, struct request *r)
{
	struct player *p = &model->player[r->player];
	uint32_t at = (uint32_t)(r - model->request);

	for (uint32_t i = 0, kept = 0; i < p->opens; i++)
		if (p->open[i] != at)
			p->open[kept++] = p->open[i];
	p->opens--;
	requests_remove(model, &model->plain, r);
	if (model->interest != NULL)
		interest_closed(model, r);
	model_release(model, r);
}

void model_doubt(struct model *model, const struct request *r)
{
	struct player *p = &model->player[r->player];

	if (r->kind != REQUEST_MOVE)
		return;
	p->doubt_order = r->order;
	p->doubtful_sequence[p->doubts % BOTS_MAX_WINDOW] = r->sequence;
	p->doubtful[p->doubts++ % BOTS_MAX_WINDOW] = r->want;
}

void model_gap(struct model *model, uint64_t now_ns)
{
	uint64_t gap = model->gap_from_ns != 0 ? now_ns - model->gap_from_ns : 0;

	if (gap > model->tally->longest_gap_ns)
		model->tally->longest_gap_ns = gap;
}

void model_round(struct model *model)
{
	model->round++;
}

/* When the oldest attack without an answer is due, 0 if there is none. */
static uint64_t next_repeat(const struct model *model)
{
	if (model->attacks.oldest == MODEL_NONE)
		return 0;
	return model->request[model->attacks.oldest].sent_ns + model->options->attack_repeat_ms * 1000000ull;
}

void model_blame(struct model *model, uint32_t player)
{
	struct bots_tally *t = model->tally;
	struct player *p = &model->player[player];

	t->blamed++;
	if (p->victim)
		return;
	p->victim = true;
	if (t->victims++ < BOTS_VICTIMS_KEPT)
		t->victim[t->victims - 1] = p->id;
}

static uint64_t due(const struct model *model, const struct request *r, uint64_t now_ns)
{
	uint64_t after = model->options->lost_after_ms * 1000000ull;

	return !r->sent ? now_ns + after : r->excused ? outage_due(model) : r->sent_ns + after;
}

uint64_t model_expire(struct model *model, uint64_t now_ns)
{
	uint64_t repeat = next_repeat(model);

	model->now_ns = now_ns;
	while (model->plain.oldest != MODEL_NONE) {
		struct request *r = &model->request[model->plain.oldest];
		uint64_t when = due(model, r, now_ns);
		if (when > now_ns)
			return repeat != 0 && repeat < when ? repeat : when;
		model_doubt(model, r);
		uint32_t at = model->losts++ % MODEL_LOST;
		model->lost[at].player = r->player;
		model->lost[at].type = r->type;
		model->lost[at].sequence = r->sequence;
		*(r->excused ? &model->tally->outage.unanswered : &model->tally->lost) += 1;
		if (!r->excused)
			model_blame(model, r->player);
		model_gap(model, now_ns);
		model_close(model, r);
	}
	return repeat;
}
