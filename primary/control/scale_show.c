/* Who owns which buckets: what `buckets.show` answers. */
#include <stdlib.h>
#include <string.h>

#include "reply.h"
#include "supervisor.h"

static void set_buckets(json_t *o, const uint64_t *map, uint32_t buckets)
{
	char *text = buckets_format(map, buckets);
	uint32_t count = 0;

	for (uint32_t b = 0; b < buckets; b++)
		count += buckets_has(map, b);
	reply_set_count(o, "buckets", count);
	reply_set_text(o, "ranges", text ? text : "");
	free(text);
}

/* The buckets of all slots of a worker, or of none (worker: SLOT_NONE). */
static void owned_map(const struct supervisor *sup, uint32_t service, uint32_t worker, uint64_t *map)
{
	uint32_t buckets = sup->primary->config.service[service].buckets;

	memset(map, 0, SHARE_WORDS * sizeof(*map));
	for (uint32_t b = 0; b < buckets; b++) {
		uint32_t slot = datapath_owner(sup->primary->dp, service, b);

		if (held_find(sup, service, b) != NULL)
			continue; /* shown apart */
		if (slot == SLOT_NONE ? worker == SLOT_NONE : sup->slot[slot].worker == worker)
			buckets_add(map, b);
	}
}

static json_t *owners(const struct supervisor *sup, uint32_t service)
{
	static uint64_t map[SHARE_WORDS]; /* main lcore only */
	const struct config_service *config = &sup->primary->config.service[service];
	json_t *list = json_array();

	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];
		json_t *o;

		if (w->group != config->group_index || w->gone)
			continue;
		o = json_object();
		reply_set_text(o, "worker", w->name);
		reply_set_text(o, "state", w->slot == SLOT_NONE ? "none" : worker_state_name(sup->slot[w->slot].state));
		json_object_set_new(o, "drained", json_boolean(w->drained));
		owned_map(sup, service, i, map);
		set_buckets(o, map, config->buckets);
		json_array_append_new(list, o);
	}
	owned_map(sup, service, SLOT_NONE, map);
	json_t *nobody = json_object();
	json_object_set_new(nobody, "worker", json_null());
	reply_set_text(nobody, "state", "none");
	json_object_set_new(nobody, "drained", json_false());
	set_buckets(nobody, map, config->buckets);
	if (json_integer_value(json_object_get(nobody, "buckets")) > 0)
		json_array_append(list, nobody);
	json_decref(nobody);
	return list;
}

/* Its name and slot; a hot restart moves buckets from one slot of a worker to another. Null: nobody. */
static void set_worker(json_t *o, const char *name, const char *key, const struct supervisor *sup, uint32_t slot)
{
	json_object_set_new(o, name, slot == SLOT_NONE ? json_null() :
				     reply_text(sup->worker[sup->slot[slot].worker].name));
	json_object_set_new(o, key, slot == SLOT_NONE ? json_null() : reply_count(slot));
}

/* A list, although a service has one move at a time: readers need not care. */
static json_t *moving(const struct supervisor *sup, uint32_t service)
{
	struct move_order order;
	json_t *list = json_array(), *o;

	if (!datapath_moving(sup->primary->dp, service, &order))
		return list;
	o = json_object();
	set_worker(o, "from", "from_slot", sup, order.from);
	set_worker(o, "to", "to_slot", sup, order.to);
	set_buckets(o, order.map, sup->primary->config.service[service].buckets);
	json_array_append_new(list, o);
	return list;
}

json_t *scale_show(struct primary *primary, const char *group)
{
	const struct supervisor *sup = primary->supervisor;
	const struct config *config = &primary->config;
	json_t *reply = reply_ok(), *services = json_array();
	char words[96];

	if (sup)
		reply_set_text(reply, "operation", scale_words(sup, words, sizeof(words)));
	for (uint32_t i = 0; sup && i < config->services; i++) {
		const struct config_service *service = &config->service[i];
		json_t *o;

		if (group && strcmp(config->group[service->group_index].name, group) != 0)
			continue;
		o = json_object();
		reply_set_text(o, "service", service->name);
		reply_set_text(o, "group", config->group[service->group_index].name);
		reply_set_count(o, "buckets", service->buckets);
		json_object_set_new(o, "owners", owners(sup, i));
		json_object_set_new(o, "held", held_show(sup, i));
		json_object_set_new(o, "moving", moving(sup, i));
		json_array_append_new(services, o);
	}
	json_object_set_new(reply, "services", services);
	return reply;
}
