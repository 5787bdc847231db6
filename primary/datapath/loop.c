/* The I/O lcore loop: the table of contents of the fast path. */
#include "lcore.h"

#define HOUSEKEEP_TURNS 64u

static void start_turn(struct io_lcore *io)
{
	io->tsc = rte_rdtsc();
	io->now_ns = io_time_ns(io, io->tsc);
}

static void end_turn(struct io_lcore *io, bool worked)
{
	uint64_t cycles = rte_rdtsc() - io->tsc;

	stats_add(&io->stats->loops, 1);
	if (worked) {
		stats_add(&io->stats->busy_loops, 1);
		stats_add(&io->stats->busy_cycles, cycles);
		io->idle_turns = 0;
		return;
	}
	io->idle_turns++;
	if (io->adaptive)
		idle_wait(io);
	else
		busy_wait(io);
	stats_add(&io->stats->idle_cycles, rte_rdtsc() - io->tsc);
}

/* One turn of the loop. Returns true if it received or reaped anything. */
bool io_turn(struct io_lcore *io)
{
	start_turn(io);
	if (baton_unlikely(io->backlogs != 0))
		message_offer_backlogs(io); /* before packets take the room */
	uint32_t received = rx_ports(io);
	move_run(io);
	steer_publish(io);
	uint32_t reaped = reap_all(io);
	bool mirrored = baton_unlikely(io->shadows != 0) && mirror_turn(io);
	if (reaped != 0)
		io->reaped_tsc = io->tsc;
	if (io->dirty != 0)
		steer_publish(io); /* messages that were reaped */
	if (reaped == 0)
		tx_flush(io);
	if (io->turn++ % HOUSEKEEP_TURNS == 0 || received + reaped == 0)
		housekeep(io);
	if (io->to_ring != 0)
		doorbell_ring(io);
	end_turn(io, received + reaped != 0 || mirrored);
	return received + reaped != 0;
}

int io_loop(void *arg)
{
	struct io_lcore *io = arg;

	idle_init(io);
	start_turn(io);
	io->open_ns += io->now_ns;
	local_announce(io);
	while (baton_likely(!io->quit))
		io_turn(io);
	io_stop(io);
	return 0;
}
