/* The state file as workers and damage leave it: control blocks, journals, bucket words, records, headers. An input is a
 * list of what stands where:
 *
 *   'c' slot at[4] n bytes    in the control block of a slot    'j' at[4] n bytes   in the journal's records of slot 1
 *   'u' used[4]               its count of bytes                'f' belt[4] first[8]   its header
 *   's' bucket at[2] len      an undo record as an honest worker saves it, with noise in the record afterwards
 *   'k' bucket noise      a bucket word, likewise              'q'   what was saved is undone by the worker itself
 *   'r' at[4] n bytes         in the records of slot 1's group  'w' at[2] n bytes   in its bucket words
 *   'h' at[4] n bytes         in the header                     'd' done[8]         slot 1's commit word
 *
 * A roll back must leave every other group as it was, and every journal empty; a header must be refused or be one that
 * everything behind it can be found by; who verifies must come to an end, and find nothing after honest steps alone. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "shared/state_open.c"
#include "state_verify.h"

#define SLOTS   2u
#define BELTS   2u
#define OWN     1u /* group of slot 1 */
#define BUCKETS 4u
#define HEADER  offsetof(struct state_header, restore.undo) /* what is behind is read by none of this */
#define NOISY   8192u                                       /* first bytes of journal records that an input may write to */

#define must(condition) ((condition) ? (void)0 : broken(__LINE__, #condition))
static void broken(int line, const char *what)
{
	printf("fuzz_state.c:%d: not so: %s\n", line, what);
	fflush(stdout);
	abort();
}

/* Each refusal is a line: nobody reads them here. */
void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

static struct state_group groups[2];
static struct state state;
static struct state_header sound;
static uint64_t bytes_of_file;
static struct baton_ctx ctx;
static bool honest, words_saved; /* so far */
static uint32_t journal_dirty = JOURNAL_BYTES; /* first bytes of slot 1's records that may not be zero */
static uint32_t most_used;                     /* of it by the input */

static void make(void)
{
	state_group_init(&groups[0], "other", BUCKETS, 48, 16, 1);
	state_group_init(&groups[OWN], "own", BUCKETS, 40, 16, 1);
	bytes_of_file = state_layout(groups, 2, SLOTS);
	state.base = mmap(NULL, bytes_of_file, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(state.base != MAP_FAILED);
	state.header = (struct state_header *)(void *)state.base;
	state.fd = -1;
	const struct wanted wanted = {"fuzz", groups, 2, SLOTS, BELTS, bytes_of_file};
	write_header(&state, &wanted, 0xfeed);
	sound = *state.header;
}

/* As it is before any worker: all that an input may change. */
static void reset(void)
{
	memcpy(state.header, &sound, HEADER);
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		memset(state_control(&state, slot), 0,
		       offsetof(struct control_block, journal.records) + (slot == 1 ? journal_dirty : NOISY));
		state_slot_begin(&state, slot, slot == 1 ? OWN : 0);
	}
	memset(state_words(&state, OWN), 0, BUCKETS * sizeof(struct bucket_word));
	memset(state_records(&state, OWN), 0, groups[OWN].records_bytes);
	memset(state_words(&state, 0), 0x11, BUCKETS * sizeof(struct bucket_word));
	memset(state_records(&state, 0), 0x22, groups[0].records_bytes);
	state_bind(&state, 1, OWN, &ctx);
	journal_open(&state_control(&state, 1)->journal, &ctx, 0, 0);
	ctx.limit = 65536;
	most_used = 0;
	honest = true;
	words_saved = false;
}

static bool is_all(const void *at, uint8_t value, uint64_t bytes)
{
	const uint8_t *b = at;

	return bytes == 0 || (b[0] == value && memcmp(b, b + 1, bytes - 1) == 0);
}

static void note_used(void)
{
	most_used = ctx.used > most_used ? ctx.used : most_used;
}

static void save(uint32_t bucket, uint32_t at, uint32_t len, uint8_t noise)
{
	ctx.bucket = bucket % BUCKETS;
	uint8_t *to = ctx.records + ctx.bucket * ctx.bucket_bytes + at % ctx.bucket_bytes;
	uint64_t in = (uint64_t)(to - ctx.records) & (ctx.stride - 1);

	if (in < sizeof(struct baton_record) || in + len > sizeof(struct baton_record) + ctx.record_size ||
	    !baton_save(&ctx, to, len))
		return;
	note_used();
	memset(to, noise, len);
}

