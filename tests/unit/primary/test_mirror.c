/* What the mirror compares and finds: replies, digests, ticks; its world is mirror_world.h. */
#define _GNU_SOURCE
#include "mirror_world.h"

static void equal_versions_never_differ(void **state)
{
	(void)state;
	world(&right, false);
	traffic(3000, ALL);
	wait_in_step(ALL);
	traffic(9000, ALL);
	assert_true(counts(0)->compared > 5000 && counts(1)->compared > 5000);
	no_difference(0);
	no_difference(1);
	assert_int_equal(counts(0)->dropped, 0);
	assert_int_equal(mirror_fed_dropped(mirror), 0);
	/* cells of ticks are paired; who leaves has begun a tick and found its posts spent */
	assert_true(counts(0)->ticks_compared > 100 && counts(1)->ticks_compared > 100);
	assert_true(counts(0)->left_step < BUCKETS / 8);
	players_noticed_nothing();
}

static void a_wrong_reply_is_shown_and_its_bucket_begins_anew(void **state)
{
	(void)state;
	world(&wrong, false);
	wait_in_step(ALL);
	traffic(3000, ALL);
	assert_true(counts(0)->differed > 10);
	assert_true(counts(0)->left_step >= counts(0)->differed);
	no_difference(1);
	const struct mirror_sample *sample = &mirror->sample[0];
	struct request request, production, theirs;
	memcpy(&request, sample->request, sizeof(request));
	memcpy(&production, sample->reply[0], sizeof(request));
	memcpy(&theirs, sample->reply[1], sizeof(request));
	assert_int_equal(request.count, 0);
	assert_int_equal(theirs.key, request.key);
	assert_int_equal(theirs.count, production.count + 1000);
	assert_int_equal(theirs.chance, production.chance);
	wrong_every = 1u << 30;
	wait_in_step(ALL);
	uint64_t differed = counts(0)->differed, compared = counts(0)->compared;
	traffic(2000, ALL);
	assert_int_equal(counts(0)->differed, differed);
	assert_true(counts(0)->compared > compared + 1000);
	players_noticed_nothing();
}

static void a_digest_names_the_field(void **state)
{
	(void)state;
	world(&wrong, true);
	wait_in_step(ALL);
	traffic(2000, ALL);
	assert_true(counts(0)->differed > 10);
	/* one that was sent besides differs in that, too, which no digest speaks of */
	const struct mirror_sample *sample = &mirror->sample[0];
	while (!sample->digested && sample != &mirror->sample[MIRROR_SAMPLES - 1])
		sample++;
	assert_true(sample->digested);
	assert_int_equal(sample->fields, 1);
	assert_string_equal(sample->field[0].name, "count");
	assert_int_equal(sample->field[0].shadow, sample->field[0].production + 1000);
	players_noticed_nothing();
}

static void what_no_digest_names_is_no_difference(void **state)
{
	(void)state;
	world(&right, true);
	noisy = hide_noise = true;
	wait_in_step(ALL);
	traffic(2000, ALL);
	assert_true(counts(0)->compared > 1000);
	no_difference(0);
	assert_true(counts(0)->left_step < BUCKETS / 8);
	no_difference(1);
}

static void a_plugin_that_differs_from_itself_makes_noise(void **state)
{
	(void)state;
	world(&right, false);
	noisy = true;
	wait_in_step(ALL);
	traffic(2000, ALL);
	/* every packet; messages and ticks are answered to nobody */
	assert_true(counts(0)->differed > 50 && counts(1)->differed > 50);
	assert_true(counts(0)->differed > (counts(0)->compared - counts(0)->ticks_compared) / 2);
	assert_true(counts(1)->differed > (counts(1)->compared - counts(1)->ticks_compared) / 2);
	players_noticed_nothing();
}

/* A wrong tick changes no reply: what it sends is all there is to see. */
static void a_wrong_tick_is_shown_with_its_bucket_and_number(void **state)
{
	(void)state;
	world(&wrong_in_ticks, false);
	wait_in_step(ALL);
	traffic(4000, ALL);
	assert_true(counts(0)->ticks_differed > 10);
	assert_int_equal(counts(0)->differed, counts(0)->ticks_differed);
	no_difference(1);
	for (uint32_t i = 0; i < MIRROR_SAMPLES && i < counts(0)->differed; i++) {
		const struct mirror_sample *sample = &mirror->sample[i];
		struct record made[2];

		assert_int_equal(sample->kind, BELT_TICK);
		assert_int_equal(sample->tick % wrong_tick_every, 0);
		assert_int_equal(sample->cells[0], sample->cells[1]);
		assert_int_equal(sample->reply_len[0], sample->reply_len[1]);
		memcpy(&made[0], sample->reply[0], sizeof(made[0]));
		memcpy(&made[1], sample->reply[1], sizeof(made[1]));
		if (sample->reply_len[0] == sizeof(struct record)) /* a message has its first half */
			assert_int_equal(made[1].time_ns, made[0].time_ns + 1);
	}
	players_noticed_nothing();
}

/* The mirror works in the records of the region alone. */
static void production_has_the_records_it_would_have_had(void **state)
{
	struct record record;
	uint64_t sum = 0;

	(void)state;
	world(&wrong, false);
	traffic(3000, ALL);
	for (uint32_t key = 0; key < KEYS; key++)
		for (uint32_t b = 0; b < BUCKETS; b++)
			if (state_read_record(&rig.state, 0, b, key, &record, sizeof(record)) == 0)
				sum += record.count;
	assert_int_equal(sum, 3000);
	players_noticed_nothing();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(equal_versions_never_differ, one),
		CLAIM(equal_versions_never_differ, two),
		CLAIM(equal_versions_never_differ, three),
		CLAIM(a_wrong_reply_is_shown_and_its_bucket_begins_anew, one),
		CLAIM(a_wrong_reply_is_shown_and_its_bucket_begins_anew, three),
		CLAIM(a_wrong_tick_is_shown_with_its_bucket_and_number, one),
		CLAIM(a_wrong_tick_is_shown_with_its_bucket_and_number, two),
		CLAIM(a_digest_names_the_field, one),
		CLAIM(a_digest_names_the_field, two),
		CLAIM(what_no_digest_names_is_no_difference, one),
		CLAIM(a_plugin_that_differs_from_itself_makes_noise, one),
		CLAIM(production_has_the_records_it_would_have_had, two),
	};

	rig_eal();
	seed = fake_seed("test_mirror") | 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
