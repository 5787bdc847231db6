/* The tables behind `status`, `worker list` and `stats`. */
#include <stdio.h>
#include <string.h>

#include "process.h"
#include "reply.h"
#include "status.h"
#include "supervisor.h"

/* ---- ports ---- */

json_t *status_ports(const struct primary *primary)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < primary->config.ports; i++) {
		json_t *o = json_object();

		reply_set_text(o, "name", primary->config.port[i].name);
		reply_set_text(o, "device", primary->config.port[i].device);
		reply_set_text(o, "interface", primary->link[i].interface);
		reply_set_text(o, "state", port_state_name(primary->link[i].state));
		json_array_append_new(list, o);
	}
	return list;
}

/* ---- workers ---- */

static json_t *slot_row(const struct supervisor *sup, const struct worker *w, uint32_t slot, const char *role)
{
	const struct primary *primary = sup->primary;
	uint32_t group = w->group;
	static const struct worker nobody = { .name = "" };
	json_t *o = json_object();

	if (slot != SLOT_NONE && sup->slot[slot].standby) {
		w = &nobody; /* it has no history: that is its worker's, once it has one */
		reply_set_text(o, "name", sup->slot[slot].name);
	} else {
		reply_set_text(o, "name", w->name);
	}
	reply_set_text(o, "group", primary->config.group[group].name);
	reply_set_text(o, "role", role);
	reply_set_text(o, "rollout", w->role == ROLE_CANDIDATE ? "candidate" : w->role == ROLE_CONTROL ? "control" : "stable");
	reply_set_count(o, "restarts", w->restarts);
	reply_set_count(o, "crashes", w->crashes);
	reply_set_count(o, "stalls", w->stalls);
	reply_set_text(o, "trouble", w->trouble);
	if (slot == SLOT_NONE) {
		reply_set_text(o, "state", "none");
		return o;
	}
	const struct worker_slot *s = &sup->slot[slot];
	bool debugged = w->debugged && w->slot == slot && s->state == WORKER_ACTIVE;
	reply_set_text(o, "state", debugged ? "debug" : worker_state_name(s->state));
	reply_set_count(o, "slot", slot);
	reply_set_count(o, "pid", (uint64_t)s->pid);
	reply_set_count(o, "incarnation", s->incarnation);
	json_object_set_new(o, "cpu", s->cpu < 0 ? json_null() : json_integer(s->cpu));
	reply_set_text(o, "plugin", s->ready.plugin_name);
	reply_set_text(o, "version", s->ready.version);
	reply_set_text(o, "build_id", s->ready.build_id);
	reply_set_text(o, "path", s->path);
	reply_set_count(o, "buckets", datapath_owned(primary->dp, slot));
	json_object_set_new(o, "age_s", json_real((double)(process_now_ns() - s->spawned_ns) / 1e9));
	return o;
}

static const char *role_of(const struct worker_slot *s)
{
	switch (s->state) {
	case WORKER_STARTING:
	case WORKER_STANDBY:
		return "standby";
	case WORKER_DEAD:
		return "dead";
	default:
		return "retiring";
	}
}

json_t *status_workers(struct primary *primary)
{
	const struct supervisor *sup = primary->supervisor;
	json_t *list = json_array();

	if (!sup)
		return list;
	for (uint32_t i = 0; i < sup->workers; i++)
		if (!sup->worker[i].gone)
			json_array_append_new(list, slot_row(sup, &sup->worker[i], sup->worker[i].slot,
							     sup->worker[i].drained ? "drained" : "serving"));
	for (uint32_t i = 0; i < sup->slots; i++) {
		const struct worker_slot *s = &sup->slot[i];
		if (s->state != WORKER_NONE && sup->worker[s->worker].slot != i)
			json_array_append_new(list, slot_row(sup, &sup->worker[s->worker], i, role_of(s)));
	}
	return list;
}

/* ---- stats ---- */

static const uint64_t *counters_of(const struct CoreStats *page)
{
	return &page->rx_packets; /* they are one array: see core_stats.h */
}

static json_t *counters(const uint64_t *value)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < COUNTER_COUNT; i++)
		reply_set_count(o, core_counter_name(i), value[i]);
	return o;
}

static json_t *drop_table(const uint64_t *value)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < DROP_COUNT; i++)
		reply_set_count(o, core_drop_name(i), value[i]);
	return o;
}

json_t *status_stats(struct primary *primary)
{
	const struct stats *stats = &primary->stats;
	uint64_t total[COUNTER_COUNT] = { 0 }, drop[DROP_COUNT] = { 0 };
	json_t *reply = reply_ok(), *pages = json_array();

	for (uint32_t i = 0; i < stats->header->pages; i++) {
		const struct CoreStats *page = &stats->page[i];
		if (page->kind == CORE_UNUSED)
			continue;
		json_t *o = json_object();
		reply_set_text(o, "role", core_kind_name(page->kind));
		reply_set_text(o, "name", page->name[sizeof(page->name) - 1] ? "?" : page->name);
		reply_set_count(o, "cpu", page->cpu);
		json_object_set_new(o, "counters", counters(counters_of(page)));
		json_array_append_new(pages, o);
		for (uint32_t k = 0; k < COUNTER_COUNT; k++)
			total[k] += counters_of(page)[k];
		for (uint32_t k = 0; k < DROP_COUNT && page->kind != CORE_WORKER; k++)
			drop[k] += page->drop[k]; /* the primary's are the truth about packets */
	}
	reply_set_text(reply, "instance", primary->config.name);
	json_object_set_new(reply, "total", counters(total));
	json_object_set_new(reply, "drops", drop_table(drop));
	json_object_set_new(reply, "pages", pages);
	return reply;
}
