/* Runs a fuzz target without libFuzzer: a mutator that keeps what reaches new code, by gcc's own means. The same seed
 * gives the same inputs, as long as the program is the same.
 *
 *   fuzz-NAME [--runs N] [--seconds S] [--seed N] [--corpus DIR] [--break RULE]
 *                       ends with 0, or dies; what killed it is in a file. DIR gets the inputs that reached new code
 *   fuzz-NAME [--break RULE] FILE...                                runs these inputs
 *
 * Targets live on from input to input. An input that kills one is tried again, alone, in a new process, and it is said
 * whether it kills that, too; if not, the same seed and as many runs bring it back. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"
#include "sabotage.h"

#define MAP_BITS   14u
#define MAP_SIZE   (1u << MAP_BITS)
#define CORPUS_MOST 4096u

const char *sabotage;
const int fuzz_is_alone = 1;

static uint8_t hits[MAP_SIZE], seen[MAP_SIZE];
static uint16_t touched[MAP_SIZE]; /* what has hits: nothing else is looked at and wiped after an input */
static uint32_t touched_count;
static struct { uint8_t *data; size_t bytes; } corpus[CORPUS_MOST];
static size_t corpus_size;
static uint64_t state, seed, runs;
static const char *corpus_dir;
static bool runs_files;
static uint8_t *input;
static size_t input_bytes;

/* ---- what code was reached ---- */

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
	uintptr_t pc = (uintptr_t)__builtin_return_address(0) - (uintptr_t)&LLVMFuzzerTestOneInput; /* wherever loaded */
	uint32_t at = (uint32_t)((pc * 0x9e3779b97f4a7c15ull) >> (64 - MAP_BITS));

	if (hits[at] == 0)
		touched[touched_count++] = (uint16_t)at;
	if (hits[at] < 255)
		hits[at]++;
}

/* Counts by order of magnitude: a loop that runs 5 times and not 4 is nothing new. Returns whether anything is new, and
 * wipes the counts. */
static bool is_new(void)
{
	uint8_t new = 0;

	for (uint32_t i = 0; i < touched_count; i++) {
		uint8_t kind = (uint8_t)(1u << (31 - __builtin_clz(hits[touched[i]])));

		new |= kind & (uint8_t)~seen[touched[i]];
		seen[touched[i]] |= kind;
		hits[touched[i]] = 0;
	}
	touched_count = 0;
	return new != 0;
}

static uint32_t places(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < MAP_SIZE; i++)
		n += seen[i] != 0;
	return n;
}

/* ---- when it dies ---- */

/* Fast, and no less is found: freed memory stays poisoned while 8 MB more are freed, which is longer than any input
 * takes; the stack of an allocation is six calls deep. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=8:thread_local_quarantine_size_kb=256:malloc_context_size=6:"
	       "detect_stack_use_after_return=0:max_malloc_fill_size=256:check_initialization_order=0";
}

void __sanitizer_set_death_callback(void (*callback)(void));

/* A process of its own: this one is at its end, with what it has of locks and memory. */
static bool dies_alone(char *path)
{
	char name[] = "fuzz", flag[] = "--break", rule[64];
	char *broken[] = { name, flag, rule, path, NULL }, *sound[] = { name, path, NULL };
	posix_spawnattr_t plain;
	sigset_t none;
	int status = 0;
	pid_t child;

	snprintf(rule, sizeof(rule), "%s", sabotage ? sabotage : "");
	sigemptyset(&none);
	posix_spawnattr_init(&plain);
	posix_spawnattr_setsigmask(&plain, &none); /* what kills us is held back here, it must not be there */
	posix_spawnattr_setflags(&plain, POSIX_SPAWN_SETSIGMASK);
	if (posix_spawn(&child, "/proc/self/exe", NULL, &plain, sabotage ? broken : sound, environ) != 0)
		return false;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status != 0;
}

