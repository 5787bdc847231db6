/* Orders as lines of the audit log; audit_file.c writes them. */
#define _GNU_SOURCE
#include "audit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit_file.h"
#include "process.h"
#include "reply.h"

/* ---- lines ---- */

static void set_time(json_t *line)
{
	struct timespec now;
	struct tm tm;
	char day[32], text[64];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%06ldZ", day, now.tv_nsec / 1000);
	reply_set_text(line, "time", text);
}

static void set_user(json_t *line, const char *number, const char *name, uid_t uid)
{
	char user[PEER_USER_BYTES];

	if (uid == PEER_NONE)
		return;
	reply_set_count(line, number, uid);
	if (peer_user(uid, user)[0])
		reply_set_text(line, name, user);
}

/* Arguments as they came; of long ones the beginning, as text. */
static void set_args(json_t *line, const json_t *args)
{
	char *text = args ? json_dumps(args, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	size_t bytes = text ? strlen(text) : 0;

	if (bytes > AUDIT_ARGS_BYTES) {
		reply_set_count(line, "args_bytes", bytes);
		text[AUDIT_ARGS_BYTES] = '\0';
		reply_set_text(line, "args_cut", text);
	} else if (text) {
		json_object_set_new(line, "args", json_deep_copy(args));
	}
	free(text);
}

/* What is the same in all lines of an order. */
static json_t *facts_of(const struct primary *primary, const struct peer *peer, const char *verb, const json_t *args)
{
	json_t *facts = json_object();
	char boot[20];

	snprintf(boot, sizeof(boot), "%016llx", (unsigned long long)primary->boot_id);
	reply_set_text(facts, "boot", boot);
	reply_set_count(facts, "request", ++primary->audit->requests);
	reply_set_text(facts, "verb", verb);
	set_args(facts, args);
	set_user(facts, "uid", "user", peer->uid);
	set_user(facts, "login_uid", "login", peer->login);
	if (peer->pid > 0)
		reply_set_count(facts, "pid", (uint64_t)peer->pid);
	if (peer->process[0])
		reply_set_text(facts, "process", peer->process);
	if (peer->signal)
		reply_set_text(facts, "signal", sigabbrev_np(peer->signal) ? sigabbrev_np(peer->signal) : "?");
	else
		reply_set_text(facts, "role", peer_role_name(peer_role(&primary->config, peer)));
	return facts;
}

/* Takes no reference. `event` stands in front, since people read from the left. */
static json_t *line_of(const char *event, const json_t *facts)
{
	json_t *line = json_object();

	set_time(line);
	reply_set_text(line, "event", event);
	json_object_update(line, (json_t *)(uintptr_t)facts);
	return line;
}

static void set_result(json_t *line, const char *result, const json_t *reply)
{
	static const struct { const char *from, *to; } keys[] = { { "code", "code" }, { "error", "reason" } };

	reply_set_text(line, "result", result);
	for (size_t i = 0; i < 2; i++) {
		const char *text = json_string_value(json_object_get(reply, keys[i].from));
		char cut[640];

		if (!text)
			continue;
		snprintf(cut, sizeof(cut), "%s", text);
		reply_set_text(line, keys[i].to, cut);
	}
}

/* Takes the reference. */
static void put(struct primary *primary, json_t *line)
{
	struct audit *audit = primary->audit;
	uint64_t lost = audit->lost, suppressed = audit->suppressed;

	if (lost > audit->lost_said)
		reply_set_count(line, "lines_lost_before", lost - audit->lost_said);
	if (suppressed > audit->suppressed_said)
		reply_set_count(line, "refusals_not_written_before", suppressed - audit->suppressed_said);
	char *text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));
	if (text && BATON_SABOTAGE(newline_unescaped))
		for (char *at = text; (at = strstr(at, "\\n")) != NULL; at++)
			*at = '\n';
	if (text && audit_file_append(primary, text)) {
		audit->lost_said = lost;
		audit->suppressed_said = suppressed;
		audit->written++;
	} else {
		audit->lost++;
	}
	free(text);
	json_decref(line);
}

/* ---- orders ---- */

struct audit_order *audit_begin(struct primary *primary, const struct peer *peer, const char *verb, const json_t *args)
{
	struct audit_order *order = primary->audit ? calloc(1, sizeof(*order)) : NULL;

	if (!order)
		return NULL;
	order->began_ns = process_now_ns();
	order->facts = facts_of(primary, peer, verb, args);
	order->request = primary->audit->requests;
	put(primary, line_of("begin", order->facts));
	primary->audit->open_orders++;
	return order;
}

