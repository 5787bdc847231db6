/* Whose reply is this? Matches what arrives to the requests under way and counts what it is. */
#include <string.h>

#include "attack.h"
#include "hash.h"
#include "hist.h"
#include "interest.h"

/* What a reply says it is for. */
struct mark {
	uint32_t socket, type, sequence;
};

static uint64_t hash_bytes(const uint8_t *data, uint32_t len)
{
	uint64_t hash = len;

	for (uint32_t at = 0; at < len; at += 8)
		hash = hash_mix64(hash ^ hash_key_bytes(data + at, len - at < 8 ? len - at : 8)) + at;
	return hash;
}

/* How many of its first bytes differ from those of a reply to r. */
static uint32_t distance_to(const struct request *r, const uint8_t *data, uint32_t len)
{
	uint32_t head = r->kind == REQUEST_ECHO ? 16u : 24u;
	uint32_t distance = 0;

	for (uint32_t i = r->kind == REQUEST_ECHO ? 0 : 4; i < head && i < r->len; i++)
		distance += i >= len || data[i] != r->bytes[i];
	return distance;
}

/* The request on this socket that a reply with damaged identity most likely belongs to: at most 4 of its first bytes
 * differ. */
static struct request *nearest(struct model *model, uint32_t socket, const uint8_t *data, uint32_t len)
{
	const uint32_t lists[] = { model->plain.oldest, model->attacks.oldest };
	struct request *best = NULL;
	uint32_t best_distance = 5;

	for (uint32_t i = 0; i < 2; i++)
		for (uint32_t at = lists[i]; at != MODEL_NONE; at = model->request[at].next) {
			struct request *r = &model->request[at];
			uint32_t distance = r->socket == socket ? distance_to(r, data, len) : best_distance;
			if (distance < best_distance) {
				best = r;
				best_distance = distance;
			}
		}
	return best;
}

/* Who a reply says it is for. False if it is too short or names none of our players. */
static bool identify(const struct model *model, const uint8_t *data, uint32_t len, uint32_t *player, uint32_t *type,
		     uint32_t *sequence)
{
	bool echo = model->options->service == BOTS_ECHO;

	if (len < (echo ? 8u : (uint32_t)sizeof(struct GamePacketHeader)))
		return false;
	*type = echo ? 0 : (uint32_t)hash_key_bytes(data + 4, 4);
	*player = (uint32_t)hash_key_bytes(data + (echo ? 0 : 8), 4) - model->player[0].id;
	*sequence = (uint32_t)hash_key_bytes(data + (echo ? 4 : 12), 4);
	return *player < model->options->players;
}

static bool was_lost(const struct model *model, uint32_t player, uint32_t type, uint32_t sequence)
{
	for (uint32_t i = 0; i < model->losts && i < MODEL_LOST; i++)
		if (model->lost[i].player == player && model->lost[i].type == type &&
		    model->lost[i].sequence == sequence)
			return true;
	return false;
}

void model_remember(struct player *p, const uint8_t *data, uint32_t len)
{
	p->history[p->answers++ % MODEL_HISTORY] = hash_bytes(data, len);
}

bool model_remembers(const struct player *p, const uint8_t *data, uint32_t len)
{
	uint64_t hash = hash_bytes(data, len);

	for (uint32_t i = 0; i < MODEL_HISTORY && i < p->answers; i++)
		if (p->history[i] == hash)
			return true;
	return false;
}

void model_tell(struct model *model, const struct request *r, const char *what)
{
	model->tally->wrong++;
	if (r != NULL)
		model_blame(model, r->player);
	if (model->tally->wrong_told++ >= 5)
		return;
	if (r == NULL)
		fprintf(stderr, "baton-bots: wrong: %s\n", what);
	else
		fprintf(stderr, "baton-bots: wrong: player %u, sequence %u, %s %u: %s\n",
			model->player[r->player].id, r->sequence, r->kind == REQUEST_ATTACK ? "attack" : "kind",
			r->kind == REQUEST_ATTACK ? (unsigned)r->attack.kind : (unsigned)r->kind, what);
}

