/* The system calls that a worker may not make: what starts other code, reaches into other processes or into what it
 * shares with them, or leads away from the machine. All else is allowed. Made by the zygote before the fork, where
 * there is time. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "confine.h"
#include "sabotage.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

/* Stands in the filter where the worker's own pid is to stand: no pid is so high (PID_MAX_LIMIT is 2^22). */
#define SELF 0x7ba70a11u

/* Refused whatever their arguments. */
static const int refused[] = {
	/* other code, other threads */
	SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(execve), SCMP_SYS(execveat),
	SCMP_SYS(io_uring_setup), SCMP_SYS(io_setup), SCMP_SYS(bpf), SCMP_SYS(userfaultfd), SCMP_SYS(perf_event_open),
	/* other processes */
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise),
	SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_send_signal), SCMP_SYS(pidfd_getfd), SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo), SCMP_SYS(tkill), SCMP_SYS(kcmp), SCMP_SYS(migrate_pages), SCMP_SYS(move_pages),
	SCMP_SYS(mbind), SCMP_SYS(setpriority), SCMP_SYS(ioprio_set), SCMP_SYS(sched_setaffinity),
	SCMP_SYS(sched_setscheduler), SCMP_SYS(sched_setparam), SCMP_SYS(sched_setattr),
	/* SIGIO by way of a descriptor */
	SCMP_SYS(ioctl),
	/* what it shares: more of a file than was left mapped, less of one that others have mapped, its lock */
	SCMP_SYS(mremap), SCMP_SYS(remap_file_pages), SCMP_SYS(truncate), SCMP_SYS(ftruncate), SCMP_SYS(fallocate),
	SCMP_SYS(flock), SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(pwritev2), SCMP_SYS(sendfile),
	SCMP_SYS(copy_file_range), SCMP_SYS(splice), SCMP_SYS(shmget), SCMP_SYS(shmat), SCMP_SYS(shmctl),
	SCMP_SYS(semget), SCMP_SYS(semop), SCMP_SYS(semctl), SCMP_SYS(semtimedop), SCMP_SYS(msgget), SCMP_SYS(msgsnd),
	SCMP_SYS(msgctl), SCMP_SYS(mq_open), SCMP_SYS(mq_unlink),
	/* files that are not its own: it may read some, in init */
	SCMP_SYS(creat), SCMP_SYS(openat2), SCMP_SYS(open_by_handle_at), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink),
	SCMP_SYS(symlinkat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(mknod), SCMP_SYS(mknodat),
	SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(chown), SCMP_SYS(fchown), SCMP_SYS(lchown),
	SCMP_SYS(fchownat), SCMP_SYS(utimensat), SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(fsetxattr),
	/* the network is the primary's */
	SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept),
	SCMP_SYS(accept4),
	/* the machine: refused to whoever has no capabilities, as it has none */
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare),
	SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load),
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(keyctl), SCMP_SYS(add_key),
	SCMP_SYS(request_key), SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid),
	SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(setgroups),
};

/* Refused with these arguments: argument `arg`, as `mask` leaves it, compared with `value`. */
static const struct {
	int call;
	unsigned int arg;
	enum scmp_compare how;
	uint64_t mask, value;
} refused_if[] = {
	/* signals to others; abort() and raise() are its own */
	{SCMP_SYS(kill), 0, SCMP_CMP_NE, 0, SELF}, {SCMP_SYS(tgkill), 0, SCMP_CMP_NE, 0, SELF},
	{SCMP_SYS(fcntl), 1, SCMP_CMP_EQ, 0, F_SETOWN}, {SCMP_SYS(fcntl), 1, SCMP_CMP_EQ, 0, F_SETOWN_EX},
	{SCMP_SYS(fcntl), 1, SCMP_CMP_EQ, 0, F_SETSIG}, {SCMP_SYS(prlimit64), 0, SCMP_CMP_NE, 0, 0},
	/* a page that is gone from a file is gone for the primary, too: it would die of SIGBUS if there were no other */
	{SCMP_SYS(mmap), 3, SCMP_CMP_MASKED_EQ, MAP_SHARED, MAP_SHARED},
	{SCMP_SYS(madvise), 2, SCMP_CMP_EQ, 0, MADV_REMOVE},
	{SCMP_SYS(madvise), 2, SCMP_CMP_EQ, 0, MADV_HWPOISON},
	{SCMP_SYS(madvise), 2, SCMP_CMP_EQ, 0, MADV_SOFT_OFFLINE},
	/* any of these bits: open to write, or make, or cut */
	{SCMP_SYS(open), 1, SCMP_CMP_MASKED_EQ, O_WRONLY, O_WRONLY},
	{SCMP_SYS(open), 1, SCMP_CMP_MASKED_EQ, O_RDWR, O_RDWR},
	{SCMP_SYS(open), 1, SCMP_CMP_MASKED_EQ, O_CREAT, O_CREAT},
	{SCMP_SYS(open), 1, SCMP_CMP_MASKED_EQ, O_TRUNC, O_TRUNC},
	{SCMP_SYS(openat), 2, SCMP_CMP_MASKED_EQ, O_WRONLY, O_WRONLY},
	{SCMP_SYS(openat), 2, SCMP_CMP_MASKED_EQ, O_RDWR, O_RDWR},
	{SCMP_SYS(openat), 2, SCMP_CMP_MASKED_EQ, O_CREAT, O_CREAT},
	{SCMP_SYS(openat), 2, SCMP_CMP_MASKED_EQ, O_TRUNC, O_TRUNC},
};

