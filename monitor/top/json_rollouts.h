/* Rollouts in the JSON of baton-top. */
#ifndef BATON_TOP_JSON_ROLLOUTS_H
#define BATON_TOP_JSON_ROLLOUTS_H

#include <jansson.h>

#include "snapshot.h"

json_t *json_rollouts(const struct snapshot *s);

#endif
