/* Attaching: EAL as secondary, belts by their memzones, state and stats by the descriptors handed over. */
#define _GNU_SOURCE
#include "attach.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memzone.h>

#include "belt.h"

/* An id of its own, away from the primary's lcores: it would share their mempool caches if it ever touched a pool. */
#define ATTACH_LCORE (RTE_MAX_LCORE - 1)

static int fail(int error, char *why, size_t bytes, const char *format, ...) __attribute__((format(printf, 4, 5)));
static int fail(int error, char *why, size_t bytes, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, bytes, format, args);
	va_end(args);
	return -error;
}

/* Before EAL, which places its control threads by the affinity it is started with. */
static int pin(uint32_t cpu, char *why, size_t bytes)
{
	int rc = confine_cpu((int32_t)cpu);

	if (rc == 0)
		return 0;
	return fail(-rc, why, bytes,
		    "the zygote cannot run on CPU %u: %s; change `main_core` to a CPU that is there and allowed", cpu,
		    strerror(-rc));
}

static int start_eal(const struct attach_options *options, char *why, size_t bytes)
{
	char lcores[32], prefix[128], huge[BATON_PATH_BYTES + 16], base[48];
	char program[] = "baton-zygote", type[] = "--proc-type=secondary", no_pci[] = "--no-pci",
	     no_telemetry[] = "--no-telemetry", log_level[] = "--log-level=4";
	char *argv[] = { program, type, prefix, huge, base, lcores, no_pci, no_telemetry, log_level, NULL };

	snprintf(lcores, sizeof(lcores), "--lcores=%u@%u", (unsigned)ATTACH_LCORE, options->cpu);
	snprintf(prefix, sizeof(prefix), "--file-prefix=%s", options->file_prefix);
	snprintf(huge, sizeof(huge), "--huge-dir=%s", options->huge_dir);
	snprintf(base, sizeof(base), "--base-virtaddr=0x%llx", BATON_BASE_VIRTADDR);
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0)
		return fail(EIO, why, bytes,
			    "the zygote cannot attach to the primary's memory (EAL: %s): check that both have the same "
			    "DPDK, user, RUNTIME_DIRECTORY and --huge-dir %s",
			    rte_strerror(rte_errno), options->huge_dir);
	return 0;
}

static int find_belts(struct worker_host *host, char *why, size_t bytes)
{
	for (uint32_t i = 0; i < host->io_lcores; i++) {
		char name[RTE_MEMZONE_NAMESIZE];

		snprintf(name, sizeof(name), BATON_BELT_ZONE_FMT, i);
		const struct rte_memzone *zone = rte_memzone_lookup(name);
		if (zone == NULL || zone->len < (size_t)host->slots * BATON_HUGE_PAGE ||
		    (uintptr_t)zone->addr % BATON_HUGE_PAGE != 0)
			return fail(EPROTO, why, bytes,
				    "the primary's memory has no memzone %s of %u huge pages: install batond and "
				    "baton-zygote together",
				    name, host->slots);
		host->belts[i] = zone->addr;
		for (uint32_t slot = 0; slot < host->slots; slot++) {
			const void *belt = host->belts[i] + (size_t)slot * BATON_HUGE_PAGE;

			if (belt_check(belt, i, slot) != 0)
				return fail(EPROTO, why, bytes,
					    "belt of I/O lcore %u and worker slot %u is not one of ABI %u: install "
					    "batond and baton-zygote together", i, slot, BATON_ABI);
		}
	}
	return 0;
}

/* The state's header is copied: a worker unmaps the page, and needs the geometry of its group. */
static int map_files(struct worker_host *host, char *why, size_t bytes)
{
	int rc = state_attach(&host->state, ZYGOTE_FD_STATE, true);

	if (rc != 0)
		return fail(-rc, why, bytes, "the zygote cannot map the state file: %s", strerror(-rc));
	host->header = *host->state.header;
	host->state.header = &host->header;
	rc = stats_attach_fd(&host->stats, ZYGOTE_FD_STATS, true);
	return rc ? fail(-rc, why, bytes, "the zygote cannot map the counters: %s", strerror(-rc)) : 0;
}

static int prepare_confinement(struct worker_host *host, char *why, size_t bytes)
{
	int rc = confine_filter_build(&host->filter);

	if (rc != 0)
		return fail(-rc, why, bytes, "cannot make the seccomp filter: %s; is libseccomp 2.5 installed?",
			    strerror(-rc));
	rc = confine_maps_read(&host->maps);
	return rc ? fail(-rc, why, bytes, "cannot list the shared mappings of the zygote: %s", strerror(-rc)) : 0;
}

int attach(struct worker_host *host, const struct attach_options *options, char *why, size_t bytes)
{
	int rc = pin(options->cpu, why, bytes);

	host->primary = options->parent;
	host->io_lcores = options->io_lcores;
	host->slots = options->slots;
	if (rc == 0 && options->without_eal) {
		rc = attach_belts_without_eal(host, why, bytes);
	} else if (rc == 0) {
		rc = start_eal(options, why, bytes);
		if (rc == 0)
			rc = find_belts(host, why, bytes);
	}
	if (rc == 0)
		rc = map_files(host, why, bytes);
	if (rc == 0)
		rc = prepare_confinement(host, why, bytes);
	return rc;
}
