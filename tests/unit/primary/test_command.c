/* The control socket against clients of every kind: none can hang it, crash it or get in another's way. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "log.h"
#include "process.h"
#include "reply.h"

#define WAIT_NS 60000000000ull

static struct primary primary;
static char dir[64];
static uint64_t later[64]; /* tokens of orders not yet answered */
static uint32_t laters;
static uint32_t mutations;

/* ---- verbs of the test; no supervisor, no data path ---- */

static json_t *verb_echo(const struct command_call *call)
{
	json_t *reply = reply_ok();

	json_object_set(reply, "args", (json_t *)(uintptr_t)call->args);
	return reply;
}

static json_t *verb_later(const struct command_call *call)
{
	later[laters++ % 64] = call->token;
	return NULL;
}

static json_t *verb_big(const struct command_call *call)
{
	size_t bytes = (size_t)json_integer_value(json_object_get(call->args, "bytes"));
	char *text = malloc(bytes + 1);
	json_t *reply = reply_ok();

	memset(text, 'x', bytes);
	text[bytes] = 0;
	reply_set_text(reply, "text", text);
	free(text);
	return reply;
}

static json_t *verb_mutate(const struct command_call *call)
{
	(void)call;
	mutations++;
	return reply_ok();
}

const struct command_verb command_verbs[] = {
	{ "echo", verb_echo, false }, { "later", verb_later, false }, { "big", verb_big, false },
	{ "mutate", verb_mutate, true }, { NULL, NULL, false },
};

void status_poll(struct primary *p, struct status_history *history)
{
	(void)p;
	(void)history;
}

/* ---- the main loop's part ---- */

int primary_watch_events(struct primary *p, int fd, bool writable, primary_watch_fn fn, void *arg)
{
	struct primary_watch *place = NULL;

	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++) {
		if (p->watch[i].fd == fd) {
			place = &p->watch[i];
			break;
		}
		if (p->watch[i].fd < 0 && !place)
			place = &p->watch[i];
	}
	if (!place)
		return -ENOSPC;
	*place = (struct primary_watch){
		.fd = fd, .events = (short)(POLLIN | (writable ? POLLOUT : 0)), .fn = fn, .arg = arg
	};
	return 0;
}

int primary_watch(struct primary *p, int fd, primary_watch_fn fn, void *arg)
{
	return primary_watch_events(p, fd, false, fn, arg);
}

void primary_unwatch(struct primary *p, int fd)
{
	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		if (p->watch[i].fd == fd)
			p->watch[i].fd = -1;
}

/* Returns what poll() did: 0 when nothing was to be done. */
static int turn(int timeout_ms)
{
	struct pollfd fds[PRIMARY_WATCHES];
	int n;

	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		fds[i] = (struct pollfd){ .fd = primary.watch[i].fd, .events = primary.watch[i].events };
	n = poll(fds, PRIMARY_WATCHES, timeout_ms);
	for (uint32_t i = 0; i < PRIMARY_WATCHES && n > 0; i++) {
		struct primary_watch w = primary.watch[i];
		if (fds[i].fd >= 0 && fds[i].revents && w.fd == fds[i].fd)
			w.fn(&primary, w.fd, w.arg);
	}
	command_poll(&primary);
	return n;
}

#define wait_until(condition) \
	do { \
		uint64_t end_ = process_now_ns() + WAIT_NS; \
		while (!(condition)) { \
			if (process_now_ns() > end_) \
				fail_msg("still not so after 60 s: %s", #condition); \
			turn(1); \
		} \
	} while (0)

static struct command_counters *counters(void) { return &primary.command->counters; }

/* ---- a client ---- */

static int connect_client(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, primary.command->path, sizeof(address.sun_path));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Sends it all, with turns of the server in between. */
static void push(int fd, const void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, (const uint8_t *)data + at, len - at, MSG_NOSIGNAL);
		if (n > 0)
			at += (size_t)n;
		else if (errno != EAGAIN)
			fail_msg("send: %s", strerror(errno));
		turn(0);
	}
}

