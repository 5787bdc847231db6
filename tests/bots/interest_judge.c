/* NEIGHBOURS packets: could the server, by its rules, have told this subscriber this, there, then? */
#include <math.h>
#include <string.h>

#include "interest.h"

#define CELL_SIDE 400.0
#define CELLS     50
#define CLOSE     0.01 /* how far float and double may be apart about a border or a radius */

/* One packet. */
struct update {
	struct GameNeighbours head;
	struct GameNeighbour neighbour[GAME_NEIGHBOURS_MOST];
	bool good[GAME_NEIGHBOURS_MOST];
	struct subscriber *subscriber;
	uint32_t socket;
};

static void fault(struct model *model, enum interest_fault kind, const struct update *u, uint32_t of)
{
	static const char *const texts[] = {
#define X(constant, field, text) text,
		INTEREST_FAULTS(X)
#undef X
	};

	model->tally->interest.fault[kind]++;
	if (model->tally->interest.told++ >= 5)
		return;
	fprintf(stderr, "baton-bots: %s: to player %u, tick %u, cell %u, by socket %u, of %u\n", texts[kind],
		u->head.header.player_id, u->head.header.sequence, u->head.cell, u->socket, of);
}

static bool well_formed(struct update *u, const uint8_t *data, uint32_t len)
{
	memcpy(&u->head, data, len < sizeof(u->head) ? len : sizeof(u->head));
	if (len < sizeof(u->head) || u->head.header.packet_size != len || u->head.header.session_token != 0)
		return false;
	uint32_t count = u->head.count;
	if (count < 1 || count > GAME_NEIGHBOURS_MOST || len != sizeof(u->head) + count * sizeof(u->neighbour[0]) ||
	    u->head.cell >= CELLS * CELLS)
		return false;
	memcpy(u->neighbour, data + sizeof(u->head), count * sizeof(u->neighbour[0]));
	return true;
}

static bool along(float at, uint32_t cell)
{
	double low = cell * CELL_SIDE - (double)GAME_WORLD_XY;

	/* what lies on the last wall belongs to the last cell */
	return at >= low - CLOSE && at <= low + CELL_SIDE + CLOSE;
}

static bool in_cell(const struct update *u)
{
	for (uint32_t i = 0; i < u->head.count; i++)
		if (!along(u->neighbour[i].x, u->head.cell % CELLS) || !along(u->neighbour[i].y, u->head.cell / CELLS))
			return false;
	return true;
}

/* The memory of the packet's cell, or the one that was used the longest ago. */
static struct cell_told *find_cell(struct subscriber *s, uint32_t cell)
{
	struct cell_told *oldest = &s->cell[0];

	for (uint32_t i = 0; i < SUBSCRIBER_CELLS; i++) {
		if (s->cell[i].used && s->cell[i].cell == cell)
			return &s->cell[i];
		if (s->cell[i].seen_ns < oldest->seen_ns)
			oldest = &s->cell[i];
	}
	*oldest = (struct cell_told){ .cell = cell };
	return oldest;
}

/* Each number once. By one way they come in order; packets by two ways may overtake each other. */
static enum interest_fault judge_tick(struct model *model, const struct update *u)
{
	struct cell_told *c = find_cell(u->subscriber, u->head.cell);
	uint32_t tick = u->head.header.sequence;
	uint64_t time = u->head.server_time_ns;
	int32_t ahead = (int32_t)(tick - c->tick);

	c->seen_ns = model->now_ns;
	if (!c->used || ahead > 0) {
		if (c->used && time <= c->time_ns)
			return INTEREST_TIME;
		c->earlier = !c->used || ahead >= 64 ? 0 : c->earlier << ahead;
		c->earlier |= 1;
		c->used = true;
		c->tick = tick;
		c->time_ns = time;
		c->socket = u->socket;
		return INTEREST_FINE;
	}
	if (ahead <= -64)
		return INTEREST_BACK;
	if (c->earlier >> -ahead & 1)
		return INTEREST_REPEATED;
	if (u->socket == c->socket)
		return INTEREST_BACK;
	c->earlier |= 1ull << -ahead;
	return time < c->time_ns ? INTEREST_FINE : INTEREST_TIME;
}

/* Server time of the oldest that may be told of at this tick. */
static uint64_t oldest_told(const struct model *model, const struct update *u)
{
	return u->head.server_time_ns - model->interest->lease_ns;
}

/* True if the player subscribed at any time from..until, whatever the radius. */
static bool subscribed(const struct subscriber *s, uint64_t from, uint64_t until)
{
	for (uint32_t i = 0; i < SUBSCRIBER_SPANS && i < s->radius.count; i++) {
		uint64_t begin = from, end = until;
		if (s->radius.span[i].value != 0 && span_meets(&s->radius.span[i], &begin, &end))
			return true;
	}
	return false;
}

/* One of ours must have been there, by a MOVE of that sequence, within a lease, and have subscribed then. */
static enum interest_fault judge_neighbour(struct model *model, const struct update *u, uint32_t i)
{
	const struct GameNeighbour *n = &u->neighbour[i];
	uint32_t index = n->player_id - model->player[0].id;

