/* The I/O lcores as a part of the primary that is started last and ended first. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "eal.h"
#include "log.h"
#include "primary.h"
#include "sizing.h"

static int steering_keys(struct primary *primary)
{
	const struct config *config = &primary->config;

	for (uint32_t i = 0; i < config->services; i++) {
		const struct config_service *service = &config->service[i];
		const struct plugin_info *plugin = &primary->plugin[service->group_index];
		struct datapath_key *key = &primary->setup.key[i];

		key->key = service->key == KEY_FLOW      ? (uint32_t)BATON_KEY_FLOW
			   : service->key == KEY_PAYLOAD ? (uint32_t)BATON_KEY_PAYLOAD
							 : plugin->key;
		key->offset = plugin->key_offset;
		key->length = plugin->key_length;
		/* A plugin that keeps its state by a payload key would find another player's bucket under a flow's. */
		if (plugin->key == BATON_KEY_PAYLOAD && key->key != BATON_KEY_PAYLOAD && plugin->record_size != 0) {
			log_error("service '%s': plugin '%s' keeps its records by a key of the payload: leave key: out, or "
				  "say payload", service->name, plugin->name);
			return -EINVAL;
		}
		if (key->key == BATON_KEY_PAYLOAD && (key->length == 0 || key->length > 8)) {
			log_error("service '%s': plugin '%s' names no payload key (1 to 8 bytes): say key: flow",
				  service->name, plugin->name);
			return -EINVAL;
		}
	}
	return 0;
}

int traffic_create(struct primary *primary)
{
	struct datapath_setup *setup = &primary->setup;
	int rc = steering_keys(primary);

	if (rc != 0)
		return rc;
	setup->config = &primary->config;
	setup->port = primary->port;
	setup->state = &primary->state;
	setup->stats = &primary->stats;
	for (uint32_t i = 0; i < primary->config.services; i++)
		setup->pending_room[i] = sizing_service_room(&primary->config, i);
	rc = datapath_create(&primary->dp, setup);
	if (rc != 0) {
		log_error("data path: %s", strerror(-rc));
		return rc;
	}
	eal_report_heap(primary);
	return 0;
}

void traffic_destroy(struct primary *primary)
{
	datapath_destroy(primary->dp);
	primary->dp = NULL;
}

int traffic_start(struct primary *primary)
{
	int rc = datapath_start(primary->dp);

	if (rc != 0)
		log_error("I/O lcores: %s", strerror(-rc));
	primary->running = primary->served = rc == 0;
	return rc;
}

static void report_ledgers(struct primary *primary)
{
	struct ledger l;

	for (uint32_t i = 0; i < primary->config.io_cores; i++) {
		int64_t balance;

		datapath_ledger(primary->dp, i, &l);
		balance = ledger_balance(&l);
		log_line(balance == 0 ? LEVEL_INFO : LEVEL_ERROR,
			 "ledger io.%u: received %" PRIu64 " + allocated %" PRIu64 " = sent %" PRIu64 " + freed %" PRIu64
			 " + in belts %" PRIu64 " + pending %" PRIu64 " + unresolved %" PRIu64 " + tx backlog %" PRIu64
			 "%s (%" PRId64 ")",
			 i, l.received, l.allocated, l.sent, l.freed, l.in_belts, l.pending, l.unresolved, l.tx_backlog,
			 balance == 0 ? ": balanced" : ": NOT BALANCED", balance);
		if (balance != 0)
			primary->exit_code = 1;
	}
}

/* What its players were sent and got. Whoever has no reply yet must have been under way here, or is missing (malformed
 * frames, where there are any, are under way as well). */
static void report_generator(const struct primary *primary)
{
	for (uint32_t i = 0; i < primary->config.io_cores; i++) {
		const struct CoreStats *s = stats_io(&primary->stats, i);
		uint64_t known = s->gen_ok + s->gen_wrong + s->gen_lost;

		if (s->gen_sent == 0)
			continue;
		log_info("generator io.%u: sent %" PRIu64 " = right %" PRIu64 " + wrong %" PRIu64 " + lost %" PRIu64
			 " + unanswered %" PRIu64 ", of which %" PRIu64 " were still under way; duplicated %" PRIu64
			 ", reordered %" PRIu64, i, s->gen_sent, s->gen_ok, s->gen_wrong, s->gen_lost,
			 s->gen_sent - known, s->drop[DROP_stopping], s->gen_duplicated, s->gen_reordered);
	}
}

static void report_drops(const struct primary *primary)
{
	uint32_t reasons = 0;

	for (uint32_t reason = 0; reason < DROP_COUNT; reason++) {
		uint64_t sum = stats_main(&primary->stats)->drop[reason];

		for (uint32_t i = 0; i < primary->config.io_cores; i++)
			sum += stats_io(&primary->stats, i)->drop[reason];
		if (sum == 0)
			continue;
		log_info("dropped %" PRIu64 " %s: %s", sum, core_drop_name(reason), core_drop_help(reason));
		reasons++;
	}
	if (reasons == 0)
		log_info("dropped nothing");
	if (stats_main(&primary->stats)->tx_errors_retried != 0)
		log_info("not dropped: %" PRIu64 " %s", stats_main(&primary->stats)->tx_errors_retried,
			 core_counter_help(COUNTER_tx_errors_retried));
}

void traffic_stop(struct primary *primary)
{
	/* Workers first: what they settled is still reaped and sent. */
	supervisor_fini(primary);
	datapath_stop(primary->dp);
	primary->running = false;
	port_poll_device_stats(primary);
	report_ledgers(primary);
	report_generator(primary);
	report_drops(primary);
}
