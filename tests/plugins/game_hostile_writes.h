/* What the hostile game may write to, and does: its belts, its control block, its group's records, its statistics. For
 * game_hostile.c, which includes it once and has the worker's `context`. */
#ifndef BATON_TEST_GAME_HOSTILE_WRITES_H
#define BATON_TEST_GAME_HOSTILE_WRITES_H

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "state.h"

/* All that stands in the belt, the primary's words among it. The worker's own place in it is private. */
static void belt_noise(void)
{
	struct belt *belt = consumer()->belt;

	memset((void *)belt, 0xa5, sizeof(*belt));
	raise(SIGSEGV);
}

static void tags(void)
{
	struct belt *belt = consumer()->belt;

	for (uint32_t i = 0; i < BELT_SLOTS; i++)
		belt->slots[i].packet = (struct baton_packet){.len = 0xffff, .kind = (uint8_t)i, .flags = (uint8_t)(i >> 8),
							      .bucket = 0xffff, .cell = 0xffff, .time_ns = UINT64_MAX};
	memset(belt->peer, 0xff, sizeof(belt->peer));
	for (uint32_t i = 0; i < BELT_OUT_CELLS; i++)
		belt->out[i].cause = UINT64_MAX - i;
	raise(SIGSEGV);
}

static void words(void)
{
	struct belt *belt = consumer()->belt;

	belt->magic = 0;
	atomic_store(&belt->offered, atomic_load(&belt->offered) + 3000);
	atomic_store(&belt->out_taken, UINT64_MAX);
	atomic_store(&belt->doorbell, 0x12345678);
	atomic_store(&belt->sleeping, 1);
	raise(SIGSEGV);
}

static void control_noise(void)
{
	struct control_block *c = control_block();

	c->magic = 0;
	c->slot = c->belts = 77;
	c->group = 0; /* the honest one */
	c->incarnation = UINT32_MAX;
	memset((void *)c->commit, 0xff, sizeof(c->commit));
	raise(SIGSEGV);
}

/* A journal that looks open and names records of the other group, and what is no record at all. */
static void journal_noise(void)
{
	struct control_block *c = control_block();
	uint32_t at = 0, before = JOURNAL_NONE;

	c->group = 0;
	c->journal.belt = 0;
	c->journal.first = UINT64_MAX >> 2;
	for (uint32_t i = 0; i < 2000; i++) {
		struct baton_undo *undo = (struct baton_undo *)(void *)(c->journal.records + at);

		*undo = (struct baton_undo){.len = 32, .prev = before, .offset = (uint64_t)i * 64 + 16};
		memset(undo + 1, 0xee, 32);
		if (i == 1999)
			undo->offset = UINT64_MAX - 4096;
		before = at;
		at += journal_cost(32);
	}
	atomic_store(&c->journal.used, at);
	raise(SIGSEGV);
}

static void journal_header(void)
{
	struct control_block *c = control_block();

	c->journal.belt = 4711;
	c->journal.first = UINT64_MAX;
	atomic_store(&c->journal.used, UINT32_MAX);
	raise(SIGSEGV);
}

/* Records of other buckets of its group: nothing keeps it from them, and `batonctl state verify` finds them. One of
 * each kind of damage, in the buckets behind the first that has players. */
static void records(void)
{
	uint32_t kind = 0, used = 0;

	for (uint64_t at = 0; at < context->records_bytes && kind < 6; at += context->stride) {
		struct baton_record *r = (struct baton_record *)(void *)(context->records + at);
		struct player *player = (struct player *)(void *)(r + 1);

		if (r->state != BATON_RECORD_USED || record_kind(r->key) != RECORD_PLAYER || used++ % 2 != 0)
			continue;
		switch (kind++) {
		case 0: r->key ^= 0x55550000; break;
		case 1: r->seq |= 1; break;
		case 2: player->x = 1e30f; break;
		case 3: r->state = 7; break;
		case 4: player->flags = 0xff; break;
		default: memset(player, 0xff, sizeof(*player)); break;
		}
	}
}

static void bucket_words(void)
{
	/* behind the group's records' beginning: the words stand in the pages before them */
	struct bucket_word *word = (struct bucket_word *)(void *)(context->records - BATON_HUGE_PAGE);

	for (uint32_t i = 0; i < context->buckets; i++)
		word[i] = (struct bucket_word){.last_tick = UINT64_MAX, .schema = 77};
	raise(SIGSEGV);
}

static void stats_noise(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512], mode[8];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strstr(line, ".stats") != NULL && sscanf(line, "%lx-%lx %7s", &start, &end, mode) == 3 && mode[3] == 's')
			memset((void *)start, 0xff, end - start);
	if (file != NULL)
		fclose(file);
}

#endif
