/* What players do for the sake of subscriptions: roam in crowds, and ask for others within a radius. */
#include "interest.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CROWD_PLAYERS    40u /* subscribers: most pairs within reach, and far fewer than a bucket tells of */
#define CROWDS_MOST      64u
#define CROWD_SIDE       600.0f /* of a square: more than a cell, so that everybody crosses borders */
#define CELL             400.0f
#define DEPTH            40.0f  /* of z */
#define SPEED            300.0f /* a second */
#define HOP_PERMILLE     2u     /* of the moves: far, at once */
#define CROWD_PERMILLE   100u   /* of the new places: in another crowd */
#define FIRST_PERMILLE   300u   /* of the requests of who has never subscribed: does so */
#define CHANGE_PERMILLE  3u     /* of those of who has: another radius */
#define END_PERMILLE     150u   /* of those: 0 */
#define RETURN_PERMILLE  10u    /* of those of who has ended it: again */
#define INVALID_PERMILLE 100u   /* of the SUBSCRIBEs: no radius at all */

struct subscriber *interest_of(const struct model *model, uint32_t player)
{
	const uint64_t permille = model->options->subscribe_permille;
	uint64_t at = player * permille / 1000;

	if (model->interest == NULL || (player + 1) * permille / 1000 == at)
		return NULL;
	return &model->interest->subscriber[at];
}

/* Centres on corners of cells, one of four in a corner of the world. */
static void place_crowds(struct model *model)
{
	struct interest *in = model->interest;

	for (uint32_t i = 0; i < in->crowds; i++) {
		uint64_t r = model_random(model);
		in->crowd[i] = (struct position){ (float)(r % 51) * CELL - GAME_WORLD_XY,
						  (float)((r >> 16) % 51) * CELL - GAME_WORLD_XY, 0 };
		if (i % 4 == 3) {
			in->crowd[i].x = (r >> 32) % 2 ? GAME_WORLD_XY : -GAME_WORLD_XY;
			in->crowd[i].y = (r >> 33) % 2 ? GAME_WORLD_XY : -GAME_WORLD_XY;
		}
	}
}

int interest_create(struct model *model)
{
	const struct bots_options *o = model->options;
	struct interest *in = calloc(1, sizeof(*in));

	model->interest = in;
	if (in == NULL)
		return -ENOMEM;
	in->lease_ns = o->lease_ms * 1000000ull;
	in->keep_ns = in->lease_ns + o->clock_skew_ms * 1000000ull;
	in->count = (uint32_t)((uint64_t)o->players * o->subscribe_permille / 1000);
	in->crowds = 1 + in->count / CROWD_PLAYERS;
	if (in->crowds > CROWDS_MOST)
		in->crowds = CROWDS_MOST;
	in->owed_words = (in->count + 63) / 64;
	in->subscriber = calloc(in->count + 1, sizeof(*in->subscriber));
	in->crowd = calloc(in->crowds, sizeof(*in->crowd));
	in->owed = calloc((uint64_t)in->count * in->owed_words + 1, sizeof(*in->owed));
	if (in->subscriber == NULL || in->crowd == NULL || in->owed == NULL)
		return -ENOMEM;
	place_crowds(model);
	for (uint32_t i = 0; i < o->players; i++) {
		struct subscriber *s = interest_of(model, i);
		if (s == NULL)
			continue;
		s->player = i;
		s->crowd = (uint32_t)(s - in->subscriber) % in->crowds;
		span_push(&s->way, model->player[i].socket, 0);
	}
	model->tally->interest.subscribers = in->count;
	return 0;
}

void interest_destroy(struct model *model)
{
	struct interest *in = model->interest;

	if (in == NULL)
		return;
	for (uint32_t i = 0; in->subscriber != NULL && i < in->count; i++)
		free(in->subscriber[i].step);
	free(in->subscriber);
	free(in->crowd);
	free(in->owed);
	free(in);
	model->interest = NULL;
}

