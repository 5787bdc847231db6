/* Buckets from slot to slot: one move a service, asked for again while the data path is busy with another. */
#include <errno.h>
#include <string.h>

#include "log.h"
#include "process.h"
#include "supervisor.h"

#define CONVERT_AGAIN_NS 1000000000ull

uint32_t group_services(const struct supervisor *sup, uint32_t group)
{
	const struct config *config = &sup->primary->config;
	uint32_t services = 0;

	for (uint32_t i = 0; i < config->services; i++)
		if (config->service[i].group_index == group)
			services |= 1u << i;
	return services;
}

void transfer_begin(struct supervisor *sup, uint32_t worker, uint32_t from, uint32_t to)
{
	struct worker *w = &sup->worker[worker];

	w->transfer = (struct transfer){
		.open = true, .from = from, .to = to, .to_incarnation = sup->slot[to].incarnation,
		.services = group_services(sup, w->group),
	};
	if (from == SLOT_NONE) {
		w->transfer.services &= ~w->placed;
	} else {
		w->transfer.from_incarnation = sup->slot[from].incarnation;
		if (sup->slot[from].state == WORKER_ACTIVE)
			slot_event(sup, from, EVENT_MOVE_OUT);
	}
}

void transfer_begin_part(struct supervisor *sup, uint32_t worker, uint32_t service, uint32_t from, uint32_t to)
{
	sup->worker[worker].transfer = (struct transfer){
		.open = true, .part = true, .from = from, .to = to, .to_incarnation = sup->slot[to].incarnation,
		.from_incarnation = from == SLOT_NONE ? 0 : sup->slot[from].incarnation, .services = 1u << service,
	};
}

bool transfer_break(struct supervisor *sup, uint32_t worker, uint64_t waited_ns)
{
	const struct transfer *t = &sup->worker[worker].transfer;
	bool granted = t->id > 0 && datapath_move_granted(sup->primary->dp, t->id);
	uint32_t stalled = granted ? t->to : t->from;
	uint32_t incarnation = granted ? t->to_incarnation : t->from_incarnation;

	if (stalled == SLOT_NONE)
		return false;
	const struct worker_slot *s = &sup->slot[stalled];
	if (s->incarnation != incarnation || !slot_usable(sup, stalled) || s->kill_wanted)
		return false;
	log_error("%s: pid %d has not %s for %.0f s: killed", sup->worker[s->worker].name, (int)s->pid,
		  granted ? "taken what waited for the buckets it got" : "let go of its buckets",
		  (double)waited_ns / 1e9);
	slot_event(sup, stalled, EVENT_FENCE);
	return true;
}

/* Worker i of n owns every n-th bucket. */
static void share_map(const struct supervisor *sup, const struct worker *w, uint32_t service, uint64_t *map)
{
	memset(map, 0, BATON_MAX_BUCKETS / 8);
	for (uint32_t b = w->index; b < sup->primary->config.service[service].buckets; b += w->sharers)
		map[b / 64] |= 1ull << (b % 64);
}

static int ask_move(struct supervisor *sup, struct worker *w)
{
	static uint64_t map[BATON_MAX_BUCKETS / 64]; /* main lcore only; the data path copies it */
	struct transfer *t = &w->transfer;
	struct move_order order = { .service = t->service, .from = t->from, .to = t->to };

	if (t->part) {
		order.map = sup->scale.map;
	} else if (t->from == SLOT_NONE) {
		share_map(sup, w, t->service, map);
		order.map = map;
	}
	t->convert = (struct convert){ .via = SLOT_NONE };
	t->convert.hold = order.hold = convert_needed(sup, (uint32_t)(w - sup->worker));
	return datapath_move(sup->primary->dp, &order);
}

static void service_done(struct worker *w)
{
	struct transfer *t = &w->transfer;

	t->services &= ~(1u << t->service);
	t->id = 0;
	if (t->from == SLOT_NONE)
		w->placed |= 1u << t->service;
}

static void add_report(struct transfer *t, const struct move_report *report)
{
	t->report.buckets += report->buckets;
	t->report.parked += report->parked;
	if (report->gap_ns > t->report.gap_ns)
		t->report.gap_ns = report->gap_ns;
	t->report.granted_tsc = report->granted_tsc;
	t->report.replied_tsc = report->replied_tsc;
}

static double us_since(const struct supervisor *sup, uint64_t from_tsc, uint64_t to_tsc)
{
	return to_tsc > from_tsc ? (double)(to_tsc - from_tsc) * 1e6 / (double)sup->primary->stats.header->tsc_hz : 0;
}

