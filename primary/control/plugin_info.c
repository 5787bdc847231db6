/* Describing plugins by another process, and comparing a started one with the description. */
#define _GNU_SOURCE
#include "plugin_info.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "baton.h"

extern char **environ;

static int refuse(int error, char *why, size_t bytes, const char *format, ...) __attribute__((format(printf, 4, 5)));

static int refuse(int error, char *why, size_t bytes, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, bytes, format, args);
	va_end(args);
	return -error;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- parsing ---- */

static int get_text(const json_t *object, const char *key, char *out, size_t size, char *why, size_t bytes)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_string(value))
		return refuse(EPROTO, why, bytes, "plugin description without text \"%s\"", key);
	if (json_string_length(value) >= size)
		return refuse(EPROTO, why, bytes, "plugin's \"%s\" is longer than %zu characters", key, size - 1);
	snprintf(out, size, "%s", json_string_value(value));
	return 0;
}

static int get_number(const json_t *object, const char *key, uint32_t most, uint32_t *out, char *why, size_t bytes)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > (json_int_t)most)
		return refuse(EPROTO, why, bytes, "plugin description without a number \"%s\" of at most %u", key,
			      most);
	*out = (uint32_t)json_integer_value(value);
	return 0;
}

static int get_key(const json_t *object, uint32_t *key, char *why, size_t bytes)
{
	const char *text = json_string_value(json_object_get(object, "key"));

	if (text && !strcmp(text, "flow"))
		*key = BATON_KEY_FLOW;
	else if (text && !strcmp(text, "payload"))
		*key = BATON_KEY_PAYLOAD;
	else
		return refuse(EPROTO, why, bytes, "plugin's key is neither flow nor payload");
	return 0;
}

int plugin_info_parse(const char *text, size_t len, struct plugin_info *info, char *why, size_t bytes)
{
	struct plugin_info found = { 0 };
	uint32_t abi = 0, offset = 0, length = 0;
	json_error_t error;
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	int rc;

	if (!json_is_object(object)) {
		json_decref(object);
		return refuse(EPROTO, why, bytes, "baton-zygote --describe did not print a JSON object");
	}
	if ((rc = get_number(object, "abi", UINT32_MAX, &abi, why, bytes)) ||
	    (rc = get_text(object, "name", found.name, sizeof(found.name), why, bytes)) ||
	    (rc = get_text(object, "version", found.version, sizeof(found.version), why, bytes)) ||
	    (rc = get_text(object, "build_id", found.build_id, sizeof(found.build_id), why, bytes)) ||
	    (rc = get_key(object, &found.key, why, bytes)) ||
	    (rc = get_number(object, "key_offset", UINT16_MAX, &offset, why, bytes)) ||
	    (rc = get_number(object, "key_length", 8, &length, why, bytes)) ||
	    (rc = get_number(object, "record_size", UINT32_MAX, &found.record_size, why, bytes)) ||
	    (rc = get_number(object, "schema", UINT32_MAX, &found.schema, why, bytes)) ||
	    (rc = get_number(object, "max_undo_bytes", UINT32_MAX, &found.max_undo, why, bytes)))
		goto out;
	if (abi != BATON_PLUGIN_ABI) {
		rc = refuse(EPROTO, why, bytes,
			    "built for plugin ABI %u, this is ABI %u: rebuild it with this version's baton.h", abi,
			    BATON_PLUGIN_ABI);
		goto out;
	}
	if (found.key == BATON_KEY_PAYLOAD && length == 0) {
		rc = refuse(EPROTO, why, bytes, "key is payload but key_length is 0: 1 to 8 bytes are needed");
		goto out;
	}
	found.key_offset = (uint16_t)offset;
	found.key_length = (uint16_t)length;
	*info = found;
out:
	json_decref(object);
	return rc;
}

/* ---- asking ---- */

struct asked {
	pid_t pid;
	int out, err; /* our ends of its standard output and error */
	char text[8192];
	size_t text_len;
	char complaint[1024];
	size_t complaint_len;
};

