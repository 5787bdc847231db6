/* Symbol tables, read with pread in pieces: a file that shrinks meanwhile is a short read, not a bus error. */
#include "elf_symbol.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define SECTIONS_MOST 4096u
#define SYMBOLS_MOST  (1u << 20) /* a table of 24 MiB */
#define PIECE         128u

/* The table that is used, and the strings of its names. */
struct table {
	Elf64_Shdr symbols, strings;
};

static bool read_at(int fd, void *to, size_t bytes, uint64_t at)
{
	return at <= INT64_MAX && pread(fd, to, bytes, (off_t)at) == (ssize_t)bytes;
}

static bool section(int fd, const Elf64_Ehdr *header, uint32_t index, Elf64_Shdr *out)
{
	return index < header->e_shnum &&
	       read_at(fd, out, sizeof(*out), header->e_shoff + (uint64_t)index * sizeof(*out));
}

/* .symtab has the static functions as well, so it goes before .dynsym. */
static int find_table(int fd, struct table *table)
{
	Elf64_Ehdr header;
	Elf64_Shdr found;
	int rc = -ENOENT;

	if (!read_at(fd, &header, sizeof(header), 0) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    header.e_shentsize != sizeof(found) || header.e_shnum > SECTIONS_MOST)
		return -ENOEXEC;
	for (uint32_t i = 0; i < header.e_shnum; i++) {
		if (!section(fd, &header, i, &found))
			return -ENOEXEC;
		if (found.sh_type != SHT_SYMTAB && (found.sh_type != SHT_DYNSYM || rc == 0))
			continue;
		if (found.sh_entsize != sizeof(Elf64_Sym) || !section(fd, &header, found.sh_link, &table->strings))
			return -ENOEXEC;
		table->symbols = found;
		rc = 0;
		if (found.sh_type == SHT_SYMTAB)
			break;
	}
	return rc;
}

static void take_name(int fd, const struct table *table, uint32_t at, char *name, size_t bytes)
{
	uint64_t left = at < table->strings.sh_size ? table->strings.sh_size - at : 0;
	size_t want = left < bytes - 1 ? (size_t)left : bytes - 1;

	name[0] = 0;
	if (want == 0 || !read_at(fd, name, want, table->strings.sh_offset + at))
		return;
	name[want] = 0;
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || (unsigned char)*name >= 127 || *name == '"' || *name == '\\')
			*name = '?';
}

/* The function that starts last before the place, and is long enough. */
static bool is_better(const Elf64_Sym *symbol, const struct elf_place *place)
{
	if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF ||
	    place->address < symbol->st_value || place->address - symbol->st_value >= symbol->st_size)
		return false;
	return place->name[0] == 0 || place->address - symbol->st_value < place->offset;
}

int elf_functions(int fd, struct elf_place *place, uint32_t count)
{
	Elf64_Sym piece[PIECE];
	struct table table;
	int rc = find_table(fd, &table);

	for (uint32_t i = 0; i < count; i++) {
		place[i].name[0] = 0;
		place[i].offset = 0;
	}
	if (rc != 0)
		return rc;
	uint64_t symbols = table.symbols.sh_size / sizeof(piece[0]);
	if (symbols > SYMBOLS_MOST)
		return -ENOEXEC;
	for (uint64_t first = 0; first < symbols; first += PIECE) {
		size_t n = symbols - first < PIECE ? (size_t)(symbols - first) : PIECE;

		if (!read_at(fd, piece, n * sizeof(piece[0]), table.symbols.sh_offset + first * sizeof(piece[0])))
			return -ENOEXEC;
		for (size_t s = 0; s < n; s++)
			for (uint32_t i = 0; i < count; i++)
				if (is_better(&piece[s], &place[i])) {
					place[i].offset = place[i].address - piece[s].st_value;
					take_name(fd, &table, piece[s].st_name, place[i].name, sizeof(place[i].name));
				}
	}
	return 0;
}
