/* The state file: layout, what one process finds in it, roll back. Creating and checking the file is state_open.c. */
#include "state.h"

#include <sys/mman.h>
#include <unistd.h>

#include "log.h"

/* Where a group without records points its workers: one empty slot, in which nothing is ever found or inserted. */
static const struct baton_record no_record[4] baton_aligned(64);

static uint64_t whole_pages(uint64_t bytes)
{
	return (bytes + BATON_HUGE_PAGE - 1) & ~(uint64_t)(BATON_HUGE_PAGE - 1);
}

static uint64_t power_of_two(uint64_t at_least, uint64_t n)
{
	while (n < at_least)
		n *= 2;
	return n;
}

int state_group_init(struct state_group *group, const char *name, uint32_t buckets, uint32_t record_size,
		     uint64_t records, uint32_t schema)
{
	size_t length = strlen(name);

	if (length == 0 || length >= BATON_NAME_BYTES || buckets == 0 || buckets > BATON_MAX_BUCKETS ||
	    (buckets & (buckets - 1)) != 0)
		return -EINVAL;
	if (record_size > STATE_MAX_RECORD || records > 1ull << 40)
		return -ERANGE;
	uint64_t slots = power_of_two((records * 4 + buckets - 1) / buckets, 16);
	uint64_t stride = power_of_two(record_size + sizeof(struct baton_record), 64);
	if (slots > 1ull << 24 || slots * stride > 1ull << 36)
		return -ERANGE;
	*group = (struct state_group){
		.buckets = buckets,
		.bucket_slots = record_size == 0 ? 1 : (uint32_t)slots,
		.record_size = record_size,
		.stride = (uint32_t)stride,
		.schema = schema,
		.records_bytes = record_size == 0 ? 0 : buckets * slots * stride,
	};
	memcpy(group->name, name, length);
	return 0;
}

uint64_t state_layout(struct state_group *groups, uint32_t count, uint32_t slots)
{
	uint64_t at = BATON_HUGE_PAGE + (uint64_t)slots * BATON_HUGE_PAGE;

	for (uint32_t i = 0; i < count; i++) {
		groups[i].words_at = at;
		at += whole_pages(groups[i].buckets * sizeof(struct bucket_word));
		groups[i].records_at = at;
		at += whole_pages(groups[i].records_bytes);
	}
	return at;
}

void state_close(struct state *state)
{
	if (state->base != NULL)
		munmap(state->base, state->header->bytes);
	if (state->fd >= 0)
		close(state->fd);
	*state = (struct state){.fd = -1};
}

struct control_block *state_control(const struct state *state, uint32_t slot)
{
	return (struct control_block *)(void *)(state->base + BATON_HUGE_PAGE + (uint64_t)slot * BATON_HUGE_PAGE);
}

struct bucket_word *state_words(const struct state *state, uint32_t group)
{
	return (struct bucket_word *)(void *)(state->base + state->header->group[group].words_at);
}

uint8_t *state_records(const struct state *state, uint32_t group)
{
	return state->base + state->header->group[group].records_at;
}

uint32_t state_slot_group(const struct state *state, uint32_t slot)
{
	uint32_t noted = state->header->slot[slot].group_and_one;

	if (noted != 0 && !BATON_SABOTAGE(workers_group_believed))
		return noted - 1;
	return *(const volatile uint32_t *)&state_control(state, slot)->group;
}

uint32_t state_slot_begin(const struct state *state, uint32_t slot, uint32_t group)
{
	struct control_block *control = state_control(state, slot);
	struct state_slot *noted = &state->header->slot[slot];

	if (noted->group_and_one == 0)
		noted->incarnation = control->incarnation;
	noted->group_and_one = group + 1;
	noted->incarnation++;
	atomic_store_explicit(&control->converting, 0, memory_order_relaxed);
	state_control_mend(state, slot);
	return noted->incarnation;
}

void state_control_mend(const struct state *state, uint32_t slot)
{
	struct control_block *control = state_control(state, slot);
	const struct state_slot *noted = &state->header->slot[slot];

	if (BATON_SABOTAGE(control_not_mended))
		return;
	control->slot = slot;
	control->belts = state->header->belts;
	if (noted->group_and_one != 0) {
		control->group = noted->group_and_one - 1;
		control->incarnation = noted->incarnation;
	}
	control->magic = STATE_CONTROL_MAGIC;
}

