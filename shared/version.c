/* Version, build type and GNU build id: of the running program from its own notes, of a file from its bytes. */
#define _GNU_SOURCE /* dl_iterate_phdr */
#include "version.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"

#define ID_BYTES      20u
#define NOTES_AT_MOST 65536u /* bytes of one note segment that are read */
#define PHDRS_AT_MOST 128u

#ifndef BATON_BUILD_TYPE
#ifdef __OPTIMIZE__
#define BATON_BUILD_TYPE "release" /* built by hand; the Makefile says which it is */
#else
#define BATON_BUILD_TYPE "debug"
#endif
#endif

const char *version_build_type(void) { return BATON_BUILD_TYPE; }

/* Looks for the build id among the notes in data. Every length is checked against what is left: the bytes may be those
 * of a file somebody made up. Returns true and the id as hex. */
static bool find_build_id(const uint8_t *data, size_t len, size_t align, char out[41])
{
	size_t at = 0;

	while (len - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		memcpy(&note, data + at, sizeof(note));
		at += sizeof(note);
		/* 64-bit sums of two 32-bit numbers: no overflow */
		uint64_t name_end = (uint64_t)note.n_namesz;
		uint64_t desc_at = (name_end + align - 1) & ~(uint64_t)(align - 1);
		uint64_t next = (desc_at + note.n_descsz + align - 1) & ~(uint64_t)(align - 1);
		if (desc_at + note.n_descsz > len - at)
			return false;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && note.n_descsz > 0 &&
		    memcmp(data + at, "GNU", 4) == 0) {
			for (uint32_t i = 0; i < note.n_descsz && i < ID_BYTES; i++)
				snprintf(out + 2 * i, 3, "%02x", data[at + desc_at + i]);
			return true;
		}
		if (next > len - at)
			return false;
		at += next;
	}
	return false;
}

static int own_notes(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		if (ph->p_type == PT_NOTE &&
		    find_build_id((const uint8_t *)(uintptr_t)(info->dlpi_addr + ph->p_vaddr), ph->p_memsz,
				  ph->p_align == 8 ? 8 : 4, arg))
			break;
	}
	return 1; /* the first object is the program itself: look no further */
}

const char *version_build_id(void)
{
	static char id[41]; /* always the same bytes: two threads may write them at once */

	if (id[0] == 0)
		dl_iterate_phdr(own_notes, id);
	return id;
}

/* Reads exactly len bytes. Returns 0, -ENOEXEC at the end of the file, or -errno. */
static int read_at(int fd, void *to, size_t len, uint64_t offset)
{
	size_t got = 0;

	if (offset > INT64_MAX - len)
		return -ENOEXEC;
	while (got < len) {
		ssize_t n = pread(fd, (uint8_t *)to + got, len - got, (off_t)(offset + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENOEXEC;
		got += (size_t)n;
	}
	return 0;
}

int version_file_build_id(int fd, char out[41])
{
	uint8_t notes[NOTES_AT_MOST];
	Elf64_Phdr ph[PHDRS_AT_MOST];
	char id[41] = "";
	Elf64_Ehdr eh;

	int rc = read_at(fd, &eh, sizeof(eh), 0);
	if (rc != 0)
		return rc;
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB || eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phnum > PHDRS_AT_MOST)
		return -ENOEXEC;
	rc = read_at(fd, ph, eh.e_phnum * sizeof(ph[0]), eh.e_phoff);
	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		if (ph[i].p_type != PT_NOTE)
			continue;
		size_t len = ph[i].p_filesz < sizeof(notes) ? (size_t)ph[i].p_filesz : sizeof(notes);
		rc = read_at(fd, notes, len, ph[i].p_offset);
		if (rc != 0)
			return rc;
		if (find_build_id(notes, len, ph[i].p_align == 8 ? 8 : 4, id)) {
			memcpy(out, id, sizeof(id));
			return 0;
		}
	}
	return -ENOENT;
}

void version_print(const char *program)
{
	const char *id = version_build_id();

	printf("%s %s\nbuild id:   %s\nABI:        %u\nbuild type: %s\n", program, BATON_VERSION,
	       id[0] != 0 ? id : "none", BATON_ABI, version_build_type());
}
