/* A rollout that is, or comes, to its shadow: the states of a shadow, and how it is over. Workers are processes, the
 * data path is a fake. Include once per program. */
#ifndef TEST_SHADOW_RIG_H
#define TEST_SHADOW_RIG_H

#include <sys/stat.h>

#include "rollout_rig.h"
#include "shadow_parts.h"

static const struct config_step steps[] = {
	{ .kind = STEP_SHADOW, .permille = 500, .ns = 3600000000000ull }, { .kind = STEP_WEIGHT, .permille = 1000 },
};

static inline struct supervisor *sup(void) { return rig.primary->supervisor; }
static inline struct shadow *shadow(void) { return sup()->shadow[0]; }
static inline bool phase_is(enum shadow_phase phase) { return shadow() != NULL && shadow()->phase == phase; }

static inline int begin_with(uint32_t io_cores)
{
	if (rig_prepare())
		return -1;
	rig_records();
	/* so large that to prepare them takes several turns; nobody looks at them */
	rig.primary->state.header->group[0].bucket_slots = 2048;
	rig.primary->state.header->group[0].records_bytes = FAKE_BUCKETS * 2048 * 64;
	rig.primary->config.io_cores = io_cores;
	rig_plugin("game.so", "shadow 1");
	rig_plugin("r2.so", "shadow r2");
	rig_plugin("r3.so", "shadow r3");
	if (supervisor_init(rig.primary) || command_init(rig.primary))
		return -1;
	wait_until(scale_settled());
	rig.primary->ready = true;
	if (rollouts_init(rig.primary))
		return -1;
	rig_path(rig.primary->rollouts->path, "rollout.json");
	plan(2, steps);
	return 0;
}

static inline int begin(void **unused)
{
	(void)unused;
	return begin_with(1);
}

static inline int begin_three(void **unused)
{
	(void)unused;
	return begin_with(3);
}

/* ---- states ---- */

static inline uint32_t worker_of(enum worker_role role)
{
	uint32_t i = 0;

	while (i < sup()->workers && (rig_worker(i)->role != role || rig_worker(i)->gone))
		i++;
	return i;
}

/* Of a worker of that role, be it on its way out. */
static inline pid_t pid_of(enum worker_role role)
{
	for (uint32_t slot = 0; slot < RIG_SLOTS; slot++)
		if (rig_slot(slot)->state != WORKER_NONE && rig_slot(slot)->pid != 0 && !is_gone(rig_slot(slot)->pid) &&
		    rig_worker(rig_slot(slot)->worker)->role == role)
			return rig_slot(slot)->pid;
	return 0;
}

/* Without a process of the candidate's, and with one that has yet to speak. */
static inline void to_start(void)
{
	rig_plugin("r2.so", "shadow r2");
	start("r2.so");
	wait_until(r()->at == AT_START && pid_of(ROLE_CANDIDATE) != 0);
}

static inline void to_preparing(void)
{
	start("r2.so");
	wait_until(shadow_active(sup(), 0));
	assert_int_equal(shadow()->phase, SHADOW_PREPARING);
	assert_null(fake.mirror);
}

static inline void to_on(void)
{
	start("r2.so");
	wait_until(r()->mirroring && fake.mirror != NULL && fake.joins[0] != 0 && fake.joins[1] != 0);
	assert_true(phase_is(SHADOW_ON));
}

/* The I/O lcore does not let go. */
static inline void to_ending(void)
{
	struct rollout_order o = order(NULL);

	to_on();
	fake.hold_mirror = true;
	assert_true(ok(rollout_promote(rig.primary, &o)));
	wait_until(phase_is(SHADOW_ENDING));
}

static inline uint64_t pages(void)
{
	struct stat st;

	assert_int_equal(fstat(sup()->shadow_fd, &st), 0);
	return (uint64_t)st.st_blocks;
}

static inline void only_stable_owns(void)
{
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++) {
		uint32_t slot = fake.owner[0][b];

		assert_int_not_equal(slot, SLOT_NONE);
		assert_int_equal(rig_worker(rig_slot(slot)->worker)->role, ROLE_STABLE);
		assert_int_equal(rig_slot(slot)->shadow, SHADOW_NONE);
	}
}

/* A shadow worker has no bucket, ever. */
static inline void shadows_own_nothing(void)
{
	for (uint32_t slot = 0; slot < RIG_SLOTS; slot++)
		if (rig_slot(slot)->state != WORKER_NONE && rig_slot(slot)->shadow != SHADOW_NONE)
			assert_int_equal(datapath_owned(NULL, slot), 0);
}

static inline void let_go(void)
{
	fake.hold_mirror = false;
	if (shadow() != NULL && shadow()->phase == SHADOW_ENDING && shadow()->mirror != NULL)
		atomic_store(&shadow()->mirror->released, shadow()->mirror->lcores);
}

/* Nothing is left of it. */
static inline void is_over(void)
{
	wait_until(!shadow_active(sup(), 0));
	assert_null(fake.mirror);
	if (shadow() != NULL)
		assert_null(shadow()->mirror);
	assert_int_equal(pages(), 0);
	for (uint32_t slot = 0; slot < RIG_SLOTS; slot++)
		assert_true(rig_slot(slot)->state == WORKER_NONE || rig_slot(slot)->shadow == SHADOW_NONE);
}

static inline void back_to_stable(void)
{
	wait_until(r()->at == AT_DEGRADED && scale_settled());
	is_over();
	only_stable_owns();
	assert_int_equal(sup()->workers, RIG_WORKERS);
	for (uint32_t i = 0; i < RIG_WORKERS; i++) {
		assert_int_equal(rig_worker(i)->crashes, 0);
		assert_string_equal(rig_slot(rig_worker(i)->slot)->ready.version, "1");
	}
}

static inline void abort_it(void)
{
	struct rollout_order o = order(NULL);

	assert_true(ok(rollout_abort(rig.primary, &o)));
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, begin, end_rollouts)

#endif
