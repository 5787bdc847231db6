/* The verbs of the quarantine: quarantine.list, quarantine.show, quarantine.replay. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "quarantine_file.h"
#include "reply.h"
#include "supervisor.h"
#include "verbs.h"

static const char *text_arg(const struct command_call *call, const char *key)
{
	return json_string_value(json_object_get(call->args, key));
}

json_t *verb_quarantine_list(const struct command_call *call)
{
	const struct primary *primary = call->primary;
	char directory[BATON_PATH_BYTES], why[BATON_PATH_BYTES + 100];
	json_t *reply, *files = NULL;

	quarantine_directory(primary, directory);
	int rc = quarantine_list(directory, &files);
	if (rc == -ENOENT) { /* nothing has ever been written */
		files = json_array();
	} else if (rc != 0) {
		snprintf(why, sizeof(why), "quarantine %s: %s", directory, strerror(-rc));
		return reply_error("failed", why);
	}
	reply = reply_ok();
	reply_set_text(reply, "directory", directory);
	reply_set_count(reply, "attempts", primary->config.quarantine_attempts);
	reply_set_count(reply, "left", primary->supervisor ? primary->supervisor->quarantine.left : 0);
	reply_set_count(reply, "kept", primary->supervisor ? primary->supervisor->quarantine.kept : 0);
	json_object_set_new(reply, "files", files);
	return reply;
}

/* The entry of args.name, or the reply that says why not. */
static json_t *entry_of(const struct command_call *call, enum quarantine_part part, json_t **refused)
{
	char directory[BATON_PATH_BYTES], why[BATON_PATH_BYTES + 200];
	const char *name = text_arg(call, "name");
	json_t *entry = NULL;

	*refused = NULL;
	if (!name) {
		*refused = reply_error("usage", "args.name is needed: a file that `batonctl quarantine list` names");
		return NULL;
	}
	quarantine_directory(call->primary, directory);
	int rc = quarantine_is_name(name) ? quarantine_show(directory, name, part, &entry) : -ENOENT;
	if (rc == 0)
		return entry;
	if (rc == -ENOENT)
		snprintf(why, sizeof(why), "no such file in %s: `batonctl quarantine list` names those there are", directory);
	else
		snprintf(why, sizeof(why), "%.79s: %s", name,
			 rc == -EBADMSG ? "not a file of the quarantine any more" : strerror(-rc));
	*refused = reply_error(rc == -ENOENT ? "not_found" : "failed", why);
	return NULL;
}

/* Payloads are what players sent: for operators. */
json_t *verb_quarantine_show(const struct command_call *call)
{
	json_t *refused, *entry = entry_of(call, QUARANTINE_ENTRY, &refused), *reply;

	if (refused)
		return refused;
	reply = reply_ok();
	json_object_set_new(reply, "entry", entry);
	return reply;
}

static const struct config_service *service_of(const struct primary *primary, const json_t *entry)
{
	const char *name = json_string_value(json_object_get(entry, "service"));

	for (uint32_t i = 0; name && i < primary->config.services; i++)
		if (strcmp(primary->config.service[i].name, name) == 0)
			return &primary->config.service[i];
	return NULL;
}

/* Path of a version: as it is if it is one, a name of the group's `versions`, or what a worker of the group runs.
 * NULL: none is called so. */
static const char *file_of(const struct primary *primary, uint32_t group, const char *version)
{
	const struct config_group *g = &primary->config.group[group];
	const struct supervisor *sup = primary->supervisor;

	if (strchr(version, '/'))
		return version;
	for (uint32_t i = 0; i < g->versions; i++)
		if (strcmp(g->version[i].name, version) == 0)
			return g->version[i].plugin;
	for (uint32_t i = 0; sup && i < sup->slots; i++)
		if (sup->slot[i].state >= WORKER_STANDBY && sup->slot[i].state <= WORKER_STOPPING &&
		    sup->worker[sup->slot[i].worker].group == group && strcmp(sup->slot[i].ready.version, version) == 0)
			return sup->slot[i].path;
	return NULL;
}

/* What batonctl needs to run it in a process of its own: nothing of it runs here. */
json_t *verb_quarantine_replay(const struct command_call *call)
{
	const json_t *version = json_object_get(call->args, "version");
	json_t *refused, *reply, *settings, *entry;
	const char *file;

	if (version && !json_is_null(version) && !json_is_string(version))
		return reply_error("usage", "args.version is a name or a path");
	entry = entry_of(call, QUARANTINE_RECORDS, &refused);
	if (refused)
		return refused;
	const struct config_service *service = service_of(call->primary, entry);
	if (!service) {
		json_decref(entry);
		return reply_error("not_found", "the configuration has no such service any more: its buckets are not known");
	}
	const struct config_group *group = &call->primary->config.group[service->group_index];
	file = json_is_string(version) ? file_of(call->primary, service->group_index, json_string_value(version))
				       : json_string_value(json_object_get(entry, "file"));
	if (!file) {
		json_decref(entry);
		return reply_error("not_found", "no such version: give a name of the group's `versions`, the version that a "
				   "worker of the group runs, or the path of a plugin");
	}
	settings = json_object();
	for (uint32_t i = 0; i < group->settings; i++)
		reply_set_text(settings, group->setting[i].key, group->setting[i].value);
	reply = reply_ok();
	reply_set_text(reply, "run", file);
	reply_set_count(reply, "buckets", service->buckets);
	json_object_set_new(reply, "settings", settings);
	json_object_set_new(reply, "entry", entry);
	return reply;
}
