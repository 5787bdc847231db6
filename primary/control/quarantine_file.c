/* Files of the quarantine. */
#define _GNU_SOURCE
#include "quarantine_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kept.h"
#include "log.h"
#include "reply.h"

#define SUFFIX     ".pcapng"
#define STAMP_LEN  26u   /* 20261127T142103.123456789Z */
#define HEAD_MOST  69632u /* bytes in front of the records, and */
#define FILE_MOST  (HEAD_MOST + KEPT_MOST + 64u) /* no file of ours is longer */

void quarantine_directory(const struct primary *primary, char out[BATON_PATH_BYTES])
{
	if (primary->config.quarantine_dir[0])
		snprintf(out, BATON_PATH_BYTES, "%s", primary->config.quarantine_dir);
	else
		snprintf(out, BATON_PATH_BYTES, BATON_QUARANTINE_FMT, primary->config.name);
}

bool quarantine_is_name(const char *name)
{
	size_t len = strlen(name), tail = strlen(SUFFIX);

	if (len <= STAMP_LEN + tail || len >= QUARANTINE_NAME || strcmp(name + len - tail, SUFFIX) != 0)
		return false;
	for (size_t i = 0; i < STAMP_LEN; i++) {
		char wanted = i == 8 ? 'T' : i == 15 ? '.' : i == STAMP_LEN - 1 ? 'Z' : '0';
		if (wanted == '0' ? name[i] < '0' || name[i] > '9' : name[i] != wanted)
			return false;
	}
	return strchr(name, '/') == NULL;
}

/* ---- writing ---- */

/* The default one with what leads to it; of a configured one the last directory only: a path whose beginning is missing
 * is more likely a mistake. Payloads of clients stand in it: for nobody but ourselves. */
static int open_directory(const struct primary *primary, const char *path)
{
	char part[BATON_PATH_BYTES];

	if (!primary->config.quarantine_dir[0])
		for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
			snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
			mkdir(part, 0755);
		}
	mkdir(path, 0700); /* if that fails, so does open(), which says why */
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void make_name(const char *service, uint32_t bucket, char name[QUARANTINE_NAME])
{
	struct timespec now;
	struct tm tm;
	char second[20];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(second, sizeof(second), "%Y%m%dT%H%M%S", &tm);
	snprintf(name, QUARANTINE_NAME, "%s.%09uZ-%.28s-%u" SUFFIX, second, (uint32_t)now.tv_nsec % 1000000000u, service,
		 bucket);
}

static int write_all(int fd, const uint8_t *bytes, size_t count)
{
	while (count > 0) {
		ssize_t n = write(fd, bytes, count);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		bytes += n;
		count -= (size_t)n;
	}
	return 0;
}

static int write_file(int dir, const char *name, const uint8_t *bytes, size_t count)
{
	char fresh[QUARANTINE_NAME + 8];

	snprintf(fresh, sizeof(fresh), ".%s.new", name);
	int fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	int rc = write_all(fd, bytes, count);
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && renameat(dir, fresh, dir, name) != 0)
		rc = -errno;
	if (rc != 0)
		unlinkat(dir, fresh, 0);
	return rc;
}

static int is_ours(const struct dirent *entry)
{
	return quarantine_is_name(entry->d_name);
}