static float within(struct model *model, float middle, float side)
{
	float at = middle + ((float)(model_random(model) >> 40) / (float)(1 << 24) - 0.5f) * side;

	return fmaxf(-GAME_WORLD_XY, fminf(GAME_WORLD_XY, at));
}

struct position interest_place(struct model *model, uint32_t player)
{
	struct interest *in = model->interest;
	struct subscriber *s = interest_of(model, player);
	uint32_t crowd = s != NULL ? s->crowd : player % in->crowds;

	if (model_chance(model, CROWD_PERMILLE))
		crowd = (uint32_t)(model_random(model) % in->crowds);
	if (s != NULL)
		s->crowd = crowd;
	const struct position *c = &in->crowd[crowd];
	return (struct position){ within(model, c->x, CROWD_SIDE), within(model, c->y, CROWD_SIDE),
				  within(model, c->z, DEPTH) };
}

struct position interest_walk(struct model *model, uint32_t player)
{
	struct subscriber *s = interest_of(model, player);
	struct position at = model->player[player].position;

	if (s == NULL)
		return interest_place(model, player);
	float seconds = (float)(model->now_ns - s->walk_ns) / 1e9f;
	bool first = s->walk_ns == 0;
	s->walk_ns = model->now_ns;
	if (first || model_chance(model, HOP_PERMILLE)) {
		s->goal = interest_place(model, player);
		return s->goal;
	}
	float x = s->goal.x - at.x, y = s->goal.y - at.y, z = s->goal.z - at.z;
	float far = sqrtf(x * x + y * y + z * z), step = fminf(seconds, 0.1f) * SPEED;
	if (far > step)
		return (struct position){ at.x + x * step / far, at.y + y * step / far, at.z + z * step / far };
	at = s->goal;
	s->goal = interest_place(model, player);
	/* to another crowd it is too far to walk */
	if (fabsf(s->goal.x - at.x) > 2 * CROWD_SIDE || fabsf(s->goal.y - at.y) > 2 * CROWD_SIDE)
		return s->goal;
	return at;
}

bool interest_may_move(struct model *model, uint32_t player)
{
	const struct subscriber *s = interest_of(model, player);

	return s == NULL || s->steps < STEPS_MOST || trail_step(s, 1)->made_ns + model->interest->keep_ns < model->now_ns;
}

void interest_stepped(struct model *model, const struct request *r, bool refused)
{
	struct subscriber *s = interest_of(model, r->player);
	const struct step step = { .at = r->want, .refused = refused, .made_ns = model->now_ns, .until_ns = FOR_EVER };

	if (s != NULL && trail_push(s, r->sequence, &step, model->interest->keep_ns) != 0)
		model_tell(model, r, "no memory to remember it");
}

bool interest_roams(struct model *model, uint32_t player, uint32_t to)
{
	struct subscriber *s = interest_of(model, player);

	if (s == NULL)
		return true;
	if (!span_room(&s->way, model->now_ns, model->interest->keep_ns))
		return false;
	span_push(&s->way, to, model->now_ns);
	return true;
}

bool interest_asks(struct model *model, const struct player *p)
{
	const struct subscriber *s = interest_of(model, (uint32_t)(p - model->player));

	if (s == NULL || s->asking || !p->synced)
		return false;
	if (model->interest->phase == INTEREST_LEAVE)
		return !s->left;
	if (model->interest->phase != INTEREST_PLAY || !span_room(&s->radius, model->now_ns, model->interest->keep_ns))
		return false;
	return model_chance(model, s->radius.count == 0 ? FIRST_PERMILLE
				   : s->holds == 0 ? RETURN_PERMILLE : CHANGE_PERMILLE);
}

static float choose_radius(struct model *model, const struct subscriber *s)
{
	static const float none[] = { -1, -1e-30f, 200.001f, 3e38f, INFINITY, -INFINITY, NAN };
	uint64_t r = model_random(model);

	if (model->interest->phase == INTEREST_LEAVE)
		return 0;
	if (model_chance(model, INVALID_PERMILLE))
		return none[r % (sizeof(none) / sizeof(none[0]))];
	if (s->holds != 0 && model_chance(model, END_PERMILLE))
		return 0;
	if (model->options->radius != 0)
		return (float)model->options->radius;
	return r % 4 == 0 ? GAME_RADIUS_MOST : 0.25f + (float)((r >> 8) % 799) / 4;
}

