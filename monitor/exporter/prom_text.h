/* How prom.c and its parts write: families, their series, and labels. */
#ifndef BATON_PROM_TEXT_H
#define BATON_PROM_TEXT_H

#include <stdint.h>
#include <stdio.h>

#include "snapshot.h"

struct prom {
	FILE *out;
	const struct snapshot *s;
	const char *family; /* the one under way */
};

/* HELP and TYPE: before the first series of a family. */
void prom_family(struct prom *p, const char *name, const char *type, const char *help);
/* A series: its name with the suffix and the label `baton`, then more labels, then its value. */
void prom_begin(struct prom *p, const char *suffix);
void prom_label(struct prom *p, const char *name, const char *value);
void prom_label_number(struct prom *p, const char *name, uint32_t value);
void prom_end_count(struct prom *p, uint64_t value);
void prom_end_real(struct prom *p, double value);

/* Parts of the text. */
void prom_residences(struct prom *p);
void prom_ports(struct prom *p);
void prom_groups(struct prom *p);
void prom_rollouts(struct prom *p);
void prom_zygote(struct prom *p);

#endif
