/* Starts EAL: checks first what it would only complain about in many lines, sends its log through ours. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <rte_debug.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <rte_version.h>

#include "eal.h"
#include "log.h"

#define HUGETLBFS 0x958458f6l
#define HEAP_LOW_PERCENT 10u

static char first_error[256]; /* EAL's first error line while it starts: goes into ours */
static char start_error[256]; /* that of rte_eal_init(), which ends well although a virtual device could not be made */
static bool quiet;            /* EAL's errors are expected, or end in one line of ours */
static FILE *log_stream;

/* One call per line of EAL's: glibc hands over what was written to an unbuffered stream. */
static ssize_t on_log(void *cookie, const char *text, size_t size)
{
	static const enum log_level levels[] = {
		[0] = LEVEL_ERROR, [RTE_LOG_EMERG] = LEVEL_ERROR, [RTE_LOG_ALERT] = LEVEL_ERROR,
		[RTE_LOG_CRIT] = LEVEL_ERROR, [RTE_LOG_ERR] = LEVEL_ERROR, [RTE_LOG_WARNING] = LEVEL_WARN,
		[RTE_LOG_NOTICE] = LEVEL_DEBUG, [RTE_LOG_INFO] = LEVEL_DEBUG, [RTE_LOG_DEBUG] = LEVEL_DEBUG,
	};
	int given = rte_log_cur_msg_loglevel();
	enum log_level level = given > 0 && given <= (int)RTE_LOG_DEBUG ? levels[given] : LEVEL_INFO;
	size_t length = size;

	(void)cookie;
	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' '))
		length--;
	if (length == 0)
		return (ssize_t)size;
	/* The one line of ours quotes the first. */
	if (quiet && level == LEVEL_ERROR) {
		if (first_error[0] == '\0')
			snprintf(first_error, sizeof(first_error), "%.*s", (int)length, text);
		level = LEVEL_DEBUG;
	}
	log_line(level, "%.*s", (int)length, text);
	return (ssize_t)size;
}

void eal_quiet(bool on)
{
	quiet = on;
	if (on)
		first_error[0] = '\0';
}

const char *eal_first_error(void)
{
	return first_error[0] != '\0' ? first_error : "no reason given";
}

const char *eal_start_error(void)
{
	return start_error[0] != '\0' ? start_error : "no reason given";
}

static int route_log(void)
{
	log_stream = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = on_log });
	if (log_stream == NULL)
		return -ENOMEM;
	setvbuf(log_stream, NULL, _IOLBF, 1024);
	return rte_openlog_stream(log_stream) == 0 ? 0 : -EIO;
}

/* 22.11.6 is the first release with the fixes the zygote needs; another ABI would not have linked. */
static int check_version(void)
{
	uint32_t year = 0, month = 0, minor = 0;

	if (sscanf(rte_version(), "DPDK %u.%u.%u", &year, &month, &minor) == 3 && year == 22 && month == 11 &&
	    minor >= 6)
		return 0;
	log_error("%s is installed, 22.11.6 or a later 22.11 is needed: apt-get install --only-upgrade 'librte-*'",
		  rte_version());
	return -ENOTSUP;
}

static int check_cpu(uint32_t cpu, const char *key)
{
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || (cpu < CPU_SETSIZE && CPU_ISSET(cpu, &allowed)))
		return 0;
	log_error("%s: CPU %u is not there, or batond may not use it (%d CPUs allowed): see taskset -p %d", key, cpu,
		  CPU_COUNT(&allowed), (int)getpid());
	return -EINVAL;
}

static uint64_t read_number(const char *path)
{
	unsigned long long number = 0;
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%llu", &number) != 1)
		number = 0;
	fclose(file);
	return number;
}

#define PAGES_DIR "/sys/kernel/mm/hugepages/hugepages-2048kB/"

static int check_mount(const char *dir)
{
	struct statfs fs;

	if (statfs(dir, &fs) == 0 && fs.f_type == HUGETLBFS && fs.f_bsize == BATON_HUGE_PAGE)
		return 0;
	log_error("eal.huge_dir: %s is no hugetlbfs mount with 2 MiB pages: mount -t hugetlbfs -o pagesize=2M none %s",
		  dir, dir);
	return -ENODEV;
}

