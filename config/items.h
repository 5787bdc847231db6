/* The values of a loaded configuration one by one, to be shown, compared and carried over to another. */
#ifndef BATON_CONFIG_ITEMS_H
#define BATON_CONFIG_ITEMS_H

#include <stdint.h>
#include <stdio.h>

#include "config.h"
#include "schema.h"

#define ITEM_PATH_BYTES 128u

/* A value, or a list: that is its length, the elements' values are items of their own. The same item stands for the
 * same place in every struct config. */
struct config_item {
	const struct schema_row *row;
	char path[ITEM_PATH_BYTES]; /* groups[0].settings */
	uint32_t base;              /* in struct config: of the struct that the row's offsets count from */
	uint32_t index;             /* of the top-level list's element it belongs to, else 0 */
};

typedef void (*config_item_fn)(const struct config_item *item, void *arg);

/* Calls fn for every value, in the order of the table. */
void config_each(const struct config *config, config_item_fn fn, void *arg);

/* Calls fn for every value that is not the same in both. Elements that only one of them has show as the
 * list's length. */
void config_diff(const struct config *a, const struct config *b, config_item_fn fn, void *arg);

/* The value as it would be written. */
void config_item_print(const struct config *config, const struct config_item *item, FILE *out);
/* The same, to be freed; NULL: out of memory. */
char *config_item_text(const struct config *config, const struct config_item *item);

/* Gives `to` the value that `from` has; a list with all its elements. */
void config_item_copy(struct config *to, const struct config *from, const struct config_item *item);

/* Where the value was written; NULL if that is not known. */
const struct config_origin *config_item_origin(const struct config_origins *origins, const struct config_item *item);

#endif
