/* The table of workers: sorted by group and number, so that lists read well; workers come and go at its end of a
 * group. Slots and operations name workers by index, so it changes only while no operation is under way. */
#include <stdio.h>
#include <string.h>

#include "reload.h"
#include "supervisor.h"

/* Slots name workers by index: those from `from` on have moved by `by`. */
static void renumber(struct supervisor *sup, uint32_t from, int by)
{
	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].worker >= from)
			sup->slot[i].worker = (uint32_t)((int)sup->slot[i].worker + by);
}

uint32_t worker_add(struct supervisor *sup, uint32_t group, uint32_t number)
{
	uint32_t at = 0;

	while (at < sup->workers && (sup->worker[at].group < group ||
				     (sup->worker[at].group == group && sup->worker[at].index < number)))
		at++;
	memmove(&sup->worker[at + 1], &sup->worker[at], (sup->workers - at) * sizeof(sup->worker[0]));
	sup->workers++;
	renumber(sup, at, 1);
	struct worker *w = &sup->worker[at];
	*w = (struct worker){ .group = group, .index = number, .slot = SLOT_NONE, .sharers = 1,
			     .placed = group_services(sup, group) };
	snprintf(w->name, sizeof(w->name), "%.28s.%u", sup->primary->config.group[group].name,
		 number % BATON_MAX_WORKERS); /* as name_workers() does */
	memcpy(w->path, sup->group_path[group], sizeof(w->path));
	return at;
}

void worker_remove(struct supervisor *sup, uint32_t worker)
{
	held_rehome(sup, worker);
	version_drop(&sup->worker[worker].kept);
	sup->workers--;
	memmove(&sup->worker[worker], &sup->worker[worker + 1], (sup->workers - worker) * sizeof(sup->worker[0]));
	sup->worker[sup->workers] = (struct worker){ .slot = SLOT_NONE };
	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].worker == worker)
			sup->slot[i].worker = 0; /* free: nobody asks whose it was; standbys are counted by another one by now */
	renumber(sup, worker + 1, -1);
}

bool worker_has_no_slot(const struct supervisor *sup, uint32_t worker)
{
	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].state != WORKER_NONE && sup->slot[i].worker == worker && !held_slot(sup, i))
			return false;
	return true;
}

uint32_t worker_find(const struct supervisor *sup, const char *name)
{
	uint32_t i = 0;

	while (i < sup->workers && (sup->worker[i].gone || strcmp(sup->worker[i].name, name) != 0))
		i++;
	return i;
}

bool worker_is_lost(const struct supervisor *sup, uint32_t worker)
{
	const struct worker *w = &sup->worker[worker];

	return w->slot == SLOT_NONE && !w->gone && sup->budget[w->group].spent && !BATON_SABOTAGE(lost_worker_awaited);
}

uint32_t group_owners(const struct supervisor *sup, uint32_t group)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];
		count += w->group == group && !w->drained && !w->leaving && !w->gone && !w->debugged;
	}
	return count;
}

void workers_sweep(struct supervisor *sup)
{
	if (sup->restart.phase != RESTART_IDLE || sup->scale.phase != SCALE_IDLE ||
	    reload_knows_workers(sup->primary))
		return;
	for (uint32_t i = sup->workers; i-- > 0;)
		if (sup->worker[i].gone && worker_has_no_slot(sup, i) && !sup->worker[i].transfer.open)
			worker_remove(sup, i);
}
