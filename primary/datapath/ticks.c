/* Ticks (protocol.md R11). Numbers go on from the highest last_tick in the state file, whatever the system clock says
 * by then; their pace is that of the lcore's clock, which never goes back. A worker catches up by number, so a tick
 * entry that is late, lost with its belt or posted twice costs nothing. */
#include "lcore.h"

void ticks_init(struct ticks *ticks, uint64_t period_ns, uint32_t catch_up, uint32_t buckets, uint64_t last)
{
	*ticks = (struct ticks){
		.times.period_ns = period_ns, .groups = buckets < TICK_GROUPS ? buckets : TICK_GROUPS,
		.catch_up = catch_up, .last = last,
	};
}

/* Numbers from `number` on are reckoned from now, and begin now. */
static void start_from(struct ticks *ticks, uint64_t number, uint64_t now_ns)
{
	ticks->times.old_number = ticks->times.number;
	ticks->times.old_ns = ticks->times.ns;
	ticks->times.number = number;
	ticks->times.ns = now_ns;
}

static uint64_t step_at(const struct ticks *ticks, uint64_t now_ns)
{
	const struct tick_times *times = &ticks->times;
	uint64_t since = now_ns - times->ns;
	uint64_t group = since % times->period_ns / (times->period_ns / ticks->groups);

	/* a period that 64 does not divide leaves a rest at its end */
	group = group < ticks->groups ? group : ticks->groups - 1;
	return (times->number + since / times->period_ns) * ticks->groups + group;
}

/* Goes on to now. Returns the groups whose number went up. */
static uint64_t advance(struct ticks *ticks, uint64_t now_ns)
{
	uint64_t from = ticks->step, fresh = 0;

	if (from == 0) {
		uint64_t first = BATON_SABOTAGE(numbers_restart) ? 1 : ticks->last + 1;
		start_from(ticks, first, now_ns);
		start_from(ticks, first, now_ns); /* what was missed before the start is reckoned from it too */
		from = first * ticks->groups - 1;
	}
	uint64_t to = step_at(ticks, now_ns);
	if (to / ticks->groups - from / ticks->groups > TICKS_LEAP) {
		start_from(ticks, from / ticks->groups + 1, now_ns);
		to = step_at(ticks, now_ns);
	}
	ticks->step = to;
	if (to - from >= ticks->groups)
		return ticks->groups == 64 ? UINT64_MAX : (1ull << ticks->groups) - 1;
	for (uint64_t step = from + 1; step <= to; step++)
		fresh |= 1ull << step % ticks->groups;
	return fresh;
}

/* Workers that share the group are all posted its number: enough entries for each of them, a few times over. */
#define TICKS_ALONE 32u

void ticks_suspect(struct io_lcore *io, const struct belt_shadow *shadow)
{
	io->steering[shadow->service].ticks.alone[shadow->move % TICK_GROUPS] = TICKS_ALONE;
}

static void mark_alone(struct belt_producer *belt, struct ticks *ticks, uint32_t group)
{
	ticks->alone[group]--;
	belt_mark_suspect(belt);
	belt->shadow[(uint32_t)(belt->offered - 1) & BELT_MASK].blame = BLAME_SUSPECT;
}

/* The entry with room for what the worker has run of it, if a mirror wants to know. Returns its length. */
static uint32_t tick_with_room(struct io_lcore *io, uint32_t slot, struct belt_tick *tick)
{
	uint32_t len = sizeof(*tick);

	if (baton_unlikely(io->slot[slot].mirror != NULL)) {
		tick->tell = 1;
		len += (uint32_t)offsetof(struct belt_tick_told, map) +
		       2 * tick_map_bytes(io->steering[io->slot[slot].service].mask + 1, tick->groups);
	}
	memcpy(io->control, tick, sizeof(*tick)); /* what is behind it is the worker's to write */
	return len;
}

static bool post_one(struct io_lcore *io, uint32_t slot, struct ticks *ticks, uint32_t group)
{
	struct belt_tick tick = {
		.number = ticks_number(ticks, group), .times = ticks->times, .group = group, .groups = ticks->groups,
		.catch_up = ticks->catch_up,
	};

	if (BATON_SABOTAGE(tick_dropped) && ticks->alone[group] != 0)
		return true;
	/* The reserve is for revokes and grants. */
	if (!message_room(&io->message, io->slot[slot].service) || belt_room(&io->slot[slot].belt) == 0 ||
	    !offer_control(io, slot, BELT_TICK, group, io->control, tick_with_room(io, slot, &tick)))
		return false;
	if (baton_unlikely(ticks->alone[group] != 0))
		mark_alone(&io->slot[slot].belt, ticks, group);
	return true;
}

static void post_wanted(struct io_lcore *io, uint32_t slot, struct ticks *ticks)
{
	struct slot_ticks *view = &io->slot[slot].ticks;
	uint64_t ready = view->wanted & ~view->open;

	while (ready != 0) {
		uint64_t later = ready & UINT64_MAX << view->next;
		uint32_t group = (uint32_t)__builtin_ctzll(later != 0 ? later : ready);

		if (!post_one(io, slot, ticks, group)) {
			if (BATON_SABOTAGE(full_forgotten))
				view->wanted &= ~ready;
			return;
		}
		view->wanted &= ~(1ull << group);
		view->open |= 1ull << group;
		view->next = (group + 1) % TICK_GROUPS;
		ready &= ~(1ull << group);
	}
}

void ticks_post(struct io_lcore *io)
{
	for (uint32_t i = 0; i < io->services; i++) {
		struct ticks *ticks = &io->steering[i].ticks;

		if (ticks->times.period_ns == 0)
			continue;
		uint64_t fresh = advance(ticks, io->now_ns);
		/* release: before the entries are published; the next primary believes no last_tick above it */
		atomic_store_explicit(&io->dp->setup.state->header->tick_posted[io->steering[i].group],
				      ticks->step / ticks->groups, memory_order_release);
		for (uint64_t left = io->attached; left != 0; left &= left - 1) {
			uint32_t slot = (uint32_t)__builtin_ctzll(left);

			/* A standby or a drained worker sleeps on; a grant wants the numbers it has missed. */
			if (io->slot[slot].service != i || io->slot[slot].buckets == 0)
				continue;
			io->slot[slot].ticks.wanted |= fresh;
			post_wanted(io, slot, ticks);
		}
	}
}

void ticks_reaped(struct io_lcore *io, uint32_t slot, const struct belt_shadow *shadow, uint32_t verdict)
{
	struct slot_ticks *view = &io->slot[slot].ticks;

	stats_add(&io->slot[slot].counts->bucket_ticks, io->slot[slot].buckets);
	view->open &= ~(1ull << shadow->move);
	if (verdict == TICK_BEHIND && !BATON_SABOTAGE(behind_ignored))
		view->wanted |= 1ull << shadow->move;
}

void ticks_granted(struct io_lcore *io, const struct move *move)
{
	const struct steering *steering = &io->steering[move->service];
	uint64_t groups = 0;

	if (io->index != 0 || steering->ticks.times.period_ns == 0)
		return;
	/* A word of the map is 64 buckets: bit b of it is group b, or b % groups of a service with fewer buckets. */
	for (uint32_t word = 0; word <= steering->mask / 64; word++)
		groups |= move->map[word];
	if (!BATON_SABOTAGE(no_tick_after_grant))
		io->slot[move->to].ticks.wanted |= groups;
}
