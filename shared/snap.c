/* Snapshots taken: by a reader that no worker notices. */
#define _GNU_SOURCE
#include "snap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "refuse.h"

#define BUCKET_NS 5000000000ull /* longer than any stall of a worker */
#define BUFFER    (1u << 20)

static uint64_t check_sum(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t word;

	for (; len >= 8; at += 8, len -= 8) {
		memcpy(&word, at, 8);
		sum = (sum ^ word) * 0x9e3779b97f4a7c15ull;
		sum ^= sum >> 29;
	}
	for (; len != 0; at++, len--)
		sum = (sum ^ *at) * 0x100000001b3ull;
	return sum;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- one bucket ---- */

/* The journal of a slot as it was right after a copy: if it was open, what was copied may yet be undone. */
struct open_burst {
	uint32_t belt, used;
	uint64_t first;
};

static struct open_burst burst_of(const struct control_block *c)
{
	struct open_burst burst;

	burst.used = atomic_load_explicit(&c->journal.used, memory_order_acquire);
	burst.belt = *(const volatile uint32_t *)&c->journal.belt;
	burst.first = *(const volatile uint64_t *)&c->journal.first;
	return burst;
}

/* 1: settled; 0: open still; -1: it ended without, so what was copied may be undone. R1: `done` before used = 0. */
static int burst_settled(const struct state *state, uint32_t slot, const struct open_burst *was)
{
	const struct control_block *c = state_control(state, slot);
	struct open_burst is = burst_of(c);

	if (was->used == 0 || was->belt >= state->header->belts)
		return 1;
	/* acquire: after `used` */
	if (atomic_load_explicit(&c->commit[was->belt].done, memory_order_acquire) > was->first)
		return 1;
	return is.used == 0 || is.belt != was->belt || is.first != was->first ? -1 : 0;
}

/* Copies the records that count; false if an entry was at work on one. Sequence words: journal.h. */
static bool copy_records(const struct state *state, uint32_t group, uint32_t bucket, uint8_t *out,
			 struct snap_bucket *head, uint32_t *seq)
{
	const struct state_group *g = &state->header->group[group];
	const uint8_t *table = state_records(state, group) + (uint64_t)bucket * g->bucket_slots * g->stride;
	struct bucket_word before = bucket_word_load(&state_words(state, group)[bucket]);

	for (uint32_t i = 0; i < g->bucket_slots; i++) {
		const struct baton_record *record = (const void *)(table + (uint64_t)i * g->stride);
		seq[i] = *(const volatile uint32_t *)&record->seq;
		if ((seq[i] & 1u) && !BATON_SABOTAGE(snapshot_in_mid_entry))
			return false;
	}
	baton_compiler_fence(); /* loads leave the core in order: the words first, the bytes, and the words again */
	head->records = 0;
	for (uint32_t i = 0; i < g->bucket_slots; i++) {
		const struct baton_record *record = (const void *)(table + (uint64_t)i * g->stride);
		struct snap_record r = {.key = record->key, .slot = i, .state = record->state};

		if (r.state == BATON_RECORD_EMPTY)
			continue;
		memcpy(out, &r, sizeof(r));
		memcpy(out + sizeof(r), record + 1, g->stride - sizeof(*record));
		out += g->stride;
		head->records++;
	}
	baton_compiler_fence();
	for (uint32_t i = 0; i < g->bucket_slots; i++) {
		const struct baton_record *record = (const void *)(table + (uint64_t)i * g->stride);
		if (*(const volatile uint32_t *)&record->seq != seq[i] && !BATON_SABOTAGE(snapshot_in_mid_entry))
			return false;
	}
	struct bucket_word after = bucket_word_load(&state_words(state, group)[bucket]);
	head->schema = after.schema != 0 ? after.schema : g->schema;
	return after.schema == before.schema && after.to == 0 && before.to == 0;
}

/* The bucket as some entry left it, and that entry settled. */
static int copy_bucket(const struct state *state, uint32_t group, uint32_t bucket, uint8_t *out,
		       struct snap_bucket *head, uint32_t *seq, uint64_t *tries)
{
	struct open_burst burst[BATON_MAX_WORKERS];
	uint64_t until = now_ns(CLOCK_MONOTONIC) + BUCKET_NS;
	bool good;

	do {
		if (now_ns(CLOCK_MONOTONIC) >= until)
			return -EAGAIN;
		good = copy_records(state, group, bucket, out, head, seq);
		baton_compiler_fence(); /* whose bursts were open when the last byte had been copied */
		for (uint32_t slot = 0; slot < state->header->slots && good; slot++)
			burst[slot] = burst_of(state_control(state, slot));
		for (uint32_t slot = 0; slot < state->header->slots && good; slot++) {
			int settled;

			while ((settled = burst_settled(state, slot, &burst[slot])) == 0 &&
			       now_ns(CLOCK_MONOTONIC) < until)
				__builtin_ia32_pause();
			good = settled == 1 || BATON_SABOTAGE(snapshot_in_mid_entry);
		}
		*tries += !good;
	} while (!good);
	return 0;
}

/* ---- the file ---- */

struct writer {
	FILE *file;
	uint64_t bytes;
	bool failed;
};

static void put(struct writer *w, const void *data, size_t len)
{
	w->failed = w->failed || fwrite(data, 1, len, w->file) != len;
	w->bytes += len;
}

static int put_group(struct writer *w, const struct state *state, uint32_t group, uint32_t index,
		     struct snap_report *report, char *why, size_t bytes)
{
	const struct state_group *g = &state->header->group[group];
	uint8_t *out = malloc((uint64_t)g->bucket_slots * g->stride);
	uint32_t *seq = malloc(g->bucket_slots * sizeof(*seq));
	int rc = out == NULL || seq == NULL ? refuse(ENOMEM, why, bytes, "no memory for a bucket of group %s", g->name) : 0;

	put(w, g, sizeof(*g));
	for (uint32_t bucket = 0; bucket < g->buckets && rc == 0 && g->record_size != 0; bucket++) {
		struct snap_bucket head = {.group = index, .bucket = bucket};

		if (copy_bucket(state, group, bucket, out, &head, seq, &report->tries) != 0) {
			rc = refuse(EAGAIN, why, bytes, "bucket %u of group %s was not at rest for 5 s, or is half converted to "
				    "another schema: try again", bucket, g->name);
			break;
		}
		head.check = check_sum(check_sum(0, &head, sizeof(head)), out, (size_t)head.records * g->stride);
		put(w, &head, sizeof(head));
		put(w, out, (size_t)head.records * g->stride);
		BATON_POINT(snapshot_copied);
		report->buckets++;
		report->records += head.records;
	}
	free(out);
	free(seq);
	return rc;
}

/* A file that has no name before it is whole: nothing is left of whoever is killed meanwhile. Where the file system cannot
 * do that, one of that name. */
static int make_file(const char *path, bool *named)
{
	char dir[PATH_MAX];
	struct stat there;
	const char *end = strrchr(path, '/');
	int fd = -1;

	if (lstat(path, &there) == 0)
		return -EEXIST;
	snprintf(dir, sizeof(dir), "%.*s", end == NULL ? 1 : end == path ? 1 : (int)(end - path), end == NULL ? "." : path);
	if (!BATON_SABOTAGE(snapshot_named_at_once))
		fd = open(dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	*named = fd < 0;
	if (fd < 0)
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

/* Fails if there is one of that name by now. */
static int name_file(int fd, const char *path)
{
	char proc[64];

	if (linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno == EEXIST)
		return -EEXIST;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd); /* who may not do the former may do this */
	return linkat(AT_FDCWD, proc, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 ? 0 : -errno;
}

/* Takes the descriptor. */
static int write_groups(const struct state *state, int fd, struct snap_head *head, const uint32_t *chosen, const char *path,
			bool named, struct snap_report *report, char *why, size_t bytes)
{
	struct writer w = {.file = fdopen(fd, "w")};
	int rc = 0;

	if (w.file == NULL) {
		close(fd);
		return refuse(ENOMEM, why, bytes, "cannot write %s", path);
	}
	BATON_POINT(snapshot_begun);
	head->check = check_sum(0, head, offsetof(struct snap_head, check));
	put(&w, head, sizeof(*head));
	for (uint32_t i = 0; i < head->groups && rc == 0; i++)
		rc = put_group(&w, state, chosen[i], i, report, why, bytes);
	BATON_POINT(snapshot_written);
	w.failed = fflush(w.file) != 0 || fsync(fd) != 0 || w.failed;
	if (rc == 0 && w.failed)
		rc = refuse(EIO, why, bytes, "cannot write %s: is its file system full?", path);
	if (rc == 0 && !named) {
		int failed = name_file(fd, path);
		if (failed != 0)
			rc = refuse(-failed, why, bytes, "cannot make %s: %s", path, strerror(-failed));
	}
	if (fclose(w.file) != 0 && rc == 0)
		rc = refuse(EIO, why, bytes, "cannot write %s: is its file system full?", path);
	report->bytes = w.bytes;
	return rc;
}

int snap_write(const struct state *state, const char *path, const char *group, struct snap_report *report,
		   char *why, size_t bytes)
{
	struct snap_head head = {
		.magic = SNAP_MAGIC, .version = SNAP_VERSION, .salt = state->header->salt,
		.time_ns = now_ns(CLOCK_REALTIME),
	};
	uint32_t chosen[BATON_MAX_GROUPS];
	bool named;

	*report = (struct snap_report){0};
	for (uint32_t g = 0; g < state->header->groups; g++)
		if (group == NULL || strncmp(group, state->header->group[g].name, BATON_NAME_BYTES) == 0)
			chosen[head.groups++] = g;
	if (head.groups == 0)
		return refuse(ENOENT, why, bytes, "the state file has no group '%s'", group == NULL ? "" : group);
	int fd = make_file(path, &named);
	if (fd < 0)
		return refuse(-fd, why, bytes, "cannot make %s: %s", path, strerror(-fd));
	int rc = write_groups(state, fd, &head, chosen, path, named, report, why, bytes);
	if (rc != 0 && named)
		unlink(path);
	return rc;
}

uint64_t snap_sum(uint64_t sum, const void *data, size_t len)
{
	return check_sum(sum, data, len);
}

uint64_t snap_check_bucket(const struct snap_bucket *head, uint32_t stride)
{
	struct snap_bucket copy = *head;

	copy.check = 0;
	return check_sum(check_sum(0, &copy, sizeof(copy)), head + 1, (size_t)head->records * stride);
}

uint64_t snap_check_head(const struct snap_head *head)
{
	return check_sum(0, head, offsetof(struct snap_head, check));
}
