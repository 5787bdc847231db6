/* A plugin that is unfit is refused with a line that says how to mend it; a fit one is what was checked. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "plugin.h"
#include "state.h"
#include "plugin_cc.h"

#define HEAD   "#include \"baton.h\"\n"
#define PACKET "static baton_verdict packet(struct baton_ctx *c, const struct baton_packet *p, uint8_t *d)\n" \
	       "{ (void)c; (void)d; return baton_reply(p->len); }\n"
#define FIT(version) \
	HEAD PACKET \
	"BATON_PLUGIN(.name = \"fit\", .version = \"" version "\", .key = BATON_KEY_PAYLOAD, .key_offset = 8,\n" \
	".key_length = 4, .schema = 3, .record_size = 40, .max_undo_bytes = 64, .packet = packet);\n"

static char why[PLUGIN_WHY_BYTES];

static baton_verdict answer(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	(void)ctx;
	(void)data;
	return baton_reply(packet->len);
}

static struct baton_plugin fit(void)
{
	return (struct baton_plugin){
		.abi = BATON_PLUGIN_ABI, .size = sizeof(struct baton_plugin), .name = "fit", .version = "1.0-rc2",
		.key = BATON_KEY_PAYLOAD, .key_offset = 8, .key_length = 4, .schema = 1, .record_size = 40,
		.max_undo_bytes = 64, .packet = answer,
	};
}

/* The line names what is wrong and what to do, and is one line. */
static void assert_says(const char *what, const char *fix)
{
	if (strstr(why, what) == NULL || strstr(why, fix) == NULL || strchr(why, '\n') != NULL)
		fail_msg("\"%s\" lacks \"%s\" or \"%s\"", why, what, fix);
}

#define REFUSES(change, error, what, fix) do { \
		struct baton_plugin d = fit(); \
		d.change; \
		assert_int_equal(plugin_check(&d, why, sizeof(why)), -(error)); \
		assert_says(what, fix); \
	} while (0)

