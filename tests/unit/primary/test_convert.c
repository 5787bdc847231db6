/* Records on the way to an older version: who converts them, and what becomes of the buckets when whoever is concerned dies,
 * hangs, cannot start or is not asked any more. Versions "one" (schema 1) and "new" (schema 2, knows both ways). */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "restart_rig.h"
#include "schema_check.h"

#define NEW  "of 2 older 1 down 1 version new"
#define ONLY "of 2 older 1 down 0 version only" /* has no way back */

static struct supervisor *sup(void) { return rig.primary->supervisor; }
static struct convert *convert(void) { return &rig_worker(0)->transfer.convert; }
static uint32_t fresh(void) { return sup()->restart.fresh; }
static const char *version_of(uint32_t worker) { return rig_slot(rig_worker(worker)->slot)->ready.version; }

/* Both workers run `game.so`, which is of the schema that `text` says; `one.so` is what they had before. */
static int start_with(const char *text)
{
	if (rig_prepare())
		return -1;
	rig_records();
	rig_plugin("game.so", text);
	rig_plugin("one.so", "ok 1");
	rig_plugin("new.so", NEW);
	if (supervisor_init(rig.primary) || command_init(rig.primary))
		return -1;
	wait_until(rig_settled());
	rig.primary->ready = true;
	return 0;
}

static int of_one(void **unused)
{
	(void)unused;
	return start_with("ok 1");
}

/* As it is when the newer version has had all players for a while. */
static int of_new(void **unused)
{
	(void)unused;
	if (start_with(NEW))
		return -1;
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		bucket_word_store(&state_words(&rig.primary->state, 0)[b], 2, 0, 0);
	rig.primary->state.header->group[0].newest = 2;
	rig.primary->plugin[0].schema = 2;
	rig.primary->plugin[0].older[0] = (struct baton_older){ .schema = 1, .record_size = FAKE_RECORD, .down = 1 };
	rig.primary->plugin[0].olders = 1;
	return 0;
}

/* A restart of game.0 with the version of before, up to where somebody is at work on the records. */
static void begin_back(void)
{
	char path[BATON_PATH_BYTES];

	assert_int_equal(rig_begin("game.0", rig_path(path, "one.so")), 0);
	wait_until(fake.converts == 1 && convert()->asked);
}

/* Each bucket's owner takes the schema that its word says. Returns how many buckets have that one. */
static uint32_t buckets_of_schema(uint32_t wanted)
{
	uint32_t count = 0;

	for (uint32_t b = 0; b < FAKE_BUCKETS; b++) {
		uint32_t schema = state_schema(&rig.primary->state, 0, b), owner = fake.owner[0][b];
		struct plugin_info info;

		assert_int_not_equal(owner, SLOT_NONE);
		schema_info(&rig_slot(owner)->ready, &info);
		if (!schema_takes(&info, schema))
			fail_msg("bucket %u has schema %u, its owner %s", b, schema, info.version);
		count += schema == wanted;
	}
	return count;
}

static uint32_t converters(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		count += rig_slot(i)->state != WORKER_NONE && rig_slot(i)->converter;
	return count;
}

static void settled(void)
{
	wait_until(rig_settled() && sup()->restart.phase == RESTART_IDLE);
	assert_int_equal(converters(), 0);
}

/* A second version of game.0's: only game.0 knows schema 2 afterwards. */
static void only_game_0_is_new(void)
{
	char path[BATON_PATH_BYTES];

	restart("game.0", rig_path(path, "new.so"));
	assert_true(rig_ok());
	settled();
	assert_int_equal(fake.converts, 0); /* lazily, by its owner */
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		if (fake.owner[0][b] == rig_worker(0)->slot)
			bucket_word_store(&state_words(&rig.primary->state, 0)[b], 2, 0, 0);
}

/* ---- claims ---- */

static void a_newer_version_gets_the_records_as_they_are(void **unused)
{
	(void)unused;
	only_game_0_is_new();
	assert_int_equal(buckets_of_schema(2), FAKE_BUCKETS / 2);
}

