/* Files that claim to be shared objects: only a whole one of this machine passes, and the line says what to do. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "elf_check.h"

#define SEGMENTS 2u

/* The smallest file that passes: two segments, the second one up to the last byte. */
struct object {
	Elf64_Ehdr elf;
	Elf64_Phdr segment[SEGMENTS];
	char bytes[64];
};

static char why[200];

static struct object sound(void)
{
	struct object o = {
		.elf = { .e_type = ET_DYN,
			 .e_machine = EM_X86_64,
			 .e_phoff = offsetof(struct object, segment),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = SEGMENTS },
		.segment = { { .p_filesz = 64 },
			     { .p_offset = offsetof(struct object, bytes), .p_filesz = sizeof(o.bytes) } },
	};

	memcpy(o.elf.e_ident, ELFMAG, SELFMAG);
	o.elf.e_ident[EI_CLASS] = ELFCLASS64;
	o.elf.e_ident[EI_DATA] = ELFDATA2LSB;
	return o;
}

static int check(const struct object *o, size_t len)
{
	int fd = memfd_create("object", MFD_CLOEXEC), rc;

	assert_int_equal(write(fd, o, len), len);
	why[0] = 0;
	rc = elf_check(fd, why, sizeof(why));
	close(fd);
	return rc;
}

static void refused(const struct object *o, size_t len, const char *words)
{
	assert_int_equal(check(o, len), -ENOEXEC);
	if (!strstr(why, words))
		fail_msg("'%s' does not say '%s'", why, words);
	assert_null(strchr(why, '\n'));
}

static void a_whole_shared_object_passes(void **state)
{
	struct object o = sound();

	(void)state;
	assert_int_equal(check(&o, sizeof(o)), 0);
	assert_string_equal(why, "");
}

static void every_cut_is_refused(void **state)
{
	struct object o = sound();

	(void)state;
	for (size_t len = 0; len < sizeof(o); len++)
		refused(&o, len, len < sizeof(o.elf) ? "-shared" : "ends too early");
}

static void a_header_that_is_not_ours_says_what_to_build(void **state)
{
	struct object o;

	(void)state;
#define spoilt(field, value, words) \
	do { \
		o = sound(); \
		o.field = (value); \
		refused(&o, sizeof(o), words); \
	} while (0)
	spoilt(elf.e_ident[0], 0, "-shared -fPIC");
	spoilt(elf.e_ident[3], 'E', "-shared -fPIC");
	spoilt(elf.e_ident[EI_CLASS], ELFCLASS32, "x86-64");
	spoilt(elf.e_ident[EI_DATA], ELFDATA2MSB, "x86-64");
	spoilt(elf.e_machine, EM_AARCH64, "x86-64");
	spoilt(elf.e_type, ET_REL, "link it with -shared");
	spoilt(elf.e_type, ET_EXEC, "link it with -shared");
}

/* Numbers that would make a reader look outside the file, or wrap around on the way there. */
static void program_headers_beyond_the_file_are_refused(void **state)
{
	struct object o;

	(void)state;
	spoilt(elf.e_phnum, 0, "ends too early");
	spoilt(elf.e_phnum, 5, "ends too early");
	spoilt(elf.e_phnum, UINT16_MAX, "ends too early");
	spoilt(elf.e_phentsize, 1, "ends too early");
	spoilt(elf.e_phoff, sizeof(o), "ends too early");
	spoilt(elf.e_phoff, UINT64_MAX, "ends too early");
	spoilt(segment[1].p_filesz, sizeof(o.bytes) + 1, "ends too early");
	spoilt(segment[1].p_filesz, UINT64_MAX, "ends too early");
	spoilt(segment[1].p_offset, offsetof(struct object, bytes) + 1, "ends too early");
	spoilt(segment[1].p_offset, UINT64_MAX, "ends too early");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_shared_object_passes),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(a_header_that_is_not_ours_says_what_to_build),
		cmocka_unit_test(program_headers_beyond_the_file_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
