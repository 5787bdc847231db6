/* baton-exporter: the counters of an instance for Prometheus, over HTTP. Reads CoreStats only: no root, no control
 * socket, and nothing that the data path would feel. */
#ifndef BATON_EXPORTER_H
#define BATON_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sample.h"
#include "snapshot.h"

#define EXPORTER_LISTEN "127.0.0.1:9808"

enum exporter_exit { EXPORTER_OK = 0, EXPORTER_FAILED = 1, EXPORTER_USAGE = 2 };

struct exporter_options {
	char instance[BATON_NAME_BYTES]; /* empty: the only one there is, whenever that is */
	const char *listen;              /* ADDRESS:PORT or [ADDRESS]:PORT, into argv */
	bool help, version;
};

/* exporter_options.c. Returns 0, or -EINVAL after one line on `errors`. */
int exporter_options_parse(struct exporter_options *out, int argc, char **argv, FILE *errors);
void exporter_options_help(FILE *out);

/* ---- page.c: what a scrape gets ---- */

struct page {
	char wanted[BATON_NAME_BYTES]; /* empty: the only one */
	bool attached;
	struct source source;
	struct sample *sample;
	struct snapshot *snapshot;
	uint64_t scrapes;
};

/* Returns 0 or -ENOMEM. An instance that does not run is no error: it may come. */
int page_init(struct page *page, const char *instance);
void page_fini(struct page *page);
/* Attaches if there is something to attach to, and samples. Returns whether a batond runs and its main loop turns. */
bool page_look(struct page *page);
/* All of it: baton_up, and what CoreStats has if there are any. */
void page_write(struct page *page, FILE *out);

/* ---- http.c ---- */

struct http;

/* A listening socket at ADDRESS:PORT. Returns it and the address it got, or -errno and in `why` what to do. */
int http_listen(const char *address, char bound[64], char *why, size_t bytes);
/* Serves `page` on fd, which it takes over. NULL: no memory. */
struct http *http_start(int fd, struct page *page);
/* Waits for requests, and answers them, for at most wait_ms. */
void http_turn(struct http *http, int wait_ms);
void http_stop(struct http *http);

#endif
