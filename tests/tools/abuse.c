/* A client of the control socket as no one should be. Prints what the daemon must have counted, as `counter N`.
 *
 *   test-abuse SOCKET noise N SEED     N connections of random bytes; every other one has a valid length in front
 *   test-abuse SOCKET oversize N SEED  N lengths that no frame may have; each must be answered and hung up on
 *   test-abuse SOCKET half N SEED      N frames that stop in the middle; ends when the daemon has hung up on all
 *   test-abuse SOCKET deaf N SEED      N clients that ask as long as the socket takes it and never read; ends as half
 *   test-abuse SOCKET flood N SEED     1000 * N connections, closed at once, in mid-frame or with a reply due
 *   test-abuse SOCKET pipeline N SEED  N clients that send 20,000 questions each without waiting, and read all replies
 *   test-abuse SOCKET refused N SEED   N orders that the peer may not give; each must be answered so
 *   test-abuse SOCKET mute N SEED      N connections that say nothing; prints `connected N`, ends with its input */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST       1000
#define PATIENCE_S 60

static const char *path;
static uint64_t state;

static uint64_t chance(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void fail(const char *what)
{
	fprintf(stderr, "test-abuse: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int dial(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		fail("connect");
	return fd;
}

/* The daemon may hang up in the middle of it. */
static void push(int fd, const void *data, size_t len)
{
	if (send(fd, data, len, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		fail("send");
}

/* True if an answer with these words comes. */
static bool answered(int fd, const char *words)
{
	char text[4096];
	ssize_t got = recv(fd, text, sizeof(text) - 1, 0);

	if (got <= 4)
		return false;
	text[got] = '\0';
	return strstr(text + 4, words) != NULL;
}

static void noise(int count)
{
	int garbage = 0, oversize = 0;

	for (int i = 0; i < count; i++) {
		uint8_t data[2048];
		uint32_t len = 1 + (uint32_t)(chance() % (sizeof(data) - 4));
		int fd = dial();

		for (uint32_t at = 0; at < sizeof(data); at++)
			data[at] = (uint8_t)(chance() >> 32);
		if (i % 2 == 0) {
			memcpy(data, &len, sizeof(len));
			push(fd, data, 4 + len);
			if (!answered(fd, "garbage"))
				fail("no answer to garbage");
			garbage++;
		} else {
			data[3] |= 1; /* a length above all limits */
			push(fd, data, 4 + len);
			/* its answer is lost if bytes behind it were unread: the kernel resets the connection */
			(void)answered(fd, "oversize");
			oversize++;
		}
		close(fd);
	}
	printf("garbage %d\noversize %d\n", garbage, oversize);
}

static void oversize(int count)
{
	static const uint32_t lengths[] = { 0, (1u << 20) + 1, 0x7fffffff, 0xffffffff };
	char byte;

	for (int i = 0; i < count; i++) {
		int fd = dial();

		push(fd, &lengths[i % 4], sizeof(lengths[0]));
		if (!answered(fd, "oversize") || recv(fd, &byte, 1, 0) != 0)
			fail("no answer to a length that no frame may have, or no end after it");
		close(fd);
	}
	printf("oversize %d\n", count);
}

static void await_hang_ups(struct pollfd *fds, int count)
{
	for (int i = 0; i < count; i++)
		while (fds[i].revents == 0)
			if (poll(&fds[i], 1, PATIENCE_S * 1000) <= 0)
				fail("the daemon does not hang up");
}

static void half(struct pollfd *fds, int count)
{
	static const char begun[] = "\x40\0\0\0{\"command\":\"sta";

	for (int i = 0; i < count; i++)
		push(fds[i].fd, begun, 1 + chance() % (sizeof(begun) - 1)); /* also less than a length */
	await_hang_ups(fds, count);
	printf("stalled %d\n", count);
}

static void deaf(struct pollfd *fds, int count)
{
	static const char question[] = "\x14\0\0\0{\"command\":\"status\"}";

	for (int i = 0; i < count; i++) {
		struct pollfd room = { .fd = fds[i].fd, .events = POLLOUT };

		/* until nothing has been taken for a second, or the daemon has had enough of it */
		while (poll(&room, 1, 1000) > 0 && (room.revents & (POLLHUP | POLLERR)) == 0)
			if (send(room.fd, question, sizeof(question) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
				break;
	}
	await_hang_ups(fds, count);
	printf("deaf %d\n", count);
}

/* Connections that come and go: nothing is asked for, half of something, or something whose answer nobody takes. */
static void flood(int count)
{
	static const char question[] = "\x14\0\0\0{\"command\":\"status\"}";

	for (int i = 0; i < 1000 * count; i++) {
		int fd = dial();

		push(fd, question, chance() % sizeof(question));
		close(fd);
	}
	printf("flood %d\n", 1000 * count);
}

#define PIPELINED 20000u

/* What is sent and what is read go on side by side, as fast as the daemon takes and gives it. */
static void pipeline(int count)
{
	static const char question[] = "\x12\0\0\0{\"command\":\"ping\"}";
	static struct { size_t sent, replies, need, head; uint8_t header[4]; bool over; } one[MOST];
	static struct pollfd fds[MOST];
	const size_t bytes = sizeof(question) - 1, all = PIPELINED * bytes;
	int open_ones = count;
	size_t replies = 0;

	for (int i = 0; i < count; i++)
		fds[i].fd = dial();
	while (open_ones > 0) {
		for (int i = 0; i < count; i++)
			fds[i].events = (short)(POLLIN | (one[i].sent < all ? POLLOUT : 0));
		if (poll(fds, (nfds_t)count, PATIENCE_S * 1000) <= 0)
			fail("the daemon neither takes nor gives");
		for (int i = 0; i < count; i++) {
			uint8_t in[65536];
			ssize_t n = 0;

			if (fds[i].fd < 0)
				continue;
			if (fds[i].revents & POLLOUT) {
				size_t at = one[i].sent % bytes;
				n = send(fds[i].fd, question + at, bytes - at, MSG_DONTWAIT | MSG_NOSIGNAL);
				one[i].sent += n > 0 ? (size_t)n : 0;
			}
			if (!(fds[i].revents & (POLLIN | POLLHUP)))
				continue;
			n = recv(fds[i].fd, in, sizeof(in), MSG_DONTWAIT);
			for (ssize_t k = 0; k < n; k++) {
				if (one[i].need > 0 && --one[i].need == 0)
					one[i].replies++;
				else if (one[i].need == 0) {
					one[i].header[one[i].head++] = in[k];
					if (one[i].head == 4) {
						uint32_t len;
						memcpy(&len, one[i].header, 4);
						one[i].need = len;
						one[i].head = 0;
					}
				}
			}
			/* Evicted for an operator, or served to the end. */
			if (n == 0 || (n < 0 && errno != EAGAIN) || one[i].replies == PIPELINED) {
				close(fds[i].fd);
				fds[i].fd = -1;
				replies += one[i].replies;
				open_ones--;
			}
		}
	}
	printf("pipeline %zu\n", replies);
}

static void refused(int count)
{
	static const char order[] = "\x1b\0\0\0{\"command\":\"config.reload\"}";
	int fd = dial();

	for (int i = 0; i < count; i++) {
		push(fd, order, sizeof(order) - 1);
		if (!answered(fd, "denied"))
			fail("an order was not refused");
	}
	close(fd);
	printf("refused %d\n", count);
}

static void mute(int count)
{
	char byte;

	printf("connected %d\n", count);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

int main(int argc, char **argv)
{
	static struct pollfd fds[MOST];
	int count = argc == 5 ? atoi(argv[3]) : 0;

	if (count < 1 || (count > MOST && strcmp(argv[2], "refused") != 0)) {
		fprintf(stderr, "usage: test-abuse SOCKET noise|oversize|half|deaf|flood|pipeline|refused|mute N SEED\n");
		return 2;
	}
	path = argv[1];
	state = strtoull(argv[4], NULL, 10) * 0x9e3779b97f4a7c15ull | 1;
	alarm(2 * PATIENCE_S);
	if (strcmp(argv[2], "noise") == 0) {
		noise(count);
		return 0;
	}
	if (strcmp(argv[2], "oversize") == 0) {
		oversize(count);
		return 0;
	}
	if (strcmp(argv[2], "flood") == 0) {
		flood(count);
		return 0;
	}
	if (strcmp(argv[2], "pipeline") == 0) {
		pipeline(count);
		return 0;
	}
	if (strcmp(argv[2], "refused") == 0) {
		refused(count);
		return 0;
	}
	for (int i = 0; i < count; i++)
		fds[i].fd = dial();
	if (strcmp(argv[2], "half") == 0)
		half(fds, count);
	else if (strcmp(argv[2], "deaf") == 0)
		deaf(fds, count);
	else if (strcmp(argv[2], "mute") == 0)
		mute(count);
	else
		return 2;
	return 0;
}
