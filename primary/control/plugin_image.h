/* A private, sealed copy of a plugin file: what a worker loads cannot change under it, whatever happens to the file. */
#ifndef BATON_PRIMARY_PLUGIN_IMAGE_H
#define BATON_PRIMARY_PLUGIN_IMAGE_H

#include <stddef.h>

/* Largest plugin file. */
#define PLUGIN_IMAGE_MAX (256u << 20)

/* Copies `path` into a memfd and seals it against every change; checks that it is an ELF shared object of this machine.
 * Returns 0 and the memfd (close-on-exec), or -errno with one line in `why` that says what is wrong with the file. */
int plugin_image_open(const char *path, int *fd, char *why, size_t bytes);

#endif