static void save_word(uint32_t bucket, uint8_t noise)
{
	struct bucket_word *words = state_words(&state, OWN), *word = &words[bucket % BUCKETS];

	if (ctx.used + journal_cost(sizeof(*word)) > ctx.limit)
		return;
	journal_save_word(&ctx, words, word, sizeof(*word));
	note_used();
	memset(word, noise, sizeof(*word));
	words_saved = true;
}

static void check_header_of(const uint8_t *noise, uint64_t at, size_t n)
{
	static struct state_header header; /* 0 behind HEADER */
	struct state_group asked[2] = {groups[0], groups[1]}; /* takes over what fits of the file's */
	struct wanted wanted = {"fuzz", asked, 2, SLOTS, BELTS, bytes_of_file};
	char why[200];

	memcpy(&header, &sound, HEADER);
	at %= offsetof(struct state_header, group) + 2 * sizeof(header.group[0]) - n; /* what is used of it */
	memcpy((uint8_t *)&header + at, noise, n);
	if (n >= 8 && noise[0] & 1) /* so that what is behind the hash is looked at, too */
		header.layout_hash = state_layout_hash(header.slots, header.belts, header.group,
						       header.groups <= BATON_MAX_GROUPS ? header.groups : 0);
	if (state_verify_header(&header, bytes_of_file, why, sizeof(why)) == 0)
		for (uint32_t i = 0; i < header.groups; i++)
			must(header.group[i].records_at + header.group[i].records_bytes <= bytes_of_file &&
			     header.group[i].words_at + header.group[i].buckets * sizeof(struct bucket_word) <= bytes_of_file &&
			     (uint64_t)header.group[i].buckets * header.group[i].bucket_slots * header.group[i].stride ==
				     (header.group[i].record_size == 0 ? 0 : header.group[i].records_bytes));
	if (check_header(&header, bytes_of_file, &wanted) == 0)
		must(header.group[0].stride == asked[0].stride && header.group[OWN].stride == asked[OWN].stride &&
		     header.group[OWN].records_at == asked[OWN].records_at && header.bytes == bytes_of_file &&
		     (uint64_t)BUCKETS * asked[OWN].bucket_slots * asked[OWN].stride == asked[OWN].records_bytes &&
		     asked[OWN].records_at + asked[OWN].records_bytes <= bytes_of_file);
	(void)unfinished(&header);
}

