/* chaos-points: ends workers and the primary at the named points of shared/point.h, in a batond built for that.
 *
 *   chaos-points list                             name, when it is passed, what has just been done: one a line
 *   chaos-points sweep --instance NAME --state FILE --workers N --buckets N --seed N --how HOW [--only POINT]
 *                                                 each point that workers pass; a line for each, ok or not ok
 *   chaos-points arm FILE POINT HOW PASS          the primary's, at the PASS-th pass from now on
 *   chaos-points trap FILE SLOT|all POINT HOW PASS   the same for who is or will be in a worker slot
 *   chaos-points disarm FILE                      nothing is to happen any more; prints how often it has to the primary
 *   chaos-points fired FILE                       prints how often it has happened to workers
 *
 * HOW: kill, segv, stop; sweep: also drawn (one of them for each point, by the seed), all (one after the other).
 * FILE: the state file. A point that is not passed within a minute is a failure. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "point.h"
#include "state.h"
#include "watch.h"

static const struct {
	const char *name, *when, *what;
} points[] = {
#define X(name, when, what) { #name, #when, what },
	POINTS(X)
#undef X
};

static const int signals[] = { SIGKILL, SIGSEGV, SIGSTOP };
static const char *const how_name[] = { "kill", "segv", "stop" };

static struct {
	struct watch watch;
	struct state_header *header;
	uint8_t *base;
	uint64_t seed, passed[POINT_COUNT];
} s;

/* ---- pages ---- */

static int map_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size < (off_t)(2 * BATON_HUGE_PAGE)) {
		fprintf(stderr, "chaos-points: %s is no state file\n", path);
		return 2;
	}
	s.base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (s.base == MAP_FAILED) {
		fprintf(stderr, "chaos-points: %s: %s\n", path, strerror(errno));
		return 2;
	}
	s.header = (struct state_header *)(void *)s.base;
	return 0;
}

static struct point_page *page_of_primary(void) { return point_page_of(s.base); }
static struct point_page *page_of_slot(uint32_t slot)
{
	return point_page_of(s.base + (size_t)(1 + slot) * BATON_HUGE_PAGE);
}

static void arm(struct point_page *page, uint32_t point, int signal, uint32_t pass)
{
	atomic_store_explicit(&page->left, pass, memory_order_relaxed);
	atomic_store_explicit(&page->how, (uint32_t)signal, memory_order_relaxed);
	/* release: pairs with the acquire in baton_point_pass() */
	atomic_store_explicit(&page->armed, point + 1, memory_order_release);
}

static void disarm_all(void)
{
	atomic_store_explicit(&page_of_primary()->armed, 0, memory_order_release);
	for (uint32_t slot = 0; slot < s.header->slots; slot++)
		atomic_store_explicit(&page_of_slot(slot)->armed, 0, memory_order_release);
}

static uint32_t fired_by_workers(void)
{
	uint32_t sum = 0;

	for (uint32_t slot = 0; slot < s.header->slots; slot++)
		sum += atomic_load_explicit(&page_of_slot(slot)->fired, memory_order_acquire);
	return sum;
}

/* ---- one point ---- */

static uint32_t serving(struct watch_process *p)
{
	return watch_list(&s.watch, WORKER_ACTIVE, WORKER_ACTIVE, p);
}

static void arm_free_slots(uint32_t point, int signal)
{
	struct watch_process p[BATON_MAX_WORKERS];
	uint64_t taken = 0;
	uint32_t count = serving(p);

	for (uint32_t i = 0; i < count; i++)
		taken |= 1ull << p[i].slot;
	for (uint32_t slot = 0; slot < s.header->slots; slot++)
		if ((taken >> slot & 1u) == 0)
			arm(page_of_slot(slot), point, signal, 1);
}

/* Arms the point where it will be passed, and does what makes it so. Returns the process to wait for afterwards, or
 * 0. */
static pid_t provoke(uint32_t point, int signal, uint32_t *pass)
{
	struct watch_process p[BATON_MAX_WORKERS];
	uint32_t count = serving(p), at = (uint32_t)watch_random(&s.watch, count);

	*pass = 1;
	switch (points[point].when[0]) {
	case 'S': /* START: one that serves makes room */
		arm_free_slots(point, signal);
		watch_kill(&s.watch, &p[at], SIGKILL);
		return 0;
	case 'L': /* LEAVE */
		for (uint32_t i = 0; i < count; i++)
			arm(page_of_slot(p[i].slot), point, signal, 1);
		return watch_restart(&s.watch, "game");
	default: /* RUN */
		*pass = 1 + (uint32_t)watch_random(&s.watch, 20);
		arm(page_of_slot(p[at].slot), point, signal, *pass);
		return 0;
	}
}

static bool await_fired(uint32_t before)
{
	uint64_t end = watch_now_ms() + WATCH_WAIT_S * 1000u;

	while (fired_by_workers() == before) {
		if (watch_now_ms() >= end)
			return false;
		watch_nap_us(200);
	}
	return true;
}

/* Whoever was stopped at the point has been fenced when its death is counted; more: other deaths that were caused. */
static bool await_death(const struct watch_counts *before, uint64_t more)
{
	uint64_t end = watch_now_ms() + WATCH_WAIT_S * 1000u;
	struct watch_counts now;

	for (;;) {
		watch_take(&s.watch, &now);
		if (now.deaths > before->deaths + more)
			return true;
		if (watch_now_ms() >= end)
			return false;
		watch_nap_us(200);
	}
}

