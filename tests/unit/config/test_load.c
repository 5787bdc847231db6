/* Claims about files: the examples that are shipped, paths, and what cannot be read. */
#include "examples_rig.h"

#include <limits.h>
#include <sys/stat.h>

/* What `read` says of the file is in `outcome`. */
static int read_by(int (*read)(const char *path, FILE *out), const char *path)
{
	FILE *out;

	memset(&outcome, 0, sizeof(outcome));
	out = fmemopen(outcome.text, sizeof(outcome.text) - 1, "w");
	assert_non_null(out);
	outcome.errors = read(path, out);
	fclose(out);
	return outcome.errors;
}

static int load_outcome(const char *path, FILE *out) { return config_load(path, &outcome.config, out); }
static int check(const char *path) { return read_by(config_check_file, path); }
static int load(const char *path) { return read_by(load_outcome, path); }

static void passes_the_check(const char *path)
{
	if (check(path) != 0)
		fail_msg("%s", outcome.text);
	assert_non_null(strstr(outcome.text, ": ok (instance "));
}

static void every_shipped_example_passes_the_check(void **state)
{
	(void)state;
	for_each_example(passes_the_check);
}

static void shortest_configuration_has_at_most_fifteen_lines(void **state)
{
	FILE *file = fopen(source_file("config/minimal.yaml"), "r");
	int lines = 0, c;

	(void)state;
	assert_non_null(file);
	while ((c = fgetc(file)) != EOF)
		lines += c == '\n';
	fclose(file);
	assert_true(lines <= 15);
}

static void plugin_path_is_absolute_and_starts_at_the_file(void **state)
{
	char root[PATH_MAX], want[PATH_MAX + 32];

	(void)state;
	assert_int_equal(load(source_file("config/minimal.yaml")), 0);
	assert_non_null(realpath(source_file("."), root));
	snprintf(want, sizeof(want), "%s/build/plugins/game.so", root);
	assert_string_equal(outcome.config.group[0].plugin, want);
	assert_string_equal(outcome.config.name, "baton");
}

static void demo_is_what_its_comment_says(void **state)
{
	const struct config *c = &outcome.config;

	(void)state;
	assert_int_equal(load(source_file("config/demo.yaml")), 0);
	assert_string_equal(c->name, "demo");
	assert_int_equal(c->poll, POLL_ADAPTIVE);
	assert_string_equal(c->port[0].device, "net_tap0,iface=baton0");
	assert_memory_equal(&c->port[0].address[0].ip, "\x0a\x4d\x00\x01", 4);
	assert_int_equal(c->port[0].address[0].prefix, 24);
	assert_int_equal(c->service[0].udp_port, 8080);
	assert_int_equal(c->group[0].count, 2);
}

static void unreadable_file_is_one_error(void **state)
{
	static const struct {
		const char *path, *why;
	} cases[] = {
		{ "/nonexistent/baton.yaml", "No such file or directory" },
		{ "/", "Is a directory" },
		{ "", "No such file or directory" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char want[256];

		assert_int_equal(load(cases[i].path), 1);
		snprintf(want, sizeof(want), "%s:1:1: error: cannot read the configuration: %s\n", cases[i].path,
			 cases[i].why);
		assert_string_equal(outcome.text, want);
	}
}

static void endless_file_ends(void **state)
{
	(void)state;
	assert_int_equal(load("/dev/zero"), 1);
	assert_string_equal(outcome.text, "/dev/zero:1:1: error: longer than 1 MiB; this is no configuration\n");
}

static void check_tells_how_many_errors_are_not_shown(void **state)
{
	char path[] = "/tmp/baton_test_load_XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	FILE *file = fdopen(fd, "w");
	fputs(PORTS SERVICES GROUPS, file);
	for (int i = 0; i < 25; i++)
		fprintf(file, "frobnicate%d: 1\n", i);
	fclose(file);
	assert_int_equal(check(path), 25);
	assert_int_equal(lines_printed(), 21);
	assert_non_null(strstr(outcome.text, ": errors 25, the first 20 are shown\n"));
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shipped_example_passes_the_check),
		cmocka_unit_test(shortest_configuration_has_at_most_fifteen_lines),
		cmocka_unit_test(plugin_path_is_absolute_and_starts_at_the_file),
		cmocka_unit_test(demo_is_what_its_comment_says),
		cmocka_unit_test(unreadable_file_is_one_error),
		cmocka_unit_test(endless_file_ends),
		cmocka_unit_test(check_tells_how_many_errors_are_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
