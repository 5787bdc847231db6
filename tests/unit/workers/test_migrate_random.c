/* Records that change their schema up and down by chance, with kills at random instructions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "workers/runtime/migrate.c"

#include "migrate_world.h"

static uint64_t seed;

/* A sanitizer makes ten times as many instructions of it. */
#ifdef __SANITIZE_ADDRESS__
#define ROUNDS 1
#else
#define ROUNDS 3
#endif

/* Instructions of a run that nobody kills: what is drawn follows from it. */
static uint32_t steps_of_a_run(void)
{
	struct world w;
	uint32_t steps = 0;

	begin(&w);
	offer_all(&w, BELT_GRANT, 0);
	for (uint64_t key = 0; key < 4; key++)
		offer_packet(&w, key);
	for (pid_t pid = stepper_start(work, &w); stepper_step(pid);)
		steps++;
	world_destroy(&w);
	return steps;
}

/* Up and down by chance, killed at random instructions, until all packets are settled. */
static void records_are_converted_once_whatever_is_killed(void **unused)
{
	const struct fake_entry *back[BELT_SLOTS];
	uint32_t kills = 0, downs = 0, turns = 0, run = steps_of_a_run();

	(void)unused;
	for (int round = 0; round < ROUNDS; round++) {
		struct world w;
		uint32_t left = PACKETS;

		begin(&w);
		w.chunk = fake_below(&seed, 3);
		for (bool over = false; !over;) {
			struct journal_report report;
			bool hand_back = fake_below(&seed, 3) == 0;

			if (!hand_back) {
				offer_all(&w, BELT_GRANT, 0);
				for (uint32_t i = fake_below(&seed, 4); i != 0 && left != 0; i--, left--)
					offer_packet(&w, fake_below(&seed, KEYS));
			} else {
				offer_all(&w, BELT_CONVERT, 1);
			}
			/* now and then it gets to the end */
			uint32_t steps = 1 + fake_below(&seed, run / 2 + run / 10 * (turns++ % 16));
			pid_t pid = stepper_start(work, &w);
			while (steps != 0 && stepper_step(pid))
				steps--;
			if (steps == 0) {
				stepper_kill(pid);
				kills++;
			}
			assert_true(fake_reap(&w.primary, on_reaped, NULL) >= 0);
			assert_int_equal(state_roll_back(&w.state, 0, &report), 0);
			if (!records_say(&w.state, counted))
				fail_msg("%s", complaint);
			uint32_t unsettled = fake_take_back(&w.primary, back), packets = 0;
			downs += hand_back && unsettled == 0;
			for (uint32_t i = 0; i < unsettled; i++)
				if (back[i]->kind == BELT_PACKET)
					packets++;
				else
					pool_return(back[i]);
			over = left == 0 && packets == 0;
			if (packets != 0) { /* to a worker that owns the buckets */
				offer_all(&w, BELT_GRANT, 0);
				for (uint32_t i = 0; i < unsettled; i++)
					if (back[i]->kind == BELT_PACKET)
						assert_true(fake_offer(&w.primary, back[i]));
			}
		}
		offer_all(&w, BELT_CONVERT, 1);
		run_all(&w);
		for (uint32_t b = 0; b < BUCKETS; b++)
			assert_true(schema_of(&w, b) < 2 && state_words(&w.state, 0)[b].to == 0);
		assert_true(records_say(&w.state, counted));
		assert_int_equal(reaped, PACKETS);
		assert_int_equal(dropped, 0);
		world_destroy(&w);
	}
	printf("%u kills, %u conversions back\n", kills, downs);
	assert_true(kills > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_converted_once_whatever_is_killed),
	};

	seed = fake_seed("test_migrate_random");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
