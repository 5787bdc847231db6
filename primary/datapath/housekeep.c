/* Housekeeping of an I/O lcore: orders of the main lcore, the clock, ticks, gauges. Every HOUSEKEEP_TURNS turns and
 * when idle. */
#include "lcore.h"
#include "mirror_parts.h"
#include "residence.h"

static void attach(struct io_lcore *io, const struct order *order)
{
	struct slot_view *view = &io->slot[order->slot];

	view->group = (uint8_t)order->group;
	for (uint32_t i = 0; i < io->services; i++)
		if (io->steering[i].group == order->group)
			view->service = (uint8_t)i;
	view->dead = 0;
	view->held = 0;
	view->fence = 0;
	park_limit(io, order->slot, 0);
	view->ticks = (struct slot_ticks){0};
	if (!BATON_SABOTAGE(residence_of_old_version))
		view->residence = residence_open(io->dp->setup.stats, io->index, order->slot);
	view->attached = 1;
	view->side = NULL;
	view->mirror = NULL;
	if (io->dp->slot[order->slot].shadow) {
		feed_shadow_comes(io, order->slot);
		io->shadows |= 1ull << order->slot;
	} else {
		mirror_slot_comes(io, order->slot);
		io->attached |= 1ull << order->slot;
	}
	if (atomic_fetch_add_explicit(&io->dp->slot[order->slot].attach_acks, 1, memory_order_release) + 1 == io->io_lcores)
		tell_main(io);
}

static void carry_out(struct io_lcore *io, const struct order *order)
{
	switch (order->kind) {
	case ORDER_ATTACH:
		return attach(io, order);
	case ORDER_MOVE:
		return move_begin(io, order->move);
	case ORDER_STOP_WORKER:
		/* One belt is enough: the worker owns nothing and leaves once all is settled. The reserve has room. */
		if (io->index == 0 && io->slot[order->slot].attached)
			offer_control(io, order->slot, BELT_STOP, 0, io->control, 0);
		return;
	case ORDER_LOOK:
		if (io->index == 0)
			prime_slot(io, order->slot, 0, 0);
		return;
	case ORDER_DEAD:
		return death_take_over(io, order->slot);
	case ORDER_QUIT:
		io->quit = true;
		return;
	case ORDER_CONVERT:
		if (io->index == 0)
			move_convert(io, order->move, order->slot, order->schema);
		return;
	case ORDER_LEAVE:
		return move_leave(io, order->move);
	case ORDER_PARK:
		return park_limit(io, order->slot, order->max_age_ns);
	case ORDER_HELD:
		io->slot[order->slot].held = io->slot[order->slot].dead;
		return;
	case ORDER_MIRROR:
		return mirror_begin(io, order->mirror);
	case ORDER_MIRROR_JOIN:
		return mirror_join(io, order->mirror, order->side, order->slot);
	case ORDER_MIRROR_END:
		return mirror_end(io, order->mirror);
	default:
		return;
	}
}

static void read_mailbox(struct io_lcore *io)
{
	struct mailbox *box = &io->mailbox;
	uint32_t tail = atomic_load_explicit(&box->tail, memory_order_relaxed);

	/* acquire: pairs with the release in datapath.c post() */
	while (tail != atomic_load_explicit(&box->head, memory_order_acquire)) {
		struct order order = box->order[tail % MAILBOX_ORDERS];

		atomic_store_explicit(&box->tail, ++tail, memory_order_release);
		carry_out(io, &order);
	}
}

/* About once a second the clock is compared with the system's. Stamps of this turn stay as they are. */
static void set_clock(struct io_lcore *io)
{
	struct clock_sample sample;

	if (clock_due(&io->clock, io->tsc) && clock_take(&sample))
		clock_round(&io->clock, io->tsc, &sample);
}

static void show_gauges(struct io_lcore *io)
{
	io->stats->belt_depth = io->ledger.in_belts;
	io->stats->pending = io->ledger.pending;
	io->stats->unresolved = io->ledger.unresolved;
	io->stats->tx_backlog = io->ledger.tx_backlog;
	io->stats->messages = io->message.used;
	io->stats->freed = io->ledger.freed;
	io->stats->allocated = io->ledger.allocated;
	for (uint32_t slot = 0; slot < io->slots; slot++)
		io->stats->belt[slot] = belt_depth(&io->slot[slot].belt);
	io->stats->heartbeat = io->tsc;
}

/* Invariant 1, looked at while it runs: at this place of a turn every term has been counted. */
static bool ledger_is_exact(const struct ledger_counts *l)
{
	return l->received + l->allocated ==
	       l->sent + l->freed + l->in_belts + l->pending + l->unresolved + l->tx_backlog;
}

static bool all_owned(const struct io_lcore *io)
{
	for (uint32_t i = 0; i < io->services; i++)
		for (uint32_t b = 0; b <= io->steering[i].mask; b++)
			if (STEER_SLOT(io->steering[i].entry[b]) == SLOT_NONE)
				return false;
	return true;
}

void housekeep(struct io_lcore *io)
{
	read_mailbox(io);
	set_clock(io);
	/* What comes before the first workers are ready waits in the device instead of being dropped; but ARP, ping and the
	 * counters must work even if no worker ever starts. */
	if (baton_unlikely(!io->open))
		io->open = all_owned(io) || io->now_ns >= io->open_ns;
	if (io->index == 0)
		ticks_post(io);
	neighbour_housekeep(io);
	park_housekeep(io);
	steer_publish(io);
	stats_add(&io->stats->ledger_drift, !ledger_is_exact(&io->ledger) && !BATON_SABOTAGE(ledger_drift_unseen));
	show_gauges(io);
}

/* The end: settled entries leave, everything else is freed with reason `stopping`. Workers are gone or stopped. */
void io_stop(struct io_lcore *io)
{
	reap_all(io);
	tx_flush(io);
	for (uint32_t slot = 0; slot < io->slots; slot++) {
		struct slot_view *view = &io->slot[slot];

		if (io->shadows >> slot & 1u) /* copies: there is nothing to free */
			view->belt.reaped = view->belt.offered;
		for (uint64_t at = view->belt.reaped; at != view->belt.offered; at++) {
			struct belt_shadow *shadow = &view->belt.shadow[at & BELT_MASK];
			if (shadow->kind == BELT_MESSAGE)
				message_drop(io, shadow->cookie);
			if (shadow->kind != BELT_PACKET)
				continue;
			view->packets--;
			io->ledger.in_belts--;
			drop_packet(io, shadow->cookie, DROP_stopping);
		}
		view->belt.reaped = view->belt.offered;
	}
	for (uint32_t list = 0; list < LISTS; list++)
		while (io->list[list].count != 0) {
			struct belt_shadow entry = *pending_first(&io->pending, &io->list[list]);

			pending_drop_first(&io->pending, &io->list[list]);
			if (entry.kind == BELT_MESSAGE) {
				message_drop(io, entry.cookie);
				continue;
			}
			drop_packet(io, entry.cookie, DROP_stopping);
			io->ledger.pending--;
		}
	neighbour_stop(io);
	for (uint32_t port = 0; port < io->ports; port++)
		while (io->tx[port].count != 0) {
			io->ledger.tx_backlog--;
			drop_packet(io, io->tx[port].mbuf[--io->tx[port].count], DROP_stopping);
		}
	show_gauges(io);
}
