/* What the steps of loading a configuration share: the text, the errors so far, and where each value was written. */
#ifndef BATON_CONFIG_LOADER_H
#define BATON_CONFIG_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <yaml.h>

#include "config.h"
#include "schema.h"
#include "value.h"

#define LOADER_ERRORS 20u
#define LOADER_FILE_BYTES (1u << 20)
#define LOADER_DEPTH 16u
#define LOADER_NODES 100000u

/* A place in the file, counted from 0 as libyaml does. */
struct place {
	uint32_t line, column;
};

/* Where a value of the configuration comes from. */
struct spot {
	const void *field; /* in loader.config */
	struct place place;
	bool element; /* `field` is an element of a list as a whole, not its first member */
	bool given;   /* written in the file; else a default, and `place` is that of the enclosing section */
	bool bad;     /* refused: the field holds nothing sensible */
};

struct loader {
	const char *name; /* of the file, for messages */
	const char *text;
	size_t bytes;
	char base[4096]; /* absolute directory of the file */
	struct config *config;
	yaml_document_t *document;
	struct spot *spots;
	uint32_t spot_count, spot_room;
	/* The first LOADER_ERRORS errors in the order of the file, and how many there are in all. */
	struct loader_error {
		struct place place;
		char text[PROBLEM_BYTES + 128];
	} error[LOADER_ERRORS];
	uint32_t errors;
};

void loader_error(struct loader *l, struct place place, const char *format, ...) __attribute__((format(printf, 3, 4)));
void loader_print(const struct loader *l, FILE *out);

/* Remembers where `field` was written. A failed allocation shows as an error of the file. */
void loader_note(struct loader *l, const void *field, struct place place, bool element, bool given, bool bad);
/* NULL if it was never noted. */
const struct spot *loader_spot(const struct loader *l, const void *field, bool element);
/* Whether the field holds a value, given or default, that was accepted. */
bool loader_good(const struct loader *l, const void *field);

/* Refuses what the document API would hide or choke on: anchors, aliases, tags, directives, a second document, too deep
 * nesting, too many nodes. Returns false if the document must not be loaded; the errors say why. */
bool loader_scan(struct loader *l);
/* An error of libyaml, put where it happened. */
void loader_yaml_error(struct loader *l, const yaml_parser_t *parser);

/* Fills in l->config from l->document. */
void loader_walk(struct loader *l);
/* Text of a scalar that can be kept as a C string and printed; NULL with an error otherwise. what: "a size". */
const char *loader_scalar(struct loader *l, yaml_node_t *node, const char *shown, const char *what,
			  const char *example);
/* Whether the node is a sequence as long as the row allows; an error otherwise. */
bool loader_sequence(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown);
/* Users or groups, as base + row->offset wants them. Returns false after errors. accounts.c */
bool loader_accounts(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown,
		     uint8_t *base);

/* Steps of a rollout, and players' keys, likewise. rollout_walk.c */
bool loader_steps(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown, uint8_t *base);
bool loader_keys(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown, uint8_t *base);
/* Thresholds of a gate, in a struct config_gate. */
bool loader_gate(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown, void *field);
/* What the node is, for a message. Returns `out` or a constant. */
const char *loader_shown(const yaml_node_t *node, char out[SHOWN_BYTES]);

/* Checks that need more than one value; skips those with a bad input. */
void loader_check(struct loader *l);
/* What depends on the machine: CPUs named in the file exist. */
void loader_check_host(struct loader *l);
/* Refuses poll: busy with more spinning threads than CPUs. Called by loader_check(). */
void loader_check_poll(struct loader *l);
/* Refuses what cannot hold the packets that wait while workers are replaced. Called by loader_check(). sizing.c */
void loader_check_sizing(struct loader *l);
/* Rollouts: groups, candidates, order of the steps, worker slots. Called by loader_check(). rollout_check.c */
void loader_check_rollouts(struct loader *l);
/* Replaces `auto` where the answer depends on the machine. */
void loader_resolve(struct loader *l);

static inline struct place place_of(yaml_mark_t mark)
{
	return (struct place){ (uint32_t)mark.line, (uint32_t)mark.column };
}

#endif
