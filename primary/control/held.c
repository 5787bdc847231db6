/* Held buckets: noted, tried again, given to whoever can have them. */
#include "held.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "held_store.h"
#include "log.h"
#include "process.h"
#include "reply.h"
#include "schema_check.h"
#include "supervisor.h"

#define AGAIN_NS 1000000000ull /* between two tries; the first is at once, for a crash may have been an accident */

static bool is_of(const struct supervisor *sup, const struct held_bucket *h, uint32_t slot)
{
	return h->slot == slot && h->incarnation == sup->slot[slot].incarnation;
}

/* held.count: it is not held. */
static uint32_t index_of(const struct supervisor *sup, uint32_t service, uint32_t bucket)
{
	uint32_t i = 0;

	while (i < sup->held.count && (sup->held.bucket[i].service != service || sup->held.bucket[i].bucket != bucket))
		i++;
	return i;
}

const struct held_bucket *held_find(const struct supervisor *sup, uint32_t service, uint32_t bucket)
{
	uint32_t i = index_of(sup, service, bucket);

	return i < sup->held.count ? &sup->held.bucket[i] : NULL;
}

bool held_slot(const struct supervisor *sup, uint32_t slot)
{
	const struct worker_slot *s = &sup->slot[slot];
	uint32_t count = 0;

	if (sup->held.count == 0 || s->state != WORKER_DEAD || !s->recovered)
		return false;
	for (uint32_t i = 0; i < sup->held.count; i++)
		count += is_of(sup, &sup->held.bucket[i], slot);
	return count != 0 && count >= s->orphans;
}

static void note_in_audit(const struct supervisor *sup, const struct held_bucket *h, const char *what)
{
	json_t *o = json_object();

	reply_set_text(o, "group", sup->primary->config.group[h->group].name);
	reply_set_text(o, "what", what);
	reply_set_count(o, "bucket", h->bucket);
	reply_set_count(o, "deaths", h->deaths);
	reply_set_count(o, "schema", h->to);
	reply_set_text(o, "version", h->version);
	audit_note(sup->primary, "bucket", o);
}

/* ---- whose it is ---- */

/* A worker of the group's own, other than `but`; sup->workers: there is none. */
static uint32_t a_stable_one(const struct supervisor *sup, uint32_t group, uint32_t but)
{
	uint32_t i = 0;

	while (i < sup->workers && (i == but || sup->worker[i].group != group || sup->worker[i].gone ||
				    sup->worker[i].role != ROLE_STABLE))
		i++;
	return i;
}

void held_rehome(struct supervisor *sup, uint32_t worker)
{
	uint32_t to = a_stable_one(sup, sup->worker[worker].group, worker);

	for (uint32_t i = 0; i < sup->slots && to < sup->workers; i++)
		if (sup->slot[i].worker == worker && held_slot(sup, i))
			sup->slot[i].worker = to;
}

/* The dead one may have been a candidate's, whose worker leaves: the slot is the group's. */
static void take_slot(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];
	uint32_t group = sup->worker[s->worker].group, to = a_stable_one(sup, group, SLOT_NONE);

	if (sup->worker[s->worker].role != ROLE_STABLE && to < sup->workers)
		s->worker = to;
	snprintf(s->name, sizeof(s->name), "%.25s.held", sup->primary->config.group[group].name);
	slot_publish(sup, slot);
}

/* ---- in a transfer ---- */

bool held_note(struct supervisor *sup, uint32_t worker, uint32_t bucket)
{
	const struct transfer *t = &sup->worker[worker].transfer;
	uint32_t at = index_of(sup, t->service, bucket);
	struct held_bucket *h = &sup->held.bucket[at];

	if (at == HELD_MOST)
		return false;
	bool fresh = at == sup->held.count || !is_of(sup, h, t->from);
	sup->held.count += at == sup->held.count;
	if (fresh)
		*h = (struct held_bucket){.group = sup->worker[worker].group, .service = t->service, .bucket = bucket,
					  .slot = t->from, .incarnation = t->from_incarnation};
	h->deaths++;
	h->to = sup->slot[t->to].ready.schema;
	h->left_by = t->id;
	h->schema = state_schema(&sup->primary->state, h->group, bucket);
	memcpy(h->version, sup->slot[t->from].ready.version, sizeof(h->version));
	memcpy(h->path, sup->slot[t->from].path, sizeof(h->path));
	h->again_ns = h->deaths == 1 ? 0 : process_now_ns() + AGAIN_NS;
	held_save(sup);
	log_error("group %s: bucket %u ends whoever converts its records to schema %u (%u of %u times): it is held, the others "
		  "go on%s", sup->primary->config.group[h->group].name, bucket, h->to, h->deaths, HELD_TRIES,
		  h->deaths < HELD_TRIES ? ", and it is tried again" : "; `batonctl status` says what to do");
	if (fresh || h->deaths == HELD_TRIES)
		note_in_audit(sup, h, fresh ? "held" : "given up until an operator says so");
	return true;
}

