/* The instance's directory /run/baton/<name>: the lock that makes it the only primary, its pid, and the removal of what
 * runs that were killed left behind: EAL directories, huge page files, a control socket, the door of the counters. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "primary.h"
#include "process.h"
#include "sabotage.h"

#define LEAVING_MS 1000u
/* How long the lock of another primary is waited for: of a killed one, as long as for its state file; of one that looks
 * alive hardly at all, for the moment in which a killed one still does. */
#define DYING_MS 5000u
#define ALIVE_MS 20u

/* "baton-<name>-": what the file prefixes of all boots of this instance begin with. */
static void prefix_of(const struct primary *primary, char out[80])
{
	snprintf(out, 80, "baton-%s-", primary->config.name);
}

/* True if `st`, of an object below `path`, is of the kind wanted and nobody else could have put it there; else the log
 * says why not. What others can write to is not trusted: they could lead every file that is made there elsewhere. */
static bool is_ours(const struct stat *st, mode_t kind, const char *path)
{
	if (BATON_SABOTAGE(planted_followed))
		return true;
	if ((st->st_mode & S_IFMT) != kind)
		log_error("%s is %s: remove it, it is not batond's", path, S_ISLNK(st->st_mode) ? "a symbolic link" :
			  kind == S_IFDIR ? "not a directory" : "not a plain file");
	else if (st->st_uid != geteuid())
		log_error("%s belongs to user %u, not to root: whoever that is could lead batond's files elsewhere; remove "
			  "it", path, st->st_uid);
	else if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		log_error("%s can be written by others (mode %03o): chmod go-w %s, and look who did", path,
			  st->st_mode & 0777, path);
	else
		return true;
	return false;
}

/* The directory, made if it is not there. -ENOENT: it was, and has gone in between. -EPERM: it is another one's, and
 * the log has said so. */
static int make_directory(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST || lstat(path, &st) != 0)
		return -errno;
	return is_ours(&st, S_IFDIR, path) ? 0 : -EPERM;
}

/* A file in the instance's directory, whose last part is no symbolic link. Returns the descriptor or -errno; -EPERM: it
 * is another one's, and the log has said so. */
static int open_file(const char *path, int flags)
{
	int follow = BATON_SABOTAGE(planted_followed) ? 0 : O_NOFOLLOW | O_NONBLOCK;
	int fd = open(path, flags | O_CREAT | O_CLOEXEC | follow, 0644), error = errno;
	struct stat st;

	if (fd < 0 && error != ENXIO && error != ELOOP)
		return -error;
	if (fd >= 0 ? fstat(fd, &st) != 0 : lstat(path, &st) != 0) {
		error = errno;
		if (fd >= 0)
			close(fd);
		return -error;
	}
	if (is_ours(&st, S_IFREG, path))
		return fd >= 0 ? fd : -error;
	if (fd >= 0)
		close(fd);
	return -EPERM;
}

/* True if `file` is `prefix`, 16 hex digits, and then `tail` and anything (tail NULL: nothing). So the files of an
 * instance "a" are never taken for those of an instance "a-b", nor the other way round. */
static bool is_boot_file(const char *file, const char *prefix, const char *tail)
{
	size_t at = strlen(prefix);

	if (strncmp(file, prefix, at) != 0 || strspn(file + at, "0123456789abcdef") != 16)
		return false;
	at += 16;
	return tail == NULL ? file[at] == '\0' : strncmp(file + at, tail, strlen(tail)) == 0;
}

/* True if a process holds a flock on it: EAL keeps a shared one on every page it maps and on its runtime files. */
static bool is_held(int dir, const char *file)
{
	int fd = openat(dir, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool held;

	if (fd < 0)
		return false;
	held = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	close(fd);
	return held;
}

/* Removes the plain files and sockets of directory `name` of `parent` and then it, unless somebody holds one of them.
 * ours: whoever holds one is this process. */
static bool remove_eal_directory(int parent, const char *name, bool ours)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool held = false;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!ours && !held && (entry = readdir(dir)) != NULL)
		if (entry->d_type == DT_REG)
			held = is_held(fd, entry->d_name);
	rewinddir(dir);
	while (!held && (entry = readdir(dir)) != NULL)
		if (entry->d_type == DT_REG || entry->d_type == DT_SOCK)
			unlinkat(fd, entry->d_name, 0);
	closedir(dir);
	return !held && unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

