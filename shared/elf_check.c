/* ELF headers of files that somebody wants to be loaded. */
#include "elf_check.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM_HEADERS 64u /* linkers write about ten */

/* The dynamic loader maps what the program headers say, and dies of a bus error where the file ends before that. */
static bool is_whole(int fd, const Elf64_Ehdr *header)
{
	Elf64_Phdr program[PROGRAM_HEADERS];
	size_t size = header->e_phnum * sizeof(program[0]);
	struct stat status;

	if (header->e_phnum == 0 || header->e_phnum > PROGRAM_HEADERS || header->e_phentsize != sizeof(program[0]) ||
	    fstat(fd, &status) != 0 || pread(fd, program, size, (off_t)header->e_phoff) != (ssize_t)size)
		return false;
	for (uint32_t i = 0; i < header->e_phnum; i++)
		if (program[i].p_filesz > (uint64_t)status.st_size ||
		    program[i].p_offset > (uint64_t)status.st_size - program[i].p_filesz)
			return false;
	return true;
}

int elf_check(int fd, char *why, size_t bytes)
{
	const char *wrong = NULL;
	Elf64_Ehdr header;

	if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		wrong = "not a shared object: build it with `cc -shared -fPIC` or by `make`";
	else if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
		 header.e_machine != EM_X86_64)
		wrong = "built for another machine: build it for x86-64";
	else if (header.e_type != ET_DYN)
		wrong = "an ELF file, but not a shared object: link it with -shared";
	else if (!is_whole(fd, &header))
		wrong = "not a whole shared object, it ends too early: was it still being written? Build it again, best "
			"by a rename into place";
	if (wrong == NULL)
		return 0;
	snprintf(why, bytes, "%s", wrong);
	return -ENOEXEC;
}
