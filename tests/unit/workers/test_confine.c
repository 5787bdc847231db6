/* What a confined child can still do, and what it cannot. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "confine_rig.h"

static struct confine_filter filter;
static struct confine_maps maps;

static void *nothing(void *arg)
{
	return arg;
}

static int try_system_calls(void)
{
	char *argv[] = {"true", NULL};
	struct iovec here = {.iov_base = &filter, .iov_len = 8}, there = here;
	pthread_t thread;
	pid_t parent = getppid();

	EXPECT(confine_system_calls(&filter) == 0);
	EXPECT(fork() == -1 && errno == EPERM);
	EXPECT(vfork() == -1 && errno == EPERM);
	EXPECT(syscall(SYS_fork) == -1 && errno == EPERM);
	EXPECT(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == -1 && errno == EPERM);
	EXPECT(syscall(SYS_clone3, NULL, 0) == -1 && errno == EPERM);
	EXPECT(pthread_create(&thread, NULL, nothing, NULL) != 0);
	EXPECT(execv("/bin/true", argv) == -1 && errno == EPERM);
	EXPECT(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, argv + 1, 0) == -1 && errno == EPERM);
	EXPECT(ptrace(PTRACE_ATTACH, parent, NULL, NULL) == -1 && errno == EPERM);
	EXPECT(process_vm_readv(getpid(), &here, 1, &there, 1, 0) == -1 && errno == EPERM);
	EXPECT(process_vm_writev(getpid(), &here, 1, &there, 1, 0) == -1 && errno == EPERM);
	EXPECT(syscall(SYS_io_uring_setup, 1, NULL) == -1 && errno == EPERM);
	/* what it needs goes on */
	EXPECT(getpid() > 0);
	EXPECT(open("/proc/self/maps", O_RDONLY) >= 0);
	EXPECT(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	EXPECT(sched_yield() == 0);
	return 0;
}

static void processes_threads_and_other_programs_are_refused(void **state)
{
	(void)state;
	assert_int_equal(in_child(try_system_calls), 0);
}

#define REFUSED(call) EXPECT((call) == -1 && errno == EPERM)

