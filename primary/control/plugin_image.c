/* Plugin files: checked to be shared objects, copied whole into a sealed memfd. */
#define _GNU_SOURCE
#include "plugin_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_check.h"
#include "refuse.h"

static int copy_all(int from, int to, off_t size, const char *path, char *why, size_t bytes)
{
	off_t at = 0;

	while (at < size) {
		ssize_t n = sendfile(to, from, &at, (size_t)(size - at));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse(errno, why, bytes, "cannot copy %s: %s", path, strerror(errno));
		if (n == 0) /* truncated while it was read: half a plugin must not run */
			return refuse(ESTALE, why, bytes, "%s shrank while it was read: try again when it is complete",
				      path);
	}
	return 0;
}

int plugin_image_open(const char *path, int *fd, char *why, size_t bytes)
{
	struct stat st;
	char detail[160];
	int rc, copy = -1;
	/* Non-blocking, or a FIFO in the plugin's place would hold up the primary. */
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (file < 0)
		return refuse(errno, why, bytes, "cannot open plugin %s: %s; is the path right?", path,
			      strerror(errno));
	if (fstat(file, &st) || !S_ISREG(st.st_mode)) {
		rc = refuse(EINVAL, why, bytes, "plugin %s is not a regular file", path);
		goto out;
	}
	if (st.st_size > (off_t)PLUGIN_IMAGE_MAX) {
		rc = refuse(EFBIG, why, bytes, "plugin %s has %lld bytes, %u are the most", path, (long long)st.st_size,
			    PLUGIN_IMAGE_MAX);
		goto out;
	}
	/* A first look, so that not just anything is copied; the worker looks at the copy again, which cannot change. */
	rc = elf_check(file, detail, sizeof(detail));
	if (rc) {
		rc = refuse(-rc, why, bytes, "plugin %s: %s", path, detail);
		goto out;
	}
	const char *base = strrchr(path, '/');
	char name[64]; /* what /proc/PID/maps shows */
	snprintf(name, sizeof(name), "%.*s", (int)sizeof(name) - 1, base ? base + 1 : path);
	copy = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0) {
		rc = refuse(errno, why, bytes, "cannot make a memfd for %s: %s", path, strerror(errno));
		goto out;
	}
	rc = copy_all(file, copy, st.st_size, path, why, bytes);
	if (rc)
		goto out;
	if (fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)) {
		rc = refuse(errno, why, bytes, "cannot seal the copy of %s: %s", path, strerror(errno));
		goto out;
	}
	*fd = copy;
	copy = -1;
out:
	if (copy >= 0)
		close(copy);
	close(file);
	return rc;
}
