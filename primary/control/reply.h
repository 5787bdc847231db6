/* JSON as the control socket speaks it: schema 1, snake_case, units in names. */
#ifndef BATON_PRIMARY_REPLY_H
#define BATON_PRIMARY_REPLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define REPLY_SCHEMA 1

/* Any bytes as a JSON string: what is not UTF-8 or is a control character becomes '?'. Never NULL but for lack of
 * memory. */
json_t *reply_text(const char *text);
/* A number below 2^53, else a string: readers that use doubles would round it. */
json_t *reply_count(uint64_t value);

/* {"schema":1,"ok":true} */
json_t *reply_ok(void);
/* {"schema":1,"ok":false,"code":code,"error":error}. Codes: usage, unknown_command, not_found, busy, denied, failed,
 * garbage, oversize; of a configuration also invalid, refused. */
json_t *reply_error(const char *code, const char *error);

void reply_set_text(json_t *object, const char *key, const char *text);
void reply_set_count(json_t *object, const char *key, uint64_t value);

#endif
