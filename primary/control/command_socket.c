/* The control socket's file: made, looked for, made again. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "command.h"
#include "log.h"

static struct sockaddr_un address_of(const struct command *command)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, command->path, sizeof(address.sun_path));
	return address;
}

/* The runtime directory's lock is ours, so a socket that is there belongs to nobody. */
int command_socket_open(struct command *command)
{
	struct sockaddr_un address = address_of(command);
	struct stat st;

	unlink(command->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mode_t mask = umask(0177); /* no moment in which others could connect */
	int rc = bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	umask(mask);
	if (rc == 0 && (listen(fd, 16) || stat(command->path, &st)))
		rc = -errno;
	if (rc) {
		close(fd);
		return rc;
	}
	command->fd = fd;
	command->device = st.st_dev;
	command->inode = st.st_ino;
	return 0;
}

static bool is_ours(const struct command *command)
{
	struct stat st;

	return stat(command->path, &st) == 0 && st.st_dev == command->device && st.st_ino == command->inode;
}

/* Another program's, or another primary's that was started when the lock had been removed with the directory. */
static bool somebody_listens(const struct command *command)
{
	struct sockaddr_un address = address_of(command);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool listens = fd >= 0 && (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return listens;
}

static void make_directory(const struct command *command)
{
	char dir[sizeof(command->path)];

	memcpy(dir, command->path, sizeof(dir));
	char *end = strrchr(dir, '/');
	if (end) {
		*end = 0;
		mkdir(dir, 0755); /* if that fails, so does bind(), which says why */
	}
}

bool command_socket_remake(struct command *command)
{
	int rc = -EADDRINUSE;

	if (is_ours(command)) {
		command->complained = false;
		return false;
	}
	if (!somebody_listens(command)) {
		make_directory(command);
		rc = command_socket_open(command);
	}
	if (rc == 0) {
		log_warn("control socket %s was removed: made again", command->path);
		command->complained = false;
		return true;
	}
	if (!command->complained)
		log_error("control socket %s was removed and cannot be made again: %s: tried every second", command->path,
			  rc == -EADDRINUSE ? "another process listens there" : strerror(-rc));
	command->complained = true;
	return false;
}
