/* Neighbours at the server that lies. It has no cells of its own: at its ticks it tells every subscriber where the
 * others are now, in one packet for each cell that any of them stands in. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "liar.h"

#define SURELY_NS 200000000ull /* beyond the lease, that nobody could take it for an honest one */
#define HOP       150.0        /* nobody walks so far with one move, nor from one lease to the next */
#define BEYOND    300.0        /* nor may be taken for near */

#define NEVER_HEARD 40u

struct packet {
	struct GameNeighbours head;
	struct GameNeighbour neighbour[GAME_NEIGHBOURS_MOST];
} __attribute__((packed));

static uint32_t cell_of(const float at[3])
{
	int x = (int)floor((at[0] + 10000.0) / 400.0), y = (int)floor((at[1] + 10000.0) / 400.0);

	return (uint32_t)((y > 49 ? 49 : y) * 50 + (x > 49 ? 49 : x));
}

static double distance(const float a[3], const float b[3])
{
	double x = (double)a[0] - b[0], y = (double)a[1] - b[1], z = (double)a[2] - b[2];

	return sqrt(x * x + y * y + z * z);
}

static struct liar_near *join(struct liar *liar, struct liar_player *p)
{
	if (p->near == NULL && liar->nears < LIAR_SUBSCRIBERS && (p->near = calloc(1, sizeof(*p->near))) != NULL) {
		p->near->player = p;
		liar->near[liar->nears++] = p->near;
	}
	return p->near;
}

void liar_subscribe(struct liar *liar, struct GameSubscribe *subscribe, const struct sockaddr_in *from,
		    uint64_t now_ns)
{
	struct liar_player *p = liar_place(liar, subscribe->header.player_id);
	const float radius = subscribe->radius;

	subscribe->status = GAME_OK;
	subscribe->reserved = 0;
	if (!(radius >= 0 && radius <= 200)) {
		subscribe->status = GAME_NO_RADIUS;
		subscribe->radius = p != NULL && p->used && p->near != NULL ? (float)p->near->radius : 0;
		return;
	}
	if (p != NULL)
		liar_join(liar, p, subscribe->header.player_id, now_ns);
	if (p == NULL || join(liar, p) == NULL) {
		subscribe->status = GAME_FULL;
		subscribe->radius = 0;
		return;
	}
	liar_reach(liar, p, from, now_ns);
	p->near->radius = (uint32_t)ceil(radius);
	p->near->ended_ns = now_ns;
	subscribe->radius = (float)p->near->radius;
	liar_hears(liar, p, from, now_ns);
}

void liar_leaves(struct liar *liar, struct liar_player *p, const float to[3], uint64_t now_ns)
{
	struct liar_near *n = p->near;

	if (n == NULL || !p->moved)
		return;
	if (distance(p->at, to) > HOP)
		n->hopped_ns = now_ns;
	if (n->left_ns != 0 && now_ns - n->left_ns < 2 * liar->lease_ns + SURELY_NS)
		return;
	n->old_sequence = p->sequence;
	memcpy(n->old_at, p->at, sizeof(n->old_at));
	n->left_ns = now_ns;
}

void liar_hears(struct liar *liar, struct liar_player *p, const struct sockaddr_in *from, uint64_t now_ns)
{
	struct liar_near *n = p->near;

	if (n == NULL) {
		if (++p->heard >= NEVER_HEARD) /* it had its chances to subscribe */
			liar->outsider = p;
		return;
	}
	n->seen_ns = now_ns;
	if (n->ways == 0 || n->way[(n->ways - 1) % LIAR_WAYS].to.sin_port != from->sin_port)
		n->way[n->ways++ % LIAR_WAYS].to = *from;
	n->way[(n->ways - 1) % LIAR_WAYS].used_ns = now_ns;
}

static bool is_there(const struct liar *liar, const struct liar_near *n, uint64_t now_ns)
{
	return n->radius != 0 && now_ns - n->seen_ns <= liar->lease_ns;
}

static const struct sockaddr_in *way_of(const struct liar_near *n)
{
	return &n->way[(n->ways - 1) % LIAR_WAYS].to;
}