static void the_old_owner_converts_before_the_older_version_has_them(void **unused)
{
	uint32_t old = rig_worker(0)->slot;

	(void)unused;
	fake.hold_converts = true;
	begin_back();
	assert_int_equal(fake.converted_by, old);
	assert_int_equal(fake.converted_to, 1);
	for (int i = 0; i < 50; i++)
		rig_turn();
	assert_int_equal(fake.owner[0][0], old); /* nobody has them meanwhile */
	assert_null(rig.reply);
	fake.hold_converts = false;
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
	settled();
	assert_string_equal(version_of(0), "1");
	assert_int_equal(fake.converts, 1);
	assert_int_equal(buckets_of_schema(1), FAKE_BUCKETS / 2);
	assert_int_equal(sup()->restarts_failed, 0);
}

static void half_converted_records_go_by_way_of_who_knows_both(void **unused)
{
	struct bucket_word *words = state_words(&rig.primary->state, 0);

	(void)unused;
	bucket_word_store(&words[0], 1, 2, 5);  /* on its way up, */
	bucket_word_store(&words[2], 2, 1, 3);  /* and down, when its owner died */
	for (uint32_t b = 4; b < FAKE_BUCKETS; b += 2)
		bucket_word_store(&words[b], 1, 0, 0);
	begin_back();
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
	settled();
	assert_int_equal(words[0].to, 0);
	assert_int_equal(words[2].to, 0);
	assert_int_equal(buckets_of_schema(1), FAKE_BUCKETS / 2);
}

static void another_of_the_version_takes_over_when_who_converts_dies(void **unused)
{
	uint32_t old = rig_worker(0)->slot, other = rig_worker(1)->slot;

	(void)unused;
	fake.hold_converts = true;
	begin_back();
	assert_int_equal(fake.converted_by, old);
	kill(rig_slot(old)->pid, SIGKILL);
	wait_until(fake.converts == 2);
	assert_int_equal(fake.converted_by, other); /* it serves its own players meanwhile */
	fake.hold_converts = false;
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
	settled();
	assert_string_equal(version_of(0), "1");
	assert_int_equal(buckets_of_schema(1), FAKE_BUCKETS / 2);
	assert_int_equal(rig_worker(1)->slot, other);
}

static void a_process_is_started_when_nobody_is_left_who_knows_how(void **unused)
{
	uint32_t old;

	(void)unused;
	only_game_0_is_new();
	old = rig_worker(0)->slot;
	fake.hold_converts = true;
	begin_back();
	kill(rig_slot(old)->pid, SIGKILL);
	wait_until(fake.converts == 2);
	assert_int_equal(converters(), 1);
	assert_true(rig_slot(fake.converted_by)->converter);
	assert_string_equal(rig_slot(fake.converted_by)->name, "game.converter");
	assert_int_equal(datapath_owned(NULL, fake.converted_by), 0);
	fake.hold_converts = false;
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
	settled(); /* and it has left */
	assert_int_equal(buckets_of_schema(1), FAKE_BUCKETS);
}

/* It is stopped for settling nothing, as any worker: the next one gets its turn. */
static void a_process_that_hangs_at_it_is_replaced(void **unused)
{
	(void)unused;
	only_game_0_is_new();
	fake.hold_converts = true;
	begin_back();
	kill(rig_slot(rig_worker(0)->slot)->pid, SIGKILL);
	wait_until(fake.converts == 2);
	uint32_t first = fake.converted_by;
	slot_event(sup(), first, EVENT_FENCE); /* as stall.c does */
	wait_until(fake.converts == 3);
	assert_true(rig_slot(fake.converted_by)->converter);
	fake.hold_converts = false;
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
	settled();
	assert_int_equal(buckets_of_schema(1), FAKE_BUCKETS);
}