	if (n->player_id == u->head.header.player_id)
		return INTEREST_SELF;
	for (uint32_t k = 0; k < i; k++)
		if (u->neighbour[k].player_id == n->player_id)
			return INTEREST_DOUBLED;
	if (index >= model->options->players) {
		model->tally->interest.strangers++;
		return INTEREST_FINE;
	}
	const struct subscriber *other = interest_of(model, index);
	if (other == NULL)
		return INTEREST_SHOWN;
	const struct step *step = trail_find(other, n->sequence);
	if (step == NULL) /* older than all that is remembered, or a number of no MOVE */
		return (n->sequence - other->first_sequence) % 2 == 0 && game_serial_newer(other->first_sequence, n->sequence)
		     ? INTEREST_STALE : INTEREST_UNSENT;
	if (step->refused)
		return INTEREST_UNSENT;
	if (memcmp(&step->at, &n->x, sizeof(step->at)) != 0)
		return INTEREST_POSITION;
	if (step->until_ns != FOR_EVER && step->until_ns + SLACK_NS < oldest_told(model, u))
		return INTEREST_STALE;
	uint64_t from = step->from_ns > oldest_told(model, u) ? step->from_ns : oldest_told(model, u);
	if (!subscribed(other, from, step->until_ns))
		return INTEREST_SHOWN;
	interest_was_told(model, u->subscriber, other);
	return INTEREST_FINE;
}

static double farthest(const struct update *u, const struct position *at)
{
	double most = 0;

	for (uint32_t i = 0; i < u->head.count; i++) {
		const struct GameNeighbour *n = &u->neighbour[i];
		double x = (double)n->x - at->x, y = (double)n->y - at->y, z = (double)n->z - at->z;
		double square = x * x + y * y + z * z;
		if (u->good[i] && square > most)
			most = square;
	}
	return sqrt(most);
}

/* True if the player had such a radius, and was at that way (or at any), at one moment of from..until. */
static bool held(const struct subscriber *s, double radius, const uint32_t *socket, uint64_t from, uint64_t until)
{
	for (uint32_t i = 0; i < SUBSCRIBER_SPANS && i < s->radius.count; i++) {
		const struct span *r = &s->radius.span[i];
		uint64_t begin = from, end = until;
		if (r->value == 0 || r->value + CLOSE < radius || !span_meets(r, &begin, &end))
			continue;
		for (uint32_t k = 0; k < SUBSCRIBER_SPANS && k < s->way.count; k++) {
			uint64_t b = begin, e = end;
			if ((socket == NULL || s->way.span[k].value == *socket) && span_meets(&s->way.span[k], &b, &e))
				return true;
		}
	}
	return false;
}

/* What a cell knows of a subscriber it was told at one moment, within a lease: one place, radius and way must explain
 * all that the packet says. */
static bool explained(const struct model *model, const struct update *u, const uint32_t *socket)
{
	const struct subscriber *s = u->subscriber;

	for (uint32_t i = s->steps; i-- > 0;) {
		const struct step *step = trail_step(s, i);
		uint64_t from = oldest_told(model, u);
		if (step->until_ns != FOR_EVER && step->until_ns + SLACK_NS < from)
			break;
		if (step->from_ns > from)
			from = step->from_ns;
		double radius = farthest(u, &step->at);
		if (!step->refused && radius <= (double)GAME_RADIUS_MOST + CLOSE &&
		    held(s, radius, socket, from, step->until_ns))
			return true;
	}
	return false;
}

static enum interest_fault judge_packet(const struct model *model, const struct update *u)
{
	if (explained(model, u, &u->socket))
		return INTEREST_FINE;
	if (!subscribed(u->subscriber, oldest_told(model, u), FOR_EVER))
		return INTEREST_UNASKED;
	return explained(model, u, NULL) ? INTEREST_WAY : INTEREST_FAR;
}

static enum interest_fault judge_head(struct model *model, struct update *u, uint64_t wall_ns)
{
	uint64_t skew = model->options->clock_skew_ms * 1000000ull, time = u->head.server_time_ns;
	uint32_t index = u->head.header.player_id - model->player[0].id;

	u->subscriber = index < model->options->players ? interest_of(model, index) : NULL;
	if (u->subscriber == NULL)
		return INTEREST_UNASKED;
	if (time > wall_ns + skew || time + skew < wall_ns)
		return INTEREST_TIME;
	return in_cell(u) ? judge_tick(model, u) : INTEREST_CELL;
}

void interest_arrived(struct model *model, uint32_t socket, const uint8_t *data, uint32_t len, uint64_t wall_ns)
{
	struct update u = { .socket = socket };
	bool whole = well_formed(&u, data, len);
	enum interest_fault kind = whole ? judge_head(model, &u, wall_ns) : INTEREST_MALFORMED;

	model->tally->interest.updates++;
	if (kind != INTEREST_FINE) {
		fault(model, kind, &u, whole ? u.neighbour[0].player_id : 0);
		return;
	}
	model->tally->interest.neighbours_told += u.head.count;
	for (uint32_t i = 0; i < u.head.count; i++) {
		kind = judge_neighbour(model, &u, i);
		u.good[i] = kind == INTEREST_FINE;
		if (kind != INTEREST_FINE)
			fault(model, kind, &u, u.neighbour[i].player_id);
	}
	kind = judge_packet(model, &u);
	if (kind != INTEREST_FINE)
		fault(model, kind, &u, u.neighbour[0].player_id);
}
