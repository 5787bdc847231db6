/* Plugins: loaded from an open file, so that what runs is what was checked, and refused with the fix if unfit. */
#ifndef BATON_PLUGIN_LOAD_H
#define BATON_PLUGIN_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "baton.h"
#include "zygote.h"

#define PLUGIN_WHY_BYTES 512u

struct plugin {
	const struct baton_plugin *descriptor; /* in the loaded object; never unloaded */
	const struct baton_verify *verify;     /* NULL: it has none */
	char build_id[41];                     /* hex, "" if the file has none */
};

/* Loads the shared object open as `fd` (a file or a sealed memfd) and checks its descriptor; path: for messages only.
 * Constructors of the object run. Returns 0, -ENOEXEC (not a shared object of this machine), -ENOENT (no descriptor),
 * -EPROTO (other ABI), -EINVAL (a field of the descriptor) or -ELIBACC (cannot be linked), with one line in `why`. */
int plugin_load(struct plugin *plugin, int fd, const char *path, char *why, size_t bytes);

/* Checks the descriptor alone. Returns 0, -EPROTO or -EINVAL with one line in `why`, which does not name the file. */
int plugin_check(const struct baton_plugin *descriptor, char *why, size_t bytes);

/* Does it fit a service that steers by `key` and a group whose state file has room for records of `room` bytes?
 * Returns 0 or -EINVAL with one line in `why` that says which line of the configuration to change. */
int plugin_fits(const struct baton_plugin *descriptor, uint32_t key, uint32_t room, char *why, size_t bytes);

/* What WORKER_READY says. */
void plugin_ready(const struct plugin *plugin, struct worker_ready *ready);

/* baton-zygote --describe: one JSON line on standard output, or one line on standard error. Returns the exit code. */
int plugin_describe(const char *path);

#endif
