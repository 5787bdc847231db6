/* What can be asked over the control socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "config_report.h"
#include "reload.h"
#include "reply.h"
#include "supervisor.h"

static json_t *verb_ping(const struct command_call *call)
{
	json_t *reply = reply_ok();

	reply_set_text(reply, "instance", call->primary->config.name);
	reply_set_text(reply, "version", BATON_VERSION);
	reply_set_count(reply, "pid", (uint64_t)getpid());
	json_object_set_new(reply, "ready", json_boolean(call->primary->ready));
	return reply;
}

static json_t *verb_status(const struct command_call *call)
{
	return status_build(call->primary);
}

static json_t *verb_stats(const struct command_call *call)
{
	return status_stats(call->primary);
}

static json_t *verb_worker_list(const struct command_call *call)
{
	json_t *reply = reply_ok();

	json_object_set_new(reply, "workers", status_workers(call->primary));
	return reply;
}

static json_t *verb_worker_restart(const struct command_call *call)
{
	const char *target = json_string_value(json_object_get(call->args, "target"));
	const json_t *version = json_object_get(call->args, "version");
	const char *code;
	char why[600];

	if (!target)
		return reply_error("usage", "worker.restart needs args.target: the name of a worker or of a group");
	if (version && !json_is_string(version) && !json_is_null(version))
		return reply_error("usage", "args.version is a name or an absolute path");
	if (!call->primary->supervisor)
		return reply_error("failed", "the primary is stopping");
	if (reload_busy(call->primary))
		return reply_error("busy", "a reload of the configuration is under way: wait for its end");
	int rc = restart_begin(call->primary->supervisor, target, json_string_value(version), command_reply,
			       call->token, why, sizeof(why));
	if (rc == 0)
		return NULL;
	code = rc == -ENOENT ? "not_found" : rc == -EBUSY ? "busy" : "usage";
	return reply_error(code, why);
}

static json_t *verb_config_reload(const struct command_call *call)
{
	return reload_begin(call->primary, json_is_true(json_object_get(call->args, "wait")), call->token);
}

static json_t *verb_config_diff(const struct command_call *call)
{
	const struct primary *primary = call->primary;
	struct config *file = calloc(1, sizeof(*file));
	struct config_origins origins = { .count = 0 };
	json_t *reply = file ? report_load(primary->config_path, file, &origins) : reply_error("failed", "out of memory");

	if (!reply) {
		reply = reply_ok();
		reply_set_text(reply, "file", primary->config_path);
		json_object_set_new(reply, "changes", report_changes(&primary->config, file, &origins));
	}
	config_origins_free(&origins);
	free(file);
	return reply;
}

static json_t *verb_config_show(const struct command_call *call)
{
	const struct primary *primary = call->primary;
	bool effective = json_is_true(json_object_get(call->args, "effective"));
	json_t *reply = reply_ok();

	reply_set_text(reply, "file", primary->config_path);
	json_object_set_new(reply, "values", report_values(&primary->config, &primary->origins, effective));
	return reply;
}

const struct command_verb command_verbs[] = {
	{ "ping", verb_ping, false },
	{ "status", verb_status, false },
	{ "stats", verb_stats, false },
	{ "worker.list", verb_worker_list, false },
	{ "worker.restart", verb_worker_restart, true },
	{ "config.reload", verb_config_reload, true },
	{ "config.diff", verb_config_diff, false },
	{ "config.show", verb_config_show, false },
	{ NULL, NULL, false },
};
