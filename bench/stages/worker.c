/* The worker of bench-stages: settles moves in the least way that the generator finds right, so that what the I/O lcore
 * has to do is the same as with the game, and nothing else is. */
#include "worker.h"

#include "wire.h"

const struct datapath_key worker_key = {BATON_KEY_PAYLOAD, GAME_KEY_OFFSET, GAME_KEY_LENGTH};

static struct belt_consumer worker;

void worker_init(struct belt *belt, struct belt_commit *commit)
{
	belt_consumer_init(&worker, belt, commit);
}

void worker_play(uint32_t keep)
{
	uint32_t ready = belt_take(&worker, BELT_SLOTS);

	if (ready <= keep)
		return;
	for (uint32_t i = 0; i < ready - keep; i++) {
		struct belt_slot *slot = belt_slot_at(&worker, worker.done + i);
		struct GameMove *move = (void *)belt_slot_data(&worker, slot);
		baton_verdict verdict = baton_no_reply();

		if (slot->packet.kind == BELT_PACKET && move->header.packet_type != PLAYER_MOVE) {
			verdict = baton_drop_malformed();
		} else if (slot->packet.kind == BELT_PACKET) {
			move->server_time_ns = slot->packet.time_ns;
			verdict = baton_reply(sizeof(*move));
		}
		belt_verdict(&worker, worker.done + i, verdict);
	}
	belt_settle(&worker, worker.done + ready - keep);
}
