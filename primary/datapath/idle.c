/* Doorbells and idleness: the only system calls of an I/O lcore, made when a worker may be asleep or nothing is to
 * do. */
#include <linux/futex.h>
#include <rte_interrupts.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lcore.h"

#define SPIN_TURNS  256u /* then yield */
#define YIELD_TURNS 512u /* then sleep, longer and longer */
#define SLEEP_FIRST_US 20u
#define SLEEP_MOST_US  2000u

/* Full fence between the offer and the look at `sleeping`; the worker has one between setting `sleeping` and its last
 * look at `offered`: one of the two sees the other. */
void doorbell_ring(struct io_lcore *io)
{
	atomic_thread_fence(memory_order_seq_cst);
	for (uint64_t left = io->to_ring; left != 0; left &= left - 1) {
		uint32_t slot = (uint32_t)__builtin_ctzll(left);
		struct slot_view *view = &io->slot[slot];
		struct belt *belt = view->belt.belt;

		if (atomic_load_explicit(&belt->sleeping, memory_order_relaxed) == 0) {
			io->to_ring &= ~(1ull << slot);
			continue;
		}
		if (io->tsc - view->rung_tsc < io->ring_gap_tsc)
			continue; /* stays in to_ring: looked at again next turn */
		view->rung_tsc = io->tsc;
		io->to_ring &= ~(1ull << slot);
		atomic_fetch_add_explicit(&belt->doorbell, 1, memory_order_release);
		syscall(SYS_futex, &belt->doorbell, FUTEX_WAKE, 1, NULL, NULL, 0);
		stats_add(&io->stats->wakeups, 1);
	}
}

/* Once, on the lcore's own thread. Returns 0; without interrupts the lcore sleeps in steps. */
int idle_init(struct io_lcore *io)
{
	prctl(PR_SET_TIMERSLACK, 1);
	for (uint32_t i = 0; i < io->ports; i++) {
		struct port *port = &io->port[i];

		if (io->index >= port->queues || !io->rx_interrupts)
			continue;
		if (rte_eth_dev_rx_intr_ctl_q(port->ethdev, (uint16_t)io->index, RTE_EPOLL_PER_THREAD,
					      RTE_INTR_EVENT_ADD, NULL) != 0)
			io->rx_interrupts = false;
	}
	return 0;
}

static void sleep_us(struct io_lcore *io, uint32_t us)
{
	stats_add(&io->stats->sleeps, 1);
	if (io->rx_interrupts) {
		struct rte_epoll_event event[BATON_MAX_PORTS];

		for (uint32_t i = 0; i < io->ports; i++)
			rte_eth_dev_rx_intr_enable(io->port[i].ethdev, (uint16_t)io->index);
		rte_epoll_wait(RTE_EPOLL_PER_THREAD, event, BATON_MAX_PORTS, (int)(us + 999) / 1000);
		for (uint32_t i = 0; i < io->ports; i++)
			rte_eth_dev_rx_intr_disable(io->port[i].ethdev, (uint16_t)io->index);
		return;
	}
	struct timespec t = {.tv_nsec = us * 1000L};
	nanosleep(&t, NULL);
}

void tell_main(const struct io_lcore *io)
{
	static const uint64_t one = 1;

	if (io->dp->setup.wake_fd <= 0)
		return;
	if (write(io->dp->setup.wake_fd, &one, sizeof(one)) < 0) {
		/* the next turn comes within a ms anyway */
	}
	sched_yield();
}

/* A busy lcore gives nothing away while its workers answer. If they have not for QUIET_US, one may be dead, and the
 * main lcore, which hears of it, be waiting for this CPU: where there are fewer CPUs than threads that poll, a thread
 * that is woken is made to wait for the end of a time slice, some ms, but gets the CPU of one that yields at once. */
void busy_wait(struct io_lcore *io)
{
	if (io->ledger.in_belts + io->ledger.pending != 0 && io->tsc - io->reaped_tsc > io->quiet_tsc)
		sched_yield();
}

void idle_wait(struct io_lcore *io)
{
	/* Not what waits for a port: a device that has taken nothing for so many turns may be gone for good. */
	bool open = io->ledger.in_belts + io->ledger.pending + io->message.used != 0 || io->moves != 0 || io->to_ring != 0;

	if (io->idle_turns < SPIN_TURNS && !open)
		return rte_pause();
	/* Work is under way at a worker that may need this very CPU: give it away, but do not sleep. */
	if (open || io->idle_turns < YIELD_TURNS) {
		sched_yield();
		return;
	}
	uint32_t step = (io->idle_turns - YIELD_TURNS) / 8;
	uint32_t us = step < 7 ? SLEEP_FIRST_US << step : SLEEP_MOST_US;
	sleep_us(io, us < SLEEP_MOST_US ? us : SLEEP_MOST_US);
}
