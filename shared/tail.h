/* The end of a file of lines. */
#ifndef BATON_SHARED_TAIL_H
#define BATON_SHARED_TAIL_H

#include <stddef.h>
#include <stdint.h>

/* Reads the last `lines` whole lines of a plain file, as far as they stand in its last `most` bytes. *text: to be
 * freed, closed by a NUL that *bytes does not count. Returns 0 or -errno. */
int tail_read(const char *path, uint32_t lines, size_t most, char **text, size_t *bytes);

#endif
