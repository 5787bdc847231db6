/* Kills of the primary. What had been acknowledged must hold afterwards; what was under way has been done once or not at
 * all, and nobody says which: so each player looks, with a move of the sequence that was acknowledged last. If that is
 * still the newest the server repeats its acknowledgement, with the position of then; if an unanswered move was taken it
 * says that it is stale, with the position of that one. A server that has forgotten the move applies it anew, and shows
 * a position that nobody ever asked for before. Attacks need no more than they have: they are sent again until they
 * are answered, and every hit has its ordinal. */
#include <string.h>

#include "attack.h"

#define GRACE_NS 200000000ull /* for answers to what was sent in an outage and waited for it to end */

void model_outage(struct model *model)
{
	model->tally->outage.count++;
	model->outage = true;
	for (uint32_t at = model->plain.oldest; at != MODEL_NONE; at = model->request[at].next)
		model->request[at].excused = true;
	for (uint32_t i = 0; i < model->options->players; i++)
		model->player[i].want_look = model->player[i].synced;
}

void model_resume(struct model *model, uint64_t now_ns)
{
	model->tally->outage.over++;
	model->outage = false;
	model->now_ns = model->resumed_ns = now_ns;
}

uint64_t outage_due(const struct model *model)
{
	return model->outage ? UINT64_MAX : model->resumed_ns + GRACE_NS;
}

struct player *outage_next_look(struct model *model)
{
	for (uint32_t i = 0; i < model->options->players; i++) {
		struct player *p = &model->player[i];
		if (p->want_look && p->opens == 0 && model->socket_open[p->socket] < model->socket_limit)
			return p;
	}
	return NULL;
}

bool outage_finish(struct model *model)
{
	model->looking = model->outage;
	for (uint32_t i = 0; i < model->options->players && !model->looking; i++)
		model->looking = model->player[i].want_look;
	return model->looking;
}

static bool same(const struct position *a, const struct position *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

const char *outage_judge_look(struct model *model, struct player *p, uint32_t status, const struct position *shown)
{
	uint32_t doubts = p->doubts < BOTS_MAX_WINDOW ? p->doubts : BOTS_MAX_WINDOW, applied = doubts;

	if (status == GAME_STALE)
		for (applied = 0; applied < doubts && !same(shown, &p->doubtful[applied]); applied++)
			;
	if (status != GAME_OK && status != GAME_STALE)
		return "a player that had been acknowledged is not there after a kill of the primary";
	if (status == GAME_STALE && applied == doubts)
		return "a position that no unanswered move asked for holds after a kill of the primary";
	if (status == GAME_OK && !same(shown, &p->held))
		return "an acknowledged move is lost after a kill of the primary";
	if (status == GAME_STALE) {
		p->acknowledged = p->doubtful_sequence[applied];
		p->held = *shown;
		model->tally->outage.applied++;
	}
	p->position = p->held;
	p->doubts = 0;
	p->want_look = false;
	model->tally->outage.looks++;
	return NULL;
}
