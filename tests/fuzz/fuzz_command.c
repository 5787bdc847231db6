/* The control socket with any clients: connections, frames, JSON, roles, the real verbs, the audit log; up to, but not
 * including, processes. An input is a list of what clients do:
 *
 *   'F' client text 0     a frame with this text       'R' client n bytes   bytes as they are
 *   'L' client len[4] n bytes   a frame that says its length is len
 *   'C' client            closes                       'S' client           has said all
 *   'r' client role       becomes operator, viewer or nobody by the next request's time
 *   'D' ok                the order that was begun ends     'P'  patience ends      'T'  no time in this turn
 *
 * Every reply must be one, in a frame; an operator's order is only ever given by one, and recorded while it is under
 * way; every line of the audit log is an object; at the end of an input nothing is left: no client, no order, no
 * descriptor, no memory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "audit.h"
#include "command.h"
#include "fuzz.h"
#include "fuzz_command.h"
#include "log.h"
#include "process.h"
#include "reload.h"
#include "reply.h"
#include "supervisor.h"

#define CLIENTS 3u
#define VIEWER_UID  41001u
#define NOBODY_UID  41002u

/* gcc has them, but not the header. */
size_t __sanitizer_get_current_allocated_bytes(void);
void __sanitizer_set_report_fd(void *fd);

struct primary primary;
static char dir[64];
uint64_t begun;
static int lowest_fd;

static struct client {
	int fd; /* -1: not connected */
	struct command_client *place;
	uint32_t generation;
	uint8_t in[1 << 16];
	size_t len;
} client[CLIENTS];

void broken(const char *file, int line, const char *what)
{
	printf("%s:%d: not so: %s\n", file, line, what);
	fflush(stdout);
	abort();
}

/* ---- clients ---- */

static void turn(void)
{
	struct pollfd fds[PRIMARY_WATCHES];
	uint32_t used = 0;

	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		if (primary.watch[i].fd >= 0)
			fds[used++] = (struct pollfd){ .fd = primary.watch[i].fd, .events = primary.watch[i].events };
	if (poll(fds, used, 0) > 0)
		for (uint32_t k = 0; k < used; k++)
			for (uint32_t i = 0; i < PRIMARY_WATCHES && fds[k].revents; i++)
				if (primary.watch[i].fd == fds[k].fd) {
					primary.watch[i].fn(&primary, fds[k].fd, primary.watch[i].arg);
					break;
				}
	command_poll(&primary);
	reload_poll(&primary);
}

static void hang_up(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1, c->len = 0;
}

static struct client *connected(uint8_t which)
{
	struct client *c = &client[which % CLIENTS];
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (c->fd >= 0)
		return c;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	memcpy(address.sun_path, primary.command->path, sizeof(address.sun_path));
	must(c->fd >= 0 && connect(c->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	uint64_t before = primary.command->counters.accepted;
	uint32_t free_place = 0;
	while (primary.command->client[free_place].fd >= 0)
		free_place++;
	turn();
	must(primary.command->counters.accepted == before + 1);
	c->place = &primary.command->client[free_place];
	c->generation = c->place->generation;
	c->len = 0;
	return c;
}

static void check_reply(const uint8_t *text, uint32_t len)
{
	static const char codes[] =
		" usage unknown_command not_found busy denied failed garbage oversize invalid refused ";
	json_t *reply = json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, NULL);
	const char *code = json_string_value(json_object_get(reply, "code"));
	char word[40];

	must(json_is_object(reply) && json_integer_value(json_object_get(reply, "schema")) == 1);
	must(json_is_boolean(json_object_get(reply, "ok")));
	snprintf(word, sizeof(word), " %s ", code ? code : "none");
	must(json_is_true(json_object_get(reply, "ok")) ||
	     (strstr(codes, word) && json_string_value(json_object_get(reply, "error"))));
	json_decref(reply);
}

/* Takes what there is, and looks at the replies that are whole. */
static void listen_to(struct client *c)
{
	for (;;) {
		ssize_t n = c->fd < 0 ? -1 : recv(c->fd, c->in + c->len, sizeof(c->in) - c->len, 0);
		uint32_t len;

		if (n == 0 || (n < 0 && errno != EAGAIN))
			hang_up(c);
		if (n <= 0)
			return;
		c->len += (size_t)n;
		while (c->len >= 4) {
			memcpy(&len, c->in, 4);
			must(len > 0 && len <= sizeof(c->in) - 4); /* no reply to these clients is longer */
			if (c->len < 4 + len)
				break;
			check_reply(c->in + 4, len);
			c->len -= 4 + len;
			memmove(c->in, c->in + 4 + len, c->len);
		}
	}
}

static void say(uint8_t which, const void *data, size_t bytes)
{
	struct client *c = connected(which);

	(void)!send(c->fd, data, bytes, MSG_NOSIGNAL); /* it may have been hung up on */
	turn(), listen_to(c);
}

static void say_frame(uint8_t which, uint32_t announced, const uint8_t *text, size_t bytes)
{
	static uint8_t frame[1 << 16];

	if (bytes > sizeof(frame) - 4)
		bytes = sizeof(frame) - 4;
	memcpy(frame, &announced, 4);
	memcpy(frame + 4, text, bytes);
	say(which, frame, bytes + 4);
}

static void set_role(uint8_t which, uint8_t role)
{
	static const uid_t uids[] = { 0, VIEWER_UID, NOBODY_UID };
	struct client *c = connected(which);

	if (c->place->fd >= 0 && c->place->generation == c->generation)
		c->place->peer.uid = uids[role % 3];
}

static void finish_order(bool ok)
{
	uint64_t token = begun - 1;

	if (!begun)
		return;
	begun = 0;
	command_reply(&primary, token, ok ? reply_ok() : reply_error("failed", "it did not start\n"));
}

static void lose_patience(void)
{
	primary.command->patience_ns = 0;
	turn();
	primary.command->patience_ns = COMMAND_PATIENCE_NS;
}

static void no_time(void)
{
	primary.command->turn_ns = 0;
	turn();
	primary.command->turn_ns = 1000000000;
}

/* ---- an input ---- */

/* Carries out what stands at the beginning. Returns how much that was. */
static size_t act(const uint8_t *data, size_t bytes)
{
	uint8_t which = bytes > 1 ? data[1] : 0;
	size_t at, n;
	uint32_t announced;

	switch (data[0]) {
	case 'F':
		at = bytes < 2 ? bytes : 2;
		n = strnlen((const char *)data + at, bytes - at);
		say_frame(which, (uint32_t)n, data + at, n);
		return at + n + 1;
	case 'R': case 'L':
		at = data[0] == 'R' ? 2 : 6;
		if (bytes < at + 1)
			return bytes;
		n = data[at] < bytes - at - 1 ? data[at] : bytes - at - 1;
		memcpy(&announced, data + at - 4, data[0] == 'R' ? 0 : 4);
		if (data[0] == 'R')
			say(which, data + at + 1, n);
		else
			say_frame(which, announced, data + at + 1, n);
		return at + 1 + n;
	case 'C': hang_up(&client[which % CLIENTS]); turn(); return 2;
	case 'S': shutdown(connected(which)->fd, SHUT_WR); turn(); return 2;
	case 'r': set_role(which, bytes > 2 ? data[2] : 0); return 3;
	case 'D': finish_order(which & 1); turn(); return 2;
	case 'P': lose_patience(); return 1;
	case 'T': no_time(); return 1;
	default: return 1;
	}
}

/* Every line an object: nothing that a client wrote ended one or began another. */
static void check_log(void)
{
	static char text[1 << 20];
	char *line = text, *end;
	ssize_t n = pread(primary.audit->fd, text, sizeof(text) - 1, 0);

	must(n >= 0);
	text[n] = '\0';
	for (; *line; line = end + 1) {
		end = strchr(line, '\n');
		must(end);
		json_t *object = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, NULL);
		must(json_is_object(object) && json_string_value(json_object_get(object, "verb")));
		json_decref(object);
	}
	must(ftruncate(primary.audit->fd, 0) == 0);
}

