/* A reload that changes how many workers a group has: they come and go under traffic, or all stays as it was. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "reload_rig.h"

/* "a.0 a.1 b.0", of those that are there. */
static const char *names(void)
{
	static char list[256];
	const struct supervisor *sup = rig.primary->supervisor;

	list[0] = '\0';
	for (uint32_t i = 0; i < sup->workers; i++)
		if (!sup->worker[i].gone)
			snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", list[0] ? " " : "",
				 sup->worker[i].name);
	return list;
}

static bool all_settled(void)
{
	for (uint32_t i = 0; i < rig.primary->supervisor->workers; i++)
		if (rig_worker(i)->gone || !worker_settled(rig.primary->supervisor, i))
			return false;
	return !reload_busy(rig.primary);
}

/* Services have a group each here: its workers own all of it, floor or ceil each. */
static void check_even(void)
{
	const struct supervisor *sup = rig.primary->supervisor;

	for (uint32_t s = 0; s < FAKE_SERVICES; s++) {
		uint32_t sum = 0, count = group_owners(sup, s);
		for (uint32_t i = 0; i < sup->workers; i++) {
			uint32_t owned = datapath_owned(NULL, sup->worker[i].slot);
			if (sup->worker[i].group != s)
				continue;
			assert_in_range(owned, FAKE_BUCKETS / count, (FAKE_BUCKETS + count - 1) / count);
			sum += owned;
		}
		assert_int_equal(sum, FAKE_BUCKETS);
	}
}

static void reload_counts(const char *first, const char *second)
{
	struct text text = usual;

	text.first = first;
	text.second = second;
	reload_with(text);
	wait_until(all_settled());
}

static void workers_are_as_many_as_the_file_says(void **unused)
{
	pid_t pid = rig_pid(0), other = rig_pid(1);

	(void)unused;
	reload_counts(", count: 3", ", count: 2");
	assert_true(ok());
	assert_string_equal(row_text("changes", 0, "reload"), "scale");
	assert_string_equal(names(), "a.0 a.1 a.2 b.0 b.1");
	assert_int_equal(rig_pid(0), pid); /* nobody was restarted */
	assert_int_equal(rig_pid(3), other);
	check_even();
	assert_int_equal(rig.primary->config.group[0].count, 3);
	reload_counts(", count: 1", ", count: 4");
	assert_true(ok());
	assert_string_equal(names(), "a.0 b.0 b.1 b.2 b.3");
	assert_int_equal(rig_pid(0), pid);
	check_even();
	reload_counts("", "");
	assert_true(ok());
	assert_string_equal(names(), "a.0 b.0");
	check_even();
}

static void what_was_scaled_by_hand_stays_unless_the_file_says_otherwise(void **unused)
{
	char why[700];

	(void)unused;
	assert_int_equal(scale_begin_start(rig.primary->supervisor, "a", rig_done, 7, why, sizeof(why)), 0);
	wait_until(rig.reply != NULL);
	reload_counts(", settings: {x: 1}", "");
	assert_true(ok());
	assert_string_equal(names(), "a.0 a.1 b.0");
	reload_counts(", count: 2, settings: {x: 1}", ""); /* the file catches up: nothing to do */
	assert_true(ok());
	assert_string_equal(names(), "a.0 a.1 b.0");
	check_even();
}

static void new_workers_and_old_ones_get_what_the_file_says(void **unused)
{
	(void)unused;
	reload_counts(", count: 2, settings: {x: 1}", "");
	assert_true(ok());
	assert_int_equal(size_of("workers"), 2); /* restarted, the new one too */
	assert_int_equal(rig.primary->config.group[0].settings, 1);
	check_even();
}

static void workers_that_cannot_start_take_all_of_it_back(void **unused)
{
	pid_t pid[2] = { rig_pid(0), rig_pid(1) };
	struct text text = usual;

	(void)unused;
	rig_plugin("game.so", "only a.1");
	text.timeout = "7s";
	text.first = ", count: 2";
	text.second = ", count: 2";
	reload_with(text);
	assert_false(ok());
	says("b.1 cannot start: only a.1");
	wait_until(all_settled());
	assert_string_equal(names(), "a.0 b.0");
	assert_int_equal(rig.primary->config.group[0].count, 1);
	expect_untouched(pid);
	check_even();
}

static void workers_that_cannot_be_restarted_take_the_number_back_too(void **unused)
{
	struct text text = usual;

	(void)unused;
	rig_plugin("bad.so", "refuse no such luck");
	text.first = ", count: 3";
	text.second_plugin = "bad.so";
	reload_with(text);
	assert_false(ok());
	says("no such luck");
	wait_until(all_settled());
	assert_string_equal(names(), "a.0 b.0");
	check_even();
}

static void more_workers_than_slots_is_a_mistake_in_the_file(void **unused)
{
	pid_t pid[2] = { rig_pid(0), rig_pid(1) };

	(void)unused;
	reload_counts(", count: 5", "");
	assert_false(ok());
	says("slots are too few");
	expect_untouched(pid);
}

#define claim(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		claim(workers_are_as_many_as_the_file_says),
		claim(what_was_scaled_by_hand_stays_unless_the_file_says_otherwise),
		claim(new_workers_and_old_ones_get_what_the_file_says),
		claim(workers_that_cannot_start_take_all_of_it_back),
		claim(workers_that_cannot_be_restarted_take_the_number_back_too),
		claim(more_workers_than_slots_is_a_mistake_in_the_file),
	};

	fake_zygote_main(argc, argv);
	log_init("test_reload_scale", LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
