/* Deaths on their way to their records: what is kept when, and when a record is written. */
#define _GNU_SOURCE
#include "crash_record.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* ---- memory that ran out ---- */

/* How many processes the kernel has killed for want of memory since it runs; 0 if it does not say. */
static uint64_t oom_kills(void)
{
	static char text[16384];
	int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *at;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	at = strstr(text, "\noom_kill ");
	return at ? strtoull(at + strlen("\noom_kill "), NULL, 10) : 0;
}

static uint32_t oom_kills_since(struct crash_records *records)
{
	uint64_t now = oom_kills(), since = now > records->oom_kills ? now - records->oom_kills : 0;

	records->oom_kills = now;
	return since > UINT32_MAX ? UINT32_MAX : (uint32_t)since;
}

/* ---- while it lives ---- */

void crash_record_born(struct supervisor *sup, uint32_t slot)
{
	if (sup->primary->crash)
		sup->primary->crash->tail[slot].count = 0;
}

void crash_record_line(struct supervisor *sup, uint32_t slot, const char *text)
{
	struct crash_tail *tail;
	char *line;

	if (!sup->primary->crash)
		return;
	tail = &sup->primary->crash->tail[slot];
	line = tail->line[tail->count++ % CRASH_LINES];
	snprintf(line, CRASH_LINE_BYTES, "%s", text);
}

/* ---- the death ---- */

static bool is_fault_signal(int number)
{
	static const int ours[] = CRASH_SIGNALS;

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (ours[i] == number)
			return true;
	return false;
}

static enum crash_cause cause_of(const struct worker_slot *s, const struct process_end *end, bool refused)
{
	if (refused || s->state == WORKER_STARTING)
		return CRASH_START;
	if (!end->known || !end->killed)
		return CRASH_EXIT;
	if (end->code != SIGKILL)
		return is_fault_signal(end->code) ? CRASH_FAULT : CRASH_SIGNAL;
	if (!s->kill_wanted)
		return CRASH_KILLED;
	return s->fenced ? CRASH_FENCE : s->cause[0] ? CRASH_STALL : CRASH_LEAVE;
}

/* An orderly end is none to record: an order to leave that it followed, one that came before it was ready, or the end
 * of batond. */
static bool is_orderly(const struct supervisor *sup, const struct worker_slot *s, const struct process_end *end,
		       enum crash_cause cause)
{
	if (sup->stopping && cause != CRASH_FAULT)
		return true;
	if (s->state != WORKER_STOPPING)
		return false;
	return (cause == CRASH_EXIT && (!end->known || end->code == 0)) ||
	       (cause == CRASH_LEAVE && s->ready.abi == 0);
}

/* A worker that cannot start is tried again and again: the same words are recorded once. */
static bool is_told_already(struct crash_records *records, const struct crash *crash)
{
	bool same = strcmp(records->failed_worker, crash->worker) == 0 &&
		    strcmp(records->failed_words, crash->words) == 0;

	if (crash->cause == CRASH_START && !same) {
		snprintf(records->failed_worker, sizeof(records->failed_worker), "%s", crash->worker);
		snprintf(records->failed_words, sizeof(records->failed_words), "%s", crash->words);
	}
	return crash->cause == CRASH_START && same && !BATON_SABOTAGE(failed_start_told_again);
}

static struct crash *crash_begin(struct supervisor *sup, uint32_t slot, const struct process_end *end,
				 enum crash_cause cause)
{
	const struct worker_slot *s = &sup->slot[slot];
	const struct worker *w = &sup->worker[s->worker];
	struct crash *crash = calloc(1, sizeof(*crash));

	if (!crash)
		return NULL;
	crash->slot = slot;
	crash->cause = cause;
	crash->end = *end;
	crash->stopping = s->state == WORKER_STOPPING;
	clock_gettime(CLOCK_REALTIME, &crash->when);
	crash->lived_ns = process_now_ns() - s->spawned_ns;
	crash->incarnation = s->incarnation;
	crash->pid = s->pid;
	crash->ready = s->ready;
	memcpy(crash->worker, w->name, sizeof(crash->worker));
	memcpy(crash->group, sup->primary->config.group[w->group].name, sizeof(crash->group));
	memcpy(crash->path, s->path, sizeof(crash->path));
	memcpy(crash->words, s->words, sizeof(crash->words));
	memcpy(crash->plugin_name, s->ready.abi ? s->ready.plugin_name : sup->primary->plugin[w->group].name,
	       sizeof(crash->plugin_name));
	crash->tail = sup->primary->crash->tail[slot];
	crash->image = s->image >= 0 ? fcntl(s->image, F_DUPFD_CLOEXEC, 3) : -1;
	return crash;
}

