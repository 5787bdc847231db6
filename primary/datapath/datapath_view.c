/* What the main lcore may look at at any time: who owns what, what is moving, the ledgers, what was found at deaths.
 * See datapath.h. */
#include "lcore.h"

bool datapath_moving(const struct datapath *dp, uint32_t service, struct move_order *order)
{
	const struct move *move = &dp->move[service];

	if (!dp->move_open[service])
		return false;
	*order = (struct move_order){ .service = service, .from = move->from, .to = move->to, .map = move->map };
	return true;
}

uint32_t datapath_owner(const struct datapath *dp, uint32_t service, uint32_t bucket)
{
	return dp->owner[service][bucket];
}

void datapath_load(const struct datapath *dp, uint32_t service, uint32_t *load)
{
	uint32_t buckets = dp->setup.config->service[service].buckets;

	memset(load, 0, buckets * sizeof(*load));
	for (uint32_t i = 0; i < dp->setup.io_lcores; i++) {
		const volatile uint32_t *of_lcore = dp->io[i]->steering[service].load;

		for (uint32_t b = 0; b < buckets; b++)
			load[b] += of_lcore[b];
	}
}

uint32_t datapath_owned(const struct datapath *dp, uint32_t slot)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < dp->setup.config->services; i++)
		for (uint32_t b = 0; b < dp->setup.config->service[i].buckets; b++)
			count += dp->owner[i][b] == slot;
	return count;
}

void datapath_ledger(const struct datapath *dp, uint32_t lcore, struct ledger *out)
{
	const struct ledger_counts *c = &dp->io[lcore]->ledger;

	*out = (struct ledger){
		.received = c->received, .allocated = c->allocated, .sent = c->sent, .freed = c->freed,
		.in_belts = c->in_belts, .pending = c->pending, .unresolved = c->unresolved,
		.tx_backlog = c->tx_backlog,
	};
}

/* Plain words that others write: each is read once, whole on this machine, and orders nothing. */
static uint64_t read_once(const uint64_t *word)
{
	return *(const volatile uint64_t *)word;
}

void datapath_slot_parked(const struct datapath *dp, uint32_t slot, struct slot_parked *out)
{
	*out = (struct slot_parked){0};
	for (uint32_t i = 0; i < dp->setup.io_lcores; i++) {
		const struct slot_parked *parked = &dp->io[i]->slot[slot].parked;
		uint64_t age_ns = read_once(&parked->age_ns);

		out->packets += read_once(&parked->packets);
		out->age_ns = age_ns > out->age_ns ? age_ns : out->age_ns;
	}
}

void datapath_slot_progress(const struct datapath *dp, uint32_t slot, struct slot_progress *out)
{
	*out = (struct slot_progress){ .lcores_tsc = UINT64_MAX };
	for (uint32_t i = 0; i < dp->setup.io_lcores; i++) {
		const struct belt_producer *belt = &dp->io[i]->slot[slot].belt;
		/* acquire: before `published`, which it never passes */
		uint64_t done = atomic_load_explicit(&belt->commit->done, memory_order_acquire);
		uint64_t waiting = read_once(&belt->published) - done;
		uint64_t turned = read_once(&dp->io[i]->stats->heartbeat);

		out->settled += done;
		if (waiting <= BELT_SLOTS) /* else it is forged: the reaper of the belt has it fenced */
			out->waiting += (uint32_t)waiting;
		if (turned < out->lcores_tsc)
			out->lcores_tsc = turned;
	}
}

/* ---- deaths: judge.c has the I/O lcores' side ---- */

void datapath_slot_blame(struct datapath *dp, uint32_t slot, const struct death_blame *blame)
{
	if (!dp->slot[slot].dead) /* else it has been told already, and an lcore may be looking at it */
		dp->slot[slot].blame = *blame;
}

bool datapath_slot_judged(struct datapath *dp, uint32_t slot)
{
	const struct datapath_slot *s = &dp->slot[slot];

	/* acquire: pairs with the release in death_take_over(); the reports stand before it */
	return s->dead && atomic_load_explicit(&s->dead_acks, memory_order_acquire) >= dp->setup.io_lcores;
}

bool datapath_death_report(struct datapath *dp, struct death_report *out)
{
	for (uint32_t i = 0; i < dp->setup.io_lcores; i++) {
		struct reports *box = &dp->io[i]->reports;
		uint32_t tail = atomic_load_explicit(&box->tail, memory_order_relaxed);

		/* acquire: pairs with the release in judge.c report() */
		if (tail == atomic_load_explicit(&box->head, memory_order_acquire))
			continue;
		*out = box->report[tail % REPORTS];
		/* release: it has been copied; pairs with the acquire in judge.c report() */
		atomic_store_explicit(&box->tail, tail + 1, memory_order_release);
		return true;
	}
	return false;
}

bool datapath_move_granted(struct datapath *dp, int id)
{
	for (uint32_t i = 0; i < dp->setup.config->services; i++) {
		struct move *move = &dp->move[i];

		if (dp->move_open[i] && move->id == (uint32_t)id)
			return atomic_load_explicit(&move->held, memory_order_acquire) == 0 &&
			       (atomic_load_explicit(&move->revoked, memory_order_acquire) == move->lcores ||
				atomic_load_explicit(&move->rolled_back, memory_order_acquire) != 0);
	}
	return false;
}

static const struct move *open_move(const struct datapath *dp, int id)
{
	for (uint32_t i = 0; i < dp->setup.config->services; i++)
		if (dp->move_open[i] && dp->move[i].id == (uint32_t)id)
			return &dp->move[i];
	return NULL;
}

bool datapath_move_held(const struct datapath *dp, int id)
{
	const struct move *move = open_move(dp, id);

	/* acquire: what the old owner's lcores reaped, or the roll back, has happened */
	return move != NULL && atomic_load_explicit(&move->held, memory_order_relaxed) != 0 &&
	       (atomic_load_explicit(&move->revoked, memory_order_acquire) == move->lcores ||
		atomic_load_explicit(&move->rolled_back, memory_order_acquire) != 0);
}

bool datapath_converted(const struct datapath *dp, int id)
{
	const struct move *move = open_move(dp, id);

	return move != NULL && atomic_load_explicit(&move->converted, memory_order_acquire) != 0;
}

bool datapath_slot_undone(struct datapath *dp, uint32_t slot)
{
	datapath_poll(dp);
	return dp->slot[slot].dead && dp->slot[slot].recovered;
}

enum fence_why datapath_fence_why(const struct datapath *dp, uint32_t slot)
{
	uint32_t fence = atomic_load_explicit(&dp->slot[slot].fence, memory_order_relaxed);

	return fence == 0 ? FENCE_DONE : (enum fence_why)__builtin_ctz(fence);
}

void datapath_slot_stages(const struct datapath *dp, uint32_t slot, struct death_stages *out)
{
	const struct datapath_slot *s = &dp->slot[slot];

	*out = (struct death_stages){.seen_tsc = s->seen_tsc, .undone_tsc = s->undone_tsc};
	if (out->undone_tsc != 0) /* every lcore is through */
		out->taken_tsc = atomic_load_explicit(&s->taken_tsc, memory_order_relaxed);
}
