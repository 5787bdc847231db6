/* A worker from its fork to its end. */
#ifndef BATON_WORKER_H
#define BATON_WORKER_H

#include <stdint.h>
#include <sys/types.h>

#include "confine.h"
#include "core_stats.h"
#include "state.h"
#include "zygote.h"

/* What the zygote knows when it forks; the worker's copy is private. */
struct worker_host {
	pid_t primary;
	uint32_t io_lcores;
	uint32_t slots;
	uint8_t *belts[BATON_MAX_IO_LCORES]; /* per I/O lcore: a huge page per slot */
	struct state state;                  /* header: points to the copy below, for a worker unmaps the original */
	struct state_header header;
	struct stats stats;
	struct confine_maps maps;
	struct confine_filter filter;
};

/* Becomes the worker: first acts, plugin, loop. control: its end of the socket to the primary; plugin: sealed memfd.
 * Call in a fresh child with one thread. Leaves by _exit alone: 0 after BELT_STOP, 1 if it could not start. */
void worker_run(struct worker_host *host, const struct zygote_spawn *spawn, int control, int plugin)
    __attribute__((noreturn));

#endif
