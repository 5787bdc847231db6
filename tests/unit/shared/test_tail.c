/* The last lines of a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tail.h"

static char path[64];

static void expect_tail(const char *text, uint32_t lines, size_t most, const char *want)
{
	FILE *file = fopen(path, "w");
	char *got;
	size_t bytes;

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(tail_read(path, lines, most, &got, &bytes), 0);
	assert_string_equal(got, want);
	assert_int_equal(bytes, strlen(want));
	free(got);
}

static void the_last_lines_are_read(void **unused)
{
	(void)unused;
	expect_tail("", 3, 100, "");
	expect_tail("a\n", 3, 100, "a\n");
	expect_tail("a\nb\nc\n", 2, 100, "b\nc\n");
	expect_tail("a\nb\nc\n", 3, 100, "a\nb\nc\n");
	expect_tail("a\nb\nc", 2, 100, "b\nc"); /* one that is being written */
	expect_tail("a\n\n\nb\n", 2, 100, "\nb\n");
	expect_tail("a\nb\n", 0, 100, "");
}

static void no_line_is_cut_when_only_the_end_is_read(void **unused)
{
	(void)unused;
	expect_tail("aaaa\nbbbb\ncccc\n", 9, 12, "bbbb\ncccc\n"); /* "aa\n..." is the end of a line */
	expect_tail("aaaa\nbbbb\ncccc\n", 9, 15, "aaaa\nbbbb\ncccc\n");
	expect_tail("aaaa\nbbbb\ncccc\n", 1, 12, "cccc\n");
	expect_tail("aaaaaaaaaaaaaaaa", 9, 4, ""); /* no whole line in it */
}

static void what_is_no_plain_file_is_an_error(void **unused)
{
	char *text;
	size_t bytes;

	(void)unused;
	assert_int_equal(tail_read("/nothing/here", 1, 10, &text, &bytes), -ENOENT);
	assert_int_equal(tail_read("/dev/zero", 1, 10, &text, &bytes), -EINVAL);
	assert_int_equal(tail_read("/tmp", 1, 10, &text, &bytes), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_lines_are_read),
		cmocka_unit_test(no_line_is_cut_when_only_the_end_is_read),
		cmocka_unit_test(what_is_no_plain_file_is_an_error),
	};
	int fd, rc;

	strcpy(path, "/tmp/baton-tail.XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return 1;
	close(fd);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return rc;
}
