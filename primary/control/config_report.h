/* Configurations as the control socket shows them: values with their origin, and what differs between two. */
#ifndef BATON_PRIMARY_CONFIG_REPORT_H
#define BATON_PRIMARY_CONFIG_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "config.h"

/* Array of {path, value, origin, reload}; origin is "default" or FILE:LINE:COLUMN. effective: defaults, too. */
json_t *report_values(const struct config *config, const struct config_origins *origins, bool effective);

/* Array of {path, from, to, at, reload}: at is where `to` was written, or where the section begins that lacks it. */
json_t *report_changes(const struct config *from, const struct config *to, const struct config_origins *origins);

/* Array of lines, FILE:LINE:COLUMN: error: ..., for every change that needs a new primary. */
json_t *report_fixed(const json_t *changes);

/* Loads the file. Returns NULL and fills in both, or the refusal with all errors. */
json_t *report_load(const char *path, struct config *config, struct config_origins *origins);

/* A refusal with its reasons, one a line. Takes the reference to `errors`. */
json_t *report_refusal(const char *code, json_t *errors, const char *error);

#endif
