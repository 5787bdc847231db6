/* chaos-storm: kills workers of a running batond, one way or another, for as long as it takes; looks at every counter
 * after each kill, and says at the end whether the kills found anything to undo.
 *
 *   chaos-storm --instance NAME --workers N --buckets N --kills N --seed N [--mix KIND=WEIGHT,...]
 *               [--pause MIN-MAX] [--offered N] [--group NAME] [--progress FILE] [--every N]
 *               [--seconds S [--least N]]
 *
 * Kinds: kill    SIGKILL                          two       two workers at once
 *        segv    SIGSEGV                          move      one of those that take part in a hot restart
 *        stop    SIGSTOP, until it is fenced      recovery  the worker, and who takes over as soon as it is there
 *        cont    SIGSTOP, and SIGCONT after 1 to  loop      the same five times in a row
 *                60 ms: fenced by then or not
 * --pause: ms between two kills; without it the next comes when all buckets are served. --offered: entries that wait
 * for the victim when it is killed, at least. --progress: sums are kept there, and a run that was ended goes on.
 * --seconds: the storm ends then, if it has made so many kills as --least says.
 * Exit status: 0 so many kills, nothing wrong; 1 something is, or the storm was too gentle; 2 usage; 3 the time is up,
 * or ended by a signal: go on with the same command. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storm_sums.h"
#include "watch.h"

static struct {
	struct watch watch;
	const char *progress, *group;
	uint64_t wanted, every, seconds, least, pause_min, pause_max, offered;
	uint64_t weight[KINDS];
	struct storm_sums sum;
} s;

#define FEW 20u /* deaths of which shares say nothing */

static volatile sig_atomic_t ended;
static void on_signal(int signal) { ended = signal; }

/* ---- victims ---- */

static uint64_t waiting_for(uint32_t slot)
{
	uint64_t sum = 0;

	for (uint32_t l = 0; l < s.watch.stats.header->io_lcores; l++)
		sum += *(const volatile uint32_t *)&stats_io(&s.watch.stats, l)->belt[slot];
	return sum;
}

/* A worker that serves, when enough waits for it; the one for whom most waits if that takes longer than 2 s. */
static bool victim(struct watch_process *out)
{
	uint64_t end = watch_now_ms() + 2000;
	struct watch_process p[BATON_MAX_WORKERS];
	uint32_t count;

	while ((count = watch_list(&s.watch, WORKER_ACTIVE, WORKER_ACTIVE, p)) != 0) {
		*out = p[watch_random(&s.watch, count)];
		if (waiting_for(out->slot) >= s.offered)
			return true;
		if (watch_now_ms() >= end) {
			s.sum.thin++;
			return true;
		}
		watch_nap_us(20);
	}
	return false;
}

static bool strike(const struct watch_process *process, int signal)
{
	bool sent = watch_kill(&s.watch, process, signal);

	s.sum.kills += sent;
	return sent;
}

struct seen {
	uint32_t count;
	struct watch_process process[BATON_MAX_WORKERS];
};

static bool is_new(const struct seen *seen, const struct watch_process *p)
{
	for (uint32_t i = 0; i < seen->count; i++)
		if (seen->process[i].slot == p->slot && seen->process[i].incarnation == p->incarnation)
			return false;
	return p->pid > 0;
}

/* Whoever has come since, whatever its state. Returns false if nobody does within 2 s. */
static bool successor(const struct seen *seen, struct watch_process *out)
{
	uint64_t end = watch_now_ms() + 2000;
	struct watch_process p[BATON_MAX_WORKERS];

	for (; watch_now_ms() < end && !ended; watch_nap_us(50)) {
		uint32_t count = watch_list(&s.watch, WORKER_STARTING, WORKER_DRAINED, p);
		for (uint32_t i = 0; i < count; i++)
			if (is_new(seen, &p[i])) {
				*out = p[i];
				return true;
			}
	}
	return false;
}

/* ---- kinds ---- */

static void kill_once(int signal)
{
	struct watch_process p;

	if (victim(&p))
		strike(&p, signal);
}

static void stop_and_go_on(void)
{
	struct watch_process p;

	if (!victim(&p) || !watch_kill(&s.watch, &p, SIGSTOP))
		return;
	watch_nap_us((uint32_t)(1000 + watch_random(&s.watch, 60000)));
	s.sum.kills += !watch_kill(&s.watch, &p, SIGCONT); /* it was fenced before that */
}

