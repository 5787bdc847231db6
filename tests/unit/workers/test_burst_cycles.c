/* Cycles a packet, by burst: which bursts count, in which class, and that the page is told of as many cycles as were
 * spent. */
#include "loop_rig.h"

static uint64_t bursts(uint32_t class)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < STATS_CYCLES_BUCKETS; i++)
		sum += cycles.bursts[class][i];
	return sum;
}

static uint64_t all(void)
{
	uint64_t sum = 0;

	for (uint32_t class = 0; class < STATS_BURST_CLASSES; class++)
		sum += bursts(class);
	return sum;
}

/* One belt only, so that what is offered is a burst. */
static void burst_of(uint32_t packets)
{
	for (uint32_t i = 0; i < packets; i++)
		offer_request(0, i, COUNT);
	assert_int_equal(loop_turn(&loop), packets);
	reap(0);
}

static void a_burst_is_counted_once_in_the_class_of_its_size(void **state)
{
	uint64_t expected[STATS_BURST_CLASSES] = {0};

	(void)state;
	for (uint32_t packets = 1; packets <= BATON_BURST; packets++) {
		burst_of(packets);
		expected[packets >= 32 ? 5 : packets >= 16 ? 4 : packets >= 8 ? 3 : packets >= 4 ? 2 : packets >= 2 ? 1 : 0]++;
		for (uint32_t class = 0; class < STATS_BURST_CLASSES; class++)
			assert_int_equal(bursts(class), expected[class]);
	}
}

/* A burst of one: the bucket's edges are around what the counter of all cycles has grown by. */
static void the_bucket_is_that_of_cycles_a_packet(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t packets = 1 + i % 8, class = stats_burst_class(packets);
		uint64_t before = stats->processed_cycles;
		struct stats_cycles old = cycles;

		burst_of(packets);
		uint32_t bucket = stats_cycles_bucket((stats->processed_cycles - before) / packets);
		assert_int_equal(cycles.bursts[class][bucket], old.bursts[class][bucket] + 1);
	}
}

static void a_message_is_work_like_a_packet(void **state)
{
	struct request request = {.key = 3, .what = COUNT};

	(void)state;
	offer(0, BELT_MESSAGE, 3, &request, sizeof(request));
	offer_request(0, 4, COUNT);
	assert_int_equal(loop_turn(&loop), 2);
	assert_int_equal(bursts(1), 1);
	assert_int_equal(all(), 1);
}

static void a_burst_with_a_tick_or_an_order_in_it_does_not_count_and_the_next_one_does(void **state)
{
	(void)state;
	offer_buckets(0, BELT_GRANT, UINT64_MAX);
	offer_request(0, 1, COUNT);
	assert_int_equal(loop_turn(&loop), 2);
	assert_int_equal(all(), 0);
	burst_of(1);
	assert_int_equal(all(), 1);
	for (uint32_t i = 0; i < 10; i++) {
		offer_request(0, 1, COUNT);
		offer_tick(0, 100 + i, 0, 1); /* of every bucket */
		offer_request(0, 2, COUNT);
		assert_int_equal(loop_turn(&loop), 3);
	}
	assert_int_equal(all(), 1);
	burst_of(1);
	assert_int_equal(all(), 2);
	reap(0);
}

static void without_a_page_nothing_is_counted(void **state)
{
	(void)state;
	loop.cycles = NULL;
	burst_of(10);
	assert_int_equal(stats->processed, 10);
	assert_int_equal(all(), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_burst_is_counted_once_in_the_class_of_its_size),
		TEST(the_bucket_is_that_of_cycles_a_packet),
		TEST(a_message_is_work_like_a_packet),
		TEST(a_burst_with_a_tick_or_an_order_in_it_does_not_count_and_the_next_one_does),
		TEST(without_a_page_nothing_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
