/* Shared objects read from their bytes: what they say is found, and no byte of them can do harm. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../workers/plugin_cc.h"
#include "fake.h"
#include "plugin_elf.h"
#include "plugin_report.h"

static const char source[] =
	"int theirs(void); double sqrt(double); __attribute__((weak)) int perhaps(void);\n"
	"int ours(void); int ours(void) { return theirs() + (int)sqrt(2) + (perhaps ? perhaps() : 0); }\n"
	"__attribute__((visibility(\"hidden\"))) int hidden(void); int hidden(void) { return 1; }\n";

static bool undefined(const struct plugin_elf *e, const char *name, unsigned bind)
{
	const char *found;
	Elf64_Sym symbol;

	for (size_t i = 1; (found = plugin_elf_symbol(e, i, &symbol)) != NULL; i++)
		if (strcmp(found, name) == 0)
			return symbol.st_shndx == SHN_UNDEF && ELF64_ST_BIND(symbol.st_info) == bind;
	return false;
}

static int compile(const char *flags)
{
	return plugin_cc_fd(source, flags);
}

static void what_it_says_is_found(void **state)
{
	struct plugin_elf e;
	char why[200];
	int fd = compile("-g -fno-builtin -lm");

	(void)state;
	assert_int_equal(plugin_elf_read(&e, fd, why, sizeof(why)), 0);
	assert_int_equal(strlen(e.build_id), 40);
	assert_true(e.debug_info);
	assert_false(e.text_relocations);
	assert_false(e.executable_stack);
	assert_true(plugin_elf_defines(&e, "ours"));
	assert_false(plugin_elf_defines(&e, "hidden"));
	assert_false(plugin_elf_defines(&e, "theirs"));
	assert_true(undefined(&e, "theirs", STB_GLOBAL));
	assert_true(undefined(&e, "sqrt", STB_GLOBAL));
	assert_true(undefined(&e, "perhaps", STB_WEAK));
	bool libm = false;
	for (uint32_t i = 0; i < e.needed_count; i++)
		libm |= strcmp(e.needed[i], "libm.so.6") == 0;
	assert_true(libm);
	plugin_elf_free(&e);
	close(fd);
}

static void what_is_missing_is_seen(void **state)
{
	struct plugin_elf e;
	char why[200];
	int fd = compile("-Wl,--build-id=none -Wl,-z,execstack -s");

	(void)state;
	assert_int_equal(plugin_elf_read(&e, fd, why, sizeof(why)), 0);
	assert_string_equal(e.build_id, "");
	assert_false(e.debug_info);
	assert_true(e.executable_stack);
	assert_true(undefined(&e, "theirs", STB_GLOBAL)); /* of the dynamic symbols, which stay */
	plugin_elf_free(&e);
	close(fd);
}

/* Nothing but the program headers is needed to load it, and some strip the rest. */
static void section_headers_are_not_needed(void **state)
{
	struct plugin_elf e;
	char why[200], path[64];
	Elf64_Ehdr header;

	(void)state;
	plugin_cc(source, "", path);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
	header.e_shoff = header.e_shnum = header.e_shstrndx = 0;
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(plugin_elf_read(&e, fd, why, sizeof(why)), 0);
	assert_true(undefined(&e, "theirs", STB_GLOBAL));
	assert_true(plugin_elf_defines(&e, "ours"));
	plugin_elf_free(&e);
	close(fd);
	plugin_cc_remove(path);
}

/* Bytes changed at random where structures stand, and files cut short: read to the end, without a fault. */
static void no_byte_does_harm(void **state)
{
	uint64_t random = fake_seed("no_byte_does_harm");
	int fd = compile("-g -fno-builtin -lm");
	struct stat status;
	uint32_t read_well = 0;

	(void)state;
	assert_int_equal(fstat(fd, &status), 0);
	uint8_t *good = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	uint8_t *bad = malloc((size_t)status.st_size);
	assert_true(good != MAP_FAILED && bad != NULL);
	for (uint32_t round = 0; round < 3000; round++) {
		struct plugin_elf e;
		struct plugin_report report = {.lines = json_array()};
		char why[200];
		uint32_t size = (uint32_t)status.st_size, cut = fake_below(&random, 4) == 0 ? fake_below(&random, size) : 0;
		int copy = memfd_create("elf", MFD_CLOEXEC);

		memcpy(bad, good, (size_t)status.st_size);
		for (uint32_t n = fake_below(&random, 12); n > 0; n--) {
			uint32_t where = fake_below(&random, 3);
			size_t at = where == 0 ? fake_below(&random, 0x240) : where == 1 ? fake_below(&random, size) :
				    size - 1 - fake_below(&random, 0x900);
			bad[at] = fake_below(&random, 2) ? (uint8_t)fake_random(&random) : 0xff;
		}
		assert_int_equal(write(copy, bad, size - cut), size - cut);
		if (plugin_elf_read(&e, copy, why, sizeof(why)) == 0) {
			Elf64_Sym symbol;
			for (size_t i = 0; plugin_elf_symbol(&e, i, &symbol) != NULL && i < 100000; i++)
				;
			for (uint32_t i = 0; i < e.needed_count; i++)
				assert_true(strlen(e.needed[i]) < e.size);
			if (round % 50 == 0)
				(void)plugin_imports(&report, &e, &e);
			read_well++;
			plugin_elf_free(&e);
		} else {
			assert_true(strlen(why) > 10);
		}
		json_decref(report.lines);
		close(copy);
	}
	assert_true(read_well > 300);
	munmap(good, (size_t)status.st_size);
	free(bad);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_says_is_found),
		cmocka_unit_test(what_is_missing_is_seen),
		cmocka_unit_test(section_headers_are_not_needed),
		cmocka_unit_test(no_byte_does_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
