/* Is a file a whole shared object of this machine? Asked before anything maps, copies or loads it. */
#ifndef BATON_SHARED_ELF_CHECK_H
#define BATON_SHARED_ELF_CHECK_H

#include <stddef.h>

/* Looks at the headers of the file open as `fd`; its bytes may be anybody's. Returns 0, or -ENOEXEC with one line in
 * `why` that says what is wrong and how to build it, and does not name the file. */
int elf_check(int fd, char *why, size_t bytes);

#endif
