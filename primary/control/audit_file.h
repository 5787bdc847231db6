/* The file of the audit log: found, made, made again after a rotation, appended to. */
#ifndef BATON_PRIMARY_AUDIT_FILE_H
#define BATON_PRIMARY_AUDIT_FILE_H

#include <stdbool.h>

struct primary;

/* Appends the line, without its end, in one write. False: it is lost; the reason has been logged, once. */
bool audit_file_append(struct primary *primary, const char *line);

#endif
