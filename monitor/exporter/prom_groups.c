/* Groups: whether they serve, what is left of their restarts, what is parked. */
#include "exporter/prom_text.h"

static void begin_group(struct prom *p, uint32_t group)
{
	prom_begin(p, "");
	prom_label(p, "group", p->s->group[group].name);
}

static uint64_t word(const struct stats_group *group, size_t offset)
{
	return *(const uint32_t *)(const void *)((const char *)group + offset);
}

static void write_states(struct prom *p)
{
	prom_family(p, "baton_group_state", "gauge", "1 for the state a group is in, 0 for the others");
	for (uint32_t i = 0; i < p->s->groups; i++)
		for (uint32_t state = GROUP_SERVING; state < GROUP_STATE_COUNT; state++) {
			begin_group(p, i);
			prom_label(p, "state", group_state_name(state));
			prom_end_count(p, p->s->group[i].state == state);
		}
	prom_family(p, "baton_group_info", "gauge", "version that a group runs, and the one that it fell back from");
	for (uint32_t i = 0; i < p->s->groups; i++) {
		begin_group(p, i);
		prom_label(p, "version", p->s->group[i].version);
		prom_label(p, "fell_back_from", p->s->group[i].failed);
		prom_end_count(p, 1);
	}
}

void prom_groups(struct prom *p)
{
#define AT(field) offsetof(struct stats_group, field)
	static const struct {
		const char *name, *help;
		size_t offset;
	} gauge[] = {
		{ "baton_group_workers", "workers that are to own buckets", AT(workers) },
		{ "baton_group_workers_serving", "workers that do", AT(serving) },
		{ "baton_group_restarts_spent", "crashes within restart_window", AT(crashes) },
		{ "baton_group_restarts_limit", "crashes that spend the restarts; 0: no end", AT(burst) },
		{ "baton_group_failed_starts", "starts that failed, of workers that are down", AT(failed_starts) },
		{ "baton_group_standbys_ready", "processes ready to take over from a worker that dies", AT(standbys) },
		{ "baton_group_standbys_wanted", "as the configuration has it", AT(standbys_wanted) },
		{ "baton_group_parked_buckets", "buckets whose worker is gone, without a successor", AT(parked_buckets) },
	};
#undef AT

	write_states(p);
	for (size_t k = 0; k < sizeof(gauge) / sizeof(gauge[0]); k++) {
		prom_family(p, gauge[k].name, "gauge", gauge[k].help);
		for (uint32_t i = 0; i < p->s->groups; i++) {
			begin_group(p, i);
			prom_end_count(p, word(&p->s->group[i], gauge[k].offset));
		}
	}
	prom_family(p, "baton_group_parked_packets", "gauge", "packets that wait for buckets without a worker");
	for (uint32_t i = 0; i < p->s->groups; i++) {
		begin_group(p, i);
		prom_end_count(p, p->s->group[i].parked_packets);
	}
	prom_family(p, "baton_group_parked_oldest_seconds", "gauge", "age of the oldest of them");
	for (uint32_t i = 0; i < p->s->groups; i++) {
		begin_group(p, i);
		prom_end_real(p, (double)p->s->group[i].parked_ns / 1e9);
	}
}
