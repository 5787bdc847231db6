/* A log line is whole, ends in one newline and cannot be forged by its text. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static int kept_stderr, captured;

/* Standard error goes to a memfd that each test reads back. */
static int capture(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	kept_stderr = dup(STDERR_FILENO);
	captured = memfd_create("log", 0);
	if (kept_stderr < 0 || captured < 0 || fcntl(captured, F_SETFL, O_APPEND) != 0)
		return -1;
	return dup2(captured, STDERR_FILENO) < 0 ? -1 : 0;
}

static int give_back(void **state)
{
	(void)state;
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	close(captured);
	return 0;
}

static size_t logged(char *text, size_t size)
{
	ssize_t n = pread(captured, text, size - 1, 0);
	assert_true(n >= 0);
	text[n] = 0;
	return (size_t)n;
}

static void line_starts_with_iso_8601_time_ident_and_level(void **state)
{
	(void)state;
	char text[4096];
	int y, mo, d, h, mi, s, ms, end = 0;

	log_init("batond", LEVEL_INFO);
	log_warn("queue %d is full", 7);
	logged(text, sizeof(text));
	assert_int_equal(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &y, &mo, &d, &h, &mi, &s, &ms, &end), 7);
	assert_true(y >= 2024 && mo >= 1 && mo <= 12 && d >= 1 && d <= 31 && h < 24 && mi < 60 && s < 60);
	assert_string_equal(text + end, " batond warn: queue 7 is full\n");
}

/* The date is computed without the C library, which must agree with it. */
static void date_is_that_of_the_c_library(void **state)
{
	(void)state;
	char text[4096], before[16], after[16];
	time_t t0 = time(NULL);

	log_init("x", LEVEL_INFO);
	log_info("now");
	time_t t1 = time(NULL);
	logged(text, sizeof(text));
	strftime(before, sizeof(before), "%Y-%m-%dT%H", gmtime(&t0));
	strftime(after, sizeof(after), "%Y-%m-%dT%H", gmtime(&t1));
	assert_true(strncmp(text, before, 13) == 0 || strncmp(text, after, 13) == 0);
}

static void journal_gets_the_priority_instead_of_the_time(void **state)
{
	(void)state;
	char text[4096], stream[64];
	struct stat st;

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init("batond", LEVEL_DEBUG);
	log_error("a");
	log_debug("b");
	logged(text, sizeof(text));
	assert_string_equal(text, "<3>batond: a\n<7>batond: b\n");
}

static void inherited_journal_variable_alone_is_not_believed(void **state)
{
	(void)state;
	char text[4096];

	setenv("JOURNAL_STREAM", "1:1", 1);
	log_init("batond", LEVEL_INFO);
	log_info("a");
	logged(text, sizeof(text));
	assert_int_not_equal(text[0], '<');
}

static void more_detailed_levels_are_silent(void **state)
{
	(void)state;
	char text[4096];

	log_init("x", LEVEL_WARN);
	log_info("no");
	log_debug("no");
	assert_int_equal(logged(text, sizeof(text)), 0);
	log_error("yes");
	assert_non_null(strstr((logged(text, sizeof(text)), text), "yes"));
}

static void text_cannot_forge_a_line(void **state)
{
	(void)state;
	char text[4096];

	log_init("x", LEVEL_INFO);
	log_info("bad\n<0>kernel: forged\x1b[2J\r\x7f");
	size_t len = logged(text, sizeof(text));
	assert_ptr_equal(strchr(text, '\n'), text + len - 1);
	assert_null(strchr(text, '\x1b'));
	assert_null(strchr(text, '\r'));
	assert_null(strchr(text, '\x7f'));
}

static void long_line_is_cut_and_says_so(void **state)
{
	(void)state;
	char text[4096], more[3000];

	memset(more, 'm', sizeof(more) - 1);
	more[sizeof(more) - 1] = 0;
	log_init("x", LEVEL_INFO);
	log_info("%s", more);
	size_t len = logged(text, sizeof(text));
	assert_int_equal(len, 1024);
	assert_string_equal(text + len - 5, "m...\n");
}