static void kill_two(void)
{
	struct watch_process a, p[BATON_MAX_WORKERS];

	if (!victim(&a))
		return;
	uint32_t count = watch_list(&s.watch, WORKER_ACTIVE, WORKER_ACTIVE, p);
	uint32_t first = (uint32_t)watch_random(&s.watch, count);
	strike(&a, SIGKILL);
	for (uint32_t i = 0; i < count; i++)
		if (p[(first + i) % count].pid != a.pid && strike(&p[(first + i) % count], SIGKILL))
			return;
}

/* The worker, and `more` times whoever takes its place, before or after that serves. */
static void kill_successors(uint32_t more)
{
	struct watch_process p, next;
	struct seen seen;

	if (!victim(&p))
		return;
	for (uint32_t i = 0; i <= more && !ended; i++) {
		seen.count = watch_list(&s.watch, WORKER_STARTING, WORKER_DEAD, seen.process);
		strike(&p, SIGKILL);
		if (i == more || !successor(&seen, &next))
			return;
		watch_nap_us((uint32_t)watch_random(&s.watch, 3000));
		p = next;
	}
}

static void kill_in_move(void)
{
	struct watch_process p[BATON_MAX_WORKERS];
	pid_t pid = watch_restart(&s.watch, s.group);

	if (pid < 0)
		return;
	watch_nap_us((uint32_t)watch_random(&s.watch, 40000));
	uint32_t count = watch_list(&s.watch, WORKER_STARTING, WORKER_DRAINED, p);
	if (count != 0)
		strike(&p[watch_random(&s.watch, count)], SIGKILL);
	waitpid(pid, NULL, 0);
}

static enum kind draw(void)
{
	uint64_t sum = 0, at;

	for (uint32_t k = 0; k < KINDS; k++)
		sum += s.weight[k];
	at = watch_random(&s.watch, sum);
	for (uint32_t k = 0; k < KINDS; k++) {
		if (at < s.weight[k])
			return (enum kind)k;
		at -= s.weight[k];
	}
	return KILL;
}

static void carry_out(enum kind kind)
{
	switch (kind) {
	case KILL: return kill_once(SIGKILL);
	case SEGV: return kill_once(SIGSEGV);
	case STOP: return kill_once(SIGSTOP);
	case CONT: return stop_and_go_on();
	case TWO: return kill_two();
	case MOVE: return kill_in_move();
	case RECOVERY: return kill_successors(1);
	case LOOP: return kill_successors(5);
	default: return;
	}
}

/* ---- after each ---- */

/* A stopped worker is served by others only once it is fenced: until then every bucket has an owner. */
static bool is_over(const struct watch_counts *before, uint64_t kills)
{
	uint64_t end = watch_now_ms() + WATCH_WAIT_S * 1000u;
	struct watch_counts now;

	do {
		watch_take(&s.watch, &now);
		if (now.deaths > before->deaths || s.sum.kills == kills)
			return watch_await_service(&s.watch, &now, 1);
		watch_nap_us(100);
	} while (watch_now_ms() < end);
	return false;
}

static int fail(const char *what, enum kind kind)
{
	printf("not ok: %s, after kill %" PRIu64 " (%s)\n", what, s.sum.kills, storm_kind[kind]);
	sums_report(&s.sum, "storm");
	return 1;
}