static void crash_free(struct crash *crash)
{
	if (crash->image >= 0)
		close(crash->image);
	free(crash);
}

static void append(struct crash_records *records, struct crash *crash)
{
	struct crash **end = &records->open;

	while (*end)
		end = &(*end)->next;
	*end = crash;
}

void crash_record_death(struct supervisor *sup, uint32_t slot, const struct process_end *end, bool refused,
			char *detail, size_t bytes)
{
	struct crash_records *records = sup->primary->crash;
	const struct worker_slot *s = &sup->slot[slot];
	enum crash_cause cause = cause_of(s, end, refused);
	struct crash *crash;

	detail[0] = '\0';
	if (!records || is_orderly(sup, s, end, cause))
		return;
	crash = crash_begin(sup, slot, end, cause);
	if (!crash || is_told_already(records, crash)) {
		if (crash)
			crash_free(crash);
		return;
	}
	if (cause == CRASH_KILLED)
		crash->short_of_memory = oom_kills_since(records);
	crash->noted = end->known && end->killed &&
		       crash_note_read(&state_control(&sup->primary->state, slot)->crash, s->incarnation, end->code,
				       &crash->note);
	if (crash->noted)
		crash_fault_text(&crash->note, detail, bytes);
	size_t len = strlen(crash->words);
	if (detail[0])
		snprintf(crash->words + len, sizeof(crash->words) - len, ", %s", detail);
	bool open_entry = crash->noted && crash->note.open == 1;
	datapath_slot_look(sup->primary->dp, slot, open_entry ? crash->note.belt : BATON_MAX_IO_LCORES,
			   crash->note.position);
	append(records, crash);
}

void crash_record_recovered(struct supervisor *sup, uint32_t slot)
{
	struct crash *crash = sup->primary->crash ? sup->primary->crash->open : NULL;

	while (crash && (crash->slot != slot || crash->recovered))
		crash = crash->next;
	if (!crash)
		return;
	datapath_slot_death(sup->primary->dp, slot, &crash->death);
	crash->recovered = true;
	crash->due_ns = process_now_ns() + CRASH_PATIENCE_NS;
}

/* ---- the record ---- */

/* The oldest one that is open becomes a file. */
static void write_first(struct primary *primary)
{
	struct crash_records *records = primary->crash;
	struct crash *crash = records->open;
	json_t *record = crash_json(primary, crash);
	uint32_t id = crash_store_write(primary, record);
	const char *what = json_string_value(json_object_get(record, "what"));

	if (id != 0)
		log_info("%s: crash record %u: %s; `batonctl crash show %u`", crash->worker, id, what ? what : "", id);
	json_decref(record);
	records->open = crash->next;
	crash_free(crash);
}

/* Players first: not before the buckets are served again, or that has taken long. */
static bool is_due(const struct supervisor *sup, const struct crash *crash)
{
	uint32_t worker = worker_find(sup, crash->worker);

	return crash->recovered && (process_now_ns() >= crash->due_ns || worker >= sup->workers ||
				    worker_settled(sup, worker));
}

void crash_records_poll(struct supervisor *sup)
{
	struct crash_records *records = sup->primary->crash;
	uint32_t open = 0;

	if (!records || !records->open)
		return;
	for (const struct crash *c = records->open; c; c = c->next)
		open++;
	if (is_due(sup, records->open) || open > CRASH_OPEN_MOST)
		write_first(sup->primary);
}

/* ---- start and end ---- */

int crash_records_init(struct primary *primary)
{
	primary->crash = calloc(1, sizeof(*primary->crash));
	if (!primary->crash)
		log_warn("crash records: memory is short: there will be none");
	else
		primary->crash->oom_kills = oom_kills();
	return 0;
}

void crash_records_fini(struct primary *primary)
{
	if (!primary->crash)
		return;
	while (primary->crash->open)
		write_first(primary);
	free(primary->crash);
	primary->crash = NULL;
}
