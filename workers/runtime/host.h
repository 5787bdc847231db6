/* What a plugin's init may ask of the worker that hosts it: baton_log() and baton_setting() of baton.h. */
#ifndef BATON_HOST_H
#define BATON_HOST_H

#include "zygote.h"

/* From now on logs go to the primary over `control`, settings come from `spawn`, which must stay. Before it, and in
 * tests, logs go to standard error and no setting exists. */
void host_init(int control, const struct zygote_spawn *spawn);

/* Where there is no primary, log lines go there from now on. */
void host_log_to(void (*log)(const char *text));

/* Where there is no primary, settings come from there from now on; it must stay. */
void host_settings(const struct zygote_spawn *spawn);

/* Sends one message to the primary, waiting (at most 1 s) for room. Returns 0 or -errno. */
int host_send(struct zygote_message *message);
/* The same with `text` alone, cut to what fits. */
int host_say(uint32_t kind, const char *text);

#endif