/* A mount may hold fewer pages than the machine has; without such a limit it names no number of blocks. */
static int check_mount_room(const char *dir, uint64_t needed)
{
	struct statfs fs;

	if (statfs(dir, &fs) != 0 || (int64_t)fs.f_blocks <= 0 || fs.f_bfree >= needed)
		return 0;
	log_error("eal.huge_dir: %s has room for %llu more huge pages and %llu are needed: mount it with a larger "
		  "size=, or without", dir, (unsigned long long)fs.f_bfree, (unsigned long long)needed);
	return -ENOSPC;
}

static int check_pages(const struct primary *primary)
{
	uint64_t unused = read_number(PAGES_DIR "free_hugepages"), reserved = read_number(PAGES_DIR "resv_hugepages");
	uint64_t total = read_number(PAGES_DIR "nr_hugepages"), needed = primary->plan.eal_bytes / BATON_HUGE_PAGE;

	unused = unused > reserved ? unused - reserved : 0;
	if (unused >= needed)
		return check_mount_room(primary->config.huge_dir, needed);
	log_error("%llu huge pages of 2 MiB are needed and %llu are free: sysctl -w vm.nr_hugepages=%llu (batond --plan "
		  "tells what they are for)", (unsigned long long)needed, (unsigned long long)unused,
		  (unsigned long long)(total + needed - unused));
	return -ENOMEM;
}

static int check_pci(const struct config_port *port)
{
	char name[BATON_PATH_BYTES], path[BATON_PATH_BYTES + 64];
	struct stat st;

	eal_device_name(port->device, name, sizeof(name));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s%s", strlen(name) == 7 ? "0000:" : "", name);
	if (stat(path, &st) == 0)
		return 0;
	log_error("port '%s': there is no PCI device %s: see dpdk-devbind.py --status", port->name, name);
	return -ENODEV;
}

static int check_device(const struct config *config, uint32_t index)
{
	const struct config_port *port = &config->port[index];
	char name[BATON_PATH_BYTES], other[BATON_PATH_BYTES], iface[BATON_PATH_BYTES];

	eal_device_name(port->device, name, sizeof(name));
	for (uint32_t i = 0; i < index; i++) {
		eal_device_name(config->port[i].device, other, sizeof(other));
		if (config->port[i].driver == DRIVER_EAL && strcmp(name, other) == 0) {
			log_error("ports '%s' and '%s' are the same device %s: give one of them another number",
				  config->port[i].name, port->name, name);
			return -EEXIST;
		}
	}
	if (eal_is_pci(port->device))
		return check_pci(port);
	if ((strncmp(name, "net_af_packet", 13) == 0 || strncmp(name, "eth_af_packet", 13) == 0 ||
	     strncmp(name, "net_af_xdp", 10) == 0) &&
	    eal_device_argument(port->device, "iface", iface, sizeof(iface)) && if_nametoindex(iface) == 0) {
		log_error("port '%s': there is no interface %s for %s: create it first, or correct device:", port->name,
			  iface, name);
		return -ENODEV;
	}
	return 0;
}

int eal_check(struct primary *primary)
{
	const struct config *config = &primary->config;
	int rc = check_version();

	if (rc == 0)
		rc = check_cpu(config->main_core, "eal.main_core");
	for (uint32_t i = 0; rc == 0 && i < config->io_cores; i++)
		rc = check_cpu(config->io_core[i], "eal.io_cores");
	for (uint32_t i = 0; rc == 0 && i < config->ports; i++)
		if (config->port[i].driver == DRIVER_EAL)
			rc = check_device(config, i);
	if (rc == 0)
		rc = check_mount(config->huge_dir);
	return rc;
}

/* An argument EAL does not know makes it print two screens of usage to standard output. */
static int init_without_usage(struct eal_args *args)
{
	int kept = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC), rc;

	fflush(stdout);
	if (kept >= 0 && null >= 0)
		dup2(null, STDOUT_FILENO);
	rc = rte_eal_init(args->argc, args->argv);
	fflush(stdout);
	if (kept >= 0 && null >= 0)
		dup2(kept, STDOUT_FILENO);
	close(null);
	close(kept);
	return rc;
}

