/* A worker under a debugger: it keeps the buckets that were chosen, the others of its group have the rest, and nobody
 * minds how long it stands still. Bound to the process: when that ends, so does this. Main lcore only. */
#ifndef BATON_PRIMARY_DEBUG_H
#define BATON_PRIMARY_DEBUG_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "restart.h"

struct supervisor;

/* target: a worker. buckets: as buckets_parse() reads them, or NULL; keys: array of strings as scale_find() takes them,
 * or NULL. Neither: the first bucket it owns. Returns 0 (done() follows), -ENOENT, -EBUSY, -EINVAL, or -EPERM, with one
 * line in `why`: it is down, or no other worker of its group can take its buckets. */
int debug_begin(struct supervisor *sup, const char *target, const char *buckets, const json_t *keys,
		restart_done_fn done, uint64_t token, char *why, size_t bytes);
/* It takes its share again, and may stall again. Returns as above. */
int debug_end(struct supervisor *sup, const char *target, restart_done_fn done, uint64_t token, char *why,
	      size_t bytes);
/* Its process is debugged from now on. */
void debug_enter(struct supervisor *sup, uint32_t worker);
/* Every turn: those whose process has ended take their share again. */
void debug_poll(struct supervisor *sup);
/* Refuses what cannot be asked of a worker that is debugged. Returns 0 or -EBUSY, with what to do in `why`. */
int debug_refuse(const struct supervisor *sup, uint32_t worker, char *why, size_t bytes);
/* What to type, into the reply of the order. */
void debug_report(const struct supervisor *sup, uint32_t worker, json_t *reply);

#endif
