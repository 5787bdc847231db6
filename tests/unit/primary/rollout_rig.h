/* A rollout's rig: the supervisor's with a candidate's file, a plan, and what tests look at. Include once per program. */
#ifndef TEST_ROLLOUT_RIG_H
#define TEST_ROLLOUT_RIG_H

#include "rollout_inner.h"
#include "scale_rig.h"

static const struct peer operator = { .uid = 0, .login = PEER_NONE };
static json_t *said;

static inline struct rollout *r(void) { return rollout_of(rig.primary, 0); }

static inline void plan(uint32_t steps, const struct config_step *step)
{
	struct config_rollout *c = &rig.primary->config.rollout[0];

	memset(c, 0, sizeof(*c));
	memcpy(c->name, "game", 5);
	memcpy(c->step, step, steps * sizeof(*step));
	c->steps = steps;
	c->analysis.interval_ns = 0; /* no gates but those of deaths */
	rig.primary->config.rollouts = 1;
}

static const struct config_step weights[] = {
	{ .kind = STEP_WEIGHT, .permille = 100 }, { .kind = STEP_PAUSE }, { .kind = STEP_WEIGHT, .permille = 500 },
	{ .kind = STEP_PAUSE }, { .kind = STEP_WEIGHT, .permille = 1000 },
};

static inline int begin_rig(void **state)
{
	if (rig_start(state))
		return -1;
	rig_plugin("r2.so", "ok r2");
	struct state_group *g = &rig.primary->state.header->group[0];
	g->record_size = FAKE_RECORD;
	if (rollouts_init(rig.primary))
		return -1;
	rig_path(rig.primary->rollouts->path, "rollout.json");
	plan(5, weights);
	return 0;
}

static inline int end_rig(void **state)
{
	int rc = rig_end(state);

	json_decref(said);
	said = NULL;
	return rc;
}

/* rollouts_fini() must come before the rig's memory goes. */
static inline int end_rollouts(void **state)
{
	supervisor_fini(rig.primary);
	rollouts_fini(rig.primary);
	return end_rig(state);
}

static inline bool ok(json_t *reply)
{
	json_decref(said);
	said = reply;
	return json_is_true(json_object_get(said, "ok"));
}

static inline const char *error(void)
{
	const char *text = json_string_value(json_object_get(said, "error"));

	return text ? text : "";
}

static inline struct rollout_order order(const char *file)
{
	static char path[BATON_PATH_BYTES];

	return (struct rollout_order){ .group = "game", .to = file ? rig_path(path, file) : NULL, .peer = &operator,
				       .token = 9 };
}

static inline void start(const char *file)
{
	struct rollout_order o = order(file);

	assert_null(rollout_start(rig.primary, &o));
	wait_until(r()->at != AT_CHECK);
}

static inline uint32_t owned_by_role(enum worker_role role, uint32_t service)
{
	uint32_t count = 0;

	for (uint32_t b = 0; b < FAKE_BUCKETS; b++) {
		uint32_t slot = fake.owner[service][b];
		count += slot != SLOT_NONE && rig_worker(rig_slot(slot)->worker)->role == role;
	}
	return count;
}

static inline void has(uint32_t candidate, uint32_t control)
{
	for (uint32_t s = 0; s < FAKE_SERVICES; s++) {
		assert_int_equal(owned_by_role(ROLE_CANDIDATE, s), candidate);
		assert_int_equal(owned_by_role(ROLE_CONTROL, s), control);
		assert_int_equal(owned_by_role(ROLE_STABLE, s), FAKE_BUCKETS - candidate - control);
	}
}

static inline void until_pause(uint32_t permille)
{
	wait_until(r()->at == AT_PAUSE && r()->weight == permille);
}

static inline uint32_t a_worker(enum worker_role role)
{
	uint32_t i = 0;

	while (i < rig.primary->supervisor->workers && rig_worker(i)->role != role)
		i++;
	assert_true(i < rig.primary->supervisor->workers);
	return i;
}

static inline void only_the_groups_own(void)
{
	wait_until(scale_settled());
	assert_int_equal(rig.primary->supervisor->workers, RIG_WORKERS);
	check_owners(true);
	for (uint32_t i = 0; i < RIG_WORKERS; i++)
		assert_int_equal(rig_worker(i)->role, ROLE_STABLE);
}

#define TEST(claim) cmocka_unit_test_setup_teardown(claim, begin_rig, end_rollouts)

#endif
