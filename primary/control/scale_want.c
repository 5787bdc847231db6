/* What an operation is after: which worker is to own which bucket, given who owns it now. */
#include <string.h>

#include "rollout.h"
#include "supervisor.h"

static bool is_debug_target(const struct scale *s, uint32_t worker)
{
	return s->kind == SCALE_DEBUG && s->worker == worker;
}

/* Buckets that a worker under a debugger keeps, or is to have, are no part of the sharing. */
static void share_rest(const struct supervisor *sup, uint32_t buckets, uint64_t members, const uint8_t *owner,
		       uint8_t *want)
{
	static uint8_t rest[BATON_MAX_BUCKETS]; /* main lcore only */
	static uint32_t bucket[BATON_MAX_BUCKETS];
	const struct scale *s = &sup->scale;
	uint32_t count = 0;

	for (uint32_t b = 0; b < buckets; b++) {
		bool chosen = s->kind == SCALE_DEBUG && buckets_has(s->chosen, b);

		want[b] = chosen ? (uint8_t)s->worker : owner[b];
		if (chosen || (owner[b] != SHARE_NOBODY && sup->worker[owner[b]].debugged))
			continue;
		rest[count] = owner[b];
		bucket[count++] = b;
	}
	if (s->keeps && members != 0) {
		uint32_t quota[BATON_MAX_WORKERS];

		share_keep(s->had, count, members, s->newcomer ? s->worker : SHARE_NOBODY, quota);
		share_by(rest, count, members, quota, rest);
	} else {
		share_even(rest, count, members, rest);
	}
	for (uint32_t i = 0; i < count; i++)
		want[bucket[i]] = rest[i];
}

/* Workers of the group that are to own buckets, by role. */
static void members_of(const struct supervisor *sup, uint32_t group, uint64_t members[ROLE_CONTROL + 1])
{
	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];

		if (w->group == group && !w->gone && !w->drained && !w->leaving && !w->debugged &&
		    w->shadow == SHADOW_NONE && w->role <= ROLE_CONTROL && !worker_is_lost(sup, i))
			members[w->role] |= 1ull << i;
	}
}

/* Of one role: part[i] is who has the i-th of `count` buckets, or is to have it by all means; in the end who is to. The
 * group's own workers keep what they have; a version's new workers share evenly, unless balancing has been at work. */
static void share_role(const struct scale *s, bool stable, uint32_t count, uint64_t members, uint8_t *part)
{
	uint32_t quota[BATON_MAX_WORKERS], have[BATON_MAX_WORKERS] = { 0 };

	if (BATON_SABOTAGE(weight_evens_shares) || (!stable && !s->keeps)) {
		share_even(part, count, members, part);
		return;
	}
	for (uint32_t i = 0; stable && i < count; i++)
		if (part[i] < BATON_MAX_WORKERS)
			have[part[i]]++;
	if (stable)
		share_keep(have, count, members, SHARE_NOBODY, quota);
	else
		share_grow(s->had, count, members, quota);
	share_by(part, count, members, quota, part);
}

/* Which role a bucket goes to the weight says. Within the group's own workers it goes home: where it was before the
 * rollout, or where balancing has put it since. */
static void share_by_weight(const struct supervisor *sup, uint32_t service, uint32_t group, const uint8_t *owner,
			    uint8_t *want)
{
	static uint8_t role[BATON_MAX_BUCKETS], part[BATON_MAX_BUCKETS], home[BATON_MAX_BUCKETS]; /* main lcore only */
	static uint32_t bucket[BATON_MAX_BUCKETS];
	uint32_t buckets = sup->primary->config.service[service].buckets;
	uint64_t members[ROLE_CONTROL + 1] = { 0 };

	bool homes = rollout_homes(sup, group, service, home);
	rollout_roles(sup, group, service, role);
	members_of(sup, group, members);
	memcpy(want, owner, buckets);
	for (uint32_t r = ROLE_STABLE; r <= ROLE_CONTROL; r++) {
		uint32_t count = 0;

		for (uint32_t b = 0; b < buckets; b++) {
			uint32_t mine = members[role[b]] ? role[b] : ROLE_STABLE;
			if (mine != r)
				continue;
			part[count] = r == ROLE_STABLE && homes && home[b] != SHARE_NOBODY ? home[b] : owner[b];
			bucket[count++] = b;
		}
		if (count == 0 || members[r] == 0)
			continue;
		share_role(&sup->scale, r == ROLE_STABLE && homes, count, members[r], part);
		for (uint32_t i = 0; i < count; i++)
			want[bucket[i]] = part[i];
	}
}

static void wanted(struct supervisor *sup, uint32_t service, uint8_t *owner, uint8_t *want)
{
	const struct scale *s = &sup->scale;
	uint32_t buckets = sup->primary->config.service[service].buckets, group = sup->worker[s->worker].group;
	uint64_t members = 0;

	for (uint32_t b = 0; b < buckets; b++) {
		uint32_t slot = datapath_owner(sup->primary->dp, service, b);

		owner[b] = slot == SLOT_NONE ? SHARE_NOBODY : (uint8_t)sup->slot[slot].worker;
	}
	if (s->kind == SCALE_MOVE || s->kind == SCALE_BALANCE) {
		bool ours = s->kind == SCALE_MOVE || s->service == service;

		for (uint32_t b = 0; b < buckets; b++)
			want[b] = ours && buckets_has(s->chosen, b) ? (uint8_t)s->worker : owner[b];
		return;
	}
	if (s->kind == SCALE_WEIGHT) {
		share_by_weight(sup, service, group, owner, want);
		return;
	}
	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];

		if (w->group == group && !w->gone && !w->drained && !w->leaving && !w->debugged && !is_debug_target(s, i))
			members |= 1ull << i;
	}
	share_rest(sup, buckets, members, owner, want);
}

void scale_wanted(struct supervisor *sup, uint32_t service, uint8_t *owner, uint8_t *want)
{
	uint32_t buckets = sup->primary->config.service[service].buckets;

	wanted(sup, service, owner, want);
	/* Held: no operation waits for these, or dies of them; held.c gives them to whoever can have them. */
	for (uint32_t b = 0; b < buckets && sup->held.count != 0; b++) {
		uint32_t slot = datapath_owner(sup->primary->dp, service, b);

		if (slot != SLOT_NONE && held_slot(sup, slot))
			want[b] = owner[b];
	}
}
