/* Which file is version V: the order in which they are asked, what does not count, what is said if there is none. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <limits.h>
#include <sys/stat.h>

#include "fake_zygote.h"
#include "version_find.h"

static struct version_find find;
static char self[PATH_MAX], dir[64], found[BATON_PATH_BYTES], why[700];

static int setup(void **state)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/baton-find.XXXXXX");
	return n <= 0 || !mkdtemp(dir);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static const char *path_of(const char *name)
{
	static char path[4][BATON_PATH_BYTES];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, BATON_PATH_BYTES, "%s/%s", dir, name);
	return p;
}

static void file(const char *name, const char *text)
{
	fake_plugin_write(path_of(name), text);
}

/* A plugin with a build id, which the other texts do not have. */
static void built(const char *name, const char *version, const char *build_id)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "raw {\"abi\":%u,\"name\":\"fake\",\"version\":\"%s\",\"build_id\":\"%s\",\"key\":\"flow\",\"key_offset\":0,"
		 "\"key_length\":0,\"schema\":1,\"record_size\":48,\"max_undo_bytes\":64}",
		 BATON_PLUGIN_ABI, version, build_id);
	file(name, text);
}

static int look(const char *version)
{
	const char *named[] = { path_of("game.so"), path_of("now.so") };
	int rc;

	why[0] = 0;
	version_find_begin(&find, self, "fake", version, named, 2);
	while ((rc = version_find_poll(&find, found, why, sizeof(why))) == -EAGAIN)
		sched_yield();
	return rc;
}

static void finds(const char *version, const char *name)
{
	if (look(version) != 0)
		fail_msg("version %s: %s", version, why);
	assert_string_equal(found, path_of(name));
}

static void finds_none(const char *version, int error, const char *words)
{
	assert_int_equal(look(version), error);
	if (!strstr(why, words))
		fail_msg("'%s' does not say '%s'", why, words);
	assert_null(strchr(why, '\n'));
}

static void named_files_are_asked_first_and_in_order(void **state)
{
	(void)state;
	file("a.so", "ok 3");
	file("fake-3.so", "ok 3");
	finds("3", "fake-3.so");
	file("now.so", "ok 3");
	finds("3", "now.so");
	file("game.so", "ok 3");
	finds("3", "game.so");
}

/* Its name promises what its descriptor does not hold. */
static void the_descriptor_decides_and_not_the_name(void **state)
{
	(void)state;
	file("game.so", "ok 1");
	file("fake-2.so", "ok 2.1");
	file("whatever.so", "ok 2");
	finds("2", "whatever.so");
	finds("2.1", "fake-2.so");
	finds_none("game", -ENOENT, "no version 'game'");
}

static void files_that_differ_are_not_chosen_from(void **state)
{
	(void)state;
	built("a.so", "3", "aa");
	built("b.so", "3", "aa"); /* a copy */
	finds("3", "a.so");
	built("c.so", "3", "bb");
	finds_none("3", -EEXIST, "c.so, which differ: give the path of one");
	built("fake-3.so", "3", "cc"); /* this one was meant */
	finds("3", "fake-3.so");
}

static void a_link_is_the_file_that_it_leads_to(void **state)
{
	(void)state;
	file("real.so", "ok 3");
	assert_int_equal(symlink("real.so", path_of("link.so")), 0);
	finds("3", "link.so");
	assert_int_equal(find.files, 1);
}

static void other_plugins_and_what_is_none_do_not_count(void **state)
{
	int fd;

	(void)state;
	file("game.so", "ok 1");
	file("other.so", "other 3");
	file("dies.so", "crash");
	file("hidden.so.old", "ok 3");
	file(".hidden.so", "ok 3");
	assert_int_equal(mkdir(path_of("dir.so"), 0700), 0);
	assert_int_equal(mkfifo(path_of("fifo.so"), 0600), 0);
	fd = open(path_of("empty.so"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	finds_none("3", -ENOENT, "found are 1 (game.so); 2 files are no plugins or cannot be loaded;");
	file("z.so", "ok 3");
	finds("3", "z.so");
}

static void without_any_file_that_is_said(void **state)
{
	(void)state;
	finds_none("1", -ENOENT, "found are none");
	finds_none("../1", -ENOENT, "no version '../1'");
}

static void no_more_files_are_asked_than_is_said(void **state)
{
	char name[32];

	(void)state;
	for (uint32_t i = 0; i < VERSION_FILES + 3; i++) {
		snprintf(name, sizeof(name), "n%03u.so", i);
		file(name, "ok a-version-of-twenty-one");
	}
	finds_none("2", -ENOENT, ", ...; only 64 files were asked");
	file("fake-2.so", "ok 2"); /* its name says that it is worth it */
	finds("2", "fake-2.so");
}

static void a_search_that_is_given_up_leaves_nobody(void **state)
{
	const char *named[] = { path_of("game.so") };

	(void)state;
	file("game.so", "hang");
	version_find_begin(&find, self, "fake", "1", named, 1);
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(version_find_poll(&find, found, why, sizeof(why)), -EAGAIN);
	assert_true(find.ask.process.pid > 0);
	version_find_cancel(&find);
	assert_int_equal(version_find_poll(&find, found, why, sizeof(why)), -ENOENT);
}

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
#define claim(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		claim(named_files_are_asked_first_and_in_order),
		claim(the_descriptor_decides_and_not_the_name),
		claim(files_that_differ_are_not_chosen_from),
		claim(a_link_is_the_file_that_it_leads_to),
		claim(other_plugins_and_what_is_none_do_not_count),
		claim(without_any_file_that_is_said),
		claim(no_more_files_are_asked_than_is_said),
		claim(a_search_that_is_given_up_leaves_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
