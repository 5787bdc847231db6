/* Conversions on the way from owner to owner. */
#include "convert.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "process.h"
#include "schema_check.h"
#include "supervisor.h"

#define CONVERT_TRIES   3u
#define CONVERT_LEAVES  8u /* a version that dies of more records than that in one go is at fault, not they */
#define CONVERT_WAIT_NS 5000000000ull /* all of it: packets wait meanwhile */

static const struct plugin_info *facts(const struct supervisor *sup, uint32_t slot)
{
	static struct plugin_info info; /* main lcore only */

	schema_info(&sup->slot[slot].ready, &info);
	return &info;
}

static bool same_process(const struct supervisor *sup, uint32_t slot, uint32_t incarnation)
{
	return slot != SLOT_NONE && sup->slot[slot].incarnation == incarnation && slot_usable(sup, slot);
}

/* Calls take() for each bucket of the transfer's service that `from` has, until it returns false. Returns the last. */
static bool every_bucket(struct supervisor *sup, const struct worker *w,
			 bool (*take)(const struct bucket_word *word, uint32_t schema, const void *arg), const void *arg)
{
	const struct primary *primary = sup->primary;
	const struct transfer *t = &w->transfer;
	const struct state_group *g = &primary->state.header->group[w->group];
	uint32_t buckets = primary->config.service[t->service].buckets;

	for (uint32_t b = 0; b < buckets && b < g->buckets; b++) {
		if (datapath_owner(primary->dp, t->service, b) != t->from ||
		    (t->part && !buckets_has(sup->scale.map, b)))
			continue;
		struct bucket_word word = bucket_word_load(&state_words(&primary->state, w->group)[b]);
		if (!take(&word, word.schema != 0 ? word.schema : g->schema, arg))
			return false;
	}
	return true;
}

static bool target_takes(const struct bucket_word *word, uint32_t schema, const void *arg)
{
	const struct plugin_info *to = arg;

	/* half converted: by a worker that knows both, which is of the newer one's version */
	if (word->to != 0)
		return to->schema == (word->to > schema ? word->to : schema);
	return schema_takes(to, schema);
}

bool convert_needed(struct supervisor *sup, uint32_t worker)
{
	const struct worker *w = &sup->worker[worker];
	const struct transfer *t = &w->transfer;
	struct plugin_info to = *facts(sup, t->to);

	if (sup->primary->state.base == NULL || sup->primary->state.header->group[w->group].record_size == 0)
		return false;
	/* It may migrate another bucket before it lets go of it. */
	if (t->from != SLOT_NONE && t->from != t->to && slot_usable(sup, t->from) &&
	    !schema_takes(&to, sup->slot[t->from].ready.schema))
		return true;
	return !every_bucket(sup, w, target_takes, &to);
}

struct pair {
	const struct plugin_info *via;
	uint32_t to;
};

static bool via_converts(const struct bucket_word *word, uint32_t schema, const void *arg)
{
	const struct pair *pair = arg;
	uint32_t high = word->to > schema ? word->to : schema;

	if (word->to != 0 && pair->via->schema != high)
		return false;
	return schema_converts(pair->via, high, pair->to) && schema_converts(pair->via, schema, pair->to);
}

/* A shadow has copies of the records; who is debugged may stand still for hours. */
static bool at_hand(const struct supervisor *sup, uint32_t slot, uint32_t group)
{
	const struct worker_slot *s = &sup->slot[slot];
	const struct worker *w = &sup->worker[s->worker];

	if (s->state == WORKER_NONE || w->group != group)
		return false;
	return (s->shadow == SHADOW_NONE || BATON_SABOTAGE(shadow_converts)) && !(w->debugged && w->slot == slot);
}

/* Its version can bring all of these buckets to the target's schema. */
static bool can(struct supervisor *sup, const struct worker *w, uint32_t slot)
{
	struct plugin_info via = *facts(sup, slot);
	struct pair pair = {.via = &via, .to = sup->slot[w->transfer.to].ready.schema};

	return slot_usable(sup, slot) && every_bucket(sup, w, via_converts, &pair);
}

