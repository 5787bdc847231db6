/* Addresses of a crash note as functions of the plugin and of libraries. */
#ifndef BATON_PRIMARY_CRASH_PLACES_H
#define BATON_PRIMARY_CRASH_PLACES_H

#include "crash_record.h"
#include "elf_symbol.h"

#define CRASH_NO_MODULE UINT32_MAX
#define CRASH_PLUGIN    0u /* its number among the note's modules */

/* The fault itself first, then the return addresses. */
struct crash_places {
	uint32_t count;
	uint64_t address[1 + CRASH_FRAMES];
	uint32_t module[1 + CRASH_FRAMES]; /* of the note, CRASH_NO_MODULE: nothing is loaded there */
	struct elf_place in[1 + CRASH_FRAMES];
};

/* Reads the symbols of each file that is named, once. */
void crash_places_resolve(const struct crash *crash, struct crash_places *places);
/* "wild_packet+0x41", or "game.so+0x1234" of a function without a name. */
void crash_place_text(const struct crash *crash, const struct crash_places *places, uint32_t i, char *text,
		      size_t bytes);
json_t *crash_place_json(const struct crash *crash, const struct crash_places *places, uint32_t i);

#endif
