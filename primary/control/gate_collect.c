/* The book of what each process in a slot began with, and of what those that are gone have counted. */
#include "gate_collect.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sabotage.h"

#define ROLES 3u
static_assert(ROLE_CONTROL == ROLES - 1, "all roles");

struct gate_book {
	struct {
		bool used; /* a process has been started in it */
		uint32_t group;
		enum worker_role role;
		struct gate_counts base; /* what its pages held when that began, or took its role on */
	} slot[BATON_MAX_WORKERS];
	struct gate_counts gone[BATON_MAX_GROUPS][ROLES]; /* of processes whose slots have others by now */
	struct { uint64_t crashes, stalls; } deaths[BATON_MAX_GROUPS][ROLES];
};

struct gate_book *gate_book_create(void) { return calloc(1, sizeof(struct gate_book)); }
void gate_book_destroy(struct gate_book *book) { free(book); }

/* ---- pages ---- */

/* One word of a page that another thread or process writes. */
static uint64_t word(const uint64_t *at) { return *(const volatile uint64_t *)at; }

static void add_words(uint64_t *to, const uint64_t *page, size_t words)
{
	for (size_t i = 0; i < words; i++)
		to[i] += word(&page[i]);
}

static void add_fanout(struct gate_fanout *to, const struct stats_slot *s)
{
	to->causes[CAUSE_PACKET] += word(&s->packets);
	to->causes[CAUSE_MESSAGE] += word(&s->messages);
	to->causes[CAUSE_TICK] += word(&s->bucket_ticks);
	add_words(to->posted, s->posted, STATS_CAUSES);
	add_words(to->sent, s->sent, STATS_CAUSES);
}

/* What the slot's pages hold: of every I/O lcore, and of the worker. An lcore counts
 * the packets of a burst after what became of them: a look in between may have either without the other. */
static void read_slot(const struct stats *stats, uint32_t slot, struct gate_counts *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < stats->header->io_lcores; i++) {
		const struct stats_slot *s = stats_slot(stats, i, slot);

		out->packets += word(&s->packets);
		out->error_replies += word(&s->error_replies);
		out->malformed += word(&s->malformed);
		out->drops += word(&s->refused) + word(&s->bad_verdict) + word(&s->belt_full) + word(&s->pending_full) +
			      word(&s->park_expired) + word(&s->quarantined) + word(&s->lost);
		add_words(out->residence, s->residence, STATS_HIST_BUCKETS);
		add_fanout(&out->fanout, s);
	}
	add_words(&out->cycles[0][0], &stats->cycles[slot].bursts[0][0], STATS_BURST_CLASSES * STATS_CYCLES_BUCKETS);
}

/* to += now - base, of counts and nothing else */
static void add_grown(void *to, const void *now, const void *base, size_t bytes)
{
	uint64_t *t = to;
	const uint64_t *n = now, *b = base;

	for (size_t i = 0; i < bytes / sizeof(*t); i++)
		t[i] += n[i] - b[i];
}

/* ---- processes come and go ---- */

static void begin(struct supervisor *sup, uint32_t slot, enum worker_role role)
{
	struct gate_book *book = sup->gate_book;
	struct gate_counts now;

	read_slot(&sup->primary->stats, slot, &now);
	if (book->slot[slot].used && !BATON_SABOTAGE(gone_forgotten))
		add_grown(&book->gone[book->slot[slot].group][book->slot[slot].role], &now,
			  &book->slot[slot].base, sizeof(now));
	book->slot[slot].used = true;
	book->slot[slot].group = sup->worker[sup->slot[slot].worker].group;
	book->slot[slot].role = role;
	book->slot[slot].base = now;
}

void gate_book_start(struct supervisor *sup, uint32_t slot)
{
	const struct worker_slot *s = &sup->slot[slot];

	if (sup->gate_book != NULL)
		begin(sup, slot, s->standby ? ROLE_STABLE : sup->worker[s->worker].role);
}

void gate_book_adopt(struct supervisor *sup, uint32_t slot)
{
	if (sup->gate_book != NULL)
		begin(sup, slot, sup->worker[sup->slot[slot].worker].role);
}

void gate_book_death(struct supervisor *sup, uint32_t worker, bool stalled)
{
	const struct worker *w = &sup->worker[worker];

	if (sup->gate_book == NULL)
		return;
	if (stalled)
		sup->gate_book->deaths[w->group][w->role].stalls++;
	else
		sup->gate_book->deaths[w->group][w->role].crashes++;
}

/* ---- sums ---- */

void gate_collect_deaths(const struct supervisor *sup, uint32_t group, enum worker_role role, struct gate_counts *out)
{
	const struct gate_book *book = sup->gate_book;

	out->crashes = book != NULL ? book->deaths[group][role].crashes : 0;
	out->stalls = book != NULL ? book->deaths[group][role].stalls : 0;
}

void gate_collect(const struct supervisor *sup, uint32_t group, enum worker_role role, struct gate_counts *out)
{
	const struct gate_book *book = sup->gate_book;

	memset(out, 0, sizeof(*out));
	if (book == NULL)
		return;
	*out = book->gone[group][role];
	for (uint32_t i = 0; i < sup->slots; i++) {
		struct gate_counts now;

		if (!book->slot[i].used || book->slot[i].group != group || book->slot[i].role != role)
			continue;
		read_slot(&sup->primary->stats, i, &now);
		add_grown(out, &now, &book->slot[i].base, sizeof(now));
	}
	gate_collect_deaths(sup, group, role, out);
}

void gate_collect_fanout(const struct supervisor *sup, uint32_t group, enum worker_role role, struct gate_fanout *out)
{
	const struct gate_book *book = sup->gate_book;

	memset(out, 0, sizeof(*out));
	if (book == NULL)
		return;
	*out = book->gone[group][role].fanout;
	for (uint32_t i = 0; i < sup->slots; i++) {
		struct gate_fanout now = {0};

		if (!book->slot[i].used || book->slot[i].group != group || book->slot[i].role != role)
			continue;
		for (uint32_t l = 0; l < sup->primary->stats.header->io_lcores; l++)
			add_fanout(&now, stats_slot(&sup->primary->stats, l, i));
		add_grown(out, &now, &book->slot[i].base.fanout, sizeof(now));
	}
}
