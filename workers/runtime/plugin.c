/* Plugin files: checked before the dynamic loader sees them, their descriptor before anything of it is called. */
#define _GNU_SOURCE /* memmem */
#include "plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_check.h"
#include "refuse.h"
#include "state.h"
#include "version.h"

/* ---- descriptor ---- */

/* Names end up in tables, logs and JSON: short, printable, nothing to escape. */
static bool is_name(const char *text)
{
	size_t len = text == NULL ? 0 : strnlen(text, BATON_NAME_BYTES);

	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
			return false;
	return len > 0 && len < BATON_NAME_BYTES;
}

static int check_key(const struct baton_plugin *d, char *why, size_t bytes)
{
	if (d->key != BATON_KEY_FLOW && d->key != BATON_KEY_PAYLOAD)
		return refuse(EINVAL, why, bytes, ".key is %u: set it to BATON_KEY_FLOW or BATON_KEY_PAYLOAD", d->key);
	if (d->key == BATON_KEY_PAYLOAD && (d->key_length < 1 || d->key_length > 8))
		return refuse(EINVAL, why, bytes, ".key_length is %u: a payload key has 1 to 8 bytes", d->key_length);
	if (d->key == BATON_KEY_PAYLOAD && d->key_offset + d->key_length > BELT_CELL_BYTES)
		return refuse(EINVAL, why, bytes,
			      ".key_offset is %u: the key must lie within the first %u bytes of a datagram",
			      d->key_offset, BELT_CELL_BYTES);
	return 0;
}

static int check_older(const struct baton_plugin *d, uint32_t i, char *why, size_t bytes)
{
	const struct baton_older *older = &d->older[i];

	if (older->schema == 0 || older->schema >= d->schema)
		return refuse(EINVAL, why, bytes, ".older[%u].schema is %u: from 1 on, and below .schema, which is %u", i,
			      older->schema, d->schema);
	for (uint32_t k = 0; k < i; k++)
		if (d->older[k].schema == older->schema)
			return refuse(EINVAL, why, bytes, ".older names schema %u twice", older->schema);
	if (older->record_size == 0 || older->record_size > STATE_MAX_RECORD)
		return refuse(EINVAL, why, bytes, ".older[%u].record_size is %u: 1 to %u bytes", i, older->record_size,
			      STATE_MAX_RECORD);
	if (older->down != 0 && d->down == NULL)
		return refuse(EINVAL, why, bytes, ".older[%u] says that down() converts to it, and .down is missing", i);
	return 0;
}

static int check_schema(const struct baton_plugin *d, char *why, size_t bytes)
{
	int rc = 0;

	if (d->schema > BATON_SCHEMA_MOST)
		return refuse(EINVAL, why, bytes, ".schema is %u: at most %u", d->schema, BATON_SCHEMA_MOST);
	if (d->olders > BATON_OLDER_MOST)
		return refuse(EINVAL, why, bytes, ".olders is %u: at most %u schemas", d->olders, BATON_OLDER_MOST);
	if (d->olders != 0 && (d->older == NULL || d->migrate == NULL || d->record_size == 0))
		return refuse(EINVAL, why, bytes, ".olders is %u, but %s is missing", d->olders,
			      d->older == NULL ? ".older" : d->migrate == NULL ? ".migrate" : ".record_size");
	for (uint32_t i = 0; i < d->olders && rc == 0; i++)
		rc = check_older(d, i, why, bytes);
	return rc;
}

