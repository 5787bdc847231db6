/* Values of batonctl's options: read from the command line, and written for batond. */
#ifndef BATON_CTL_VALUES_H
#define BATON_CTL_VALUES_H

#include "ctl.h"

/* Each returns 0, or -EINVAL after one line on `err`. */
int ctl_parse_time(const struct ctl_options *o, FILE *err, const char *option, const char *text, uint64_t *ms);
int ctl_parse_count(const struct ctl_options *o, FILE *err, const char *option, const char *text, uint32_t *count);
int ctl_parse_seed(const struct ctl_options *o, FILE *err, const char *text, uint64_t *seed);
/* At most bytes - 1 characters. */
int ctl_copy(const struct ctl_options *o, FILE *err, const char *option, const char *text, char *out, size_t bytes);

/* Text as JSON, whatever was typed or cut: where it is no UTF-8, bytes beyond ASCII become "?". The reference is
 * the caller's; NULL: memory is short. */
json_t *ctl_text(const char *text);

/* For batond, which stands in another directory. A text that is no UTF-8 names nothing and becomes "?". The reference
 * is the caller's. */
json_t *ctl_word(const char *text);
/* A path made absolute, and a version: a name as it is, a path made absolute and freed of links if it is there. */
json_t *ctl_path_value(const char *path);
json_t *ctl_version_value(const char *version);

#endif