static bool try_point(uint32_t point, uint32_t how)
{
	struct watch_counts before, now;
	uint32_t fired = fired_by_workers(), pass;
	const char *why = NULL;
	uint64_t began = watch_now_ms();

	watch_take(&s.watch, &before);
	pid_t pid = provoke(point, signals[how], &pass);
	if (!await_fired(fired))
		why = "it was never passed";
	else if (!await_death(&before, points[point].when[0] == 'S'))
		why = "whoever was there was not seen to die";
	disarm_all();
	if (pid > 0)
		waitpid(pid, NULL, 0);
	watch_take(&s.watch, &before);
	if (why == NULL && !watch_await_service(&s.watch, &before, 100))
		why = "no service within a minute";
	watch_take(&s.watch, &now);
	if (why == NULL)
		why = watch_fault(&now);
	printf("%s point %s %s pass %u, %llu ms%s%s\n", why == NULL ? "ok" : "not ok", points[point].name,
	       how_name[how], pass, (unsigned long long)(watch_now_ms() - began), why == NULL ? "" : ": ",
	       why == NULL ? "" : why);
	fflush(stdout);
	return why == NULL;
}

static bool workers_pass(uint32_t point)
{
	const char *when = points[point].when;

	return strcmp(when, "RUN") == 0 || strcmp(when, "START") == 0 || strcmp(when, "LEAVE") == 0;
}

static int sweep(const char *how, const char *only)
{
	struct watch_counts none = { 0 };
	uint32_t tried = 0, bad = 0;
	uint64_t most = strcmp(how, "drawn") == 0 ? 1 : 3;

	if (!watch_await_service(&s.watch, &none, 1000)) {
		printf("not ok: no service to begin with\n");
		return 1;
	}
	disarm_all();
	for (uint32_t point = 0; point < POINT_COUNT; point++) {
		if (!workers_pass(point) || (only != NULL && strcmp(only, points[point].name) != 0))
			continue;
		uint32_t drawn = (uint32_t)watch_random(&s.watch, 3);
		for (uint32_t h = 0; h < 3; h++) {
			if (most == 1 && h != drawn)
				continue;
			if (most != 1 && strcmp(how, "all") != 0 && strcmp(how, how_name[h]) != 0)
				continue;
			tried++;
			if (!try_point(point, h))
				bad++;
		}
	}
	printf("sweep tried %u failed %u seed %" PRIu64 "\n", tried, bad, s.seed);
	return bad != 0 || tried == 0;
}

/* ---- command line ---- */

static int usage(void)
{
	fprintf(stderr, "chaos-points: the first lines of tests/chaos/points.c say how it is used\n");
	return 2;
}

static uint32_t point_named(const char *name)
{
	uint32_t point = 0;

	while (point < POINT_COUNT && strcmp(points[point].name, name) != 0)
		point++;
	return point;
}

static int signal_named(const char *name)
{
	for (uint32_t h = 0; h < 3; h++)
		if (strcmp(name, how_name[h]) == 0)
			return signals[h];
	return 0;
}

static int arm_by_name(const char *slot, char **argv)
{
	uint32_t point = point_named(argv[0]), pass = (uint32_t)strtoul(argv[2], NULL, 10);
	int signal = signal_named(argv[1]);

	if (point == POINT_COUNT || signal == 0 || pass == 0)
		return usage();
	if (slot == NULL)
		arm(page_of_primary(), point, signal, pass);
	for (uint32_t i = 0; slot != NULL && i < s.header->slots; i++)
		if (strcmp(slot, "all") == 0 || strtoul(slot, NULL, 10) == i)
			arm(page_of_slot(i), point, signal, pass);
	return 0;
}

static int main_sweep(int argc, char **argv)
{
	static const struct option known[] = {
		{ "instance", 1, NULL, 'i' }, { "state", 1, NULL, 'f' }, { "workers", 1, NULL, 'w' },
		{ "buckets", 1, NULL, 'b' },
		{ "seed", 1, NULL, 's' }, { "how", 1, NULL, 'h' }, { "only", 1, NULL, 'o' }, { NULL, 0, NULL, 0 },
	};
	const char *instance = NULL, *file = NULL, *how = "drawn", *only = NULL;
	uint32_t workers = 0, buckets = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'i': instance = optarg; break;
		case 'f': file = optarg; break;
		case 'w': workers = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'b': buckets = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 's': s.seed = strtoull(optarg, NULL, 10); break;
		case 'h': how = optarg; break;
		case 'o': only = optarg; break;
		default: return usage();
		}
	}
	if (instance == NULL || file == NULL || workers == 0 || buckets == 0)
		return usage();
	s.watch.seed = s.seed;
	if (map_file(file) != 0 || watch_attach(&s.watch, instance, workers, buckets) != 0)
		return usage();
	return sweep(how, only);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		for (uint32_t i = 0; i < POINT_COUNT; i++)
			printf("%s %s %s\n", points[i].name, points[i].when, points[i].what);
		return 0;
	}
	if (argc > 2 && strcmp(argv[1], "sweep") == 0)
		return main_sweep(argc - 1, argv + 1);
	if (argc < 3)
		return usage();
	if (map_file(argv[2]) != 0)
		return 2;
	if (argc == 6 && strcmp(argv[1], "arm") == 0)
		return arm_by_name(NULL, argv + 3);
	if (argc == 7 && strcmp(argv[1], "trap") == 0)
		return arm_by_name(argv[3], argv + 4);
	if (argc == 3 && strcmp(argv[1], "fired") == 0) {
		printf("%u\n", fired_by_workers());
		return 0;
	}
	if (argc != 3 || strcmp(argv[1], "disarm") != 0)
		return usage();
	disarm_all();
	printf("%u\n", atomic_load_explicit(&page_of_primary()->fired, memory_order_acquire));
	return 0;
}
