/* Build ids: that of the running program, of files, and of files somebody made up. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi.h"
#include "version.h"

static void own_build_id_is_that_of_the_own_file(void **state)
{
	(void)state;
	char id[41];
	int fd = open("/proc/self/exe", O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(version_file_build_id(fd, id), 0);
	close(fd);
	assert_int_equal(strlen(id), 40);
	assert_int_equal(strspn(id, "0123456789abcdef"), 40);
	assert_string_equal(id, version_build_id());
}

static void print_names_version_id_abi_and_build_type(void **state)
{
	(void)state;
	char text[512], abi[32];
	int file = memfd_create("out", 0), kept = dup(STDOUT_FILENO);

	assert_true(file >= 0 && kept >= 0);
	fflush(stdout);
	dup2(file, STDOUT_FILENO);
	version_print("batond");
	fflush(stdout);
	dup2(kept, STDOUT_FILENO);
	ssize_t n = pread(file, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = 0;
	close(file);
	close(kept);
	snprintf(abi, sizeof(abi), "ABI:        %u\n", BATON_ABI);
	assert_ptr_equal(strstr(text, "batond " BATON_VERSION "\n"), text);
	assert_non_null(strstr(text, version_build_id()));
	assert_non_null(strstr(text, abi));
	assert_non_null(strstr(text, version_build_type()));
}

/* A small ELF file: header, one note segment with a foreign note and a build id of 20 bytes 0x00 .. 0x13. */
struct made_up {
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	struct { Elf64_Nhdr h; char name[8]; uint8_t desc[4]; } foreign;
	struct { Elf64_Nhdr h; char name[4]; uint8_t desc[20]; } id;
};

static struct made_up made_up(void)
{
	struct made_up f;

	memset(&f, 0, sizeof(f));
	memcpy(f.eh.e_ident, ELFMAG, SELFMAG);
	f.eh.e_ident[EI_CLASS] = ELFCLASS64;
	f.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	f.eh.e_phentsize = sizeof(f.ph);
	f.eh.e_phnum = 1;
	f.eh.e_phoff = offsetof(struct made_up, ph);
	f.ph.p_type = PT_NOTE;
	f.ph.p_offset = offsetof(struct made_up, foreign);
	f.ph.p_filesz = sizeof(f.foreign) + sizeof(f.id);
	f.ph.p_align = 4;
	f.foreign.h = (Elf64_Nhdr){ .n_namesz = 6, .n_descsz = 4, .n_type = NT_GNU_BUILD_ID };
	memcpy(f.foreign.name, "Other", 6);
	f.id.h = (Elf64_Nhdr){ .n_namesz = 4, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID };
	memcpy(f.id.name, "GNU", 4);
	for (uint8_t i = 0; i < 20; i++)
		f.id.desc[i] = i;
	return f;
}

static int build_id_of(const void *bytes, size_t len, char id[41])
{
	int fd = memfd_create("elf", 0);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, 0), (ssize_t)len);
	int rc = version_file_build_id(fd, id);
	close(fd);
	return rc;
}

static void foreign_notes_are_passed_over(void **state)
{
	(void)state;
	struct made_up f = made_up();
	char id[41];

	assert_int_equal(build_id_of(&f, sizeof(f), id), 0);
	assert_string_equal(id, "000102030405060708090a0b0c0d0e0f10111213");
}

static void file_without_an_id_says_so_and_leaves_out_alone(void **state)
{
	(void)state;
	struct made_up f = made_up();
	char id[41] = "before";

	f.id.h.n_type = 99;
	assert_int_equal(build_id_of(&f, sizeof(f), id), -ENOENT);
	f = made_up();
	f.ph.p_type = PT_LOAD;
	assert_int_equal(build_id_of(&f, sizeof(f), id), -ENOENT);
	assert_int_equal(build_id_of("#!/bin/sh\n", 10, id), -ENOEXEC);
	assert_int_equal(build_id_of("", 0, id), -ENOEXEC);
	assert_string_equal(id, "before");
	assert_int_equal(version_file_build_id(-1, id), -EBADF);
}

static void file_cut_at_any_byte_is_refused(void **state)
{
	(void)state;
	struct made_up f = made_up();
	char id[41];

	for (size_t len = 0; len < offsetof(struct made_up, id) + sizeof(f.id); len++)
		assert_true(build_id_of(&f, len, id) < 0);
}

/* Every field takes hostile values; the parser may find the id or not, but stays within the bytes (ASan watches). */
static void hostile_lengths_stay_within_the_file(void **state)
{
	(void)state;
	static const uint32_t evil[] = {
		0, 1, 3, 5, 19, 21, 0x7fffffff, 0x80000000, 0xfffffffc, 0xfffffffd, 0xffffffff,
	};
	char id[41];

	for (size_t i = 0; i < sizeof(evil) / sizeof(evil[0]); i++)
		for (size_t at = 0; at + 4 <= sizeof(struct made_up); at++) {
			struct made_up f = made_up();
			memcpy((uint8_t *)&f + at, &evil[i], 4);
			memset(id, 'x', sizeof(id));
			int rc = build_id_of(&f, sizeof(f), id);
			assert_true(rc <= 0);
			if (rc == 0)
				assert_true(strnlen(id, sizeof(id)) <= 40);
		}
	struct made_up f = made_up();
	f.ph.p_offset = UINT64_MAX - 8;
	assert_int_equal(build_id_of(&f, sizeof(f), id), -ENOEXEC);
}

static void longer_id_than_sha1_is_cut_to_what_out_holds(void **state)
{
	(void)state;
	struct made_up f = made_up();
	uint8_t bytes[sizeof(f) + 44];
	char id[41];

	f.id.h.n_descsz = 64;
	f.ph.p_filesz += 44;
	memset(bytes, 0xab, sizeof(bytes));
	memcpy(bytes, &f, sizeof(f));
	assert_int_equal(build_id_of(bytes, sizeof(bytes), id), 0);
	assert_int_equal(strlen(id), 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_build_id_is_that_of_the_own_file),
		cmocka_unit_test(print_names_version_id_abi_and_build_type),
		cmocka_unit_test(foreign_notes_are_passed_over),
		cmocka_unit_test(file_without_an_id_says_so_and_leaves_out_alone),
		cmocka_unit_test(file_cut_at_any_byte_is_refused),
		cmocka_unit_test(hostile_lengths_stay_within_the_file),
		cmocka_unit_test(longer_id_than_sha1_is_cut_to_what_out_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