void audit_end(struct primary *primary, struct audit_order *order, const json_t *reply)
{
	if (!order)
		return;
	json_t *line = line_of("end", order->facts);
	set_result(line, json_is_true(json_object_get(reply, "ok")) ? "ok" : "failed", reply);
	json_object_set_new(line, "duration_ms", json_real((double)(process_now_ns() - order->began_ns) / 1e6));
	put(primary, line);
	primary->audit->open_orders--;
	json_decref(order->facts);
	free(order);
}

void audit_await(struct primary *primary, struct audit_order *order, uint64_t token)
{
	if (!order)
		return;
	order->token = token;
	order->next = primary->audit->pending;
	primary->audit->pending = order;
}

void audit_answered(struct primary *primary, uint64_t token, const json_t *reply)
{
	struct audit_order **at = primary->audit ? &primary->audit->pending : NULL;

	while (at && *at && (*at)->token != token)
		at = &(*at)->next;
	if (!at || !*at)
		return;
	struct audit_order *order = *at;
	*at = order->next;
	audit_end(primary, order, reply);
}

/* A token bucket. */
static bool may_write_refusal(struct audit *audit)
{
	uint64_t now = process_now_ns(), more = (now - audit->refusal_ns) / AUDIT_REFUSAL_NS;

	if (audit->refusals + more >= AUDIT_REFUSALS_BURST) {
		audit->refusals = AUDIT_REFUSALS_BURST;
		audit->refusal_ns = now;
	} else {
		audit->refusals += (uint32_t)more;
		audit->refusal_ns += more * AUDIT_REFUSAL_NS;
	}
	if (audit->refusals == 0)
		return false;
	audit->refusals--;
	return true;
}

void audit_refused(struct primary *primary, const struct peer *peer, const char *verb, const json_t *args,
		   const json_t *reply)
{
	if (!primary->audit)
		return;
	if (!may_write_refusal(primary->audit)) {
		primary->audit->suppressed++;
		return;
	}
	json_t *facts = facts_of(primary, peer, verb, args), *line = line_of("refused", facts);
	set_result(line, "refused", reply);
	put(primary, line);
	json_decref(facts);
}

void audit_note(struct primary *primary, const char *event, json_t *facts)
{
	char boot[20];

	if (primary->audit) {
		snprintf(boot, sizeof(boot), "%016llx", (unsigned long long)primary->boot_id);
		reply_set_text(facts, "boot", boot);
		put(primary, line_of(event, facts));
	}
	json_decref(facts);
}

/* ---- start and stop ---- */

/* Takes the order. */
static void end_because(struct primary *primary, struct audit_order *order, bool ok, const char *why)
{
	json_t *reply = ok ? reply_ok() : reply_error("failed", why);

	audit_end(primary, order, reply);
	json_decref(reply);
}

void audit_started(struct primary *primary)
{
	if (!primary->audit)
		return;
	end_because(primary, primary->audit->start, true, "");
	primary->audit->start = NULL;
}

void audit_stopping(struct primary *primary)
{
	struct peer peer;

	if (!primary->audit || primary->audit->stop)
		return;
	if (primary->quit > 0)
		peer_of_signal(&peer, (int)primary->quit, (uid_t)primary->quit_by.uid, (pid_t)primary->quit_by.pid);
	else
		peer = (struct peer){ .uid = PEER_NONE, .login = PEER_NONE };
	primary->audit->stop = audit_begin(primary, &peer, "batond.stop", NULL);
}

int audit_init(struct primary *primary)
{
	struct peer peer;
	json_t *args;

	primary->audit = calloc(1, sizeof(*primary->audit));
	if (!primary->audit)
		return 0; /* it must not stop a start either */
	primary->audit->fd = -1;
	audit_path(primary, primary->audit->path);
	primary->audit->refusals = AUDIT_REFUSALS_BURST;
	primary->audit->refusal_ns = process_now_ns();
	peer_of_starter(&peer);
	args = json_object();
	reply_set_text(args, "config", primary->config_path);
	reply_set_text(args, "version", BATON_VERSION);
	primary->audit->start = audit_begin(primary, &peer, "batond.start", args);
	json_decref(args);
	return 0;
}

void audit_fini(struct primary *primary)
{
	struct audit *audit = primary->audit;

	if (!audit)
		return;
	while (audit->pending) {
		struct audit_order *order = audit->pending;

		audit->pending = order->next;
		end_because(primary, order, false, "batond stopped before it was done");
	}
	end_because(primary, audit->start, false, "it did not get ready");
	end_because(primary, audit->stop, primary->exit_code == 0, "not every buffer or ledger was in order");
	audit_reopen(primary);
	free(audit);
	primary->audit = NULL;
}
