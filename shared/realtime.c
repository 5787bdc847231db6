/* See docs/decisions/003-control-plane-runs-first.md for why and for what it costs. */
#define _GNU_SOURCE
#include "realtime.h"

#include <errno.h>
#include <sched.h>

int realtime_control_plane(void)
{
	struct sched_param lowest = {.sched_priority = 1};

	return sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &lowest) == 0 ? 0 : -errno;
}
