/* The report of `batonctl plugin check`: lines of three levels, for people or as JSON. */
#ifndef BATON_CTL_PLUGIN_REPORT_H
#define BATON_CTL_PLUGIN_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "plugin_elf.h"

enum plugin_level {
	PLUGIN_OK,
	PLUGIN_WARN,  /* it runs, but should not be as it is */
	PLUGIN_ERROR, /* a worker refuses it, or it does what a plugin must not do */
};

struct plugin_report {
	json_t *lines;    /* array of {level, what, text} */
	unsigned count[3]; /* by level */
};

/* `what` is the subject in one word; the text is one line, whatever stands in its arguments. */
void plugin_say(struct plugin_report *r, enum plugin_level level, const char *what, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* plugin_imports.c: what it takes from others. zygote: of the program that becomes the workers. Returns the number of
 * symbols that nobody has. */
unsigned plugin_imports(struct plugin_report *r, const struct plugin_elf *plugin, const struct plugin_elf *zygote);

#endif
