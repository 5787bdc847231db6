/* Asking a plugin file what it says about itself, through `baton-zygote --describe`: no code of it runs in the primary,
 * and the main lcore need not wait for the answer. */
#ifndef BATON_PRIMARY_PLUGIN_ASK_H
#define BATON_PRIMARY_PLUGIN_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "ask.h"
#include "primary.h"

struct plugin_ask {
	struct ask process; /* of all zeroes is a sound beginning */
	char file[BATON_PATH_BYTES];
};

/* Starts `zygote --describe file`. Returns 0, or -errno with one line in `why`. */
int plugin_ask_begin(struct plugin_ask *ask, const char *zygote, const char *file, int timeout_ms, char *why,
		     size_t bytes);
/* Never waits. Returns -EAGAIN until it is over; then 0 and *info, or -errno with one line in `why`: it died, refused,
 * or did not answer in time (it is killed then). The process has been reaped. */
int plugin_ask_poll(struct plugin_ask *ask, struct plugin_info *info, char *why, size_t bytes);
/* Kills and reaps it; nothing to do if nobody is asked. */
void plugin_ask_cancel(struct plugin_ask *ask);

/* All of it at once, for the start. Returns 0, or -errno with one line in `why`; *info is untouched then. */
int plugin_ask(const char *zygote, const char *file, int timeout_ms, struct plugin_info *info, char *why, size_t bytes);

#endif
