/* ELF by bounds-checked copies of its structures: any file may call itself a plugin. */
#define _GNU_SOURCE
#include "plugin_elf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_check.h"
#include "refuse.h"
#include "version.h"

#define HEADERS_MOST 4096u

static bool get(const struct plugin_elf *e, uint64_t at, void *out, size_t bytes)
{
	if (at > e->size || bytes > e->size - at)
		return false;
	memcpy(out, e->image + at, bytes);
	return true;
}

/* A string within [at, at + bytes) of the image. */
static const char *text_at(const struct plugin_elf *e, uint64_t at, uint64_t bytes, uint64_t offset)
{
	if (at > e->size || bytes > e->size - at || offset >= bytes ||
	    memchr(e->image + at + offset, 0, bytes - offset) == NULL)
		return "";
	return (const char *)e->image + at + offset;
}

static bool program_header(const struct plugin_elf *e, uint32_t i, Elf64_Phdr *out)
{
	Elf64_Ehdr header;

	return get(e, 0, &header, sizeof(header)) && i < header.e_phnum && header.e_phentsize == sizeof(*out) &&
	       get(e, header.e_phoff + (uint64_t)i * sizeof(*out), out, sizeof(*out));
}

static bool section_header(const struct plugin_elf *e, uint32_t i, Elf64_Shdr *out)
{
	Elf64_Ehdr header;

	return get(e, 0, &header, sizeof(header)) && i < header.e_shnum && i < HEADERS_MOST &&
	       header.e_shentsize == sizeof(*out) &&
	       get(e, header.e_shoff + (uint64_t)i * sizeof(*out), out, sizeof(*out));
}

/* Where in the file an address stands; the size of the file if nowhere. */
static uint64_t offset_of(const struct plugin_elf *e, uint64_t address)
{
	Elf64_Phdr p;

	for (uint32_t i = 0; program_header(e, i, &p); i++)
		if (p.p_type == PT_LOAD && address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz &&
		    p.p_offset <= e->size)
			return p.p_offset + (address - p.p_vaddr);
	return e->size;
}

/* ---- sections: names of those that only debuggers read, and how many symbols there are ---- */

static void read_sections(struct plugin_elf *e)
{
	Elf64_Ehdr header;
	Elf64_Shdr names, s;

	if (!get(e, 0, &header, sizeof(header)) || !section_header(e, header.e_shstrndx, &names))
		return;
	for (uint32_t i = 0; section_header(e, i, &s); i++) {
		const char *name = text_at(e, names.sh_offset, names.sh_size, s.sh_name);

		e->debug_info |= strcmp(name, ".debug_info") == 0 || strcmp(name, ".zdebug_info") == 0 ||
				 strcmp(name, ".gnu_debuglink") == 0;
		if (s.sh_type == SHT_DYNSYM)
			e->symbols = s.sh_size / sizeof(Elf64_Sym);
	}
}

/* ---- the dynamic section ---- */

struct dynamic {
	uint64_t symbols, strings, strings_bytes;
	uint64_t needed[PLUGIN_ELF_NEEDED]; /* offsets of names */
};

static void read_entry(struct plugin_elf *e, const Elf64_Dyn *d, struct dynamic *found)
{
	switch (d->d_tag) {
	case DT_SYMTAB: found->symbols = d->d_un.d_ptr; break;
	case DT_STRTAB: found->strings = d->d_un.d_ptr; break;
	case DT_STRSZ: found->strings_bytes = d->d_un.d_val; break;
	case DT_TEXTREL: e->text_relocations = true; break;
	case DT_FLAGS: e->text_relocations |= (d->d_un.d_val & DF_TEXTREL) != 0; break;
	case DT_NEEDED:
		if (e->needed_count < PLUGIN_ELF_NEEDED)
			found->needed[e->needed_count++] = d->d_un.d_val;
		break;
	default: break;
	}
}

static void read_dynamic(struct plugin_elf *e, const Elf64_Phdr *p)
{
	struct dynamic found = {.symbols = 0};
	Elf64_Dyn d;

	for (uint64_t at = 0; at + sizeof(d) <= p->p_filesz && get(e, p->p_offset + at, &d, sizeof(d)) &&
			      d.d_tag != DT_NULL; at += sizeof(d))
		read_entry(e, &d, &found);
	e->strings_at = offset_of(e, found.strings);
	e->strings_bytes = found.strings_bytes <= e->size - e->strings_at ? found.strings_bytes : 0;
	e->symbols_at = offset_of(e, found.symbols);
	/* Without section headers nothing says how many there are; linkers put the strings behind them. */
	if (e->symbols == 0 && e->strings_at > e->symbols_at)
		e->symbols = (e->strings_at - e->symbols_at) / sizeof(Elf64_Sym);
	for (uint32_t i = 0; i < e->needed_count; i++)
		e->needed[i] = text_at(e, e->strings_at, e->strings_bytes, found.needed[i]);
}

/* ---- the whole ---- */

static int read_file(struct plugin_elf *e, int fd, char *why, size_t bytes)
{
	struct stat status;
	size_t at = 0;

	if (fstat(fd, &status) != 0)
		return refuse(errno, why, bytes, "cannot be looked at: %s", strerror(errno));
	if (status.st_size > (off_t)PLUGIN_ELF_MOST)
		return refuse(EFBIG, why, bytes, "has %lld bytes, %u are the most", (long long)status.st_size,
			      PLUGIN_ELF_MOST);
	e->size = (size_t)status.st_size;
	e->image = malloc(e->size + 1);
	if (e->image == NULL)
		return refuse(ENOMEM, why, bytes, "no memory for its %zu bytes", e->size);
	while (at < e->size) {
		ssize_t n = pread(fd, e->image + at, e->size - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return refuse(ESTALE, why, bytes, "shrank or could not be read: try again when it is complete");
		at += (size_t)n;
	}
	return 0;
}

int plugin_elf_read(struct plugin_elf *e, int fd, char *why, size_t bytes)
{
	Elf64_Phdr p;

	*e = (struct plugin_elf){.image = NULL, .executable_stack = true};
	int rc = elf_check(fd, why, bytes);
	if (rc == 0)
		rc = read_file(e, fd, why, bytes);
	if (rc != 0) {
		plugin_elf_free(e);
		return rc;
	}
	(void)version_file_build_id(fd, e->build_id);
	read_sections(e);
	for (uint32_t i = 0; program_header(e, i, &p); i++) {
		if (p.p_type == PT_DYNAMIC)
			read_dynamic(e, &p);
		if (p.p_type == PT_GNU_STACK) /* without one the loader makes stacks executable */
			e->executable_stack = (p.p_flags & PF_X) != 0;
	}
	return 0;
}

void plugin_elf_free(struct plugin_elf *e)
{
	free(e->image);
	e->image = NULL;
	e->size = 0;
}

const char *plugin_elf_symbol(const struct plugin_elf *e, size_t at, Elf64_Sym *symbol)
{
	if (at >= e->symbols || !get(e, e->symbols_at + (uint64_t)at * sizeof(*symbol), symbol, sizeof(*symbol)))
		return NULL;
	return text_at(e, e->strings_at, e->strings_bytes, symbol->st_name);
}

bool plugin_elf_defines(const struct plugin_elf *e, const char *name)
{
	const char *found;
	Elf64_Sym symbol;

	for (size_t i = 1; (found = plugin_elf_symbol(e, i, &symbol)) != NULL; i++)
		if (symbol.st_shndx != SHN_UNDEF && ELF64_ST_BIND(symbol.st_info) != STB_LOCAL &&
		    strcmp(found, name) == 0)
			return true;
	return false;
}