static void push_frame(int fd, const char *text)
{
	uint8_t frame[4096];
	uint32_t len = (uint32_t)strlen(text);

	assert_true(len + 4 <= sizeof(frame));
	memcpy(frame, &len, 4); /* x86-64: little-endian */
	memcpy(frame + 4, text, len);
	push(fd, frame, len + 4);
}

/* Waits for exactly len bytes; false at hang-up. */
static bool pull(int fd, void *data, size_t len)
{
	uint64_t end = process_now_ns() + WAIT_NS;

	for (size_t at = 0; at < len;) {
		ssize_t n = recv(fd, (uint8_t *)data + at, len - at, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
		if (n > 0)
			at += (size_t)n;
		if (process_now_ns() > end)
			fail_msg("no reply within 60 s");
		turn(n > 0 ? 0 : 1);
	}
	return true;
}

static json_t *pull_frame(int fd)
{
	static char text[COMMAND_FRAME_MAX];
	uint32_t len;

	if (!pull(fd, &len, 4))
		return NULL;
	assert_in_range(len, 1, COMMAND_FRAME_MAX);
	assert_true(pull(fd, text, len));
	json_t *reply = json_loadb(text, len, 0, NULL);
	assert_non_null(reply);
	return reply;
}

static void expect(int fd, bool ok, const char *code)
{
	json_t *reply = pull_frame(fd);
	const char *got = json_string_value(json_object_get(reply, "code"));

	assert_non_null(reply);
	assert_int_equal(json_integer_value(json_object_get(reply, "schema")), 1);
	assert_int_equal(json_is_true(json_object_get(reply, "ok")), ok);
	assert_string_equal(got ? got : "", code);
	json_decref(reply);
}

static void expect_alive(void)
{
	int fd = connect_client();

	push_frame(fd, "{\"command\":\"echo\"}");
	expect(fd, true, "");
	close(fd);
}

static uint32_t clients(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++)
		n += primary.command->client[i].fd >= 0;
	return n;
}

/* ---- claims ---- */

static void a_command_is_answered_with_its_id(void **unused)
{
	int fd = connect_client();

	(void)unused;
	push_frame(fd, "{\"command\":\"echo\",\"args\":{\"n\":[1,2]},\"id\":{\"mine\":7}}");
	json_t *reply = pull_frame(fd);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(reply, "id"), "mine")), 7);
	assert_int_equal(json_array_size(json_object_get(json_object_get(reply, "args"), "n")), 2);
	json_decref(reply);
	close(fd);
}

static void frames_sent_together_are_answered_in_order(void **unused)
{
	char batch[8192];
	size_t len = 0;
	int fd = connect_client();

	(void)unused;
	for (uint32_t i = 0; i < 50; i++) {
		char text[64];
		uint32_t n = (uint32_t)snprintf(text, sizeof(text), "{\"command\":\"echo\",\"id\":%u}", i);
		memcpy(batch + len, &n, 4);
		memcpy(batch + len + 4, text, n);
		len += 4 + n;
	}
	push(fd, batch, len);
	for (uint32_t i = 0; i < 50; i++) {
		json_t *reply = pull_frame(fd);
		assert_int_equal(json_integer_value(json_object_get(reply, "id")), i);
		json_decref(reply);
	}
	close(fd);
}

static void a_frame_may_come_byte_by_byte(void **unused)
{
	static const char frame[] = "\x12\0\0\0{\"command\":\"echo\"}";
	int fd = connect_client();

	(void)unused;
	for (size_t i = 0; i < sizeof(frame) - 1; i++)
		push(fd, frame + i, 1);
	expect(fd, true, "");
	close(fd);
}

