/* The control socket as a client sees it: find it, connect, one framed question, one framed answer. */
#include <endian.h>
#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "ctl_values.h"

#define FRAME_MAX (1u << 20)

int64_t ctl_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void ctl_wait_ms(uint64_t ms)
{
	struct timespec t = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

int ctl_fail(const struct ctl_options *o, enum ctl_exit code, FILE *err, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (o->json) {
		json_t *object = json_pack("{s:i, s:b, s:i, s:o}", "schema", 1, "ok", 0, "exit_code", (int)code, "error",
					   ctl_text(text));
		ctl_print_json(err, object);
		json_decref(object);
	} else {
		fprintf(err, "batonctl: %s\n", text);
	}
	return code;
}

/* ---- which socket ---- */

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

/* The same, but waits in a queue at the door that is full. */
static int connect_by(const char *path, int64_t deadline_ms)
{
	int fd = connect_to(path);

	while (fd == -EAGAIN && ctl_now_ms() < deadline_ms) {
		ctl_wait_ms(2);
		fd = connect_to(path);
	}
	return fd == -EAGAIN ? -ETIMEDOUT : fd;
}

static const char *instance_of(const char *path, char *name, size_t bytes)
{
	const char *end = strrchr(path, '/'), *start = end;

	while (start > path && start[-1] != '/')
		start--;
	snprintf(name, bytes, "%.*s", (int)(end - start), start);
	return name;
}

/* The only one that answers, or the only one there is. */
static int find_only(struct ctl_options *o, FILE *err)
{
	char names[256] = "", name[BATON_NAME_BYTES];
	glob_t found = { .gl_pathc = 0 };
	size_t living = 0, last = 0;
	int rc = CTL_OK;

	glob("/run/baton/*/" BATON_CONTROL_SOCKET, 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		int fd = connect_to(found.gl_pathv[i]);
		if (fd == -ECONNREFUSED || fd == -ENOENT)
			continue; /* left by one that was killed */
		if (fd >= 0)
			close(fd);
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", living ? ", " : "",
			 instance_of(found.gl_pathv[i], name, sizeof(name)));
		living++;
		last = i;
	}
	if (living == 0)
		rc = ctl_fail(o, CTL_UNREACHABLE, err,
			      "no instance is running (no " BATON_RUN_DIR_FMT "/%s that answers): start batond", "*",
			      BATON_CONTROL_SOCKET);
	else if (living > 1)
		rc = ctl_fail(o, CTL_USAGE, err, "several instances are running: choose one by -i: %s", names);
	else {
		snprintf(o->socket, sizeof(o->socket), "%.107s", found.gl_pathv[last]);
		instance_of(found.gl_pathv[last], o->instance, sizeof(o->instance));
	}
	globfree(&found);
	return rc;
}

int ctl_find_socket(struct ctl_options *o, FILE *err)
{
	if (o->socket[0])
		return CTL_OK;
	if (!o->instance[0])
		return find_only(o, err);
	snprintf(o->socket, sizeof(o->socket), BATON_RUN_DIR_FMT "/" BATON_CONTROL_SOCKET, o->instance);
	return CTL_OK;
}

/* ---- one question, one answer ---- */

/* Sends or receives exactly `len` bytes. Returns 0, -ETIMEDOUT, -EPIPE at hang-up, or -errno. */
static int transfer(int fd, void *data, size_t len, bool out, int64_t deadline_ms)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = out ? send(fd, (uint8_t *)data + at, len - at, MSG_NOSIGNAL)
				: recv(fd, (uint8_t *)data + at, len - at, 0);
		if (n == 0)
			return -EPIPE;
		if (n > 0) {
			at += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		int64_t left = deadline_ms - ctl_now_ms();
		struct pollfd p = { .fd = fd, .events = out ? POLLOUT : POLLIN };
		if (left <= 0)
			return -ETIMEDOUT;
		poll(&p, 1, left > 1000000 ? 1000000 : (int)left);
	}
	return 0;
}

static int send_frame(int fd, const json_t *request, int64_t deadline_ms)
{
	char *text = json_dumps(request, JSON_COMPACT);
	int rc = -ENOMEM;

	if (!text)
		return rc;
	uint32_t len = (uint32_t)strlen(text), frame = htole32(len);
	rc = transfer(fd, &frame, sizeof(frame), true, deadline_ms);
	if (rc == 0)
		rc = transfer(fd, text, len, true, deadline_ms);
	free(text);
	return rc;
}