static void who_cannot_start_is_tried_three_times_and_the_buckets_go_back(void **unused)
{
	(void)unused;
	only_game_0_is_new();
	rig_plugin("new.so", "refuse no licence");
	fake.hold_converts = true;
	begin_back();
	kill(rig_slot(rig_worker(0)->slot)->pid, SIGKILL);
	wait_until(rig.reply != NULL);
	assert_false(rig_ok());
	assert_int_equal(fake.converts, 1); /* nobody else ever got as far */
	/* The records are as they were: the file that reads them is needed, and enough. */
	rig_plugin("new.so", NEW);
	fake.hold_converts = false;
	settled();
	assert_string_equal(version_of(0), "new");
	assert_int_equal(buckets_of_schema(2), FAKE_BUCKETS / 2);
}

/* A record that the down-conversion refuses ends whoever is at it (migrate.c: give_up), each time. */
static void a_record_that_cannot_be_converted_leaves_the_buckets_where_they_were(void **unused)
{
	(void)unused;
	only_game_0_is_new();
	fake.hold_converts = true;
	begin_back();
	for (uint32_t n = 1; n <= 3; n++) {
		wait_until(fake.converts == n);
		kill(rig_slot(fake.converted_by)->pid, SIGABRT);
		wait_until(fake.converts == n + 1 || !rig_worker(0)->transfer.open);
	}
	wait_until(rig.reply != NULL);
	assert_false(rig_ok());
	assert_int_equal(fake.converts, 3);
	settled();
	assert_string_equal(version_of(0), "new");
	assert_int_equal(buckets_of_schema(2), FAKE_BUCKETS / 2);
	assert_int_equal(rig_worker(0)->crashes, 1); /* of its own processes; converters are nobody's */
}

#define POISON 4u

/* game.0 goes back to the older version; one record of its ends whoever converts it, until nobody tries any more. */
static void go_back_with_a_poisoned_record(void)
{
	fake.poisoned = 1 + POISON;
	begin_back();
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
	for (uint32_t n = 2; n <= HELD_TRIES; n++) {
		wait_until(sup()->held.count == 1 && sup()->held.bucket[0].deaths == n);
		sup()->held.bucket[0].again_ns = 0; /* a second is over */
	}
	wait_until(worker_settled(sup(), 0) && worker_settled(sup(), 1) && converters() == 0);
}

static void a_record_that_crashes_its_conversion_costs_its_bucket_only(void **unused)
{
	uint32_t old;

	(void)unused;
	only_game_0_is_new();
	old = rig_worker(0)->slot;
	rig.primary->config.group[0].park_max_age_ns = 1000000000;
	go_back_with_a_poisoned_record();
	assert_string_equal(version_of(0), "1");
	assert_int_equal(fake.owner[0][POISON], old); /* whose slot is kept for it */
	assert_true(held_slot(sup(), old));
	assert_string_equal(rig_slot(old)->name, "game.held");
	assert_int_equal(state_schema(&rig.primary->state, 0, POISON), 2);
	assert_int_equal(buckets_of_schema(1), FAKE_BUCKETS - 1);
	assert_int_equal(datapath_owned(NULL, old), 1);
	/* Neither its process nor the converters count as crashes of the version. */
	assert_int_equal(sup()->budget[0].crashes, 0);
	assert_int_equal(sup()->restarts_failed, 0);
	assert_int_not_equal(fake.slot[old].max_age_ns, 0); /* its packets wait, but not for ever */
}

static void after_three_deaths_it_waits_for_an_operator(void **unused)
{
	uint32_t converts;
	char words[800];

	(void)unused;
	only_game_0_is_new();
	go_back_with_a_poisoned_record();
	converts = fake.converts;
	assert_int_equal(converts, 1 + 1 + (HELD_TRIES - 1)); /* all, the others, and it alone */
	for (int i = 0; i < 300; i++)
		rig_turn();
	assert_int_equal(fake.converts, converts);
	assert_true(held_words(sup(), 0, words, sizeof(words)));
	assert_non_null(strstr(words, "bucket 4 held"));
	assert_non_null(strstr(words, "--buckets 4 --group game"));
	/* Who says so: a restart. The record is mended by nobody, but this time the version is not at fault. */
	fake.poisoned = 0;
	restart("game.0", NULL);
	assert_true(rig_ok());
	wait_until(sup()->held.count == 0);
	settled();
	assert_int_equal(buckets_of_schema(1), FAKE_BUCKETS);
	assert_int_equal(fake.owner[0][POISON], rig_worker(0)->slot);
	assert_false(held_words(sup(), 0, words, sizeof(words)));
}

