/* Entries that kill workers, as the control plane sees them. */
#define _GNU_SOURCE
#include "quarantine.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kept.h"
#include "log.h"
#include "process.h"
#include "quarantine_file.h"
#include "supervisor.h"

#define COMPLAIN_NS 30000000000ull /* the same trouble is logged again no sooner */

/* ---- a death ---- */

/* Signals that a process gets for what it does itself. */
static bool is_of_its_own(int signal)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (signal == own[i])
			return true;
	return BATON_SABOTAGE(sigkill_counts) && signal == SIGKILL;
}

static void keep_death(struct supervisor *sup, uint32_t slot)
{
	const struct worker_slot *s = &sup->slot[slot];
	struct quarantine_death *d = &sup->quarantine.death[slot];

	*d = (struct quarantine_death){ .signal = s->stalled ? 0 : s->signal };
	memcpy(d->name, sup->worker[s->worker].name, sizeof(d->name));
	memcpy(d->plugin, s->ready.plugin_name, sizeof(d->plugin));
	memcpy(d->version, s->ready.version, sizeof(d->version));
	memcpy(d->build_id, s->ready.build_id, sizeof(d->build_id));
	memcpy(d->path, s->path, sizeof(d->path));
}

/* What the worker has written down itself says more than its wait status: who sent the signal, where the fault was, and
 * which entry of the burst it was at. If that is a lie, it is one about its own entries. */
static void read_note(struct supervisor *sup, uint32_t slot, struct death_blame *blame)
{
	const struct worker_slot *s = &sup->slot[slot];
	struct quarantine_death *d = &sup->quarantine.death[slot];
	struct crash_note note;

	if (!blame->counts || s->stalled ||
	    !crash_note_read(&state_control(&sup->primary->state, slot)->crash, s->incarnation, s->signal, &note))
		return;
	d->has_address = s->signal != SIGABRT && note.sender == 0;
	d->address = note.address;
	if (note.sender != 0 && note.sender != s->pid)
		blame->counts = false; /* somebody else's kill(2) */
	blame->named = note.open != 0;
	blame->belt = note.belt;
	blame->position = note.position;
}

void quarantine_death(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];
	/* What a shadow dies of is a copy: nobody is given it again. */
	struct death_blame blame = { .attempts = s->shadow ? 0 : sup->primary->config.quarantine_attempts };

	keep_death(sup, slot);
	s->quarantined = 0;
	s->decided = false;
	blame.counts = s->stalled || is_of_its_own(s->signal);
	read_note(sup, slot, &blame);
	s->judging = s->fault && blame.counts && blame.attempts != 0;
	datapath_slot_blame(sup->primary->dp, slot, &blame);
}

bool quarantine_judging(const struct supervisor *sup, uint32_t group)
{
	for (uint32_t i = 0; i < sup->slots; i++) {
		const struct worker_slot *s = &sup->slot[i];
		if (s->state == WORKER_DEAD && s->judging && sup->worker[s->worker].group == group)
			return true;
	}
	return false;
}

void quarantine_judge(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];

	quarantine_poll(sup); /* what was reported of it before it was judged */
	s->judging = false;
	if (s->quarantined != 0)
		budget_quarantined(sup, slot, s->quarantined);
	else if (!s->decided)
		budget_crash(sup, slot);
}

/* ---- what leaves ---- */

struct text {
	char *out;
	size_t at, room;
};

static void line(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int len = vsnprintf(t->out + t->at, t->room - t->at, format, args);
	va_end(args);
	t->at = len < 0 || (size_t)len >= t->room - t->at ? t->room - 1 : t->at + (size_t)len;
}

#define UTC_BYTES 48
static const char *utc(uint64_t ns, char out[UTC_BYTES])
{
	time_t seconds = (time_t)(ns / 1000000000ull);
	struct tm tm;
	char day[32];

	gmtime_r(&seconds, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, UTC_BYTES, "%s.%09uZ", day, (unsigned)(ns % 1000000000ull));
	return out;
}

static void comment_of(const struct supervisor *sup, const struct death_report *r, char *out, size_t room)
{
	const struct quarantine_death *d = &sup->quarantine.death[r->slot];
	const struct config_service *service = &sup->primary->config.service[r->service];
	struct text t = { .out = out, .room = room };
	char time[UTC_BYTES];

	line(&t, "quarantined: it ended %u worker%s\n", r->deaths, r->deaths == 1 ? "" : "s");
	line(&t, "entry: %s\n", r->kind == BELT_MESSAGE ? "message" : "packet");
	line(&t, "plugin: %s\nversion: %s\nbuild_id: %s\nfile: %s\n", d->plugin, d->version, d->build_id, d->path);
	if (d->signal != 0)
		line(&t, "signal: SIG%s\n", sigabbrev_np(d->signal));
	else
		line(&t, "signal: none, it stalled\n");
	if (d->has_address)
		line(&t, "address: 0x%" PRIx64 "\n", d->address);
	else
		line(&t, "address: unknown\n");
	line(&t, "service: %s\ngroup: %s\nbucket: %u\nworker: %s\n", service->name,
	     sup->primary->config.group[service->group_index].name, r->bucket, d->name);
	line(&t, "time: %s\ntime_ns: %" PRIu64 "\n", utc(r->time_ns, time), r->time_ns);
	line(&t, "deaths: %u\npayload_at: %u\n", r->deaths, r->payload_at);
}

