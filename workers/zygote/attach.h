/* The zygote's one EAL start, and everything a worker will need of it. */
#ifndef BATON_ATTACH_H
#define BATON_ATTACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker.h"

#define ATTACH_WHY_BYTES 512u

struct attach_options {
	int parent;
	bool without_eal; /* a list of pages is at ZYGOTE_FD_PAGES */
	uint32_t io_lcores, slots, cpu;
	const char *file_prefix;
	const char *huge_dir;
};

/* Attaches as EAL secondary (or without EAL), looks up the belts and maps the files whose descriptors stand in
 * zygote.h. May take shared locks that nothing gives back if it is killed: the primary must not carry traffic yet.
 * Returns 0 or -errno with one line in `why` that says what to do. */
int attach(struct worker_host *host, const struct attach_options *options, char *why, size_t bytes);

/* adopt.c: the belts at the primary's addresses, by the list at ZYGOTE_FD_PAGES, which is closed. The same. */
int attach_belts_without_eal(struct worker_host *host, char *why, size_t bytes);

#endif
