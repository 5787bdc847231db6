/* What a group runs is kept: workers that die come again as what they were, whatever has become of the file. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>

#include "restart_rig.h"

static const char *version_of(uint32_t worker) { return rig_slot(rig_worker(worker)->slot)->ready.version; }

static void remove_file(const char *name)
{
	char path[BATON_PATH_BYTES];

	assert_int_equal(unlink(rig_path(path, name)), 0);
}

/* The standby: the group's own process that is no worker's. */
static uint32_t standby(void)
{
	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		if (rig_slot(i)->standby && rig_slot(i)->state == WORKER_STANDBY)
			return i;
	return SLOT_NONE;
}

static bool quiet(void)
{
	for (uint32_t i = 0; i < RIG_WORKERS; i++)
		if (!worker_settled(rig.primary->supervisor, i))
			return false;
	return standbys_ready(rig.primary->supervisor, 0) == rig.primary->config.group[0].standby &&
	       rig.primary->supervisor->restart.phase == RESTART_IDLE;
}

static void dies(uint32_t worker)
{
	uint32_t before = rig_worker(worker)->crashes;

	wait_until(quiet());
	kill(rig_pid(worker), SIGKILL);
	wait_until(rig_worker(worker)->crashes == before + 1 && quiet());
}

/* What `batonctl status` says of the file; empty: nothing. */
static const char *words(void)
{
	static char said[2 * BATON_PATH_BYTES];
	json_t *status = status_build(rig.primary);
	const json_t *sentence;
	size_t i;

	said[0] = '\0';
	json_array_foreach(json_object_get(status, "sentences"), i, sentence) {
		const char *text = json_string_value(json_object_get(sentence, "text"));
		if (strstr(text, "game.so") || strstr(text, "two.so"))
			snprintf(said, sizeof(said), "%s", text);
	}
	json_decref(status);
	return said;
}

static uint32_t descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	uint32_t count = 0;

	assert_non_null(d);
	while (readdir(d))
		count++;
	closedir(d);
	return count;
}

static void workers_come_again_without_their_file(void **unused)
{
	(void)unused;
	remove_file("game.so");
	for (uint32_t round = 0; round < 4; round++) {
		dies(round % RIG_WORKERS);
		assert_string_equal(version_of(round % RIG_WORKERS), "1");
	}
	assert_true(rig_shares_are_right());
}

static void another_build_in_its_place_is_not_what_a_death_starts(void **unused)
{
	(void)unused;
	rig_file("game.so", "ok 2");
	for (uint32_t round = 0; round < 4; round++) {
		dies(round % RIG_WORKERS);
		assert_string_equal(version_of(round % RIG_WORKERS), "1");
	}
	restart("game", NULL); /* whoever orders it gets it */
	assert_true(rig_ok());
	remove_file("game.so");
	for (uint32_t worker = 0; worker < RIG_WORKERS; worker++) {
		assert_string_equal(version_of(worker), "2");
		dies(worker);
		assert_string_equal(version_of(worker), "2");
	}
}

static int begin_with_standby(void **unused)
{
	(void)unused;
	if (rig_prepare())
		return -1;
	rig.primary->config.group[0].standby = 1;
	if (supervisor_init(rig.primary) || command_init(rig.primary))
		return -1;
	wait_until(quiet());
	rig.primary->ready = true;
	return 0;
}

static void standbys_are_of_what_the_group_runs(void **unused)
{
	(void)unused;
	for (uint32_t round = 0; round < 4; round++) {
		if (round % 2 == 0)
			rig_file("game.so", "ok 2");
		else
			remove_file("game.so");
		pid_t ready = rig_slot(standby())->pid;
		dies(round % RIG_WORKERS);
		assert_int_equal(rig_pid(round % RIG_WORKERS), ready);
		assert_string_equal(version_of(round % RIG_WORKERS), "1");
		assert_string_equal(rig_slot(standby())->ready.version, "1");
	}
}

