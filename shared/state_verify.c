/* Looks at a state file; see state_verify.h. Control plane only: waits for buckets that change. */
#define _GNU_SOURCE
#include "state_verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TRIES    400u    /* of one bucket, PAUSE_NS apart from the fifth on */
#define PAUSE_NS 2500000

/* ---- findings ---- */

static void say(struct state_verify *v, struct state_finding *finding, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void say(struct state_verify *v, struct state_finding *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
	v->findings++;
	if (v->found != NULL)
		v->found(v->arg, finding);
}

static int refuse(char *why, size_t bytes, const char *text)
{
	snprintf(why, bytes, "%s", text);
	return -EPROTO;
}

/* ---- header ---- */

static bool group_is_sound(const struct state_group *g)
{
	struct state_group wanted;

	if (memchr(g->name, 0, sizeof(g->name)) == NULL || g->buckets == 0 || g->buckets > BATON_MAX_BUCKETS ||
	    g->record_size > STATE_MAX_RECORD || g->bucket_slots == 0 || g->bucket_slots > 1u << 24 ||
	    (g->bucket_slots & (g->bucket_slots - 1)) != 0)
		return false;
	/* so many records that it comes out with the same slots, or the least */
	uint64_t records = (uint64_t)g->bucket_slots * g->buckets / 4;
	if (state_group_init(&wanted, g->name, g->buckets, g->record_size, records, g->schema) != 0)
		return false;
	return g->stride == wanted.stride && g->bucket_slots == wanted.bucket_slots && g->records_bytes == wanted.records_bytes;
}

int state_verify_header(const struct state_header *header, uint64_t size, char *why, size_t bytes)
{
	struct state_group groups[BATON_MAX_GROUPS];

	if (size < BATON_HUGE_PAGE || header->magic != STATE_MAGIC)
		return refuse(why, bytes, "not a Baton state file");
	if (header->abi != STATE_ABI) {
		snprintf(why, bytes, "made by ABI %u, this is ABI %u: use the batonctl of the batond that made it", header->abi,
			 STATE_ABI);
		return -EPROTO;
	}
	if (header->groups > BATON_MAX_GROUPS || header->slots == 0 || header->slots > BATON_MAX_WORKERS ||
	    header->belts == 0 || header->belts > BATON_MAX_IO_LCORES)
		return refuse(why, bytes, "its header is damaged (counts)");
	if (header->layout_hash != state_layout_hash(header->slots, header->belts, header->group, header->groups))
		return refuse(why, bytes, "its header is damaged (layout hash)");
	for (uint32_t i = 0; i < header->groups; i++)
		if (!group_is_sound(&header->group[i]))
			return refuse(why, bytes, "its header is damaged (geometry of a group)");
	memcpy(groups, header->group, sizeof(groups));
	if (state_layout(groups, header->groups, header->slots) != header->bytes || header->bytes != size)
		return refuse(why, bytes, "its size is not the one its header names: cut off or grown");
	for (uint32_t i = 0; i < header->groups; i++)
		if (groups[i].words_at != header->group[i].words_at || groups[i].records_at != header->group[i].records_at)
			return refuse(why, bytes, "its header is damaged (offsets)");
	return 0;
}

/* ---- control blocks ---- */

static void check_control(const struct state *state, struct state_verify *v, uint32_t slot)
{
	const struct state_header *h = state->header;
	const struct control_block *c = state_control(state, slot);
	struct state_finding at = {STATE_NOWHERE, slot, STATE_NOWHERE, STATE_NOWHERE, 0, ""};
	uint32_t noted = h->slot[slot].group_and_one;
	/* each once: its worker may write */
	uint32_t used = atomic_load_explicit(&c->journal.used, memory_order_relaxed);
	uint32_t belt = *(const volatile uint32_t *)&c->journal.belt;
	uint32_t group = *(const volatile uint32_t *)&c->group;

	if (c->magic != STATE_CONTROL_MAGIC || c->slot != slot || c->belts != h->belts)
		say(v, &at, "its control block does not say what it is");
	/* BATON_MAX_GROUPS is none: a shadow's, which has no records of its own. */
	if (noted != 0 && ((noted > h->groups && noted - 1 != BATON_MAX_GROUPS) || group != noted - 1))
		say(v, &at, "its control block names group %u, the primary noted %u", group, noted - 1);
	if (used > JOURNAL_BYTES || used % 8 != 0)
		say(v, &at, "journal: %" PRIu32 " bytes of undo records, at most %u", used, JOURNAL_BYTES);
	else if (used != 0 && belt >= h->belts)
		say(v, &at, "journal: of belt %u, there are %u", belt, h->belts);
	for (uint32_t i = 0; i < h->belts; i++) {
		uint64_t done = atomic_load_explicit(&c->commit[i].done, memory_order_relaxed);

		if (done > BELT_POSITION_MOST)
			say(v, &at, "belt %u: `done` is %#" PRIx64 ", where no worker gets", i, done);
	}
}

/* ---- bucket words ---- */

static void check_words(const struct state *state, struct state_verify *v, uint32_t group)
{
	const struct state_group *g = &state->header->group[group];
	const struct bucket_word *words = state_words(state, group);
	uint32_t newest = g->newest > g->schema ? g->newest : g->schema;

	for (uint32_t bucket = 0; bucket < g->buckets; bucket++) {
		struct state_finding at = {group, STATE_NOWHERE, bucket, STATE_NOWHERE, 0, ""};
		uint64_t last = *(const volatile uint64_t *)&words[bucket].last_tick;
		/* acquire: after `last`, which never passes it */
		uint64_t posted = atomic_load_explicit(&state->header->tick_posted[group], memory_order_acquire);
		struct bucket_word word = bucket_word_load(&words[bucket]);

		if (last > posted)
			say(v, &at, "last tick %" PRIu64 ", %" PRIu64 " is the last that was posted", last, posted);
		if (word.schema > newest || word.to > newest)
			say(v, &at, "records of schema %u, %u is the newest that the group has had",
			    word.schema > word.to ? word.schema : word.to, newest);
		else if (word.to == 0 ? word.at != 0 : word.at > g->bucket_slots)
			say(v, &at, "%u of %u slots converted to schema %u", word.at, g->bucket_slots, word.to);
	}
}

/* ---- records ---- */

static const struct baton_record *record_at(const struct state_group *g, const uint8_t *table, uint64_t place)
{
	return (const struct baton_record *)(const void *)(table + (place & (g->bucket_slots - 1)) * g->stride);
}

static bool all_zero(const uint8_t *at, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i++)
		if (at[i] != 0)
			return false;
	return true;
}