/* The kernel's form of the filter, by way of an unnamed file, which is all that the library writes to. */
static int export_filter(const scmp_filter_ctx seccomp, struct confine_filter *filter)
{
	int fd = memfd_create("baton-filter", MFD_CLOEXEC);
	ssize_t bytes;
	int rc;

	if (fd < 0)
		return -errno;
	rc = seccomp_export_bpf(seccomp, fd);
	if (rc == 0) {
		bytes = pread(fd, filter->code, sizeof(filter->code), 0);
		if (bytes < 0)
			rc = -errno;
		else if (bytes == 0 || (size_t)bytes % sizeof(filter->code[0]) != 0 || bytes == sizeof(filter->code))
			rc = -E2BIG;
		else
			filter->count = (uint16_t)((size_t)bytes / sizeof(filter->code[0]));
	}
	close(fd);
	return rc;
}

static int add_rules(scmp_filter_ctx seccomp)
{
	const struct scmp_arg_cmp no_death_signal[] = {
		{0, SCMP_CMP_EQ, PR_SET_PDEATHSIG, 0}, {1, SCMP_CMP_NE, SIGKILL, 0},
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(refused) / sizeof(refused[0]); i++)
		rc = seccomp_rule_add(seccomp, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	for (size_t i = 0; rc == 0 && i < sizeof(refused_if) / sizeof(refused_if[0]); i++) {
		struct scmp_arg_cmp arg = {refused_if[i].arg, refused_if[i].how, refused_if[i].value, 0};

		if (refused_if[i].how == SCMP_CMP_MASKED_EQ)
			arg.datum_a = refused_if[i].mask, arg.datum_b = refused_if[i].value;
		if (BATON_SABOTAGE(others_killed) && refused_if[i].call == SCMP_SYS(kill))
			continue;
		if (BATON_SABOTAGE(files_mapped_anew) && refused_if[i].call == SCMP_SYS(mmap))
			continue;
		rc = seccomp_rule_add_array(seccomp, SCMP_ACT_ERRNO(EPERM), refused_if[i].call, 1, &arg);
	}
	/* Whose parent-death signal is off outlives the primary, and keeps the next one from the state file. */
	if (rc == 0)
		rc = seccomp_rule_add_array(seccomp, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 2, no_death_signal);
	return rc;
}

int confine_filter_build(struct confine_filter *filter)
{
	scmp_filter_ctx seccomp = seccomp_init(SCMP_ACT_ALLOW);
	int rc;

	if (seccomp == NULL)
		return -ENOMEM;
	(void)seccomp_attr_set(seccomp, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: the list is long */
	rc = add_rules(seccomp);
	if (rc == 0)
		rc = export_filter(seccomp, filter);
	seccomp_release(seccomp);
	return rc;
}

void confine_filter_own(struct confine_filter *filter, pid_t self)
{
	for (uint32_t i = 0; i < filter->count; i++)
		if (BPF_CLASS(filter->code[i].code) == BPF_JMP && filter->code[i].k == SELF)
			filter->code[i].k = (uint32_t)self;
}
