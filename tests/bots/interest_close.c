/* The end of a run with subscriptions: all stand still and send heartbeats until everybody has been told of everybody
 * near; then they unsubscribe, so that nobody is told of them when their sockets are gone. */
#include <math.h>

#include "interest.h"

#define BEAT_NS    200000000ull /* between the heartbeats of a player that stands */
#define BEYOND_NS  300000000ull /* longer than a lease, to see that nobody else is told of */
#define CLOSE      0.01f        /* who is so near to the edge may be on either side of it */

static bool is_within(const struct position *a, const struct position *b, float radius)
{
	double x = (double)a->x - b->x, y = (double)a->y - b->y, z = (double)a->z - b->z;

	return sqrt(x * x + y * y + z * z) <= (double)radius - (double)CLOSE;
}

/* True if place and radius of the player are certain, and it wants to be told. */
static bool stands(const struct model *model, const struct subscriber *s)
{
	const struct player *p = &model->player[s->player];

	return p->synced && p->doubts == 0 && s->holds != 0 &&
	       s->radius.span[(s->radius.count - 1) % SUBSCRIBER_SPANS].from_ns != 0;
}

static void stand_still(struct model *model)
{
	struct interest *in = model->interest;

	for (uint32_t a = 0; a < in->count; a++) {
		const struct subscriber *s = &in->subscriber[a];
		for (uint32_t b = 0; stands(model, s) && b < in->count; b++) {
			if (a == b || !stands(model, &in->subscriber[b]) ||
			    !is_within(&model->player[s->player].held, &model->player[in->subscriber[b].player].held,
				       (float)s->holds))
				continue;
			in->owed[(uint64_t)a * in->owed_words + b / 64] |= 1ull << b % 64;
			in->owed_count++;
		}
	}
	model->tally->interest.pairs_checked = in->owed_count;
}

void interest_was_told(struct model *model, const struct subscriber *s, const struct subscriber *other)
{
	struct interest *in = model->interest;
	uint32_t b = (uint32_t)(other - in->subscriber);

	if (in->phase != INTEREST_STAND)
		return;
	uint64_t *word = &in->owed[(uint64_t)(s - in->subscriber) * in->owed_words + b / 64];
	if ((*word >> b % 64 & 1) == 0)
		return;
	*word &= ~(1ull << b % 64);
	in->owed_count--;
}

/* Pairs of whom one has waited in vain. */
static void count_missing(struct model *model)
{
	const struct interest *in = model->interest;
	uint32_t told = 0;

	model->tally->interest.fault[INTEREST_MISSING] = in->owed_count;
	for (uint32_t a = 0; in->owed_count != 0 && a < in->count; a++)
		for (uint32_t b = 0; b < in->count && told < 5; b++)
			if (in->owed[(uint64_t)a * in->owed_words + b / 64] >> b % 64 & 1) {
				told++;
				fprintf(stderr, "baton-bots: player %u was not told where %u stands\n",
					model->player[in->subscriber[a].player].id,
					model->player[in->subscriber[b].player].id);
			}
}

static void enter(struct model *model, enum interest_phase phase)
{
	model->interest->phase = phase;
	model->interest->since_ns = model->now_ns;
}

bool interest_finish(struct model *model)
{
	struct interest *in = model->interest;
	uint64_t waited = in != NULL ? model->now_ns - in->since_ns : 0;

	if (in == NULL || in->phase == INTEREST_OVER)
		return false;
	switch (in->phase) {
	case INTEREST_PLAY:
		stand_still(model);
		enter(model, INTEREST_STAND);
		return true;
	case INTEREST_STAND:
		if (waited < in->lease_ns + BEYOND_NS ||
		    (in->owed_count != 0 && waited < model->options->neighbour_wait_ms * 1000000ull))
			return true;
		count_missing(model);
		enter(model, INTEREST_LEAVE);
		return true;
	default:
		if (interest_next(model) != NULL)
			return true;
		model->tally->interest.closed = true;
		enter(model, INTEREST_OVER);
		return false;
	}
}

struct player *interest_next(struct model *model)
{
	struct interest *in = model->interest;

	for (uint32_t i = 0; i < in->count && in->phase != INTEREST_OVER; i++) {
		struct subscriber *s = &in->subscriber[i];
		struct player *p = &model->player[s->player];
		bool due = in->phase == INTEREST_STAND ? model->now_ns - s->beat_ns >= BEAT_NS
						       : !s->left && s->radius.count != 0;
		if (!due || !p->synced || p->opens != 0 || model->socket_open[p->socket] >= model->socket_limit)
			continue;
		if (in->phase == INTEREST_STAND)
			s->beat_ns = model->now_ns;
		return p;
	}
	return NULL;
}
