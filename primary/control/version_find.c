/* A list of files, a question at a time, a verdict; see version_find.h for the order. */
#define _GNU_SOURCE
#include "version_find.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the list ---- */

/* A file is asked once, whatever links lead to it. */
static void add_file(struct version_find *find, const char *path)
{
	struct stat st;

	if (strlen(path) >= BATON_PATH_BYTES || stat(path, &st) || !S_ISREG(st.st_mode))
		return;
	for (uint32_t i = 0; i < find->files; i++)
		if (find->file[i].device == st.st_dev && find->file[i].inode == st.st_ino)
			return;
	if (find->files == VERSION_FILES) {
		find->more = true;
		return;
	}
	struct version_file *file = &find->file[find->files++];
	snprintf(file->path, sizeof(file->path), "%s", path);
	file->device = st.st_dev;
	file->inode = st.st_ino;
}

static int is_plugin_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 3 && strcmp(entry->d_name + len - 3, ".so") == 0;
}

static void add_neighbours(struct version_find *find)
{
	struct dirent **entry = NULL;
	char path[sizeof(find->beside) + 256];
	int count = scandir(find->beside, &entry, is_plugin_file, alphasort);

	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s%s", find->beside, entry[i]->d_name);
		add_file(find, path);
		free(entry[i]);
	}
	free(entry);
}

void version_find_begin(struct version_find *find, const char *zygote, const char *plugin, const char *version,
			const char *const *named, uint32_t n)
{
	char path[sizeof(find->beside) + 2 * BATON_NAME_BYTES + 8];
	const char *slash = n ? strrchr(named[0], '/') : NULL;

	memset(find, 0, sizeof(*find));
	snprintf(find->zygote, sizeof(find->zygote), "%s", zygote);
	snprintf(find->plugin, sizeof(find->plugin), "%s", plugin);
	snprintf(find->version, sizeof(find->version), "%s", version);
	if (slash && slash - named[0] + 1 < (ptrdiff_t)sizeof(find->beside))
		memcpy(find->beside, named[0], (size_t)(slash - named[0]) + 1);
	for (uint32_t i = 0; i < n; i++)
		add_file(find, named[i]);
	if (find->beside[0] && !strchr(find->version, '/')) { /* a version with a slash would lead elsewhere */
		snprintf(path, sizeof(path), "%s%s-%s.so", find->beside, find->plugin, find->version);
		add_file(find, path);
	}
	find->named = find->files;
	if (find->beside[0])
		add_neighbours(find);
}

/* ---- the verdict ---- */

static const char *base_of(const struct version_find *find, const char *path)
{
	size_t len = strlen(find->beside);

	return len && strncmp(path, find->beside, len) == 0 ? path + len : path;
}

static void note_seen(struct version_find *find, const char *version, const char *path)
{
	size_t at = strlen(find->seen);
	int n = snprintf(find->seen + at, sizeof(find->seen) - at, "%s%s (%s)", at ? ", " : "", version,
			 base_of(find, path));

	if (n >= (int)(sizeof(find->seen) - at)) /* no half of a name */
		snprintf(find->seen + at, sizeof(find->seen) - at, "%s", at + 5 < sizeof(find->seen) ? ", ..." : "");
}

/* Returns 0 once the file that was described is the answer, -EAGAIN to go on, -EEXIST. */
static int judge(struct version_find *find, const struct plugin_info *info, const char *path)
{
	if (strcmp(info->name, find->plugin) != 0)
		return -EAGAIN;
	note_seen(find, info->version, path);
	if (strcmp(info->version, find->version) != 0)
		return -EAGAIN;
	if (find->found[0] && (!info->build_id[0] || strcmp(info->build_id, find->found_build) != 0))
		return -EEXIST;
	if (!find->found[0]) {
		snprintf(find->found, sizeof(find->found), "%s", path);
		memcpy(find->found_build, info->build_id, sizeof(find->found_build));
	}
	return find->at < find->named ? 0 : -EAGAIN;
}

static int not_found(const struct version_find *find, char *why, size_t bytes)
{
	char dumb[64] = "", more[48] = "";

	if (find->dumb)
		snprintf(dumb, sizeof(dumb), "; %u files are no plugins or cannot be loaded", find->dumb);
	if (find->more)
		snprintf(more, sizeof(more), "; only %u files were asked", VERSION_FILES);
	snprintf(why, bytes, "no version '%.*s' of plugin %s in or beside %s: found are %s%s%s; put it there, or give the "
		 "path of a plugin (with a /)", (int)sizeof(find->version) - 1, find->version, find->plugin, find->beside,
		 find->seen[0] ? find->seen : "none", dumb, more);
	return -ENOENT;
}

int version_find_poll(struct version_find *find, char path[BATON_PATH_BYTES], char *why, size_t bytes)
{
	struct plugin_info info;
	char detail[600];
	int rc = 0;

	if (find->at == find->files) {
		if (!find->found[0])
			return not_found(find, why, bytes);
		snprintf(path, BATON_PATH_BYTES, "%s", find->found);
		return 0;
	}
	const char *file = find->file[find->at].path;
	if (find->ask.process.pid == 0)
		rc = plugin_ask_begin(&find->ask, find->zygote, file, VERSION_FILE_MS, detail, sizeof(detail));
	if (rc == 0)
		rc = plugin_ask_poll(&find->ask, &info, detail, sizeof(detail));
	if (rc == -EAGAIN && find->ask.process.pid != 0)
		return -EAGAIN;
	if (rc == 0)
		rc = judge(find, &info, file);
	else
		find->dumb++;
	if (rc == 0)
		snprintf(path, BATON_PATH_BYTES, "%s", find->found);
	if (rc == -EEXIST)
		snprintf(why, bytes, "version '%s' of plugin %s is in %s and in %s, which differ: give the path of one",
			 find->version, find->plugin, find->found, base_of(find, file));
	find->at++;
	return rc == 0 || rc == -EEXIST ? rc : -EAGAIN;
}

void version_find_cancel(struct version_find *find)
{
	plugin_ask_cancel(&find->ask);
	find->at = find->files;
}