static int receive_frame(int fd, json_t **reply, int64_t deadline_ms)
{
	uint32_t len = 0;
	int rc = transfer(fd, &len, sizeof(len), false, deadline_ms);

	len = le32toh(len);
	if (rc)
		return rc;
	if (len == 0 || len > FRAME_MAX)
		return -EPROTO;
	char *text = malloc(len);
	if (!text)
		return -ENOMEM;
	rc = transfer(fd, text, len, false, deadline_ms);
	if (rc == 0) {
		*reply = json_loadb(text, len, 0, NULL);
		if (!json_is_object(*reply)) {
			json_decref(*reply);
			rc = -EPROTO;
		}
	}
	free(text);
	return rc;
}

static int not_connected(const struct ctl_options *o, int rc, FILE *err)
{
	if (rc == -EACCES || rc == -EPERM)
		return ctl_fail(o, CTL_DENIED, err,
				"%s: permission denied: run batonctl as root, or have root give you a role (control.viewers or "
				"control.operators in its configuration)", o->socket);
	return ctl_fail(o, CTL_UNREACHABLE, err, "%s: %s: is batond running? (see `batonctl --help` for -i and -s)",
			o->socket, strerror(-rc));
}

/* Of an order, which goes on. Up, but not able to answer: for whoever watches it, it cannot be reached. */
static enum ctl_exit exit_of_late(const char *command)
{
	static const char *const watched[] = { "ping", "status", "worker.list" };
	enum ctl_exit code = CTL_TIMEOUT;

	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		if (strcmp(command, watched[i]) == 0)
			code = CTL_UNREACHABLE;
	return code;
}

int ctl_ask(const struct ctl_options *o, const char *command, json_t *args, uint64_t timeout_ms, json_t **reply,
	    FILE *err)
{
	int64_t deadline = ctl_now_ms() + (int64_t)timeout_ms;
	json_t *request = json_pack("{s:s, s:o}", "command", command, "args", args);
	int fd = connect_by(o->socket, deadline), rc = fd;

	if (fd < 0) {
		json_decref(request);
		return not_connected(o, fd, err);
	}
	rc = send_frame(fd, request, deadline);
	/* Who is turned away is told so before he could ask. */
	if (rc == 0 || rc == -EPIPE || rc == -ECONNRESET) {
		int got = receive_frame(fd, reply, deadline);
		rc = rc == 0 || got == 0 ? got : rc;
	}
	json_decref(request);
	close(fd);
	if (rc == -ETIMEDOUT)
		return ctl_fail(o, exit_of_late(command), err, "no answer to %s within %.1f s; the daemon may still be at it",
				command, (double)timeout_ms / 1000);
	if (rc == -EPIPE || rc == -ECONNRESET)
		return ctl_fail(o, CTL_UNREACHABLE, err, "%s: the daemon hung up", o->socket);
	if (rc == -EPROTO)
		return ctl_fail(o, CTL_FAILED, err, "%s: the answer is not one of batond's: is the version the same?",
				o->socket);
	return rc ? ctl_fail(o, CTL_FAILED, err, "%s: %s", o->socket, strerror(-rc)) : CTL_OK;
}

int ctl_refused(const struct ctl_options *o, const json_t *reply, FILE *err)
{
	static const struct { const char *code; enum ctl_exit exit; } exits[] = {
		{ "usage", CTL_USAGE }, { "not_found", CTL_NOT_FOUND }, { "denied", CTL_DENIED },
	};
	const char *code = json_string_value(json_object_get(reply, "code"));
	const char *error = json_string_value(json_object_get(reply, "error"));
	const json_t *errors = json_object_get(reply, "errors"), *line;
	enum ctl_exit exit_code = CTL_FAILED;
	size_t index;

	for (size_t i = 0; code && i < sizeof(exits) / sizeof(exits[0]); i++)
		if (!strcmp(code, exits[i].code))
			exit_code = exits[i].exit;
	if (o->json) {
		ctl_print_json(err, reply);
		return exit_code;
	}
	json_array_foreach(errors, index, line) /* of a configuration: as compilers print them */
		fprintf(err, "%s\n", json_string_value(line) ? json_string_value(line) : "?");
	fprintf(err, "batonctl: %s\n", error ? error : "refused without a reason");
	return exit_code;
}
