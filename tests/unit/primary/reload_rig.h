/* Reloads on the supervisor's rig: a configuration file, and a client that asks for it. Include once per program. */
#ifndef TEST_RELOAD_RIG_H
#define TEST_RELOAD_RIG_H

#include <sys/un.h>

#include "reload.h"
#include "restart_rig.h"

static char file[BATON_PATH_BYTES];
static json_t *answer;

/* ---- the file ---- */

/* Two groups of one worker each, so that the second can fail when the first is through. */
struct text {
	const char *level, *timeout, *first, *second; /* first, second: further keys of the groups */
	const char *first_plugin, *second_plugin, *io_cores, *versions;
	const char *rollouts, *standby; /* NULL: no such section; none of the second group */
};
static const struct text usual = {
	.level = "error", .timeout = "20s", .first = "", .second = "", .first_plugin = "game.so",
	.second_plugin = "game.so", .io_cores = "auto", .versions = "",
};

static inline void write_file(struct text t)
{
	FILE *out = fopen(file, "w");

	assert_non_null(out);
	fprintf(out, "version: 1\nname: unit\neal: {io_cores: %s}\nmemory: {worker_slots: %u}\n", t.io_cores, RIG_SLOTS);
	fprintf(out, "ports:\n- {name: p, device: net_null0, addresses: [10.77.0.1/24]}\nservices:\n"
		     "- {name: a, port: 1, group: a, buckets: %u}\n- {name: b, port: 2, group: b, buckets: %u}\n",
		FAKE_BUCKETS, FAKE_BUCKETS);
	fprintf(out, "groups:\n- {name: a, standby: 0, plugin: %s%s%s}\n- {name: b, standby: %s, plugin: %s%s}\n",
		t.first_plugin, t.versions, t.first, t.standby ? t.standby : "0", t.second_plugin, t.second);
	fprintf(out, "workers: {start_timeout: %s}\nlog: {level: %s}\n", t.timeout, t.level);
	if (t.rollouts)
		fprintf(out, "rollouts:\n%s\n", t.rollouts);
	assert_int_equal(fclose(out), 0);
}

/* ---- a client that waits ---- */

static struct { int fd; uint32_t got; uint8_t in[65536]; } client;

static inline bool answered(void)
{
	ssize_t n = recv(client.fd, client.in + client.got, sizeof(client.in) - client.got, MSG_DONTWAIT);
	uint32_t len;

	client.got += n > 0 ? (uint32_t)n : 0;
	if (client.got < 4)
		return false;
	memcpy(&len, client.in, 4);
	if (client.got < 4 + len)
		return false;
	answer = json_loadb((char *)client.in + 4, len, 0, NULL);
	return true;
}

static inline void ask(const char *text)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint32_t len = (uint32_t)strlen(text);

	json_decref(answer);
	answer = NULL;
	client.got = 0;
	client.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(address.sun_path, rig.primary->command->path, sizeof(address.sun_path));
	assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(client.fd, &len, 4, MSG_NOSIGNAL), 4);
	assert_int_equal(send(client.fd, text, len, MSG_NOSIGNAL), len);
}

static inline void ask_and_wait(const char *text)
{
	ask(text);
	wait_until(answered());
	close(client.fd);
}

static inline void reload(void) { ask_and_wait("{\"command\":\"config.reload\",\"args\":{\"wait\":true}}"); }
static inline void reload_with(struct text t)
{
	write_file(t);
	reload();
}

static inline bool ok(void) { return json_is_true(json_object_get(answer, "ok")); }
static inline size_t size_of(const char *key) { return json_array_size(json_object_get(answer, key)); }

static inline const char *row_text(const char *list, size_t i, const char *key)
{
	const json_t *row = json_array_get(json_object_get(answer, list), i);
	const char *text = json_string_value(key ? json_object_get(row, key) : row);

	return text ? text : "";
}

static inline void says(const char *what)
{
	char *text = json_dumps(answer, 0);

	if (!strstr(text, what))
		fail_msg("'%s' does not say '%s'", text, what);
	free(text);
}

/* A primary with the configuration that is in `file`, up to its first worker. */
static inline int take_file(void)
{
	snprintf(rig.primary->config_path, sizeof(rig.primary->config_path), "%s", file);
	if (config_load_traced(file, true, &rig.primary->config, &rig.primary->origins, stderr))
		return -1;
	if (supervisor_init(rig.primary) || command_init(rig.primary) || reload_init(rig.primary))
		return -1;
	rig.primary->plugin[1] = rig.primary->plugin[0];
	return 0;
}

static inline int begin(void **unused)
{
	(void)unused;
	if (rig_prepare())
		return -1;
	rig_path(file, "baton.yaml");
	write_file(usual);
	if (take_file())
		return -1;
	wait_until(rig_settled());
	rig.primary->ready = true;
	return 0;
}

static inline int finish(void **unused)
{
	reload_fini(rig.primary);
	json_decref(answer);
	answer = NULL;
	return rig_end(unused);
}

/* Nothing of the file is in force, and nobody was restarted or is to be. */
static inline void expect_untouched(const pid_t *pid)
{
	assert_int_equal(rig.primary->config.log_level, 0);
	assert_int_equal(rig.primary->config.start_timeout_ns, 20000000000ull);
	assert_int_equal(rig.primary->config.group[0].settings, 0);
	assert_int_equal(rig_pid(0), pid[0]);
	assert_int_equal(rig_pid(1), pid[1]);
	assert_false(reload_busy(rig.primary));
}

#endif