static void errno_survives_and_percent_m_sees_it(void **state)
{
	(void)state;
	char text[4096];

	log_init("x", LEVEL_INFO);
	errno = ENOSPC;
	log_error("open: %m");
	assert_int_equal(errno, ENOSPC);
	logged(text, sizeof(text));
	assert_non_null(strstr(text, strerror(ENOSPC)));
}

#define LINES 500
static void *talk(void *arg)
{
	for (int i = 0; i < LINES; i++)
		log_info("%s", (const char *)arg);
	return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
	(void)state;
	static char a[301], b[301], text[1 << 20];
	pthread_t one, two;
	unsigned lines = 0;

	memset(a, 'a', 300);
	memset(b, 'b', 300);
	log_init("x", LEVEL_INFO);
	assert_int_equal(pthread_create(&one, NULL, talk, a), 0);
	assert_int_equal(pthread_create(&two, NULL, talk, b), 0);
	pthread_join(one, NULL);
	pthread_join(two, NULL);
	logged(text, sizeof(text));
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
		const char *body = strstr(line, "info: ");
		assert_non_null(body);
		assert_true(strcmp(body + 6, a) == 0 || strcmp(body + 6, b) == 0);
	}
	assert_int_equal(lines, 2 * LINES);
}

static void *chatter(void *arg)
{
	for (int i = 0; i < LINES; i++)
		log_info("%d", i);
	return arg;
}

/* Reads what the pipe has; returns how many lines are there or said to be missing. */
static unsigned read_lines(int fd)
{
	static char text[1 << 20];
	ssize_t n = read(fd, text, sizeof(text) - 1);
	unsigned lines = 0, missing;

	text[n > 0 ? n : 0] = 0;
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		const char *body = strstr(line, "x warn: ");

		int told = body != NULL &&
			    sscanf(body, "x warn: %u lines are missing here: standard error was not read", &missing) == 1;

		lines += told ? missing : 1;
	}
	return lines;
}

static void a_reader_who_stops_is_not_waited_for(void **state)
{
	struct timespec limit;
	pthread_t talker;
	int end[2];
	unsigned lines;

	(void)state;
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	assert_true(fcntl(end[1], F_SETPIPE_SZ, 4096) >= 4096);
	assert_true(dup2(end[1], STDERR_FILENO) >= 0);
	log_init("x", LEVEL_INFO);
	assert_int_equal(pthread_create(&talker, NULL, chatter, NULL), 0);
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += 15;
	int rc = pthread_timedjoin_np(talker, NULL, &limit);
	dup2(kept_stderr, STDERR_FILENO); /* where cmocka says what fails */
	assert_int_equal(rc, 0);
	dup2(end[1], STDERR_FILENO);
	lines = read_lines(end[0]);
	log_info("he reads again");
	lines += read_lines(end[0]);
	dup2(kept_stderr, STDERR_FILENO);
	assert_int_equal(lines, LINES + 1);
	close(end[0]);
	close(end[1]);
}

int main(void)
{
#define CAPTURED(test) cmocka_unit_test_setup_teardown(test, capture, give_back)
	const struct CMUnitTest tests[] = {
		CAPTURED(line_starts_with_iso_8601_time_ident_and_level),
		CAPTURED(date_is_that_of_the_c_library),
		CAPTURED(journal_gets_the_priority_instead_of_the_time),
		CAPTURED(inherited_journal_variable_alone_is_not_believed),
		CAPTURED(more_detailed_levels_are_silent),
		CAPTURED(text_cannot_forge_a_line),
		CAPTURED(long_line_is_cut_and_says_so),
		CAPTURED(errno_survives_and_percent_m_sees_it),
		CAPTURED(lines_of_threads_do_not_mix),
		CAPTURED(a_reader_who_stops_is_not_waited_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
