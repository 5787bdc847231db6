/* What worker 0 can leave behind: all of it, and the part in which changes are looked for after each step. */
#ifndef BATON_TEST_EVERY_KILL_WATCH_H
#define BATON_TEST_EVERY_KILL_WATCH_H

#include "every_kill_world.h"

struct part {
	uint8_t *at;
	size_t bytes;
};

#define WHOLE_PARTS 4u
static void whole_parts(struct part *part)
{
	struct state *state = &w.rig.state;

	part[0] = (struct part){(uint8_t *)w.rig.belt[0][0], BATON_HUGE_PAGE};
	part[1] = (struct part){(uint8_t *)state_control(state, 0), BATON_HUGE_PAGE};
	part[2] = (struct part){(uint8_t *)state_words(state, 0), BATON_HUGE_PAGE};
	part[3] = (struct part){state_records(state, 0), BATON_HUGE_PAGE};
}

/* FNV-1a by words, with a mix: any byte counts. */
static uint64_t hash_part(uint64_t hash, const struct part *part)
{
	for (size_t i = 0; i < part->bytes; i += 8) {
		uint64_t word;

		memcpy(&word, part->at + i, 8);
		hash = (hash ^ word) * 0x100000001b3ull;
		hash ^= hash >> 29;
	}
	return hash;
}

static uint64_t hash_whole(void)
{
	struct part part[WHOLE_PARTS];
	uint64_t hash = 0xcbf29ce484222325ull;

	whole_parts(part);
	for (uint32_t i = 0; i < WHOLE_PARTS; i++)
		hash = hash_part(hash, &part[i]);
	return hash;
}

#define WATCHED 8u
static struct {
	struct part part[WATCHED];
	uint8_t *copy; /* of all parts, one behind the other, as they were last seen */
	uint8_t *whole; /* at the checkpoint */
	uint64_t hash;
} watch;

static void watch_start(void)
{
	struct belt *belt = w.rig.belt[0][0];
	struct control_block *control = state_control(&w.rig.state, 0);
	uint64_t done = control->commit[0].done & BELT_MASK, filled = control->commit[0].filled % BELT_OUT_CELLS;
	size_t bytes = 0;

	assert_true(done + w.burst <= BELT_SLOTS && filled + w.burst <= BELT_OUT_CELLS); /* no wrap here */
	watch.part[0] = (struct part){(uint8_t *)belt, 192};
	watch.part[1] = (struct part){(uint8_t *)&belt->verdict[done & ~1ull], (w.burst + 2) * 4 / 8 * 8};
	watch.part[2] = (struct part){(uint8_t *)&belt->slots[done], w.burst * sizeof(belt->slots[0])};
	watch.part[3] = (struct part){(uint8_t *)&belt->out[filled], w.burst * sizeof(belt->out[0])};
	watch.part[4] = (struct part){(uint8_t *)control, offsetof(struct control_block, journal.records) + 8192};
	watch.part[5] = (struct part){(uint8_t *)state_words(&w.rig.state, 0), BUCKETS * sizeof(struct bucket_word)};
	watch.part[6] = (struct part){state_records(&w.rig.state, 0), BUCKETS * TABLE * STRIDE};
	watch.part[7] = (struct part){belt->medium[done], w.burst * sizeof(belt->medium[0])};
	for (uint32_t i = 0; i < WATCHED; i++)
		bytes += watch.part[i].bytes;
	watch.copy = calloc(1, bytes);
	watch.whole = malloc(WHOLE_PARTS * BATON_HUGE_PAGE);
	assert_true(watch.copy != NULL && watch.whole != NULL);
	struct part part[WHOLE_PARTS];
	whole_parts(part);
	for (uint32_t i = 0; i < WHOLE_PARTS; i++)
		memcpy(watch.whole + i * BATON_HUGE_PAGE, part[i].at, part[i].bytes);
}

static void watch_end(void)
{
	free(watch.copy);
	free(watch.whole);
}

/* True if the state is another one than at the last look. */
static bool watch_changed(void)
{
	uint8_t *copy = watch.copy;
	bool changed = false;

	for (uint32_t i = 0; i < WATCHED; copy += watch.part[i++].bytes)
		if (memcmp(copy, watch.part[i].at, watch.part[i].bytes) != 0) {
			memcpy(copy, watch.part[i].at, watch.part[i].bytes);
			changed = true;
		}
	if (!changed)
		return false;
	watch.hash = 0xcbf29ce484222325ull;
	for (uint32_t i = 0; i < WATCHED; i++)
		watch.hash = hash_part(watch.hash, &watch.part[i]);
	return true;
}

/* Shared memory as it was at the checkpoint. */
static void back_to_checkpoint(void)
{
	struct part part[WHOLE_PARTS];

	whole_parts(part);
	for (uint32_t i = 0; i < WHOLE_PARTS; i++)
		for (size_t at = 0; at < part[i].bytes; at += 4096)
			if (memcmp(part[i].at + at, watch.whole + i * BATON_HUGE_PAGE + at, 4096) != 0)
				memcpy(part[i].at + at, watch.whole + i * BATON_HUGE_PAGE + at, 4096);
}

static bool is_watched(const uint8_t *at)
{
	for (uint32_t i = 0; i < WATCHED; i++)
		if (at >= watch.part[i].at && at < watch.part[i].at + watch.part[i].bytes)
			return true;
	return false;
}

/* True if nothing but what is watched differs from the checkpoint: no state has been overlooked. */
static bool watched_enough(void)
{
	struct part part[WHOLE_PARTS];

	whole_parts(part);
	for (uint32_t i = 0; i < WHOLE_PARTS; i++) {
		const uint8_t *was = watch.whole + i * BATON_HUGE_PAGE;

		for (size_t at = 0; at < part[i].bytes; at++)
			if (part[i].at[at] != was[at] && !is_watched(part[i].at + at))
				return false;
	}
	return true;
}

#endif
