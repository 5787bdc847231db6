/* Scheduling of the control plane: short, rare work that must not wait long behind polling threads on the same CPU. */
#ifndef BATON_SHARED_PRIORITY_H
#define BATON_SHARED_PRIORITY_H

/* Gives the calling thread nice -20; its children and threads start with nice 0 again. Only for threads that sleep in
 * poll() between turns of microseconds, never for one that polls.
 * Returns 0 or -errno (-EACCES, -EPERM: not allowed here; everything works, but later beside pollers). */
int priority_control_plane(void);

#endif