static int start(struct primary *primary)
{
	static struct eal_args args; /* EAL keeps pointers into it */
	int rc = eal_args_build(&args, primary);

	if (rc != 0) {
		log_error("eal.extra_args: too many arguments for EAL");
		return rc;
	}
	for (int i = 1; i < args.argc; i++)
		log_debug("EAL argument %s", args.argv[i]);
	eal_quiet(true);
	rc = init_without_usage(&args);
	eal_quiet(false);
	memcpy(start_error, first_error, sizeof(start_error));
	if (rc >= 0)
		return 0;
	rc = rte_errno != 0 ? -rte_errno : -EIO;
	log_error("EAL does not start: %s (%s): check eal: and the ports' device:, log.level: debug shows all of it",
		  eal_first_error(), strerror(-rc));
	return rc;
}

/* Everything is allocated before the first packet: growth under traffic is a fault of the arithmetic, and a danger, for
 * it asks the zygote and takes locks in shared memory. */
static void on_growth(enum rte_mem_event event, const void *at, size_t bytes, void *arg)
{
	const struct primary *primary = arg;

	(void)at;
	if (event == RTE_MEM_EVENT_ALLOC && primary->running)
		log_error("EAL memory grew by %zu MiB under traffic: raise eal.socket_memory (now %llu MiB) and report it",
			  bytes >> 20, (unsigned long long)(primary->plan.eal_bytes >> 20));
}

int eal_init(struct primary *primary)
{
	int rc = check_pages(primary); /* those of the state file are taken already */

	if (rc != 0)
		return rc;
	/* Not whatever a service manager has set: it would remove the directory under a zygote's feet. */
	if (setenv("RUNTIME_DIRECTORY", PRIMARY_EAL_DIR, 1) != 0)
		return -ENOMEM;
	rc = route_log();
	if (rc != 0) {
		log_error("cannot route EAL's log: %s", strerror(-rc));
		return rc;
	}
	rc = start(primary);
	if (rc != 0)
		return rc;
	log_info("%s, IOVA as %s, files in %s/dpdk/%s", rte_version(), rte_eal_iova_mode() == RTE_IOVA_VA ? "VA" : "PA",
		 PRIMARY_EAL_DIR, primary->file_prefix);
	if (rte_mem_event_callback_register("baton", on_growth, primary) != 0)
		log_debug("EAL memory cannot grow: nothing to watch");
	primary->setup.io_lcores = primary->config.io_cores;
	for (uint32_t i = 0; i < primary->config.io_cores; i++)
		primary->setup.lcore_id[i] = i + 1;
	return 0;
}

void eal_fini(struct primary *primary)
{
	(void)primary;
	rte_eal_cleanup();
	rte_openlog_stream(NULL);
	fclose(log_stream);
	log_stream = NULL;
}

void eal_report_heap(const struct primary *primary)
{
	struct rte_malloc_socket_stats stats;
	uint64_t total = 0, unused = 0;

	for (uint32_t i = 0; i < rte_socket_count(); i++) {
		if (rte_malloc_get_socket_stats(rte_socket_id_by_idx(i), &stats) != 0)
			continue;
		total += stats.heap_totalsz_bytes;
		unused += stats.heap_freesz_bytes;
	}
	log_info("EAL memory: %llu of %llu MiB used", (unsigned long long)((total - unused) >> 20),
		 (unsigned long long)(total >> 20));
	if (total > primary->plan.eal_bytes)
		log_warn("EAL memory grew to %llu MiB at start, %llu were planned: set eal.socket_memory: %lluMiB",
			 (unsigned long long)(total >> 20), (unsigned long long)(primary->plan.eal_bytes >> 20),
			 (unsigned long long)(total + total / 4) >> 20);
	else if (unused < total / 100 * HEAP_LOW_PERCENT)
		log_warn("less than %u %% of EAL's memory is left: raise eal.socket_memory, it must not grow under traffic",
			 HEAP_LOW_PERCENT);
}
