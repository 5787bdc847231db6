/* batond: starts the parts of the primary in order, runs, and ends them in reverse. */
#include <stddef.h>
#include <stdlib.h>

#include "held_store.h"
#include "log.h"
#include "primary.h"
#include "rollout.h"

struct part {
	const char *name;
	int (*init)(struct primary *primary);
	void (*fini)(struct primary *primary);
};

/* The order is the contract: the lock before anything shared is touched, plugins before memory is laid out, the state
 * file, which the processes of a dead primary let go last, before EAL asks for the pages they still hold, everything
 * allocated before the zygote attaches, the zygote before the first packet. */
static const struct part parts[] = {
	{ "signals", run_init, NULL },
	{ "runtime directory", runtime_dir_init, runtime_dir_fini },
	{ "audit log", audit_init, audit_fini },
	{ "crash records", crash_records_init, crash_records_fini },
	{ "limits", limits_init, NULL },
	{ "machine", eal_check, NULL },
	{ "rollouts", rollouts_init, rollouts_fini },
	{ "plugins", supervisor_describe_plugins, NULL },
	{ "memory plan", plan_init, NULL },
	{ "held buckets", held_store_init, held_store_fini },
	{ "state file", state_file_init, state_file_fini },
	{ "stale files", runtime_dir_sweep, NULL },
	{ "EAL", eal_init, eal_fini },
	{ "pools and belts", pool_init, pool_fini },
	{ "ports", port_init, port_fini },
	{ "data path", traffic_create, traffic_destroy },
	{ "zygote", supervisor_init, supervisor_fini },
	{ "control socket", command_init, command_fini },
	{ "reload", reload_init, reload_fini },
	{ "traffic", traffic_start, traffic_stop },
};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

int main(int argc, char **argv)
{
	static struct primary primary;
	size_t up = 0;
	int rc = options_parse(argc, argv, &primary);

	if (rc >= 0)
		return rc;
	for (rc = 0; rc == 0 && up < PARTS && primary.quit == 0; up += rc == 0) {
		log_debug("start: %s", parts[up].name);
		rc = parts[up].init(&primary);
	}
	if (rc == 0 && up == PARTS)
		primary_run(&primary);
	while (up-- > 0) {
		log_debug("end: %s", parts[up].name);
		if (parts[up].fini != NULL)
			parts[up].fini(&primary);
	}
	return rc != 0 ? EXIT_FAILURE : primary.exit_code;
}
