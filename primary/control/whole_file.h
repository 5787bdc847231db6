/* A small file that is written whole or not at all. */
#ifndef BATON_PRIMARY_WHOLE_FILE_H
#define BATON_PRIMARY_WHOLE_FILE_H

#include <stdbool.h>

/* The directory that the file is in, and the one above it. */
void whole_file_directory(const char *path);
/* `text`, until its NUL, as PATH.part and then under its name; the directory is made if there is none. durable: it is on
 * the disk, else a crash of the machine may lose it, an end of this process cannot. Returns 0 or -errno: the file is as it
 * was. */
int whole_file_write(const char *path, const char *text, bool durable);

#endif
