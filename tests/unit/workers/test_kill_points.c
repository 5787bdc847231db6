/* A worker, and a primary that rolls it back, killed after every instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kill_model.h"
#include "stepper.h"

#if defined(__SANITIZE_ADDRESS__)
#define ROUNDS 1
#else
#define ROUNDS 2
#endif
#define UNDO_SMALL 160u                    /* some entries need more and are refused */
#define UNDO_LARGE (JOURNAL_BYTES - 300u)  /* settles early after a few saves */

static uint64_t seed;
static uint64_t run_steps; /* instructions of an undisturbed run, about */
/* Compares what a kill could leave with what one left before: most instructions store nothing that outlives them. */
struct watch {
	struct image records; /* with sequence words */
	uint64_t commit[2 * BELTS];
	struct journal header;
};

static bool watch_changed(struct watch *watch, const struct world *world)
{
	const struct control_block *c = state_control(&world->state, 0);
	const uint8_t *records = state_records(&world->state, 0);
	uint64_t commit[2 * BELTS];
	bool changed = false;

	for (uint32_t b = 0; b < BELTS; b++) {
		commit[2 * b] = c->commit[b].done;
		commit[2 * b + 1] = c->commit[b].filled;
	}
#define TAKE(to, from, bytes) \
	if (memcmp(to, from, bytes) != 0) { \
		memcpy(to, from, bytes); \
		changed = true; \
	}
	TAKE(watch->commit, commit, sizeof(commit))
	TAKE(&watch->header, &c->journal, offsetof(struct journal, records))
	TAKE(watch->records.records, records, sizeof(watch->records.records))
	TAKE(watch->records.words, state_words(&world->state, 0), sizeof(watch->records.words))
#undef TAKE
	return changed;
}

/* A primary that rolls `world` back, killed after every instruction and started again by the next. */
static bool sweep_recovery(const struct model *model, struct world *world, const struct state *copy);

struct sweep {
	uint64_t steps, cuts, recoveries;
};

/* Cuts one run of the worker after each instruction. recover_every: cuts between two in which the roll back is swept as
 * well; 0: none. */
static bool sweep_worker(const struct model *model, const struct script *script, uint32_t recover_every,
			 struct sweep *sweep)
{
	static struct watch watch;
	struct image last = {0};
	struct state copy;
	struct world world;
	bool good = true;

	world_create(&world, script);
	fake_state_create(&copy, BUCKETS, RECORD, 1, 1, BELTS);
	memset(&watch, 0xff, sizeof(watch));
	pid_t pid = stepper_start(world_work, &world);
	while (good && stepper_step(pid)) {
		sweep->steps++;
		if (!watch_changed(&watch, &world))
			continue;
		good = check_cut(model, &world, &copy, &last);
		if (good && recover_every != 0 && ++sweep->cuts % recover_every == 0) {
			sweep->recoveries++;
			good = sweep_recovery(model, &world, &copy);
		}
	}
	if (good && settled_count(&world) != ENTRIES)
		good = broken("the worker left entries behind");
	if (!good)
		stepper_kill(pid);
	state_close(&copy);
	world_destroy(&world);
	return good;
}

struct recovery {
	const struct state *state;
};

static void roll_back(void *arg)
{
	struct recovery *recovery = arg;
	struct journal_report report;

	if (state_roll_back(recovery->state, 0, &report) != 0)
		abort();
}

static bool sweep_recovery(const struct model *model, struct world *world, const struct state *copy)
{
	static struct watch watch;
	struct image last;
	struct state again;
	struct world cut = *world; /* the same belts; its state is the one being rolled back */
	struct recovery recovery = {.state = &cut.state};
	bool good = true;

	cut.state = *copy;
	copy_state(world, &cut.state);
	fake_state_create(&again, BUCKETS, RECORD, 1, 1, BELTS);
	memcpy(&last, state_records(&cut.state, 0), sizeof(last.records));
	memset(&watch, 0xff, sizeof(watch));
	pid_t pid = stepper_start(roll_back, &recovery);
	while (good && stepper_step(pid))
		if (watch_changed(&watch, &cut))
			good = check_cut(model, &cut, &again, &last);
	if (!good)
		stepper_kill(pid);
	state_close(&again);
	return good;
}

static void prepare(struct script *script, struct model *model, uint32_t max_undo)
{
	sabotage = SABOTAGE_none;
	script_fill(script, &seed, max_undo);
	model_record(model, script);
}

static void sweep_all(uint32_t max_undo, bool *refused, bool *early)
{
	static struct script script;
	static struct model model;
	struct sweep sweep = {0};

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t before;
		uint32_t tries = 0;

		do { /* the last one until there is all that the sweep is about: few scripts may lack it by chance */
			before = seed;
			prepare(&script, &model, max_undo);
		} while (round + 1 == ROUNDS && tries++ < 1000 && ((!*refused && model.undone == 0) ||
			 (!*early && model.early_settles == 0 && max_undo == UNDO_LARGE)));
		*refused = *refused || model.undone != 0;
		*early = *early || model.early_settles != 0;
		if (!sweep_worker(&model, &script, 61, &sweep))
			fail_msg("seed %#llx, after %llu instructions: %s", (unsigned long long)before,
				 (unsigned long long)sweep.steps, complaint);
	}
	run_steps = sweep.steps / ROUNDS;
	printf("%llu instructions, %llu changes, %llu roll backs cut\n", (unsigned long long)sweep.steps,
	       (unsigned long long)sweep.cuts, (unsigned long long)sweep.recoveries);
	assert_true(sweep.cuts > 100 && sweep.recoveries > 0);
}

