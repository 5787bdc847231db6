/* Values of batonctl's options. Each returns 0, or -EINVAL after one line on `err`. */
#ifndef BATON_CTL_VALUES_H
#define BATON_CTL_VALUES_H

#include "ctl.h"

int ctl_parse_time(const struct ctl_options *o, FILE *err, const char *option, const char *text, uint64_t *ms);
int ctl_parse_count(const struct ctl_options *o, FILE *err, const char *option, const char *text, uint32_t *count);
int ctl_parse_seed(const struct ctl_options *o, FILE *err, const char *text, uint64_t *seed);
/* At most bytes - 1 characters. */
int ctl_copy(const struct ctl_options *o, FILE *err, const char *option, const char *text, char *out, size_t bytes);

#endif
