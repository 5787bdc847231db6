/* Messages between primary, zygote and workers: whole or refused, and no descriptor is ever lost on the way. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "zygote.h"

static int end[2];
static struct zygote_message sent, got;

static int open_pair(void **state)
{
	(void)state;
	memset(&got, 0, sizeof(got));
	sent = (struct zygote_message){.magic = ZYGOTE_MAGIC, .abi = BATON_ABI, .kind = WORKER_LOG};
	strcpy(sent.text, "a line");
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, end);
}

static int close_pair(void **state)
{
	(void)state;
	close(end[0]);
	close(end[1]);
	return 0;
}

static int descriptors_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static void a_message_arrives_whole(void **state)
{
	int fds[2] = {7, 7};
	int32_t pid = -1;

	(void)state;
	assert_int_equal(zygote_send(end[0], &sent, -1, -1), 0);
	assert_int_equal(zygote_receive(end[1], &got, fds, &pid), 1);
	assert_memory_equal(&got, &sent, sizeof(sent));
	assert_int_equal(fds[0], -1);
	assert_int_equal(fds[1], -1);
	assert_int_equal(pid, 0);
	assert_int_equal(zygote_receive(end[1], &got, fds, &pid), -EAGAIN);
}

static void descriptors_arrive_in_order(void **state)
{
	int fds[2], ab[2][2];
	char byte;

	(void)state;
	for (int count = 1; count <= 2; count++) {
		assert_int_equal(pipe(ab[0]), 0);
		assert_int_equal(pipe(ab[1]), 0);
		assert_int_equal(zygote_send(end[0], &sent, ab[0][1], count == 2 ? ab[1][1] : -1), 0);
		assert_int_equal(zygote_receive(end[1], &got, fds, NULL), 1);
		for (int i = 0; i < count; i++) {
			assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
			assert_int_equal(write(fds[i], &"01"[i], 1), 1);
			assert_int_equal(read(ab[i][0], &byte, 1), 1);
			assert_int_equal(byte, '0' + i);
			close(fds[i]);
		}
		if (count == 1)
			assert_int_equal(fds[1], -1);
		for (int i = 0; i < 4; i++)
			close(ab[i / 2][i % 2]);
	}
}

static void a_second_descriptor_without_a_first_is_refused(void **state)
{
	(void)state;
	assert_int_equal(zygote_send(end[0], &sent, -1, 0), -EINVAL);
	assert_int_equal(zygote_receive(end[1], &got, NULL, NULL), -EAGAIN);
}

static void the_kernel_names_the_sender(void **state)
{
	int on = 1, status;
	int32_t pid = 0;

	(void)state;
	assert_int_equal(setsockopt(end[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	pid_t child = fork();
	if (child == 0)
		_exit(zygote_send(end[0], &sent, end[0], end[0]) != 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	int before = descriptors_open();
	assert_int_equal(zygote_receive(end[1], &got, NULL, &pid), 1);
	assert_int_equal(pid, child);
	assert_int_equal(descriptors_open(), before); /* those nobody asked for are closed */
}

static void hang_up_is_told_apart(void **state)
{
	(void)state;
	assert_int_equal(zygote_send(end[0], &sent, -1, -1), 0);
	shutdown(end[0], SHUT_RDWR);
	assert_int_equal(zygote_receive(end[1], &got, NULL, NULL), 1);
	assert_int_equal(zygote_receive(end[1], &got, NULL, NULL), 0);
	assert_int_equal(zygote_send(end[1], &sent, -1, -1), -EPIPE);
}

/* Sends `bytes` of `sent` with `count` descriptors, as a stranger would. */
static void send_raw(size_t bytes, int count)
{
	union {
		char bytes[CMSG_SPACE(16 * sizeof(int))];
		struct cmsghdr align;
	} control = {.bytes = {0}};
	static uint8_t large[sizeof(sent) + 64];
	struct iovec iov = {.iov_base = large, .iov_len = bytes};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

	memcpy(large, &sent, sizeof(sent));
	if (count > 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
		for (int i = 0; i < count; i++)
			memcpy(CMSG_DATA(cmsg) + (size_t)i * sizeof(int), &end[0], sizeof(int));
	}
	assert_int_equal(sendmsg(end[0], &header, 0), bytes);
}

static void what_is_not_ours_is_refused_and_leaks_nothing(void **state)
{
	static const struct {
		size_t bytes;
		int count;
		uint32_t magic, abi;
	} bad[] = {
		{1, 0, ZYGOTE_MAGIC, BATON_ABI}, {sizeof(sent) - 1, 2, ZYGOTE_MAGIC, BATON_ABI},
		{sizeof(sent) + 1, 2, ZYGOTE_MAGIC, BATON_ABI}, {sizeof(sent), 2, ZYGOTE_MAGIC + 1, BATON_ABI},
		{sizeof(sent), 1, ZYGOTE_MAGIC, BATON_ABI + 1}, {sizeof(sent), 3, ZYGOTE_MAGIC, BATON_ABI},
		{sizeof(sent), 8, ZYGOTE_MAGIC, BATON_ABI}, {sizeof(sent), 16, ZYGOTE_MAGIC, BATON_ABI},
	};
	int fds[2] = {-7, -7}, before = descriptors_open();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		sent.magic = bad[i].magic;
		sent.abi = bad[i].abi;
		send_raw(bad[i].bytes, bad[i].count);
		assert_int_equal(zygote_receive(end[1], &got, fds, NULL), -EPROTO);
		assert_int_equal(descriptors_open(), before);
	}
	assert_int_equal(fds[0], -7);
}

static void a_full_socket_does_not_block(void **state)
{
	int rc, queued = 0;

	(void)state;
	while ((rc = zygote_send(end[0], &sent, -1, -1)) == 0)
		assert_true(++queued < 100000);
	assert_int_equal(rc, -EAGAIN);
	assert_true(queued >= 2);
	while (zygote_receive(end[1], &got, NULL, NULL) == 1)
		queued--;
	assert_int_equal(queued, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_pair, close_pair)
	const struct CMUnitTest tests[] = {
		TEST(a_message_arrives_whole), TEST(descriptors_arrive_in_order),
		TEST(a_second_descriptor_without_a_first_is_refused), TEST(the_kernel_names_the_sender),
		TEST(hang_up_is_told_apart), TEST(what_is_not_ours_is_refused_and_leaks_nothing),
		TEST(a_full_socket_does_not_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
