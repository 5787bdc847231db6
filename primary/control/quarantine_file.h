/* The files of the quarantine: TIME-SERVICE-BUCKET.pcapng, one entry each, its comment in lines of "key: value". */
#ifndef BATON_PRIMARY_QUARANTINE_FILE_H
#define BATON_PRIMARY_QUARANTINE_FILE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "pcapng.h"
#include "primary.h"

#define QUARANTINE_NAME 80u /* bytes of a file's name */

void quarantine_directory(const struct primary *primary, char out[BATON_PATH_BYTES]);

/* True if it could be the name of such a file: no path, and no file that is not ours. */
bool quarantine_is_name(const char *name);

/* Writes a file, under its name only when it is whole, and removes the oldest that are too many. service: part of the
 * name. Returns 0 and the name, or -errno and one line in `why`. */
int quarantine_write(const struct primary *primary, const struct pcapng *entry, const char *service, uint32_t bucket,
		     char name[QUARANTINE_NAME], char *why, size_t bytes);

/* A list of objects, oldest first: name, bytes and what the comment says; "unreadable" if it is no such file any more.
 * Returns 0 or -errno (-ENOENT: nothing has ever been written). */
int quarantine_list(const char *directory, json_t **out);

/* What is told of a file: what its comment says; and the entry; and the records kept with it (shared/kept.h). */
enum quarantine_part { QUARANTINE_LINES, QUARANTINE_ENTRY, QUARANTINE_RECORDS };
/* One of them: as in the list, and `frame`, `payload` and `len`, and `kept` if there are records, bytes in hexadecimal.
 * Returns 0, -ENOENT, -EBADMSG or -errno. */
int quarantine_show(const char *directory, const char *name, enum quarantine_part part, json_t **out);

#endif
