/* See docs/decisions/003-control-plane-runs-first.md for why, and why not SCHED_RR. */
#define _GNU_SOURCE
#include "priority.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

int priority_control_plane(void)
{
	struct sched_param none = {.sched_priority = 0};

	if (sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none) != 0)
		return -errno;
	/* On Linux this is the calling thread's alone. */
	return setpriority(PRIO_PROCESS, 0, -20) == 0 ? 0 : -errno;
}