static bool is_radius(float radius)
{
	return radius >= 0 && radius <= GAME_RADIUS_MOST;
}

void interest_build(struct model *model, struct player *p, struct request *r)
{
	struct subscriber *s = interest_of(model, r->player);
	float radius = choose_radius(model, s);

	r->want.x = radius;
	r->sequence = ++p->beat;
	r->len = (uint16_t)wire_build_subscribe(r->bytes, p->id, r->sequence, radius);
	s->asking = true;
	s->left = model->interest->phase == INTEREST_LEAVE;
	if (is_radius(radius))
		span_push(&s->radius, (uint32_t)ceilf(radius), model->now_ns);
	model->tally->interest.subscribes++;
}

void interest_closed(struct model *model, const struct request *r)
{
	if (r->kind == REQUEST_SUBSCRIBE)
		interest_of(model, r->player)->asking = false;
}

/* ---- replies ---- */

static const char *judge_subscribe(struct model *model, const struct request *r, const struct GameSubscribe *reply)
{
	const struct subscriber *s = interest_of(model, r->player);
	const struct span *newest = &s->radius.span[(s->radius.count - 1) % SUBSCRIBER_SPANS];
	bool certain = s->radius.count == 0 || newest->from_ns != 0; /* else one was lost: taken or not */

	if (reply->reserved != 0)
		return "reserved bytes are not 0";
	if (is_radius(r->want.x)) {
		if (reply->status != GAME_OK)
			return "a subscription was refused";
		return reply->radius == ceilf(r->want.x) ? NULL : "the radius is not the one asked for, rounded up";
	}
	model->tally->error_replies += reply->status == GAME_NO_RADIUS;
	if (reply->status != GAME_NO_RADIUS)
		return "what is no radius was not refused";
	return !certain || reply->radius == (float)s->holds ? NULL : "the radius is not the one that holds";
}

const char *interest_judge_reply(struct model *model, const struct request *r, const uint8_t *data)
{
	struct GameSubscribe reply;

	memcpy(&reply, data, sizeof(reply));
	return judge_subscribe(model, r, &reply);
}

/* The server has heard of the player by this way. */
static void reached(struct subscriber *s, uint32_t socket, uint64_t server_ns)
{
	if (s->way.span[(s->way.count - 1) % SUBSCRIBER_SPANS].value == socket)
		span_confirm(&s->way, server_ns);
}

void interest_answered(struct model *model, const struct request *r, const uint8_t *data)
{
	struct subscriber *s = interest_of(model, r->player);
	uint32_t status;
	uint64_t server_ns;

	if (s == NULL)
		return;
	memcpy(&status, data + offsetof(struct GameMove, status), sizeof(status));
	memcpy(&server_ns, data + offsetof(struct GameMove, server_time_ns), sizeof(server_ns));
	if (status != GAME_OK || (r->kind != REQUEST_MOVE && r->kind != REQUEST_HEARTBEAT && r->kind != REQUEST_SUBSCRIBE))
		return;
	reached(s, r->socket, server_ns);
	if (r->kind == REQUEST_MOVE)
		trail_confirm(s, r->sequence, server_ns);
	if (r->kind != REQUEST_SUBSCRIBE)
		return;
	span_confirm(&s->radius, server_ns);
	s->holds = (uint32_t)ceilf(r->want.x);
}
static_assert(offsetof(struct GameMove, status) == offsetof(struct GameSubscribe, status) &&
	      offsetof(struct GameMove, status) == offsetof(struct GameHeartbeat, status) &&
	      offsetof(struct GameMove, server_time_ns) == offsetof(struct GameSubscribe, server_time_ns) &&
	      offsetof(struct GameMove, server_time_ns) == offsetof(struct GameHeartbeat, server_time_ns), "read alike");
