/* The control socket's rig with an audit log, and that log as the story it tells. Include once per program. */
#ifndef TEST_AUDIT_RIG_H
#define TEST_AUDIT_RIG_H

#include "audit.h"
#include "command_rig.h"

static char path[128], old_path[128];

/* ---- the file ---- */

static inline char *slurp(const char *name)
{
	static char text[1 << 20];
	FILE *file = fopen(name, "r");

	if (!file)
		fail_msg("%s: %s", name, strerror(errno));
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

/* Every line of it as an array; one that is no object fails the test. */
static inline json_t *lines_of(const char *name)
{
	json_t *lines = json_array();
	char *text = slurp(name), *line;

	while ((line = strsep(&text, "\n")) != NULL) {
		if (!line[0])
			continue;
		json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(object))
			fail_msg("not a line of its own: %s", line);
		json_array_append_new(lines, object);
	}
	return lines;
}

static inline const char *word(const json_t *lines, size_t at, const char *key)
{
	const char *text = json_string_value(json_object_get(json_array_get(lines, at), key));

	return text ? text : "";
}

static inline long long number(const json_t *lines, size_t at, const char *key)
{
	return (long long)json_integer_value(json_object_get(json_array_get(lines, at), key));
}

/* "begin mutate" and so on, of each line: the story in short. */
static inline void story_is(const char *name, const char *want)
{
	json_t *lines = lines_of(name);
	char got[8192] = "";

	for (size_t i = 0; i < json_array_size(lines); i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s %s%s%s", i ? ", " : "",
			 word(lines, i, "event"), word(lines, i, "verb"), word(lines, i, "result")[0] ? " " : "",
			 word(lines, i, "result"));
	assert_string_equal(got, want);
	json_decref(lines);
}

static inline void order(const char *request, bool ok, const char *code)
{
	int fd = connect_client();

	push_frame(fd, request);
	expect(fd, ok, code);
	close(fd);
}

static inline void mutate(void) { order("{\"command\":\"mutate\"}", true, ""); }

static inline int begin(void **state)
{
	if (start(state))
		return -1;
	snprintf(path, sizeof(path), "%s/audit", dir);
	snprintf(old_path, sizeof(old_path), "%s/audit.1", dir);
	snprintf(primary.config.audit_log, sizeof(primary.config.audit_log), "%s", path);
	primary.boot_id = 0xb007;
	mutations = 0;
	if (audit_init(&primary))
		return -1;
	audit_started(&primary);
	unlink(path); /* the start has a test of its own */
	return 0;
}

static inline int finish(void **state)
{
	audit_fini(&primary);
	unlink(path);
	unlink(old_path);
	return end(state);
}

#endif
