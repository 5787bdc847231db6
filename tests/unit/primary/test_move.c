/* Moves, deaths and messages under random interleavings: several I/O lcores, workers that settle late or die with
 * entries open, moves at any time. Oracles: every packet is applied once and in order, a bucket has one owner, every
 * reply leaves once and in order, every message of a settled entry is handled once and none of another, every buffer
 * comes home. The seed is printed; SEED=n repeats a run. */
#include "move_steps.h"

static void moves_and_deaths_lose_double_reorder_nothing(void **state)
{
	static struct world w;
	const char *text = getenv("SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL) * 1000003u;

	(void)state;
	for (uint32_t round = 0; round < 10; round++, seed++) {
		memset(&w, 0, sizeof(w));
		w.random = seed * 2 + 1;
		printf("seed %llu\n", (unsigned long long)seed);
		rig_create(&w.rig, LCORES, SLOTS, BUCKETS);
		give_first_owner(&w);
		for (uint32_t i = 0; i < 200000; i++)
			step(&w, false);
		for (uint32_t i = 0; i < 2000000 && (w.under_way != 0 || w.handled != w.posted); i++)
			step(&w, true);
		assert_int_equal(w.under_way, 0);
		assert_int_equal(w.handled, w.posted); /* and none twice: note_settled() */
		for (uint32_t l = 0; l < LCORES; l++) {
			while (io_turn(w.rig.dp->io[l])) /* the last one settled leaves its belt, and its port */
				;
			collect(&w, l);
			assert_int_equal(w.rig.dp->io[l]->message.used, 0);
		}
		for (uint32_t i = 0; i < w.starts; i++)
			assert_true(w.started[i] == HANDLED || w.started[i] == NOT_SETTLED);
		uint64_t total = 0;
		for (uint32_t p = 0; p < PLAYERS; p++) {
			assert_int_equal(w.answered[p], w.sent[p]);
			total += w.sent[p];
		}
		for (uint32_t l = 0; l < LCORES; l++)
			w.redelivered += stats_io(&w.rig.stats, l)->redelivered;
		printf("  %llu packets, %u messages of %u made, %u started, %llu moves, %llu deaths, %llu redelivered\n",
		       (unsigned long long)total, w.posted, w.notes, w.sent_out, (unsigned long long)w.moves,
		       (unsigned long long)w.deaths, (unsigned long long)w.redelivered);
		assert_true(w.posted > 1000 && w.sent_out > 1000 && w.notes > w.posted);
		assert_true(w.moves > 100 && w.deaths > 50 && w.redelivered > 100 && w.alone > 100);
		rig_destroy(&w.rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_and_deaths_lose_double_reorder_nothing),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
