/* A shadow from its beginning to its end: who its workers are, when its memory goes, and what becomes of a rollout
 * whose shadow cannot be set up, or compares nothing. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "shadow_rig.h"

static void a_shadow_has_its_workers_its_buckets_and_its_end(void **unused)
{
	struct rollout_order o = order(NULL);
	uint32_t wanted = 0;

	(void)unused;
	to_on();
	struct mirror *mirror = fake.mirror;
	assert_int_equal(mirror->service, 0);
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		wanted += mirror->bucket[b].wanted;
	assert_int_equal(wanted, FAKE_BUCKETS / 2);
	assert_int_equal(fake.joined[0], rig_worker(worker_of(ROLE_CANDIDATE))->slot);
	assert_int_equal(fake.joined[1], rig_worker(worker_of(ROLE_CONTROL))->slot);
	assert_true(pages() != 0);
	shadows_own_nothing();
	only_stable_owns();
	pid_t candidate = pid_of(ROLE_CANDIDATE), control = pid_of(ROLE_CONTROL);
	assert_true(ok(rollout_promote(rig.primary, &o)));
	wait_until(r()->at == AT_WEIGHT);
	/* who was a shadow is nobody else: players get another process */
	assert_true(is_gone(candidate) && is_gone(control));
	is_over();
	wait_until(r()->at == AT_IDLE && scale_settled());
	only_stable_owns();
}

static void there_is_one_at_a_time(void **unused)
{
	uint64_t map[BATON_MAX_BUCKETS / 64] = { 1 };
	uint32_t candidate, control;
	char why[256];

	(void)unused;
	to_on();
	candidate = worker_of(ROLE_CANDIDATE);
	control = worker_of(ROLE_CONTROL);
	assert_int_equal(shadow_begin(sup(), 0, map, candidate, control, false, why, sizeof(why)), -EBUSY);
	fake.hold_mirror = true;
	shadow_end(sup(), 0);
	shadow_end(sup(), 0); /* again is nothing */
	assert_int_equal(shadow_begin(sup(), 0, map, candidate, control, false, why, sizeof(why)), -EAGAIN);
	abort_it();
	let_go();
	back_to_stable();
	map[0] = 0;
	assert_int_equal(shadow_begin(sup(), 0, map, 0, sup()->workers, false, why, sizeof(why)), -EINVAL);
	map[0] = 1; /* who serves players is no shadow */
	assert_int_equal(shadow_begin(sup(), 0, map, 0, sup()->workers, false, why, sizeof(why)), -EAGAIN);
	assert_non_null(strstr(why, "does not serve as a shadow"));
}

/* It was waited for until the deadline, or for ever: the rollout did not hear of it. */
static void memory_that_cannot_be_had_ends_the_rollout(void **unused)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), kept;

	(void)unused;
	to_preparing();
	kept = sup()->shadow_fd;
	sup()->shadow_fd = null;
	wait_until(r()->at == AT_DEGRADED && scale_settled());
	assert_non_null(strstr(r()->why, "no memory for the records of the shadow"));
	assert_non_null(strstr(r()->why, "lower the sample"));
	assert_int_equal(fake.joins[0], 0); /* no I/O lcore has heard of it */
	assert_int_equal(r()->bars, 0);
	sup()->shadow_fd = kept;
	close(null);
	wait_until(!shadow_active(sup(), 0));
	/* the next one finds what there is then */
	to_on();
	abort_it();
	back_to_stable();
}

static void no_lcore_may_work_in_it_any_more_before_its_memory_goes(void **unused)
{
	(void)unused;
	to_on();
	fake.hold_mirror = true;
	abort_it();
	wait_until(r()->at == AT_DEGRADED && scale_settled());
	for (uint32_t released = 0; released < 3; released++) {
		for (uint32_t i = 0; i < 20; i++)
			rig_turn();
		assert_true(phase_is(SHADOW_ENDING));
		assert_non_null(shadow()->mirror);
		assert_true(pages() != 0);
		atomic_fetch_add(&shadow()->mirror->released, 1);
	}
	fake.hold_mirror = false;
	back_to_stable();
}

/* It is replaced, and the new process is the noise floor from then on. */
static void a_control_that_dies_is_replaced(void **unused)
{
	(void)unused;
	to_on();
	for (uint32_t n = 2; n < 5; n++) {
		pid_t pid = rig_slot(fake.joined[1])->pid;

		kill(pid, SIGKILL);
		wait_until(fake.joins[1] == n);
		assert_true(is_gone(pid));
		assert_int_equal(fake.joined[1], rig_worker(worker_of(ROLE_CONTROL))->slot);
		assert_int_equal(rig_slot(fake.joined[1])->shadow, SHADOW_CONTROL);
	}
	assert_int_equal(r()->at, AT_SHADOW);
	assert_int_equal(fake.joins[0], 1);
	shadows_own_nothing();
	abort_it();
	back_to_stable();
}