static void an_order_that_takes_time_is_answered_when_it_is_done(void **unused)
{
	int fd = connect_client(), other = connect_client();

	(void)unused;
	laters = 0;
	push_frame(fd, "{\"command\":\"later\",\"id\":1}");
	push_frame(fd, "{\"command\":\"echo\",\"id\":2}"); /* in order: waits for the first */
	wait_until(laters == 1);
	push_frame(other, "{\"command\":\"echo\"}");
	expect(other, true, ""); /* nobody else waits */
	for (uint32_t i = 0; i < 20; i++)
		turn(0);
	assert_int_equal(recv(fd, &(char){ 0 }, 1, 0), -1);
	command_reply(&primary, later[0], reply_ok());
	command_reply(&primary, later[0], reply_ok()); /* once is enough */
	for (uint32_t id = 1; id <= 2; id++) {
		json_t *reply = pull_frame(fd);
		assert_int_equal(json_integer_value(json_object_get(reply, "id")), id);
		json_decref(reply);
	}
	close(fd);
	close(other);
}

static void a_client_that_left_is_not_answered(void **unused)
{
	(void)unused;
	laters = 0;
	int fd = connect_client();
	push_frame(fd, "{\"command\":\"later\"}");
	wait_until(laters == 1);
	close(fd);
	for (uint32_t i = 0; i < 5; i++)
		turn(1);
	command_reply(&primary, later[0], reply_ok());
	wait_until(clients() == 0);
	fd = connect_client(); /* has the place now, but not the order */
	push_frame(fd, "{\"command\":\"echo\"}");
	command_reply(&primary, later[0], reply_error("failed", "for somebody else"));
	expect(fd, true, "");
	close(fd);
}

static void a_client_that_has_said_all_still_gets_its_answer(void **unused)
{
	int fd = connect_client();

	(void)unused;
	laters = 0;
	push_frame(fd, "{\"command\":\"later\"}");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	wait_until(laters == 1);
	for (uint32_t i = 0; i < 10; i++)
		turn(0);
	assert_int_equal(turn(0), 0); /* its hang-up does not make the main loop spin */
	command_reply(&primary, later[0], reply_ok());
	expect(fd, true, "");
	assert_null(pull_frame(fd));
	close(fd);
}

static void garbage_is_counted_and_answered(void **unused)
{
	static const char *const garbage[] = {
		"x", "[]", "null", "{", "{}", "{\"command\":7}", "\xff\xfe", "{\"command\":\"echo\",\"args\":[]}",
		"{\"command\":\"echo\",\"command\":\"echo\"}", "{\"command\":\"\\u0000\"}",
	};
	uint64_t before = counters()->garbage;
	int fd = connect_client();

	(void)unused;
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		push_frame(fd, garbage[i]);
		expect(fd, false, "garbage");
	}
	assert_int_equal(counters()->garbage, before + sizeof(garbage) / sizeof(garbage[0]));
	push_frame(fd, "{\"command\":\"no such thing\"}");
	expect(fd, false, "unknown_command");
	push_frame(fd, "{\"command\":\"echo\"}"); /* the connection is still good */
	expect(fd, true, "");
	close(fd);
}

static void a_frame_of_impossible_length_ends_the_connection(void **unused)
{
	static const uint32_t lengths[] = { 0, COMMAND_FRAME_MAX + 1, 0x7fffffff, 0xffffffff };

	(void)unused;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint64_t before = counters()->oversize;
		int fd = connect_client();
		push(fd, &lengths[i], 4);
		expect(fd, false, "oversize");
		assert_null(pull_frame(fd));
		assert_int_equal(counters()->oversize, before + 1);
		close(fd);
	}
	expect_alive();
}

static void the_largest_frame_is_taken_and_given(void **unused)
{
	static uint8_t frame[4 + COMMAND_FRAME_MAX];
	static const char head[] = "{\"command\":\"mutate\",\"args\":{\"pad\":\"", tail[] = "\"}}";
	uint32_t len = COMMAND_FRAME_MAX;
	int fd = connect_client();

	(void)unused;
	memset(frame, 'y', sizeof(frame));
	memcpy(frame, &len, 4);
	memcpy(frame + 4, head, sizeof(head) - 1);
	memcpy(frame + 4 + len - (sizeof(tail) - 1), tail, sizeof(tail) - 1);
	push(fd, frame, sizeof(frame));
	expect(fd, true, "");
	push_frame(fd, "{\"command\":\"big\",\"args\":{\"bytes\":1048000}}");
	expect(fd, true, "");
	push_frame(fd, "{\"command\":\"big\",\"args\":{\"bytes\":1048576}}"); /* would be longer than a frame */
	expect(fd, false, "failed");
	close(fd);
}