/* Where the time of a death has gone. The stamp lets whoever killed it tell how long it took to be seen. */
static void tell_stages(const struct supervisor *sup, const struct worker *w)
{
	const struct transfer *t = &w->transfer;
	struct death_stages death;

	datapath_slot_stages(sup->primary->dp, t->from, &death);
	log_info("%s: since its death was seen (tsc %llu): belts taken over %.1f us, undone %.1f us, granted %.1f us, "
		 "first reply %.1f us", w->name, (unsigned long long)death.seen_tsc,
		 us_since(sup, death.seen_tsc, death.taken_tsc), us_since(sup, death.seen_tsc, death.undone_tsc),
		 us_since(sup, death.seen_tsc, t->report.granted_tsc),
		 us_since(sup, death.seen_tsc, t->report.replied_tsc));
}

/* Over, well or not. */
static bool end(struct supervisor *sup, struct worker *w, bool failed)
{
	struct transfer *t = &w->transfer;

	convert_end(sup, (uint32_t)(w - sup->worker));
	t->open = false;
	t->failed = failed;
	if (!failed) {
		/* It may have died since the last bucket arrived; then they are its orphans. */
		bool drained = w->drained && datapath_owned(sup->primary->dp, t->to) == 0;
		if (sup->slot[t->to].state >= WORKER_STANDBY && sup->slot[t->to].state < WORKER_STOPPING)
			slot_event(sup, t->to, drained ? EVENT_DRAINED : EVENT_MOVE_DONE);
		if (t->report.buckets > 0)
			log_info("%s: %u buckets moved to slot %u, gap %.1f us, %llu packets waited", w->name,
				 t->report.buckets, t->to, (double)t->report.gap_ns / 1000,
				 (unsigned long long)t->report.parked);
		if (t->report.buckets > 0 && t->from != SLOT_NONE && sup->slot[t->from].state == WORKER_DEAD)
			tell_stages(sup, w);
	}
	if (t->from != SLOT_NONE) {
		struct worker_slot *from = &sup->slot[t->from];
		/* What was not moved is still served by the old one. */
		if (failed && from->state == WORKER_DRAINING && from->incarnation == t->from_incarnation &&
		    datapath_owned(sup->primary->dp, t->from) > 0)
			slot_event(sup, t->from, EVENT_MOVE_DONE);
		slot_publish(sup, t->from);
	}
	return true;
}

/* The move of one service is under way. */
static bool await_move(struct supervisor *sup, struct worker *w)
{
	struct transfer *t = &w->transfer;
	struct move_report report;

	convert_poll(sup, (uint32_t)(w - sup->worker));
	if (!datapath_move_done(sup->primary->dp, t->id, &report))
		return false;
	if (t->returned) {
		t->id = 0;
		w->convert_again_ns = process_now_ns() + CONVERT_AGAIN_NS;
		return end(sup, w, true);
	}
	/* Even a failed move gave the share an owner: buckets of a dead target are its orphans. */
	service_done(w);
	if (report.failed) {
		log_warn("%s: the worker in slot %u died while buckets moved to it", w->name, t->to);
		return end(sup, w, true);
	}
	add_report(t, &report);
	return t->services == 0 ? end(sup, w, false) : false;
}

bool transfer_poll(struct supervisor *sup, uint32_t worker)
{
	struct worker *w = &sup->worker[worker];
	struct transfer *t = &w->transfer;

	if (t->id > 0)
		return await_move(sup, w);
	if (t->services == 0)
		return end(sup, w, false);
	const struct worker_slot *to = &sup->slot[t->to];
	if (to->incarnation != t->to_incarnation || to->state == WORKER_NONE || to->state >= WORKER_STOPPING)
		return end(sup, w, true);
	if (!datapath_slot_attached(sup->primary->dp, t->to) && !BATON_SABOTAGE(granted_before_ready))
		return false;
	if (t->from != SLOT_NONE) {
		const struct worker_slot *from = &sup->slot[t->from];
		if (from->state == WORKER_NONE ||
		    from->incarnation != t->from_incarnation) /* died and had nothing left */
			return end(sup, w, false);
		if (t->part && from->state >= WORKER_STOPPING) /* what a dead one owned goes all at once */
			return end(sup, w, true);
		if (from->state == WORKER_DEAD && !from->recovered && !t->ahead)
			return false;
	}
	t->service = (uint32_t)__builtin_ctz(t->services);
	int rc = ask_move(sup, w);
	if (rc > 0) {
		t->id = rc;
		return false;
	}
	if (rc == -EBUSY)
		return false;
	if (rc == -EALREADY) {
		service_done(w);
		return t->services == 0 ? end(sup, w, false) : false;
	}
	log_warn("%s: cannot move its buckets to slot %u: %s", w->name, t->to, strerror(-rc));
	return end(sup, w, true);
}