static uint32_t choose(struct supervisor *sup, const struct worker *w)
{
	const struct transfer *t = &w->transfer;

	if (t->from != SLOT_NONE && sup->slot[t->from].incarnation == t->from_incarnation && can(sup, w, t->from))
		return t->from;
	/* Nobody who serves players is given what others have died of. */
	if (t->from != SLOT_NONE && held_slot(sup, t->from) && !BATON_SABOTAGE(held_bucket_given_to_a_worker))
		return SLOT_NONE;
	for (uint32_t i = 0; i < sup->slots; i++)
		if (at_hand(sup, i, w->group) && can(sup, w, i))
			return i;
	return SLOT_NONE;
}

static void give_back(struct supervisor *sup, struct worker *w, const char *why)
{
	struct transfer *t = &w->transfer;
	char words[sizeof(w->trouble)], stay[64];

	snprintf(words, sizeof(words), "records cannot be converted to schema %u: %s", sup->slot[t->to].ready.schema, why);
	snprintf(stay, sizeof(stay), "buckets of slot %u stay where they were", t->from);
	worker_complain(w, words, stay);
	t->convert.hold = false;
	t->returned = true;
	datapath_move_release(sup->primary->dp, t->id, true);
}

/* A process of the version that left the records as they are. Returns false if there can be none. */
static bool start(struct supervisor *sup, uint32_t worker, char *why, size_t bytes)
{
	struct transfer *t = &sup->worker[worker].transfer;
	uint32_t slot;

	if (t->from == SLOT_NONE || sup->slot[t->from].path[0] == '\0') {
		snprintf(why, bytes, "no worker of the group knows how");
		return false;
	}
	if (access(sup->slot[t->from].path, R_OK) != 0) {
		snprintf(why, bytes, "%.160s, the file of version %.31s, is gone: put it back", sup->slot[t->from].path,
			 sup->slot[t->from].ready.version);
		return false;
	}
	int rc = slot_spawn_converter(sup, worker, sup->slot[t->from].path, &slot, why, bytes);
	if (rc != 0)
		return false;
	t->convert.via = slot;
	t->convert.via_incarnation = sup->slot[slot].incarnation;
	t->convert.started = true;
	return true;
}

/* Who was at work, or was to be, is gone. */
static bool via_is_lost(const struct supervisor *sup, const struct convert *c)
{
	const struct worker_slot *s = &sup->slot[c->via];

	return s->incarnation != c->via_incarnation || s->state == WORKER_NONE || s->state == WORKER_DEAD ||
	       s->state == WORKER_STOPPING;
}

static void choose_next(struct supervisor *sup, uint32_t worker)
{
	struct worker *w = &sup->worker[worker];
	struct convert *c = &w->transfer.convert;
	char why[256] = "whoever tried has died of it";

	if (c->tries++ == CONVERT_TRIES)
		return give_back(sup, w, why);
	c->asked = c->started = false;
	c->via = choose(sup, w);
	if (c->via != SLOT_NONE)
		c->via_incarnation = sup->slot[c->via].incarnation;
	else if (!start(sup, worker, why, sizeof(why)))
		give_back(sup, w, why);
}

void convert_death(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];

	if (sup->primary->state.base == NULL || !(s->fault || s->stalled))
		return;
	for (uint32_t i = 0; i < sup->workers; i++) {
		struct transfer *t = &sup->worker[i].transfer;

		if (!t->open || !t->convert.asked || t->convert.via != slot || t->convert.via_incarnation != s->incarnation)
			continue;
		t->convert.died_at = atomic_load_explicit(&state_control(&sup->primary->state, slot)->converting,
							  memory_order_relaxed);
		s->by_records = t->convert.died_at != 0;
	}
}

/* Of the move's buckets, those that `takes` names stay with the dead one that had them. */
static bool leave(struct supervisor *sup, struct worker *w, const uint64_t *map)
{
	struct transfer *t = &w->transfer;

	datapath_leave(sup->primary->dp, t->id, map);
	t->convert.leaving = true;
	t->convert.asked = t->convert.started = false;
	t->convert.via = SLOT_NONE;
	t->convert.tries = 0;
	t->convert.deadline_ns = process_now_ns() + CONVERT_WAIT_NS;
	return true;
}

/* Whoever converted has died, and is undone: the bucket that it was at is set apart, the others go on. Returns false if
 * it is not known which, or it cannot be: the old owner lives, or nobody owned it. */