static void keep_input(void)
{
	const char *tmp = getenv("TMPDIR");
	char path[256];
	int fd;

	if (runs_files)
		return;
	snprintf(path, sizeof(path), "%s/baton-fuzz.XXXXXX", tmp ? tmp : "/tmp");
	fd = mkstemp(path);
	bool kept = fd >= 0 && write(fd, input, input_bytes) == (ssize_t)input_bytes;
	printf("fuzz: died at input %llu of seed %llu; it is in %s\n", (unsigned long long)runs, (unsigned long long)seed,
	       kept ? path : "no file");
	fflush(stdout);
	bool alone = kept && dies_alone(path);
	printf("fuzz: %s\n", alone ? "it kills alone, too" : "it does not kill alone: the seed brings it back");
	fflush(stdout);
}

static void on_abort(int number)
{
	keep_input();
	signal(number, SIG_DFL);
	raise(number);
}

/* An input that takes so many seconds of CPU time never ends. */
#define HANG_S 20

static void on_time(int number)
{
	static uint64_t last;

	(void)number;
	if (runs == last && runs != 0) {
		printf("fuzz: it has not ended in %d s\n", HANG_S);
		abort();
	}
	last = runs;
}

static void watch_time(void)
{
	const struct sigaction act = { .sa_handler = on_time, .sa_flags = SA_RESTART };
	const struct itimerval every = { .it_interval = { .tv_sec = HANG_S }, .it_value = { .tv_sec = HANG_S } };

	sigaction(SIGPROF, &act, NULL);
	setitimer(ITIMER_PROF, &every, NULL);
}

/* ---- mutations ---- */

static uint64_t chance(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state * 0x2545f4914f6cdd1dull >> 11) % below;
}

/* Makes room for `bytes` at a random place. Returns it, or NULL if the input would be too long. */
static uint8_t *insert(size_t bytes)
{
	if (input_bytes + bytes > fuzz_longest)
		return NULL;
	size_t at = chance(input_bytes + 1);
	memmove(input + at + bytes, input + at, input_bytes - at);
	input_bytes += bytes;
	return input + at;
}

static void remove_range(void)
{
	size_t at = chance(input_bytes), bytes = 1 + chance(input_bytes - at < 64 ? input_bytes - at : 64);

	memmove(input + at, input + at + bytes, input_bytes - at - bytes);
	input_bytes -= bytes;
}

static void put_word(void)
{
	size_t words = 0;

	while (fuzz_words[words].text)
		words++;
	const struct fuzz_seed *word = &fuzz_words[chance(words)];
	if (chance(2) && word->bytes <= input_bytes) {
		memcpy(input + chance(input_bytes - word->bytes + 1), word->text, word->bytes);
		return;
	}
	uint8_t *at = insert(word->bytes);
	if (at)
		memcpy(at, word->text, word->bytes);
}

static void put_part_of_another(void)
{
	size_t other = chance(corpus_size), from = chance(corpus[other].bytes);
	size_t bytes = 1 + chance(corpus[other].bytes - from);
	uint8_t *at = insert(bytes);

	if (at)
		memcpy(at, corpus[other].data + from, bytes);
}

static void mutate(void)
{
	static const uint32_t lengths[] = { 0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0xfffff, 0x100000, 0x100001,
					    0x7fffffff, 0x80000000, 0xfffffffb, 0xfffffffc, 0xfffffffe, 0xffffffff };

	switch (input_bytes < 8 ? 4 : chance(8)) {
	case 0: input[chance(input_bytes)] ^= (uint8_t)(1u << chance(8)); break;
	case 1: input[chance(input_bytes)] = (uint8_t)chance(256); break;
	case 2: remove_range(); break;
	case 3: memcpy(input + chance(input_bytes - 4), &lengths[chance(sizeof(lengths) / 4)], 4); break;
	case 4: put_part_of_another(); break;
	case 5: input[chance(input_bytes)] += (uint8_t)(chance(2) ? 1 : 255); break;
	default: put_word();
	}
}

