/* batonctl run in this process, against a daemon of the test's own with one answer. Include once per program. */
#ifndef TEST_CTL_RIG_H
#define TEST_CTL_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl.h"

static char dir[64], path[108];

/* ---- a daemon with one answer ---- */

static struct daemon {
	pthread_t thread;
	int fd;
	const char *answer; /* NULL: hangs up; "": never answers */
	uint32_t announced; /* length of the frame, if not that of the answer */
	char heard[4096];   /* the last question */
} server;

static inline void *serve(void *unused)
{
	int client = accept(server.fd, NULL, NULL);
	uint32_t len = 0;

	(void)unused;
	if (client < 0)
		return NULL;
	if (recv(client, &len, 4, MSG_WAITALL) == 4 && len < sizeof(server.heard)) {
		recv(client, server.heard, len, MSG_WAITALL);
		server.heard[len] = 0;
	}
	if (server.answer && !server.answer[0])
		recv(client, &len, 1, 0); /* until the other side has had enough */
	if (server.answer && server.answer[0]) {
		len = server.announced ? server.announced : (uint32_t)strlen(server.answer);
		send(client, &len, 4, MSG_NOSIGNAL);
		send(client, server.answer, strlen(server.answer), MSG_NOSIGNAL);
	}
	close(client);
	return NULL;
}

static inline void daemon_start(const char *answer)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	server = (struct daemon){ .answer = answer, .fd = socket(AF_UNIX, SOCK_STREAM, 0) };
	memcpy(address.sun_path, path, sizeof(address.sun_path));
	unlink(path);
	assert_int_equal(bind(server.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server.fd, 1), 0);
	assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static inline void daemon_end(void)
{
	shutdown(server.fd, SHUT_RDWR); /* nobody came: ends the accept */
	pthread_join(server.thread, NULL);
	close(server.fd);
	unlink(path);
}

/* ---- a run ---- */

static struct run {
	int rc;
	char *out, *err;
} last;

static inline void run(const char *words, ...)
{
	char text[1024], *argv[32] = { (char *)(uintptr_t) "batonctl" }, *rest = text;
	size_t out_len, err_len;
	int argc = 1;
	va_list args;

	va_start(args, words);
	vsnprintf(text, sizeof(text), words, args);
	va_end(args);
	for (char *word; (word = strsep(&rest, " ")) != NULL && argc < 31;)
		if (*word)
			argv[argc++] = word;
	free(last.out);
	free(last.err);
	FILE *out = open_memstream(&last.out, &out_len), *err = open_memstream(&last.err, &err_len);
	last.rc = ctl_main(argc, argv, out, err);
	fclose(out);
	fclose(err);
}

/* Runs it against a daemon with this answer. */
static inline void run_with(const char *answer, const char *words)
{
	daemon_start(answer);
	run("-s %s %s", path, words);
	daemon_end();
}

static inline void says(const char *where, const char *what)
{
	if (!strstr(where, what))
		fail_msg("'%s' does not say '%s'", where, what);
}

/* One line and no more. */
static inline void one_line(const char *text)
{
	assert_true(text[0] != 0);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

/* ---- start and end ---- */

static inline int start(void **unused)
{
	(void)unused;
	snprintf(dir, sizeof(dir), "/tmp/baton-ctl.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/control.sock", dir);
	return 0;
}

static inline int end(void **unused)
{
	(void)unused;
	free(last.out);
	free(last.err);
	last.out = last.err = NULL;
	return rmdir(dir);
}

#endif
