/* Where the group's buckets are at home: with which of its own workers each was before the rollout's first weight, or
 * balancing has put it since. A weight takes buckets away from there and brings them back: what an operator or the
 * loads had made of the shares is not undone by it. */
#include <stdlib.h>
#include <string.h>

#include "rollout_inner.h"
#include "share.h"

#define NOWHERE 0xffu /* home: the number of a worker, game.7's is 7; the table of workers changes its order */

static uint8_t number_at(const struct supervisor *sup, uint32_t service, uint32_t bucket)
{
	uint32_t slot = datapath_owner(sup->primary->dp, service, bucket);
	const struct worker *w = slot == SLOT_NONE ? NULL : &sup->worker[sup->slot[slot].worker];

	return w && w->role == ROLE_STABLE ? (uint8_t)w->index : NOWHERE;
}

void rollout_home_note(const struct supervisor *sup, struct rollout *r)
{
	if (r->homed)
		return;
	r->homed = true;
	for (uint32_t left = group_services(sup, r->group); left != 0; left &= left - 1) {
		uint32_t service = (uint32_t)__builtin_ctz(left), buckets = sup->primary->config.service[service].buckets;

		if (!r->home[service])
			r->home[service] = malloc(buckets);
		for (uint32_t b = 0; r->home[service] && b < buckets; b++)
			r->home[service][b] = number_at(sup, service, b);
	}
}

void rollout_balanced(const struct supervisor *sup, uint32_t group, uint32_t service, const uint64_t *map)
{
	struct rollout *r = rollout_of(sup->primary, group);

	if (!r || !r->homed || !r->home[service] || BATON_SABOTAGE(balanced_forgotten))
		return;
	for (uint32_t b = 0; b < sup->primary->config.service[service].buckets; b++) {
		uint8_t number = buckets_has(map, b) ? number_at(sup, service, b) : NOWHERE;

		if (number != NOWHERE)
			r->home[service][b] = number;
	}
}

bool rollout_homes(const struct supervisor *sup, uint32_t group, uint32_t service, uint8_t *home)
{
	const struct rollout *r = rollout_of(sup->primary, group);
	uint8_t worker[NOWHERE + 1]; /* by number */

	if (!r || !r->homed || !r->home[service])
		return false;
	memset(worker, SHARE_NOBODY, sizeof(worker));
	for (uint32_t i = 0; i < sup->workers; i++)
		if (sup->worker[i].group == group && sup->worker[i].role == ROLE_STABLE && !sup->worker[i].gone)
			worker[sup->worker[i].index] = (uint8_t)i;
	for (uint32_t b = 0; b < sup->primary->config.service[service].buckets; b++)
		home[b] = worker[r->home[service][b]];
	return true;
}

void rollout_home_free(struct rollout *r)
{
	for (uint32_t s = 0; s < BATON_MAX_SERVICES; s++)
		free(r->home[s]);
}
