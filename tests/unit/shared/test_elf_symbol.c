/* Functions of a shared object by address: of this program itself, and of files that are broken. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "elf_symbol.h"
#include "fake.h"

static __attribute__((noinline)) int well_known(int n)
{
	for (volatile int i = 0; i < n; i++)
		;
	return n;
}

static int first_object(struct dl_phdr_info *info, size_t bytes, void *base)
{
	(void)bytes;
	*(uint64_t *)base = info->dlpi_addr;
	return 1; /* the program itself comes first */
}

static uint64_t address_of(const void *function)
{
	uint64_t base = 0;

	dl_iterate_phdr(first_object, &base);
	return (uint64_t)(uintptr_t)function - base;
}

static void a_place_is_told_by_function_and_offset(void **state)
{
	struct elf_place place[3] = {
		{.address = address_of((void *)(uintptr_t)well_known) + 4},
		{.address = address_of((void *)(uintptr_t)elf_functions)},
		{.address = 1, .name = "left over", .offset = 7},
	};
	int fd = open("/proc/self/exe", O_RDONLY);

	(void)state;
	assert_int_equal(well_known(3), 3);
	assert_int_equal(elf_functions(fd, place, 3), 0);
	assert_string_equal(place[0].name, "well_known"); /* static: in .symtab alone */
	assert_int_equal(place[0].offset, 4);
	assert_string_equal(place[1].name, "elf_functions");
	assert_int_equal(place[1].offset, 0);
	assert_string_equal(place[2].name, "");
	assert_int_equal(place[2].offset, 0);
	close(fd);
}

static void a_stripped_object_has_what_it_exports(void **state)
{
	struct elf_place place = {.address = 0};
	Dl_info info;

	(void)state;
	assert_int_not_equal(dladdr((void *)(uintptr_t)abort, &info), 0);
	place.address = (uint64_t)((const char *)dlsym(RTLD_DEFAULT, "abort") - (const char *)info.dli_fbase) + 1;
	int fd = open(info.dli_fname, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(elf_functions(fd, &place, 1), 0);
	assert_string_equal(place.name, "abort");
	assert_int_equal(place.offset, 1);
	close(fd);
}

static void what_is_no_object_is_refused(void **state)
{
	struct elf_place place = {.address = 4};
	int fd = memfd_create("text", 0);

	(void)state;
	assert_int_equal(elf_functions(fd, &place, 1), -ENOEXEC);
	assert_int_equal(write(fd, "not an object, but long enough for a header, or so one hopes who wrote it.", 70), 70);
	assert_int_equal(elf_functions(fd, &place, 1), -ENOEXEC);
	close(fd);
	assert_int_equal(elf_functions(-1, &place, 1), -ENOEXEC);
}

/* Whatever its bytes are, it is read to an end, and names stay printable. */
static void a_damaged_object_harms_nobody(void **state)
{
	uint64_t seed = fake_seed("a_damaged_object_harms_nobody"), address = address_of((void *)(uintptr_t)well_known);
	int self = open("/proc/self/exe", O_RDONLY), fd = memfd_create("copy", 0);
	off_t bytes = lseek(self, 0, SEEK_END);
	uint8_t *from = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE, self, 0);

	(void)state;
	assert_ptr_not_equal(from, MAP_FAILED);
	assert_int_equal(write(fd, from, (size_t)bytes), bytes);
	uint64_t sections = ((const Elf64_Ehdr *)(const void *)from)->e_shoff;
	uint32_t count = ((const Elf64_Ehdr *)(const void *)from)->e_shnum;
	for (int round = 0; round < 2000; round++) {
		struct elf_place place = {.address = address};
		bool header = round % 4 == 0;
		uint64_t at = header ? 16 + fake_below(&seed, sizeof(Elf64_Ehdr) - 16)
				     : sections + fake_below(&seed, count * (uint32_t)sizeof(Elf64_Shdr));
		uint64_t junk = fake_random(&seed) >> fake_below(&seed, 64);

		assert_true(pwrite(fd, &junk, 1 + fake_below(&seed, 8), (off_t)at) > 0);
		(void)elf_functions(fd, &place, 1);
		for (const char *c = place.name; *c; c++)
			assert_in_range(*c, ' ' + 1, '~');
		assert_true(memchr(place.name, 0, sizeof(place.name)) != NULL);
		assert_int_equal(pwrite(fd, from + at, 8, (off_t)at), 8); /* one mistake at a time */
		if (round % 100 == 0) {
			assert_int_equal(elf_functions(fd, &place, 1), 0);
			assert_string_equal(place.name, "well_known");
		}
	}
	munmap(from, (size_t)bytes);
	close(self);
	close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_place_is_told_by_function_and_offset),
		cmocka_unit_test(a_stripped_object_has_what_it_exports),
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(a_damaged_object_harms_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
