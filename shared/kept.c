/* Records of one bucket, kept. */
#include "kept.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static uint64_t sum_of(const struct kept_head *head)
{
	struct kept_head copy = *head;

	copy.check = 0;
	return snap_sum(snap_sum(0, &copy, sizeof(copy)), head + 1, (size_t)head->records * head->stride);
}

int kept_copy(const struct state *state, uint32_t group, uint32_t bucket, uint8_t *out)
{
	const struct state_group *g = &state->header->group[group];
	const uint8_t *table = state_records(state, group) + (uint64_t)bucket * g->bucket_slots * g->stride;
	struct bucket_word word = bucket_word_load(&state_words(state, group)[bucket]);
	struct kept_head *head = (void *)out;
	size_t at = sizeof(*head);

	if (g->record_size == 0)
		return -ENODATA;
	if (g->bucket_slots > KEPT_SLOTS)
		return -E2BIG;
	*head = (struct kept_head){
		.magic = KEPT_MAGIC, .version = KEPT_VERSION, .bucket = bucket, .buckets = g->buckets,
		.bucket_slots = g->bucket_slots, .stride = g->stride, .to = word.to,
		.schema = word.schema != 0 ? word.schema : g->schema,
	};
	for (uint32_t slot = 0; slot < g->bucket_slots; slot++) {
		const struct baton_record *record = (const void *)(table + (uint64_t)slot * g->stride);
		const struct snap_record r = {.key = record->key, .slot = slot, .state = record->state};

		if (r.state == BATON_RECORD_EMPTY)
			continue;
		if (KEPT_MOST - at < g->stride)
			return -E2BIG;
		memcpy(out + at, &r, sizeof(r));
		memcpy(out + at + sizeof(r), record + 1, g->stride - sizeof(r));
		at += g->stride;
		head->records++;
	}
	return (int)at;
}

void kept_seal(uint8_t *bytes)
{
	struct kept_head *head = (void *)bytes;

	head->check = sum_of(head);
}

static bool is_power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

int kept_check(const uint8_t *bytes, size_t len)
{
	const struct kept_head *head = (const void *)bytes;
	uint32_t slot = 0;

	if (len < sizeof(*head) || head->magic != KEPT_MAGIC || head->version != KEPT_VERSION ||
	    !is_power_of_two(head->bucket_slots) || head->bucket_slots > KEPT_SLOTS || !is_power_of_two(head->stride) ||
	    head->stride < 64 || head->stride > 65536 || head->records > head->bucket_slots ||
	    len - sizeof(*head) != (size_t)head->records * head->stride || sum_of(head) != head->check)
		return -EBADMSG;
	for (uint32_t i = 0; i < head->records; i++, slot++) {
		const struct snap_record *r = kept_record(bytes, i);

		if (r->slot < slot || r->slot >= head->bucket_slots)
			return -EBADMSG;
		slot = r->slot;
	}
	return 0;
}
