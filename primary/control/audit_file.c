/* The file of the audit log. Whoever rotates it renames or removes it: it is looked for before every line. */
#define _GNU_SOURCE
#include "audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "audit.h"
#include "log.h"

void audit_path(const struct primary *primary, char out[BATON_PATH_BYTES])
{
	if (primary->config.audit_log[0])
		snprintf(out, BATON_PATH_BYTES, "%s", primary->config.audit_log);
	else
		snprintf(out, BATON_PATH_BYTES, BATON_AUDIT_PATH_FMT, primary->config.name);
}

void audit_reopen(struct primary *primary)
{
	struct audit *audit = primary->audit;

	if (audit && audit->fd >= 0) {
		close(audit->fd);
		audit->fd = -1;
	}
}

/* The last directory only: a path whose beginning is missing is more likely a mistake. */
static void make_directory(const char *path)
{
	char dir[BATON_PATH_BYTES];

	snprintf(dir, sizeof(dir), "%s", path);
	char *end = strrchr(dir, '/');
	if (!end || end == dir)
		return;
	*end = '\0';
	mkdir(dir, 0755); /* if that fails, so does open(), which says why */
}

/* What a killed batond or a full disk left without an end. */
static bool is_torn(int fd, off_t size)
{
	char last = '\n';

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

/* Not through a symbolic link, and nothing that could block. Returns 0 or -errno. */
static int open_file(struct audit *audit, const char *path)
{
	const int flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	struct stat st;
	int fd = open(path, flags, 0640);

	if (fd < 0 && errno == ENOENT) {
		make_directory(path);
		fd = open(path, flags, 0640);
	}
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	audit->fd = fd;
	audit->device = st.st_dev;
	audit->inode = st.st_ino;
	audit->torn = is_torn(fd, st.st_size);
	return 0;
}

static int ensure_open(struct primary *primary)
{
	struct audit *audit = primary->audit;
	struct stat st;

	if (audit->fd >= 0 &&
	    (lstat(audit->path, &st) != 0 || st.st_dev != audit->device || st.st_ino != audit->inode))
		audit_reopen(primary);
	return audit->fd >= 0 ? 0 : open_file(audit, audit->path);
}

/* All of it or an error; what was begun is closed off by the next line. Returns 0 or -errno. */
static int write_line(struct audit *audit, const char *line)
{
	struct iovec part[3] = {
		{ (char *)(uintptr_t) "\n", audit->torn ? 1 : 0 },
		{ (char *)(uintptr_t)line, strlen(line) },
		{ (char *)(uintptr_t) "\n", 1 },
	};
	ssize_t all = (ssize_t)(part[0].iov_len + part[1].iov_len + part[2].iov_len), n;

	do
		n = writev(audit->fd, part, 3);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	audit->torn = n > 0 ? n != all : audit->torn;
	return n == all ? 0 : -ENOSPC;
}

bool audit_file_append(struct primary *primary, const char *line)
{
	struct audit *audit = primary->audit;
	const char *path = audit->path;
	int rc;

	if (audit->open_orders == 0)
		audit_path(primary, audit->path);
	rc = ensure_open(primary);

	if (rc == 0)
		rc = write_line(audit, line);
	if (rc == 0 && audit->complained)
		log_info("audit log %s: written again; lines lost %" PRIu64, path, audit->lost);
	if (rc != 0 && !audit->complained)
		log_warn("audit log %s: %s: lines are lost until that is mended; all else goes on", path,
			 rc == -EINVAL ? "not a plain file" : strerror(-rc));
	audit->complained = rc != 0;
	return rc == 0;
}
