/* The door of CoreStats: a socket that gives whoever connects a descriptor of the counters, to be read only. A
 * thread of the primary's stands at it, so that monitors get in while the main loop hangs. */
#ifndef BATON_SHARED_STATS_DOOR_H
#define BATON_SHARED_STATS_DOOR_H

struct stats_door;

/* Takes over the address `path`, in one step: whoever connects meets the old one or this one. Gives out `memory`,
 * opened anew for reading. Returns 0 or -errno. */
int stats_door_open(struct stats_door **door, const char *path, int memory);

/* The address is made again if it is gone, or another's. Returns 0: it is there; 1: made again; -errno. */
int stats_door_keep(struct stats_door *door);

/* Ends the thread; the address stays. In a child of whoever opened it nothing but memory is given back. NULL:
 * nothing. */
void stats_door_close(struct stats_door *door);

/* Who looks at the counters: a descriptor from the door at `path`, or -ENOENT, -EPROTO (no socket, or nothing was
 * given), -EPERM (made by somebody who is neither root nor who asks: anybody may put things where doors are),
 * -ECONNREFUSED (its primary was killed), -EAGAIN (nobody answers within a second) or -errno. */
int stats_door_ask(const char *path);

/* 0: there is a door, of a primary that may have been killed; else as stats_door_ask(). */
int stats_door_look(const char *path);

#endif
