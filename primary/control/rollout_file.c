/* The file of rollouts on the disk: written whole or not at all, and put aside when it says more than there is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "rollout_inner.h"
#include "sabotage.h"

#define STALE_FMT "%s.stale"

void rollout_make_directory(const char *path)
{
	char dir[BATON_PATH_BYTES];

	snprintf(dir, sizeof(dir), "%s", path);
	char *end = strrchr(dir, '/');
	if (!end || end == dir)
		return;
	*end = '\0';
	char *above = strrchr(dir, '/');
	if (above && above != dir) {
		*above = '\0';
		mkdir(dir, 0755);
		*above = '/';
	}
	mkdir(dir, 0750);
}

int rollout_file_write(const char *path, const char *text, bool durable)
{
	char part[BATON_PATH_BYTES + 8];
	size_t bytes = strlen(text);
	int rc = 0, fd;

	snprintf(part, sizeof(part), "%s.part", path);
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0 && errno == ENOENT) {
		rollout_make_directory(path);
		fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	}
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, text, bytes);
	if (n < 0)
		rc = -errno;
	else if ((size_t)n != bytes)
		rc = -ENOSPC;
	if (rc == 0 && durable && fdatasync(fd) != 0)
		rc = -errno;
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(part, path) != 0)
		rc = -errno;
	if (rc != 0)
		unlink(part);
	return rc;
}

static void name_aside(const char *path, char aside[BATON_PATH_BYTES + 8])
{
	snprintf(aside, BATON_PATH_BYTES + 8, STALE_FMT, path);
}

void rollout_file_put_aside(const char *path)
{
	char aside[BATON_PATH_BYTES + 8];

	name_aside(path, aside);
	if (!BATON_SABOTAGE(stale_file_is_believed) && rename(path, aside) == 0)
		log_warn("rollouts: %s is out of date, and is %s now: what it says is under way will not be taken up", path,
			 aside);
}

void rollout_file_drop_aside(const char *path)
{
	char aside[BATON_PATH_BYTES + 8];

	name_aside(path, aside);
	unlink(aside);
}

bool rollout_file_find(const char *path, char found[BATON_PATH_BYTES + 8], bool *stale)
{
	snprintf(found, BATON_PATH_BYTES + 8, "%s", path);
	*stale = access(path, F_OK) != 0 && errno == ENOENT;
	if (!*stale)
		return true;
	name_aside(path, found);
	if (access(found, F_OK) != 0)
		return false;
	log_warn("rollouts: %s is all there is: what was under way may have gone back, and is not taken up", found);
	return true;
}
