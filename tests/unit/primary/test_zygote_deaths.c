/* The zygote and its spare under the supervisor: they die, do not answer, and take over from each other. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "restart_rig.h"

/* As if EAL had been asked for the pages of the belts, which a fake zygote has no need of. */
static void know_the_pages(void)
{
	struct zygote_client *z = &rig.primary->supervisor->zygote;

	z->args.pages_fd = memfd_create("pages", MFD_CLOEXEC);
	assert_true(z->args.pages_fd >= 0);
}

static void the_spare_takes_over_and_makes_a_new_one(void **unused)
{
	struct zygote_client *z = &rig.primary->supervisor->zygote;

	(void)unused;
	know_the_pages(); /* another one could be started, and must not be */
	for (uint32_t round = 1; round <= 3; round++) {
		pid_t dead = z->current.pid, spare = z->spare.pid;
		kill(dead, SIGKILL);
		wait_until(z->current.ready && z->current.pid != dead && is_gone(dead));
		assert_int_equal(z->current.pid, spare);
		wait_until(z->spare.ready && z->spare.pid != spare);
		assert_int_equal(z->deaths, round);
		assert_int_equal(rig_begin("game", NULL), 0);
		wait_until(rig.reply != NULL);
		assert_true(rig_ok());
	}
	assert_int_equal(rig_worker(0)->crashes, 0);
}

static void a_lost_spare_is_a_warning_until_there_is_a_new_one(void **unused)
{
	struct zygote_client *z = &rig.primary->supervisor->zygote;
	pid_t spare = z->spare.pid;

	(void)unused;
	kill(spare, SIGKILL);
	wait_until(z->spare.fd < 0);
	json_t *status = status_build(rig.primary);
	assert_string_equal(json_string_value(json_object_get(status, "verdict")), "warn");
	json_decref(status);
	wait_until(z->spare.ready);
	assert_int_not_equal(z->spare.pid, spare);
	wait_until(is_gone(spare));
}

static void without_any_zygote_workers_go_on_and_status_is_critical(void **unused)
{
	struct zygote_client *z = &rig.primary->supervisor->zygote;
	pid_t pid = rig_pid(0);

	(void)unused;
	assert_true(z->args.pages_fd < 0); /* nobody knows where the belts are */
	atomic_store(&fake.shared->spare_fails, 1);
	kill(z->spare.pid, SIGKILL);
	wait_until(z->spare.fd < 0);
	kill(z->current.pid, SIGKILL);
	wait_until(z->current.fd < 0);
	json_t *status = status_build(rig.primary);
	assert_string_equal(json_string_value(json_object_get(status, "verdict")), "critical");
	json_decref(status);
	assert_int_equal(rig_begin("game.0", NULL), 0);
	wait_until(rig.reply != NULL);
	assert_false(rig_ok());
	assert_int_equal(rig_pid(0), pid);
	assert_false(is_gone(pid));
	assert_true(rig_shares_are_right());
}

static void a_zygote_that_dies_with_an_order_unread_loses_nothing(void **unused)
{
	struct zygote_client *z = &rig.primary->supervisor->zygote;

	(void)unused;
	kill(z->current.pid, SIGSTOP);
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->crashes == 1 && rig_worker(0)->slot != SLOT_NONE);
	kill(z->current.pid, SIGKILL);
	wait_until(rig_settled());
	assert_true(rig_shares_are_right());
}

static void a_zygote_that_does_not_answer_is_killed(void **unused)
{
	struct zygote_client *z = &rig.primary->supervisor->zygote;
	pid_t hung = z->current.pid;

	(void)unused;
	rig.primary->config.start_timeout_ns = 50000000;
	kill(hung, SIGSTOP);
	kill(rig_pid(0), SIGKILL);
	wait_until(z->deaths == 1 && is_gone(hung));
	rig.primary->config.start_timeout_ns = 20000000000ull;
	wait_until(rig_settled());
	assert_true(rig_shares_are_right());
}

#define claim(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		claim(the_spare_takes_over_and_makes_a_new_one),
		claim(a_lost_spare_is_a_warning_until_there_is_a_new_one),
		claim(without_any_zygote_workers_go_on_and_status_is_critical),
		claim(a_zygote_that_dies_with_an_order_unread_loses_nothing),
		claim(a_zygote_that_does_not_answer_is_killed),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
