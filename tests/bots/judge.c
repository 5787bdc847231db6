/* Is this reply, byte for byte, the one this request must get? */
#include <string.h>

#include "attack.h"
#include "interest.h"

static bool same(const struct position *a, const struct position *b)
{
	return memcmp(a, b, sizeof(*a)) == 0; /* bits: the server may not round, nor lose the sign of zero */
}

bool judge_window(const struct model *model, const struct request *r, uint64_t server_ns, uint64_t wall_ns)
{
	uint64_t skew = model->options->clock_skew_ms * 1000000ull;

	return server_ns + skew >= r->wall_ns && server_ns <= wall_ns + skew;
}

const char *judge_time(const struct model *model, struct player *p, const struct request *r, uint64_t server_ns,
		       uint64_t wall_ns)
{
	if (!judge_window(model, r, server_ns, wall_ns))
		return "server time is not between sending and receiving";
	if (r->order < p->last_order)
		return NULL; /* overtaken: counted as reordered */
	if (server_ns < p->last_server_ns)
		return "server time went back";
	p->last_order = r->order;
	p->last_server_ns = server_ns;
	return NULL;
}

/* The position that holds is the predicted one, unless moves before this request are missing: then their predecessor
 * and any of them is as good, for nobody knows which of them were applied. */
static bool holds(const struct model *model, const struct player *p, const struct request *r,
		  const struct position *shown)
{
	if (same(shown, &r->hold))
		return true;
	bool missing = p->doubts > 0;
	for (uint32_t i = 0; i < p->opens; i++) {
		const struct request *other = &model->request[p->open[i]];
		if (other->order < r->order && other->kind == REQUEST_MOVE) {
			missing = true;
			if (same(shown, &other->want))
				return true;
		}
	}
	for (uint32_t i = 0; i < p->doubts && i < BOTS_MAX_WINDOW; i++)
		if (same(shown, &p->doubtful[i]))
			return true;
	return missing && same(shown, &p->held);
}

/* The server knows this player from an earlier run: go on almost half a number circle ahead. */
static bool adopt(struct player *p, const struct request *r, const struct position *shown)
{
	if (p->synced || p->attempts >= 3 || same(shown, &r->want))
		return false;
	p->attempts++;
	p->sequence += 0x7fffffe0;
	p->position = *shown;
	return true;
}

static const char *judge_applied(struct model *model, struct player *p, struct request *r, uint32_t status,
				 const struct position *shown)
{
	if (status == GAME_STALE && adopt(p, r, shown))
		return NULL;
	/* handled after a newer one: that is the fault, and it is counted as reordered */
	if (status == GAME_STALE && r->overtaken) {
		model->tally->stale_replies++;
		return NULL;
	}
	if (status != GAME_OK)
		return "a newer move inside the world was not acknowledged";
	if (!same(shown, &r->want))
		return "acknowledged position is not the one sent";
	if (!p->synced || game_serial_newer(r->sequence, p->acknowledged)) {
		p->acknowledged = r->sequence;
		p->held = r->want;
	}
	if (!p->synced)
		p->stale_used = r->sequence - 1; /* after a jump the number before may be newer than the server's */
	p->synced = true;
	if (model->fighter != NULL)
		attack_moved(model, r);
	if (p->doubts > 0 && r->order > p->doubt_order)
		p->doubts = 0;
	return NULL;
}

static const char *judge_move(struct model *model, struct player *p, struct request *r, const struct GameMove *move)
{
	const struct position shown = { move->x, move->y, move->z };
	static const struct position origin;

	if (move->status == GAME_FULL && !p->synced && same(&shown, &origin)) {
		model->tally->error_replies++;
		model->tally->full++;
		return NULL;
	}
	switch (r->kind) {
	case REQUEST_LOOK:
		return outage_judge_look(model, p, move->status, &shown);
	case REQUEST_OUTSIDE:
		model->tally->error_replies += move->status == GAME_OUTSIDE_WORLD;
		if (move->status != GAME_OUTSIDE_WORLD)
			return "a move out of the world was not refused";
		break;
	case REQUEST_STALE:
		model->tally->stale_replies += move->status == GAME_STALE;
		if (move->status != GAME_STALE)
			return "an old sequence was not answered as stale";
		break;
	case REQUEST_REPEAT:
		if (move->status != GAME_OK)
			return "a repeated move was not acknowledged again";
		break;
	default:
		return judge_applied(model, p, r, move->status, &shown);
	}
	return holds(model, p, r, &shown) ? NULL : "position is not the one that holds";
}

static const char *judge_heartbeat(struct model *model, const struct player *p, const struct request *r,
				   const struct GameHeartbeat *beat)
{
	if (beat->status == GAME_FULL && !p->synced) {
		model->tally->error_replies++;
		model->tally->full++;
	} else if (beat->status != GAME_OK) {
		return "a heartbeat was refused";
	}
	if (beat->reserved != 0)
		return "reserved bytes are not 0";
	return beat->client_time_ns == r->wall_ns ? NULL : "our own time did not come back";
}

const char *judge(struct model *model, struct request *r, const uint8_t *data, uint32_t len, uint64_t wall_ns)
{
	struct player *p = &model->player[r->player];

	if (r->kind == REQUEST_ECHO) {
		if (len != r->len)
			return "length differs from what was sent";
		return memcmp(data, r->bytes, len) == 0 ? NULL : "bytes differ from what was sent";
	}
	struct GamePacketHeader want;
	memcpy(&want, r->bytes, sizeof(want));
	want.packet_size = wire_reply_bytes(r->type);
	if (len != want.packet_size)
		return "length is not that of a reply";
	if (memcmp(data, &want, sizeof(want)) != 0)
		return "header is not that of the request";

	struct GameMove move;
	struct GameHeartbeat beat;
	memcpy(&move, data, sizeof(move));
	memcpy(&beat, data, sizeof(beat));
	bool is_beat = r->kind == REQUEST_HEARTBEAT;
	const char *fault = r->kind == REQUEST_SUBSCRIBE ? interest_judge_reply(model, r, data)
			  : is_beat ? judge_heartbeat(model, p, r, &beat) : judge_move(model, p, r, &move);
	if (fault != NULL)
		return fault;
	if (model->interest != NULL)
		interest_answered(model, r, data);
	return judge_time(model, p, r, is_beat ? beat.server_time_ns : move.server_time_ns, wall_ns);
}
