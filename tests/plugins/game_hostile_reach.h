/* What the hostile game must not reach: memory that is not its own, and system calls. For game_hostile.c, which includes
 * it once and has control_block() and CONTROL. */
#ifndef BATON_TEST_GAME_HOSTILE_REACH_H
#define BATON_TEST_GAME_HOSTILE_REACH_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "baton.h"

/* ---- what is not its own ---- */

static sigjmp_buf back;
static void on_fault(int number) { siglongjmp(back, number); }

/* True: it could be written to. */
static bool writes(volatile uint8_t *at)
{
	if (sigsetjmp(back, 1) != 0)
		return false;
	*at = *at;
	*at = 0xff; /* not reached if the read has failed; then it is mapped, and the worst is done on purpose */
	return true;
}

/* Every 2 MiB page, and every page of smaller mappings, of the addresses that the worker has given up: the zygote had
 * them mapped shared, and a hole without access stands there now. */
static void walk_maps(struct baton_ctx *ctx)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned long start, end, tried = 0, faults = 0, own = 0, belts = 0, files = 0;
	char line[512], mode[8];

	if (file == NULL) {
		baton_log(ctx, "hostile: no maps: %s", strerror(errno));
		return;
	}
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &start, &end, mode) != 3)
			continue;
		if (mode[3] == 's') {
			own += (end - start + BATON_HUGE_PAGE - 1) / BATON_HUGE_PAGE;
			belts += strstr(line, "map_") != NULL;
			files++;
		}
		if (mode[0] != '-' || mode[1] != '-' || mode[3] != 'p')
			continue;
		unsigned long step = start % BATON_HUGE_PAGE == 0 && end % BATON_HUGE_PAGE == 0 ? BATON_HUGE_PAGE : 4096;
		for (unsigned long at = start; at < end && tried < 1000000; at += step, tried++)
			faults += !writes((volatile uint8_t *)at);
	}
	fclose(file);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	baton_log(ctx, "hostile: %lu pages tried, %lu faults, %lu written; %lu own pages in %lu mappings, %lu of belts",
		  tried, faults, tried - faults, own, files, belts);
}

/* ---- what it must not ask for ---- */

static unsigned int asked, granted;
static char allowed[256];

static void try_call(const char *name, long rc)
{
	asked++;
	if (rc == -1)
		return;
	granted++;
	snprintf(allowed + strlen(allowed), sizeof(allowed) - strlen(allowed), " %s", name);
}
#define TRY(name, call) try_call(#name, (long)(call))

static void try_calls(struct baton_ctx *ctx)
{
	pid_t parent = getppid();
	struct rlimit limit = {1 << 20, 1 << 20};
	struct iovec here = {.iov_base = &limit, .iov_len = 1}, there = here;
	char path[64], *argv[] = {path, NULL};

	TRY(fork, fork());
	TRY(clone3, syscall(SYS_clone3, NULL, 0));
	TRY(execve, execve("/bin/true", argv, argv + 1));
	TRY(ptrace, ptrace(PTRACE_ATTACH, parent, NULL, NULL));
	TRY(readv, process_vm_readv(parent, &here, 1, &there, 1, 0));
	TRY(writev, process_vm_writev(parent, &here, 1, &there, 1, 0));
	TRY(kill, kill(parent, SIGKILL));
	TRY(kill_all, kill(-1, SIGKILL));
	TRY(kill_group, kill(0, SIGKILL));
	TRY(tgkill, syscall(SYS_tgkill, parent, parent, SIGKILL));
	TRY(tkill, syscall(SYS_tkill, parent, SIGKILL));
	TRY(pidfd_open, syscall(SYS_pidfd_open, parent, 0));
	TRY(setown, fcntl(CONTROL, F_SETOWN, parent));
	TRY(setsig, fcntl(CONTROL, F_SETSIG, SIGKILL));
	TRY(ioctl_setown, ioctl(CONTROL, 0x8901, &parent));
	TRY(pdeathsig, prctl(PR_SET_PDEATHSIG, 0));
	TRY(core, setrlimit(RLIMIT_CORE, &limit));
	TRY(prlimit, syscall(SYS_prlimit64, parent, RLIMIT_NOFILE, &limit, NULL));
	TRY(nice, setpriority(PRIO_PROCESS, parent, 19));
	TRY(map_state, mmap(NULL, BATON_HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0));
	TRY(cut_state, ftruncate(4, 0));
	TRY(punch_state, fallocate(4, 3, 0, BATON_HUGE_PAGE));
	TRY(unlock_state, syscall(SYS_flock, 4, 8));
	TRY(remove_page, madvise(control_block(), BATON_HUGE_PAGE, MADV_REMOVE));
	TRY(grow, mremap(control_block(), BATON_HUGE_PAGE, 2 * BATON_HUGE_PAGE, MREMAP_MAYMOVE));
	TRY(remap, syscall(SYS_remap_file_pages, control_block(), BATON_HUGE_PAGE, 0, 0, 0));
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)parent);
	TRY(memory_write, open(path, O_RDWR));
	TRY(memory_read, open(path, O_RDONLY));
	TRY(open_write, open("/dev/null", O_WRONLY));
	TRY(create, open("/tmp/baton-hostile", O_RDONLY | O_CREAT, 0600));
	TRY(unlink, unlink("/dev/hugepages/none"));
	TRY(socket, socket(AF_INET, SOCK_DGRAM, 0));
	TRY(unix_socket, socket(AF_UNIX, SOCK_STREAM, 0));
	TRY(io_uring, syscall(SYS_io_uring_setup, 1, NULL));
	baton_log(ctx, "hostile: %u calls tried, %u allowed:%s", asked, granted, allowed);
}

#endif