/* Files of this instance's boots in `path`; directories of EAL if `tail` is NULL, huge page files otherwise. A file of
 * another boot that is still held belongs to a process about to die with its primary: left, and counted in *left. */
static uint32_t remove_boot_files(const struct primary *primary, const char *path, const char *tail, uint32_t *left)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	uint32_t removed = 0;
	char prefix[80];
	bool ours, gone;

	if (dir == NULL)
		return 0;
	prefix_of(primary, prefix);
	while ((entry = readdir(dir)) != NULL) {
		if (!is_boot_file(entry->d_name, prefix, tail))
			continue;
		ours = primary->boot_id != 0 &&
		       strncmp(entry->d_name, primary->file_prefix, strlen(primary->file_prefix)) == 0;
		if (tail == NULL)
			gone = remove_eal_directory(dirfd(dir), entry->d_name, ours);
		else
			gone = (ours || !is_held(dirfd(dir), entry->d_name)) &&
			       unlinkat(dirfd(dir), entry->d_name, 0) == 0;
		removed += gone;
		*left += !gone;
	}
	closedir(dir);
	return removed;
}

/* Returns the number of things that had to be left, because somebody holds them. */
static uint32_t remove_eal_files(const struct primary *primary)
{
	uint32_t directories, pages, left = 0;

	directories = remove_boot_files(primary, PRIMARY_EAL_DIR "/dpdk", NULL, &left);
	pages = remove_boot_files(primary, primary->config.huge_dir, "map_", &left);
	if (directories > 0 || pages > 0)
		log_info("removed %u EAL directories and %u huge pages of earlier runs that were killed", directories,
			 pages);
	return left;
}

/* The state file is locked by now, so all processes of the dead primary have closed it: what is still held is let go
 * within moments. */
int runtime_dir_sweep(struct primary *primary)
{
	uint32_t left = remove_eal_files(primary);

	for (uint32_t ms = 0; left > 0 && ms < LEAVING_MS; ms++) {
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		left = remove_eal_files(primary);
	}
	if (left > 0)
		log_warn("%u directories and huge page files of earlier runs are still held by somebody: left for the next "
			 "start", left);
	return 0;
}

static void remove_stale(const struct primary *primary)
{
	char path[BATON_PATH_BYTES + 32];

	remove_eal_files(primary);
	snprintf(path, sizeof(path), "%s/" BATON_CONTROL_SOCKET, primary->run_dir);
	if (unlink(path) == 0)
		log_info("removed %s of an earlier run that was killed", path);
	stats_unlink(primary->config.name);
}

