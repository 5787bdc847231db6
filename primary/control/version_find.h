/* The plugin file that says it is version V: looked for among a group's files, one question a turn, nobody waits.
 *
 * First the files that are named, in this order; the first that says V is it:
 *   the group's `plugin`, the file it runs now, the files of its `versions`, PLUGIN-V.so beside the group's `plugin`
 * then all other *.so there, in order of their names: V must be in one of them, or in copies with one build id.
 * A file counts if its descriptor has the group's plugin name. */
#ifndef BATON_PRIMARY_VERSION_FIND_H
#define BATON_PRIMARY_VERSION_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "plugin_ask.h"

#define VERSION_FILES   64u  /* that are asked at most */
#define VERSION_FILE_MS 5000 /* each */

struct version_file {
	char path[BATON_PATH_BYTES];
	dev_t device;
	ino_t inode;
};

struct version_find {
	char zygote[4096];
	char plugin[BATON_NAME_BYTES]; /* its name */
	char version[BATON_NAME_BYTES];
	char beside[BATON_PATH_BYTES]; /* directory that is searched, with the closing slash */
	struct version_file file[VERSION_FILES];
	uint32_t files, named; /* named: how many of the first are */
	uint32_t at;           /* next to be asked, or being asked */
	uint32_t dumb;         /* files that gave no description */
	bool more;             /* there are more files than are asked */
	struct plugin_ask ask;
	char found[BATON_PATH_BYTES], found_build[44]; /* among those that are not named */
	char seen[400];        /* versions, for who asked for another */
};

/* Makes the list. named: paths, n of them, the group's `plugin` first; those that are not there are left out. */
void version_find_begin(struct version_find *find, const char *zygote, const char *plugin, const char *version,
			const char *const *named, uint32_t n);
/* Every turn, until it returns something else than -EAGAIN: 0 and the path, -ENOENT, or -EEXIST (several differ), with
 * one line in `why` that lists what was found. */
int version_find_poll(struct version_find *find, char path[BATON_PATH_BYTES], char *why, size_t bytes);
/* Ends it early. */
void version_find_cancel(struct version_find *find);

#endif