int state_roll_back(const struct state *state, uint32_t slot, struct journal_report *report)
{
	struct control_block *control = state_control(state, slot);
	uint32_t group = state_slot_group(state, slot);
	struct journal_area area = {.stride = 64};

	/* A group that is none: the empty area lets no record pass as sound. */
	if (group < state->header->groups) {
		const struct state_group *g = &state->header->group[group];
		area = (struct journal_area){
			.records = state_records(state, group),
			.records_bytes = g->records_bytes,
			.stride = g->stride,
			.words = (uint8_t *)state_words(state, group),
			.words_bytes = g->buckets * sizeof(struct bucket_word),
		};
	}
	return journal_roll_back(&control->journal, control->commit, state->header->belts, &area, report);
}

uint64_t state_last_tick(const struct state *state, uint32_t group)
{
	/* relaxed: its writer is dead, or this very process before it runs */
	uint64_t posted = atomic_load_explicit(&state->header->tick_posted[group], memory_order_relaxed);
	struct bucket_word *words = state_words(state, group);
	uint64_t last = 0;
	uint32_t set_back = 0;

	for (uint32_t bucket = 0; bucket < state->header->group[group].buckets; bucket++) {
		if (words[bucket].last_tick > posted) {
			words[bucket].last_tick = posted;
			set_back++;
		}
		if (words[bucket].last_tick > last)
			last = words[bucket].last_tick;
	}
	if (set_back != 0)
		log_warn("group %s: %u buckets had the number of a tick that was never posted, as a wild write of a plugin "
			 "leaves it; set back", state->header->group[group].name, set_back);
	return last;
}

void state_bind(const struct state *state, uint32_t slot, uint32_t group, struct baton_ctx *ctx)
{
	const struct state_group *g = &state->header->group[group];
	struct journal *journal = &state_control(state, slot)->journal;

	ctx->worker = slot;
	ctx->records = g->record_size != 0 ? state_records(state, group) : (uint8_t *)(uintptr_t)no_record;
	ctx->records_bytes = g->records_bytes;
	ctx->bucket_bytes = g->record_size != 0 ? (uint64_t)g->bucket_slots * g->stride : 0;
	ctx->bucket_slots = g->bucket_slots;
	ctx->stride = g->stride;
	ctx->record_size = g->record_size;
	ctx->table_full = 0;
	ctx->journal = journal->records;
	ctx->journal_used = (uint32_t *)(uintptr_t)&journal->used;
	ctx->used = 0;
	ctx->limit = 0;
	ctx->last = JOURNAL_NONE;
	ctx->overflow = 0;
}

/* One look at a slot of the table. Returns 1 if it is `key` (whose bytes have been copied), 0 if another key or a
 * removed one, -ENOENT if empty, -EAGAIN if it changed meanwhile. */
static int read_slot(const struct baton_record *record, uint64_t key, void *out, uint32_t size)
{
	const volatile struct baton_record *live = record;
	uint32_t seq = live->seq;
	int rc = 0;

	if ((seq & 1u) && !BATON_SABOTAGE(odd_word_read))
		return -EAGAIN;
	baton_compiler_fence(); /* loads leave the core in order: the sequence word first, and again at the end */
	if (live->state == BATON_RECORD_EMPTY) {
		rc = -ENOENT;
	} else if (live->key == key && live->state == BATON_RECORD_USED) {
		memcpy(out, record + 1, size);
		rc = 1;
	}
	baton_compiler_fence();
	/* merged with the load above, as the compiler may without the fences */
	return (BATON_SABOTAGE(seqlock_without_fence) ? seq : live->seq) == seq ? rc : -EAGAIN;
}

int state_read_record(const struct state *state, uint32_t group, uint32_t bucket, uint64_t key, void *out,
		      uint32_t size)
{
	const struct state_group *g = &state->header->group[group];
	uint32_t tries = 256; /* some microseconds in all; a handler takes less */

	if (g->record_size == 0 || bucket >= g->buckets)
		return -ENOENT;
	if (size > g->record_size)
		size = g->record_size;
	const uint8_t *base = state_records(state, group) + (uint64_t)bucket * g->bucket_slots * g->stride;
	uint32_t home = (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 32);
	for (uint32_t i = 0; i < g->bucket_slots; i++) {
		uint64_t at = (home + i) & (g->bucket_slots - 1);
		const struct baton_record *record = (const struct baton_record *)(const void *)(base + at * g->stride);
		int rc;

		while ((rc = read_slot(record, key, out, size)) == -EAGAIN && --tries != 0)
			__builtin_ia32_pause();
		if (rc == 1)
			return 0;
		if (rc < 0)
			return rc;
	}
	return -ENOENT;
}
