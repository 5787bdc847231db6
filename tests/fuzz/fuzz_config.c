/* The configuration loader: any bytes give errors with a place, or a configuration that can be run, and never both. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sanitizer/asan_interface.h>

#include "config.h"
#include "fuzz.h"

#define ERRORS_MOST 21 /* and a line that there are more */

#define must(condition) ((condition) ? (void)0 : broken(__LINE__, #condition))
static void broken(int line, const char *what)
{
	printf("fuzz_config.c:%d: not so: %s\n", line, what);
	fflush(stdout);
	abort();
}

/* At most; to YAML also what ends with a carriage return, U+0085, U+2028 or U+2029 is a line. */
static uint32_t lines_of(const char *text, size_t bytes)
{
	uint32_t lines = 1;

	for (size_t i = 0; i < bytes; i++)
		lines += text[i] == '\n' || text[i] == '\r' || text[i] == '\x85' || text[i] == '\xa8' || text[i] == '\xa9';
	return lines;
}

/* "fuzz:LINE:COLUMN: error: ", a place in the file, and one line each of text that a terminal bears. */
static void errors_are_told(const char *errors, size_t bytes, uint32_t lines)
{
	uint32_t told = 0;

	for (const char *at = errors; at < errors + bytes; told++) {
		const char *end = memchr(at, '\n', (size_t)(errors + bytes - at));
		unsigned line, column;
		int rest = 0;

		must(end != NULL);
		for (const char *c = at; c < end; c++)
			must((unsigned char)*c >= 0x20 && *c != 0x7f);
		if (sscanf(at, "fuzz:%u:%u: error: %n", &line, &column, &rest) == 2 && rest > 0)
			must(line >= 1 && line <= lines + 1 && column >= 1 && at + rest < end);
		else
			must(strncmp(at, "fuzz: errors ", 13) == 0 || strncmp(at, "fuzz: ", 6) == 0);
		at = end + 1;
	}
	must(told >= 1 && told <= ERRORS_MOST + 1);
}

/* What the primary takes for granted. */
static void can_be_run(const struct config *c)
{
	uint32_t workers = 0, standby = 0;

	must(c->ports >= 1 && c->services >= 1 && c->groups >= 1 && c->io_cores >= 1 && c->io_cores <= BATON_MAX_IO_LCORES);
	must(c->groups <= BATON_MAX_GROUPS && c->worker_slots <= BATON_MAX_WORKERS);
	for (uint32_t g = 0; g < c->groups; g++) {
		const struct config_group *group = &c->group[g];

		must(group->name[0] != '\0' && group->plugin[0] != '\0');
		workers += group->count;
		standby += group->standby;
		for (uint32_t other = 0; other < g; other++)
			must(strcmp(group->name, c->group[other].name) != 0);
	}
	must(workers + standby + 1 <= c->worker_slots);
	for (uint32_t s = 0; s < c->services; s++) {
		must(c->service[s].group_index < c->groups && c->service[s].udp_port != 0);
		must(c->service[s].buckets != 0 && (c->service[s].buckets & (c->service[s].buckets - 1)) == 0);
		for (uint32_t other = 0; other < s; other++)
			must(c->service[s].group_index != c->service[other].group_index);
	}
	for (uint32_t r = 0; r < c->rollouts; r++) {
		uint32_t weight = 0;

		for (uint32_t i = 0; i < c->rollout[r].steps; i++) {
			if (c->rollout[r].step[i].kind != STEP_WEIGHT)
				continue;
			must((weight == 0 || c->rollout[r].step[i].permille > weight) && c->rollout[r].step[i].permille <= 1000);
			weight = c->rollout[r].step[i].permille;
		}
	}
}

/* The loader keeps a whole configuration, a quarter of a megabyte, which the sanitizer's allocator would map and unmap for
 * every input, page by page. It gets the same memory again, poisoned in between and zero when it comes. */
