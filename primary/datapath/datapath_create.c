/* The I/O lcores as they are before the first packet: steering tables, shadows of belts, pools. Runs on the main lcore;
 * see datapath.h. */
#include <errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <stdlib.h>

#include "lcore.h"

static int steering_create(struct io_lcore *io, uint32_t index)
{
	const struct config_service *service = &io->dp->setup.config->service[index];
	const struct config_group *group = &io->dp->setup.config->group[service->group_index];
	struct steering *steering = &io->steering[index];

	steering->entry = calloc(service->buckets, sizeof(*steering->entry));
	if (steering->entry == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < service->buckets; i++)
		steering->entry[i] = STEER_ENTRY(SLOT_NONE, 0);
	steering->load = calloc(service->buckets, sizeof(*steering->load));
	if (steering->load == NULL)
		return -ENOMEM;
	steering->mask = service->buckets - 1;
	steering->key = io->dp->setup.key[index].key;
	steering->key_offset = io->dp->setup.key[index].offset;
	steering->key_length = io->dp->setup.key[index].length;
	steering->key_mask = steering->key_length >= 8 ? UINT64_MAX : (1ull << 8 * steering->key_length) - 1;
	if (steering->key == BATON_KEY_PAYLOAD)
		steering->len_least = (uint32_t)steering->key_offset + steering->key_length;
	steering->index = (uint8_t)index;
	steering->salt = io->dp->setup.state->header->salt;
	steering->ip = service->ip;
	steering->udp_port = rte_cpu_to_be_16(service->udp_port);
	steering->group = service->group_index;
	if (io->index == 0)
		ticks_init(&steering->ticks, group->tick_period_ns, group->tick_catch_up, service->buckets,
			   state_last_tick(io->dp->setup.state, service->group_index));
	return 0;
}

static int belts_create(struct io_lcore *io)
{
	const struct datapath_setup *setup = &io->dp->setup;

	for (uint32_t slot = 0; slot < io->slots; slot++) {
		struct belt_shadow *shadow = rte_zmalloc("shadow", sizeof(*shadow) * BELT_SLOTS, 64);

		if (shadow == NULL)
			return -ENOMEM;
		belt_producer_init(&io->slot[slot].belt, setup->belt[io->index][slot],
				   &state_control(setup->state, slot)->commit[io->index], shadow);
	}
	return 0;
}

static int lcore_create(struct datapath *dp, uint32_t index)
{
	const struct config *config = dp->setup.config;
	struct io_lcore *io = rte_zmalloc("io_lcore", sizeof(*io), 64);
	struct clock_sample now;
	int rc = 0;

	if (io == NULL)
		return -ENOMEM;
	dp->io[index] = io;
	io->dp = dp;
	io->index = index;
	io->lcore_id = dp->setup.lcore_id[index];
	io->ports = config->ports;
	io->services = config->services;
	io->slots = config->worker_slots;
	io->io_lcores = dp->setup.io_lcores;
	io->adaptive = config->poll == POLL_ADAPTIVE;
	io->port = dp->setup.port;
	io->pool = dp->setup.pool[index];
	io->stats = stats_io(dp->setup.stats, index);
	io->tsc_hz = rte_get_tsc_hz();
	io->ring_gap_tsc = io->tsc_hz / 1000000 * RING_GAP_US;
	io->quiet_tsc = io->tsc_hz / 1000000 * QUIET_US;
	clock_take(&now);
	clock_init(&io->clock, io->tsc_hz, &now);
	io->port_to_service = dp->port_to_service;
	io->rx_interrupts = io->adaptive && io->ports > 0;
	for (uint32_t i = 0; i < io->ports; i++)
		io->rx_interrupts = io->rx_interrupts && io->port[i].rx_interrupts && index < io->port[i].queues;
	io->stats->kind = CORE_IO;
	io->stats->index = index;
	io->stats->cpu = config->io_core[index];
	snprintf(io->stats->name, sizeof(io->stats->name), "io.%u", index);
	for (uint32_t i = 0; i < io->slots; i++) {
		io->slot[i].residence = stats_lane(dp->setup.stats, index, 0)->count; /* until a worker is attached */
		io->slot[i].counts = stats_slot(dp->setup.stats, index, i);
	}
	for (uint32_t i = 0; i < io->services && rc == 0; i++)
		rc = steering_create(io, i);
	if (rc == 0)
		rc = belts_create(io);
	park_rooms(io);
	io->open_ns = config->start_timeout_ns; /* from the loop's start; copied here, as a reload may change it */
	if (rc == 0)
		rc = message_pool_init(&io->message, io->services, io->pool->size, io->slots);
	return rc != 0 ? rc : pending_pool_init(&io->pending, io->pool->size + io->message.capacity);
}

int datapath_create(struct datapath **out, const struct datapath_setup *setup)
{
	struct datapath *dp = calloc(1, sizeof(*dp));
	int rc = dp == NULL ? -ENOMEM : 0;

	if (dp == NULL)
		return rc;
	dp->setup = *setup;
	dp->kept.bytes = malloc(KEPT_MOST);
	if (dp->kept.bytes == NULL)
		rc = -ENOMEM;
	for (uint32_t i = 0; i < setup->config->services; i++) {
		const struct config_service *service = &setup->config->service[i];
		uint16_t *hit = &dp->port_to_service[rte_cpu_to_be_16(service->udp_port)];

		*hit = *hit == 0 ? (uint16_t)(i + 1) : UINT16_MAX;
		dp->owner[i] = malloc(service->buckets);
		if (dp->owner[i] == NULL)
			rc = -ENOMEM;
		else
			memset(dp->owner[i], SLOT_NONE, service->buckets);
	}
	for (uint32_t i = 0; i < setup->io_lcores && rc == 0; i++)
		rc = lcore_create(dp, i);
	if (rc != 0) {
		datapath_destroy(dp);
		return rc;
	}
	*out = dp;
	return 0;
}

void datapath_destroy(struct datapath *dp)
{
	if (dp == NULL)
		return;
	for (uint32_t i = 0; i < BATON_MAX_IO_LCORES; i++) {
		struct io_lcore *io = dp->io[i];
		if (io == NULL)
			continue;
		for (uint32_t s = 0; s < io->services; s++) {
			free(io->steering[s].entry);
			free(io->steering[s].load);
		}
		for (uint32_t s = 0; s < io->slots; s++)
			rte_free(io->slot[s].belt.shadow);
		pending_pool_fini(&io->pending);
		message_pool_fini(&io->message);
		rte_free(io);
	}
	for (uint32_t i = 0; i < BATON_MAX_SERVICES; i++)
		free(dp->owner[i]);
	free(dp->kept.bytes);
	free(dp);
}
