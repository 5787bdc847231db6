/* batonctl stats: from the counters themselves, which needs no rights and no daemon that answers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_reply.h"
#include "exporter/prom.h"
#include "render.h"
#include "sample.h"
#include "snapshot.h"

/* -s names a socket; the file has the instance's name. */
static int learn_instance(struct ctl_options *o, FILE *err)
{
	json_t *reply = NULL;
	int rc = o->instance[0] ? CTL_OK : ctl_ask(o, "ping", json_object(), CTL_ANSWER_MS, &reply, err);

	if (rc == CTL_OK && reply) {
		snprintf(o->instance, sizeof(o->instance), "%.31s", text_of(reply, "instance"));
		json_decref(reply);
	}
	return rc;
}

/* Prometheus takes the difference of two scrapes itself: one sample is enough. */
static int show_prom(struct source *source, FILE *out)
{
	struct sample *now = sample_create();
	struct snapshot *s = malloc(sizeof(*s));
	int rc = now && s ? CTL_OK : CTL_FAILED;

	if (rc == CTL_OK) {
		source_take(source, now);
		snapshot_derive(s, NULL, now);
		prom_write(out, s);
	}
	free(now);
	free(s);
	return rc;
}

static int show(const struct ctl_options *o, struct source *source, FILE *out)
{
	struct sample *base = sample_create(), *now = sample_create();
	struct snapshot *s = malloc(sizeof(*s));
	int rc = base && now && s ? CTL_OK : CTL_FAILED;

	if (rc == CTL_OK) {
		source_take(source, base);
		ctl_wait_ms(o->interval_ms);
		source_take(source, now);
		snapshot_derive(s, base, now);
		if (!o->json)
			render_text(out, s);
		else if (render_json(out, s))
			rc = CTL_FAILED;
	}
	free(base);
	free(now);
	free(s);
	return rc;
}

int ctl_stats(const struct ctl_options *given, FILE *out, FILE *err)
{
	struct ctl_options o = *given;
	struct source source;
	int rc = learn_instance(&o, err);

	if (rc != CTL_OK)
		return rc;
	rc = source_open(&source, o.instance);
	if (rc == -EPROTO)
		return ctl_fail(&o, CTL_FAILED, err,
				"%s: its counters are of another version: use the batonctl of that batond",
				o.instance);
	if (rc)
		return ctl_fail(&o, CTL_UNREACHABLE, err, "%s: no counters to be had: %s: is batond running?",
				o.instance, strerror(-rc));
	rc = o.prom ? show_prom(&source, out) : show(&o, &source, out);
	source_close(&source);
	return rc;
}
