/* Scaling on the supervisor's rig: begun, waited for, and who owns what then. Include once per program. */
#ifndef TEST_SCALE_RIG_H
#define TEST_SCALE_RIG_H

#include "restart_rig.h"

static char rig_why[700];

static inline void rig_forget(void)
{
	json_decref(rig.reply);
	rig.reply = NULL;
	rig_why[0] = '\0';
}

static inline int begin_start(const char *target)
{
	rig_forget();
	return scale_begin_start(rig.primary->supervisor, target, rig_done, 7, rig_why, sizeof(rig_why));
}

static inline int begin_drain(const char *target, bool stop)
{
	rig_forget();
	return scale_begin_drain(rig.primary->supervisor, target, stop, rig_done, 7, rig_why, sizeof(rig_why));
}

static inline int begin_buckets(const char *buckets, const char *target)
{
	rig_forget();
	return scale_begin_move(rig.primary->supervisor, buckets, target, rig_done, 7, rig_why, sizeof(rig_why));
}

/* Everybody there, nothing under way, no slot but those of serving processes. */
static inline bool scale_settled(void)
{
	const struct supervisor *sup = rig.primary->supervisor;

	if (sup->scale.phase != SCALE_IDLE || sup->restart.phase != RESTART_IDLE)
		return false;
	for (uint32_t i = 0; i < sup->workers; i++)
		if (sup->worker[i].gone || !worker_settled(sup, i) ||
		    sup->slot[sup->worker[i].slot].state != (sup->worker[i].drained ? WORKER_DRAINED : WORKER_ACTIVE))
			return false;
	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].state != WORKER_NONE && sup->worker[sup->slot[i].worker].slot != i)
			return false;
	return true;
}

static inline void wait_done(void)
{
	wait_until(rig.reply != NULL);
}

static inline void done_well(void)
{
	wait_done();
	if (!rig_ok())
		fail_msg("%s", rig_error());
	wait_until(scale_settled());
}

static inline void start_worker_of(const char *target)
{
	assert_int_equal(begin_start(target), 0);
	done_well();
}

static inline void drain_worker(const char *target, bool stop)
{
	assert_int_equal(begin_drain(target, stop), 0);
	done_well();
}

/* Index of a worker, which must exist. */
static inline uint32_t named(const char *name)
{
	uint32_t i = worker_find(rig.primary->supervisor, name);

	assert_true(i < rig.primary->supervisor->workers);
	return i;
}

static inline bool exists(const char *name)
{
	return worker_find(rig.primary->supervisor, name) < rig.primary->supervisor->workers;
}

/* Buckets of a service that the worker's serving process owns. */
static inline uint32_t owns(const char *name, uint32_t service)
{
	uint32_t slot = rig_worker(named(name))->slot, count = 0;

	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		count += fake.owner[service][b] == slot;
	return count;
}

/* Every bucket has a serving owner that is not drained; with `even` each has floor or ceil of its share. */
static inline void check_owners(bool even)
{
	const struct supervisor *sup = rig.primary->supervisor;
	uint32_t owners = group_owners(sup, 0);

	for (uint32_t s = 0; s < FAKE_SERVICES; s++) {
		uint32_t sum = 0;
		for (uint32_t i = 0; i < sup->workers; i++) {
			uint32_t n = owns(sup->worker[i].name, s);
			sum += n;
			if (sup->worker[i].drained)
				assert_int_equal(n, 0);
			else if (even)
				assert_in_range(n, FAKE_BUCKETS / owners, (FAKE_BUCKETS + owners - 1) / owners);
		}
		assert_int_equal(sum, FAKE_BUCKETS);
	}
}

static inline uint32_t used_slots(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		count += rig_slot(i)->state != WORKER_NONE;
	return count;
}

#endif