static bool in_transfer(const struct supervisor *sup, const struct transfer *t, uint32_t bucket)
{
	return datapath_owner(sup->primary->dp, t->service, bucket) == t->from &&
	       (!t->part || buckets_has(sup->scale.map, bucket));
}

static bool may_be_tried(const struct held_bucket *h)
{
	return (h->deaths < HELD_TRIES || BATON_SABOTAGE(held_bucket_tried_for_ever)) && process_now_ns() >= h->again_ns;
}

/* Those that may be tried again are, but not among others that wait for nothing else. */
bool held_of_transfer(struct supervisor *sup, uint32_t worker, uint64_t *map)
{
	const struct transfer *t = &sup->worker[worker].transfer;
	bool alone = t->from != SLOT_NONE && held_slot(sup, t->from), any = false;

	memset(map, 0, SHARE_WORDS * sizeof(*map));
	for (uint32_t i = 0; i < sup->held.count && t->from != SLOT_NONE; i++) {
		struct held_bucket *h = &sup->held.bucket[i];

		if (!is_of(sup, h, t->from) || h->service != t->service || !in_transfer(sup, t, h->bucket) ||
		    (alone && may_be_tried(h)))
			continue;
		h->left_by = t->id;
		buckets_add(map, h->bucket);
		any = true;
	}
	return any;
}

bool held_all_left(const struct supervisor *sup, uint32_t worker)
{
	const struct transfer *t = &sup->worker[worker].transfer;

	if (sup->held.count == 0 || t->from == SLOT_NONE)
		return false;
	for (uint32_t b = 0; b < sup->primary->config.service[t->service].buckets; b++) {
		const struct held_bucket *h;

		if (!in_transfer(sup, t, b))
			continue;
		h = held_find(sup, t->service, b);
		if (h == NULL || h->left_by != t->id)
			return false;
	}
	return true;
}

/* ---- tried again ---- */

void held_again(struct supervisor *sup, uint32_t group)
{
	bool any = false;

	for (uint32_t i = 0; i < sup->held.count; i++)
		if (sup->held.bucket[i].group == group) {
			sup->held.bucket[i].deaths = 0;
			sup->held.bucket[i].again_ns = 0;
			any = true;
		}
	if (any)
		held_save(sup);
}

static bool may_receive(const struct supervisor *sup, uint32_t worker, uint32_t group)
{
	const struct worker *w = &sup->worker[worker];

	return w->group == group && w->role == ROLE_STABLE && w->shadow == SHADOW_NONE && !w->gone && !w->held &&
	       !w->leaving && !w->drained && !w->debugged && !w->transfer.open && w->slot != SLOT_NONE &&
	       slot_usable(sup, w->slot);
}

/* The records are what its version keeps or migrates by itself: nothing is converted on the way. */
static bool reads_all(const struct supervisor *sup, uint32_t worker, uint32_t slot)
{
	struct plugin_info info;

	schema_info(&sup->slot[sup->worker[worker].slot].ready, &info);
	for (uint32_t i = 0; i < sup->held.count; i++) {
		const struct held_bucket *h = &sup->held.bucket[i];
		struct bucket_word word;

		if (!is_of(sup, h, slot))
			continue;
		word = bucket_word_load(&state_words(&sup->primary->state, h->group)[h->bucket]);
		if (word.to != 0 && info.schema != word.to && info.schema != state_schema(&sup->primary->state, h->group, h->bucket))
			return false;
		if (!schema_takes(&info, state_schema(&sup->primary->state, h->group, h->bucket)))
			return false;
	}
	return true;
}

static bool any_may_be_tried(const struct supervisor *sup, uint32_t slot)
{
	for (uint32_t i = 0; i < sup->held.count; i++)
		if (is_of(sup, &sup->held.bucket[i], slot) && may_be_tried(&sup->held.bucket[i]))
			return true;
	return false;
}

