/* See stats_door.h. */
#define _GNU_SOURCE
#include "stats_door.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "sabotage.h"

#define BACKLOG  64
#define PAUSE_NS 100000000l /* when there are no descriptors left to accept with */

struct stats_door {
	_Atomic int fd; /* listens; another one when the address was made again, -1: the end */
	int memory;     /* what is given out */
	pid_t pid;
	pthread_t thread;
	dev_t device;   /* of the address */
	ino_t inode;
	char path[BATON_PATH_BYTES];
};

/* One message and one descriptor; it fits the empty buffer of a new connection, so nobody is waited for. */
static void give(int client, int memory)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte = 0;
	struct iovec data = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &memory, sizeof(memory));
	/* Who has gone again is nobody's concern. */
	if (sendmsg(client, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

static void *stand(void *arg)
{
	static const struct timespec pause = {.tv_nsec = PAUSE_NS};
	struct stats_door *door = arg;
	int fd, client;

	/* acquire: pairs with the exchange in stats_door_keep() and stats_door_close(), which then end this accept() */
	while ((fd = atomic_load_explicit(&door->fd, memory_order_acquire)) >= 0) {
		client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (client >= 0) {
			give(client, door->memory);
			close(client);
		} else if (errno == EINVAL && fd != atomic_load_explicit(&door->fd, memory_order_acquire)) {
			close(fd);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			nanosleep(&pause, NULL);
		}
	}
	return NULL;
}

/* Bound aside and renamed. Returns the listening socket, and in *st its address, or -errno. */
static int bind_at(const char *path, struct stat *st)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int rc = 0, fd;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s.new", path) >= (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	unlink(address.sun_path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	/* 0666: whoever connects gets counters and nothing else. */
	if (chmod(address.sun_path, 0666) != 0 || listen(fd, BACKLOG) != 0 || stat(address.sun_path, st) != 0 ||
	    rename(address.sun_path, path) != 0) {
		rc = -errno;
		unlink(address.sun_path);
		close(fd);
		return rc;
	}
	return fd;
}

/* Signals are the main loop's. */
static int start(struct stats_door *door)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = -pthread_create(&door->thread, NULL, stand, door);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

int stats_door_open(struct stats_door **out, const char *path, int memory)
{
	struct stats_door *door = calloc(1, sizeof(*door));
	char name[64];
	struct stat st;
	int rc, fd = -1;

	if (door == NULL)
		return -ENOMEM;
	door->pid = getpid();
	snprintf(door->path, sizeof(door->path), "%s", path);
	/* A description of its own: what was opened for reading cannot be made writable by whoever gets it. */
	snprintf(name, sizeof(name), "/proc/self/fd/%d", memory);
	door->memory = open(name, O_RDONLY | O_CLOEXEC);
	rc = door->memory < 0 ? -errno : 0;
	if (rc == 0) {
		fd = bind_at(path, &st);
		rc = fd < 0 ? fd : 0;
	}
	if (rc == 0) {
		door->device = st.st_dev;
		door->inode = st.st_ino;
		atomic_store_explicit(&door->fd, fd, memory_order_relaxed);
		rc = start(door);
		if (rc == 0) {
			*out = door;
			return 0;
		}
		unlink(path);
		close(fd);
	}
	if (door->memory >= 0)
		close(door->memory);
	free(door);
	return rc;
}

int stats_door_keep(struct stats_door *door)
{
	struct stat st;
	int fd;

	if (lstat(door->path, &st) == 0 && st.st_dev == door->device && st.st_ino == door->inode)
		return 0;
	fd = bind_at(door->path, &st);
	if (fd < 0)
		return fd;
	door->device = st.st_dev;
	door->inode = st.st_ino;
	/* release: pairs with the acquire in stand() */
	shutdown(atomic_exchange_explicit(&door->fd, fd, memory_order_release), SHUT_RDWR);
	return 1;
}

void stats_door_close(struct stats_door *door)
{
	if (door == NULL)
		return;
	if (door->pid == getpid()) {
		/* release: pairs with the acquire in stand(), which closes it */
		shutdown(atomic_exchange_explicit(&door->fd, -1, memory_order_release), SHUT_RDWR);
		pthread_join(door->thread, NULL);
	}
	close(door->memory);
	free(door);
}

/* ---- the other side ---- */

static int take(int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec data = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};
	const struct cmsghdr *c;
	int memory;

	if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&message);
	if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPROTO;
	memcpy(&memory, CMSG_DATA(c), sizeof(memory));
	return memory;
}

int stats_door_look(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EPROTO;
	return st.st_uid == 0 || st.st_uid == geteuid() || BATON_SABOTAGE(any_door_entered) ? 0 : -EPERM;
}

int stats_door_ask(const char *path)
{
	const struct timeval patience = {.tv_sec = 1};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int rc = stats_door_look(path);

	if (rc != 0)
		return rc;
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >= (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	rc = connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ? -errno : take(fd);
	close(fd);
	return rc == -EPROTOTYPE ? -EPROTO : rc;
}
