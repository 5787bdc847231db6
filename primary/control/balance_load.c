/* What balancing goes by: busy share of each worker, and what part of it each bucket is, over one interval. */
#include <math.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "supervisor.h"

static void service_free(struct balance_service *s)
{
	free(s->seen);
	free(s->cost);
	free(s->rests_ns);
	free(s->placed_ns);
	free(s->slot);
	*s = (struct balance_service){ .buckets = 0 };
}

struct balance_service *balance_service(struct supervisor *sup, uint32_t service)
{
	struct balance_service *s = &sup->balance.service[service];
	uint32_t buckets = sup->primary->config.service[service].buckets;

	if (s->buckets != 0)
		return s;
	s->seen = calloc(buckets, sizeof(*s->seen));
	s->cost = calloc(buckets, sizeof(*s->cost));
	s->rests_ns = calloc(buckets, sizeof(*s->rests_ns));
	s->placed_ns = calloc(buckets, sizeof(*s->placed_ns));
	s->slot = malloc(buckets);
	if (!s->seen || !s->cost || !s->rests_ns || !s->placed_ns || !s->slot) {
		service_free(s);
		return NULL;
	}
	s->buckets = buckets;
	return s;
}

void balance_fini(struct supervisor *sup)
{
	for (uint32_t i = 0; i < BATON_MAX_SERVICES; i++)
		service_free(&sup->balance.service[i]);
}

/* ---- one worker ---- */

/* TSC cycles of its turns that did work, and its CPU time. */
static bool look_at(const struct supervisor *sup, uint32_t slot, struct balance_slot *out)
{
	const struct worker_slot *s = &sup->slot[slot];
	const volatile struct CoreStats *page = stats_worker_page(&sup->primary->stats, slot);
	bool blocked;

	out->incarnation = s->incarnation;
	out->busy_cycles = page->busy_cycles;
	return s->pid > 0 && process_clock(s->pid, &out->cpu_ns, &blocked) == 0;
}

/* Cycles count on while others have its CPU, so it has been busy for no longer than it had one. CPU time has the polls
 * in it that found nothing, so it has been busy for no longer than it did work. */
static double busy_share(const struct balance_slot *from, const struct balance_slot *to, double cycles, double ns)
{
	double worked = (double)(to->busy_cycles - from->busy_cycles) / cycles;
	double had = (double)(to->cpu_ns - from->cpu_ns) / ns;

	return fmin(fmin(worked, had), 1);
}

/* ---- an interval ---- */

void balance_measure(struct supervisor *sup, uint32_t group)
{
	struct balance_group *g = &sup->balance.group[group];
	struct balance_service *service = balance_service(sup, g->service);

	g->measuring = service != NULL;
	if (!service)
		return;
	for (uint32_t i = 0; i < sup->workers; i++)
		if (sup->worker[i].group == group && sup->worker[i].slot != SLOT_NONE &&
		    !look_at(sup, sup->worker[i].slot, &sup->balance.slot[sup->worker[i].slot]))
			sup->balance.slot[sup->worker[i].slot].incarnation = 0;
	datapath_load(sup->primary->dp, g->service, service->seen);
	for (uint32_t b = 0; b < service->buckets; b++)
		service->slot[b] = (uint8_t)datapath_owner(sup->primary->dp, g->service, b);
	g->began_ns = process_now_ns();
	g->began_tsc = rte_rdtsc();
}

/* Entries of each bucket go to service->cost, their sums by owner to `entries`. False: owners have changed. */
static bool count_entries(struct supervisor *sup, const struct balance_group *g, struct balance_service *service,
			  double *entries)
{
	static uint32_t now[BATON_MAX_BUCKETS]; /* main lcore only */

	datapath_load(sup->primary->dp, g->service, now);
	for (uint32_t b = 0; b < service->buckets; b++) {
		uint32_t slot = service->slot[b];

		if (slot != datapath_owner(sup->primary->dp, g->service, b) || slot == SLOT_NONE)
			return false;
		service->cost[b] = now[b] - service->seen[b]; /* modulo 2^32 */
		entries[slot] += service->cost[b];
	}
	return true;
}

/* Who of the group may give and take: what an operator debugs, drains or has just started stands aside. */
static bool takes_part(const struct supervisor *sup, uint32_t worker)
{
	const struct worker *w = &sup->worker[worker];

	return !w->gone && !w->drained && !w->leaving && !w->debugged && !w->held && w->shadow == SHADOW_NONE &&
	       worker_settled(sup, worker) &&
	       sup->slot[w->slot].state == WORKER_ACTIVE && !stall_is_near(&sup->slot[w->slot].stall);
}

bool balance_measured(struct supervisor *sup, uint32_t group)
{
	struct balance_group *g = &sup->balance.group[group];
	struct balance_service *service = balance_service(sup, g->service);
	bool by_packets = sup->primary->config.group[group].balance.measure == MEASURE_PACKETS;
	double entries[BATON_MAX_WORKERS] = { 0 }, cycles = (double)(rte_rdtsc() - g->began_tsc);
	uint64_t now = process_now_ns();

	if (!service || !g->measuring || now <= g->began_ns || !count_entries(sup, g, service, entries))
		return false;
	g->seconds = (double)(now - g->began_ns) / 1e9;
	memset(g->worker, 0, sizeof(g->worker));
	for (uint32_t i = 0; i < sup->workers; i++) {
		uint32_t slot = sup->worker[i].slot;
		struct balance_slot then;

		if (sup->worker[i].group != group || slot == SLOT_NONE)
			continue;
		struct balance_worker *w = &g->worker[slot];
		const struct balance_slot *from = &sup->balance.slot[slot];
		if (from->incarnation == 0 || !look_at(sup, slot, &then) || then.incarnation != from->incarnation)
			return false;
		w->role = (uint8_t)sup->worker[i].role;
		w->member = takes_part(sup, i);
		w->busy = busy_share(from, &then, cycles, (double)(now - g->began_ns));
		w->load = by_packets ? entries[slot] / g->seconds : w->busy;
	}
	for (uint32_t b = 0; b < service->buckets; b++) {
		uint32_t slot = service->slot[b];

		service->cost[b] = entries[slot] > 0 ? g->worker[slot].load * service->cost[b] / entries[slot] : 0;
	}
	g->looked_ns = now;
	g->looks++;
	return true;
}
