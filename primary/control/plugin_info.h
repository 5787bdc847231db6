/* What a plugin file says about itself, asked through `baton-zygote --describe` so that no game code runs in the
 * primary. */
#ifndef BATON_PRIMARY_PLUGIN_INFO_H
#define BATON_PRIMARY_PLUGIN_INFO_H

#include <stddef.h>

#include "primary.h"
#include "zygote.h"

/* Runs `zygote --describe file`, at most timeout_ms long (killed then), and parses the line it prints. The process may
 * not yet have other children that it waits for by anything but their pid.
 * Returns 0, or -errno with one line in `why`; *info is untouched then. */
int plugin_info_ask(const char *zygote, const char *file, int timeout_ms, struct plugin_info *info, char *why,
		    size_t bytes);

/* Parses the JSON line: abi, name, version, build_id, key ("flow" or "payload"), key_offset, key_length, record_size,
 * schema, max_undo_bytes. Returns 0 or -EPROTO with `why`. */
int plugin_info_parse(const char *text, size_t len, struct plugin_info *info, char *why, size_t bytes);

/* Does what a started worker says fit what the group's steering and state were laid out for?
 * Returns 0 or -EINVAL with one line in `why` that names the field and the fix. */
int plugin_info_fits(const struct plugin_info *info, const struct worker_ready *ready, char *why, size_t bytes);

#endif
