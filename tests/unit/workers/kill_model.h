/* What must be true of the small world after a kill at any instruction. */
#ifndef BATON_TEST_KILL_MODEL_H
#define BATON_TEST_KILL_MODEL_H

#include <stdio.h>

#include "kill_world.h"

/* Recorded from one undisturbed run. */
struct model {
	struct image state[SUBS + 1];   /* after so many parts of entries */
	uint32_t subs;
	uint32_t before[ENTRIES + 1];   /* parts done when so many entries are settled */
	uint64_t reply[ENTRIES];
	uint32_t verdict[ENTRIES];
	uint32_t cells[ENTRIES];
	uint64_t early_settles, undone;
};

static struct model *recording;

static void model_after(struct world *world)
{
	if (recording->subs == SUBS)
		abort();
	world_image(world, &recording->state[++recording->subs]);
}

static void model_reaped(void *arg, const struct fake_entry *entry, uint32_t verdict, const uint8_t *reply)
{
	struct model *model = arg;
	const struct body *sent = (const struct body *)(const void *)entry->data;

	model->verdict[sent->index] = verdict;
	memcpy(&model->reply[sent->index], reply + offsetof(struct body, reply), sizeof(uint64_t));
}

static void model_cell(void *arg, const struct belt_out_cell *cell)
{
	struct model *model = arg;

	model->cells[cell->bucket]++;
}

static void model_record(struct model *model, const struct script *script)
{
	struct world world;

	*model = (struct model){0};
	recording = model;
	world_create(&world, script);
	world_image(&world, &model->state[0]);
	world.after = model_after;
	world_work(&world);
	for (uint32_t b = 0; b < BELTS; b++) {
		fake_reap(&world.primary[b], model_reaped, model);
		fake_emit(&world.primary[b], model_cell, model);
	}
	model->early_settles = world.txn.early_settles;
	model->undone = world.txn.undone;
	/* A tick's parts are counted by its buckets. */
	uint32_t subs = 0;
	for (uint32_t i = 0; i < ENTRIES; i++) {
		model->before[i] = subs;
		subs += script->entry[i].kind == BELT_TICK ? BUCKETS / 2 : 1;
	}
	model->before[ENTRIES] = subs;
	if (subs != model->subs)
		abort();
	world_destroy(&world);
}

/* What was wrong, for the log; NULL: nothing. */
static const char *complaint;

static bool broken(const char *what)
{
	complaint = what;
	return false;
}

/* True if the bytes are what some entry left of this record. */
static bool model_knows(const struct model *model, uint32_t at, const uint8_t *record)
{
	for (uint32_t s = 0; s <= model->subs; s++) {
		const uint8_t *known = &model->state[s].records[at];
		if (memcmp(known, record, 8) == 0 && memcmp(known + 12, record + 12, STRIDE - 12) == 0)
			return true;
	}
	return false;
}

/* A reader may look between any two instructions: what has an even sequence word is whole. */
static bool check_readers(const struct model *model, const struct world *world, struct image *last)
{
	const uint8_t *records = state_records(&world->state, 0);

	for (uint32_t at = 0; at < sizeof(last->records); at += STRIDE) {
		const struct baton_record *record = (const struct baton_record *)(const void *)(records + at);
		struct baton_record *before = (struct baton_record *)(void *)(last->records + at);

		if (memcmp(before, record, STRIDE) == 0)
			continue;
		if (record->seq < before->seq)
			return broken("a sequence word went back");
		if (record->seq == before->seq && (record->seq & 1) == 0)
			return broken("bytes changed under an even sequence word");
		if ((record->seq & 1) == 0 && !model_knows(model, at, (const uint8_t *)record))
			return broken("a torn record has an even sequence word");
		memcpy(before, record, STRIDE);
	}
	return true;
}

