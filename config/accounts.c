/* Users and groups of the machine, as the control socket's roles name them. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "loader.h"

#define ENTRY_BYTES (256u * 1024u) /* a group's members are part of its entry */
#define HINT_NAMES  256u

/* Asks the name service, which may be more than files. Returns 0, -ENOENT or -errno. */
static int look_up(bool group, const char *name, uint32_t *id)
{
	char *memory = malloc(ENTRY_BYTES);
	struct passwd user, *found_user = NULL;
	struct group entry, *found_group = NULL;
	int rc;

	if (!memory)
		return -ENOMEM;
	if (group)
		rc = getgrnam_r(name, &entry, memory, ENTRY_BYTES, &found_group);
	else
		rc = getpwnam_r(name, &user, memory, ENTRY_BYTES, &found_user);
	if (found_user || found_group) {
		*id = group ? found_group->gr_gid : found_user->pw_uid;
		rc = 0;
	} else if (rc == 0 || rc == ESRCH || rc == EBADF || rc == EPERM) {
		rc = ENOENT; /* what getpwnam(3) says may mean that there is none */
	}
	free(memory);
	return -rc;
}

/* "; did you mean 'alice'?" from the machine's own file; *out stays as it is if no name is near. */
static void hint(bool group, const char *name, char out[SHOWN_BYTES])
{
	FILE *file = fopen(group ? "/etc/group" : "/etc/passwd", "re");
	const char *names[HINT_NAMES + 1];
	char *line = NULL, meant[SHOWN_BYTES];
	size_t room = 0, count = 0;

	while (file && count < HINT_NAMES && getline(&line, &room, file) > 0) {
		line[strcspn(line, ":\n")] = '\0';
		names[count] = strdup(line);
		count += names[count] != NULL;
	}
	names[count] = NULL;
	value_meant(name, names, meant);
	if (meant[0])
		memcpy(out, meant, SHOWN_BYTES);
	for (size_t i = 0; i < count; i++)
		free((char *)(uintptr_t)names[i]);
	free(line);
	if (file)
		fclose(file);
}

static int number_of(const char *text, uint32_t *id)
{
	uint64_t value = 0;
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || text[digits] != '\0' || digits > 10)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	/* The largest is what system calls take for "none". */
	if (value >= UINT32_MAX)
		return -ERANGE;
	*id = (uint32_t)value;
	return 0;
}

static int parse(bool group, const char *text, struct config_account *out, struct problem *problem)
{
	const char *kind = group ? "group" : "user";
	char shown[SHOWN_BYTES], meant[SHOWN_BYTES];
	size_t bytes = strlen(text);
	uint32_t id = 0;
	int rc = number_of(text, &id);

	value_shown(text, bytes, shown);
	if (rc == -ERANGE)
		return problem_set(problem, "%s is no number of a %s; allowed 0 to 4294967294", shown, kind);
	if (bytes == 0 || bytes >= CONFIG_ACCOUNT_BYTES)
		return problem_set(problem, "%s is no name of a %s; allowed are 1 to %u bytes", shown, kind,
				   CONFIG_ACCOUNT_BYTES - 1);
	if (rc == -EINVAL)
		rc = look_up(group, text, &id);
	if (rc == -ENOENT) {
		snprintf(meant, sizeof(meant), "; create it (%s), or give its number", group ? "groupadd" : "useradd");
		hint(group, text, meant);
		return problem_set(problem, "this machine has no %s %s%s", kind, shown, meant);
	}
	if (rc)
		return problem_set(problem, "cannot look up %s %s: %s", kind, shown, strerror(-rc));
	memcpy(out->name, text, bytes + 1);
	out->id = id;
	return 0;
}

bool loader_accounts(struct loader *l, const struct schema_row *row, yaml_node_t *node, const char *shown,
		     uint8_t *base)
{
	struct config_account *account = (struct config_account *)(void *)(base + row->offset);
	bool group = row->type == SCHEMA_GROUPS, ok = true;
	struct problem problem;
	uint32_t count = 0;

	if (!loader_sequence(l, row, node, shown))
		return false;
	for (yaml_node_item_t *at = node->data.sequence.items.start; at < node->data.sequence.items.top; at++) {
		yaml_node_t *item = yaml_document_get_node(l->document, *at);
		char element[192];

		snprintf(element, sizeof(element), "%.160s[%u]", shown, count);
		const char *text = loader_scalar(l, item, element, schema_type_phrase(row->type), group ? "adm" : "alice");
		bool good = text && parse(group, text, &account[count], &problem) == 0;
		if (text && !good)
			loader_error(l, place_of(item->start_mark), "%s: %s", element, problem.text);
		for (uint32_t i = 0; good && i < count; i++)
			if (account[i].name[0] && account[i].id == account[count].id) {
				loader_error(l, place_of(item->start_mark), "%s: %s is already there as %s[%u]", element,
					     text, shown, i);
				good = false;
			}
		ok = ok && good;
		count++;
	}
	memcpy(base + row->count_offset, &count, sizeof(count));
	return ok;
}
