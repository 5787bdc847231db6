/* The life of a shadow, every state x event: it is begun by a rollout, given pages, given to the I/O lcores, ended; and
 * in each of these states its workers die, lie or stall, an operator changes his mind, or the primary ends. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "shadow_rig.h"

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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CLAIM(every_event_in_every_state_is_survived),
		CLAIM(the_primary_ends_in_every_state),
	};

	fake_zygote_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