/* ---- runs ---- */

static void keep(const uint8_t *data, size_t bytes)
{
	size_t at = corpus_size < CORPUS_MOST ? corpus_size++ : chance(CORPUS_MOST);

	free(corpus[at].data);
	corpus[at].data = malloc(bytes ? bytes : 1);
	memcpy(corpus[at].data, data, bytes);
	corpus[at].bytes = bytes ? bytes : 1;
}

static void write_down(void)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%llu-%llu", corpus_dir, (unsigned long long)seed, (unsigned long long)runs);
	file = fopen(path, "w");
	if (!file || fwrite(input, 1, input_bytes, file) != input_bytes || fclose(file) != 0) {
		perror(path);
		exit(2);
	}
}

static void run_one(void)
{
	runs++;
	LLVMFuzzerTestOneInput(input, input_bytes);
	if (!is_new())
		return;
	keep(input, input_bytes);
	if (corpus_dir)
		write_down();
}

static void run_seeds(void)
{
	for (const struct fuzz_seed *s = fuzz_seeds; s->text; s++) {
		input_bytes = s->bytes ? s->bytes : strlen(s->text);
		memcpy(input, s->text, input_bytes);
		run_one();
		keep(input, input_bytes);
	}
}

static int run_files(int argc, char **argv)
{
	runs_files = true;
	for (int i = 0; i < argc; i++) {
		FILE *file = fopen(argv[i], "r");

		if (!file) {
			perror(argv[i]);
			return 2;
		}
		input_bytes = fread(input, 1, fuzz_longest, file);
		fclose(file);
		run_one();
	}
	printf("fuzz: %d files: all well\n", argc);
	return 0;
}

static bool set_sabotage(const char *name)
{
	static const char *const rules[] = {
#define X(rule) #rule,
		SABOTAGE_RULES(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(name, rules[i]) == 0)
			sabotage = rules[i];
	return sabotage != NULL;
}

int main(int argc, char **argv)
{
	uint64_t most = 0, seconds = 0;
	time_t began = time(NULL);

	seed = (uint64_t)began ^ (uint64_t)getpid() << 32;
	input = malloc(fuzz_longest + 1);
	signal(SIGABRT, on_abort);
	watch_time();
	__sanitizer_set_death_callback(keep_input);
	for (int i = 1; i < argc; i += 2) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (argv[i][0] != '-')
			return run_files(argc - i, argv + i);
		else if (strcmp(argv[i], "--corpus") == 0)
			corpus_dir = value;
		else if (strcmp(argv[i], "--runs") == 0)
			most = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--seconds") == 0)
			seconds = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--break") != 0 || !set_sabotage(value)) {
			fprintf(stderr, "usage: %s [--runs N] [--seconds S] [--seed N] [--corpus DIR] [--break RULE] [FILE...]\n", argv[0]);
			return 2;
		}
	}
	if (most == 0 && seconds == 0)
		most = 100000;
	state = seed * 0x9e3779b97f4a7c15ull | 1;
	run_seeds();
	while ((most == 0 || runs < most) && (seconds == 0 || time(NULL) - began < (time_t)seconds)) {
		size_t from = chance(corpus_size), other = chance(corpus_size);

		/* the shorter are run faster and mostly say as much; not always, a whole configuration is long */
		if (corpus[other].bytes < corpus[from].bytes && chance(2))
			from = other;
		memcpy(input, corpus[from].data, corpus[from].bytes);
		input_bytes = corpus[from].bytes;
		for (uint64_t n = 1 + chance(6); n > 0; n--)
			mutate();
		run_one();
	}
	printf("fuzz: %llu inputs, seed %llu, %u places of the code reached, %zu inputs kept, %llu s: all well\n",
	       (unsigned long long)runs, (unsigned long long)seed, places(), corpus_size,
	       (unsigned long long)(time(NULL) - began));
	return 0;
}
