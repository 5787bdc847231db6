/* The life of a shadow, every state x event: it is begun by a rollout, given pages, given to the I/O lcores, ended; and in
 * each of these states its workers die, lie or stall, an operator changes his mind, an I/O lcore does not let go, or the
 * primary ends. Workers are processes, the data path is a fake. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "rollout_rig.h"
#include "shadow_parts.h"

static const struct config_step steps[] = {
	{ .kind = STEP_SHADOW, .permille = 500, .ns = 3600000000000ull }, { .kind = STEP_WEIGHT, .permille = 1000 },
};

static struct supervisor *sup(void) { return rig.primary->supervisor; }
static struct shadow *shadow(void) { return sup()->shadow[0]; }
static bool phase_is(enum shadow_phase phase) { return shadow() != NULL && shadow()->phase == phase; }

static int begin_with(uint32_t io_cores)
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

static int begin(void **unused)
{
	(void)unused;
	return begin_with(1);
}

static int begin_three(void **unused)
{
	(void)unused;
	return begin_with(3);
}

/* ---- states ---- */

static uint32_t worker_of(enum worker_role role)
{
	uint32_t i = 0;

	while (i < sup()->workers && (rig_worker(i)->role != role || rig_worker(i)->gone))
		i++;
	return i;
}

/* Of a worker of that role, be it on its way out. */
static pid_t pid_of(enum worker_role role)
{
	for (uint32_t slot = 0; slot < RIG_SLOTS; slot++)
		if (rig_slot(slot)->state != WORKER_NONE && rig_worker(rig_slot(slot)->worker)->role == role)
			return rig_slot(slot)->pid;
	return 0;
}

/* Without a process of the candidate's, and with one that has yet to speak. */
static void to_start(void)
{
	rig_plugin("r2.so", "shadow r2");
	start("r2.so");
	wait_until(r()->at == AT_START && pid_of(ROLE_CANDIDATE) != 0);
}

static void to_preparing(void)
{
	start("r2.so");
	wait_until(shadow_active(sup(), 0));
	assert_int_equal(shadow()->phase, SHADOW_PREPARING);
	assert_null(fake.mirror);
}

static void to_on(void)
{
	start("r2.so");
	wait_until(r()->mirroring && fake.mirror != NULL && fake.joins[0] != 0 && fake.joins[1] != 0);
	assert_true(phase_is(SHADOW_ON));
}

/* The I/O lcore does not let go. */
static void to_ending(void)
{
	struct rollout_order o = order(NULL);

	to_on();
	fake.hold_mirror = true;
	assert_true(ok(rollout_promote(rig.primary, &o)));
	wait_until(phase_is(SHADOW_ENDING));
}

static uint64_t pages(void)
{
	struct stat st;

	assert_int_equal(fstat(sup()->shadow_fd, &st), 0);
	return (uint64_t)st.st_blocks;
}

static void only_stable_owns(void)
{
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++) {
		uint32_t slot = fake.owner[0][b];

		assert_int_not_equal(slot, SLOT_NONE);
		assert_int_equal(rig_worker(rig_slot(slot)->worker)->role, ROLE_STABLE);
		assert_int_equal(rig_slot(slot)->shadow, SHADOW_NONE);
	}
}

/* A shadow worker has no bucket, ever. */
static void shadows_own_nothing(void)
{
	for (uint32_t slot = 0; slot < RIG_SLOTS; slot++)
		if (rig_slot(slot)->state != WORKER_NONE && rig_slot(slot)->shadow != SHADOW_NONE)
			assert_int_equal(datapath_owned(NULL, slot), 0);
}

static void let_go(void)
{
	fake.hold_mirror = false;
	if (shadow() != NULL && shadow()->phase == SHADOW_ENDING && shadow()->mirror != NULL)
		atomic_store(&shadow()->mirror->released, shadow()->mirror->lcores);
}

/* Nothing is left of it. */
static void is_over(void)
{
	wait_until(!shadow_active(sup(), 0));
	assert_null(fake.mirror);
	if (shadow() != NULL)
		assert_null(shadow()->mirror);
	assert_int_equal(pages(), 0);
	for (uint32_t slot = 0; slot < RIG_SLOTS; slot++)
		assert_true(rig_slot(slot)->state == WORKER_NONE || rig_slot(slot)->shadow == SHADOW_NONE);
}

static void back_to_stable(void)
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

/* ---- events ---- */

static void dies(enum worker_role role)
{
	pid_t pid = pid_of(role);

	if (pid != 0)
		kill(pid, SIGKILL);
}