/* What is shared with the primary is a file that it has open, and the primary a process of the same user. */
static int reach_for_the_primary(void)
{
	pid_t parent = getppid();
	int file = memfd_create("state", MFD_CLOEXEC);
	struct rlimit limit = {1 << 30, 1 << 30};

	EXPECT(file >= 0 && ftruncate(file, 2 * PAGE) == 0);
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	EXPECT(page != MAP_FAILED);
	EXPECT(confine_capabilities() == 0);
	EXPECT(confine_system_calls(&filter) == 0);
	REFUSED(kill(parent, 0));
	REFUSED(kill(parent, SIGKILL));
	REFUSED(kill(-1, SIGKILL));
	REFUSED(kill(0, SIGKILL));
	REFUSED(syscall(SYS_tgkill, parent, parent, 0));
	REFUSED(syscall(SYS_tkill, parent, 0));
	REFUSED(syscall(SYS_rt_sigqueueinfo, parent, 0, NULL));
	REFUSED(syscall(SYS_pidfd_open, parent, 0));
	REFUSED(fcntl(file, F_SETOWN, parent));
	REFUSED(fcntl(file, F_SETSIG, SIGKILL));
	REFUSED(ioctl(file, 0x8901 /* FIOSETOWN */, &parent));
	REFUSED(syscall(SYS_prlimit64, parent, RLIMIT_NOFILE, &limit, NULL));
	REFUSED(setpriority(PRIO_PROCESS, 0, -20));
	REFUSED(prctl(PR_SET_PDEATHSIG, 0));
	REFUSED((long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0));
	REFUSED((long)mremap(page, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	REFUSED(ftruncate(file, 0));
	REFUSED(fallocate(file, 3 /* keep size, punch hole */, 0, PAGE));
	REFUSED(madvise(page, PAGE, MADV_REMOVE));
	REFUSED(syscall(SYS_flock, file, 8 /* LOCK_UN */));
	REFUSED(open("/dev/null", O_RDWR));
	REFUSED(open("/dev/null", O_WRONLY));
	REFUSED(syscall(SYS_open, "/tmp/baton-none", O_RDONLY | O_CREAT, 0600));
	REFUSED(open("/dev/null", O_RDONLY | O_TRUNC));
	REFUSED(unlink("/tmp/baton-none"));
	REFUSED(socket(AF_INET, SOCK_DGRAM, 0));
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	*(volatile char *)page = 1; /* what is its own still is */
	EXPECT(kill(getpid(), 0) == 0);
	EXPECT(raise(SIGURG) == 0); /* ignored by default */
	EXPECT(realloc(malloc(1 << 20), 1 << 22) != NULL);
	return 0;
}

static void a_worker_cannot_reach_for_the_primary(void **state)
{
	(void)state;
	assert_int_equal(in_child(reach_for_the_primary), 0);
}

static int lose_capabilities(void)
{
	FILE *status;
	char line[256];
	int found = 0;

	EXPECT(confine_capabilities() == 0);
	EXPECT((status = fopen("/proc/self/status", "r")) != NULL);
	while (fgets(line, sizeof(line), status) != NULL)
		if (strncmp(line, "CapEff:", 7) == 0 || strncmp(line, "CapPrm:", 7) == 0) {
			EXPECT(strtoull(line + 7, NULL, 16) == 0);
			found++;
		}
	EXPECT(found == 2);
	return 0;
}

static void a_worker_has_no_capabilities(void **state)
{
	(void)state;
	assert_int_equal(in_child(lose_capabilities), 0);
}

static int abort_oneself(void)
{
	EXPECT(confine_system_calls(&filter) == 0);
	abort();
}

/* Who reads the log must see what it was. */
static void abort_is_still_an_abort(void **state)
{
	(void)state;
	int status = in_child(abort_oneself);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static uint8_t *shared[3], *own;

static int unmap_others(void)
{
	struct confine_range keep[] = {
		{(uintptr_t)shared[2] + PAGE, (uintptr_t)shared[2] + 2 * PAGE},
		{(uintptr_t)shared[1], (uintptr_t)shared[1] + 4 * PAGE},
	};

	confine_signals(); /* a sanitizer's handlers among them */
	return confine_unmap(&maps, keep, 2);
}

static int write_own(void)
{
	EXPECT(unmap_others() == 0);
	memset(shared[1], 1, 4 * PAGE);
	memset(shared[2] + PAGE, 1, PAGE);
	memset(own, 1, PAGE);
	char *heap = malloc(100000);
	memset(heap, 1, 100000);
	free(heap);
	return 0;
}

static uint8_t *victim;

static int write_victim(void)
{
	EXPECT(unmap_others() == 0);
	*(volatile uint8_t *)victim = 1;
	return 0;
}

static void a_write_to_what_is_not_its_own_is_a_crash(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		/* pages between them, so that each is a mapping of its own */
		shared[i] = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(shared[i], MAP_FAILED);
		assert_ptr_not_equal(mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), MAP_FAILED);
	}
	own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(confine_maps_read(&maps), 0);
	assert_int_equal(in_child(write_own), 0);
	assert_int_equal(shared[1][4 * PAGE - 1], 1); /* it was really the shared page */
	uint8_t *const victims[] = {shared[0], shared[0] + 4 * PAGE - 1, shared[2] + PAGE - 1, shared[2] + 2 * PAGE,
				    shared[2] + 4 * PAGE - 1};
	for (size_t i = 0; i < sizeof(victims) / sizeof(victims[0]); i++) {
		victim = victims[i];
		int status = in_child(write_victim);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSEGV);
		assert_int_equal(*victims[i], 0);
	}
}

static void neighbours_are_one_range(void **state)
{
	uint8_t *at = mmap(NULL, 6 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int found = 0;

	(void)state;
	for (uint32_t i = 1; i < 5; i++)
		assert_ptr_not_equal(mmap(at + i * PAGE, PAGE, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0), MAP_FAILED);
	assert_int_equal(confine_maps_read(&maps), 0);
	for (uint32_t i = 0; i < maps.count; i++) {
		assert_true(maps.range[i].start < maps.range[i].end);
		assert_true(i == 0 || maps.range[i - 1].end < maps.range[i].start);
		found += maps.range[i].start == (uintptr_t)at + PAGE && maps.range[i].end == (uintptr_t)at + 5 * PAGE;
	}
	assert_int_equal(found, 1);
	munmap(at, 6 * PAGE);
}

static int build_filter(void **state)
{
	(void)state;
	return confine_filter_build(&filter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_threads_and_other_programs_are_refused),
		cmocka_unit_test(a_worker_cannot_reach_for_the_primary),
		cmocka_unit_test(a_worker_has_no_capabilities),
		cmocka_unit_test(abort_is_still_an_abort),
		cmocka_unit_test(a_write_to_what_is_not_its_own_is_a_crash),
		cmocka_unit_test(neighbours_are_one_range),
	};

	return cmocka_run_group_tests(tests, build_filter, NULL);
}
