/* The arithmetic of memory: how many buffers, pages and bytes a configuration needs, before any is taken. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "log.h"
#include "neighbour.h"
#include "plan.h"
#include "primary.h"
#include "sizing.h"

#define FRAME_OVERHEAD     26u   /* Ethernet header, two VLAN tags, checksum */
#define PORT_FIXED         (1u << 20) /* what a driver takes from the heap besides its rings */
#define PLAYER_BYTES       32u        /* of a generator, at most */
#define DESCRIPTOR_BYTES   128u

static uint64_t round_up(uint64_t bytes, uint64_t to)
{
	return (bytes + to - 1) / to * to;
}

static uint32_t ports_buffers(const struct config *config)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < config->ports; i++)
		sum += sizing_port_buffers(&config->port[i]);
	return sum;
}

static uint32_t buffer_bytes(const struct config *config)
{
	uint32_t room = BELT_CELL_BYTES; /* also what net_af_xdp asks for */

	for (uint32_t i = 0; i < config->ports; i++)
		if (config->port[i].mtu + FRAME_OVERHEAD > room)
			room = config->port[i].mtu + FRAME_OVERHEAD;
	return RTE_PKTMBUF_HEADROOM + (uint32_t)round_up(room, RTE_CACHE_LINE_SIZE);
}

static uint64_t port_bytes(const struct config *config, const struct config_port *port)
{
	if (port->driver == DRIVER_GENERATOR)
		return PORT_FIXED + (uint64_t)PLAYER_BYTES * port->players;
	return PORT_FIXED + (uint64_t)DESCRIPTOR_BYTES * config->io_cores * (port->rx_descriptors + port->tx_descriptors);
}

void plan_state_path(const struct config *config, char *out, size_t size)
{
	if (config->state_file[0] != '\0')
		snprintf(out, size, "%s", config->state_file);
	else
		snprintf(out, size, "%s/baton.%s.state", config->huge_dir, config->name);
}

bool plan_state_is_huge(const struct config *config)
{
	size_t bytes = strlen(config->huge_dir);

	return config->state_file[0] == '\0' ||
	       (strncmp(config->state_file, config->huge_dir, bytes) == 0 && config->state_file[bytes] == '/');
}

int plan_compute(const struct config *config, struct memory_plan *plan)
{
	uint64_t computed = (uint64_t)ports_buffers(config) + (uint64_t)BELT_SLOTS * config->worker_slots +
			    sizing_pending_room(config) + NEIGHBOUR_WAITING + PLAN_LOOP_BUFFERS;
	uint32_t object;

	plan->buffer_bytes = buffer_bytes(config);
	plan->pool_buffers = config->buffers != 0 ? config->buffers : (uint32_t)computed;
	if (config->buffers != 0 && config->buffers < ports_buffers(config) + BATON_BURST) {
		log_error("memory.buffers: %u does not even fill the rings of the ports (%u): raise it, or leave it out",
			  config->buffers, ports_buffers(config) + BATON_BURST);
		return -EINVAL;
	}
	object = rte_mempool_calc_obj_size((uint32_t)sizeof(struct rte_mbuf) + plan->buffer_bytes, 0, NULL);
	plan->pool_bytes = (uint64_t)plan->pool_buffers * (object + sizeof(void *) * 2) + PLAN_POOL_FIXED;
	plan->belt_bytes = (uint64_t)(config->worker_slots + 1) * config->io_cores * BATON_HUGE_PAGE;
	plan->port_bytes = 0;
	for (uint32_t i = 0; i < config->ports; i++)
		plan->port_bytes += port_bytes(config, &config->port[i]);
	plan->needed_bytes = plan->pool_bytes * config->io_cores + plan->belt_bytes + plan->port_bytes + PLAN_EAL_BYTES;
	plan->eal_bytes = config->socket_memory != 0
			      ? config->socket_memory
			      : round_up(plan->needed_bytes + plan->needed_bytes * PLAN_HEADROOM_PERCENT / 100,
					 BATON_HUGE_PAGE);
	if (plan->eal_bytes < plan->needed_bytes) {
		log_error("eal.socket_memory: %llu MiB configured, %llu MiB needed: raise it, or leave it out",
			  (unsigned long long)(plan->eal_bytes >> 20),
			  (unsigned long long)((plan->needed_bytes >> 20) + 1));
		return -EINVAL;
	}
	plan->eal_bytes = round_up(plan->eal_bytes, BATON_HUGE_PAGE);
	plan->pages = (plan->eal_bytes + (plan_state_is_huge(config) ? plan->state_bytes : 0)) / BATON_HUGE_PAGE;
	return 0;
}

/* The first service that a group serves: its buckets are the group's. */
const struct config_service *plan_service(const struct config *config, uint32_t group)
{
	for (uint32_t i = 0; i < config->services; i++)
		if (config->service[i].group_index == group)
			return &config->service[i];
	return NULL;
}

int plan_init(struct primary *primary)
{
	const struct config *config = &primary->config;
	int rc;

	for (uint32_t i = 0; i < config->groups; i++) {
		const struct config_group *group = &config->group[i];
		const struct config_service *service = plan_service(config, i);

		rc = state_group_init(&primary->state_group[i], group->name, service == NULL ? 1 : service->buckets,
				      primary->plugin[i].record_size, group->records, primary->plugin[i].schema);
		if (rc != 0) {
			log_error("group '%s': no table of %llu records of %u bytes in %u buckets can be laid out (%s): "
				  "change records: or buckets:", group->name, (unsigned long long)group->records,
				  primary->plugin[i].record_size, service == NULL ? 1 : service->buckets, strerror(-rc));
			return rc;
		}
	}
	primary->plan.state_bytes =
	    round_up(state_layout(primary->state_group, config->groups, config->worker_slots), BATON_HUGE_PAGE);
	rc = plan_compute(config, &primary->plan);
	if (rc == 0)
		log_info("memory: %u buffers of %u bytes per I/O lcore, %llu MiB for EAL, %llu MiB of state: %llu huge pages",
			 primary->plan.pool_buffers, primary->plan.buffer_bytes,
			 (unsigned long long)(primary->plan.eal_bytes >> 20),
			 (unsigned long long)(primary->plan.state_bytes >> 20), (unsigned long long)primary->plan.pages);
	return rc;
}