/* Carries out what stands at the beginning. Returns how much that was. */
static size_t act(const uint8_t *data, size_t bytes)
{
	struct control_block *control = state_control(&state, data[1 < bytes] % SLOTS);
	struct journal *journal = &state_control(&state, 1)->journal;
	uint64_t at = 0;
	size_t n = 0;

	if (bytes < 14)
		return bytes;
	memcpy(&at, data + 2, 4);
	n = data[6] % 64;
	if (n > bytes - 7)
		n = bytes - 7;
	const uint8_t *noise = data + 7;
	if (strchr("skq", data[0]) == NULL || data[0] == 0)
		honest = false;
	switch (data[0]) {
	case 'c': memcpy((uint8_t *)control + at % (offsetof(struct control_block, journal) + 4096 - 64), noise, n); return 7 + n;
	case 'j': memcpy(journal->records + at % (NOISY - 64), noise, n); return 7 + n;
	case 'u': atomic_store(&journal->used, (uint32_t)at); return 6;
	case 'f': journal->belt = (uint32_t)at; memcpy(&journal->first, data + 6, 8); return 14;
	case 'd': memcpy(&at, data + 2, 8); atomic_store(&state_control(&state, 1)->commit[0].done, at); return 10;
	case 'k': save_word(data[1], data[2]); return 3;
	case 'q':
		if (honest && !words_saved)
			journal_undo_to(&ctx, 0);
		return 1;
	case 's': save(data[1], (uint32_t)at, n, data[7]); return 8;
	case 'r': memcpy(state_records(&state, OWN) + at % (groups[OWN].records_bytes - 64), noise, n); return 7 + n;
	case 'w': memcpy((uint8_t *)state_words(&state, OWN) + at % (BUCKETS * sizeof(struct bucket_word) - n), noise, n); return 7 + n;
	case 'h': check_header_of(noise, at, n); return 7 + n;
	default: return 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct journal_report report;
	struct state_verify v = {.found = NULL};

	if (state.base == NULL)
		make();
	reset();
	for (size_t at = 0; at < bytes;)
		at += act(data + at, bytes - at);
	journal_dirty = most_used > NOISY ? most_used : NOISY;
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		int rc = state_roll_back(&state, slot, &report);

		must(!honest || rc == 0);
		must(atomic_load(&state_control(&state, slot)->journal.used) == 0);
		/* again: nothing more to undo */
		must(state_roll_back(&state, slot, &report) == 0 && report.undone == 0);
	}
	must(is_all(state_words(&state, 0), 0x11, BUCKETS * sizeof(struct bucket_word)));
	must(is_all(state_records(&state, 0), 0x22, groups[0].records_bytes));
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		state_control_mend(&state, slot);
	(void)state_last_tick(&state, OWN);
	for (uint32_t bucket = 0; bucket < BUCKETS; bucket++) {
		uint8_t out[64];

		(void)state_read_record(&state, OWN, bucket, bucket, out, sizeof(out));
	}
	if (honest) {
		const uint8_t *records = state_records(&state, OWN);

		must(is_all(state_words(&state, OWN), 0, BUCKETS * sizeof(struct bucket_word)));
		v.live = true; /* nobody writes, so that no bucket is waited for */
		for (uint64_t at = 0; at < groups[OWN].records_bytes; at += groups[OWN].stride)
			must(is_all(records + at + 16, 0, groups[OWN].stride - 16) &&
			     (((const struct baton_record *)(const void *)(records + at))->seq & 1) == 0);
	}
	memset(state_words(&state, 0), 0, BUCKETS * sizeof(struct bucket_word));
	memset(state_records(&state, 0), 0, groups[0].records_bytes);
	must(state_verify(&state, &v) == 0);
	must(!honest || v.findings == 0);
	return 0;
}

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("s\1\120\0\0\0\10\7s\2\120\1\0\0\20\7s\1\130\0\0\0\4\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("s\1\120\0\0\0\10\7s\1\120\0\0\0\20\7d\0\1\0\0\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("k\1\7s\1\120\0\0\0\10\7k\2\11\0\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("s\1\120\0\0\0\10\7qs\1\120\0\0\0\10\7\0\0\0\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("j\0\0\0\0\0\30\20\0\0\0\377\377\377\377\0\0\2\0\0\0\0\0xxxxxxxxf\0\0\0\0\0\1\0\0\0\0\0\0\0u\0\50\0\0\0\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("s\1\120\0\0\0\10\7c\1\20\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0"), /* names the other group */
	FUZZ_SEED("c\1\30\0\0\0\4\0\0\0\0\0\0\0\0\0s\1\120\0\0\0\10\7\0\0\0\0\0\0\0\0"),
	FUZZ_SEED("r\0\100\0\0\0\20\1\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0r\0\0\1\0\0\20\1\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0"),
	FUZZ_SEED("w\0\0\0\0\0\20\377\377\0\0\0\0\0\0\7\0\0\0\0\0\0\0h\0\0\0\0\0\10\1\0\0\0\0\0\0\0"),
	FUZZ_SEED("h\0\70\0\0\0\20\1\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0h\0\10\0\0\0\4\2\0\0\0\0\0\0\0"),
	{NULL, 0},
};
const struct fuzz_seed fuzz_words[] = {
	FUZZ_SEED("s"), FUZZ_SEED("j"), FUZZ_SEED("u"), FUZZ_SEED("f"), FUZZ_SEED("c"), FUZZ_SEED("r"), FUZZ_SEED("w"), FUZZ_SEED("h"),
	FUZZ_SEED("d"), FUZZ_SEED("\377\377\377\377"), FUZZ_SEED("\0\0\0\200\0\0\0\200"), FUZZ_SEED("\0\0\20\0"), FUZZ_SEED("\20\0\0\0"),
	FUZZ_SEED("u\0\50\0\0\0\0\0"), FUZZ_SEED("u\0\30\0\0\0\0\0"), FUZZ_SEED("\40\0\0\0\377\377\377\377"),
	{NULL, 0},
};
const size_t fuzz_longest = 1024;