static bool leave_poisoned(struct supervisor *sup, uint32_t worker)
{
	static uint64_t map[SHARE_WORDS]; /* main lcore only */
	struct worker *w = &sup->worker[worker];
	struct transfer *t = &w->transfer;
	uint32_t bucket = t->convert.died_at - 1;
	bool known = t->convert.died_at != 0 && t->from != SLOT_NONE && sup->slot[t->from].state == WORKER_DEAD &&
		     sup->slot[t->from].incarnation == t->from_incarnation;

	t->convert.died_at = 0;
	/* Its worker could write what it liked: the bucket must be one that it was given. */
	if (!known || bucket >= sup->primary->config.service[t->service].buckets ||
	    datapath_owner(sup->primary->dp, t->service, bucket) != t->from ||
	    (t->part && !buckets_has(sup->scale.map, bucket)) || t->convert.left == CONVERT_LEAVES ||
	    BATON_SABOTAGE(poisoned_record_holds_all))
		return false;
	if (!held_note(sup, worker, bucket))
		return false;
	t->convert.left++;
	memset(map, 0, sizeof(map));
	buckets_add(map, bucket);
	return leave(sup, w, map);
}

void convert_poll(struct supervisor *sup, uint32_t worker)
{
	struct worker *w = &sup->worker[worker];
	struct transfer *t = &w->transfer;
	struct convert *c = &t->convert;
	struct datapath *dp = sup->primary->dp;

	/* While the primary stops nobody is started any more, and the records are sound as they are. */
	if (!c->hold || sup->stopping || !datapath_move_held(dp, t->id))
		return;
	if (c->deadline_ns == 0) {
		BATON_POINT(convert_held);
		c->deadline_ns = process_now_ns() + CONVERT_WAIT_NS;
	}
	if (!datapath_left(dp, t->id))
		return;
	c->leaving = false;
	if (!c->sorted) {
		static uint64_t map[SHARE_WORDS]; /* main lcore only */

		c->sorted = true;
		if (held_of_transfer(sup, worker, map)) {
			leave(sup, w, map);
			return;
		}
	}
	if (c->asked && datapath_converted(dp, t->id)) {
		c->hold = false;
		log_info("%s: records converted to schema %u by slot %u", w->name, sup->slot[t->to].ready.schema, c->via);
		datapath_move_release(dp, t->id, false);
		BATON_POINT(convert_released);
		return;
	}
	if (c->via != SLOT_NONE && via_is_lost(sup, c)) {
		/* What it had not committed is undone first. */
		bool gone = sup->slot[c->via].state == WORKER_NONE || sup->slot[c->via].incarnation != c->via_incarnation;
		if (!gone && !datapath_slot_undone(dp, c->via) && !BATON_SABOTAGE(convert_before_undo))
			return;
		if (leave_poisoned(sup, worker))
			return;
		c->via = SLOT_NONE;
	}
	if (held_all_left(sup, worker)) {
		c->hold = false;
		datapath_move_release(dp, t->id, false);
		return;
	}
	if (c->via == SLOT_NONE)
		return choose_next(sup, worker);
	if (!c->asked && same_process(sup, c->via, c->via_incarnation)) {
		if (!can(sup, w, c->via))
			return give_back(sup, w, "the file it was started from is another version by now");
		c->asked = true;
		datapath_convert(dp, t->id, c->via, sup->slot[t->to].ready.schema);
		return;
	}
	if (process_now_ns() >= c->deadline_ns && !c->asked)
		give_back(sup, w, "it took more than 5 s to start a worker that can");
}

void convert_end(struct supervisor *sup, uint32_t worker)
{
	struct convert *c = &sup->worker[worker].transfer.convert;

	if (c->started && c->via != SLOT_NONE && sup->slot[c->via].incarnation == c->via_incarnation &&
	    sup->slot[c->via].state >= WORKER_STARTING && sup->slot[c->via].state < WORKER_STOPPING)
		slot_event(sup, c->via, EVENT_STOP);
	*c = (struct convert){.via = SLOT_NONE};
}

void convert_adopt(struct supervisor *sup, uint32_t group)
{
	struct plugin_info *stable = &sup->primary->plugin[group], found = *stable;
	bool any = false;

	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];

		if (w->group != group || w->gone || w->role != ROLE_STABLE || w->slot == SLOT_NONE ||
		    sup->slot[w->slot].ready.abi == 0)
			continue;
		if (any && sup->slot[w->slot].ready.schema != found.schema)
			return;
		schema_info(&sup->slot[w->slot].ready, &found);
		any = true;
	}
	stable->schema = found.schema;
	stable->record_size = found.record_size;
	stable->olders = found.olders;
	memcpy(stable->older, found.older, sizeof(stable->older));
}