static void a_descriptor_with_a_field_out_of_range_is_refused(void **state)
{
	char longest[BATON_NAME_BYTES], longer[BATON_NAME_BYTES + 1];
	struct baton_plugin good = fit();

	(void)state;
	memset(longest, 'n', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	memset(longer, 'n', sizeof(longer));
	longer[sizeof(longer) - 1] = 0;
	assert_int_equal(plugin_check(&good, why, sizeof(why)), 0);
	good.name = longest;
	good.key_length = 8;
	good.key_offset = 2040;
	assert_int_equal(plugin_check(&good, why, sizeof(why)), 0);
	good.key_length = 1;
	assert_int_equal(plugin_check(&good, why, sizeof(why)), 0);
	REFUSES(abi = 88, EPROTO, "ABI 88", "rebuild");
	REFUSES(size--, EPROTO, "descriptor", "rebuild");
	REFUSES(name = NULL, EINVAL, ".name", "1 to 31");
	REFUSES(name = "", EINVAL, ".name", "1 to 31");
	REFUSES(name = longer, EINVAL, ".name", "1 to 31");
	REFUSES(name = "a\"b", EINVAL, ".name", "quotes");
	REFUSES(version = "1 2", EINVAL, ".version", "blanks");
	REFUSES(version = "1\n", EINVAL, ".version", "printable");
	REFUSES(packet = NULL, EINVAL, ".packet", "missing");
	REFUSES(key = 0, EINVAL, ".key is 0", "BATON_KEY_FLOW");
	REFUSES(key = 3, EINVAL, ".key is 3", "BATON_KEY_PAYLOAD");
	REFUSES(key_length = 0, EINVAL, ".key_length is 0", "1 to 8");
	REFUSES(key_length = 9, EINVAL, ".key_length is 9", "1 to 8");
	REFUSES(key_offset = 2045, EINVAL, ".key_offset is 2045", "2048");
	REFUSES(record_size = 65521, EINVAL, ".record_size is 65521", "at most");
	REFUSES(max_undo_bytes = JOURNAL_BYTES / 2 + 1, EINVAL, ".max_undo_bytes", "at most");
	REFUSES(max_posts = BATON_POSTS_MOST + 1, EINVAL, ".max_posts", "at most");
	REFUSES(max_posts = 1, EINVAL, ".max_posts", ".message is missing");
	REFUSES(max_sends = BATON_SENDS_MOST + 1, EINVAL, ".max_sends", "at most");
}

static void a_flow_key_has_no_length(void **state)
{
	struct baton_plugin d = fit();

	(void)state;
	d.key = BATON_KEY_FLOW;
	d.key_length = 0;
	assert_int_equal(plugin_check(&d, why, sizeof(why)), 0);
}

static void a_plugin_that_does_not_fit_the_service_names_the_line_to_change(void **state)
{
	struct baton_plugin d = fit();

	(void)state;
	assert_int_equal(plugin_fits(&d, BATON_KEY_PAYLOAD, 40, why, sizeof(why)), 0);
	assert_int_equal(plugin_fits(&d, BATON_KEY_PAYLOAD, 48, why, sizeof(why)), 0);
	assert_int_equal(plugin_fits(&d, BATON_KEY_FLOW, 40, why, sizeof(why)), -EINVAL);
	assert_says("needs key payload", "`key: payload`");
	d.key = BATON_KEY_FLOW;
	assert_int_equal(plugin_fits(&d, BATON_KEY_PAYLOAD, 40, why, sizeof(why)), -EINVAL);
	assert_says("needs key flow", "`key: flow`");
	assert_int_equal(plugin_fits(&d, BATON_KEY_FLOW, 39, why, sizeof(why)), -EINVAL);
	assert_says("40 bytes", "state_file");
}

static void load_refused(int fd, int error, const char *what, const char *fix)
{
	struct plugin plugin;

	assert_true(fd >= 0);
	assert_int_equal(plugin_load(&plugin, fd, "/path/of/it.so", why, sizeof(why)), -error);
	assert_says("/path/of/it.so", what);
	assert_says(what, fix);
	close(fd);
}

static void a_file_that_is_no_plugin_is_refused(void **state)
{
	int fd = memfd_create("x", 0);

	(void)state;
	load_refused(fd, ENOEXEC, "not a shared object", "-shared");
	fd = memfd_create("x", 0);
	assert_int_equal(write(fd, "#!/bin/sh\necho this is a script, not a shared object, but long enough\n", 70), 70);
	load_refused(fd, ENOEXEC, "not a shared object", "-shared");
	load_refused(plugin_cc_fd("int main(void) { return 0; }\n", "-c"), ENOEXEC, "not a shared object", "-shared");
	load_refused(plugin_cc_fd("int somebody_elses = 1;\n", ""), ENOENT, BATON_PLUGIN_SYMBOL, "BATON_PLUGIN(");
	load_refused(plugin_cc_fd("extern int not_there(void); int there(void) { return not_there(); }\n"
				  "int baton_plugin_descriptor;\n", ""), ELIBACC,
		     "not_there", "baton.h, libc and libm");
	load_refused(plugin_cc_fd(HEAD PACKET "const struct baton_plugin baton_plugin_descriptor = { .abi = 77 };",
				  "-Wno-unused"),
		     EPROTO, "ABI 77", "rebuild");
}

/* Whatever stands beside a plugin may be asked for its version: a library that is none must not even be loaded. */
static void no_code_runs_of_what_names_no_descriptor(void **state)
{
	(void)state;
	load_refused(plugin_cc_fd("#include <unistd.h>\n"
				  "__attribute__((constructor)) static void first(void) { _exit(9); }\n", ""),
		     ENOENT, BATON_PLUGIN_SYMBOL, "BATON_PLUGIN(");
}

static void a_truncated_plugin_is_refused(void **state)
{
	int fd = plugin_cc_fd(FIT("1"), "");
	static uint8_t bytes[1 << 16];
	ssize_t whole = pread(fd, bytes, sizeof(bytes), 0);
	struct plugin plugin;

	(void)state;
	close(fd);
	assert_in_range(whole, 4096, sizeof(bytes) - 1);
	for (ssize_t cut = 0; cut < 4096; cut += 61) {
		fd = memfd_create("cut", 0);
		assert_int_equal(write(fd, bytes, (size_t)cut), cut);
		assert_true(plugin_load(&plugin, fd, "cut.so", why, sizeof(why)) < 0);
		assert_says("cut.so: not a", cut < 64 ? "-shared" : "Build it again");
		close(fd);
	}
}

static void what_runs_is_the_copy_that_was_checked(void **state)
{
	struct plugin first, second;
	struct worker_ready ready;
	char path[64], other[64];
	static uint8_t bytes[1 << 16];

	(void)state;
	plugin_cc(FIT("1"), "", path);
	plugin_cc(FIT("2"), "", other);
	/* as the primary does it: a private sealed copy */
	int file = open(path, O_RDWR), copy = memfd_create("copy", MFD_ALLOW_SEALING), from = open(other, O_RDONLY);
	ssize_t n = read(file, bytes, sizeof(bytes));
	assert_int_equal(write(copy, bytes, (size_t)n), n);
	assert_int_equal(fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL), 0);
	assert_int_equal(plugin_load(&first, copy, path, why, sizeof(why)), 0);
	/* rebuilt in place, under the loaded plugin */
	n = read(from, bytes, sizeof(bytes));
	assert_int_equal(pwrite(file, bytes, (size_t)n, 0), n);
	assert_int_equal(plugin_load(&second, file, path, why, sizeof(why)), 0);
	assert_string_equal(first.descriptor->version, "1");
	assert_string_equal(second.descriptor->version, "2");
	assert_string_not_equal(first.build_id, second.build_id);
	plugin_ready(&first, &ready);
	assert_int_equal(ready.abi, BATON_PLUGIN_ABI);
	assert_int_equal(ready.key, BATON_KEY_PAYLOAD);
	assert_int_equal(ready.key_offset, 8);
	assert_int_equal(ready.key_length, 4);
	assert_int_equal(ready.schema, 3);
	assert_int_equal(ready.record_size, 40);
	assert_string_equal(ready.plugin_name, "fit");
	assert_string_equal(ready.version, "1");
	assert_int_equal(strlen(ready.build_id), 40);
	assert_string_equal(ready.build_id, first.build_id);
	plugin_cc_remove(path);
	plugin_cc_remove(other);
	close(file);
	close(copy);
	close(from);
}

