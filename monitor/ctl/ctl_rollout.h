/* Rows of rollouts as text: ctl_rollout_print.c prints what ctl_rollout.c has asked for. */
#ifndef BATON_CTL_ROLLOUT_H
#define BATON_CTL_ROLLOUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Row of `rollout.status`: it is paused until an operator says something. */
bool ctl_rollout_waits(const json_t *row);
/* "game: progressing, pause, step 2 of 7, 1 %" */
void ctl_rollout_print_line(FILE *out, const json_t *row);
/* The same and all else. */
void ctl_rollout_print_row(FILE *out, const json_t *row);
/* Row of `rollout.history`. */
void ctl_rollout_print_past(FILE *out, const json_t *past);

#endif