static void try_again(struct supervisor *sup, uint32_t slot)
{
	uint32_t group = sup->worker[sup->slot[slot].worker].group, receiver = sup->workers;

	for (uint32_t i = 0; i < sup->workers; i++) {
		if (!may_receive(sup, i, group))
			continue;
		if (reads_all(sup, i, slot)) {
			transfer_begin(sup, i, slot, sup->worker[i].slot);
			return;
		}
		receiver = receiver == sup->workers ? i : receiver;
	}
	/* What failed without a death, for want of the version's file, is not tried with every turn of the main loop. */
	if (receiver != sup->workers && any_may_be_tried(sup, slot) &&
	    (process_now_ns() >= sup->worker[receiver].convert_again_ns || BATON_SABOTAGE(held_bucket_tried_every_turn)))
		transfer_begin(sup, receiver, slot, sup->worker[receiver].slot);
}

/* It moves already. */
static bool is_given(const struct supervisor *sup, uint32_t slot)
{
	for (uint32_t i = 0; i < sup->workers; i++)
		if (sup->worker[i].transfer.open && sup->worker[i].transfer.from == slot)
			return true;
	return false;
}

static void forget_served(struct supervisor *sup)
{
	uint32_t before = sup->held.count;

	for (uint32_t i = sup->held.count; i-- > 0;) {
		struct held_bucket *h = &sup->held.bucket[i];
		uint32_t owner = datapath_owner(sup->primary->dp, h->service, h->bucket);

		if (h->slot == SLOT_NONE || (owner == h->slot && sup->slot[owner].incarnation == h->incarnation))
			continue;
		log_info("group %s: bucket %u, which was held, is served again%s%s",
			 sup->primary->config.group[h->group].name, h->bucket, owner == SLOT_NONE ? "" : " by ",
			 owner == SLOT_NONE ? "" : sup->slot[owner].name);
		note_in_audit(sup, h, "served again");
		*h = sup->held.bucket[--sup->held.count];
	}
	if (sup->held.count != before)
		held_save(sup);
}

void held_poll(struct supervisor *sup)
{
	if (sup->held.count == 0)
		return;
	held_place_poll(sup);
	forget_served(sup);
	for (uint32_t i = 0; i < sup->slots; i++) {
		if (!held_slot(sup, i))
			continue;
		if (strstr(sup->slot[i].name, ".held") == NULL)
			take_slot(sup, i);
		/* An operation knows workers and their transfers: these wait for its end. */
		if (!sup->stopping && sup->restart.phase == RESTART_IDLE && sup->scale.phase == SCALE_IDLE &&
		    sup->state_op.kind != STATE_OP_RESTORE && !is_given(sup, i))
			try_again(sup, i);
	}
}

/* ---- shown ---- */

json_t *held_show(const struct supervisor *sup, uint32_t service)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < sup->held.count; i++) {
		const struct held_bucket *h = &sup->held.bucket[i];
		struct slot_parked parked = {0};
		json_t *o;

		if (h->service != service)
			continue;
		o = json_object();
		reply_set_count(o, "bucket", h->bucket);
		if (h->slot != SLOT_NONE)
			reply_set_count(o, "slot", h->slot);
		reply_set_count(o, "deaths", h->deaths);
		reply_set_count(o, "schema", state_schema(&sup->primary->state, h->group, h->bucket));
		reply_set_count(o, "to_schema", h->to);
		reply_set_text(o, "version", h->version);
		if (h->slot != SLOT_NONE)
			datapath_slot_parked(sup->primary->dp, h->slot, &parked);
		reply_set_count(o, "packets", parked.packets); /* of all buckets that the slot is kept for */
		json_object_set_new(o, "tried_again", json_boolean(h->deaths < HELD_TRIES));
		json_array_append_new(list, o);
	}
	return list;
}

bool held_words(const struct supervisor *sup, uint32_t group, char *words, size_t bytes)
{
	static uint64_t map[SHARE_WORDS]; /* main lcore only */
	const char *name = sup->primary->config.group[group].name;
	const struct held_bucket *last = NULL;
	uint32_t count = 0;
	char *text;

	memset(map, 0, sizeof(map));
	for (uint32_t i = 0; i < sup->held.count; i++)
		if (sup->held.bucket[i].group == group) {
			last = &sup->held.bucket[i];
			buckets_add(map, last->bucket);
			count++;
		}
	if (last == NULL)
		return false;
	text = buckets_format(map, sup->primary->config.service[last->service].buckets);
	snprintf(words, bytes, "group %s: bucket%s %.120s held: version %s dies when it converts %s records to schema %u, their "
		 "packets wait and expire; `batonctl worker restart %s --version V` with one that reads them, or `batonctl "
		 "state restore FILE --buckets %.120s --group %s`", name, count == 1 ? "" : "s", text ? text : "?",
		 last->version, count == 1 ? "its" : "their", last->to, name, text ? text : "?", name);
	free(text);
	return true;
}
