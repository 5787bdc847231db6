/* Who may do what at the control socket, with clients that really are other users; root alone can become them. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <grp.h>

#include "command_rig.h"

#define ALICE 41001u /* numbers: this machine need not know them */
#define BOB   41002u
#define TEAM  42001u

/* A client's process, and what it says of its attempt: "errno N", "hung up", or the reply. */
struct client {
	pid_t pid;
	int from;
	char said[4096];
	size_t len;
};

static ssize_t receive_all(int fd, char *text, size_t size)
{
	uint32_t len;

	if (recv(fd, &len, 4, MSG_WAITALL) != 4 || len >= size || recv(fd, text, len, MSG_WAITALL) != (ssize_t)len)
		return -1;
	text[len] = 0;
	return (ssize_t)len;
}

/* In the child. Sends before it looks whether it was turned away, as batonctl does. */
static void attempt(int to, const char *request, size_t bytes)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	uint32_t len = (uint32_t)bytes;
	char text[4096];

	memcpy(address.sun_path, primary.command->path, sizeof(address.sun_path));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		dprintf(to, "errno %d", errno);
		return;
	}
	if (send(fd, &len, 4, MSG_NOSIGNAL) == 4)
		(void)!send(fd, request, bytes, MSG_NOSIGNAL);
	dprintf(to, "%s", receive_all(fd, text, sizeof(text)) < 0 ? "hung up" : text);
}