/* Nor does a worker that is another build of the same path get it: its own is started anew. */
static void a_standby_of_another_build_is_not_taken(void **unused)
{
	(void)unused;
	rig_file("game.so", "only game.0");
	restart("game", NULL); /* ends half way: game.0 runs the new build, the group the old one */
	assert_false(rig_ok());
	wait_until(quiet());
	assert_string_equal(version_of(0), "only game.0");
	remove_file("game.so");
	dies(0);
	assert_string_equal(version_of(0), "only game.0");
	dies(1);
	assert_string_equal(version_of(1), "1");
}

static void an_order_needs_the_file(void **unused)
{
	pid_t before[RIG_WORKERS] = { rig_pid(0), rig_pid(1) };

	(void)unused;
	remove_file("game.so");
	restart("game", NULL);
	assert_false(rig_ok());
	assert_non_null(strstr(rig_error(), "No such file"));
	restart("game", "two");
	assert_true(rig_ok());
	remove_file("two.so");
	assert_int_not_equal(rig_pid(0), before[0]);
	dies(0);
	assert_string_equal(version_of(0), "2");
}

/* A worker that has never been ready runs nothing yet: a file that is mended is what it needs. */
static void before_the_first_is_ready_the_file_counts(void **unused)
{
	(void)unused;
	if (rig_prepare())
		fail();
	rig_file("game.so", "refuse not yet");
	assert_int_equal(supervisor_init(rig.primary), 0);
	assert_int_equal(command_init(rig.primary), 0);
	wait_until(rig_worker(0)->failed_starts > 0 && rig_worker(1)->failed_starts > 0);
	rig_file("game.so", "ok 3");
	wait_until(rig_settled());
	assert_string_equal(version_of(0), "3");
	assert_string_equal(version_of(1), "3");
}

static void the_status_says_so_while_the_file_is_another(void **unused)
{
	(void)unused;
	assert_string_equal(words(), "");
	remove_file("game.so");
	wait_until(strstr(words(), "cannot be read (No such file"));
	assert_non_null(strstr(words(), "group game: "));
	assert_non_null(strstr(words(), "version 1"));
	assert_non_null(strstr(words(), "put it back"));
	rig_file("game.so", "ok 1"); /* another file of the same bytes */
	wait_until(words()[0] == '\0');
	rig_file("game.so", "ok 2");
	wait_until(strstr(words(), "is not the build that it runs"));
	assert_non_null(strstr(words(), "`batonctl worker restart game`"));
	restart("game", NULL);
	assert_true(rig_ok());
	wait_until(words()[0] == '\0');
	rig_file("game.so", "ok 3");
	wait_until(words()[0] != '\0');
	restart("game", "two"); /* that one's file is as it was */
	assert_true(rig_ok());
	wait_until(words()[0] == '\0');
}

static void a_version_is_kept_once(void **unused)
{
	const struct supervisor *sup = rig.primary->supervisor;

	(void)unused;
	rig.primary->config.group[0].good_after_ns = UINT64_MAX; /* what is fallen back to is kept apart */
	budget_fini(rig.primary->supervisor);
	wait_until(rig_worker(0)->kept && rig_worker(1)->kept && sup->version[0].kept);
	uint32_t before = descriptors();
	assert_ptr_equal(rig_worker(0)->kept, sup->version[0].kept);
	assert_ptr_equal(rig_worker(1)->kept, sup->version[0].kept);
	for (uint32_t round = 0; round < 4; round++) {
		restart("game", round % 2 == 0 ? "two" : rig.plugin);
		assert_true(rig_ok());
		dies(round % RIG_WORKERS);
		assert_int_equal(sup->version[0].kept->holders, 1 + RIG_WORKERS);
	}
	wait_until(rig_settled());
	assert_int_equal(descriptors(), before);
}

#define claim(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		claim(workers_come_again_without_their_file),
		claim(another_build_in_its_place_is_not_what_a_death_starts),
		cmocka_unit_test_setup_teardown(standbys_are_of_what_the_group_runs, begin_with_standby, rig_end),
		cmocka_unit_test_setup_teardown(a_standby_of_another_build_is_not_taken, begin_with_standby, rig_end),
		claim(an_order_needs_the_file),
		cmocka_unit_test_teardown(before_the_first_is_ready_the_file_counts, rig_end),
		claim(the_status_says_so_while_the_file_is_another),
		claim(a_version_is_kept_once),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
