/* The control socket against clients of every bad kind: none can hang it, crash it or get in another's way. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "command_rig.h"

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

/* A client that asks and asks does not make the others wait: a turn of the main loop has an end. */
static void a_turn_is_shared_by_all_who_ask(void **unused)
{
	static const char frame[] = "\x12\0\0\0{\"command\":\"echo\"}";
	static uint8_t many[8192 * (sizeof(frame) - 1)];
	int greedy = connect_client(), other = connect_client();
	uint64_t before;

	(void)unused;
	wait_until(clients() == 2);
	for (uint32_t i = 0; i < 8192; i++)
		memcpy(many + i * (sizeof(frame) - 1), frame, sizeof(frame) - 1);
	size_t sent = (size_t)send(greedy, many, sizeof(many), MSG_NOSIGNAL | MSG_DONTWAIT);
	assert_true(sent > 100 * sizeof(frame)); /* what the socket holds */
	before = counters()->commands;
	primary.command->turn_ns = 0; /* no time: one frame a turn */
	turn(0);
	assert_int_equal(counters()->commands, before + 1);
	assert_int_equal(send(other, frame, sizeof(frame) - 1, MSG_NOSIGNAL), sizeof(frame) - 1);
	turn(0);
	turn(0);
	assert_int_equal(counters()->commands, before + 3);
	expect(other, true, ""); /* the second or third to be served, with thousands in front of it */
	primary.command->turn_ns = COMMAND_TURN_NS;
	close(other);
	close(greedy);
	wait_until(clients() == 0);
}

/* What a long frame took is given back: 32 clients that once sent one cost nothing any more. */
static void a_buffer_is_as_long_as_it_has_to_be(void **unused)
{
	static uint8_t frame[4 + 600000];
	static const char head[] = "{\"command\":\"echo\"";
	uint32_t len = sizeof(frame) - 4;
	int fd = connect_client();

	(void)unused;
	memset(frame, ' ', sizeof(frame));
	memcpy(frame, &len, 4);
	memcpy(frame + 4, head, sizeof(head) - 1);
	frame[sizeof(frame) - 1] = '}';
	push(fd, frame, sizeof(frame) / 2);
	assert_true(primary.command->client[0].in_size > COMMAND_KEEP_BYTES);
	push(fd, frame + sizeof(frame) / 2, sizeof(frame) - sizeof(frame) / 2);
	expect(fd, true, "");
	assert_int_equal(primary.command->client[0].in_size, 0);
	push_frame(fd, "{\"command\":\"echo\"}");
	expect(fd, true, "");
	close(fd);
}

#define claim(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(garbage_is_counted_and_answered),
		claim(a_frame_of_impossible_length_ends_the_connection),
		claim(a_reader_that_does_not_read_holds_up_nobody),
		claim(half_a_frame_is_not_waited_for_for_ever),
		claim(a_flood_while_a_reply_is_due_is_cut_off),
		claim(idle_connections_keep_nobody_out),
		claim(all_places_owed_a_reply_refuse_the_next),
		claim(random_bytes_from_many_clients_break_nothing),
		claim(a_turn_is_shared_by_all_who_ask),
		claim(a_buffer_is_as_long_as_it_has_to_be),
	};

	log_init("test", LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