/* A way that it has not used for longer than a lease. */
static const struct sockaddr_in *old_way(const struct liar *liar, const struct liar_near *n, uint64_t now_ns)
{
	for (uint32_t i = n->ways > LIAR_WAYS ? n->ways - LIAR_WAYS : 0; i < n->ways; i++) {
		in_port_t port = n->way[i % LIAR_WAYS].to.sin_port;
		bool fresh = false;
		for (uint32_t k = n->ways > LIAR_WAYS ? n->ways - LIAR_WAYS : 0; k < n->ways; k++)
			fresh = fresh || (n->way[k % LIAR_WAYS].to.sin_port == port &&
					  now_ns - n->way[k % LIAR_WAYS].used_ns < liar->lease_ns + SURELY_NS);
		if (!fresh)
			return &n->way[i % LIAR_WAYS].to;
	}
	return NULL;
}

static void add(struct packet *packet, const struct liar_player *p)
{
	packet->neighbour[packet->head.count++] = (struct GameNeighbour){
		.player_id = p->id, .sequence = p->sequence, .x = p->at[0], .y = p->at[1], .z = p->at[2],
	};
}

static int send_packet(struct liar *liar, struct packet *packet, const struct sockaddr_in *to)
{
	uint32_t len = (uint32_t)(sizeof(packet->head) + packet->head.count * sizeof(packet->neighbour[0]));

	packet->head.header.packet_size = len + liar_lies_now(liar, LIE_NEAR_SIZE);
	return liar_send_raw(liar, packet, len, to);
}

/* Where the first neighbour was longer than a lease ago. */
static void tell_old_place(struct liar *liar, struct packet *packet, uint64_t now_ns)
{
	struct liar_player *p = liar_place(liar, packet->neighbour[0].player_id);
	struct liar_near *n = p->near;

	if (n->left_ns == 0 || now_ns - n->left_ns < liar->lease_ns + SURELY_NS ||
	    cell_of(n->old_at) != packet->head.cell || !liar_lies_now(liar, LIE_NEAR_STALE))
		return;
	packet->neighbour[0].sequence = n->old_sequence;
	packet->neighbour[0].x = n->old_at[0];
	packet->neighbour[0].y = n->old_at[1];
	packet->neighbour[0].z = n->old_at[2];
}

/* What can be told wrongly in a packet. */
static void lie_inside(struct liar *liar, struct packet *packet, struct liar_near *to, uint64_t now_ns)
{
	const struct liar_player *outsider = liar->outsider;
	const struct liar_near *first = liar_place(liar, packet->neighbour[0].player_id)->near;
	bool room = packet->head.count < GAME_NEIGHBOURS_MOST;

	if (liar_lies_now(liar, LIE_NEAR_TIME))
		packet->head.server_time_ns += 3600000000000ull;
	if (liar_lies_now(liar, LIE_NEAR_CELL))
		packet->head.cell = (packet->head.cell + 1275) % 2500; /* half a world away, where no edge is shared */
	if (liar_lies_now(liar, LIE_NEAR_UNSENT))
		packet->neighbour[0].sequence++; /* MOVEs are every other number */
	if (first->outside_known && liar_lies_now(liar, LIE_NEAR_REFUSED))
		packet->neighbour[0].sequence = first->outside;
	if (liar_lies_now(liar, LIE_NEAR_POSITION))
		packet->neighbour[0].z += 1;
	if (liar->lie == LIE_NEAR_STALE)
		tell_old_place(liar, packet, now_ns);
	if (room && liar_lies_now(liar, LIE_NEAR_DOUBLE)) {
		packet->neighbour[packet->head.count] = packet->neighbour[0];
		packet->head.count++;
	}
	if (room && cell_of(to->player->at) == packet->head.cell && liar_lies_now(liar, LIE_NEAR_SELF))
		add(packet, to->player);
	if (room && outsider != NULL && outsider->near == NULL && outsider->moved &&
	    cell_of(outsider->at) == packet->head.cell && liar_lies_now(liar, LIE_NEAR_SHOWN))
		add(packet, outsider);
}

