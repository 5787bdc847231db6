/* batonctl status, ping, worker list and worker restart. */
#include <string.h>

#include "ctl_reply.h"
#include "ctl_values.h"

/* The exit code is the verdict. */
int ctl_status(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *reply;
	int rc = ctl_ask_ok(o, "status", json_object(), CTL_ANSWER_MS, &reply, err);

	if (rc != CTL_OK)
		return rc;
	ctl_print_reply(o, reply, ctl_print_status, out);
	const char *verdict = text_of(reply, "verdict");
	rc = strcmp(verdict, "ok") == 0 ? 0 : strcmp(verdict, "warn") == 0 ? 1 : 2;
	json_decref(reply);
	return rc;
}

static void print_ping(FILE *out, const json_t *reply)
{
	const char *instance = text_of(reply, "instance"), *role = json_string_value(json_object_get(reply, "role"));

	fprintf(out, "%s: batond answers, pid %lld, %s%s%s\n", instance[0] ? instance : "?", number_of(reply, "pid"),
		json_is_true(json_object_get(reply, "ready")) ? "ready" : "not ready yet", role ? "; you are " : "",
		role ? (strcmp(role, "operator") == 0 ? "an operator" : "a viewer") : "");
}

int ctl_ping(const struct ctl_options *o, FILE *out, FILE *err)
{
	return ctl_order(o, "ping", json_object(), CTL_ANSWER_MS, print_ping, out, err);
}

static void print_list(FILE *out, const json_t *reply)
{
	ctl_print_workers(out, json_object_get(reply, "workers"));
}

int ctl_worker_list(const struct ctl_options *o, FILE *out, FILE *err)
{
	return ctl_order(o, "worker.list", json_object(), CTL_ANSWER_MS, print_list, out, err);
}

int ctl_worker_restart(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = json_object(), *reply = NULL;

	if (json_object_set_new(args, "target", json_string(o->target))) {
		json_decref(args);
		return ctl_fail(o, CTL_NOT_FOUND, err, "no worker or group has such a name");
	}
	if (o->version)
		json_object_set_new(args, "version", ctl_version_value(o->version));
	if (o->accept_one_way)
		json_object_set_new(args, "accept_one_way", json_true());
	int rc = ctl_ask(o, "worker.restart", args, o->timeout_ms, &reply, err);
	if (rc != CTL_OK)
		return rc;
	bool ok = json_is_true(json_object_get(reply, "ok"));
	if (ok && o->json)
		ctl_print_json(out, reply);
	else if (!o->json)
		ctl_print_restart(out, reply); /* also those that were through before one failed */
	if (!ok)
		rc = ctl_refused(o, reply, err);
	json_decref(reply);
	return rc;
}