static void counts_stay_when_it_is_over(void **unused)
{
	struct shadow_counts c;

	(void)unused;
	to_on();
	fake.mirror->side[0].counts = (struct mirror_counts){ .mirrored = 9, .dropped = 2, .left_step = 3, .compared = 7,
							      .differed = 1, .in_step = 5 };
	fake.mirror->side[1].counts = (struct mirror_counts){ .compared = 6, .differed = 4 };
	fake.mirror->left_out = 5;
	shadow_counts(sup(), 0, &c);
	assert_int_equal(c.in_step, 5);
	abort_it();
	back_to_stable();
	shadow_counts(sup(), 0, &c);
	assert_int_equal(c.mirrored, 9);
	assert_int_equal(c.dropped, 2);
	assert_int_equal(c.out_of_step, 3);
	assert_int_equal(c.compared, 7);
	assert_int_equal(c.differed, 1);
	assert_int_equal(c.noise_compared, 6);
	assert_int_equal(c.noise_differed, 4);
	assert_int_equal(c.left_out, 2);
	assert_int_equal(c.in_step, 0);
}

/* As if so long had passed. */
static void time_passes(uint64_t ns)
{
	shadow()->compared_ns -= ns;
	shadow()->looked_ns = 1;
	rig_turn();
}

/* Players are answered, nothing is compared: the step does not end well, whatever was compared before. */
static void a_mirror_that_stands_still_does_not_pass(void **unused)
{
	char why[256] = "";

	(void)unused;
	to_on();
	rig_turn();
	assert_int_equal(shadow_compares(sup(), 0, why, sizeof(why)), 0);
	time_passes(2 * SHADOW_STILL_NS); /* there was nothing to compare */
	assert_int_equal(shadow_compares(sup(), 0, why, sizeof(why)), 0);
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		if (!fake.mirror->bucket[b].wanted) /* what is not shadowed does not count */
			fake.load[0][b] += SHADOW_STILL_ENTRIES;
	time_passes(2 * SHADOW_STILL_NS);
	assert_int_equal(shadow_compares(sup(), 0, why, sizeof(why)), 0);
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		fake.load[0][b] += SHADOW_STILL_ENTRIES;
	time_passes(SHADOW_STILL_NS / 2);
	assert_int_equal(shadow_compares(sup(), 0, why, sizeof(why)), 0);
	time_passes(SHADOW_STILL_NS);
	assert_int_equal(shadow_compares(sup(), 0, why, sizeof(why)), -EAGAIN);
	assert_non_null(strstr(why, "nothing has been compared for"));
	r()->until_ns = 1; /* its time is over, and it has no gates that would have to be passed */
	for (uint32_t i = 0; i < 50; i++)
		rig_turn();
	assert_int_equal(r()->at, AT_SHADOW);
	assert_non_null(strstr(r()->why, "nothing has been compared for"));
	fake.mirror->side[0].counts.compared++;
	time_passes(0);
	wait_until(r()->at != AT_SHADOW);
	is_over();
	wait_until(r()->at == AT_IDLE && scale_settled());
}

static void an_operator_may_leave_one_that_stands_still(void **unused)
{
	struct rollout_order o = order(NULL);

	(void)unused;
	to_on();
	rig_turn();
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		fake.load[0][b] += SHADOW_STILL_ENTRIES;
	time_passes(2 * SHADOW_STILL_NS);
	assert_true(ok(rollout_promote(rig.primary, &o)));
	wait_until(r()->at == AT_IDLE && scale_settled());
	is_over();
}

#define OF_THREE(claim) cmocka_unit_test_setup_teardown(claim, begin_three, end_rollouts)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CLAIM(a_shadow_has_its_workers_its_buckets_and_its_end),
		CLAIM(there_is_one_at_a_time),
		CLAIM(memory_that_cannot_be_had_ends_the_rollout),
		OF_THREE(no_lcore_may_work_in_it_any_more_before_its_memory_goes),
		CLAIM(a_control_that_dies_is_replaced),
		CLAIM(counts_stay_when_it_is_over),
		CLAIM(a_mirror_that_stands_still_does_not_pass),
		CLAIM(an_operator_may_leave_one_that_stands_still),
	};

	fake_zygote_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
