/* What a shared object says of itself, read from its bytes: nothing of it is mapped, loaded or believed. */
#ifndef BATON_CTL_PLUGIN_ELF_H
#define BATON_CTL_PLUGIN_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLUGIN_ELF_MOST   (256u << 20) /* bytes of the file */
#define PLUGIN_ELF_NEEDED 32u

struct plugin_elf {
	uint8_t *image; /* a copy of the file */
	size_t size;
	char build_id[41]; /* hex; "" if it has none */
	bool text_relocations, executable_stack, debug_info;
	const char *needed[PLUGIN_ELF_NEEDED]; /* libraries, in the image */
	uint32_t needed_count;
	/* dynamic symbols, in the image; may be unaligned */
	size_t symbols_at, symbols;
	size_t strings_at, strings_bytes;
};

/* Reads the file open as `fd`. Returns 0, or -errno with one line in `why` that does not name the file. */
int plugin_elf_read(struct plugin_elf *e, int fd, char *why, size_t bytes);
void plugin_elf_free(struct plugin_elf *e);

/* Name of dynamic symbol `at`, NULL at the end; "" if it cannot be read. */
const char *plugin_elf_symbol(const struct plugin_elf *e, size_t at, Elf64_Sym *symbol);
/* True if it defines the name for others. */
bool plugin_elf_defines(const struct plugin_elf *e, const char *name);

#endif
