/* What gates collect by role, on the supervisor's rig: incarnations come, die and use each other's slots, standbys
 * take over; every count is of the role that had it, once, and no sum ever goes back. Chance by BATON_TEST_SEED. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "fake.h"
#include "gate_collect.h"
#include "scale_rig.h"

static uint64_t seed, chance;
static struct gate_counts expected[3], last[3];

static struct supervisor *sup(void) { return rig.primary->supervisor; }

static bool quiet(void)
{
	for (uint32_t i = 0; i < RIG_WORKERS; i++)
		if (rig_worker(i)->slot == SLOT_NONE || !worker_settled(sup(), i))
			return false;
	return standbys_ready(sup(), 0) == rig.primary->config.group[0].standby;
}

static int begin(void **unused)
{
	(void)unused;
	memset(expected, 0, sizeof(expected));
	memset(last, 0, sizeof(last));
	chance = seed;
	if (rig_prepare())
		return -1;
	rig.primary->config.group[0].standby = 1;
	/* of primaries and workers before us */
	memset(rig.primary->stats.slot, 0x11, RIG_SLOTS * sizeof(struct stats_slot));
	memset(rig.primary->stats.cycles, 0x11, RIG_SLOTS * sizeof(struct stats_cycles));
	if (supervisor_init(rig.primary) || command_init(rig.primary))
		return -1;
	wait_until(quiet());
	rig.primary->ready = true;
	return 0;
}

static void assert_collected(void)
{
	for (enum worker_role role = ROLE_STABLE; role <= ROLE_CONTROL; role++) {
		static struct gate_counts now;
		const uint64_t *n = (const uint64_t *)(const void *)&now;
		const uint64_t *before = (const uint64_t *)(const void *)&last[role];

		gate_collect(sup(), 0, role, &now);
		assert_memory_equal(&now, &expected[role], sizeof(now));
		for (size_t i = 0; i < sizeof(now) / sizeof(*n); i++)
			assert_true(n[i] >= before[i]);
		last[role] = now;
		struct gate_fanout fanout;
		gate_collect_fanout(sup(), 0, role, &fanout);
		assert_memory_equal(&fanout, &expected[role].fanout, sizeof(fanout));
		gate_collect(sup(), 1, role, &now); /* another group */
		assert_int_equal(now.packets, 0);
	}
}

/* What an I/O lcore and the worker count when the slot's process has some packets. */
static void work(uint32_t slot, struct gate_counts *e)
{
	struct stats_slot *s = stats_slot(&rig.primary->stats, 0, slot);
	uint64_t packets = 1 + fake_below(&chance, 1000), some = fake_below(&chance, 100);
	uint32_t bucket = fake_below(&chance, STATS_HIST_BUCKETS), class = fake_below(&chance, STATS_BURST_CLASSES);
	uint32_t each = fake_below(&chance, STATS_CYCLES_BUCKETS);
	uint64_t *const drops[] = {
		&s->refused, &s->bad_verdict, &s->belt_full, &s->pending_full, &s->park_expired, &s->quarantined, &s->lost,
	};

	s->packets += packets, e->packets += packets;
	e->fanout.causes[CAUSE_PACKET] += packets;
	s->messages += some + 2, e->fanout.causes[CAUSE_MESSAGE] += some + 2;
	s->bucket_ticks += some + 3, e->fanout.causes[CAUSE_TICK] += some + 3;
	for (uint32_t i = 0; i < STATS_CAUSES; i++) {
		s->posted[i] += some + 4 + i, e->fanout.posted[i] += some + 4 + i;
		s->sent[i] += some + 8 + i, e->fanout.sent[i] += some + 8 + i;
	}
	s->error_replies += some, e->error_replies += some;
	s->malformed += some + 1, e->malformed += some + 1;
	for (uint32_t i = 0; i < sizeof(drops) / sizeof(drops[0]); i++)
		*drops[i] += i, e->drops += i;
	s->residence[bucket] += packets, e->residence[bucket] += packets;
	rig.primary->stats.cycles[slot].bursts[class][each] += some, e->cycles[class][each] += some;
}

static void what_a_slot_held_before_its_process_is_nobodys(void **unused)
{
	(void)unused;
	assert_collected();
	for (uint32_t i = 0; i < RIG_WORKERS; i++)
		work(rig_worker(i)->slot, &expected[ROLE_STABLE]);
	assert_collected();
}

static void crash(uint32_t worker)
{
	uint32_t before = rig_worker(worker)->crashes;
	enum worker_role role = rig_worker(worker)->role;

	kill(rig_pid(worker), SIGKILL);
	wait_until(rig_worker(worker)->crashes == before + 1);
	expected[role].crashes++;
	assert_collected();
	wait_until(quiet());
	assert_collected();
}

static void counts_stay_with_the_role_whatever_becomes_of_slots_and_processes(void **unused)
{
	uint32_t used = 0;

	(void)unused;
	for (uint32_t i = 0; i < 12; i++) {
		uint32_t worker = fake_below(&chance, RIG_WORKERS);

		/* the next incarnations are candidate's and control's, as those are that a rollout adds */
		if (i == 3) {
			rig_worker(0)->role = ROLE_CANDIDATE;
			rig_worker(1)->role = ROLE_CONTROL;
			crash(0), crash(1);
		}
		for (uint32_t w = 0; w < RIG_WORKERS; w++) {
			work(rig_worker(w)->slot, &expected[rig_worker(w)->role]);
			used |= 1u << rig_worker(w)->slot;
		}
		/* what a standby does is stable's until it is somebody's incarnation */
		for (uint32_t slot = 0; slot < RIG_SLOTS; slot++)
			if (rig_slot(slot)->standby && rig_slot(slot)->state == WORKER_STANDBY)
				work(slot, &expected[ROLE_STABLE]);
		assert_collected();
		crash(worker);
	}
	assert_true((used & (used - 1)) != 0);
	assert_true(expected[ROLE_CANDIDATE].packets != 0 && expected[ROLE_CONTROL].packets != 0);
}

static void stalls_are_counted_of_the_role_as_well(void **unused)
{
	struct gate_counts deaths = {.packets = 7};

	(void)unused;
	rig_worker(1)->role = ROLE_CANDIDATE;
	gate_book_death(sup(), 1, true);
	gate_book_death(sup(), 1, false);
	expected[ROLE_CANDIDATE].stalls = expected[ROLE_CANDIDATE].crashes = 1;
	assert_collected();
	gate_collect_deaths(sup(), 0, ROLE_CANDIDATE, &deaths);
	assert_int_equal(deaths.crashes, 1);
	assert_int_equal(deaths.stalls, 1);
	assert_int_equal(deaths.packets, 7); /* is not touched */
}

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_a_slot_held_before_its_process_is_nobodys, begin, rig_end),
		cmocka_unit_test_setup_teardown(counts_stay_with_the_role_whatever_becomes_of_slots_and_processes, begin,
						rig_end),
		cmocka_unit_test_setup_teardown(stalls_are_counted_of_the_role_as_well, begin, rig_end),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	seed = fake_seed("test_gate_collect");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