static int ask_spawn(const char *zygote, const char *file, struct asked *asked)
{
	char *argv[] = { (char *)(uintptr_t)zygote, (char *)(uintptr_t) "--describe", (char *)(uintptr_t)file, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int out[2], err[2], rc;

	if (pipe2(out, O_CLOEXEC))
		return -errno;
	if (pipe2(err, O_CLOEXEC)) {
		rc = -errno;
		close(out[0]);
		close(out[1]);
		return rc;
	}
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_adddup2(&actions, err[1], 2);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	rc = -posix_spawn(&asked->pid, zygote, &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	close(out[1]);
	close(err[1]);
	if (rc) {
		close(out[0]);
		close(err[0]);
		return rc;
	}
	asked->out = out[0];
	asked->err = err[0];
	return 0;
}

/* Reads what is there. Returns false at the end of the stream; what does not fit is read and forgotten. */
static bool ask_read(int fd, char *buffer, size_t size, size_t *len)
{
	char spill[4096];
	bool full = *len == size - 1;
	ssize_t n = read(fd, full ? spill : buffer + *len, full ? sizeof(spill) : size - 1 - *len);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (!full)
		*len += (size_t)n;
	return n > 0;
}

/* Returns 0 when both streams have ended, -ETIMEDOUT otherwise. */
static int ask_collect(struct asked *asked, int64_t deadline_ms)
{
	struct pollfd fds[2] = { { .fd = asked->out, .events = POLLIN }, { .fd = asked->err, .events = POLLIN } };

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		int64_t left = deadline_ms - now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(fds, 2, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents && !ask_read(asked->out, asked->text, sizeof(asked->text), &asked->text_len))
			fds[0].fd = -1;
		if (fds[1].revents &&
		    !ask_read(asked->err, asked->complaint, sizeof(asked->complaint), &asked->complaint_len))
			fds[1].fd = -1;
		fds[0].revents = fds[1].revents = 0;
	}
	return 0;
}

/* What it had to say, as one line. */
static const char *ask_complaint(struct asked *asked)
{
	char *text = asked->complaint;

	text[asked->complaint_len] = 0;
	text[strcspn(text, "\n")] = 0;
	return text[0] ? text : "it did not say why";
}

int plugin_info_ask(const char *zygote, const char *file, int timeout_ms, struct plugin_info *info, char *why,
		    size_t bytes)
{
	struct asked asked = { .text_len = 0 };
	int status = 0;
	int rc = ask_spawn(zygote, file, &asked);

	if (rc)
		return refuse(-rc, why, bytes, "cannot run %s: %s", zygote, strerror(-rc));
	rc = ask_collect(&asked, now_ms() + timeout_ms);
	if (rc)
		kill(asked.pid, SIGKILL);
	while (waitpid(asked.pid, &status, 0) < 0 && errno == EINTR)
		;
	close(asked.out);
	close(asked.err);
	if (rc)
		return refuse(-rc, why, bytes, "plugin %s was not described within %d ms: does loading it block?", file,
			      timeout_ms);
	if (WIFSIGNALED(status))
		return refuse(EINVAL, why, bytes, "plugin %s: loading it died of signal %d (%s)", file,
			      WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		return refuse(EINVAL, why, bytes, "plugin %s: %s", file, ask_complaint(&asked));
	char detail[160];
	rc = plugin_info_parse(asked.text, asked.text_len, info, detail, sizeof(detail));
	return rc ? refuse(-rc, why, bytes, "plugin %s: %s", file, detail) : 0;
}

/* ---- fitting ---- */

static const char *key_name(uint32_t key)
{
	return key == BATON_KEY_FLOW ? "flow" : key == BATON_KEY_PAYLOAD ? "payload" : "unknown";
}

int plugin_info_fits(const struct plugin_info *info, const struct worker_ready *ready, char *why, size_t bytes)
{
	if (ready->abi != BATON_PLUGIN_ABI)
		return refuse(EINVAL, why, bytes,
			      "plugin ABI %u, this is ABI %u: rebuild the plugin with this version's baton.h",
			      ready->abi, BATON_PLUGIN_ABI);
	if (ready->key != info->key)
		return refuse(EINVAL, why, bytes, "steers by %s, the service by %s: restart batond to change the key",
			      key_name(ready->key), key_name(info->key));
	if (ready->key == BATON_KEY_PAYLOAD &&
	    (ready->key_offset != info->key_offset || ready->key_length != info->key_length))
		return refuse(EINVAL, why, bytes,
			      "its key is %u bytes at %u, the service's %u at %u: restart batond to change the key",
			      ready->key_length, ready->key_offset, info->key_length, info->key_offset);
	if (ready->record_size != info->record_size)
		return refuse(EINVAL, why, bytes,
			      "records of %u bytes, the state file has %u: restart batond with a new state file",
			      ready->record_size, info->record_size);
	if (ready->schema != info->schema)
		return refuse(EINVAL, why, bytes,
			      "record schema %u, the state file has %u: restart batond with a new state file",
			      ready->schema, info->schema);
	return 0;
}