static bool may_write(struct quarantine *q)
{
	uint64_t now = process_now_ns(), paid = (now - q->paid_ns) / QUARANTINE_FILE_NS;

	if (paid >= q->spent) {
		q->spent = 0;
		q->paid_ns = now;
	} else {
		q->spent -= (uint32_t)paid;
		q->paid_ns += paid * QUARANTINE_FILE_NS;
	}
	if (q->spent >= QUARANTINE_BURST)
		return false;
	q->spent++;
	return true;
}

/* What is kept of the bucket's records, as a line of the comment. Returns the bytes in *own, 0: none. */
static uint32_t records_of(const struct supervisor *sup, const struct death_report *r, const uint8_t **own, char *line,
			   size_t bytes)
{
	int len = datapath_slot_kept(sup->primary->dp, r->slot, r->bucket, own);
	const struct kept_head *head = (const void *)*own;

	if (len > 0) {
		snprintf(line, bytes, "records: %u of schema %u\n", head->records, head->schema);
		return (uint32_t)len;
	}
	snprintf(line, bytes, "records: none%s\n", len == -E2BIG ? ", the bucket has more than is kept" :
		 len == -ENODATA ? ", the group keeps none" : "");
	return 0;
}

static int write_entry(struct supervisor *sup, const struct death_report *r, char name[QUARANTINE_NAME], char *why,
		       size_t bytes)
{
	const struct config *config = &sup->primary->config;
	char comment[PCAPNG_COMMENT_MOST + 1], records[80];
	bool message = r->kind == BELT_MESSAGE;
	struct pcapng entry = {
		.link = message ? PCAPNG_USER0 : PCAPNG_ETHERNET, .program = "batond " BATON_VERSION, .comment = comment,
		.interface = message ? "messages between buckets" : config->port[r->port].name, .time_ns = r->time_ns,
		.len = r->len, .kept = r->kept, .data = r->data,
	};

	comment_of(sup, r, comment, sizeof(comment) - sizeof(records));
	entry.own_len = records_of(sup, r, &entry.own, records, sizeof(records));
	strcat(comment, records);
	return quarantine_write(sup->primary, &entry, config->service[r->service].name, r->bucket, name, why, bytes);
}

static void complain(struct supervisor *sup, const char *why)
{
	struct quarantine *q = &sup->quarantine;
	uint64_t now = process_now_ns();

	stats_add(&stats_main(&sup->primary->stats)->quarantine_unkept, 1);
	q->failing = true;
	if (q->complained_ns != 0 && now - q->complained_ns < COMPLAIN_NS)
		return;
	q->complained_ns = now;
	log_error("quarantine: an entry is in no file: %s", why);
}

static void keep(struct supervisor *sup, const struct death_report *r)
{
	struct quarantine *q = &sup->quarantine;
	char name[QUARANTINE_NAME], why[400];

	if (!may_write(q)) {
		complain(sup, "more than one a second");
	} else if (write_entry(sup, r, name, why, sizeof(why)) != 0) {
		complain(sup, why);
	} else {
		stats_add(&stats_main(&sup->primary->stats)->quarantine_kept, 1);
		q->kept++;
		q->failing = false;
		memcpy(q->latest, name, sizeof(q->latest));
		log_info("quarantine: `batonctl quarantine show %s` tells more", name);
	}
}

static void on_left(struct supervisor *sup, const struct death_report *r)
{
	struct quarantine *q = &sup->quarantine;

	q->left++;
	q->last_ns = process_now_ns();
	sup->slot[r->slot].quarantined += r->deaths;
	log_error("%s: a %s of bucket %u has ended %u worker%s: dropped and quarantined", q->death[r->slot].name,
		  r->kind == BELT_MESSAGE ? "message" : "packet", r->bucket, r->deaths, r->deaths == 1 ? "" : "s");
	if (q->waits == QUARANTINE_WAITING)
		keep(sup, r);
	else
		q->waiting[q->waits++] = *r;
}

/* Its worker is undone, or the slot is another's by now. */
static bool is_undone(const struct supervisor *sup, uint32_t slot)
{
	return sup->slot[slot].state != WORKER_DEAD || datapath_slot_undone(sup->primary->dp, slot);
}

static void keep_waiting(struct supervisor *sup)
{
	struct quarantine *q = &sup->quarantine;
	uint32_t left = 0;

	for (uint32_t i = 0; i < q->waits; i++)
		if (is_undone(sup, q->waiting[i].slot))
			keep(sup, &q->waiting[i]);
		else
			q->waiting[left++] = q->waiting[i];
	q->waits = left;
}

static void on_report(struct supervisor *sup, const struct death_report *r)
{
	uint32_t attempts = sup->primary->config.quarantine_attempts;
	const char *name = sup->quarantine.death[r->slot].name;

	if (r->left) {
		on_left(sup, r);
	} else if (r->kind == BELT_PACKET || r->kind == BELT_MESSAGE) {
		log_warn("%s: it was at a %s of bucket %u, which is run alone from now on (%u of %u deaths)", name,
			 r->kind == BELT_MESSAGE ? "message" : "packet", r->bucket, r->deaths, attempts);
	} else {
		if (r->kind == BELT_TICK)
			log_warn("%s: it was at a tick of group %u of the buckets", name, r->group);
		sup->slot[r->slot].decided |= budget_tick_kills(sup, r->slot, attempts);
	}
}

void quarantine_poll(struct supervisor *sup)
{
	struct death_report report; /* as large as a packet */

	while (datapath_death_report(sup->primary->dp, &report))
		on_report(sup, &report);
	keep_waiting(sup);
}