static void what_is_held_goes_to_a_version_that_reads_it(void **unused)
{
	char path[BATON_PATH_BYTES];
	uint32_t converts;

	(void)unused;
	only_game_0_is_new();
	go_back_with_a_poisoned_record();
	converts = fake.converts;
	restart("game.0", rig_path(path, "new.so"));
	assert_true(rig_ok());
	wait_until(sup()->held.count == 0);
	settled();
	assert_int_equal(fake.converts, converts); /* as it is */
	assert_int_equal(fake.owner[0][POISON], rig_worker(0)->slot);
	assert_int_equal(state_schema(&rig.primary->state, 0, POISON), 2);
	fake.poisoned = 0;
	restart("game.0", rig_path(path, "one.so"));
	assert_true(rig_ok());
	settled();
	assert_int_equal(buckets_of_schema(1), FAKE_BUCKETS);
}

/* Nobody can convert it for want of the version's file: that is no death, is tried once a second, and said once. */
static void what_is_held_without_its_file_is_tried_once_a_second(void **unused)
{
	char path[BATON_PATH_BYTES];
	uint64_t first;

	(void)unused;
	only_game_0_is_new();
	fake.poisoned = 1 + POISON;
	begin_back();
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
	assert_int_equal(sup()->held.count, 1);
	assert_int_equal(unlink(rig_path(path, "new.so")), 0);
	/* A process may have been started for it before: then a second must be over after its death. */
	wait_until((sup()->held.bucket[0].again_ns = 0, !rig_worker(0)->transfer.open &&
		    strstr(rig_worker(0)->trouble, "new.so, the file of version new, is gone: put it back")));
	assert_int_equal(sup()->held.count, 1);
	assert_true(sup()->held.bucket[0].deaths < HELD_TRIES);
	first = rig_worker(0)->convert_again_ns;
	assert_true(first > 0);
	for (int i = 0; i < 300 && process_now_ns() < first; i++) {
		rig_turn();
		/* as long as the second is not over; the machine may be busy */
		assert_true(!rig_worker(0)->transfer.open || process_now_ns() >= first);
	}
	rig_plugin("new.so", NEW);
	rig_worker(0)->convert_again_ns = 0; /* a second is over */
	fake.poisoned = 0;
	wait_until(sup()->held.count == 0);
	settled();
	assert_int_equal(buckets_of_schema(1), FAKE_BUCKETS);
}

/* A candidate that is still there could, and serves its own players. */
static void what_is_held_is_tried_by_a_process_of_its_own(void **unused)
{
	uint32_t other = rig_worker(1)->slot;

	(void)unused;
	rig_worker(1)->role = ROLE_CANDIDATE;
	go_back_with_a_poisoned_record();
	assert_int_equal(rig_worker(1)->crashes, 0);
	assert_int_equal(rig_worker(1)->slot, other);
	assert_int_equal(sup()->held.bucket[0].deaths, HELD_TRIES);
	rig_worker(1)->role = ROLE_STABLE;
	wait_until(sup()->held.count == 0); /* it reads what the bucket has */
	assert_int_equal(fake.owner[0][POISON], other);
	settled();
}

static void a_process_that_does_not_get_ready_is_given_up(void **unused)
{
	(void)unused;
	only_game_0_is_new();
	rig_plugin("new.so", "hang");
	fake.hold_converts = true;
	begin_back();
	kill(rig_slot(rig_worker(0)->slot)->pid, SIGKILL);
	wait_until(converters() == 1);
	convert()->deadline_ns = process_now_ns(); /* 5 s are over */
	wait_until(rig.reply != NULL);
	assert_false(rig_ok());
	rig_plugin("new.so", NEW);
	settled();
	assert_string_equal(version_of(0), "new");
	assert_int_equal(buckets_of_schema(2), FAKE_BUCKETS / 2);
}

