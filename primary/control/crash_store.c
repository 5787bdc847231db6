/* The directory of crash records: NUMBER.json, counted up; what is wrong with it is said once and counted. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash_record.h"
#include "log.h"
#include "primary.h"

#define FILE_MOST (256u << 10) /* bytes of a record; one takes about 8 KiB */
#define NAME_BYTES 24u

void crash_store_dir(const struct primary *primary, char out[BATON_PATH_BYTES])
{
	if (primary->config.crash_dir[0])
		snprintf(out, BATON_PATH_BYTES, "%s", primary->config.crash_dir);
	else
		snprintf(out, BATON_PATH_BYTES, BATON_CRASH_DIR_FMT, primary->config.name);
}

/* Made with the directory above it, no more: a path whose beginning is missing is more likely a mistake. Nobody but us
 * and our group reads what is in it: payloads are players' data. Returns a descriptor or -errno. */
static int open_dir(const struct primary *primary, bool make)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
	char path[BATON_PATH_BYTES], above[BATON_PATH_BYTES];

	crash_store_dir(primary, path);
	int fd = open(path, flags);
	if (fd >= 0 || errno != ENOENT || !make)
		return fd >= 0 ? fd : -errno;
	snprintf(above, sizeof(above), "%s", path);
	char *end = strrchr(above, '/');
	if (end && end != above) {
		*end = '\0';
		mkdir(above, 0755);
	}
	if (mkdir(path, 0750) != 0 && errno != EEXIST)
		return -errno;
	fd = open(path, flags);
	return fd >= 0 ? fd : -errno;
}

/* The number of a record's file name, 0 of anything else. */
static uint32_t id_of(const char *name)
{
	char again[NAME_BYTES];
	unsigned long id = strtoul(name, NULL, 10);

	if (name[0] < '0' || name[0] > '9' || id > 99999999)
		return 0;
	snprintf(again, sizeof(again), "%08lu.json", id);
	return strcmp(again, name) == 0 ? (uint32_t)id : 0;
}

static int newest_first(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? 1 : left > right ? -1 : 0;
}

/* All of them, newest first, in memory of its own. `dir` stays open. Returns how many. */
static uint32_t list(int dir, uint32_t **ids)
{
	int fd = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
	uint32_t count = 0, room = 0;
	struct dirent *entry;

	*ids = NULL;
	if (!entries) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	rewinddir(entries); /* its place is shared with `dir` */
	while ((entry = readdir(entries)) != NULL) {
		uint32_t id = id_of(entry->d_name);

		if (id == 0)
			continue;
		if (count == room) {
			uint32_t *more = realloc(*ids, (room + 128) * sizeof(**ids));
			if (!more)
				break;
			*ids = more;
			room += 128;
		}
		(*ids)[count++] = id;
	}
	closedir(entries);
	if (count > 0)
		qsort(*ids, count, sizeof(**ids), newest_first);
	return count;
}

/* Keeps CRASH_FILES of them, and learns the highest number. */
static void tidy(struct crash_records *records, int dir)
{
	uint32_t *ids, count = list(dir, &ids);
	char name[NAME_BYTES];

	if (count > 0 && ids[0] > records->last_id)
		records->last_id = ids[0];
	for (uint32_t i = CRASH_FILES; i < count && !BATON_SABOTAGE(crash_files_unbounded); i++) {
		snprintf(name, sizeof(name), "%08u.json", ids[i]);
		records->removed += unlinkat(dir, name, 0) == 0;
	}
	free(ids);
}

/* Whole or not at all: under another name until it is complete. Returns 0 or -errno. */
static int write_file(int dir, uint32_t id, const char *text)
{
	size_t bytes = strlen(text);
	char name[NAME_BYTES], part[] = "new.part";
	int rc = 0, fd;

	unlinkat(dir, part, 0);
	fd = openat(dir, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, text, bytes);
	if (n < 0)
		rc = -errno;
	else if ((size_t)n != bytes)
		rc = -ENOSPC;
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	snprintf(name, sizeof(name), "%08u.json", id);
	if (rc == 0 && renameat(dir, part, dir, name) != 0)
		rc = -errno;
	if (rc != 0)
		unlinkat(dir, part, 0);
	return rc;
}

uint32_t crash_store_write(struct primary *primary, json_t *record)
{
	struct crash_records *records = primary->crash;
	int dir = open_dir(primary, true), rc = dir < 0 ? dir : 0;
	char *text = NULL, path[BATON_PATH_BYTES];

	crash_store_dir(primary, path);
	if (strcmp(path, records->dir) != 0) { /* the first, or a reload has changed it */
		snprintf(records->dir, sizeof(records->dir), "%s", path);
		records->last_id = 0;
	}
	if (rc == 0)
		tidy(records, dir);
	if (rc == 0) {
		json_object_set_new(record, "id", json_integer(records->last_id + 1));
		text = json_dumps(record, JSON_INDENT(1) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12));
		rc = text ? write_file(dir, records->last_id + 1, text) : -ENOMEM;
	}
	if (rc == 0) {
		records->last_id++;
		records->written++;
		tidy(records, dir);
	} else {
		records->lost++;
	}
	if (rc == 0 && records->complained)
		log_info("crash records %s: written again; records lost %" PRIu64, path, records->lost);
	if (rc != 0 && !records->complained)
		log_warn("crash records %s: %s: records are lost until that is mended; all else goes on", path,
			 strerror(-rc));
	records->complained = rc != 0;
	free(text);
	if (dir >= 0)
		close(dir);
	return rc == 0 ? records->last_id : 0;
}

uint32_t crash_store_ids(const struct primary *primary, uint32_t *id, uint32_t most)
{
	int dir = open_dir(primary, false);
	uint32_t *ids = NULL, count;

	if (dir < 0)
		return 0;
	count = list(dir, &ids);
	if (count > most)
		count = most;
	for (uint32_t i = 0; i < count; i++)
		id[i] = ids[i];
	free(ids);
	close(dir);
	return count;
}

json_t *crash_store_read(const struct primary *primary, uint32_t id)
{
	int dir = open_dir(primary, false), fd;
	char name[NAME_BYTES], *text;
	json_t *record = NULL;
	struct stat st;

	if (dir < 0)
		return NULL;
	snprintf(name, sizeof(name), "%08u.json", id);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	close(dir);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size <= FILE_MOST &&
	    (text = malloc((size_t)st.st_size)) != NULL) {
		ssize_t n = read(fd, text, (size_t)st.st_size);

		record = n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
		free(text);
	}
	close(fd);
	if (json_is_object(record))
		return record;
	json_decref(record);
	return NULL;
}