/* The probe from where the key's begin to where it stands: past nothing empty, and past no other of the key. */
static void check_probe(const struct state_group *g, const uint8_t *table, uint32_t place, struct state_verify *v,
			struct state_finding *at)
{
	uint32_t home = (uint32_t)((at->key * 0x9e3779b97f4a7c15ull) >> 32) & (g->bucket_slots - 1);

	for (uint32_t i = home; i != place; i = (i + 1) & (g->bucket_slots - 1)) {
		const struct baton_record *before = record_at(g, table, i);

		if (before->state == BATON_RECORD_EMPTY) {
			say(v, at, "nobody finds it: record %u is empty, probes for its key begin at %u", i, home);
			return;
		}
		if (before->state == BATON_RECORD_USED && before->key == at->key) {
			say(v, at, "its key is also that of record %u", i);
			return;
		}
	}
}

static void check_record(const struct state_group *g, const uint8_t *table, struct state_verify *v, struct state_finding *at)
{
	const struct baton_record *r = record_at(g, table, at->record);
	const uint8_t *data = (const uint8_t *)(r + 1);

	at->key = r->key;
	if (r->seq & 1u)
		say(v, at, "its sequence word is odd (%u): in change, by nobody", r->seq);
	if (r->state > BATON_RECORD_GONE)
		say(v, at, "its state is %u: neither empty nor used nor removed", r->state);
	if (!all_zero(data + g->record_size, g->stride - sizeof(*r) - g->record_size))
		say(v, at, "something stands behind its %u bytes", g->record_size);
	if (r->state != BATON_RECORD_USED)
		return;
	check_probe(g, table, at->record, v, at);
	v->records[at->group]++;
	if (v->record != NULL)
		v->record(v->arg, at->group, at->bucket, at->record, r->key, data);
}

/* Copies a bucket when nothing of it changes meanwhile. What is odd all the time is taken as it is. Returns false if it
 * never stood still. */