/* Packets wait: what is under way is carried to its end, and the buckets are the dead one's orphans then. */
static void the_target_dies_and_the_next_one_takes_what_is_converted(void **unused)
{
	uint32_t old = rig_worker(0)->slot;

	(void)unused;
	fake.hold_converts = true;
	begin_back();
	kill(rig_slot(fresh())->pid, SIGKILL);
	wait_until(rig_slot(fresh())->state == WORKER_DEAD);
	for (int i = 0; i < 50; i++)
		rig_turn();
	assert_true(rig_worker(0)->transfer.open);
	fake.hold_converts = false;
	wait_until(rig.reply != NULL);
	assert_false(rig_ok());
	settled();
	assert_int_equal(rig_worker(0)->slot, old);
	assert_string_equal(version_of(0), "new");
	assert_int_equal(buckets_of_schema(1), FAKE_BUCKETS / 2);
}

static void both_die_and_what_is_left_is_served(void **unused)
{
	uint32_t old = rig_worker(0)->slot;

	(void)unused;
	fake.hold_converts = true;
	begin_back();
	kill(rig_slot(fresh())->pid, SIGKILL);
	kill(rig_slot(old)->pid, SIGKILL);
	wait_until(fake.converts == 2);
	fake.hold_converts = false;
	wait_until(rig.reply != NULL);
	settled();
	assert_int_equal(buckets_of_schema(1) + buckets_of_schema(2), FAKE_BUCKETS);
}

static void nobody_converts_before_the_dead_owner_is_undone(void **unused)
{
	uint32_t old = rig_worker(0)->slot, other = rig_worker(1)->slot;

	(void)unused;
	fake.hold_converts = fake.hold_undo = true;
	begin_back();
	kill(rig_slot(old)->pid, SIGKILL);
	wait_until(rig_slot(old)->state == WORKER_DEAD);
	for (int i = 0; i < 50; i++)
		rig_turn();
	assert_int_equal(fake.converts, 1);
	/* Nor when it is another's who died of it. */
	fake.hold_undo = false;
	wait_until(fake.converts == 2);
	assert_int_equal(fake.converted_by, other);
	fake.hold_undo = true;
	kill(rig_slot(other)->pid, SIGKILL);
	wait_until(rig_slot(other)->state == WORKER_DEAD);
	for (int i = 0; i < 50; i++)
		rig_turn();
	assert_int_equal(fake.converts, 2);
	assert_int_equal(converters(), 0);
	fake.hold_undo = fake.hold_converts = false;
	wait_until(rig.reply != NULL);
	settled();
}

static void shadows_and_who_is_debugged_convert_nothing(void **unused)
{
	uint32_t old = rig_worker(0)->slot, other = rig_worker(1)->slot;

	(void)unused;
	/* What it has mapped are copies. */
	rig_slot(other)->shadow = SHADOW_CANDIDATE;
	fake.shadow[other] = true;
	fake.hold_converts = true;
	begin_back();
	kill(rig_slot(old)->pid, SIGKILL);
	wait_until(fake.converts == 2);
	assert_int_not_equal(fake.converted_by, other);
	assert_true(rig_slot(fake.converted_by)->converter);
	rig_slot(other)->shadow = SHADOW_NONE;
	fake.shadow[other] = false;
	rig_worker(1)->debugged = true;
	rig_worker(1)->debug_slot = other;
	rig_worker(1)->debug_incarnation = rig_slot(other)->incarnation;
	kill(rig_slot(fake.converted_by)->pid, SIGKILL);
	wait_until(fake.converts == 3);
	assert_int_not_equal(fake.converted_by, other);
	rig_worker(1)->debugged = false;
	fake.hold_converts = false;
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
	settled();
}

static void what_an_operator_orders_meanwhile_waits_its_turn(void **unused)
{
	char why[700] = "", path[BATON_PATH_BYTES];

	(void)unused;
	fake.hold_converts = true;
	begin_back();
	assert_int_equal(restart_begin(sup(), "game.1", NULL, rig_done, 8, why, sizeof(why)), -EBUSY);
	assert_non_null(strstr(why, "a restart of game.0 is under way"));
	assert_int_equal(state_restore_begin(sup(), rig_path(path, "none.snap"), "1", NULL, rig_done, 8, why, sizeof(why)),
			 -EBUSY);
	assert_int_equal(fake.converts, 1);
	/* What does not move buckets is done at once. */
	fake.hold_converts = false;
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
	settled();
	restart("game.1", rig_path(path, "one.so"));
	assert_true(rig_ok());
	settled();
	assert_int_equal(buckets_of_schema(1), FAKE_BUCKETS);
}

