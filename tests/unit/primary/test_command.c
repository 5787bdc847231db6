/* The control socket with clients that keep to the protocol, at whatever pace; and who may do what. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "command_rig.h"


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

/* Turns until the second in which the socket is looked at has passed. */
static void look_again(void)
{
	primary.command->look_ns = 0;
	turn(0);
}

static void a_socket_that_was_removed_is_made_again(void **unused)
{
	int fd = connect_client();
	struct stat st;

	(void)unused;
	for (uint32_t i = 1; i <= 3; i++) {
		assert_int_equal(unlink(primary.command->path), 0);
		look_again();
		assert_int_equal(stat(primary.command->path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		assert_int_equal(counters()->remade, i);
		expect_alive();
		look_again(); /* once is enough */
		assert_int_equal(counters()->remade, i);
	}
	push_frame(fd, "{\"command\":\"echo\"}"); /* who was connected stays so */
	expect(fd, true, "");
	close(fd);
}

static void its_directory_is_made_again_too(void **unused)
{
	(void)unused;
	assert_int_equal(unlink(primary.command->path), 0);
	assert_int_equal(rmdir(dir), 0);
	look_again();
	expect_alive();
}

static void what_took_the_place_of_the_socket_goes(void **unused)
{
	(void)unused;
	assert_int_equal(unlink(primary.command->path), 0);
	close(open(primary.command->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	look_again();
	expect_alive();
}

/* A process that answers there is not ours to cut off; and it is said once, not every second. */
static void a_socket_at_which_somebody_else_listens_is_left(void **unused)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat before, after;

	(void)unused;
	memcpy(address.sun_path, primary.command->path, sizeof(address.sun_path));
	assert_int_equal(unlink(primary.command->path), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(stat(primary.command->path, &before), 0);
	for (uint32_t i = 0; i < 3; i++)
		look_again();
	assert_int_equal(stat(primary.command->path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(counters()->remade, 0);
	close(fd);
	look_again(); /* it has left */
	expect_alive();
}

static void a_socket_that_cannot_be_made_is_tried_again(void **unused)
{
	(void)unused;
	assert_int_equal(unlink(primary.command->path), 0);
	assert_int_equal(mkdir(primary.command->path, 0700), 0); /* a directory cannot be unlinked */
	look_again();
	look_again();
	assert_int_equal(counters()->remade, 0);
	assert_int_equal(rmdir(primary.command->path), 0);
	look_again();
	expect_alive();
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
		claim(the_largest_frame_is_taken_and_given),
		claim(others_cannot_connect),
		claim(a_stale_socket_is_replaced_and_removed_at_the_end),
		claim(a_socket_that_was_removed_is_made_again),
		claim(its_directory_is_made_again_too),
		claim(what_took_the_place_of_the_socket_goes),
		claim(a_socket_at_which_somebody_else_listens_is_left),
		claim(a_socket_that_cannot_be_made_is_tried_again),
	};

	log_init("test", LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
