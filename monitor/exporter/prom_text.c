/* Lines of Prometheus' text format (version 0.0.4). */
#include "exporter/prom_text.h"

void prom_family(struct prom *p, const char *name, const char *type, const char *help)
{
	p->family = name;
	fprintf(p->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: quotes, backslashes and newlines escaped; what is not ASCII might not be UTF-8 either. */
static void put_value(FILE *out, const char *value)
{
	for (; *value != 0; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', out);
		if (*value == '\n')
			fputs("\\n", out);
		else
			fputc(*value >= 0x20 && *value < 0x7f ? *value : '?', out);
	}
}

void prom_label(struct prom *p, const char *name, const char *value)
{
	fprintf(p->out, ",%s=\"", name);
	put_value(p->out, value);
	fputc('"', p->out);
}

void prom_label_number(struct prom *p, const char *name, uint32_t value)
{
	fprintf(p->out, ",%s=\"%u\"", name, value);
}

void prom_begin(struct prom *p, const char *suffix)
{
	fprintf(p->out, "%s%s{baton=\"", p->family, suffix);
	put_value(p->out, p->s->instance);
	fputc('"', p->out);
}

void prom_end_count(struct prom *p, uint64_t value) { fprintf(p->out, "} %llu\n", (unsigned long long)value); }
void prom_end_real(struct prom *p, double value) { fprintf(p->out, "} %.9g\n", value); }
