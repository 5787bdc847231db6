/* What a worker says on its socket, and how its end is noticed. */
#define _GNU_SOURCE
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crash_record.h"
#include "log.h"
#include "plugin_info.h"
#include "process.h"
#include "sabotage.h"
#include "schema_check.h"
#include "supervisor.h"

/* ---- what no honest worker does ---- */

const char *const fence_why_name[FENCE_WHYS] = {
	[FENCE_DONE] = "done", [FENCE_FILLED] = "filled", [FENCE_VERDICT] = "verdict", [FENCE_CELL] = "cell",
	[FENCE_MESSAGE] = "message", [FENCE_NUMBER] = "number",
};

void slot_breach(struct supervisor *sup, uint32_t slot, enum fence_why why)
{
	static const char *const text[FENCE_WHYS] = {
		[FENCE_DONE] = "into its belt: a `done` that is not between what was reaped and what was offered",
		[FENCE_FILLED] = "into its belt: a `filled` beyond its outbound ring",
		[FENCE_VERDICT] = "into its belt: a verdict that is none, or a reply longer than its request",
		[FENCE_CELL] = "into its belt: an outbound cell of an impossible kind, length, bucket, cause or number",
		[FENCE_MESSAGE] = "on its control socket",
		[FENCE_NUMBER] = "into its belt: numbers of bursts that a shadow does not count",
	};
	struct worker_slot *s = &sup->slot[slot];

	if (s->fenced)
		return;
	s->fenced = true;
	sup->fences++;
	sup->fenced_for[why]++;
	stats_add(&stats_main(&sup->primary->stats)->fences, 1);
	snprintf(s->cause, sizeof(s->cause), "wrote what no honest worker writes %s", text[why]);
	log_error("%s: pid %d in slot %u %s: killed", sup->worker[s->worker].name, (int)s->pid, slot, s->cause);
	slot_event(sup, slot, EVENT_FENCE);
}

/* ---- what workers say ---- */

/* A plugin's words are shown on terminals and stand in JSON. */
static void clean(char *text, size_t bytes)
{
	text[bytes - 1] = 0;
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text >= 127)
			*text = '?';
}

static void end_texts(struct worker_ready *ready)
{
	clean(ready->plugin_name, sizeof(ready->plugin_name));
	clean(ready->version, sizeof(ready->version));
	clean(ready->build_id, sizeof(ready->build_id));
}

/* One line, whatever the worker put there. `line` is as long as the words of a slot. */
static void clean_line(const char *text, size_t bytes, char *line)
{
	size_t len = strnlen(text, bytes), at;

	for (at = 0; at < len && at < sizeof(((struct worker_slot *)0)->words) - 1; at++)
		line[at] = (unsigned char)text[at] < ' ' || text[at] == 127 ? ' ' : text[at];
	line[at] = 0;
}

static void keep_words(struct worker_slot *s, const char *text, size_t bytes)
{
	clean_line(text, bytes, s->words);
}

/* By its key, and by its records. A newer schema than any before is noted before it can stand in a bucket. */
static bool unfit(struct supervisor *sup, uint32_t slot, char *why, size_t bytes)
{
	const struct worker_slot *s = &sup->slot[slot];
	uint32_t group = sup->worker[s->worker].group;
	struct plugin_info info;

	schema_info(&s->ready, &info);
	if (plugin_info_fits(&sup->primary->plugin[group], &s->ready, why, bytes) != 0 ||
	    schema_check_group(sup->primary, group, &info, why, bytes) == SCHEMA_REFUSED)
		return true;
	if (sup->primary->state.base != NULL && info.record_size != 0 &&
	    info.schema > sup->primary->state.header->group[group].newest)
		sup->primary->state.header->group[group].newest = info.schema;
	return false;
}