static int send_cell(struct liar *liar, struct packet *packet, struct liar_near *to, uint64_t now_ns)
{
	const struct sockaddr_in *old = liar->lie == LIE_NEAR_WAY ? old_way(liar, to, now_ns) : NULL;

	lie_inside(liar, packet, to, now_ns);
	if (old != NULL && liar_lies_now(liar, LIE_NEAR_WAY))
		return send_packet(liar, packet, old);
	int rc = send_packet(liar, packet, way_of(to));
	if (rc == 0 && liar_lies_now(liar, LIE_NEAR_TWICE))
		rc = send_packet(liar, packet, way_of(to));
	if (rc == 0 && liar_lies_now(liar, LIE_NEAR_BACK)) {
		packet->head.header.sequence--; /* ticks are every other number */
		packet->head.server_time_ns--;
		rc = send_packet(liar, packet, way_of(to));
	}
	if (rc == 0 && liar->outsider != NULL && liar->outsider->near == NULL &&
	    liar_lies_now(liar, LIE_NEAR_UNASKED)) {
		packet->head.header.player_id = liar->outsider->id;
		rc = send_packet(liar, packet, &liar->outsider->way);
	}
	return rc;
}

/* True if it can be told of nobody but by a lie: the subscriber or the other have not been near for a lease. */
static bool is_beyond(const struct liar *liar, const struct liar_near *to, const struct liar_near *other,
		      uint64_t now_ns)
{
	return now_ns - to->hopped_ns > liar->lease_ns + SURELY_NS &&
	       distance(to->player->at, other->player->at) > 200 + BEYOND;
}

/* True if it has not subscribed for so long that it can be told of only by a lie, and is. */
static bool is_told_though_it_ended(struct liar *liar, const struct liar_near *n, uint64_t now_ns)
{
	return n->radius == 0 && now_ns - n->ended_ns > liar->lease_ns + SURELY_NS && liar_lies_now(liar, LIE_NEAR_ENDED);
}

static int tell(struct liar *liar, struct liar_near *to, const struct packet *head, uint64_t now_ns)
{
	static struct packet packets[64];
	uint32_t count = 0;
	bool ended = to->radius == 0;
	double radius = ended ? 200 : to->radius;

	for (uint32_t i = 0; i < liar->nears; i++) {
		const struct liar_near *other = liar->near[i];
		bool near = distance(to->player->at, other->player->at) <= radius;
		uint32_t cell = cell_of(other->player->at), at = 0;
		if (other == to || (i < 4 && liar->lie == LIE_NEAR_MISSING) ||
		    (!is_there(liar, other, now_ns) && !(near && is_told_though_it_ended(liar, other, now_ns))))
			continue;
		while (at < count && packets[at].head.cell != cell)
			at++;
		if (!near && (at < count || !is_beyond(liar, to, other, now_ns) || !liar_lies_now(liar, LIE_NEAR_FAR)))
			continue;
		if (at == 64 || (at < count && packets[at].head.count == GAME_NEIGHBOURS_MOST))
			continue;
		if (at == count) {
			packets[count] = *head;
			packets[count].head.header.player_id = to->player->id;
			packets[count++].head.cell = cell;
		}
		add(&packets[at], other->player);
	}
	for (uint32_t i = 0; i < count; i++) {
		if (ended && !liar_lies_now(liar, LIE_NEAR_AFTER))
			return 0;
		int rc = send_cell(liar, &packets[i], to, now_ns);
		if (rc != 0 || ended)
			return rc; /* of a lie one packet is enough */
	}
	return 0;
}

int liar_tick(struct liar *liar, uint64_t now_ns, uint64_t time_ns, int *wait_ms)
{
	if (liar->nears == 0)
		return 0;
	if (now_ns >= liar->next_tick_ns) {
		uint64_t number = now_ns / liar->tick_ns;
		struct packet head = { .head = {
			.header = { .packet_type = NEIGHBOURS, .sequence = (uint32_t)(2 * number) },
			.server_time_ns = time_ns,
		} };
		liar->next_tick_ns = (number + 1) * liar->tick_ns;
		for (uint32_t i = 0; i < liar->nears; i++) {
			struct liar_near *to = liar->near[i];
			bool told = to->radius != 0 ? is_there(liar, to, now_ns)
				  : now_ns - to->ended_ns > liar->lease_ns + SURELY_NS &&
				    liar->lie == LIE_NEAR_AFTER;
			int rc = told ? tell(liar, to, &head, now_ns) : 0;
			if (rc != 0)
				return rc;
		}
	}
	uint64_t ms = (liar->next_tick_ns - now_ns) / 1000000 + 1;
	*wait_ms = ms < (uint64_t)*wait_ms ? (int)ms : *wait_ms;
	return 0;
}
