/* What another process writes, a JSON object a line, as it comes in pieces. */
#ifndef BATON_CTL_LINES_H
#define BATON_CTL_LINES_H

#include <jansson.h>
#include <stddef.h>

#define CTL_LINE_BYTES 8192u

/* Begun as {.object = …, .arg = …}. A line that is no object, or longer than the buffer, is passed over. */
struct ctl_lines {
	void (*object)(void *arg, json_t *object); /* keeps what it takes a reference to */
	void *arg;
	size_t len;
	char line[CTL_LINE_BYTES];
};

/* The next `count` bytes. For `struct ask`, as ask.take with the lines as its arg. */
void ctl_lines_take(void *lines, const char *bytes, size_t count);

#endif
