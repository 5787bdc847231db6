/* Confinement: lists and filter made before the fork, steps taken after it. */
#define _GNU_SOURCE
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sabotage.h"

#define ADOPTION_NS  1000000000ull
#define FIRST_KEPT   3  /* behind standard input, output and error */
#define FAR_AWAY     64 /* beyond every number that a kept descriptor gets */

/* ---- before the fork ---- */

int confine_maps_read(struct confine_maps *maps)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char *line = NULL;
	size_t bytes = 0;
	int rc = 0;

	if (file == NULL)
		return -errno;
	maps->count = 0;
	while (getline(&line, &bytes, file) > 0) {
		unsigned long start, end;
		char permissions[8];

		if (sscanf(line, "%lx-%lx %7s", &start, &end, permissions) != 3 || permissions[3] != 's')
			continue;
		if (maps->count > 0 && maps->range[maps->count - 1].end == start) {
			maps->range[maps->count - 1].end = end;
		} else if (maps->count == CONFINE_RANGES) {
			rc = -E2BIG;
			break;
		} else {
			maps->range[maps->count++] = (struct confine_range){start, end};
		}
	}
	free(line);
	fclose(file);
	return rc;
}

/* ---- after it ---- */

int confine_descriptors(int *fd, uint32_t count)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	/* First away from the numbers they are to get, so that no dup2 overwrites one that is still to move. */
	for (uint32_t i = 0; i < count; i++) {
		fd[i] = fcntl(fd[i], F_DUPFD, FAR_AWAY);
		if (fd[i] < 0)
			return -errno;
	}
	null = fcntl(null, F_DUPFD, FAR_AWAY);
	for (int i = 0; i < FIRST_KEPT; i++)
		if (null < 0 || dup2(null, i) < 0)
			return -errno;
	for (uint32_t i = 0; i < count; i++) {
		fd[i] = dup2(fd[i], FIRST_KEPT + (int)i);
		if (fd[i] < 0)
			return -errno;
	}
	return close_range(FIRST_KEPT + count, ~0u, 0) ? -errno : 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct confine_range *left = a, *right = b;

	return left->start < right->start ? -1 : left->start > right->start;
}

/* Nothing is left there that can be touched, and nothing comes there later (the plugin, the heap): a stray pointer into
 * what was shared stays a crash. */
static int unmap(uintptr_t start, uintptr_t end)
{
	if (start >= end)
		return 0;
	void *hole = mmap((void *)start, end - start, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	return hole == MAP_FAILED ? -errno : 0;
}

int confine_unmap(const struct confine_maps *maps, struct confine_range *keep, uint32_t count)
{
	qsort(keep, count, sizeof(*keep), compare_ranges);
	for (uint32_t i = 0, k = 0; i < maps->count; i++) {
		uintptr_t at = maps->range[i].start, end = maps->range[i].end;
		int rc;

		while (k < count && keep[k].end <= at)
			k++;
		/* what is kept may end behind this range or begin before it */
		for (uint32_t in = k; in < count && keep[in].start < end; in++) {
			rc = unmap(at, keep[in].start);
			if (rc != 0)
				return rc;
			at = keep[in].end;
		}
		rc = unmap(at, end);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int confine_cpu(int32_t cpu)
{
	cpu_set_t set;

	if (cpu >= CPU_SETSIZE)
		return -EINVAL;
	CPU_ZERO(&set);
	for (uint32_t i = 0; i < CPU_SETSIZE; i++)
		if (cpu < 0 || i == (uint32_t)cpu)
			CPU_SET(i, &set); /* the kernel takes away what is not there or not allowed */
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

int confine_oom_score(void)
{
	char text[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text) - 1) < 0) {
		rc = -errno;
	} else if (atoi(text) < CONFINE_OOM_SCORE) {
		int len = snprintf(text, sizeof(text), "%d", CONFINE_OOM_SCORE);

		if (pwrite(fd, text, (size_t)len, 0) != len)
			rc = -errno;
	}
	close(fd);
	return rc;
}

int confine_core(void)
{
	/* 0 switches dumps to a file off, but not those to a program (core(5)); 1 is too small for either. */
	const struct rlimit too_small = {1, 1};

	if (BATON_SABOTAGE(core_dumped) || setrlimit(RLIMIT_CORE, &too_small) == 0)
		return 0;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : -errno; /* the limit was 0 and may not be raised */
}

void confine_signals(void)
{
	struct sigaction act = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		if (number != SIGKILL && number != SIGSTOP)
			sigaction(number, &act, NULL); /* refused for the two that libc keeps for itself */
	act.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &act, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int confine_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return BATON_SABOTAGE(capabilities_kept) || syscall(SYS_capset, &header, none) == 0 ? 0 : -errno;
}

int confine_system_calls(struct confine_filter *filter)
{
	struct sock_fprog program = {.len = filter->count, .filter = filter->code};

	confine_filter_own(filter, getpid());
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	/* Without the flag older kernels turn speculative store bypass off for a filtered process, which costs every
	 * load of the data path. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) != 0)
		return -errno;
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

int confine_die_with(pid_t parent)
{
	static const struct timespec pause = {.tv_nsec = 20000};
	uint64_t start = now_ns();

	while (getppid() != parent) {
		if (now_ns() - start > ADOPTION_NS)
			return -ESRCH;
		nanosleep(&pause, NULL); /* not a yield: on a busy CPU that gives away a whole time slice */
	}
	if (!BATON_SABOTAGE(outlives_primary) && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH; /* it may have gone in between */
}
