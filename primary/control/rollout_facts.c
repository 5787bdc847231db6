/* What rollout_explain.h wants to know of a running primary. */
#include <math.h>
#include <string.h>

#include "baton.h"
#include "reply.h"
#include "rollout_explain.h"
#include "rollout_explain_text.h"
#include "rollout_inner.h"
#include "share.h"
#include "supervisor.h"

#define RECORDS_LOOKED_AT 65536u /* in one turn of the main loop: some milliseconds at most */

static uint32_t service_of(const struct primary *primary, uint32_t group)
{
	uint32_t s = 0;

	while (s + 1 < primary->config.services && primary->config.service[s].group_index != group)
		s++;
	return s;
}

/* Records in use in the bucket. Their owner may change them meanwhile: it is a count for people. */
static uint64_t used_in(const struct state *state, uint32_t group, uint32_t bucket)
{
	const struct state_group *g = &state->header->group[group];
	const uint8_t *base = state_records(state, group) + (uint64_t)bucket * g->bucket_slots * g->stride;
	uint64_t used = 0;

	for (uint32_t i = 0; i < g->bucket_slots; i++) {
		const struct baton_record *record = (const void *)(base + (uint64_t)i * g->stride);

		used += *(const volatile uint32_t *)&record->state == BATON_RECORD_USED;
	}
	return used;
}

/* Of all buckets, or as many of them, evenly spread, as can be looked at. */
static void count_players(const struct primary *primary, uint32_t group, struct rollout_facts *out)
{
	const struct state_group *g = &primary->state.header->group[group];
	uint32_t most = g->bucket_slots ? RECORDS_LOOKED_AT / g->bucket_slots : 0, looked = 0;
	uint64_t used = 0;

	if (g->record_size == 0 || most == 0)
		return;
	uint32_t step = (g->buckets + most - 1) / most;
	for (uint32_t b = 0; b < g->buckets; b += step, looked++)
		used += used_in(&primary->state, group, b);
	out->players_known = true;
	out->players = used * g->buckets / looked;
}

static void look_at_cohort(const struct primary *primary, uint32_t group, uint32_t service,
			   const struct config_rollout *rollout, struct rollout_facts *out)
{
	const struct state_group *g = &primary->state.header->group[group];
	uint32_t bucket[CONFIG_COHORT];
	char why[160];

	out->cohort_known = g->record_size != 0;
	for (uint32_t i = 0; i < rollout->cohorts; i++) {
		bool seen = false;

		uint32_t *at = &bucket[out->cohort_buckets];
		if (scale_key_bucket(primary, service, rollout->cohort[i], at, why, sizeof(why)) != 0) {
			out->cohort_known = false; /* a key that this service has not: the start says so */
			return;
		}
		for (uint32_t o = 0; o < out->cohort_buckets; o++)
			seen = seen || bucket[o] == *at;
		if (seen)
			continue;
		if (out->cohort_known)
			out->cohort_players += used_in(&primary->state, group, *at);
		out->cohort_buckets++;
	}
}

/* Packets that the group's slots have settled, ever. */
static uint64_t packets_of(const struct supervisor *sup, uint32_t group, uint64_t *all)
{
	const struct stats *stats = &sup->primary->stats;
	uint64_t mine = 0;

	*all = 0;
	for (uint32_t slot = 0; slot < sup->slots; slot++) {
		const struct worker_slot *s = &sup->slot[slot];
		uint64_t packets = 0;

		if (s->state == WORKER_NONE || s->standby)
			continue;
		for (uint32_t l = 0; l < stats->io_lcores; l++)
			packets += stats_slot(stats, l, slot)->packets;
		*all += packets;
		mine += sup->worker[s->worker].group == group ? packets : 0;
	}
	return mine;
}

/* What came to the ports in the latest second between two looks, by the group's share of what was ever settled; with one
 * service that is all of it. */
static double rate_of(const struct supervisor *sup, uint32_t group)
{
	const struct primary *primary = sup->primary;
	uint64_t all, mine = packets_of(sup, group, &all);
	double pps = 0;
	bool known = false;

	for (uint32_t p = 0; p < primary->config.ports; p++) {
		struct stats_port port;

		if (stats_port_read(&primary->stats, p, &port) != 0 || port.before.tsc == 0 ||
		    port.now.tsc <= port.before.tsc)
			continue;
		pps += (double)(port.now.rx_packets - port.before.rx_packets) * (double)primary->stats.header->tsc_hz /
		       (double)(port.now.tsc - port.before.tsc);
		known = true;
	}
	if (!known)
		return NAN;
	return all != 0 ? pps * (double)mine / (double)all : pps;
}

void rollout_facts(const struct primary *primary, uint32_t group, const struct config_rollout *rollout,
		   struct rollout_facts *out)
{
	const struct config *config = &primary->config;
	const struct config_group *g = &config->group[group];
	const struct supervisor *sup = primary->supervisor;
	uint32_t service = service_of(primary, group);

	*out = (struct rollout_facts){
		.buckets = config->service[service].buckets, .slots = config->worker_slots, .others = 1,
		.stall_ns = g->stall_timeout_ns ? g->stall_timeout_ns : g->stall_wall_ns, .pps = NAN,
	};
	for (uint32_t i = 0; i < config->groups; i++)
		out->others += config->group[i].standby;
	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];

		out->workers += w->group == group && w->role == ROLE_STABLE && !w->gone;
		out->others += w->group != group && !w->gone;
	}
	out->records = primary->state.header->group[group].record_size != 0;
	out->pps = rate_of(sup, group);
	count_players(primary, group, out);
	look_at_cohort(primary, group, service, rollout, out);
}

/* What holds the one that is under way, how the last one ended, and which builds are barred. */
static void add_past(const struct primary *primary, uint32_t group, json_t *reply)
{
	const struct rollout *r = rollout_of(primary, group);
	json_t *lines = json_object_get(reply, "text"), *barred = json_array();

	char awaited[96];

	if (r && rollout_gates_awaited(r, awaited, sizeof(awaited)))
		rollout_explain_awaited(lines, r->plan.name, r->step + 1, awaited);
	else
		awaited[0] = '\0';
	json_object_set_new(reply, "waits_for", awaited[0] ? reply_text(awaited) : json_null());
	json_object_set_new(reply, "last", r && r->pasts > 0 ? rollout_past_row(&r->past[r->pasts - 1]) : json_null());
	if (r && r->pasts > 0)
		rollout_explain_last(lines, &r->past[r->pasts - 1]);
	for (uint32_t i = 0; r && i < r->bars; i++) {
		json_array_append_new(barred, rollout_version_json(&r->barred[i].version));
		rollout_explain_bar(lines, r->plan.name, &r->barred[i]);
	}
	json_object_set_new(reply, "barred", barred);
}

json_t *rollout_explain_group(const struct primary *primary, uint32_t group)
{
	struct config_rollout rollout;
	struct rollout_facts facts;
	json_t *reply;

	if (!primary->supervisor)
		return reply_error("failed", "the primary is stopping");
	config_rollout_of(&primary->config, group, &rollout);
	rollout_facts(primary, group, &rollout, &facts);
	reply = rollout_explain_json(&rollout, &facts);
	add_past(primary, group, reply);
	return reply;
}
