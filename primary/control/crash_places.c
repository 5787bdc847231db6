/* Where a worker was, told by functions: of the plugin by the sealed copy that it ran, of libraries by what we have
 * loaded ourselves. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash_places.h"
#include "reply.h"
#include "zygote_client.h"

static uint32_t module_of(const struct crash_note *note, uint64_t address)
{
	for (uint32_t i = 0; i < note->modules; i++)
		if (address >= note->module[i].start && address < note->module[i].end)
			return i;
	return CRASH_NO_MODULE;
}

static int is_path(struct dl_phdr_info *info, size_t bytes, void *arg)
{
	(void)bytes;
	return info->dlpi_name[0] == '/' && strcmp(info->dlpi_name, arg) == 0;
}

/* The worker named it, so it may be any: only what we have loaded ourselves, and the zygote, is opened. */
static int open_module(const char *path)
{
	char zygote[PATH_MAX], real[PATH_MAX];
	bool known = dl_iterate_phdr(is_path, (void *)(uintptr_t)path) != 0;

	if (!known && zygote_find(zygote, sizeof(zygote)) == 0 && realpath(zygote, real) != NULL)
		known = strcmp(real, path) == 0;
	return known ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
}

/* All places of one module, by one look at its symbols. */
static void resolve_in(const struct crash *crash, struct crash_places *places, uint32_t module)
{
	struct elf_place some[1 + CRASH_FRAMES];
	uint32_t which[1 + CRASH_FRAMES], count = 0;
	int fd = module == CRASH_PLUGIN ? crash->image : open_module(crash->note.module[module].path);

	for (uint32_t i = 0; i < places->count; i++)
		if (places->module[i] == module) {
			some[count].address = places->in[i].address;
			which[count++] = i;
		}
	if (fd < 0)
		return;
	elf_functions(fd, some, count); /* what cannot be found has no name */
	for (uint32_t i = 0; i < count; i++)
		places->in[which[i]] = some[i];
	if (fd != crash->image)
		close(fd);
}

void crash_places_resolve(const struct crash *crash, struct crash_places *places)
{
	const struct crash_note *note = &crash->note;

	*places = (struct crash_places){.count = 1 + note->frames, .address = {note->ip}};
	memcpy(places->address + 1, note->frame, note->frames * sizeof(note->frame[0]));
	for (uint32_t i = 0; i < places->count; i++) {
		/* a return address belongs to the call in front of it, which may be its function's last instruction */
		uint64_t address = places->address[i] - (i > 0);

		places->module[i] = module_of(note, address);
		if (places->module[i] != CRASH_NO_MODULE)
			places->in[i].address = address - note->module[places->module[i]].base;
	}
	for (uint32_t m = 0; m < note->modules; m++)
		for (uint32_t i = 0; i < places->count; i++)
			if (places->module[i] == m) {
				resolve_in(crash, places, m);
				break;
			}
}

static const char *module_path(const struct crash *crash, uint32_t module)
{
	return module == CRASH_PLUGIN ? crash->path : crash->note.module[module].path;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void crash_place_text(const struct crash *crash, const struct crash_places *places, uint32_t i, char *text,
		      size_t bytes)
{
	const struct elf_place *in = &places->in[i];

	if (places->module[i] == CRASH_NO_MODULE)
		snprintf(text, bytes, "0x%llx", (unsigned long long)places->address[i]);
	else if (in->name[0])
		snprintf(text, bytes, "%s+0x%llx", in->name, (unsigned long long)in->offset);
	else
		snprintf(text, bytes, "%.100s+0x%llx", file_name(module_path(crash, places->module[i])),
			 (unsigned long long)in->address);
}

json_t *crash_place_json(const struct crash *crash, const struct crash_places *places, uint32_t i)
{
	const struct elf_place *in = &places->in[i];
	json_t *o = json_object();
	char text[32];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)places->address[i]);
	reply_set_text(o, "address", text);
	if (places->module[i] == CRASH_NO_MODULE)
		return o;
	reply_set_text(o, "module", file_name(module_path(crash, places->module[i])));
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)in->address);
	reply_set_text(o, "file_address", text);
	if (in->name[0]) {
		reply_set_text(o, "function", in->name);
		reply_set_count(o, "offset", in->offset);
	}
	return o;
}
