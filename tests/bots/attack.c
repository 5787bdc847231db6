/* The fighters, and the way of an attack once it is made: sent, repeated, given up, over. */
#include "attack.h"

#include <errno.h>
#include <stdlib.h>

#define INSIST_MOST 3u /* times that one attack is sent again although its answer is not overdue */

int attack_create(struct model *model)
{
	const struct bots_options *o = model->options;

	model->fighter = calloc(o->players, sizeof(*model->fighter));
	if (model->fighter == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < o->players; i++) {
		struct fighter *f = &model->fighter[i];
		uint64_t r = model_random(model);
		f->main = f->extra = f->neighbour = MODEL_NONE;
		/* every fourth passes the end of the number circle soon */
		f->sequence = i % 4 == 2 ? UINT32_MAX - (uint32_t)(r % 20) : (uint32_t)r;
	}
	model->tally->attack.books = BOOKS_OFF; /* until they are closed */
	return 0;
}

void attack_destroy(struct model *model)
{
	for (uint32_t i = 0; model->fighter != NULL && i < model->options->players; i++)
		account_fini(&model->fighter[i].account);
	free(model->fighter);
	model->fighter = NULL;
}

void attack_moved(struct model *model, const struct request *r)
{
	struct fighter *f = &model->fighter[r->player];

	if (r->epoch == f->epoch)
		f->there = true;
	attack_reached(model, r);
}

static struct request *open_attack(struct model *model, uint32_t at)
{
	return at != MODEL_NONE ? &model->request[at] : NULL;
}

void attack_reached(struct model *model, const struct request *r)
{
	struct fighter *f = &model->fighter[r->player];
	struct request *open[2] = { open_attack(model, f->main), open_attack(model, f->extra) };

	for (uint32_t i = 0; i < 2; i++) {
		struct attack *a = open[i] != NULL ? &open[i]->attack : NULL;
		if (a != NULL && a->ways == 2 && a->known_ns == 0 && r->socket == a->socket[1]) {
			a->known_ns = model->now_ns;
			a->known_round = model->round;
		}
	}
}

bool attack_roams(struct model *model, const struct player *p, uint32_t to)
{
	struct fighter *f = &model->fighter[p - model->player];
	struct request *open[2] = { open_attack(model, f->main), open_attack(model, f->extra) };

	for (uint32_t i = 0; i < 2; i++)
		if (open[i] != NULL && (open[i]->attack.ways == 2 || !open[i]->sent))
			return false;
	for (uint32_t i = 0; i < 2; i++) {
		if (open[i] == NULL)
			continue;
		open[i]->attack.socket[1] = to;
		open[i]->attack.ways = 2;
		open[i]->attack.alone = open[1 - i] == NULL && open[i]->attack.tries == 1;
		model->tally->attack.roams++;
	}
	return true;
}

void attack_overtaken(struct model *model, const struct request *r)
{
	struct fighter *f = &model->fighter[r->player];
	struct request *open[2] = { open_attack(model, f->main), open_attack(model, f->extra) };

	for (uint32_t i = 0; i < 2; i++)
		if (open[i] != NULL && open[i]->order < r->order)
			open[i]->overtaken = true;
}

/* Takes an attack out of the row of those that wait, to be sent by the way the player has now. */
static struct request *send_again(struct model *model, struct request *r)
{
	requests_remove(model, &model->attacks, r);
	r->attack.waits = false;
	model->socket_open[r->socket]--;
	r->socket = model->player[r->player].socket;
	model->socket_open[r->socket]++;
	r->queue_next = NULL;
	return r;
}

struct request *attack_insist(struct model *model, struct player *p)
{
	const struct bots_options *o = model->options;
	const struct fighter *f = &model->fighter[p - model->player];
	struct request *r = open_attack(model, f->main);

	if (r == NULL || !r->attack.waits || r->attack.insists >= INSIST_MOST || f->extra != MODEL_NONE)
		return NULL;
	uint64_t weights = o->move_weight + o->heartbeat_weight + o->attack_weight;
	if (model_random(model) % weights >= o->attack_weight || !model_chance(model, o->insist_permille))
		return NULL;
	r->attack.insists++;
	return send_again(model, r);
}

struct request *model_repeat(struct model *model, uint64_t now_ns)
{
	const struct bots_options *o = model->options;

	while (model->attacks.oldest != MODEL_NONE && !model->outage) {
		struct request *r = &model->request[model->attacks.oldest];
		if (r->sent_ns + o->attack_repeat_ms * 1000000ull > now_ns)
			break;
		if (++r->attack.timeouts >= o->attack_tries && !r->attack.lost) {
			r->attack.lost = true;
			model->tally->lost++;
			model_blame(model, r->player);
			model_gap(model, now_ns);
		}
		if (!r->attack.lost || !model->closing)
			return send_again(model, r);
		attack_close(model, r);
	}
	return NULL;
}

void attack_sent(struct model *model, struct request *r, uint64_t now_ns)
{
	struct fighter *f = &model->fighter[r->player];
	struct attack *a = &r->attack;
	struct settled *settled = a->over || a->kind == ATTACK_AGAIN ? attack_find_settled(f, r->sequence) : NULL;

	a->tries++;
	if (settled != NULL)
		settled->tries++;
	if (a->tries == 1) {
		model->tally->sent++;
		model->tally->attack.attacks++;
	} else {
		model->tally->attack.repeats++;
	}
	if (a->over) {
		model_release(model, r);
		return;
	}
	r->sent = true;
	r->sent_ns = now_ns;
	a->waits = true;
	requests_append(model, &model->attacks, r);
}

void attack_close(struct model *model, struct request *r)
{
	struct fighter *f = &model->fighter[r->player];
	struct attack *a = &r->attack;

	*(f->main == (uint32_t)(r - model->request) ? &f->main : &f->extra) = MODEL_NONE;
	if (attack_may_land(a)) {
		struct account *account = &model->fighter[a->target].account;
		if (a->kind == ATTACK_LOOK)
			account->looking = false;
		if (!a->told && account->known && !account->audited)
			account->unknown++;
		if (--account->open == 0 && account->known)
			account_settle(account, &model->tally->attack.faults);
	}
	if (a->waits) {
		requests_remove(model, &model->attacks, r);
		model_release(model, r);
	} else {
		a->over = true; /* still queued to be sent once more */
	}
}