static void a_kill_after_any_instruction_leaves_settled_entries_and_nothing_else(void **context)
{
	bool refused = false, early = false;

	(void)context;
	sweep_all(UNDO_SMALL, &refused, &early);
	assert_true(refused); /* entries that need too much were among them */
	assert_false(early);
}

static void a_kill_after_any_instruction_of_bursts_that_settle_early_leaves_whole_entries(void **context)
{
	bool refused = false, early = false;

	(void)context;
	sweep_all(UNDO_LARGE, &refused, &early);
	assert_true(refused);
	assert_true(early);
}

/* ---- storms: many incarnations ---- */

struct storm {
	const struct model *model;
	uint32_t reaped, cells[ENTRIES], seen[ENTRIES];
};

static void storm_reaped(void *arg, const struct fake_entry *entry, uint32_t verdict, const uint8_t *reply)
{
	struct storm *storm = arg;
	uint32_t i = ((const struct body *)(const void *)entry->data)->index;
	uint64_t got;

	storm->reaped++;
	storm->seen[i]++;
	assert_int_equal(verdict, storm->model->verdict[i]);
	memcpy(&got, reply + offsetof(struct body, reply), sizeof(got));
	if (entry->kind == BELT_PACKET && (verdict & 0xffff) == BATON_REPLY)
		assert_int_equal(got, storm->model->reply[i]);
}

static void storm_cell(void *arg, const struct belt_out_cell *cell)
{
	struct storm *storm = arg;

	assert_int_equal(cell->len, storm->cells[cell->bucket]++);
}

/* The primary's part after a death: final reap, roll back, done on, redeliver. False: the roll back went wrong. */
static bool storm_recover(struct storm *storm, struct world *world)
{
	const struct fake_entry *back[BELT_SLOTS];
	struct journal_report report;

	for (uint32_t b = 0; b < BELTS; b++) {
		assert_true(fake_reap(&world->primary[b], storm_reaped, storm) >= 0);
		fake_emit(&world->primary[b], storm_cell, storm);
	}
	assert_int_equal(state_roll_back(&world->state, 0, &report), 0);
	if (!check_rolled_back(storm->model, world->script, &world->state, storm->reaped, world))
		return false;
	for (uint32_t b = 0; b < BELTS; b++) {
		uint32_t count = fake_take_back(&world->primary[b], back);
		for (uint32_t i = 0; i < count; i++)
			assert_true(fake_offer(&world->primary[b], back[i]));
	}
	return true;
}

/* Kills the worker at random instructions until all is settled. Returns false and leaves a complaint. */
static bool storm_run(const struct model *model, const struct script *script, uint32_t *kills)
{
	struct storm storm = {.model = model};
	struct world world;
	bool good = true;

	world_create(&world, script);
	while (good && storm.reaped != ENTRIES) {
		uint32_t steps = fake_below(&seed, *kills % 4 == 0 ? 300 : (uint32_t)run_steps / 3);
		pid_t pid = stepper_start(world_work, &world);

		while (steps != 0 && stepper_step(pid))
			steps--;
		if (steps == 0) {
			stepper_kill(pid);
			(*kills)++;
		}
		good = storm_recover(&storm, &world);
	}
	for (uint32_t i = 0; good && i < ENTRIES; i++)
		if (storm.seen[i] != 1 || storm.cells[i] != model->cells[i])
			good = broken("an entry or its cells came through not exactly once");
	world_destroy(&world);
	return good;
}

static void entries_take_effect_once_whatever_is_killed(void **context)
{
	static struct script script;
	static struct model model;
	uint32_t kills = 0;

	(void)context;
	for (int round = 0; round < 2; round++) {
		uint64_t before = seed;

		prepare(&script, &model, round % 2 != 0 ? UNDO_LARGE : UNDO_SMALL);
		if (!storm_run(&model, &script, &kills))
			fail_msg("seed %#llx: %s", (unsigned long long)before, complaint);
	}
	printf("%u kills\n", kills);
	assert_true(kills > 4);
}

/* ---- sabotage: each broken rule must be noticed ---- */

#if !defined(__SANITIZE_ADDRESS__) && !defined(BATON_SABOTAGE_RULE)
static bool survives(enum sabotage broken_rule)
{
	static struct script script;
	static struct model model;
	struct sweep sweep = {0};
	bool good = true;

	for (int round = 0; good && round < 4; round++) {
		prepare(&script, &model, round % 2 != 0 ? UNDO_LARGE : UNDO_SMALL);
		sabotage = broken_rule;
		good = sweep_worker(&model, &script, 29, &sweep);
		sabotage = SABOTAGE_none;
	}
	return good;
}

static void every_broken_rule_is_noticed(void **context)
{
	static const char *const sabotage_name[] = {
#define X(name) #name,
		SABOTAGES(X)
#undef X
	};
	uint32_t missed = 0;

	(void)context;
	for (enum sabotage rule = SABOTAGE_none + 1; rule < SABOTAGE_COUNT; rule++) {
		bool good = survives(rule);

		printf("%-28s %s\n", sabotage_name[rule], good ? "NOT NOTICED" : complaint);
		missed += good;
	}
	assert_int_equal(missed, 0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kill_after_any_instruction_leaves_settled_entries_and_nothing_else),
		cmocka_unit_test(a_kill_after_any_instruction_of_bursts_that_settle_early_leaves_whole_entries),
		cmocka_unit_test(entries_take_effect_once_whatever_is_killed),
#if !defined(__SANITIZE_ADDRESS__) && !defined(BATON_SABOTAGE_RULE) /* the former: five times the instructions */
		cmocka_unit_test(every_broken_rule_is_noticed),
#endif
	};

	seed = fake_seed("test_kill_points");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