/* Runs plugin_describe() in a child. out: what it wrote to `stream`. Returns its exit code. */
static int describe(const char *path, int stream, char *out, size_t size)
{
	int pipe_fd[2], status;
	size_t len = 0;
	ssize_t n;

	assert_int_equal(pipe(pipe_fd), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(pipe_fd[1], stream);
		_exit(plugin_describe(path));
	}
	close(pipe_fd[1]);
	while ((n = read(pipe_fd[0], out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = 0;
	close(pipe_fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_plugin_is_described_in_one_line_of_json(void **state)
{
	static const char head[] = "{\"abi\":4,\"name\":\"fit\",\"version\":\"7\",\"build_id\":\"";
	static const char tail[] = "\",\"key\":\"payload\",\"key_offset\":8,\"key_length\":4,\"schema\":3,"
				   "\"record_size\":40,"
				   "\"max_undo_bytes\":64,\"max_posts\":0,\"max_sends\":0,\"shadow\":false,"
				   "\"callbacks\":\"packet\",\"older\":[]}\n";
	char path[64], out[1024];

	(void)state;
	plugin_cc(FIT("7"), "", path);
	assert_int_equal(describe(path, 1, out, sizeof(out)), 0);
	assert_memory_equal(out, head, sizeof(head) - 1);
	assert_string_equal(out + sizeof(head) - 1 + 40, tail);
	plugin_cc_remove(path);
}

static void what_cannot_be_described_is_explained(void **state)
{
	(void)state;
	assert_int_equal(describe("/nonexistent/p.so", 2, why, sizeof(why)), 1);
	why[strcspn(why, "\n")] = 0;
	assert_says("No such file", "path");
	assert_int_equal(describe("/tmp", 2, why, sizeof(why)), 1);
	why[strcspn(why, "\n")] = 0;
	assert_says("not a file", "file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_with_a_field_out_of_range_is_refused),
		cmocka_unit_test(a_flow_key_has_no_length),
		cmocka_unit_test(a_plugin_that_does_not_fit_the_service_names_the_line_to_change),
		cmocka_unit_test(a_file_that_is_no_plugin_is_refused),
		cmocka_unit_test(no_code_runs_of_what_names_no_descriptor),
		cmocka_unit_test(a_truncated_plugin_is_refused),
		cmocka_unit_test(what_runs_is_the_copy_that_was_checked),
		cmocka_unit_test(a_plugin_is_described_in_one_line_of_json),
		cmocka_unit_test(what_cannot_be_described_is_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
