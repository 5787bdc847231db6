/* What the files of the plugin test library share. */
#ifndef BATON_HARNESS_INSIDE_H
#define BATON_HARNESS_INSIDE_H

#include "baton_test.h"
#include "sandbox.h"

#define INSIDE_SETTINGS 32u

struct baton_test_inside {
	struct sandbox sandbox;
	struct {
		const char *key, *value;
	} setting[INSIDE_SETTINGS];
	char log[1024];
	struct baton_test_reply reply;
	uint64_t *last_tick;  /* per bucket */
	const char *finding;  /* of the last call; NULL: none */
	void *object;         /* of dlopen(), NULL: the plugin is linked */
};

/* Fails the test, at that place of it, unless findings are kept. */
void inside_found(struct baton_test *t, const char *finding, const char *file, int line);
/* Fails the test at that place of it. */
void inside_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4), noreturn));

#endif