static void on_ready(struct supervisor *sup, uint32_t slot, const struct zygote_message *message)
{
	struct worker_slot *s = &sup->slot[slot];
	char why[sizeof(s->words)];

	if (s->state != WORKER_STARTING) {
		slot_event(sup, slot, EVENT_READY);
		return;
	}
	s->ready = message->ready;
	end_texts(&s->ready);
	if (s->pidfd < 0)
		slot_event(sup, slot, EVENT_HELLO); /* it was skipped; the message has the pid as well */
	if (s->pidfd < 0) {
		slot_event(sup, slot, EVENT_UNFIT); /* its words stand there already */
	} else if (unfit(sup, slot, why, sizeof(why))) {
		memcpy(s->words, why, sizeof(s->words));
		slot_event(sup, slot, EVENT_UNFIT);
	} else {
		slot_event(sup, slot, EVENT_READY);
	}
}

/* A plugin that logs what it handles would fill the disk: so many lines at once, and one every so often. */
#define LOG_LINES 100u
#define LOG_LINE_NS 100000000ull

static bool may_log(struct worker_slot *s)
{
	uint64_t now = process_now_ns(), paid = (now - s->log_ns) / LOG_LINE_NS;

	if (paid >= s->log_spent) {
		s->log_spent = 0;
		s->log_ns = now;
	} else {
		s->log_spent -= (uint32_t)paid;
		s->log_ns += paid * LOG_LINE_NS;
	}
	if (s->log_spent >= LOG_LINES && !BATON_SABOTAGE(workers_log_at_will))
		return false;
	s->log_spent++;
	return true;
}

static void on_log(struct supervisor *sup, uint32_t slot, const struct zygote_message *message)
{
	struct worker_slot *s = &sup->slot[slot];
	char words[sizeof(s->words)];

	clean_line(message->text, sizeof(message->text), words);
	crash_record_line(sup, slot, words); /* also what the log leaves out: it may be the last */
	if (!may_log(s)) {
		s->log_left_out++;
		return;
	}
	if (s->log_left_out != 0)
		log_warn("%s: %u lines of it are left out here: it writes more than 10 a second", sup->worker[s->worker].name,
			 s->log_left_out);
	s->log_left_out = 0;
	keep_words(s, message->text, sizeof(message->text));
	slot_event(sup, slot, EVENT_LOG);
}

/* A worker introduces itself once, and what it logs is the only other thing it says: the rest is what a plugin has put
 * there. Each such word would be a line of the log. */
static bool is_breach(const struct worker_slot *s, uint32_t kind)
{
	if (kind == WORKER_LOG || s->state < WORKER_STANDBY || s->state > WORKER_DRAINED ||
	    BATON_SABOTAGE(any_word_heard))
		return false;
	return true;
}

static void on_message(struct supervisor *sup, uint32_t slot, const struct zygote_message *message, pid_t pid)
{
	struct worker_slot *s = &sup->slot[slot];

	if (is_breach(s, message->kind))
		return slot_breach(sup, slot, FENCE_MESSAGE);
	/* Once, by the first message: of who forked it, or its own. A plugin, which runs later, must not name another. */
	if (s->pid == 0)
		s->pid = message->kind == WORKER_BORN && !BATON_SABOTAGE(born_unheard) ? message->born : pid;
	switch (message->kind) {
	case WORKER_BORN:
	case WORKER_HELLO:
		slot_event(sup, slot, EVENT_HELLO);
		break;
	case WORKER_READY:
		on_ready(sup, slot, message);
		break;
	case WORKER_REFUSED:
		keep_words(s, message->text, sizeof(message->text));
		slot_event(sup, slot, EVENT_REFUSED);
		break;
	case WORKER_LOG:
		on_log(sup, slot, message);
		break;
	default:
		if (may_log(s))
			log_warn("%s: message of kind %u; ignored", sup->worker[s->worker].name, message->kind);
	}
}

bool slot_hear(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];
	struct zygote_message message;
	int fds[2], rc = -EAGAIN;
	int32_t pid;

	/* Bounded: a worker that never stops talking must not keep the main loop. */
	for (int i = 0; i < 64 && s->socket >= 0 && (rc = zygote_receive(s->socket, &message, fds, &pid)) == 1; i++) {
		for (int k = 0; k < 2; k++)
			if (fds[k] >= 0)
				close(fds[k]);
		on_message(sup, slot, &message, pid);
	}
	if (s->socket < 0 || rc == 1 || rc == -EAGAIN)
		return true;
	if (rc == -EPROTO) {
		keep_words(s, "sent something that is not a message of this version", 64);
		if (s->state == WORKER_STARTING)
			slot_event(sup, slot, EVENT_UNFIT);
		else if (s->state > WORKER_STARTING && s->state < WORKER_STOPPING)
			slot_breach(sup, slot, FENCE_MESSAGE);
	}
	close(s->socket); /* leaves the epoll set by itself: nobody else has a copy */
	s->socket = -1;
	return false;
}