static bool copy_bucket(const struct state_group *g, const uint8_t *live, uint8_t *copy, uint32_t *seq)
{
	bool stuck = true;

	for (uint32_t try = 0; try < TRIES; try++) {
		bool odd = false, same = true;

		if (try >= 4)
			nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
		for (uint32_t i = 0; i < g->bucket_slots; i++) {
			uint32_t now = *(const volatile uint32_t *)&record_at(g, live, i)->seq;

			stuck = stuck && (try == 0 || now == seq[i]);
			seq[i] = now;
			odd = odd || (now & 1u) != 0;
		}
		if (odd && try + 1 < TRIES)
			continue;
		baton_compiler_fence(); /* loads leave the core in order: the sequence words before the bytes, and after */
		memcpy(copy, live, (uint64_t)g->bucket_slots * g->stride);
		baton_compiler_fence();
		for (uint32_t i = 0; i < g->bucket_slots; i++)
			same = same && *(const volatile uint32_t *)&record_at(g, live, i)->seq == seq[i];
		if (same && (!odd || stuck))
			return true;
	}
	return false;
}

static int check_records(const struct state *state, struct state_verify *v, uint32_t group)
{
	const struct state_group *g = &state->header->group[group];
	uint64_t bytes = (uint64_t)g->bucket_slots * g->stride;
	uint8_t *copy = malloc(bytes);
	uint32_t *seq = malloc(g->bucket_slots * sizeof(*seq));

	for (uint32_t bucket = 0; copy != NULL && seq != NULL && bucket < g->buckets; bucket++) {
		const uint8_t *live = state_records(state, group) + bucket * bytes;
		const uint8_t *table = v->live ? copy : live;

		v->buckets++;
		if (v->live && !copy_bucket(g, live, copy, seq)) {
			v->busy++;
			continue;
		}
		for (uint32_t i = 0; i < g->bucket_slots; i++) {
			struct state_finding at = {group, STATE_NOWHERE, bucket, i, 0, ""};

			check_record(g, table, v, &at);
		}
	}
	int rc = copy != NULL && seq != NULL ? 0 : -ENOMEM;
	free(copy);
	free(seq);
	return rc;
}

/* ---- all of it ---- */

int state_verify(const struct state *state, struct state_verify *v)
{
	int rc = 0;

	for (uint32_t slot = 0; slot < state->header->slots; slot++)
		check_control(state, v, slot);
	for (uint32_t group = 0; rc == 0 && group < state->header->groups; group++) {
		check_words(state, v, group);
		if (state->header->group[group].record_size != 0)
			rc = check_records(state, v, group);
	}
	return rc;
}

/* ---- a file that nobody has open ---- */

static int read_all(int fd, uint8_t *to, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes;) {
		ssize_t n = pread(fd, to + at, bytes - at < BATON_HUGE_PAGE ? bytes - at : BATON_HUGE_PAGE, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPROTO;
		at += (uint64_t)n;
	}
	return 0;
}

static void roll_back_copy(const struct state *copy, struct state_verify *v)
{
	for (uint32_t slot = 0; slot < copy->header->slots; slot++) {
		struct state_finding at = {STATE_NOWHERE, slot, STATE_NOWHERE, STATE_NOWHERE, 0, ""};
		struct journal_report report;

		if (state_roll_back(copy, slot, &report) != 0)
			say(v, &at, "journal: damaged; %u undo records before the first unsound one were sound", report.undone);
	}
}

int state_verify_copy(struct state *copy, int fd, struct state_verify *v, char *why, size_t bytes)
{
	struct stat file;

	*copy = (struct state){.fd = -1};
	if (fstat(fd, &file) != 0)
		return -errno;
	uint64_t size = (uint64_t)file.st_size;
	if (size < BATON_HUGE_PAGE)
		return refuse(why, bytes, "not a Baton state file");
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	int rc = read_all(fd, base, size);
	if (rc == 0)
		rc = state_verify_header(base, size, why, bytes);
	else if (rc == -EPROTO)
		refuse(why, bytes, "it became shorter while it was read");
	if (rc != 0) {
		munmap(base, size);
		return rc;
	}
	copy->base = base;
	copy->header = base;
	roll_back_copy(copy, v);
	return 0;
}

void state_verify_copy_free(struct state *copy)
{
	if (copy->base != NULL)
		munmap(copy->base, copy->header->bytes);
	*copy = (struct state){.fd = -1};
}
