/* The one table of configuration keys: loader, checks, messages, reference page and tests are made from it. */
#ifndef BATON_CONFIG_SCHEMA_H
#define BATON_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum schema_type {
	SCHEMA_MAP,      /* section: a mapping of further rows */
	SCHEMA_LIST,     /* sequence of mappings, each an element of an array of structs */
	SCHEMA_BOOL,     /* true | false */
	SCHEMA_INT,      /* decimal number */
	SCHEMA_COUNT,    /* decimal number; k M G are 1000, Ki Mi Gi are 1024 */
	SCHEMA_RATE,     /* packets per second, written like a count */
	SCHEMA_SIZE,     /* bytes: B, K KiB, M MiB, G GiB; the unit is compulsory */
	SCHEMA_DURATION, /* nanoseconds: ns us ms s m h; the unit is compulsory */
	SCHEMA_STRING,   /* printable text */
	SCHEMA_NAME,     /* letters, digits, - and _; starts with a letter or digit: it becomes part of file names */
	SCHEMA_VERSION,  /* a name that may hold dots and + */
	SCHEMA_PATH,     /* file; a relative one starts at the directory of the configuration file */
	SCHEMA_ENUM,     /* one of `words`; the value is the word's index */
	SCHEMA_IP,       /* dotted IPv4 address, kept in network byte order */
	SCHEMA_PREFIXES, /* list of ADDRESS/PREFIX */
	SCHEMA_CORES,    /* list of CPU numbers and ranges: [0, 2-5] or 2-5,8 */
	SCHEMA_USERS,    /* list of users of the machine, by name or number */
	SCHEMA_GROUPS,   /* list of groups of the machine, by name or number */
	SCHEMA_BUILD,    /* name of a version, or a path if it holds a slash */
	SCHEMA_STEPS,    /* steps of a rollout: [{weight: 10%}, {pause: 5m}, {weight: 100%}] */
	SCHEMA_KEYS,     /* list of players' keys, as text */
	SCHEMA_GATE,     /* thresholds: {max: 250us, max_ratio: 1.2} */
	SCHEMA_SETTINGS, /* mapping of free keys to scalars, passed on as text */
	SCHEMA_TYPES
};

enum schema_reload { RELOAD_HOT, RELOAD_WORKER, RELOAD_SCALE, RELOAD_RESTART, RELOAD_CLASSES };
enum schema_tier { TIER_FIRST, TIER_PERFORMANCE, TIER_RARELY };

struct schema_row {
	const char *path; /* `ports[].mtu`; [] stands for every element of a list */
	enum schema_type type;
	bool required;
	enum schema_reload reload;
	enum schema_tier tier;
	/* Range of the value: of numbers in the base unit, of text in bytes, of lists in elements. */
	uint64_t min, max;
	const char *fallback;     /* default as it would be written; NULL: none */
	const char *example;      /* a valid value, for messages, reference and tests */
	const char *zero;         /* word that stands for 0 or empty; NULL: none */
	const char *const *words; /* SCHEMA_ENUM: NULL ends them */
	const char *help;         /* one line */
	uint32_t offset;          /* of the value, from the struct of the enclosing list or from struct config */
	uint32_t width;           /* bytes of the field; of one element for lists */
	uint32_t count_offset;    /* of the uint32_t that counts a list's elements */
};

#define SCHEMA_MAX 160u /* rows at most */

/* All rows; a section or list stands before the rows inside it. */
extern const struct schema_row schema[];
extern const size_t schema_rows;

/* The row with this path, or NULL. */
const struct schema_row *schema_find(const char *path);

/* The row of `key` in the section or list element `parent` ("" at the top, "eal", "ports[]"); NULL: unknown. */
const struct schema_row *schema_child(const char *parent, const char *key);

/* Whether `row` stands directly in `parent`. */
bool schema_inside(const struct schema_row *row, const char *parent);

/* The last word of the row's path. */
const char *schema_key(const struct schema_row *row);

const char *schema_type_name(enum schema_type type);   /* "duration", for the reference */
const char *schema_type_phrase(enum schema_type type); /* "a duration", to follow "expected" */
const char *schema_reload_name(enum schema_reload reload);
const char *schema_tier_name(enum schema_tier tier);

/* The key of `parent` nearest to `key`, at most two edits away; NULL: none is. */
const char *schema_nearest(const char *parent, const char *key);

/* The one of `words` (NULL ends them) nearest to `text`, at most two edits away; NULL: none is. */
const char *nearest_word(const char *text, const char *const *words);

/* Edits (insert, delete, replace, swap of neighbours) from a to b, at most limit + 1. */
unsigned int edit_distance(const char *a, const char *b, unsigned int limit);

/* A number of the row's type as a person would write it: 2MiB, 100ms, 1000. */
void schema_format_number(enum schema_type type, uint64_t value, char *out, size_t size);

#endif
