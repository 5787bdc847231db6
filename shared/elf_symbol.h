/* Addresses in a shared object to functions, by its symbol table. */
#ifndef BATON_SHARED_ELF_SYMBOL_H
#define BATON_SHARED_ELF_SYMBOL_H

#include <stdint.h>

struct elf_place {
	uint64_t address; /* in: as the file counts, without what it was shifted by when loaded */
	char name[96];    /* out: of the function, printable, cut; empty: none is there */
	uint64_t offset;  /* out: from the function's start */
};

/* Reads the file open as `fd`, whose bytes may be anybody's, once for all `count` places: .symtab, or .dynsym if it has
 * been stripped. Allocates nothing. Returns 0, -ENOEXEC (no ELF file of this machine, or a damaged one: places found so
 * far stay) or -ENOENT (it has no symbols). */
int elf_functions(int fd, struct elf_place *place, uint32_t count);

#endif
