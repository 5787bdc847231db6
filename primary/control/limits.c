/* What the primary asks of the kernel for itself, and the hard limits of this build. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rte_config.h>

#include "log.h"
#include "primary.h"
#include "priority.h"

#define FILES_WANTED 8192u /* EAL keeps a descriptor for every huge page it maps */

/* As far as we may: without CAP_SYS_RESOURCE (in a container) the hard limit is the end. */
static void raise_limit(int resource, const char *name, rlim_t wanted)
{
	struct rlimit limit, more;

	if (getrlimit(resource, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	more = (struct rlimit){ .rlim_cur = wanted, .rlim_max = limit.rlim_max < wanted ? wanted : limit.rlim_max };
	if (setrlimit(resource, &more) == 0)
		return;
	more.rlim_cur = more.rlim_max = limit.rlim_max;
	if (setrlimit(resource, &more) != 0 || limit.rlim_max < wanted)
		log_debug("%s stays at its hard limit: raise it in the service unit if a device cannot be opened", name);
}

/* The kernel should kill anything else first: with the primary the network goes. */
static void oom_protect(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "-900", 4) != 4)
		log_debug("oom_score_adj stays as it is: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

int limits_init(struct primary *primary)
{
	(void)primary;
	/* Workers are forked by the zygote, twice: they become children of the primary, which alone may reap them. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
		int rc = -errno;
		log_error("cannot become child subreaper: %s", strerror(errno));
		return rc;
	}
	raise_limit(RLIMIT_NOFILE, "RLIMIT_NOFILE", FILES_WANTED);
	raise_limit(RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", RLIM_INFINITY); /* AF_XDP counts its buffers against it */
	oom_protect();
	int rc = priority_control_plane();
	if (rc != 0)
		log_info("the main lcore keeps its nice value (%s): beside pollers on its CPU it answers later",
			 strerror(-rc));
	return 0;
}

void limits_print(void)
{
	static const struct {
		const char *name;
		unsigned int value;
	} limits[] = {
		{ "I/O lcores", BATON_MAX_IO_LCORES },
		{ "workers (slots)", BATON_MAX_WORKERS },
		{ "buckets of a service", BATON_MAX_BUCKETS },
		{ "ports", BATON_MAX_PORTS },
		{ "addresses of a port", CONFIG_ADDRESSES },
		{ "services", BATON_MAX_SERVICES },
		{ "groups", BATON_MAX_GROUPS },
		{ "versions of a group", CONFIG_VERSIONS },
		{ "burst, packets", BATON_BURST },
		{ "belt, slots", BELT_SLOTS },
		{ "payload, bytes", BELT_CELL_BYTES },
		{ "undo journal of a burst, bytes", JOURNAL_BYTES },
		{ "EAL lcores", RTE_MAX_LCORE },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		printf("%-32s %u\n", limits[i].name, limits[i].value);
}