/* Names begin with their time: sorted they are in order of age. */
static void remove_oldest(const struct primary *primary, int dir)
{
	struct dirent **names;
	int n = scandirat(dir, ".", &names, is_ours, alphasort);
	uint64_t files = 0, bytes = 0;

	for (int i = n - 1; i >= 0; i--) {
		struct stat st;
		if (fstatat(dir, names[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			files++;
			bytes += (uint64_t)st.st_size;
			bool stays = files <= primary->config.quarantine_files && bytes <= primary->config.quarantine_bytes;
			/* The latest stays whatever it takes. */
			if (!stays && i < n - 1 && !BATON_SABOTAGE(quarantine_without_end))
				unlinkat(dir, names[i]->d_name, 0);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

int quarantine_write(const struct primary *primary, const struct pcapng *entry, const char *service, uint32_t bucket,
		     char name[QUARANTINE_NAME], char *why, size_t bytes)
{
	char path[BATON_PATH_BYTES];
	size_t room = pcapng_room(entry->kept) + pcapng_own_room(entry->own_len);
	uint8_t *file = malloc(room);
	int rc = file == NULL ? -ENOMEM : 0, dir = -1;

	quarantine_directory(primary, path);
	if (rc == 0)
		dir = open_directory(primary, path);
	if (rc == 0 && dir < 0)
		rc = dir;
	if (rc == 0) {
		make_name(service, bucket, name);
		rc = write_file(dir, name, file, pcapng_write(entry, file, room));
	}
	if (rc == 0)
		remove_oldest(primary, dir);
	else
		snprintf(why, bytes, "%s: %s; see quarantine.directory", path, strerror(-rc));
	if (dir >= 0)
		close(dir);
	free(file);
	return rc;
}

/* ---- reading ---- */

static bool is_number(const char *key)
{
	static const char *const keys[] = { "bucket", "deaths", "payload_at", "time_ns" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

/* Each line "key: value" of the comment. */
static void add_fields(json_t *object, char *comment)
{
	char *rest = comment, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char *value = strstr(line, ": ");
		if (value == NULL || json_object_get(object, line) != NULL)
			continue;
		*value = 0;
		value += 2;
		if (is_number(line))
			reply_set_count(object, line, strtoull(value, NULL, 10));
		else
			reply_set_text(object, line, value);
	}
}

/* At most `room` bytes of it, and how long it is. */
static int read_file(int dir, const char *name, uint8_t *bytes, size_t room, size_t *count, size_t *all)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int rc = 0;

	*count = 0;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_MOST)
		rc = -EBADMSG;
	*all = rc == 0 ? (size_t)st.st_size : 0;
	while (rc == 0 && *count < room) {
		ssize_t n = read(fd, bytes + *count, room - *count);
		if (n == 0)
			break;
		if (n < 0)
			rc = -errno;
		else
			*count += (size_t)n;
	}
	close(fd);
	return rc;
}

static void set_hex(json_t *object, const char *key, const uint8_t *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	char *text = malloc(2 * count + 1);

	if (text == NULL)
		return;
	for (size_t i = 0; i < count; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * count] = 0;
	reply_set_text(object, key, text);
	free(text);
}

/* Returns 0, or -EBADMSG and an object that says so, or -errno. */
static int describe(int dir, const char *name, enum quarantine_part part, uint8_t *file, json_t **out)
{
	char comment[PCAPNG_COMMENT_MOST + 1];
	struct pcapng entry;
	size_t count, all = 0;
	int rc = read_file(dir, name, file, part == QUARANTINE_RECORDS ? FILE_MOST : HEAD_MOST, &count, &all);

	if (rc != 0 && rc != -EBADMSG)
		return rc;
	json_t *object = json_object();
	reply_set_text(object, "name", name);
	if (rc == 0)
		rc = pcapng_read(file, count, &entry, comment, sizeof(comment));
	if (rc != 0) {
		json_object_set_new(object, "unreadable", json_true());
		*out = object;
		return rc;
	}
	reply_set_count(object, "bytes", all);
	add_fields(object, comment);
	reply_set_count(object, "len", entry.len);
	if (part == QUARANTINE_RECORDS && entry.own_len != 0)
		set_hex(object, "kept", entry.own, entry.own_len);
	if (part != QUARANTINE_LINES) {
		json_int_t at = json_integer_value(json_object_get(object, "payload_at"));
		size_t skip = at > 0 && (uint64_t)at <= entry.kept ? (size_t)at : 0;
		set_hex(object, "frame", entry.data, entry.kept);
		set_hex(object, "payload", entry.data + skip, entry.kept - skip);
	}
	*out = object;
	return 0;
}

int quarantine_list(const char *directory, json_t **out)
{
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	uint8_t *file = malloc(HEAD_MOST);
	struct dirent **names = NULL;
	json_t *list = json_array();

	if (dir < 0 || file == NULL)
		rc = dir < 0 ? -errno : -ENOMEM;
	int n = rc == 0 ? scandirat(dir, ".", &names, is_ours, alphasort) : 0;
	if (n < 0)
		rc = -errno;
	for (int i = 0; i < n; i++) {
		json_t *object = NULL;
		int one = describe(dir, names[i]->d_name, QUARANTINE_LINES, file, &object);
		if (one == 0 || one == -EBADMSG)
			json_array_append_new(list, object);
		free(names[i]);
	}
	free(names);
	free(file);
	if (dir >= 0)
		close(dir);
	if (rc == 0)
		*out = list;
	else
		json_decref(list);
	return rc;
}

int quarantine_show(const char *directory, const char *name, enum quarantine_part part, json_t **out)
{
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint8_t *file = malloc(FILE_MOST);
	int rc = dir < 0 ? -errno : file == NULL ? -ENOMEM : 0;
	json_t *object = NULL;

	if (rc == 0)
		rc = describe(dir, name, part, file, &object);
	if (rc == 0)
		*out = object;
	else
		json_decref(object);
	free(file);
	if (dir >= 0)
		close(dir);
	return rc;
}
