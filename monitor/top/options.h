/* Command line of baton-top. */
#ifndef BATON_TOP_OPTIONS_H
#define BATON_TOP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "abi.h"

/* OUTPUT_SCREEN: nothing else was asked for. Without a terminal it is one text frame. */
enum top_output { OUTPUT_SCREEN, OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_SUMMARY };
enum top_exit { TOP_OK = 0, TOP_FAILED = 1, TOP_USAGE = 2, TOP_NO_INSTANCE = 3 };

struct top_options {
	char instance[BATON_NAME_BYTES]; /* empty: the only one there is */
	uint64_t interval_ns;
	uint64_t frames; /* 0: until interrupted */
	enum top_output output;
	bool demo;
	bool ascii;
	bool help, version;
};

/* Returns 0, or -EINVAL after one line on `errors` that says what to write instead. */
int top_options_parse(struct top_options *out, int argc, char **argv, FILE *errors);
void top_options_help(FILE *out);

#endif
