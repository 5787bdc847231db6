/* The control plane's side of the data path: posts orders to the I/O lcores' mailboxes, collects their answers. Runs on
 * the main lcore; see datapath.h. */
#include <errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <time.h>

#include "lcore.h"
#include "log.h"

static void post(struct datapath *dp, const struct order *order)
{
	for (uint32_t i = 0; i < dp->setup.io_lcores; i++) {
		struct mailbox *box = &dp->io[i]->mailbox;
		uint32_t head = atomic_load_explicit(&box->head, memory_order_relaxed);

		/* An lcore empties its mailbox every few turns; 256 open orders would be a bug of ours. */
		while (head - atomic_load_explicit(&box->tail, memory_order_acquire) == MAILBOX_ORDERS)
			nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
		box->order[head % MAILBOX_ORDERS] = *order;
		/* release: pairs with the acquire in read_mailbox() */
		atomic_store_explicit(&box->head, head + 1, memory_order_release);
	}
}

int datapath_start(struct datapath *dp)
{
	for (uint32_t i = 0; i < dp->setup.io_lcores; i++) {
		int rc = rte_eal_remote_launch(io_loop, dp->io[i], dp->io[i]->lcore_id);
		if (rc != 0)
			return rc;
	}
	dp->running = true;
	return 0;
}

void datapath_stop(struct datapath *dp)
{
	if (!dp->running)
		return;
	post(dp, &(struct order){.kind = ORDER_QUIT});
	for (uint32_t i = 0; i < dp->setup.io_lcores; i++)
		rte_eal_wait_lcore(dp->io[i]->lcore_id);
	dp->running = false;
}

void datapath_slot_attach(struct datapath *dp, uint32_t slot, uint32_t group)
{
	struct order order = {.kind = ORDER_ATTACH, .slot = slot, .group = group};
	struct datapath_slot *s = &dp->slot[slot];

	s->group = group;
	s->attached = true;
	s->dead = false;
	s->recovered = false;
	s->orphans = 0;
	s->fence_reported = 0;
	s->blame = (struct death_blame){0};
	/* relaxed, here and below: post() publishes them with the order */
	atomic_store_explicit(&s->attach_acks, 0, memory_order_relaxed);
	atomic_store_explicit(&s->dead_acks, 0, memory_order_relaxed);
	atomic_store_explicit(&s->fence, 0, memory_order_relaxed);
	post(dp, &order);
}

bool datapath_slot_attached(struct datapath *dp, uint32_t slot)
{
	return dp->slot[slot].attached && atomic_load_explicit(&dp->slot[slot].attach_acks, memory_order_acquire) ==
						  dp->setup.io_lcores;
}

void datapath_slot_shadow(struct datapath *dp, uint32_t slot, bool shadow)
{
	dp->slot[slot].shadow = shadow;
}

void datapath_mirror_begin(struct datapath *dp, struct mirror *mirror)
{
	post(dp, &(struct order){.kind = ORDER_MIRROR, .mirror = mirror});
}

void datapath_mirror_join(struct datapath *dp, struct mirror *mirror, uint32_t side, uint32_t slot)
{
	post(dp, &(struct order){.kind = ORDER_MIRROR_JOIN, .mirror = mirror, .side = side, .slot = slot});
}

void datapath_mirror_end(struct datapath *dp, struct mirror *mirror)
{
	post(dp, &(struct order){.kind = ORDER_MIRROR_END, .mirror = mirror});
}

/* The map of a move from the main lcore's table. Returns the number of buckets. */
static uint32_t move_map(struct datapath *dp, struct move *move, const uint64_t *wanted)
{
	uint32_t buckets = dp->setup.config->service[move->service].buckets, count = 0;

	memset(move->map, 0, sizeof(move->map));
	for (uint32_t b = 0; b < buckets; b++) {
		if (dp->owner[move->service][b] != move->from)
			continue;
		if (wanted != NULL && (wanted[b / 64] >> (b % 64) & 1) == 0)
			continue;
		move->map[b / 64] |= 1ull << (b % 64);
		count++;
	}
	return count;
}

int datapath_move(struct datapath *dp, const struct move_order *order)
{
	struct move *move = &dp->move[order->service];
	struct datapath_slot *from = order->from == SLOT_NONE ? NULL : &dp->slot[order->from];

	if (dp->move_open[order->service])
		return -EBUSY;
	if (!datapath_slot_attached(dp, order->to) || dp->slot[order->to].dead)
		return -ENOENT;
	if (from != NULL && !from->attached)
		return -ENOENT;
	if (from != NULL && from->dead && !from->recovered)
		return -ENOENT;
	move->service = order->service;
	move->from = order->from;
	move->to = order->to;
	move->orphans = from != NULL && from->dead;
	move->part = order->map != NULL; /* of a dead one's orphans: their packets wait in one list */
	move->leaving = false;
	move->lcores = dp->setup.io_lcores;
	move->buckets = move_map(dp, move, order->map);
	if (move->buckets == 0)
		return -EALREADY;
	if (++dp->next_id <= 0)
		dp->next_id = 1;
	move->id = (uint32_t)dp->next_id;
	atomic_store_explicit(&move->revoked, 0, memory_order_relaxed);
	atomic_store_explicit(&move->ended, 0, memory_order_relaxed);
	atomic_store_explicit(&move->failed, 0, memory_order_relaxed);
	atomic_store_explicit(&move->rolled_back, 0, memory_order_relaxed);
	atomic_store_explicit(&move->held, order->hold, memory_order_relaxed);
	atomic_store_explicit(&move->converted, 0, memory_order_relaxed);
	dp->move_open[order->service] = 1;
	post(dp, &(struct order){.kind = ORDER_MOVE, .move = move});
	BATON_POINT(move_asked);
	return (int)move->id;
}

