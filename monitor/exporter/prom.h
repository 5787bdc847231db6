/* Prometheus text format 0.0.4 of a snapshot: of `batonctl stats --prom`, and of whatever serves it. */
#ifndef BATON_EXPORTER_PROM_H
#define BATON_EXPORTER_PROM_H

#include <stdio.h>

#include "snapshot.h"

#define PROM_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Writes every family once, with HELP and TYPE, in base units. s: derived without an origin; a baseline is not needed,
 * since Prometheus makes its own rates. */
void prom_write(FILE *out, const struct snapshot *s);

#endif
