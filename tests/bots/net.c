/* Sockets of the bots. */
#define _GNU_SOURCE
#include "net.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES (8 << 20)
#define REPLY_TRUESIZE 4608u /* the most the kernel charges a receive buffer for one short datagram */

uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int fail(const char *what, int error)
{
	fprintf(stderr, "baton-bots: %s: %s\n", what, strerror(error));
	return -error;
}

int net_open_socket(const struct sockaddr_in *server)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int size = BUFFER_BYTES;

	if (fd < 0)
		return fail("cannot open a socket", errno);
	/* beyond net.core.rmem_max for root only */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (connect(fd, (const struct sockaddr *)server, sizeof(*server)) != 0) {
		int error = errno;
		close(fd);
		return fail("cannot reach the address (is there a route to it?)", error);
	}
	return fd;
}

/* Every socket takes a descriptor; raises the soft limit if it is in the way. */
static void want_descriptors(uint32_t count)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < count + 64u) {
		limit.rlim_cur = count + 64u < limit.rlim_max ? count + 64u : limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int net_open(struct net *net, const struct sockaddr_in *server, uint32_t sockets, uint32_t in_flight)
{
	*net = (struct net){ .epoll = epoll_create1(EPOLL_CLOEXEC) };
	if (net->epoll < 0)
		return fail("epoll_create1", errno);
	net->fd = calloc(sockets, sizeof(*net->fd));
	net->queue = calloc(sockets, sizeof(*net->queue));
	net->waiting = calloc(sockets, sizeof(*net->waiting));
	net->buffer = calloc(NET_BURST, sizeof(*net->buffer));
	if (net->fd == NULL || net->queue == NULL || net->waiting == NULL || net->buffer == NULL) {
		net_close(net);
		return fail("no memory for the sockets", ENOMEM);
	}
	want_descriptors(sockets);
	for (uint32_t i = 0; i < sockets; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
		int fd = net_open_socket(server);
		if (fd < 0) {
			net_close(net);
			return fd;
		}
		net->fd[net->sockets++] = fd;
		if (epoll_ctl(net->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
			int rc = fail("epoll_ctl", errno);
			net_close(net);
			return rc;
		}
	}
	int size = 0;
	socklen_t length = sizeof(size);
	getsockopt(net->fd[0], SOL_SOCKET, SO_RCVBUF, &size, &length);
	net->per_socket = (uint32_t)size / REPLY_TRUESIZE;
	if (net->per_socket > in_flight)
		net->per_socket = in_flight;
	if (net->per_socket == 0)
		net->per_socket = 1;
	return 0;
}

void net_close(struct net *net)
{
	for (uint32_t i = 0; i < net->sockets; i++)
		close(net->fd[i]);
	if (net->epoll >= 0)
		close(net->epoll);
	free(net->fd);
	free(net->queue);
	free(net->waiting);
	free(net->buffer);
	*net = (struct net){ .epoll = -1 };
}

void net_queue_request(struct net *net, struct request *r)
{
	struct net_queue *queue = &net->queue[r->socket];

	if (queue->first == NULL)
		queue->first = r;
	else
		queue->last->queue_next = r;
	queue->last = r;
	if (!queue->waiting) {
		queue->waiting = true;
		net->waiting[net->waitings++] = r->socket;
	}
}

/* Sends one burst of a socket's queue. Returns the number sent, or -errno. */
static int send_burst(struct net *net, struct model *model, uint32_t socket)
{
	struct net_queue *queue = &net->queue[socket];
	struct mmsghdr messages[NET_BURST] = { 0 };
	struct iovec parts[NET_BURST];
	unsigned int count = 0;

	for (struct request *r = queue->first; r != NULL && count < NET_BURST; r = r->queue_next, count++) {
		parts[count] = (struct iovec){ .iov_base = r->bytes, .iov_len = r->len };
		messages[count].msg_hdr.msg_iov = &parts[count];
		messages[count].msg_hdr.msg_iovlen = 1;
	}
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	int sent = sendmmsg(net->fd[socket], messages, count, MSG_DONTWAIT);
	if (sent < 0)
		return -errno;
	for (int i = 0; i < sent; i++) {
		struct request *r = queue->first;
		queue->first = r->queue_next;
		model_sent(model, r, now);
	}
	return sent;
}

/* Sends a socket's queue. Returns 0, -EAGAIN or -errno. */
static int flush_socket(struct net *net, struct model *model, uint32_t socket)
{
	while (net->queue[socket].first != NULL) {
		int rc = send_burst(net, model, socket);
		if (rc >= 0 || rc == -EINTR)
			continue;
		/* An ICMP error of an earlier datagram is reported here; this one was not sent. */
		if (rc == -ECONNREFUSED || rc == -EHOSTUNREACH) {
			model->tally->refused++;
			return -EAGAIN;
		}
		if (rc == -EWOULDBLOCK || rc == -ENOBUFS || rc == -EPERM)
			return -EAGAIN;
		/* A TAP device goes with the primary that made it, and our address and the route with it. */
		if (model->options->kills != NULL && (rc == -ENETUNREACH || rc == -ENETDOWN || rc == -ENODEV || rc == -EINVAL))
			return -EAGAIN;
		return fail("cannot send", -rc);
	}
	return 0;
}

int net_flush(struct net *net, struct model *model)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < net->waitings; i++) {
		uint32_t socket = net->waiting[i];
		int rc = flush_socket(net, model, socket);
		if (rc == -EAGAIN)
			net->waiting[kept++] = socket;
		else if (rc != 0)
			return rc;
		else
			net->queue[socket].waiting = false;
	}
	net->waitings = kept;
	return kept != 0 ? -EAGAIN : 0;
}