bool datapath_move_done(struct datapath *dp, int id, struct move_report *report)
{
	for (uint32_t i = 0; i < dp->setup.config->services; i++) {
		struct move *move = &dp->move[i];

		if (!dp->move_open[i] || move->id != (uint32_t)id)
			continue;
		/* acquire: pairs with the release in move_end() */
		if (atomic_load_explicit(&move->ended, memory_order_acquire) != move->lcores)
			return false;
		*report = (struct move_report){.buckets = move->buckets};
		report->failed = atomic_load_explicit(&move->failed, memory_order_relaxed) != 0;
		for (uint32_t l = 0; l < move->lcores; l++) {
			if (move->report[l].gap_ns > report->gap_ns)
				report->gap_ns = move->report[l].gap_ns;
			report->parked += move->report[l].parked;
			if (move->report[l].granted_tsc > report->granted_tsc)
				report->granted_tsc = move->report[l].granted_tsc;
			if (move->report[l].replied_tsc > report->replied_tsc)
				report->replied_tsc = move->report[l].replied_tsc;
		}
		for (uint32_t b = 0; b < dp->setup.config->service[i].buckets; b++)
			if (move->map[b / 64] >> (b % 64) & 1)
				dp->owner[i][b] = (uint8_t)move->to;
		if (move->orphans)
			dp->slot[move->from].orphans = datapath_owned(dp, move->from);
		if (move->orphans && BATON_SABOTAGE(rolled_back_twice))
			death_undo_again(dp, move->from);
		dp->move_open[i] = 0;
		return true;
	}
	*report = (struct move_report){.failed = true};
	return true;
}

void datapath_convert(struct datapath *dp, int id, uint32_t slot, uint32_t schema)
{
	for (uint32_t i = 0; i < dp->setup.config->services; i++)
		if (dp->move_open[i] && dp->move[i].id == (uint32_t)id) {
			atomic_store_explicit(&dp->move[i].converted, 0, memory_order_relaxed); /* post() publishes it */
			post(dp, &(struct order){.kind = ORDER_CONVERT, .move = &dp->move[i], .slot = slot,
						 .schema = schema});
			BATON_POINT(convert_asked);
		}
}

static struct move *open_move(struct datapath *dp, int id)
{
	for (uint32_t i = 0; i < dp->setup.config->services; i++)
		if (dp->move_open[i] && dp->move[i].id == (uint32_t)id)
			return &dp->move[i];
	return NULL;
}

void datapath_leave(struct datapath *dp, int id, const uint64_t *map)
{
	struct move *move = open_move(dp, id);

	if (move == NULL)
		return;
	for (uint32_t i = 0; i < BATON_MAX_BUCKETS / 64; i++)
		move->leave[i] = move->map[i] & map[i];
	move->leaving = true;
	atomic_store_explicit(&move->left, 0, memory_order_relaxed); /* post() publishes it, as the map */
	post(dp, &(struct order){.kind = ORDER_LEAVE, .move = move});
}

/* The lcores read the map again when they are told to convert, or that the move is held no more: orders and a release
 * that come after this. */
bool datapath_left(struct datapath *dp, int id)
{
	struct move *move = open_move(dp, id);

	if (move == NULL || !move->leaving)
		return true;
	/* acquire: pairs with the release in move_leave() */
	if (atomic_load_explicit(&move->left, memory_order_acquire) != move->lcores)
		return false;
	move->leaving = false;
	for (uint32_t i = 0; i < BATON_MAX_BUCKETS / 64; i++) {
		move->buckets -= (uint32_t)__builtin_popcountll(move->leave[i]);
		move->map[i] &= ~move->leave[i];
	}
	return true;
}

void datapath_move_release(struct datapath *dp, int id, bool back)
{
	for (uint32_t i = 0; i < dp->setup.config->services; i++) {
		struct move *move = &dp->move[i];

		if (!dp->move_open[i] || move->id != (uint32_t)id)
			continue;
		if (back && move->from != SLOT_NONE)
			move->to = move->from;
		/* release: pairs with the acquire in move_step() */
		atomic_store_explicit(&move->held, 0, memory_order_release);
	}
}

