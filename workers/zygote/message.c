/* The messages of zygote.h: one datagram each, whole or not at all. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "zygote.h"

int zygote_send(int fd, const struct zygote_message *message, int fd0, int fd1)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = {.bytes = {0}};
	int fds[2] = {fd0, fd1};
	size_t count = fd0 < 0 ? 0 : fd1 < 0 ? 1 : 2;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)message, .iov_len = sizeof(*message)};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd0 < 0 && fd1 >= 0)
		return -EINVAL; /* the receiver could not tell which of the two is missing */
	if (count != 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
	}
	for (;;) {
		ssize_t sent = sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent >= 0)
			return sent == (ssize_t)sizeof(*message) ? 0 : -EPROTO;
		if (errno != EINTR)
			return -errno;
	}
}

/* Takes descriptors and credentials out of the ancillary data. Returns the number of descriptors; those beyond two are
 * closed and make it larger than two. */
static int read_ancillary(struct msghdr *header, int got[2], int32_t *pid)
{
	int count = 0;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg != NULL; cmsg = CMSG_NXTHDR(header, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET)
			continue;
		if (cmsg->cmsg_type == SCM_CREDENTIALS && cmsg->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
			struct ucred sender;

			memcpy(&sender, CMSG_DATA(cmsg), sizeof(sender));
			*pid = sender.pid;
		} else if (cmsg->cmsg_type == SCM_RIGHTS) {
			for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= cmsg->cmsg_len; at += sizeof(int)) {
				int fd;

				memcpy(&fd, CMSG_DATA(cmsg) + at, sizeof(fd));
				if (count < 2)
					got[count] = fd;
				else
					close(fd);
				count++;
			}
		}
	}
	return count;
}

int zygote_receive(int fd, struct zygote_message *message, int fds[2], int32_t *pid)
{
	union {
		/* more than two, so that a sender of too many is told apart and nothing of it stays open */
		char bytes[CMSG_SPACE(8 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = message, .iov_len = sizeof(*message)};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	int got[2] = {-1, -1};
	int32_t sender = 0;
	ssize_t bytes;

	do
		bytes = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	while (bytes < 0 && errno == EINTR);
	if (bytes < 0)
		return errno == ECONNRESET ? 0 : -errno;
	int count = read_ancillary(&header, got, &sender);
	bool sound = bytes == (ssize_t)sizeof(*message) && !(header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
		     message->magic == ZYGOTE_MAGIC && message->abi == BATON_ABI && count <= 2;
	if (!sound || fds == NULL)
		for (int i = 0; i < 2; i++)
			if (got[i] >= 0)
				close(got[i]);
	/* An empty datagram looks like the hang-up that it is not; nobody sends one. */
	if (bytes == 0)
		return 0;
	if (!sound)
		return -EPROTO;
	if (fds != NULL)
		memcpy(fds, got, sizeof(got));
	if (pid != NULL)
		*pid = sender;
	return 1;
}
