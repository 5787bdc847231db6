/* Plugin files as the primary sees them: described by another process, copied and sealed, fit or not. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <limits.h>
#include <sys/stat.h>

#include "fake_zygote.h"
#include "plugin_ask.h"
#include "plugin_image.h"
#include "plugin_info.h"
#include "process.h"

static char self[PATH_MAX], file[PATH_MAX];

static int scratch(void **unused)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int fd;

	(void)unused;
	snprintf(file, sizeof(file), "/tmp/baton-plugin.XXXXXX");
	fd = mkstemp(file);
	if (n <= 0 || fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int remove_scratch(void **unused)
{
	(void)unused;
	return unlink(file);
}

/* ---- described ---- */

static const char good[] =
	"{\"abi\":4,\"name\":\"game\",\"version\":\"1.2\",\"build_id\":\"ab\",\"key\":\"payload\",\"key_offset\":8,"
	"\"key_length\":8,\"schema\":3,\"record_size\":48,\"max_undo_bytes\":256}";

static void a_description_is_taken_as_it_is(void **unused)
{
	struct plugin_info info;
	char why[200];

	(void)unused;
	assert_int_equal(plugin_info_parse(good, strlen(good), &info, why, sizeof(why)), 0);
	assert_string_equal(info.name, "game");
	assert_string_equal(info.version, "1.2");
	assert_string_equal(info.build_id, "ab");
	assert_int_equal(info.key, BATON_KEY_PAYLOAD);
	assert_int_equal(info.key_offset, 8);
	assert_int_equal(info.key_length, 8);
	assert_int_equal(info.schema, 3);
	assert_int_equal(info.record_size, 48);
	assert_int_equal(info.max_undo, 256);
	assert_false(info.shadow);
}

/* The good text with one part replaced. */
static void refused(const char *part, const char *by, const char *words)
{
	struct plugin_info info = { .schema = 77 };
	char text[600], why[200] = "";
	const char *at = strstr(good, part);

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, by, at + strlen(part));
	assert_int_equal(plugin_info_parse(text, strlen(text), &info, why, sizeof(why)), -EPROTO);
	if (!strstr(why, words))
		fail_msg("'%s' does not say '%s'", why, words);
	assert_int_equal(info.schema, 77);
}

static void a_description_with_a_fault_is_refused_by_name(void **unused)
{
	(void)unused;
	refused("\"abi\":4", "\"abi\":5", "ABI 5");
	refused("\"abi\":4,", "", "abi");
	refused("\"name\":\"game\",", "", "name");
	refused("\"game\"", "\"a name that is far too long for any worker\"", "longer");
	refused("\"version\":\"1.2\"", "\"version\":1", "version");
	refused("payload", "address", "key");
	refused("\"key_length\":8", "\"key_length\":9", "key_length");
	refused("\"key_length\":8", "\"key_length\":0", "1 to 8");
	refused("\"key_offset\":8", "\"key_offset\":65536", "key_offset");
	refused("\"record_size\":48", "\"record_size\":-1", "record_size");
	refused("\"schema\":3", "\"schema\":3.5", "schema");
	refused("}", "", "JSON");
	refused("\"abi\":4", "\"abi\":4,\"abi\":4", "JSON");
}

static void no_cut_of_a_description_passes(void **unused)
{
	struct plugin_info info;
	char why[200];

	(void)unused;
	for (size_t len = 0; len < sizeof(good) - 1; len++)
		assert_int_equal(plugin_info_parse(good, len, &info, why, sizeof(why)), -EPROTO);
}

static int ask(const char *text, int timeout_ms, struct plugin_info *info, char why[400])
{
	fake_plugin_write(file, text);
	return plugin_ask(self, file, timeout_ms, info, why, 400);
}

