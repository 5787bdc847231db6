/* Buckets that were held when the last primary ended, put where held buckets are: with a dead slot. Nobody has died in it;
 * it goes the way of one whose buckets were granted in the moment of its death, so that nothing else has to know. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "held_store.h"
#include "log.h"
#include "reply.h"
#include "residence.h"
#include "supervisor.h"

enum { PLACE_NONE = 0, PLACE_ATTACHING, PLACE_MOVING };

void held_take(struct supervisor *sup)
{
	if (sup->primary->held == NULL)
		return;
	sup->held = *sup->primary->held;
	/* Those that did not count any more are out of the file, too; and if it has gone bad meanwhile that is said now. */
	if (sup->held.count != 0)
		held_save(sup);
	else
		unlink(sup->held.path);
}

bool held_unplaced(const struct supervisor *sup, uint32_t group)
{
	for (uint32_t i = 0; i < sup->held.count; i++)
		if (sup->held.bucket[i].group == group && sup->held.bucket[i].slot == SLOT_NONE)
			return true;
	return false;
}

static uint32_t map_of(const struct supervisor *sup, uint32_t service, uint64_t *map, const struct held_bucket **last)
{
	uint32_t count = 0;

	memset(map, 0, SHARE_WORDS * sizeof(*map));
	for (uint32_t i = 0; i < sup->held.count; i++) {
		const struct held_bucket *h = &sup->held.bucket[i];

		if (h->service != service || h->slot != SLOT_NONE)
			continue;
		buckets_add(map, h->bucket);
		*last = h;
		count++;
	}
	return count;
}

/* False: there is no room now. */
static bool open_slot(struct supervisor *sup, uint32_t service, const struct held_bucket *h)
{
	struct held_place *place = &sup->held.place[service];
	uint32_t at = 0, worker = 0;

	while (at < sup->slots && sup->slot[at].state != WORKER_NONE)
		at++;
	while (worker < sup->workers && (sup->worker[worker].group != h->group || sup->worker[worker].gone))
		worker++;
	if (at == sup->slots || worker == sup->workers) {
		if (!place->complained)
			log_error("group %s: no free worker slot for its held buckets, so it does not begin: raise worker_slots",
				  sup->primary->config.group[h->group].name);
		place->complained = true;
		return false;
	}
	sup->slot[at] = (struct worker_slot){
		.state = WORKER_DEAD, .worker = worker, .cpu = -1, .socket = -1, .pidfd = -1, .image = -1,
		.incarnation = state_slot_begin(&sup->primary->state, at, h->group),
	};
	snprintf(sup->slot[at].name, sizeof(sup->slot[at].name), "%.25s.held", sup->primary->config.group[h->group].name);
	memcpy(sup->slot[at].ready.version, h->version, sizeof(sup->slot[at].ready.version));
	memcpy(sup->slot[at].path, h->path, sizeof(sup->slot[at].path));
	residence_take(&sup->primary->stats, at, sup->primary->config.group[h->group].name, h->version);
	datapath_slot_shadow(sup->primary->dp, at, false);
	datapath_slot_attach(sup->primary->dp, at, h->group);
	slot_publish(sup, at);
	place->slot = at;
	place->phase = PLACE_ATTACHING;
	return true;
}

static void note(const struct supervisor *sup, const struct held_bucket *h)
{
	const char *name = sup->primary->config.group[h->group].name;
	json_t *o = json_object();

	log_warn("group %s: bucket %u is held as before the start of batond: version %s died converting its records of schema "
		 "%u to %u, and the version that runs does not read them", name, h->bucket, h->version, h->schema, h->to);
	reply_set_text(o, "group", name);
	reply_set_text(o, "what", "still held");
	reply_set_count(o, "bucket", h->bucket);
	reply_set_count(o, "deaths", h->deaths);
	reply_set_count(o, "schema", h->to);
	reply_set_text(o, "version", h->version);
	audit_note(sup->primary, "bucket", o);
}

static void placed(struct supervisor *sup, uint32_t service)
{
	struct held_place *place = &sup->held.place[service];

	for (uint32_t i = 0; i < sup->held.count; i++) {
		struct held_bucket *h = &sup->held.bucket[i];

		if (h->service != service || h->slot != SLOT_NONE)
			continue;
		h->slot = place->slot;
		h->incarnation = sup->slot[place->slot].incarnation;
		note(sup, h);
	}
	datapath_slot_held(sup->primary->dp, place->slot);
	slot_publish(sup, place->slot);
	place->phase = PLACE_NONE;
}

static void place_service(struct supervisor *sup, uint32_t service)
{
	static uint64_t map[SHARE_WORDS]; /* main lcore only */
	struct held_place *place = &sup->held.place[service];
	struct datapath *dp = sup->primary->dp;
	const struct held_bucket *last = NULL;
	struct move_report report;

	if (place->phase == PLACE_MOVING) {
		if (datapath_move_done(dp, place->id, &report))
			placed(sup, service);
		return;
	}
	if (map_of(sup, service, map, &last) == 0)
		return;
	if (place->phase == PLACE_NONE && !open_slot(sup, service, last))
		return;
	if (!datapath_slot_attached(dp, place->slot))
		return;
	struct move_order order = {.service = service, .from = SLOT_NONE, .to = place->slot, .map = map};
	place->id = datapath_move(dp, &order);
	if (place->id == -EBUSY)
		return;
	if (place->id <= 0)
		log_error("held buckets cannot be put aside: %s", strerror(-place->id));
	/* Whoever it is moved to is dead: the buckets are its orphans, which no worker has ever seen. */
	datapath_slot_dead(dp, place->slot);
	place->phase = PLACE_MOVING;
}

void held_place_poll(struct supervisor *sup)
{
	for (uint32_t i = 0; i < sup->primary->config.services && !sup->stopping; i++)
		place_service(sup, i);
}