/* ---- the end ---- */

/* By what the process did itself, not by what others did to it. */
static bool is_fault(const struct process_end *end)
{
	static const int fault[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };

	for (size_t i = 0; i < sizeof(fault) / sizeof(fault[0]); i++)
		if (end->known && end->killed && end->code == fault[i])
			return true;
	return end->known && !end->killed;
}

/* Who left in order, or could not start and said why, has not died. */
static bool is_death(const struct worker_slot *s, const struct process_end *end)
{
	/* Nobody knows how one ended that was gone before its first parent was; it had not refused. */
	bool killed = end->known ? end->killed : s->state == WORKER_STARTING;

	return killed || (s->state >= WORKER_STANDBY && s->state <= WORKER_DRAINED);
}

void slot_check_end(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];
	struct process_end end = { .known = false };
	char text[64], detail[96];

	if (s->state == WORKER_NONE || s->state == WORKER_DEAD)
		return;
	if (s->pidfd < 0) {
		if (s->socket >= 0)
			return;
		/* It hung up before anybody knew its pid: gone, or the zygote died before it forked it. */
		if (!s->words[0])
			snprintf(s->words, sizeof(s->words), "it ended before its first word");
		stats_add(&stats_main(&sup->primary->stats)->deaths, 1);
		crash_record_death(sup, slot, &end, true, detail, sizeof(detail));
		slot_event(sup, slot, EVENT_DIED);
		return;
	}
	int rc = process_reap(s->pidfd, &end);
	if (rc == -EAGAIN)
		return;
	/* -ECHILD: its first parent is not through yet, but the process itself is: what it did is done. The zombie is
	 * reaped as a stray later. */
	bool refused = s->state == WORKER_STOPPING && s->words[0];
	bool ours = s->cause[0] && end.killed && end.code == SIGKILL;
	static_assert(sizeof(s->words) >= sizeof(s->cause), "what we say of it fits");
	if (ours)
		memcpy(s->words, s->cause, sizeof(s->cause));
	else if (!refused)
		snprintf(s->words, sizeof(s->words), "%s%s", process_end_text(&end, text, sizeof(text)),
			 s->state == WORKER_STARTING ? " while its plugin was loaded" : "");
	s->fault = ours || is_fault(&end);
	stats_add(&stats_main(&sup->primary->stats)->deaths, is_death(s, &end));
	s->signal = end.known && end.killed ? end.code : 0;
	crash_record_death(sup, slot, &end, refused, detail, sizeof(detail));
	if (detail[0])
		snprintf(s->words + strlen(s->words), sizeof(s->words) - strlen(s->words), ", %s", detail);
	slot_event(sup, slot, EVENT_DIED);
}

static bool is_known(const struct supervisor *sup, pid_t pid)
{
	if (pid == sup->zygote.current.pid || pid == sup->zygote.spare.pid || pid == sup->find.ask.process.pid ||
	    pid == sup->state_op.ask.pid)
		return true;
	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].state != WORKER_NONE && sup->slot[i].state != WORKER_DEAD && sup->slot[i].pid == pid)
			return true;
	return false;
}

/* It is reaped only if it is still unknown a turn after it was first seen: its HELLO, if it sent one, has been read by
 * then, so no pid in use here can be given away. */
void slots_reap_strays(struct supervisor *sup)
{
	pid_t pid = process_any_ended();

	if (pid <= 0 || is_known(sup, pid)) {
		sup->unclaimed = 0;
		return;
	}
	if (pid == sup->unclaimed) {
		process_reap_pid(pid);
		sup->unclaimed = 0;
		return;
	}
	sup->unclaimed = pid;
}