/* Reads one socket until it is empty. Returns 0 or -errno. */
static int receive_socket(struct net *net, struct model *model, uint32_t socket)
{
	struct mmsghdr messages[NET_BURST];
	struct iovec parts[NET_BURST];
	int count;

	do {
		memset(messages, 0, sizeof(messages));
		for (uint32_t i = 0; i < NET_BURST; i++) {
			parts[i] = (struct iovec){ .iov_base = net->buffer[i], .iov_len = sizeof(net->buffer[i]) };
			messages[i].msg_hdr.msg_iov = &parts[i];
			messages[i].msg_hdr.msg_iovlen = 1;
		}
		count = recvmmsg(net->fd[socket], messages, NET_BURST, MSG_DONTWAIT, NULL);
		if (count < 0) {
			if (errno == ECONNREFUSED || errno == EHOSTUNREACH)
				model->tally->refused++;
			else if (errno != EAGAIN && errno != EINTR && errno != ENETUNREACH && errno != ENETDOWN)
				return fail("cannot receive", errno);
			return 0;
		}
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		uint64_t wall = clock_ns(CLOCK_REALTIME);
		for (int i = 0; i < count; i++)
			model_reply(model, socket, net->buffer[i], messages[i].msg_len, now, wall);
	} while (count == (int)NET_BURST);
	return 0;
}

int net_receive(struct net *net, struct model *model, int timeout_ms)
{
	struct epoll_event events[NET_BURST];
	int count = epoll_wait(net->epoll, events, NET_BURST, timeout_ms);

	if (count < 0)
		return errno == EINTR ? 0 : fail("epoll_wait", errno);
	for (int i = 0; i < count; i++) {
		int rc = receive_socket(net, model, events[i].data.u32);
		if (rc != 0)
			return rc;
	}
	if (count < (int)NET_BURST)
		model_round(model);
	return 0;
}

uint64_t net_drops(const struct net *net)
{
	uint64_t drops = 0;

	for (uint32_t i = 0; i < net->sockets; i++) {
		uint32_t info[SK_MEMINFO_VARS] = { 0 };
		socklen_t length = sizeof(info);
		if (getsockopt(net->fd[i], SOL_SOCKET, SO_MEMINFO, info, &length) == 0)
			drops += info[SK_MEMINFO_DROPS];
	}
	return drops;
}