static int storm(void)
{
	uint64_t end = watch_now_ms() + s.seconds * 1000u, told = s.sum.kills;

	while (s.sum.kills < s.wanted && !ended && (s.seconds == 0 || watch_now_ms() < end || s.sum.kills < s.least)) {
		struct watch_counts before, now;
		uint64_t kills = s.sum.kills;
		enum kind kind = draw();

		watch_take(&s.watch, &before);
		carry_out(kind);
		s.sum.by_kind[kind] += s.sum.kills - kills;
		if (!is_over(&before, kills))
			return fail("no service within a minute", kind);
		sums_add_gap(&s.sum, &s.watch, before.gaps);
		watch_take(&s.watch, &now);
		const char *fault = watch_fault(&now);
		if (fault != NULL)
			return fail(fault, kind);
		if (s.pause_max != 0)
			watch_nap_us((uint32_t)(1000 * (s.pause_min + watch_random(&s.watch, s.pause_max - s.pause_min + 1))));
		if (s.every == 0 || s.sum.kills - told < s.every)
			continue;
		told = s.sum.kills;
		sums_add(&s.sum, &s.watch);
		sums_report(&s.sum, "#");
		sums_write(&s.sum, s.progress);
	}
	sums_add(&s.sum, &s.watch);
	sums_write(&s.sum, s.progress);
	printf("# by kind:");
	for (uint32_t k = 0; k < KINDS; k++)
		if (s.sum.by_kind[k] != 0)
			printf(" %s %" PRIu64, storm_kind[k], s.sum.by_kind[k]);
	printf(", with fewer entries waiting than wanted %" PRIu64 "\n", s.sum.thin);
	sums_report(&s.sum, "storm");
	if (s.sum.deaths > s.sum.kills + s.sum.stalls || s.sum.deaths * 100 + FEW < s.sum.kills * 95) {
		printf("not ok: kills and stalls do not explain the deaths\n");
		return 1;
	}
	if (s.sum.deaths >= FEW && (s.sum.with_unsettled * 2 < s.sum.deaths || s.sum.with_undo * 4 < s.sum.deaths)) {
		printf("not ok: storm was too gentle: half of the kills must find unsettled entries, a quarter undo records\n");
		return 1;
	}
	return s.sum.kills < s.wanted ? 3 : 0;
}

/* ---- options ---- */

static int usage(const char *why)
{
	fprintf(stderr, "chaos-storm: %s; the first lines of tests/chaos/storm.c say how\n", why);
	return 2;
}

static bool parse_mix(char *text)
{
	for (char *one = strtok(text, ","); one != NULL; one = strtok(NULL, ",")) {
		char *equals = strchr(one, '=');
		uint32_t k = 0;

		if (equals == NULL)
			return false;
		*equals = 0;
		while (k < KINDS && strcmp(one, storm_kind[k]) != 0)
			k++;
		if (k == KINDS)
			return false;
		s.weight[k] = strtoull(equals + 1, NULL, 10);
	}
	return true;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "instance", 1, NULL, 'i' }, { "workers", 1, NULL, 'w' }, { "buckets", 1, NULL, 'b' },
		{ "kills", 1, NULL, 'k' },
		{ "seed", 1, NULL, 's' }, { "mix", 1, NULL, 'm' }, { "pause", 1, NULL, 'p' }, { "offered", 1, NULL, 'o' },
		{ "group", 1, NULL, 'g' }, { "progress", 1, NULL, 'f' }, { "seconds", 1, NULL, 't' }, { "every", 1, NULL, 'e' },
		{ "least", 1, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	const char *instance = NULL;
	uint64_t workers = 0, buckets = 0;
	int option;

	s.group = "game";
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		uint64_t number = optarg != NULL ? strtoull(optarg, NULL, 10) : 0;

		switch (option) {
		case 'i': instance = optarg; break;
		case 'w': workers = number; break;
		case 'b': buckets = number; break;
		case 'k': s.wanted = number; break;
		case 's': s.sum.seed = number; break;
		case 'o': s.offered = number; break;
		case 'g': s.group = optarg; break;
		case 'f': s.progress = optarg; break;
		case 't': s.seconds = number; break;
		case 'e': s.every = number; break;
		case 'l': s.least = number; break;
		case 'm':
			if (!parse_mix(optarg))
				return usage("--mix is not KIND=WEIGHT,...");
			break;
		case 'p':
			if (sscanf(optarg, "%" SCNu64 "-%" SCNu64, &s.pause_min, &s.pause_max) != 2 || s.pause_max < s.pause_min)
				return usage("--pause is not MIN-MAX");
			break;
		default: return usage("unknown option");
		}
	}
	if (instance == NULL || workers == 0 || buckets == 0 || s.wanted == 0)
		return usage("--instance, --workers, --buckets and --kills are needed");
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	sums_read(&s.sum, s.progress);
	s.watch.seed = s.sum.seed + s.sum.kills; /* a run that goes on is another one, and can be repeated from its file */
	if (watch_attach(&s.watch, instance, (uint32_t)workers, (uint32_t)buckets) != 0)
		return usage("no such instance");
	struct watch_counts none = { 0 };
	if (!watch_await_service(&s.watch, &none, 1000))
		return fail("no service to begin with", KILL);
	sums_begin(&s.watch);
	return storm();
}
