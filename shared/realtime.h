/* Scheduling of the control plane: short, rare work that must not wait behind polling threads on the same CPU. */
#ifndef BATON_SHARED_REALTIME_H
#define BATON_SHARED_REALTIME_H

/* Gives the calling thread SCHED_RR at the lowest priority; its children and threads start with SCHED_OTHER again.
 * Only for threads that sleep in poll() between turns of microseconds, never for one that polls.
 * Returns 0 or -errno (-EPERM: not allowed here; everything works, but slower beside pollers). */
int realtime_control_plane(void);

#endif