static void asking_runs_the_zygote_and_reaps_it(void **unused)
{
	struct plugin_info info;
	char why[400];

	(void)unused;
	assert_int_equal(ask("ok 4", 30000, &info, why), 0);
	assert_string_equal(info.version, "4");
	assert_int_equal(info.record_size, FAKE_RECORD);
	assert_int_equal(ask("raw nonsense", 30000, &info, why), -EPROTO);
	assert_non_null(strstr(why, file));
	assert_int_equal(ask("crash", 30000, &info, why), -EINVAL);
	assert_non_null(strstr(why, "signal 11"));
	assert_int_equal(plugin_ask(self, "/nonexistent.so", 30000, &info, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "cannot be opened"));
	assert_int_equal(plugin_ask("/nonexistent/zygote", file, 30000, &info, why, sizeof(why)), -ENOENT);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void a_plugin_that_hangs_when_loaded_is_given_up(void **unused)
{
	struct plugin_info info;
	char why[400];

	(void)unused;
	assert_int_equal(ask("hang", 100, &info, why), -ETIMEDOUT);
	assert_non_null(strstr(why, "100 ms"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* The main lcore has other things to do. */
static void nobody_waits_for_a_description(void **unused)
{
	struct plugin_ask ask = { .process = { .pid = 0 } };
	struct plugin_info info;
	char why[400];
	int rc;

	(void)unused;
	plugin_ask_cancel(&ask); /* nobody has been asked */
	fake_plugin_write(file, "hang");
	assert_int_equal(plugin_ask_begin(&ask, self, file, 600000, why, sizeof(why)), 0);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(plugin_ask_poll(&ask, &info, why, sizeof(why)), -EAGAIN);
	plugin_ask_cancel(&ask);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(ask.process.pid, 0);
	fake_plugin_write(file, "ok 5");
	assert_int_equal(plugin_ask_begin(&ask, self, file, 30000, why, sizeof(why)), 0);
	while ((rc = plugin_ask_poll(&ask, &info, why, sizeof(why))) == -EAGAIN)
		sched_yield();
	assert_int_equal(rc, 0);
	assert_string_equal(info.version, "5");
	assert_int_equal(ask.process.pid, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- fit ---- */

static void what_differs_from_the_layout_is_named(void **unused)
{
	const struct plugin_info info = {
		.key = BATON_KEY_PAYLOAD, .key_offset = 8, .key_length = 8, .record_size = 48, .schema = 1
	};
	const struct worker_ready fits = { .abi = BATON_PLUGIN_ABI,
					   .key = BATON_KEY_PAYLOAD,
					   .key_offset = 8,
					   .key_length = 8,
					   .record_size = 48,
					   .schema = 1 };
	struct worker_ready ready = fits;
	char why[200];

	(void)unused;
	assert_int_equal(plugin_info_fits(&info, &ready, why, sizeof(why)), 0);
#define differs(field, value, words) \
	do { \
		ready = fits; \
		ready.field = (value); \
		assert_int_equal(plugin_info_fits(&info, &ready, why, sizeof(why)), -EINVAL); \
		assert_non_null(strstr(why, words)); \
	} while (0)
	differs(abi, BATON_PLUGIN_ABI + 1, "ABI");
	differs(key, BATON_KEY_FLOW, "steers by flow");
	differs(key_offset, 0, "key");
	differs(key_length, 4, "key");
}

/* ---- copied ---- */

static void the_copy_is_whole_and_cannot_be_changed(void **unused)
{
	struct fake_plugin before, after;
	char why[400];
	int fd, image;

	(void)unused;
	fake_plugin_write(file, "ok 1");
	fd = open(file, O_RDONLY);
	assert_int_equal(read(fd, &before, sizeof(before)), sizeof(before));
	close(fd);
	assert_int_equal(plugin_image_open(file, &image, why, sizeof(why)), 0);
	fake_plugin_write(file, "another");
	assert_int_equal(pread(image, &after, sizeof(after), 0), sizeof(after));
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(pwrite(image, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(image, 1), -1);
	assert_int_equal(ftruncate(image, 1 << 20), -1);
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, image, 0), MAP_FAILED);
	assert_true(fcntl(image, F_GETFD) & FD_CLOEXEC);
	close(image);
}

static void what_is_no_shared_object_is_not_copied(void **unused)
{
	char why[400];
	int fd, image = -7;

	(void)unused;
	/* every byte of the header that matters, spoilt one at a time; then every length */
	static const struct { size_t at; uint8_t value; } spoil[] = {
		{ 0, 0 }, { 3, 'E' }, { EI_CLASS, ELFCLASS32 }, { EI_DATA, ELFDATA2MSB },
		{ offsetof(Elf64_Ehdr, e_type), ET_EXEC },
		{ offsetof(Elf64_Ehdr, e_machine), EM_AARCH64 },
		{ offsetof(Elf64_Ehdr, e_phnum), 200 },
		{ offsetof(Elf64_Ehdr, e_phoff) + 6, 1 },
		{ offsetof(Elf64_Ehdr, e_phentsize), 1 },
		{ offsetof(struct fake_plugin, segment.p_filesz) + 2, 1 }, /* a segment beyond the end of the file */
	};
	for (size_t i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++) {
		fake_plugin_write(file, "ok 1");
		fd = open(file, O_WRONLY);
		assert_int_equal(pwrite(fd, &spoil[i].value, 1, (off_t)spoil[i].at), 1);
		close(fd);
		assert_int_equal(plugin_image_open(file, &image, why, sizeof(why)), -ENOEXEC);
		assert_int_equal(image, -7);
	}
	for (off_t len = 0; len < (off_t)offsetof(struct fake_plugin, text); len++) {
		fake_plugin_write(file, "ok 1");
		assert_int_equal(truncate(file, len), 0);
		assert_int_equal(plugin_image_open(file, &image, why, sizeof(why)), -ENOEXEC);
	}
}

static void what_is_no_file_is_refused_without_waiting(void **unused)
{
	char fifo[PATH_MAX + 8], why[400];
	int image;

	(void)unused;
	snprintf(fifo, sizeof(fifo), "%s.fifo", file);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(plugin_image_open(fifo, &image, why, sizeof(why)), -EINVAL);
	unlink(fifo);
	assert_int_equal(plugin_image_open("/tmp", &image, why, sizeof(why)), -EINVAL);
	assert_int_equal(plugin_image_open("/nonexistent.so", &image, why, sizeof(why)), -ENOENT);
	assert_int_equal(truncate(file, (off_t)PLUGIN_IMAGE_MAX + 1), 0); /* sparse */
	assert_int_equal(plugin_image_open(file, &image, why, sizeof(why)), -EFBIG);
}

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
#define claim(test) cmocka_unit_test_setup_teardown(test, scratch, remove_scratch)
	const struct CMUnitTest tests[] = {
		claim(a_description_is_taken_as_it_is),
		claim(a_description_with_a_fault_is_refused_by_name),
		claim(no_cut_of_a_description_passes),
		claim(asking_runs_the_zygote_and_reaps_it),
		claim(a_plugin_that_hangs_when_loaded_is_given_up),
		claim(nobody_waits_for_a_description),
		claim(what_differs_from_the_layout_is_named),
		claim(the_copy_is_whole_and_cannot_be_changed),
		claim(what_is_no_shared_object_is_not_copied),
		claim(what_is_no_file_is_refused_without_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
