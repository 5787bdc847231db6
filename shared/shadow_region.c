/* The shadow region: where what is. */
#include "shadow_region.h"

static uint64_t whole_pages(uint64_t bytes)
{
	return (bytes + BATON_HUGE_PAGE - 1) & ~(uint64_t)(BATON_HUGE_PAGE - 1);
}

static uint64_t words_bytes(const struct state_group *group)
{
	return whole_pages(group->buckets * sizeof(struct bucket_word));
}

static uint64_t side_bytes(const struct state_group *group)
{
	return words_bytes(group) + whole_pages(group->records_bytes);
}

uint64_t shadow_region_bytes(const struct state_header *header)
{
	uint64_t bytes = 0;

	for (uint32_t g = 0; g < header->groups; g++)
		bytes += SHADOW_SIDES * side_bytes(&header->group[g]);
	return bytes;
}

uint64_t shadow_region_at(const struct state_header *header, uint32_t group, uint32_t side, uint64_t *records_at,
			  uint64_t *bytes)
{
	uint64_t at = 0;

	for (uint32_t g = 0; g < group; g++)
		at += SHADOW_SIDES * side_bytes(&header->group[g]);
	at += side * side_bytes(&header->group[group]);
	*records_at = at + words_bytes(&header->group[group]);
	*bytes = side_bytes(&header->group[group]);
	return at;
}
