/* What can be asked over the control socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "command.h"
#include "config_report.h"
#include "reload.h"
#include "reply.h"
#include "supervisor.h"
#include "tail.h"
#include "verbs.h"

static json_t *verb_ping(const struct command_call *call)
{
	json_t *reply = reply_ok();

	reply_set_text(reply, "instance", call->primary->config.name);
	reply_set_text(reply, "version", BATON_VERSION);
	reply_set_count(reply, "pid", (uint64_t)getpid());
	json_object_set_new(reply, "ready", json_boolean(call->primary->ready));
	reply_set_text(reply, "role", peer_role_name(call->role));
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
	call->primary->supervisor->restart.accept_one_way =
	    rc == 0 ? json_is_true(json_object_get(call->args, "accept_one_way"))
		    : call->primary->supervisor->restart.accept_one_way;
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

/* ---- the audit log ---- */

#define AUDIT_LAST_MOST  1000u
#define AUDIT_TAIL_BYTES (256u * 1024u)

static json_t *verb_audit(const struct command_call *call)
{
	const json_t *last = json_object_get(call->args, "last");
	json_int_t lines = last ? json_integer_value(last) : 20;
	char why[400], *text, *rest, *line;
	const struct audit *audit = call->primary->audit;
	json_t *reply, *list;
	uint64_t unreadable = 0;
	size_t bytes;

	if (lines < 1 || lines > AUDIT_LAST_MOST)
		return reply_error("usage", "args.last is a number from 1 to 1000");
	if (!audit)
		return reply_error("failed", "there is no audit log: memory was short at the start");
	int rc = tail_read(audit->path, (uint32_t)lines, AUDIT_TAIL_BYTES, &text, &bytes);
	if (rc) {
		snprintf(why, sizeof(why), "audit log %s: %s", audit->path, strerror(-rc));
		return reply_error("failed", why);
	}
	reply = reply_ok();
	list = json_array();
	for (rest = text; (line = strsep(&rest, "\n")) != NULL;) {
		json_t *object = line[0] ? json_loads(line, 0, NULL) : NULL;
		unreadable += line[0] && !json_is_object(object);
		if (json_is_object(object))
			json_array_append(list, object);
		json_decref(object);
	}
	free(text);
	reply_set_text(reply, "file", audit->path);
	json_object_set_new(reply, "lines", list);
	reply_set_count(reply, "unreadable", unreadable);
	reply_set_count(reply, "written", audit->written);
	reply_set_count(reply, "lost", audit->lost);
	return reply;
}

/* Where the state file is, and which file each group runs: what `batonctl state verify` looks at by itself. */
static json_t *verb_state_info(const struct command_call *call)
{
	const struct primary *primary = call->primary;
	json_t *reply = reply_ok(), *groups = json_array();

	for (uint32_t g = 0; g < primary->config.groups; g++) {
		json_t *group = json_object();

		reply_set_text(group, "name", primary->config.group[g].name);
		reply_set_text(group, "plugin", primary->supervisor ? primary->supervisor->group_path[g] :
								      primary->config.group[g].plugin);
		json_array_append_new(groups, group);
	}
	reply_set_text(reply, "file", primary->state_path);
	json_object_set_new(reply, "groups", groups);
	return reply;
}

/* What an order needs is part of its row; what changes anything is an operator's. */
const struct command_verb command_verbs[] = {
	VIEWER("ping", verb_ping),
	VIEWER("status", verb_status),
	VIEWER("stats", verb_stats),
	VIEWER("worker.list", verb_worker_list),
	OPERATOR("worker.restart", verb_worker_restart),
	OPERATOR("worker.start", verb_worker_start),
	OPERATOR("worker.stop", verb_worker_stop),
	OPERATOR("worker.drain", verb_worker_drain),
	OPERATOR("worker.debug", verb_worker_debug),
	VIEWER("buckets.show", verb_buckets_show),
	VIEWER("buckets.find", verb_buckets_find),
	OPERATOR("buckets.move", verb_buckets_move),
	OPERATOR("rollout.start", verb_rollout_start),
	VIEWER("rollout.status", verb_rollout_status),
	OPERATOR("rollout.pause", verb_rollout_pause),
	OPERATOR("rollout.resume", verb_rollout_resume),
	OPERATOR("rollout.promote", verb_rollout_promote),
	OPERATOR("rollout.abort", verb_rollout_abort),
	OPERATOR("rollout.retry", verb_rollout_retry),
	OPERATOR("rollout.undo", verb_rollout_undo),
	VIEWER("rollout.history", verb_rollout_history),
	VIEWER("rollout.explain", verb_rollout_explain),
	OPERATOR("rollout.diff", verb_rollout_diff),
	VIEWER("balance.status", verb_balance_status),
	OPERATOR("balance.on", verb_balance_on),
	OPERATOR("balance.off", verb_balance_off),
	OPERATOR("config.reload", verb_config_reload),
	VIEWER("config.diff", verb_config_diff),
	VIEWER("config.show", verb_config_show),
	VIEWER("audit", verb_audit),
	VIEWER("crash.list", verb_crash_list),
	VIEWER("crash.show", verb_crash_show),
	VIEWER("quarantine.list", verb_quarantine_list),
	OPERATOR("quarantine.show", verb_quarantine_show), /* what players sent */
	OPERATOR("quarantine.replay", verb_quarantine_replay),
	VIEWER("state.info", verb_state_info),
	OPERATOR("state.snapshot", verb_state_snapshot),
	OPERATOR("state.restore", verb_state_restore),
	VERBS_END,
};