int plugin_check(const struct baton_plugin *d, char *why, size_t bytes)
{
	int rc;


	/* abi first: nothing behind it can be believed if it differs */
	if (d->abi != BATON_PLUGIN_ABI)
		return refuse(EPROTO, why, bytes,
			      "built for plugin ABI %u, this Baton has %u: rebuild it with this version's baton.h",
			      d->abi, BATON_PLUGIN_ABI);
	if (d->size != sizeof(*d))
		return refuse(EPROTO, why, bytes,
			      "its descriptor has %u bytes, this Baton's %zu: use BATON_PLUGIN() of this version's "
			      "baton.h and rebuild",
			      d->size, sizeof(*d));
	if (!is_name(d->name) || !is_name(d->version))
		return refuse(EINVAL, why, bytes,
			      ".name and .version must have 1 to %u printable characters, without blanks, quotes "
			      "and backslashes",
			      BATON_NAME_BYTES - 1);
	if (d->packet == NULL)
		return refuse(EINVAL, why, bytes, ".packet is missing: it is the function that handles a datagram");
	if (d->record_size > STATE_MAX_RECORD)
		return refuse(EINVAL, why, bytes, ".record_size is %u: at most %u bytes", d->record_size,
			      STATE_MAX_RECORD);
	if (d->max_undo_bytes > JOURNAL_BYTES / 2)
		return refuse(EINVAL, why, bytes, ".max_undo_bytes is %u: at most %u, half of the journal",
			      d->max_undo_bytes, JOURNAL_BYTES / 2);
	if (d->max_posts > BATON_POSTS_MOST)
		return refuse(EINVAL, why, bytes, ".max_posts is %u: at most %u messages an entry", d->max_posts,
			      BATON_POSTS_MOST);
	if (d->max_posts != 0 && d->message == NULL)
		return refuse(EINVAL, why, bytes, ".max_posts is %u, but .message is missing: who would get them?",
			      d->max_posts);
	if (d->max_sends > BATON_SENDS_MOST)
		return refuse(EINVAL, why, bytes, ".max_sends is %u: at most %u packets an entry", d->max_sends,
			      BATON_SENDS_MOST);
	rc = check_schema(d, why, bytes);
	return rc != 0 ? rc : check_key(d, why, bytes);
}

static const char *key_name(uint32_t key)
{
	return key == BATON_KEY_FLOW ? "flow" : "payload";
}

int plugin_fits(const struct baton_plugin *d, uint32_t key, uint32_t room, char *why, size_t bytes)
{
	if (d->key != key)
		return refuse(EINVAL, why, bytes,
			      "plugin %s needs key %s, the group's service steers by %s: set `key: %s` in the service "
			      "(or leave `key` out) and restart batond",
			      d->name, key_name(d->key), key_name(key), key_name(d->key));
	if (d->record_size > room)
		return refuse(EINVAL, why, bytes,
			      "plugin %s has records of %u bytes, the state file of the group has room for %u: restart "
			      "batond with another `state_file` or with the old one removed (the state is lost then)",
			      d->name, d->record_size, room);
	return 0;
}

/* ---- file ---- */

static int no_symbol(char *why, size_t bytes)
{
	return refuse(ENOENT, why, bytes,
		      "no symbol " BATON_PLUGIN_SYMBOL ": define the plugin with BATON_PLUGIN(...) of baton.h");
}

/* To load a shared object is to run its constructors: one in which not even the name of a descriptor stands is left
 * alone. The linker decides afterwards whether it is a symbol. */
static bool names_descriptor(int fd)
{
	static const char name[] = "\0" BATON_PLUGIN_SYMBOL; /* as in a table of strings, with the NULs around it */
	struct stat status;

	if (fstat(fd, &status) != 0)
		return false;
	void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return false;
	bool found = memmem(bytes, (size_t)status.st_size, name, sizeof(name)) != NULL;
	munmap(bytes, (size_t)status.st_size);
	return found;
}

static int load(struct plugin *plugin, int fd, char *why, size_t bytes)
{
	char name[64];
	void *handle;
	int rc = elf_check(fd, why, bytes);

	if (rc != 0)
		return rc;
	plugin->build_id[0] = 0;
	rc = version_file_build_id(fd, plugin->build_id);
	if (rc != 0 && rc != -ENOENT)
		return refuse(-rc, why, bytes, "its build id cannot be read: %s; is the file complete?", strerror(-rc));
	if (!names_descriptor(fd))
		return no_symbol(why, bytes);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	/* now: a symbol that is missing must show here, not under a packet */
	handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL) {
		const char *error = dlerror(), *text = strstr(error, ": ");

		/* the name in front is that of the descriptor, which says nothing to anybody */
		return refuse(ELIBACC, why, bytes, "cannot be linked: %s; a plugin uses baton.h, libc and libm alone",
			      text != NULL ? text + 2 : error);
	}
	plugin->descriptor = dlsym(handle, BATON_PLUGIN_SYMBOL);
	plugin->verify = dlsym(handle, BATON_VERIFY_SYMBOL);
	if (plugin->verify != NULL && plugin->verify->size != sizeof(*plugin->verify))
		plugin->verify = NULL; /* of another version: as if it had none */
	if (plugin->descriptor == NULL)
		rc = no_symbol(why, bytes);
	else
		rc = plugin_check(plugin->descriptor, why, bytes);
	if (rc != 0)
		dlclose(handle); /* or the next file open under the same number would be taken for it */
	return rc;
}

