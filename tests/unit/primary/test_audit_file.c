/* The audit log's file: rotated, missing, full, cut, flooded; none of it stops the primary or an order. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "audit_rig.h"

/* The order during which the primary dies is in the log, without an end. */
static void an_order_that_kills_the_primary_is_there(void **unused)
{
	int status;

	(void)unused;
	pid_t pid = fork();
	if (pid == 0) {
		struct peer peer = { .uid = 0, .login = PEER_NONE };
		audit_begin(&primary, &peer, "worker.restart", NULL);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	story_is(path, "begin worker.restart");
}

static void a_rotated_file_is_left_and_a_new_one_made(void **unused)
{
	struct stat st;

	(void)unused;
	mutate();
	assert_int_equal(rename(path, old_path), 0); /* as logrotate does, and tells nobody */
	mutate();
	story_is(old_path, "begin mutate, end mutate ok");
	story_is(path, "begin mutate, end mutate ok");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(unlink(path), 0);
	mutate();
	story_is(path, "begin mutate, end mutate ok");
	assert_int_equal(truncate(path, 0), 0); /* copytruncate */
	mutate();
	story_is(path, "begin mutate, end mutate ok");
	audit_reopen(&primary); /* what SIGHUP does */
	mutate();
	story_is(path, "begin mutate, end mutate ok, begin mutate, end mutate ok");
	assert_int_equal(mutations, 5);
}

static void another_path_is_taken_with_the_next_line(void **unused)
{
	(void)unused;
	mutate();
	snprintf(primary.config.audit_log, sizeof(primary.config.audit_log), "%s", old_path); /* a reload */
	mutate();
	story_is(path, "begin mutate, end mutate ok");
	story_is(old_path, "begin mutate, end mutate ok");
}

/* An order ends where it began, or its beginning would look like that of one which killed batond. */
static void an_order_ends_in_the_file_in_which_it_began(void **unused)
{
	int fd = connect_client();

	(void)unused;
	laters = 0;
	push_frame(fd, "{\"command\":\"mutate.later\"}");
	wait_until(laters == 1);
	snprintf(primary.config.audit_log, sizeof(primary.config.audit_log), "%s", old_path);
	command_reply(&primary, later[0], reply_ok());
	expect(fd, true, "");
	mutate();
	story_is(path, "begin mutate.later, end mutate.later ok");
	story_is(old_path, "begin mutate, end mutate ok");
	close(fd);
}

static void its_directory_is_made(void **unused)
{
	char sub[160], file[192];

	(void)unused;
	snprintf(sub, sizeof(sub), "%s/log", dir);
	snprintf(file, sizeof(file), "%s/audit", sub);
	snprintf(primary.config.audit_log, sizeof(primary.config.audit_log), "%.190s", file);
	mutate();
	story_is(file, "begin mutate, end mutate ok");
	unlink(file);
	rmdir(sub);
}

/* The order is carried out, the loss is counted, and said in the log as soon as there is one again. */
static void a_file_that_cannot_be_written_stops_nothing(void **unused)
{
	struct rlimit limit = { .rlim_cur = 0 }, before;
	uint64_t lost = primary.audit->lost;
	static const char torn[] = "{\"torn\":";

	(void)unused;
	snprintf(primary.config.audit_log, sizeof(primary.config.audit_log), "%s/no/such/audit", dir);
	mutate();
	assert_int_equal(primary.audit->lost, lost + 2);
	assert_true(primary.audit->complained);
	assert_int_equal(symlink("/dev/null", path), 0); /* neither by a link nor to anything but a plain file */
	snprintf(primary.config.audit_log, sizeof(primary.config.audit_log), "%s", path);
	mutate();
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	mutate();
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0); /* nor does it wait for a reader */
	mutate();
	unlink(path);
	assert_int_equal(primary.audit->lost, lost + 8);
	/* A full disk takes a part of a line, or nothing. */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit.rlim_max = before.rlim_max;
	for (limit.rlim_cur = 0; limit.rlim_cur < 200; limit.rlim_cur += 40) {
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		mutate();
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	}
	assert_int_equal(primary.audit->lost, lost + 18);
	assert_int_equal(mutations, 9);
	assert_int_equal(unlink(path), 0);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640); /* what a batond killed in mid-write leaves */
	assert_int_equal(write(fd, torn, sizeof(torn) - 1), sizeof(torn) - 1);
	close(fd);
	mutate();
	assert_false(primary.audit->complained);
	char *text = slurp(path);
	assert_memory_equal(text, "{\"torn\":\n{\"time\":", strlen("{\"torn\":\n{\"time\":"));
	text += sizeof(torn);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	json_t *lines = lines_of(path);
	assert_int_equal(json_array_size(lines), 2);
	assert_int_equal(number(lines, 0, "lines_lost_before"), lost + 18);
	assert_null(json_object_get(json_array_get(lines, 1), "lines_lost_before"));
	json_decref(lines);
}

/* A part of a line that the disk still took is closed off by the line after it. */
static void half_a_line_does_not_spoil_the_next(void **unused)
{
	struct rlimit limit, before;
	struct stat st;

	(void)unused;
	signal(SIGXFSZ, SIG_IGN);
	mutate();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = (struct rlimit){ .rlim_cur = (rlim_t)st.st_size + 30, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	mutate();
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(primary.audit->lost, 2);
	mutate();
	char *text = slurp(path);
	uint32_t whole = 0, broken = 0;
	for (char *line; (line = strsep(&text, "\n")) != NULL;) {
		json_t *object = line[0] ? json_loads(line, 0, NULL) : NULL;
		whole += object != NULL;
		broken += line[0] && !object;
		json_decref(object);
	}
	assert_int_equal(whole, 4);
	assert_int_equal(broken, 1);
}

static void a_viewer_cannot_fill_the_disk_with_refusals(void **unused)
{
	const struct peer peer = { .uid = 41001, .login = PEER_NONE };
	json_t *reply = reply_error("denied", "no"), *lines;

	(void)unused;
	for (uint32_t i = 0; i < 5000; i++)
		audit_refused(&primary, &peer, "mutate", NULL, reply);
	json_decref(reply);
	lines = lines_of(path);
	assert_in_range(json_array_size(lines), AUDIT_REFUSALS_BURST, AUDIT_REFUSALS_BURST + 600); /* 10 a second more */
	assert_int_equal(json_array_size(lines) + primary.audit->suppressed, 5000);
	json_decref(lines);
	uint64_t suppressed = primary.audit->suppressed;
	unlink(path);
	mutate(); /* an order is written all the same, and says what is not there */
	lines = lines_of(path);
	assert_int_equal(number(lines, 0, "refusals_not_written_before"), suppressed);
	json_decref(lines);
}

static void without_a_log_all_goes_on(void **unused)
{
	(void)unused;
	audit_fini(&primary);
	mutate();
	assert_int_equal(mutations, 1);
	audit_started(&primary);
	audit_stopping(&primary);
	audit_reopen(&primary);
	audit_answered(&primary, AUDIT_RELOAD, NULL);
}

#define claim(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(an_order_that_kills_the_primary_is_there),
		claim(a_rotated_file_is_left_and_a_new_one_made),
		claim(another_path_is_taken_with_the_next_line),
		claim(an_order_ends_in_the_file_in_which_it_began),
		claim(its_directory_is_made),
		claim(a_file_that_cannot_be_written_stops_nothing),
		claim(half_a_line_does_not_spoil_the_next),
		claim(a_viewer_cannot_fill_the_disk_with_refusals),
		claim(without_a_log_all_goes_on),
	};

	log_init("test", LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
