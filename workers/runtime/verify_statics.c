/* Variables of a plugin: found by the program headers of its object, copied and compared. */
#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "verify_parts.h"

#define PAGE_MASK 4095u

struct search {
	struct statics *found;
	uintptr_t descriptor;
	size_t total;
};

static void add_range(struct search *search, uintptr_t from, uintptr_t to, uintptr_t base)
{
	struct statics *s = search->found;

	if (from >= to || s->ranges == STATICS_RANGES || search->total == STATICS_MOST)
		return;
	size_t most = STATICS_MOST - search->total, bytes = to - from < most ? to - from : most;
	s->range[s->ranges++] = (struct static_range){(uint8_t *)from, bytes, from - base};
	search->total += bytes;
}

/* The dynamic loader makes the part named by PT_GNU_RELRO read-only once it has been relocated, in whole pages. */
static int look(struct dl_phdr_info *info, size_t bytes, void *arg)
{
	struct search *search = arg;
	uintptr_t relro = 0, relro_end = 0;
	bool here = false;

	(void)bytes;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + p->p_vaddr;

		here |= p->p_type == PT_LOAD && search->descriptor >= at && search->descriptor < at + p->p_memsz;
		if (p->p_type == PT_GNU_RELRO) {
			relro = at & ~(uintptr_t)PAGE_MASK;
			relro_end = (at + p->p_memsz) & ~(uintptr_t)PAGE_MASK;
		}
	}
	if (!here)
		return 0;
	for (int i = 0; i < info->dlpi_phnum && info->dlpi_name[0] != 0; i++) { /* the program itself has no name */
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + p->p_vaddr, end = at + p->p_memsz;

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_W))
			continue;
		add_range(search, at, end < relro ? end : at < relro ? relro : at, info->dlpi_addr);
		add_range(search, at > relro_end ? at : relro_end, end, info->dlpi_addr);
	}
	return 1;
}

int statics_watch(struct statics *s, const struct baton_plugin *plugin)
{
	struct search search = {.found = s, .descriptor = (uintptr_t)plugin};

	s->ranges = 0;
	dl_iterate_phdr(look, &search);
	s->copy = malloc(search.total + 1);
	return s->copy != NULL ? 0 : -ENOMEM;
}

void statics_release(struct statics *s)
{
	free(s->copy);
	s->copy = NULL;
}

void statics_copy(struct statics *s)
{
	uint8_t *to = s->copy;

	for (uint32_t i = 0; to != NULL && i < s->ranges; i++) {
		memcpy(to, s->range[i].at, s->range[i].bytes);
		to += s->range[i].bytes;
	}
}

int64_t statics_changed(const struct statics *s, uint8_t *was, uint8_t *is)
{
	const uint8_t *copy = s->copy;

	for (uint32_t i = 0; copy != NULL && i < s->ranges; i++) {
		const struct static_range *range = &s->range[i];

		for (size_t at = 0; memcmp(copy, range->at, range->bytes) != 0 && at < range->bytes; at++)
			if (copy[at] != range->at[at]) {
				*was = copy[at];
				*is = range->at[at];
				return (int64_t)(range->offset + at);
			}
		copy += range->bytes;
	}
	return -1;
}