static void become(uid_t uid, gid_t gid, gid_t extra)
{
	if (setgroups(extra ? 1 : 0, &extra) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		_exit(9);
}

/* extra: a supplementary group, 0: none. */
static const char *ask_bytes(uid_t uid, gid_t gid, gid_t extra, const char *request, size_t bytes)
{
	static struct client c;
	int ends[2], status;

	memset(&c, 0, sizeof(c));
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	c.pid = fork();
	if (c.pid == 0) {
		become(uid, gid, extra);
		attempt(ends[1], request, bytes);
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	for (uint64_t end = process_now_ns() + WAIT_NS;;) {
		ssize_t n = read(ends[0], c.said + c.len, sizeof(c.said) - 1 - c.len);
		if (n == 0)
			break;
		c.len += n > 0 ? (size_t)n : 0;
		if (process_now_ns() > end)
			fail_msg("no end of the client after 60 s; it said '%s'", c.said);
		turn(1);
	}
	close(ends[0]);
	assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
	assert_int_equal(status, 0);
	return c.said;
}

static const char *ask(uid_t uid, gid_t gid, gid_t extra, const char *request)
{
	return ask_bytes(uid, gid, extra, request, strlen(request));
}

#define ECHO   "{\"command\":\"echo\"}"
#define MUTATE "{\"command\":\"mutate\"}"

static void says(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("'%s' does not say '%s'", text, words);
}

static void is_ok(const char *text) { says(text, "\"ok\":true"); }
static void is_denied(const char *text) { says(text, "\"code\":\"denied\""); }

/* The kernel, not the daemon, says no. */
static void cannot_connect(uid_t uid, gid_t gid, gid_t extra)
{
	char want[32];

	snprintf(want, sizeof(want), "errno %d", EACCES);
	assert_string_equal(ask(uid, gid, extra, ECHO), want);
}

static void name(struct config_account *list, uint32_t *count, uint32_t id)
{
	snprintf(list[*count].name, sizeof(list->name), "%u", id);
	list[(*count)++].id = id;
}

#define NAME(role, kind, id) name(primary.config.role.kind, &primary.config.role.kind##s, (id))

static int begin(void **state)
{
	if (geteuid() != 0)
		return 0; /* as_others() skips */
	if (start(state))
		return -1;
	mutations = 0;
	snprintf(primary.config_path, sizeof(primary.config_path), "/etc/demo.yaml");
	return chmod(dir, 0755);
}

static int finish(void **state) { return geteuid() == 0 ? end(state) : 0; }

static void as_others(void)
{
	if (geteuid() == 0)
		return;
	print_message("SKIP test_roles: only root can become somebody else\n");
	skip();
}

/* ---- claims ---- */

static void without_roles_only_root_connects(void **unused)
{
	struct stat st;

	(void)unused;
	as_others();
	assert_int_equal(stat(primary.command->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	cannot_connect(ALICE, ALICE, 0);
	is_ok(ask(0, 0, 0, MUTATE));
	assert_int_equal(mutations, 1);
}

static void a_viewer_may_look_and_is_told_how_to_get_more(void **unused)
{
	const char *said;

	(void)unused;
	as_others();
	NAME(viewers, user, ALICE);
	command_permit(&primary);
	is_ok(ask(ALICE, ALICE, 0, ECHO));
	said = ask(ALICE, ALICE, 0, MUTATE);
	is_denied(said);
	says(said, "mutate needs an operator, and uid 41001 is a viewer: root gives the role by control.operators in "
		   "/etc/demo.yaml and `batonctl config reload`");
	assert_int_equal(mutations, 0);
	assert_int_equal(counters()->denied, 1);
	cannot_connect(BOB, BOB, 0);
}

static void an_operator_may_do_both(void **unused)
{
	(void)unused;
	as_others();
	NAME(operators, user, ALICE);
	NAME(viewers, user, ALICE); /* the higher role counts */
	command_permit(&primary);
	is_ok(ask(ALICE, ALICE, 0, ECHO));
	is_ok(ask(ALICE, ALICE, 0, MUTATE));
	assert_int_equal(mutations, 1);
}

static void groups_count_be_they_first_or_supplementary(void **unused)
{
	(void)unused;
	as_others();
	NAME(operators, group, TEAM);
	command_permit(&primary);
	is_ok(ask(ALICE, TEAM, 0, MUTATE));
	is_ok(ask(BOB, BOB, TEAM, MUTATE));
	assert_int_equal(mutations, 2);
	cannot_connect(BOB, BOB, TEAM + 1);
	NAME(viewers, group, TEAM + 1);
	command_permit(&primary);
	is_denied(ask(BOB, BOB, TEAM + 1, MUTATE));
	assert_int_equal(mutations, 2);
}

/* On a file system without access lists everybody can connect. */
static void a_stranger_is_turned_away_with_one_line_and_no_place(void **unused)
{
	const char *said;

	(void)unused;
	as_others();
	NAME(viewers, user, ALICE);
	command_permit(&primary);
	assert_int_equal(chmod(primary.command->path, 0666), 0);
	for (uint32_t i = 1; i <= 3; i++) {
		said = ask(BOB, BOB, TEAM, ECHO);
		is_denied(said);
		says(said, "uid 41002 has no role here: root gives one by control.viewers or control.operators");
		assert_int_equal(counters()->strangers, i);
	}
	assert_int_equal(counters()->accepted, 0);
	is_ok(ask(ALICE, ALICE, 0, ECHO));
}

static void a_reload_changes_who_may_connect(void **unused)
{
	(void)unused;
	as_others();
	cannot_connect(ALICE, ALICE, 0);
	NAME(viewers, user, ALICE);
	command_permit(&primary);
	is_ok(ask(ALICE, ALICE, 0, ECHO));
	primary.config.viewers.users = 0;
	NAME(viewers, user, BOB);
	command_permit(&primary);
	cannot_connect(ALICE, ALICE, 0);
	is_ok(ask(BOB, BOB, 0, ECHO));
	primary.config.viewers.users = 0;
	command_permit(&primary);
	cannot_connect(BOB, BOB, 0);
}

/* A socket that was removed is made again with the same rights. */
static void a_socket_made_again_lets_the_same_people_in(void **unused)
{
	(void)unused;
	as_others();
	NAME(viewers, user, ALICE);
	command_permit(&primary);
	assert_int_equal(unlink(primary.command->path), 0);
	primary.command->look_ns = 0;
	turn(0);
	is_ok(ask(ALICE, ALICE, 0, ECHO));
	cannot_connect(BOB, BOB, 0);
}

/* ---- connections that last: their peer is somebody else by our say-so ---- */

static void became(uint32_t client, uid_t uid) { primary.command->client[client].peer.uid = uid; }

static void a_role_that_was_taken_away_ends_the_connection(void **unused)
{
	int fd;

	(void)unused;
	as_others();
	NAME(operators, user, ALICE);
	fd = connect_client();
	push_frame(fd, ECHO);
	expect(fd, true, "");
	became(0, ALICE);
	push_frame(fd, MUTATE);
	expect(fd, true, "");
	primary.config.operators.users = 0;
	NAME(viewers, user, ALICE);
	push_frame(fd, MUTATE); /* the next request is looked at with the new eyes */
	expect(fd, false, "denied");
	push_frame(fd, ECHO);
	expect(fd, true, "");
	primary.config.viewers.users = 0;
	push_frame(fd, ECHO);
	expect(fd, false, "denied");
	assert_null(pull_frame(fd));
	assert_int_equal(mutations, 1);
	close(fd);
}

static void viewers_send_short_frames_only(void **unused)
{
	static char text[COMMAND_VIEWER_FRAME_MAX + 64];
	int size, fd;

	(void)unused;
	as_others();
	NAME(viewers, user, ALICE);
	command_permit(&primary);
	size = snprintf(text, sizeof(text), "{\"command\":\"mutate\",\"args\":{\"pad\":\"%0*d\"}}",
			(int)COMMAND_VIEWER_FRAME_MAX, 0);
	assert_true((uint32_t)size > COMMAND_VIEWER_FRAME_MAX);
	says(ask_bytes(ALICE, ALICE, 0, text, (size_t)size), "a frame of yours holds 1 to 65536 bytes");
	assert_int_equal(counters()->oversize, 1);
	fd = connect_client();
	push(fd, &size, 4);
	push(fd, text, (size_t)size);
	expect(fd, true, "");
	assert_int_equal(mutations, 1);
	close(fd);
}

/* However many viewers there are and whatever they do not read, an operator gets a place. */
static void viewers_cannot_keep_an_operator_out(void **unused)
{
	int fd[COMMAND_CLIENTS];

	(void)unused;
	as_others();
	NAME(viewers, user, ALICE);
	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++) {
		fd[i] = connect_client();
		push_frame(fd[i], "{\"command\":\"big\",\"args\":{\"bytes\":1000000}}"); /* and is not read */
		wait_until(primary.command->client[i].out_len > 0);
	}
	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++)
		became(i, ALICE);
	expect_alive(); /* all places were taken, and all were owed a reply */
	assert_int_equal(counters()->evicted, 1);
	assert_int_equal(counters()->refused, 0);
	/* Viewers have 24 places among themselves; one more of them gets none while those do not read. */
	for (uint32_t i = 0; i < COMMAND_CLIENTS; i++)
		close(fd[i]);
	wait_until(clients() == 0);
	command_permit(&primary);
	for (uint32_t i = 0; i < COMMAND_VIEWERS; i++) {
		fd[i] = connect_client();
		push_frame(fd[i], "{\"command\":\"big\",\"args\":{\"bytes\":1000000}}");
		wait_until(primary.command->client[i].out_len > 0);
		became(i, ALICE);
	}
	assert_string_equal(ask(ALICE, ALICE, 0, ECHO), "hung up");
	assert_int_equal(counters()->refused, 1);
	expect_alive();
	for (uint32_t i = 0; i < COMMAND_VIEWERS; i++)
		close(fd[i]);
}

#define claim(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(without_roles_only_root_connects),
		claim(a_viewer_may_look_and_is_told_how_to_get_more),
		claim(an_operator_may_do_both),
		claim(groups_count_be_they_first_or_supplementary),
		claim(a_stranger_is_turned_away_with_one_line_and_no_place),
		claim(a_reload_changes_who_may_connect),
		claim(a_socket_made_again_lets_the_same_people_in),
		claim(a_role_that_was_taken_away_ends_the_connection),
		claim(viewers_send_short_frames_only),
		claim(viewers_cannot_keep_an_operator_out),
	};

	log_init("test", LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
