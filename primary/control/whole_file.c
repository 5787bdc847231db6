/* What is kept over restarts, written under another name and renamed: a reader finds the old text or the new one. */
#define _GNU_SOURCE
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi.h"

void whole_file_directory(const char *path)
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

int whole_file_write(const char *path, const char *text, bool durable)
{
	char part[BATON_PATH_BYTES + 8];
	size_t bytes = strlen(text);
	int rc = 0, fd;

	snprintf(part, sizeof(part), "%s.part", path);
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0 && errno == ENOENT) {
		whole_file_directory(path);
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