static void end_input(void)
{
	uint32_t watched = 0;

	for (uint32_t i = 0; i < CLIENTS; i++)
		hang_up(&client[i]);
	turn(), finish_order(true);
	for (uint32_t i = 0; i < 1000 && watched != 1; i++) {
		watched = 0;
		turn();
		for (uint32_t k = 0; k < PRIMARY_WATCHES; k++)
			watched += primary.watch[k].fd >= 0;
		for (uint32_t k = 0; k < COMMAND_CLIENTS; k++)
			watched += primary.command->client[k].fd >= 0;
	}
	must(watched == 1); /* the listener */
	must(primary.audit->open_orders == 0 && primary.audit->pending == NULL);
	must(primary.audit->lost == 0);
	check_log();
}

static void remove_dir(void)
{
	char command[160];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	(void)!system(command);
}

static void begin(void)
{
	static const char file[] = "version: 1\nname: fuzz\n"
				   "ports:\n- {name: p, device: net_null0, addresses: [10.77.0.1/24]}\n"
				   "services:\n- {name: game, port: 1, group: game}\n"
				   "groups:\n- {name: game, plugin: game.so}\n"
				   "control: {viewers: {users: [41001]}, audit_log: audit}\n"; /* beside this file */
	static struct supervisor supervisor;
	FILE *out;

	log_init("fuzz", LEVEL_ERROR);
	if (fuzz_is_alone) { /* the log, which has a line for every order, is not wanted; what kills us is */
		__sanitizer_set_report_fd((void *)1);
		must(freopen("/dev/null", "w", stderr));
	}
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof(dir), "%.30s/baton-fuzz-dir.XXXXXX", tmp ? tmp : "/tmp");
	must(mkdtemp(dir));
	atexit(remove_dir);
	snprintf(primary.run_dir, sizeof(primary.run_dir), "%s", dir);
	snprintf(primary.config_path, sizeof(primary.config_path), "%s/baton.yaml", dir);
	out = fopen(primary.config_path, "w");
	must(out && fputs(file, out) >= 0 && fclose(out) == 0);
	must(config_load_traced(primary.config_path, false, &primary.config, &primary.origins, stdout) == 0);
	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		primary.watch[i].fd = -1;
	supervisor.restart.phase = RESTART_IDLE;
	primary.supervisor = &supervisor;
	must(audit_init(&primary) == 0 && command_init(&primary) == 0 && reload_init(&primary) == 0);
	audit_started(&primary);
	primary.command->turn_ns = 1000000000;
	for (uint32_t i = 0; i < CLIENTS; i++)
		client[i].fd = -1;
	lowest_fd = dup(0);
	close(lowest_fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static uint32_t inputs;
	static size_t most;

	if (inputs++ == 0)
		begin();
	for (size_t at = 0; at < bytes;)
		at += act(data + at, bytes - at);
	end_input();
	int fd = dup(0);
	must(!fuzz_is_alone || fd == lowest_fd);
	close(fd);
	/* What is allocated once for all has been by then; after that a leak shows as growth without an end. */
	size_t now = __sanitizer_get_current_allocated_bytes();
	if (inputs <= 1000 && now > most)
		most = now;
	must(!fuzz_is_alone || inputs <= 1000 || now <= most + 4000000);
	return 0;
}
