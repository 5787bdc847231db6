/* The counters behind `status`: what the supervisor has done, and the books of the primary's parts. */
#include "audit.h"
#include "command.h"
#include "crash_record.h"
#include "reply.h"
#include "status.h"
#include "supervisor.h"

static json_t *build_zygote(const struct supervisor *sup)
{
	json_t *o = json_object();

	reply_set_count(o, "pid", (uint64_t)sup->zygote.current.pid);
	reply_set_count(o, "spare_pid", sup->zygote.spare.ready ? (uint64_t)sup->zygote.spare.pid : 0);
	reply_set_count(o, "deaths", sup->zygote.deaths);
	reply_set_text(o, "dpdk", sup->zygote.dpdk);
	return o;
}

static json_t *build_ledger(const struct primary *primary)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < primary->config.io_cores; i++) {
		json_t *o = json_object();
		struct ledger l;

		datapath_ledger(primary->dp, i, &l);
		reply_set_count(o, "io_lcore", i);
		reply_set_count(o, "received", l.received);
		reply_set_count(o, "allocated", l.allocated);
		reply_set_count(o, "sent", l.sent);
		reply_set_count(o, "freed", l.freed);
		reply_set_count(o, "in_belts", l.in_belts);
		reply_set_count(o, "pending", l.pending);
		reply_set_count(o, "unresolved", l.unresolved);
		reply_set_count(o, "tx_backlog", l.tx_backlog);
		json_object_set_new(o, "balance", json_integer(ledger_balance(&l)));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *build_deaths(const struct primary *primary)
{
	const struct CoreStats *page = stats_main(&primary->stats);
	json_t *o = json_object();
	uint64_t redelivered = 0;

	for (uint32_t i = 0; i < primary->config.io_cores; i++)
		redelivered += stats_io(&primary->stats, i)->redelivered;
	reply_set_count(o, "deaths", page->deaths);
	reply_set_count(o, "with_unsettled", page->deaths_with_unsettled);
	reply_set_count(o, "with_undo", page->deaths_with_undo);
	reply_set_count(o, "redelivered", redelivered);
	reply_set_count(o, "records_undone", page->records_undone);
	return o;
}

static json_t *build_control(const struct command *command)
{
	const struct command_counters *c = &command->counters;
	json_t *o = json_object();

	reply_set_count(o, "accepted", c->accepted);
	reply_set_count(o, "refused", c->refused);
	reply_set_count(o, "strangers", c->strangers);
	reply_set_count(o, "denied", c->denied);
	reply_set_count(o, "evicted", c->evicted);
	reply_set_count(o, "commands", c->commands);
	reply_set_count(o, "errors", c->errors);
	reply_set_count(o, "garbage", c->garbage);
	reply_set_count(o, "oversize", c->oversize);
	reply_set_count(o, "stalled", c->stalled);
	reply_set_count(o, "flooded", c->flooded);
	reply_set_count(o, "remade", c->remade);
	return o;
}

static json_t *build_audit(const struct primary *primary)
{
	const struct audit *audit = primary->audit;
	json_t *o = json_object();

	reply_set_text(o, "file", audit ? audit->path : "");
	reply_set_count(o, "written", audit ? audit->written : 0);
	reply_set_count(o, "lost", audit ? audit->lost : 0);
	reply_set_count(o, "refusals_not_written", audit ? audit->suppressed : 0);
	json_object_set_new(o, "writable", json_boolean(audit && !audit->complained));
	return o;
}

static json_t *build_crashes(const struct primary *primary)
{
	const struct crash_records *records = primary->crash;
	char dir[BATON_PATH_BYTES];
	json_t *o = json_object();

	crash_store_dir(primary, dir);
	reply_set_text(o, "directory", dir);
	reply_set_count(o, "written", records ? records->written : 0);
	reply_set_count(o, "lost", records ? records->lost : 0);
	json_object_set_new(o, "writable", json_boolean(records && !records->complained));
	return o;
}

static json_t *fenced_for(const struct supervisor *sup)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < FENCE_WHYS; i++)
		reply_set_count(o, fence_why_name[i], sup->fenced_for[i]);
	return o;
}

void status_add_supervisor(json_t *reply, const struct supervisor *sup)
{
	char words[96];

	json_object_set_new(reply, "zygote", build_zygote(sup));
	reply_set_text(reply, "restarting", sup->restart.phase == RESTART_IDLE ? "" : sup->restart.target);
	reply_set_text(reply, "operation", scale_words(sup, words, sizeof(words)));
	reply_set_count(reply, "restarts", sup->restarts_done);
	reply_set_count(reply, "restarts_failed", sup->restarts_failed);
	reply_set_count(reply, "fenced", sup->fences);
	json_object_set_new(reply, "fenced_for", fenced_for(sup));
	reply_set_count(reply, "stalls", sup->stalls);
}

void status_add_books(json_t *reply, const struct primary *primary)
{
	json_object_set_new(reply, "ledger", build_ledger(primary));
	json_object_set_new(reply, "recovery", build_deaths(primary));
	json_object_set_new(reply, "control_socket", build_control(primary->command));
	json_object_set_new(reply, "audit_log", build_audit(primary));
	json_object_set_new(reply, "crash_records", build_crashes(primary));
}