void *__real_calloc(size_t count, size_t bytes);
void __real_free(void *memory);
void *__wrap_calloc(size_t count, size_t bytes);
void __wrap_free(void *memory);
static void *kept;
static bool kept_is_used;

void *__wrap_calloc(size_t count, size_t bytes)
{
	if (bytes != sizeof(struct config) || count != 1 || kept_is_used)
		return __real_calloc(count, bytes);
	if (kept == NULL)
		kept = __real_calloc(1, bytes);
	if (kept == NULL)
		return NULL;
	__asan_unpoison_memory_region(kept, bytes);
	memset(kept, 0, bytes);
	kept_is_used = true;
	return kept;
}

void __wrap_free(void *memory)
{
	if (memory == NULL || memory != kept) {
		__real_free(memory);
		return;
	}
	must(kept_is_used);
	kept_is_used = false;
	__asan_poison_memory_region(kept, sizeof(struct config));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct config config;
	char *text = NULL;
	size_t printed = 0;
	FILE *out = open_memstream(&text, &printed);

	if (!out)
		return 0;
	int errors = config_parse((const char *)data, bytes, "fuzz", &config, out);
	fclose(out);
	must(errors >= 0 && (errors == 0) == (printed == 0));
	if (errors == 0)
		can_be_run(&config);
	else
		errors_are_told(text, printed, lines_of((const char *)data, bytes));
	free(text);
	return 0;
}

/* The examples, as they are. */
#define EXAMPLE(name)                                                                                     \
	__asm__(".pushsection .rodata\n.global example_" #name "\nexample_" #name ":\n.incbin \"config/" #name \
		".yaml\"\n.byte 0\n.popsection\n");                                                       \
	extern const char example_##name[]
EXAMPLE(minimal);
EXAMPLE(rollout);
EXAMPLE(vlans);
EXAMPLE(lcores);
EXAMPLE(demo);

const struct fuzz_seed fuzz_seeds[] = {
	{example_minimal, 0}, {example_rollout, 0}, {example_vlans, 0}, {example_lcores, 0}, {example_demo, 0}, {NULL, 0},
};
const struct fuzz_seed fuzz_words[] = {
	FUZZ_SEED("version: 1\n"), FUZZ_SEED("ports:\n"), FUZZ_SEED("services:\n"), FUZZ_SEED("groups:\n"), FUZZ_SEED("rollouts:\n"),
	FUZZ_SEED("  - name: x\n"), FUZZ_SEED("    count: 2\n"), FUZZ_SEED("    standby: 1\n"), FUZZ_SEED("    buckets: 64\n"),
	FUZZ_SEED("      - weight: 5%\n"), FUZZ_SEED("      - weight: 90%\n"), FUZZ_SEED("      - pause: {}\n"), FUZZ_SEED("memory:\n"),
	FUZZ_SEED("  worker_slots: 4\n"), FUZZ_SEED("10%"), FUZZ_SEED("1.5s"), FUZZ_SEED("64k"), FUZZ_SEED("18446744073709551615"),
	FUZZ_SEED("-1"), FUZZ_SEED("{"), FUZZ_SEED("}"), FUZZ_SEED("["), FUZZ_SEED("]"), FUZZ_SEED("&a "), FUZZ_SEED("*a"), FUZZ_SEED("<<: *a\n"),
	FUZZ_SEED("|\n"), FUZZ_SEED("\"\\x00\""), FUZZ_SEED("\"\\e[2J\""), FUZZ_SEED("!!int "), FUZZ_SEED("---\n"), FUZZ_SEED("...\n"), FUZZ_SEED("~"), FUZZ_SEED("\t"),
	FUZZ_SEED("\xc3\x28"), FUZZ_SEED("\xef\xbb\xbf"), FUZZ_SEED("10.0.0.1/24"), FUZZ_SEED("    vlan: 100\n"), FUZZ_SEED("0-3,5"), {NULL, 0},
};
const size_t fuzz_longest = 4096;