/* Opens the lock file and takes the lock. -ESTALE: its holder left in between and took the file along. */
static int try_lock(struct primary *primary, const char *path)
{
	struct stat held, named;
	int rc = 0;

	primary->lock_fd = open_file(path, O_RDWR);
	if (primary->lock_fd < 0)
		return primary->lock_fd == -ENOENT ? -ESTALE : primary->lock_fd; /* the directory went with the file */
	if (flock(primary->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return -errno;
	if (fstat(primary->lock_fd, &held) != 0 || stat(path, &named) != 0 || held.st_ino != named.st_ino)
		rc = -ESTALE;
	if (rc != 0)
		close(primary->lock_fd);
	return rc;
}

/* Pid in the lock file that another one holds; 0: it has not been written yet. */
static pid_t lock_owner(const struct primary *primary)
{
	char text[32] = "";

	if (pread(primary->lock_fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return (pid_t)strtol(text, NULL, 10);
}

static void explain_lock(const struct primary *primary, int rc, const char *path)
{
	char owner[32] = "unknown";
	pid_t pid;

	if (rc == -EPERM)
		return; /* it has been said */
	if (rc != -EWOULDBLOCK || primary->lock_fd < 0) {
		log_error("cannot lock %s: %s", path, strerror(-rc));
		return;
	}
	pid = lock_owner(primary);
	if (pid > 0)
		snprintf(owner, sizeof(owner), "%d", (int)pid);
	if (process_is_dying(pid))
		log_error("instance '%s': pid %s has been killed but has not ended within %u s (lock %s): start again when "
			  "it has", primary->config.name, owner, DYING_MS / 1000, path);
	else
		log_error("instance '%s' runs already (pid %s, lock %s): stop that batond, or give this one another 'name:'",
			  primary->config.name, owner, path);
}

/* True if who holds the lock will be gone soon, after ms of waiting for it. */
static bool worth_waiting(const struct primary *primary, uint32_t ms)
{
	return ms < ALIVE_MS || (ms < DYING_MS && process_is_dying(lock_owner(primary)));
}

/* The directory and the lock in it, which the kernel gives back however its holder ends: it is never stale. */
static int take_lock(struct primary *primary)
{
	char path[BATON_PATH_BYTES + 32];
	uint32_t ms = 0;
	int rc;

	snprintf(path, sizeof(path), "%s/lock", primary->run_dir);
	for (;;) {
		rc = make_directory(primary->run_dir, 0755);
		if (rc == 0)
			rc = try_lock(primary, path);
		else if (rc == -ENOENT)
			rc = -ESTALE;
		if (rc == -ESTALE)
			continue;
		if (rc != -EWOULDBLOCK || primary->lock_fd < 0 || !worth_waiting(primary, ms))
			break;
		close(primary->lock_fd);
		primary->lock_fd = -1;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		ms++;
	}
	if (rc == 0)
		return 0;
	explain_lock(primary, rc, path);
	if (primary->lock_fd >= 0)
		close(primary->lock_fd);
	primary->lock_fd = -1;
	return rc == -EWOULDBLOCK ? -EBUSY : rc;
}

static int write_pid(const struct primary *primary, const char *path)
{
	int fd = open_file(path, O_WRONLY);

	if (fd < 0 || ftruncate(fd, 0) != 0 || dprintf(fd, "%d\n", (int)getpid()) < 0) {
		int rc = fd < 0 ? fd : -errno;

		if (rc != -EPERM)
			log_error("cannot write %s: %s", path, strerror(-rc));
		if (fd >= 0)
			close(fd);
		return rc;
	}
	close(fd);
	/* In the lock file too, for the message a second primary prints. */
	if (ftruncate(primary->lock_fd, 0) == 0)
		dprintf(primary->lock_fd, "%d\n", (int)getpid());
	return 0;
}

int runtime_dir_init(struct primary *primary)
{
	char path[BATON_PATH_BYTES + 32];
	int rc;

	primary->lock_fd = -1;
	if (geteuid() != 0) {
		log_error("batond needs root for huge pages and devices: start it with sudo (batond --check needs no root)");
		return -EPERM;
	}
	snprintf(primary->run_dir, sizeof(primary->run_dir), BATON_RUN_DIR_FMT, primary->config.name);
	rc = make_directory(PRIMARY_EAL_DIR, 0755);
	if (rc != 0) {
		if (rc != -EPERM)
			log_error("cannot make " PRIMARY_EAL_DIR ": %s", strerror(-rc));
		return rc;
	}
	rc = take_lock(primary);
	if (rc != 0)
		return rc;
	remove_stale(primary);
	do {
		if (getrandom(&primary->boot_id, sizeof(primary->boot_id), 0) != sizeof(primary->boot_id))
			return -EIO;
	} while (primary->boot_id == 0);
	snprintf(primary->file_prefix, sizeof(primary->file_prefix), "baton-%s-%016llx", primary->config.name,
		 (unsigned long long)primary->boot_id);
	snprintf(path, sizeof(path), "%s/pid", primary->run_dir);
	rc = write_pid(primary, path);
	if (rc != 0) {
		close(primary->lock_fd);
		primary->lock_fd = -1;
	}
	return rc;
}

void runtime_dir_fini(struct primary *primary)
{
	char path[BATON_PATH_BYTES + 32];
	uint32_t left = 0;

	/* EAL has ended: its files of this boot go as those of a dead one would. */
	remove_boot_files(primary, PRIMARY_EAL_DIR "/dpdk", NULL, &left);
	remove_boot_files(primary, primary->config.huge_dir, "map_", &left);
	snprintf(path, sizeof(path), "%s/pid", primary->run_dir);
	unlink(path);
	/* While the lock is held: who has opened the file already sees that its name is gone, and makes a new one. */
	snprintf(path, sizeof(path), "%s/lock", primary->run_dir);
	unlink(path);
	rmdir(primary->run_dir);
	close(primary->lock_fd);
	primary->lock_fd = -1;
}
