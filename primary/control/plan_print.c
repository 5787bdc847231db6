/* batond --plan: the arithmetic of plan.c line by line, as it is carried out at a start. */
#include <inttypes.h>
#include <stdio.h>

#include "neighbour.h"
#include "pending.h"
#include "plan.h"
#include "primary.h"
#include "sizing.h"

static double mib(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

static void print_cores(FILE *out, const struct config *config)
{
	fprintf(out, "cores\n  %-29s %10u  supervisor, control socket; sleeps most of the time\n", "main lcore",
		config->main_core);
	for (uint32_t i = 0; i < config->io_cores; i++)
		fprintf(out, "  I/O lcore %-19u %10u  %s\n", i, config->io_core[i],
			config->poll == POLL_BUSY ? "spins" : "sleeps when idle");
	for (uint32_t g = 0; g < config->groups; g++) {
		const struct config_group *group = &config->group[g];

		for (uint32_t i = 0; i < group->count; i++) {
			char name[BATON_NAME_BYTES + 16], cpu[16] = "any";

			snprintf(name, sizeof(name), "%s.%u", group->name, i);
			if (group->core_count)
				snprintf(cpu, sizeof(cpu), "%u", group->cores[i % group->core_count]);
			fprintf(out, "  worker %-22s %10s  %s\n", name, cpu,
				config->poll == POLL_BUSY ? "spins" : "sleeps when idle");
		}
	}
}

static void print_buffers(FILE *out, const struct config *config, const struct memory_plan *plan)
{
	fprintf(out, "buffers of an I/O lcore\n");
	for (uint32_t i = 0; i < config->ports; i++)
		fprintf(out, "  port %-24s %10u  rings and backlog\n", config->port[i].name,
			sizing_port_buffers(&config->port[i]));
	fprintf(out, "  %-29s %10" PRIu64 "  %u slots of %u belts\n", "belts",
		(uint64_t)BELT_SLOTS * config->worker_slots, BELT_SLOTS, config->worker_slots);
	fprintf(out, "  %-29s %10u  packets that may wait while buckets have no worker\n", "pending lists",
		sizing_pending_room(config));
	fprintf(out, "  %-29s %10u  packets that may wait for an address\n", "neighbours", NEIGHBOUR_WAITING);
	fprintf(out, "  %-29s %10u  %u bursts of %u, 2 caches of %u\n", "bursts and cache", PLAN_LOOP_BUFFERS, PLAN_BURSTS,
		BATON_BURST, PLAN_CACHE);
	fprintf(out, "  %-29s %10u  %s, %u bytes each\n", "pool", plan->pool_buffers,
		config->buffers != 0 ? "memory.buffers" : "the sum", plan->buffer_bytes);
}

/* What rate.max asks for, and what there is. */
static void print_recovery(FILE *out, const struct config *config)
{
	struct sizing sizing;

	fprintf(out, "packets that wait on an I/O lcore while workers are replaced\n");
	for (uint32_t i = 0; i < config->services; i++) {
		const struct config_service *service = &config->service[i];

		sizing_of(config, i, &sizing);
		if (sizing.rate == 0) {
			fprintf(out, "  %-29s %10s  services[%u].rate.max is not said; room for %u\n", service->name,
				"unknown", i, sizing_service_room(config, i));
			continue;
		}
		fprintf(out, "  %-29s %10" PRIu64 "  %" PRIu64 " packets/s x %.1f ms of recovery.time; room for %u\n",
			service->name, sizing.pending, sizing.rate, (double)sizing.recovery_ns / 1e6,
			sizing_service_room(config, i));
		fprintf(out, "  %-29s %10" PRIu64 "  %" PRIu64 " packets/s / %u workers x %.1f ms until a stall is found; "
			"room for %u\n", "  in the belt of a worker", sizing.belt, sizing.rate, sizing.workers,
			(double)sizing.stall_ns / 1e6, sizing_belt_room());
	}
}

static void print_line(FILE *out, const char *name, uint64_t bytes, const char *note)
{
	fprintf(out, "  %-29s %10.1f  %s\n", name, mib(bytes), note);
}

/* A total is whole pages. */
static void print_pages(FILE *out, const char *name, uint64_t bytes, const char *note)
{
	fprintf(out, "  %-29s %10.1f  = %" PRIu64 " huge pages: %s\n", name, mib(bytes), bytes / BATON_HUGE_PAGE, note);
}

static void print_socket_memory(FILE *out, const struct config *config, const struct memory_plan *plan)
{
	uint64_t buffer = (plan->pool_bytes - PLAN_POOL_FIXED) / plan->pool_buffers;
	char note[128];

	fprintf(out, "socket memory, MiB\n");
	snprintf(note, sizeof(note), "%u I/O lcores x (%u buffers x %" PRIu64 " bytes + %u MiB)", config->io_cores,
		 plan->pool_buffers, buffer, PLAN_POOL_FIXED >> 20);
	print_line(out, "pools", plan->pool_bytes * config->io_cores, note);
	snprintf(note, sizeof(note), "%u I/O lcores x (%u worker slots + 1) x 2 MiB", config->io_cores,
		 config->worker_slots);
	print_line(out, "belts", plan->belt_bytes, note);
	print_line(out, "ports", plan->port_bytes, "rings and what drivers take, estimated");
	print_line(out, "EAL", PLAN_EAL_BYTES, "its own tables");
	snprintf(note, sizeof(note), "%u %% of these, and up to a whole page", PLAN_HEADROOM_PERCENT);
	print_line(out, "headroom", plan->eal_bytes - plan->needed_bytes,
		   config->socket_memory != 0 ? "what eal.socket_memory leaves" : note);
	print_pages(out, "sum", plan->eal_bytes, "taken at start");
}

static void print_state(FILE *out, const struct primary *primary)
{
	const struct config *config = &primary->config;
	uint64_t rest = primary->plan.state_bytes;
	char path[2 * BATON_PATH_BYTES];

	plan_state_path(config, path, sizeof(path));
	fprintf(out, "state file %s, MiB\n", path);
	if (rest == 0) {
		fprintf(out, "  %-29s %10s  the plugins were not asked how long a record is\n", "sum", "unknown");
		return;
	}
	for (uint32_t i = 0; i < config->groups; i++) {
		const struct state_group *group = &primary->state_group[i];

		rest -= group->records_bytes;
		fprintf(out, "  records of %-18s %10.1f  %u buckets x %u records x %u bytes\n", group->name,
			mib(group->records_bytes), group->buckets, group->records_bytes ? group->bucket_slots : 0,
			group->stride);
	}
	fprintf(out, "  %-29s %10.1f  (%u worker slots + 1) x 2 MiB, and a word per bucket in whole pages\n",
		"header, control blocks", mib(rest), config->worker_slots);
	if (plan_state_is_huge(config))
		print_pages(out, "sum", primary->plan.state_bytes, "kept when batond ends");
	else
		print_line(out, "sum", primary->plan.state_bytes, "outside eal.huge_dir: no huge pages");
}

void plan_print(const struct primary *primary, FILE *out)
{
	const struct config *config = &primary->config;
	const struct memory_plan *plan = &primary->plan;
	uint64_t nodes = (uint64_t)plan->pool_buffers * config->io_cores;

	print_cores(out, config);
	print_recovery(out, config);
	print_buffers(out, config, plan);
	print_socket_memory(out, config, plan);
	print_state(out, primary);
	fprintf(out, "ordinary memory, MiB\n");
	fprintf(out, "  %-29s %10.1f  %" PRIu64 " nodes x %zu bytes: a place for every buffer\n", "pending lists",
		mib(nodes * sizeof(struct pending_node)), nodes, sizeof(struct pending_node));
	fprintf(out, "huge pages of 2 MiB in all      %10" PRIu64 "\n", plan->pages);
}