static void a_reader_that_does_not_read_holds_up_nobody(void **unused)
{
	int slow = connect_client();

	(void)unused;
	push_frame(slow, "{\"command\":\"big\",\"args\":{\"bytes\":1000000}}");
	push_frame(slow, "{\"command\":\"big\",\"args\":{\"bytes\":1000000}}");
	for (uint32_t i = 0; i < 20; i++)
		expect_alive();
	expect(slow, true, ""); /* it is all there when it reads at last */
	expect(slow, true, "");
	push_frame(slow, "{\"command\":\"big\",\"args\":{\"bytes\":1000000}}");
	uint64_t before = counters()->stalled;
	primary.command->patience_ns = 1000000;
	wait_until(counters()->stalled == before + 1);
	close(slow);
	primary.command->patience_ns = COMMAND_PATIENCE_NS;
}

static void half_a_frame_is_not_waited_for_for_ever(void **unused)
{
	uint64_t before = counters()->stalled;
	int half = connect_client(), idle = connect_client();

	(void)unused;
	push(half, "\x40\0\0\0{\"comm", 10);
	push_frame(idle, "{\"command\":\"echo\"}");
	expect(idle, true, "");
	primary.command->patience_ns = 1000000;
	wait_until(counters()->stalled == before + 1);
	assert_false(pull(half, &(char){ 0 }, 1));
	primary.command->patience_ns = COMMAND_PATIENCE_NS;
	push_frame(idle, "{\"command\":\"echo\"}"); /* one that is silent between frames may stay */
	expect(idle, true, "");
	close(half);
	close(idle);
}

static void a_flood_while_a_reply_is_due_is_cut_off(void **unused)
{
	static uint8_t junk[65536];
	uint64_t end = process_now_ns() + WAIT_NS;
	uint64_t before = counters()->flooded;
	int fd = connect_client();

	(void)unused;
	laters = 0;
	push_frame(fd, "{\"command\":\"later\"}");
	wait_until(laters == 1);
	while (counters()->flooded == before && process_now_ns() < end) {
		if (send(fd, junk, sizeof(junk), MSG_NOSIGNAL) < 0)
			assert_int_equal(errno == EAGAIN || errno == EPIPE || errno == ECONNRESET, 1);
		turn(0);
	}
	assert_int_equal(counters()->flooded, before + 1);
	close(fd);
	expect_alive();
}

static void idle_connections_keep_nobody_out(void **unused)
{
	int fd[2 * COMMAND_CLIENTS];

	(void)unused;
	for (uint32_t i = 0; i < 2 * COMMAND_CLIENTS; i++) {
		fd[i] = connect_client();
		turn(0);
	}
	wait_until(clients() == COMMAND_CLIENTS);
	expect_alive();
	assert_true(counters()->evicted > COMMAND_CLIENTS);
	for (uint32_t i = 0; i < 2 * COMMAND_CLIENTS; i++)
		close(fd[i]);
	wait_until(clients() == 0);
}

static void all_places_owed_a_reply_refuse_the_next(void **unused)
{
	int fd[COMMAND_CLIENTS], one_more;
	uint64_t before = counters()->refused;

	(void)unused;
	laters = 0;
	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++) {
		fd[i] = connect_client();
		push_frame(fd[i], "{\"command\":\"later\"}");
	}
	wait_until(laters == COMMAND_CLIENTS);
	one_more = connect_client();
	wait_until(counters()->refused == before + 1);
	assert_null(pull_frame(one_more));
	close(one_more);
	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++)
		command_reply(&primary, later[i], reply_ok());
	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++) {
		expect(fd[i], true, "");
		close(fd[i]);
	}
}