void model_rtt(struct model *model, uint64_t rtt_ns)
{
	model->tally->rtt[hist_bucket(rtt_ns)]++;
	if (rtt_ns > model->tally->rtt_max_ns)
		model->tally->rtt_max_ns = rtt_ns;
}

/* The reply belongs to r: judge it, note its place in the order, end the request. */
static void answer(struct model *model, struct request *r, const uint8_t *data, uint32_t len, uint64_t now_ns,
		   uint64_t wall_ns)
{
	struct player *p = &model->player[r->player];
	const char *fault = judge(model, r, data, len, wall_ns);

	model->tally->received++;
	model_rtt(model, now_ns - r->sent_ns);
	model_remember(p, data, len);
	if (r->overtaken) {
		model->tally->reordered++;
		model_blame(model, r->player);
	}
	if (fault != NULL) {
		model_tell(model, r, fault);
		model_doubt(model, r);
	} else if (model->fighter != NULL && r->kind == REQUEST_HEARTBEAT) {
		attack_reached(model, r);
	}
	for (uint32_t i = 0; i < p->opens; i++) {
		struct request *other = &model->request[p->open[i]];
		if (other->order < r->order)
			other->overtaken = true;
	}
	if (model->fighter != NULL)
		attack_overtaken(model, r);
	model_close(model, r);
	model->limit = model->options->in_flight;
}

/* A reply to a plain request of this player. */
static bool reply_to_open(struct model *model, const struct player *p, const struct mark *m, const uint8_t *data,
			  uint32_t len, uint64_t now_ns, uint64_t wall_ns)
{
	for (uint32_t i = 0; i < p->opens; i++) {
		struct request *r = &model->request[p->open[i]];
		if (r->type == m->type && r->sequence == m->sequence && r->socket == m->socket && r->sent) {
			answer(model, r, data, len, now_ns, wall_ns);
			return true;
		}
	}
	return false;
}

/* Gives a reply to the request it names. False if it names none that it could be for. */
static bool reply_as_named(struct model *model, struct player *p, const struct mark *m, const uint8_t *data,
			   uint32_t len, uint64_t now_ns, uint64_t wall_ns)
{
	bool attack = m->type == PLAYER_ATTACK && model->fighter != NULL;

	if (attack && attack_reply(model, p, m->socket, data, len, now_ns, wall_ns))
		return true;
	if (model_remembers(p, data, len)) {
		model->tally->duplicated++;
		model_blame(model, (uint32_t)(p - model->player));
		return true;
	}
	if (!attack && reply_to_open(model, p, m, data, len, now_ns, wall_ns))
		return true;
	if (was_lost(model, (uint32_t)(p - model->player), m->type, m->sequence)) {
		model->tally->late++;
		return true;
	}
	return false;
}

/* The type of a packet of the game, 0: it is too short to have one. */
static uint32_t known_type(const uint8_t *data, uint32_t len)
{
	return len >= 8 ? (uint32_t)hash_key_bytes(data + 4, 4) : 0;
}

void model_reply(struct model *model, uint32_t socket, const uint8_t *data, uint32_t len, uint64_t now_ns,
		 uint64_t wall_ns)
{
	struct mark m = { .socket = socket };
	uint32_t index = 0;
	bool known = identify(model, data, len, &index, &m.type, &m.sequence);

	model->now_ns = now_ns;
	if (model->interest != NULL && known_type(data, len) == NEIGHBOURS) {
		interest_arrived(model, socket, data, len, wall_ns);
		return;
	}
	model_gap(model, now_ns);
	if (model->open != 0)
		model->gap_from_ns = now_ns;
	if (known && reply_as_named(model, &model->player[index], &m, data, len, now_ns, wall_ns))
		return;
	struct request *r = nearest(model, socket, data, len);
	if (r != NULL && r->kind == REQUEST_ATTACK)
		attack_answer(model, r, socket, data, len, now_ns, wall_ns);
	else if (r != NULL)
		answer(model, r, data, len, now_ns, wall_ns);
	else
		model_tell(model, NULL, "a reply to no request that is under way");
}