static void candidate_dies(void) { dies(ROLE_CANDIDATE); }
static void control_dies(void) { dies(ROLE_CONTROL); }
static void both_die(void)
{
	dies(ROLE_CANDIDATE);
	dies(ROLE_CONTROL);
}
static void candidate_lies(void)
{
	uint32_t i = worker_of(ROLE_CANDIDATE);

	if (i < sup()->workers && rig_worker(i)->slot != SLOT_NONE && slot_usable(sup(), rig_worker(i)->slot))
		fake.fence = rig_worker(i)->slot;
	else
		candidate_dies();
}
static void candidate_hangs(void)
{
	uint32_t i = worker_of(ROLE_CANDIDATE);

	if (i == sup()->workers || rig_worker(i)->slot == SLOT_NONE || !slot_usable(sup(), rig_worker(i)->slot)) {
		candidate_dies();
		return;
	}
	rig.primary->config.group[0].stall_timeout_ns = 20000000;
	kill(rig_pid(i), SIGSTOP);
	fake.progress[rig_worker(i)->slot] = (struct slot_progress){ .settled = 7, .waiting = 41 };
}
static void abort_it(void)
{
	struct rollout_order o = order(NULL);

	assert_true(ok(rollout_abort(rig.primary, &o)));
}
static void pause_it(void)
{
	struct rollout_order o = order(NULL);

	assert_true(ok(rollout_pause(rig.primary, &o)));
}
static void replace_it(void)
{
	static char path[BATON_PATH_BYTES];
	struct rollout_order o = order(NULL);

	o.to = rig_path(path, "r3.so");
	o.replace = true;
	(void)rollout_start(rig.primary, &o);
}

/* ---- claims ---- */

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

static void who_does_not_declare_it_is_refused(void **unused)
{
	(void)unused;
	rig_plugin("r2.so", "ok r2");
	start("r2.so");
	back_to_stable();
	assert_non_null(strstr(r()->why, "does not declare that it may run as a shadow"));
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
		pid_t pid = pid_of(ROLE_CONTROL);

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
		fake.load[0][b] += SHADOW_STILL_ENTRIES * !fake.mirror->bucket[b].wanted; /* what is not shadowed does not count */
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

static const struct moment {
	const char *name;
	void (*to)(void);
} states[] = { { "start", to_start }, { "preparing", to_preparing }, { "on", to_on }, { "ending", to_ending } };

static const struct happening {
	const char *name;
	void (*happens)(void);
	bool goes_on; /* nothing of the candidate's has happened */
} events[] = {
	{ "candidate dies", candidate_dies, false }, { "candidate lies", candidate_lies, false },
	{ "candidate hangs", candidate_hangs, false }, { "both die", both_die, false },
	{ "control dies", control_dies, true }, { "paused", pause_it, true }, { "aborted", abort_it, false },
	{ "replaced", replace_it, true },
};

/* Whatever happens in whatever state: it ends, and nothing of it is left. */
static void every_event_in_every_state_is_survived(void **unused)
{
	for (size_t s = 0; s < sizeof(states) / sizeof(states[0]); s++)
		for (size_t e = 0; e < sizeof(events) / sizeof(events[0]); e++) {
			print_message("%s: %s\n", states[s].name, events[e].name);
			states[s].to();
			shadows_own_nothing();
			events[e].happens();
			rig_turn();
			let_go();
			if (events[e].goes_on) {
				for (uint32_t i = 0; i < 20; i++)
					rig_turn();
				shadows_own_nothing();
				abort_it();
			}
			wait_until(r()->at == AT_DEGRADED || r()->at == AT_IDLE);
			memset(fake.progress, 0, sizeof(fake.progress)); /* another process may have the slot */
			wait_until(scale_settled());
			let_go();
			is_over();
			only_stable_owns();
			rig.primary->config.group[0].stall_timeout_ns = 0;
			r()->bars = 0; /* the same build again */
			if (strcmp(rig_slot(rig_worker(0)->slot)->ready.version, "1") != 0) { /* it was promoted */
				assert_int_equal(end_rollouts(unused), 0);
				assert_int_equal(begin(unused), 0);
			}
			fake.joins[0] = fake.joins[1] = 0;
		}
}

/* Before its I/O lcores, as when they do not start, and after them. rig_end() finds no process, and a sanitizer no
 * memory. */
static void the_primary_ends_in_every_state(void **unused)
{
	for (size_t s = 0; s < sizeof(states) / sizeof(states[0]); s++)
		for (uint32_t stopped = 0; stopped < 2; stopped++) {
			states[s].to();
			rig.primary->running = !stopped;
			for (uint32_t slot = 0; slot < RIG_SLOTS && stopped; slot++) /* nobody can be told any more */
				if (rig_slot(slot)->pid != 0)
					kill(rig_slot(slot)->pid, SIGKILL);
			assert_int_equal(end_rollouts(unused), 0);
			assert_int_equal(begin(unused), 0);
		}
}

#define CLAIM(claim) cmocka_unit_test_setup_teardown(claim, begin, end_rollouts)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CLAIM(a_shadow_has_its_workers_its_buckets_and_its_end),
		CLAIM(there_is_one_at_a_time),
		CLAIM(who_does_not_declare_it_is_refused),
		CLAIM(memory_that_cannot_be_had_ends_the_rollout),
		cmocka_unit_test_setup_teardown(no_lcore_may_work_in_it_any_more_before_its_memory_goes, begin_three, end_rollouts),
		CLAIM(a_control_that_dies_is_replaced),
		CLAIM(counts_stay_when_it_is_over),
		CLAIM(a_mirror_that_stands_still_does_not_pass),
		CLAIM(an_operator_may_leave_one_that_stands_still),
		CLAIM(every_event_in_every_state_is_survived),
		CLAIM(the_primary_ends_in_every_state),
	};

	fake_zygote_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