static void random_bytes_from_many_clients_break_nothing(void **unused)
{
	uint64_t x = 0x9e3779b97f4a7c15ull;
	int fd[8];

	(void)unused;
	for (uint32_t i = 0; i < 8; i++)
		fd[i] = connect_client();
	for (uint32_t round = 0; round < 20000; round++) {
		uint8_t bytes[72];
		char drain[4096];
		for (size_t i = 0; i < sizeof(bytes); i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			bytes[i] = (uint8_t)x;
		}
		uint32_t at = round % 8, len = bytes[0] % 60;
		if (bytes[1] % 4) /* else the length is as wild as the rest */
			memcpy(bytes + 2, &len, 4);
		if (send(fd[at], bytes + 2, 4 + len, MSG_NOSIGNAL) < 0 || bytes[1] % 64 == 63) {
			close(fd[at]);
			fd[at] = connect_client();
		}
		while (recv(fd[at], drain, sizeof(drain), 0) > 0)
			;
		turn(0);
	}
	for (uint32_t i = 0; i < 8; i++)
		close(fd[i]);
	assert_true(counters()->garbage > 100 && counters()->oversize > 100);
	expect_alive();
	wait_until(clients() == 0);
}

static void others_cannot_connect(void **unused)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;
	int status;

	(void)unused;
	memcpy(address.sun_path, primary.command->path, sizeof(address.sun_path));
	assert_int_equal(stat(primary.command->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	if (geteuid() != 0) {
		print_message("SKIP others_cannot_connect: only root can become somebody else\n");
		skip();
	}
	assert_int_equal(chmod(dir, 0755), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (setresuid(65534, 65534, 65534))
			_exit(2);
		_exit(connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1 && errno == EACCES ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void who_is_neither_root_nor_us_may_look_but_not_change(void **unused)
{
	int fd = connect_client();

	(void)unused;
	mutations = 0;
	push_frame(fd, "{\"command\":\"mutate\"}");
	expect(fd, true, "");
	assert_int_equal(mutations, 1);
	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++)
		primary.command->client[i].uid = 65534; /* as the kernel would say, were the mode opened */
	push_frame(fd, "{\"command\":\"mutate\"}");
	expect(fd, false, "denied");
	assert_int_equal(mutations, 1);
	push_frame(fd, "{\"command\":\"echo\"}");
	expect(fd, true, "");
	close(fd);
}

static void a_stale_socket_is_replaced_and_removed_at_the_end(void **unused)
{
	char path[108];

	(void)unused;
	memcpy(path, primary.command->path, sizeof(path));
	command_fini(&primary);
	assert_int_equal(access(path, F_OK), -1);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0); /* as a kill -9 leaves it */
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, path, sizeof(address.sun_path));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(command_init(&primary), 0);
	expect_alive();
}

static int start(void **unused)
{
	(void)unused;
	memset(&primary, 0, sizeof(primary));
	snprintf(dir, sizeof(dir), "/tmp/baton-command.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(primary.run_dir, sizeof(primary.run_dir), "%s", dir);
	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		primary.watch[i].fd = -1;
	return command_init(&primary);
}

static int end(void **unused)
{
	(void)unused;
	command_fini(&primary);
	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		assert_int_equal(primary.watch[i].fd, -1);
	return rmdir(dir);
}

#define claim(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(a_command_is_answered_with_its_id),
		claim(frames_sent_together_are_answered_in_order),
		claim(a_frame_may_come_byte_by_byte),
		claim(an_order_that_takes_time_is_answered_when_it_is_done),
		claim(a_client_that_left_is_not_answered),
		claim(a_client_that_has_said_all_still_gets_its_answer),
		claim(garbage_is_counted_and_answered),
		claim(a_frame_of_impossible_length_ends_the_connection),
		claim(the_largest_frame_is_taken_and_given),
		claim(a_reader_that_does_not_read_holds_up_nobody),
		claim(half_a_frame_is_not_waited_for_for_ever),
		claim(a_flood_while_a_reply_is_due_is_cut_off),
		claim(idle_connections_keep_nobody_out),
		claim(all_places_owed_a_reply_refuse_the_next),
		claim(random_bytes_from_many_clients_break_nothing),
		claim(others_cannot_connect),
		claim(who_is_neither_root_nor_us_may_look_but_not_change),
		claim(a_stale_socket_is_replaced_and_removed_at_the_end),
	};

	log_init("test", LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
