/* Where the configuration meets the machine's CPUs: `auto`, CPUs that exist, and the arithmetic of busy polling. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "loader.h"

#define CPUS 1024u

/* w: config_keep_cpus(), by the thread that loads */
static cpu_set_t kept;
static bool is_kept;

/* CPUs this process may run on: now, or when it was told to remember them. */
static void cpus_allowed(cpu_set_t *set)
{
	if (is_kept) {
		*set = kept;
		return;
	}
	if (sched_getaffinity(0, sizeof(*set), set) != 0) {
		CPU_ZERO(set);
		CPU_SET(0, set);
	}
}

void config_keep_cpus(void)
{
	is_kept = false;
	cpus_allowed(&kept);
	is_kept = true;
}

/* CPUs that are switched on, whatever this process was started with; batond pins its threads itself. */
static void cpus_online(cpu_set_t *set)
{
	char text[1024] = "";
	uint32_t cores[CPUS], count = 0;
	struct problem problem;
	FILE *file = fopen("/sys/devices/system/cpu/online", "re");

	CPU_ZERO(set);
	if (file) {
		if (fgets(text, sizeof(text), file))
			text[strcspn(text, "\n")] = '\0';
		fclose(file);
	}
	if (value_parse_cores(text, cores, &count, CPUS, &problem))
		cpus_allowed(set);
	for (uint32_t i = 0; i < count; i++)
		CPU_SET(cores[i], set);
}

/* 0-3,8 */
static void cpus_text(const cpu_set_t *set, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
		uint32_t last = cpu;

		if (!CPU_ISSET(cpu, set))
			continue;
		while (last + 1 < CPUS && CPU_ISSET(last + 1, set))
			last++;
		used = strlen(out);
		if (last > cpu)
			snprintf(out + used, size - used, "%s%u-%u", used ? "," : "", cpu, last);
		else
			snprintf(out + used, size - used, "%s%u", used ? "," : "", cpu);
		cpu = last;
	}
}

void loader_resolve(struct loader *l)
{
	struct config *c = l->config;
	cpu_set_t set;

	if (c->io_cores || !loader_good(l, c->io_core))
		return;
	cpus_allowed(&set);
	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		if (CPU_ISSET(cpu, &set))
			c->io_core[0] = cpu;
	c->io_cores = 1;
}

static void check_cpu(struct loader *l, const cpu_set_t *online, uint32_t cpu, const void *field, const char *shown)
{
	const struct spot *spot = loader_spot(l, field, false);
	char text[256];

	if (!spot || spot->bad || CPU_ISSET(cpu, online))
		return;
	cpus_text(online, text, sizeof(text));
	loader_error(l, spot->place, "%s: there is no CPU %u here; online are %s", shown, cpu, text);
}

void loader_check_host(struct loader *l)
{
	const struct config *c = l->config;
	cpu_set_t online;

	cpus_online(&online);
	check_cpu(l, &online, c->main_core, &c->main_core, "eal.main_core");
	for (uint32_t i = 0; i < c->io_cores; i++)
		check_cpu(l, &online, c->io_core[i], c->io_core, "eal.io_cores");
	for (uint32_t g = 0; g < c->groups; g++) {
		char shown[32];

		snprintf(shown, sizeof(shown), "groups[%u].cores", g);
		for (uint32_t i = 0; i < c->group[g].core_count; i++)
			check_cpu(l, &online, c->group[g].cores[i], c->group[g].cores, shown);
	}
}

/* Threads that spin under poll: busy, by CPU. The main lcore sleeps between its turns and does not count. */
struct spinning {
	uint16_t on[CPUS];
	uint32_t threads, floating;
	uint32_t crowded; /* a CPU with more than one; CPUS: none */
	uint32_t cpus;    /* with at least one */
};

static void spin(struct spinning *s, uint32_t cpu)
{
	s->threads++;
	s->cpus += s->on[cpu]++ == 0;
	if (s->on[cpu] > 1 && s->crowded == CPUS)
		s->crowded = cpu;
}

/* Two spinning threads on one CPU take turns of milliseconds: slower than sleeping, and 2 ms late at every packet. */
void loader_check_poll(struct loader *l)
{
	const struct config *c = l->config;
	struct spinning s = { .crowded = CPUS };
	const struct spot *spot = loader_spot(l, &c->poll, false);
	uint32_t free_cpus = 0, workers = 0;
	cpu_set_t allowed;

	if (!loader_good(l, &c->poll) || c->poll != POLL_BUSY || !loader_good(l, c->io_core) ||
	    !loader_good(l, &c->groups))
		return;
	for (uint32_t i = 0; i < c->io_cores; i++)
		spin(&s, c->io_core[i]);
	for (uint32_t g = 0; g < c->groups; g++) {
		const struct config_group *group = &c->group[g];

		if (!loader_good(l, group->cores) || !loader_good(l, &group->count))
			return;
		workers += group->count;
		for (uint32_t w = 0; w < group->count && group->core_count; w++)
			spin(&s, group->cores[w % group->core_count]);
		if (!group->core_count)
			s.floating += group->count;
	}
	cpus_allowed(&allowed);
	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		free_cpus += CPU_ISSET(cpu, &allowed) && !s.on[cpu];
	if (s.crowded == CPUS && s.floating <= free_cpus)
		return;
	char clash[64] = "";
	if (s.crowded != CPUS)
		snprintf(clash, sizeof(clash), " (%u of them on CPU %u)", s.on[s.crowded], s.crowded);
	loader_error(l, spot->place,
		     "eal.poll: busy needs a CPU for every polling thread: I/O lcores %u + workers %u = threads %u, on "
		     "CPUs: %u%s; name more CPUs, lower groups[].count or use poll: adaptive",
		     c->io_cores, workers, s.threads + s.floating,
		     s.cpus + (s.floating < free_cpus ? s.floating : free_cpus), clash);
}