/* The parts of the world that are in the state file, as a kill leaves them. */
static void copy_state(const struct world *from, const struct state *to)
{
	const struct control_block *c = state_control(&from->state, 0);
	struct control_block *d = state_control(to, 0);
	uint32_t used = c->journal.used;

	memcpy(d->commit, c->commit, sizeof(c->commit[0]) * BELTS);
	memcpy(&d->journal, &c->journal, offsetof(struct journal, records) + (used <= JOURNAL_BYTES ? used : 0));
	memcpy(state_records(to, 0), state_records(&from->state, 0), sizeof(((struct image *)0)->records));
	memcpy(state_words(to, 0), state_words(&from->state, 0), sizeof(((struct image *)0)->words));
}

/* Parts of entries that must be in the records: those of settled entries, and those that an early settle in the middle
 * of a tick has committed, as the words tell. */
static uint32_t expected_subs(const struct model *model, const struct script *script, uint32_t settled,
			      const struct bucket_word *words)
{
	uint32_t subs = model->before[settled];

	if (settled == ENTRIES || script->entry[settled].kind != BELT_TICK)
		return subs;
	const struct body *body = (const struct body *)(const void *)script->entry[settled].data;
	for (uint32_t bucket = body->group; bucket < BUCKETS; bucket += 2)
		subs += words[bucket].last_tick >= body->number;
	return subs;
}

/* After a roll back: the records are exactly those of the settled entries, readable, and nothing is left to undo. */
static bool check_rolled_back(const struct model *model, const struct script *script, const struct state *state,
			      uint32_t settled, const struct world *before)
{
	const struct world view = {.state = *state};
	struct image image;

	world_image(&view, &image);
	if (memcmp(&image, &model->state[expected_subs(model, script, settled, image.words)], sizeof(image)) != 0)
		return broken("the records are not those of the settled entries");
	if (state_control(state, 0)->journal.used != 0)
		return broken("the journal still counts");
	for (uint32_t at = 0; at < sizeof(image.records); at += STRIDE) {
		const struct baton_record *record = (const void *)(state_records(state, 0) + at);
		const struct baton_record *old = (const void *)(state_records(&before->state, 0) + at);

		if (record->seq & 1)
			return broken("a sequence word stayed odd");
		if (record->seq < old->seq || (record->seq == old->seq && memcmp(record, old, STRIDE) != 0))
			return broken("bytes were restored under the same sequence word");
	}
	return true;
}

/* Outbound cells below `filled` cover at least those of settled entries. */
static bool check_cells(const struct model *model, const struct script *script, const struct world *world)
{
	for (uint32_t b = 0; b < BELTS; b++) {
		const struct belt_commit *commit = world->primary[b].commit;
		uint64_t done = commit->done, filled = commit->filled;
		uint64_t at = world->primary[b].producer.out_reaped, cause = world->primary[b].producer.reaped;

		for (uint32_t i = 0; i < ENTRIES && cause != done; i++) {
			if (script->belt[i] != b)
				continue;
			for (uint32_t nth = 0; nth < model->cells[i]; nth++, at++) {
				const struct belt_out_cell *cell = &world->primary[b].belt->out[at % BELT_OUT_CELLS];
				if (at >= filled)
					return broken("`done` covers an entry, `filled` not its cells");
				if (cell->cause != cause || cell->bucket != i || cell->len != nth)
					return broken("an outbound cell is not its entry's");
			}
			cause++;
		}
	}
	return true;
}

static uint32_t settled_count(const struct world *world)
{
	uint64_t count = 0;

	for (uint32_t b = 0; b < BELTS; b++)
		count += world->primary[b].commit->done - world->primary[b].producer.reaped;
	return (uint32_t)count;
}

/* Everything about one cut; `copy` is scratch. */
static bool check_cut(const struct model *model, const struct world *world, const struct state *copy,
		      struct image *last)
{
	struct journal_report report;

	if (!check_readers(model, world, last) || !check_cells(model, world->script, world))
		return false;
	copy_state(world, copy);
	for (int again = 0; again < 2; again++) {
		if (state_roll_back(copy, 0, &report) != 0)
			return broken("the journal is damaged");
		if (!check_rolled_back(model, world->script, copy, settled_count(world), world))
			return false;
	}
	return true;
}

#endif