int plugin_load(struct plugin *plugin, int fd, const char *path, char *why, size_t bytes)
{
	char detail[PLUGIN_WHY_BYTES];
	int rc = load(plugin, fd, detail, sizeof(detail));

	if (rc != 0)
		snprintf(why, bytes, "plugin %s: %s", path, detail);
	return rc;
}

void plugin_ready(const struct plugin *plugin, struct worker_ready *ready)
{
	const struct baton_plugin *d = plugin->descriptor;

	*ready = (struct worker_ready){
		.abi = d->abi, .key = d->key, .key_offset = d->key_offset, .key_length = d->key_length,
		.schema = d->schema, .record_size = d->record_size, .olders = d->olders,
		.shadow = (d->shadow != 0 ? READY_SHADOW : 0) | (d->digest != NULL ? READY_DIGEST : 0),
	};
	if (d->olders != 0)
		memcpy(ready->older, d->older, d->olders * sizeof(ready->older[0]));
	/* lengths: plugin_check() */
	snprintf(ready->plugin_name, sizeof(ready->plugin_name), "%s", d->name);
	snprintf(ready->version, sizeof(ready->version), "%s", d->version);
	snprintf(ready->build_id, sizeof(ready->build_id), "%s", plugin->build_id);
}

/* ---- describe ---- */

static int open_plugin(const char *path, char *why, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO in its place must not hold up the start */
	struct stat status;

	if (fd < 0)
		return refuse(errno, why, bytes, "cannot be opened: %s; is the path right?",
			      strerror(errno));
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		close(fd);
		return refuse(ENOEXEC, why, bytes, "not a file");
	}
	return fd;
}

int plugin_describe(const char *path)
{
	char why[PLUGIN_WHY_BYTES];
	struct plugin plugin;
	int fd = open_plugin(path, why, sizeof(why));
	int rc = fd < 0 ? fd : load(&plugin, fd, why, sizeof(why));

	if (rc < 0) {
		fprintf(stderr, "%s\n", why); /* the caller knows the path and puts it in front */
		return 1;
	}
	const struct baton_plugin *d = plugin.descriptor;
	printf("{\"abi\":%u,\"name\":\"%s\",\"version\":\"%s\",\"build_id\":\"%s\",\"key\":\"%s\",\"key_offset\":%u,"
	       "\"key_length\":%u,\"schema\":%u,\"record_size\":%u,\"max_undo_bytes\":%u,\"max_posts\":%u,"
	       "\"max_sends\":%u,\"shadow\":%s,\"callbacks\":\"%spacket%s%s%s%s%s%s\",\"older\":[",
	       d->abi, d->name, d->version, plugin.build_id, key_name(d->key), d->key_offset, d->key_length, d->schema,
	       d->record_size, d->max_undo_bytes, d->max_posts, d->max_sends, d->shadow != 0 ? "true" : "false",
	       d->init != NULL ? "init, " : "", d->prefetch != NULL ? ", prefetch" : "",
	       d->tick != NULL ? ", tick" : "", d->message != NULL ? ", message" : "",
	       d->migrate != NULL ? ", migrate" : "", d->down != NULL ? ", down" : "",
	       d->digest != NULL ? ", digest" : "");
	for (uint32_t i = 0; i < d->olders; i++)
		printf("%s{\"schema\":%u,\"record_size\":%u,\"down\":%s}", i != 0 ? "," : "", d->older[i].schema,
		       d->older[i].record_size, d->older[i].down != 0 ? "true" : "false");
	printf("]}\n");
	return fflush(stdout) == 0 ? 0 : 1;
}
