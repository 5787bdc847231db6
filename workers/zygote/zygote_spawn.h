/* The zygote's loop: forks what the primary asks for, until the primary hangs up. */
#ifndef BATON_SPAWN_H
#define BATON_SPAWN_H

#include "worker.h"

/* Says READY on ZYGOTE_FD_CONTROL (text: DPDK's version), then serves it for good. */
void spawn_serve(struct worker_host *host) __attribute__((noreturn));

/* Sends text of `kind` to the primary. Returns 0 or -errno. */
int spawn_say(uint32_t kind, const char *text);

#endif
