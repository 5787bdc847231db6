/* Rows of the schema in words, for the reference and for batonctl config explain. */
#ifndef BATON_CONFIG_EXPLAIN_H
#define BATON_CONFIG_EXPLAIN_H

#include <stddef.h>

#include "schema.h"

/* "1 to 63", "adaptive, busy"; empty if every value of the type will do. */
void schema_range(const struct schema_row *row, char *out, size_t size);
/* "required", the default as it would be written, or nothing. */
const char *schema_default(const struct schema_row *row);
/* What a number counts, and what may stand behind it. */
const char *schema_unit(const struct schema_row *row);

/* The row of `groups[0].count`, `groups[].count` or `groups.count`. Returns 0, or -ENOENT with one line in `why`. */
int schema_look_up(const char *path, const struct schema_row **row, char *why, size_t bytes);

#endif