void datapath_slot_stop(struct datapath *dp, uint32_t slot)
{
	post(dp, &(struct order){.kind = ORDER_STOP_WORKER, .slot = slot});
}

void datapath_slot_ping(struct datapath *dp, uint32_t slot)
{
	post(dp, &(struct order){.kind = ORDER_LOOK, .slot = slot});
}

void datapath_slot_dead(struct datapath *dp, uint32_t slot)
{
	/* Over and recovered: this is the next incarnation, which never got as far as the attach that clears the marks. */
	if (dp->slot[slot].dead && !dp->slot[slot].recovered)
		return;
	dp->slot[slot].dead = true;
	dp->slot[slot].seen_tsc = rte_rdtsc();
	dp->slot[slot].undone_tsc = 0;
	dp->slot[slot].recovered = false;
	atomic_store_explicit(&dp->slot[slot].dead_acks, 0, memory_order_relaxed);
	atomic_store_explicit(&dp->slot[slot].unsettled, 0, memory_order_relaxed);
	atomic_store_explicit(&dp->slot[slot].left, 0, memory_order_relaxed);
	post(dp, &(struct order){.kind = ORDER_DEAD, .slot = slot});
	BATON_POINT(death_told);
}

void datapath_slot_park(struct datapath *dp, uint32_t slot, uint64_t max_age_ns)
{
	post(dp, &(struct order){.kind = ORDER_PARK, .slot = slot, .max_age_ns = max_age_ns});
}

void datapath_slot_held(struct datapath *dp, uint32_t slot)
{
	post(dp, &(struct order){.kind = ORDER_HELD, .slot = slot});
}

/* Every lcore holds its belt of the dead worker: undo, used = 0 (in state_roll_back), and only then `done` moves on to
 * the end of what was offered (protocol.md R4) and a move that waits for the dead one's revokes may grant (R7). */
static void recover(struct datapath *dp, uint32_t slot)
{
	struct control_block *control = state_control(dp->setup.state, slot);
	struct journal_report report = {0};
	int rc;

	if (BATON_SABOTAGE(done_before_undo))
		death_done_on(dp, control, slot);
	if (BATON_SABOTAGE(rolled_back_twice))
		death_keep_journal(control);
	if (BATON_SABOTAGE(records_kept_before_undo))
		death_keep_records(dp, slot);
	rc = BATON_SABOTAGE(death_without_undo) ? 0 : state_roll_back(dp->setup.state, slot, &report);
	if (rc != 0)
		log_error("worker slot %u: its journal is damaged (%s); what was sound has been undone; run `batonctl status`",
			  slot, strerror(-rc));
	state_control_mend(dp->setup.state, slot);
	death_done_on(dp, control, slot);
	BATON_POINT(done_moved);
	dp->slot[slot].report = report;
	if (!BATON_SABOTAGE(records_kept_before_undo))
		death_keep_records(dp, slot);
	death_count(dp, slot, report.undone);
	if (report.valid)
		log_info("worker slot %u: %u undo records of an unsettled burst rolled back", slot, report.undone);
	for (uint32_t i = 0; i < dp->setup.config->services; i++)
		if (dp->move_open[i] && dp->move[i].from == slot)
			/* release: pairs with the acquire in move_may_grant() */
			atomic_store_explicit(&dp->move[i].rolled_back, 1, memory_order_release);
	dp->slot[slot].undone_tsc = rte_rdtsc();
	dp->slot[slot].recovered = true;
	BATON_POINT(death_recovered);
}

void datapath_poll(struct datapath *dp)
{
	for (uint32_t slot = 0; slot < dp->setup.config->worker_slots; slot++) {
		struct datapath_slot *s = &dp->slot[slot];

		/* acquire: pairs with the release in death_take_over() */
		if (s->dead && !s->recovered &&
		    atomic_load_explicit(&s->dead_acks, memory_order_acquire) >=
			    (BATON_SABOTAGE(recovered_at_first_lcore) ? 1 : dp->setup.io_lcores))
			recover(dp, slot);
	}
}

bool datapath_slot_recovered(struct datapath *dp, uint32_t slot, uint32_t *orphans)
{
	datapath_poll(dp);
	if (!dp->slot[slot].recovered)
		return false;
	/* A move away from it or towards it decides first who owns what. */
	for (uint32_t i = 0; i < dp->setup.config->services; i++)
		if (dp->move_open[i] && (dp->move[i].from == slot || dp->move[i].to == slot))
			return false;
	*orphans = datapath_owned(dp, slot);
	dp->slot[slot].orphans = *orphans;
	return true;
}

uint32_t datapath_slot_to_fence(struct datapath *dp)
{
	for (uint32_t slot = 0; slot < dp->setup.config->worker_slots; slot++) {
		struct datapath_slot *s = &dp->slot[slot];

		if (s->attached && !s->dead && s->fence_reported == 0 &&
		    atomic_load_explicit(&s->fence, memory_order_relaxed) != 0) {
			s->fence_reported = 1;
			return slot;
		}
	}
	return SLOT_NONE;
}