/* rig_end() finds every process gone and every order ended. None is started any more. */
static void the_primary_stops_in_the_middle(void **unused)
{
	(void)unused;
	fake.hold_converts = true;
	begin_back();
}

static void the_primary_stops_while_a_process_starts_for_it(void **unused)
{
	(void)unused;
	only_game_0_is_new();
	rig_plugin("new.so", "hang");
	fake.hold_converts = true;
	begin_back();
	kill(rig_slot(rig_worker(0)->slot)->pid, SIGKILL);
	wait_until(converters() == 1);
}

static void a_version_without_a_way_back_gives_nothing_to_an_older_one(void **unused)
{
	char path[BATON_PATH_BYTES];

	(void)unused;
	rig_plugin("new.so", ONLY);
	restart("game.0", rig_path(path, "new.so"));
	assert_false(rig_ok()); /* unless it is accepted, which this order did not */
	assert_non_null(strstr(rig_error(), "cannot convert back"));
	settled();
	assert_string_equal(version_of(0), "1");
}

static void the_group_has_the_schema_of_its_workers_once_they_agree(void **unused)
{
	char path[BATON_PATH_BYTES];

	(void)unused;
	only_game_0_is_new();
	assert_int_equal(rig.primary->plugin[0].schema, 1); /* game.1 has not */
	restart("game.1", rig_path(path, "new.so"));
	assert_true(rig_ok());
	settled();
	assert_int_equal(rig.primary->plugin[0].schema, 2);
	assert_int_equal(rig.primary->plugin[0].olders, 1);
	assert_int_equal(rig.primary->state.header->group[0].newest, 2);
}

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
#define TEST(name, of) cmocka_unit_test_setup_teardown(name, of, rig_end)
	const struct CMUnitTest tests[] = {
		TEST(a_newer_version_gets_the_records_as_they_are, of_one),
		TEST(the_old_owner_converts_before_the_older_version_has_them, of_new),
		TEST(half_converted_records_go_by_way_of_who_knows_both, of_new),
		TEST(another_of_the_version_takes_over_when_who_converts_dies, of_new),
		TEST(a_process_is_started_when_nobody_is_left_who_knows_how, of_one),
		TEST(a_process_that_hangs_at_it_is_replaced, of_one),
		TEST(who_cannot_start_is_tried_three_times_and_the_buckets_go_back, of_one),
		TEST(a_record_that_cannot_be_converted_leaves_the_buckets_where_they_were, of_one),
		TEST(a_record_that_crashes_its_conversion_costs_its_bucket_only, of_one),
		TEST(after_three_deaths_it_waits_for_an_operator, of_one),
		TEST(what_is_held_goes_to_a_version_that_reads_it, of_one),
		TEST(what_is_held_is_tried_by_a_process_of_its_own, of_new),
		TEST(what_is_held_without_its_file_is_tried_once_a_second, of_one),
		TEST(a_process_that_does_not_get_ready_is_given_up, of_one),
		TEST(the_target_dies_and_the_next_one_takes_what_is_converted, of_new),
		TEST(both_die_and_what_is_left_is_served, of_new),
		TEST(nobody_converts_before_the_dead_owner_is_undone, of_new),
		TEST(shadows_and_who_is_debugged_convert_nothing, of_new),
		TEST(what_an_operator_orders_meanwhile_waits_its_turn, of_new),
		TEST(the_primary_stops_in_the_middle, of_new),
		TEST(the_primary_stops_while_a_process_starts_for_it, of_one),
		TEST(a_version_without_a_way_back_gives_nothing_to_an_older_one, of_one),
		TEST(the_group_has_the_schema_of_its_workers_once_they_agree, of_one),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
