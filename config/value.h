/* Scalars of the configuration: text to value, with a message that says how to write it right. */
#ifndef BATON_CONFIG_VALUE_H
#define BATON_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config.h"
#include "schema.h"

#define PROBLEM_BYTES 512u

/* Why a value was refused. */
struct problem {
	char text[PROBLEM_BYTES];
};

/* Writes the value of `text` (`bytes` long, no NUL inside) to `field`, which is row->width bytes wide. plain: written
 * without quotes. base: directory relative paths start at. Scalar types only. Returns 0, or -EINVAL with *problem. */
int value_parse(const struct schema_row *row, const char *text, size_t bytes, bool plain, const char *base, void *field,
		struct problem *problem);

/* Number with the row's unit, range and zero word. Returns 0, or -EINVAL with *problem. */
int number_parse(const struct schema_row *row, const char *text, uint64_t *out, struct problem *problem);

/* `{max: 250us, max_ratio: 1.2}` or `off`, as the table has it. Returns 0, or -EINVAL with *problem. */
int gate_parse(const struct schema_row *row, const char *text, struct config_gate *out, struct problem *problem);
/* One key of it. Returns as gate_parse(). */
int gate_set(const struct schema_row *row, struct config_gate *gate, const char *key, const char *text,
	     struct problem *problem);
/* Whether the whole is one that can be. Returns as gate_parse(). */
int gate_sound(const struct schema_row *row, const struct config_gate *gate, struct problem *problem);
void gate_clear(struct config_gate *gate);
/* As it would be written. */
void gate_print(const struct schema_row *row, const struct config_gate *gate, FILE *out);
/* Keys of a gate, NULL ends them; those that none of its unit has are left out. */
extern const char *const gate_keys[];
enum config_gate_id gate_of(const struct schema_row *row);

/* `10%`, `0.5%` or `5‰`: permille, 1 to 1000. Returns 0, or -EINVAL with *problem. */
int share_parse(const char *text, uint32_t *permille, struct problem *problem);
/* As it would be written. Returns out. */
const char *share_text(uint32_t permille, char out[16]);
/* `{weight: 10%}` and the like. */
void step_print(const struct config_step *step, FILE *out);

/* One ADDRESS/PREFIX. Returns 0 or -EINVAL. */
int value_parse_prefix(const char *text, struct config_address *out, struct problem *problem);

/* Appends the CPUs of `2-5,8` to cores[*count]; at most `max` in all. Returns 0 or -EINVAL. */
int value_parse_cores(const char *text, uint32_t *cores, uint32_t *count, uint32_t max, struct problem *problem);

/* Key of a free section. */
bool value_is_setting_key(const char *text, size_t bytes);

/* `text` fit for a message: in quotes, at most 40 characters, nothing a terminal would act on. Returns out. */
#define SHOWN_BYTES 128u
const char *value_shown(const char *text, size_t bytes, char out[SHOWN_BYTES]);

/* "; did you mean 'WORD'?", to end a message with; empty if none of `words` is near. Returns out. */
const char *value_meant(const char *text, const char *const *words, char out[SHOWN_BYTES]);

/* Fills in *problem; always returns -EINVAL. */
int problem_set(struct problem *problem, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
