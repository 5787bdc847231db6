/* What a plugin file says about itself, as `baton-zygote --describe` prints it (plugin_ask.h). */
#ifndef BATON_PRIMARY_PLUGIN_INFO_H
#define BATON_PRIMARY_PLUGIN_INFO_H

#include <stddef.h>

#include "primary.h"
#include "zygote.h"

/* Parses the JSON line: abi, name, version, build_id, key ("flow" or "payload"), key_offset, key_length, record_size,
 * schema, max_undo_bytes; shadow and older may be absent. Returns 0 or -EPROTO with `why`. */
int plugin_info_parse(const char *text, size_t len, struct plugin_info *info, char *why, size_t bytes);

/* Does what a started worker says fit what the group's steering was laid out for? Its records: schema_check.h.
 * Returns 0 or -EINVAL with one line in `why` that names the field and the fix. */
int plugin_info_fits(const struct plugin_info *info, const struct worker_ready *ready, char *why, size_t bytes);

#endif
