/* The state file from outside: opened, locked, created or checked, mapped. Control plane only: may wait and log. */
#define _GNU_SOURCE
#include "state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

/* Stands in the header while the file is being made: who finds it, under the lock, starts over. */
#define STATE_MAGIC_UNFINISHED 0x3130656b614d7453ull
#define LOCK_POLL_US 1000
#define START_EMPTY "change it back, or move the file away to start empty"

/* What the caller wants, and where. */
struct wanted {
	const char *path;
	struct state_group *groups;
	uint32_t count, slots, belts;
	uint64_t bytes;
};

static uint64_t fnv1a(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3ull; /* FNV prime, RFC 9923 */
	return hash;
}

uint64_t state_layout_hash(uint32_t slots, uint32_t belts, const struct state_group *groups, uint32_t count)
{
	uint64_t hash = 0xcbf29ce484222325ull; /* FNV offset basis */

	hash = fnv1a(hash, &slots, sizeof(slots));
	hash = fnv1a(hash, &belts, sizeof(belts));
	for (uint32_t i = 0; i < count; i++) {
		hash = fnv1a(hash, groups[i].name, sizeof(groups[i].name));
		hash = fnv1a(hash, &groups[i].buckets, sizeof(uint32_t));
		hash = fnv1a(hash, &groups[i].bucket_slots, sizeof(uint32_t));
		hash = fnv1a(hash, &groups[i].record_size, sizeof(uint32_t));
		hash = fnv1a(hash, &groups[i].stride, sizeof(uint32_t));
	}
	return hash;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* True if `path` still names the file that fd has open. */
static bool same_file(int fd, const char *path)
{
	struct stat open_file, named;

	return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 && open_file.st_ino == named.st_ino &&
	       open_file.st_dev == named.st_dev;
}

/* Opens and locks; a file that was moved away while we waited is let go. Returns the descriptor or -errno. */
static int open_locked(const char *path, uint32_t timeout_ms)
{
	uint64_t until = now_ms() + timeout_ms;
	int fd, rc;

	for (;;) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0) {
			rc = -errno;
			log_error("state file %s: cannot open: %s; check memory.state_file and its directory", path,
				  strerror(-rc));
			return rc;
		}
		while (!BATON_SABOTAGE(file_not_locked) && flock(fd, LOCK_EX | LOCK_NB) != 0) {
			rc = -errno;
			if (rc == -EINTR)
				continue;
			if (rc != -EWOULDBLOCK || now_ms() >= until)
				goto fail;
			nanosleep(&(struct timespec){.tv_nsec = LOCK_POLL_US * 1000}, NULL);
		}
		if (same_file(fd, path))
			return fd;
		close(fd);
	}
fail:
	if (rc == -EWOULDBLOCK)
		log_error("state file %s: another batond or a worker of one holds it; stop it, or give this instance "
			  "another memory.state_file", path);
	else
		log_error("state file %s: cannot lock: %s", path, strerror(-rc));
	close(fd);
	return rc;
}

/* Returns 1 on hugetlbfs, 0 elsewhere, or -EINVAL for huge pages of another size: regions could not be unmapped one by
 * one. */
static int check_file_system(int fd, const char *path)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) != 0)
		return -errno;
	if (fs.f_type != HUGETLBFS_MAGIC) {
		log_warn("state file %s: not on hugetlbfs: the death of a worker that has touched 256 MiB of it is "
			 "seen 12-28 ms later; use a directory below a hugetlbfs mount with 2 MiB pages", path);
		return 0;
	}
	if (fs.f_bsize == BATON_HUGE_PAGE)
		return 1;
	log_error("state file %s: this hugetlbfs has pages of %ld KiB; mount one with pagesize=2M", path,
		  (long)fs.f_bsize / 1024);
	return -EINVAL;
}

static void *map(int fd, uint64_t bytes, int prot, int flags)
{
	void *at = mmap(NULL, bytes, prot, MAP_SHARED | flags, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void write_header(struct state *state, const struct wanted *wanted, uint64_t salt)
{
	struct state_header *header = state->header;
	_Atomic uint64_t *magic = (_Atomic uint64_t *)&header->magic;

	/* release: a later primary that finds the magic finds all of the rest */
	atomic_store_explicit(magic, STATE_MAGIC_UNFINISHED, memory_order_release);
	header->abi = STATE_ABI;
	header->slots = wanted->slots;
	header->belts = wanted->belts;
	header->groups = wanted->count;
	header->bytes = wanted->bytes;
	header->layout_hash = state_layout_hash(wanted->slots, wanted->belts, wanted->groups, wanted->count);
	header->salt = salt;
	memcpy(header->group, wanted->groups, wanted->count * sizeof(header->group[0]));
	for (uint32_t slot = 0; slot < wanted->slots; slot++) {
		struct control_block *control = state_control(state, slot);
		control->slot = slot;
		control->belts = wanted->belts;
		control->magic = STATE_CONTROL_MAGIC;
	}
	atomic_store_explicit(magic, STATE_MAGIC, memory_order_release);
}

/* Room is claimed here, whole: a full file system would be a SIGBUS later. On hugetlbfs mmap claims it, and fails with
 * ENOMEM before it takes a single page. */
static int create(struct state *state, int fd, bool huge, const struct wanted *wanted, uint64_t salt)
{
	int rc = 0;

	if (ftruncate(fd, 0) != 0 || ftruncate(fd, (off_t)wanted->bytes) != 0 ||
	    (!huge && fallocate(fd, 0, 0, (off_t)wanted->bytes) != 0))
		rc = -errno;
	if (rc == 0) {
		state->base = map(fd, wanted->bytes, PROT_READ | PROT_WRITE, MAP_POPULATE);
		rc = state->base != NULL ? 0 : errno == ENOMEM ? -ENOSPC : -errno;
	}
	if (rc == 0) {
		state->header = (struct state_header *)(void *)state->base;
		write_header(state, wanted, salt);
		return 0;
	}
	if (rc == -ENOSPC && !huge)
		log_error("state file %s: needs %" PRIu64 " MiB; its file system has not so much left", wanted->path,
			  wanted->bytes >> 20);
	else if (rc == -ENOSPC)
		log_error("state file %s: needs %" PRIu64 " free pages of 2 MiB (%" PRIu64 " MiB); raise "
			  "vm.nr_hugepages, or lower memory.worker_slots, buckets or records", wanted->path,
			  wanted->bytes / BATON_HUGE_PAGE, wanted->bytes >> 20);
	else
		log_error("state file %s: cannot make it: %s", wanted->path, strerror(-rc));
	unlink(wanted->path); /* ours: made or restarted under the lock */
	return rc;
}

/* Logs and returns -ESTALE for the first thing in which group i of the file is not what is wanted. */
static int compare_group(const struct wanted *wanted, uint32_t i, const struct state_group *file)
{
	const struct state_group *want = &wanted->groups[i];
	const struct { const char *what; uint32_t file, want; } rows[] = {
		{"buckets", file->buckets, want->buckets},
		{"bytes per record", file->record_size, want->record_size},
		{"slots per bucket (from records)", file->bucket_slots, want->bucket_slots},
		{"bytes from record to record", file->stride, want->stride},
	};

	if (strncmp(file->name, want->name, sizeof(file->name)) != 0) {
		log_error("state file %s: group %u is '%.*s' in the file, '%s' in the configuration; " START_EMPTY,
			  wanted->path, i, (int)sizeof(file->name), file->name, want->name);
		return -ESTALE;
	}
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		if (rows[r].file == rows[r].want)
			continue;
		log_error("state file %s: group %s has %s %u in the file, %u wanted; " START_EMPTY, wanted->path,
			  want->name, rows[r].what, rows[r].file, rows[r].want);
		return -ESTALE;
	}
	return 0;
}

static int compare(const struct state_header *header, const struct wanted *wanted)
{
	const struct { const char *what; uint32_t file, want; } rows[] = {
		{"worker slots", header->slots, wanted->slots},
		{"I/O lcores", header->belts, wanted->belts},
		{"groups", header->groups, wanted->count},
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		if (rows[r].file == rows[r].want)
			continue;
		log_error("state file %s: made for %u %s, %u configured; " START_EMPTY, wanted->path,
			  rows[r].file, rows[r].what, rows[r].want);
		return -ESTALE;
	}
	for (uint32_t i = 0; i < wanted->count; i++) {
		int rc = compare_group(wanted, i, &header->group[i]);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int not_a_state_file(const char *path, const char *why)
{
	log_error("state file %s: %s; move it away, or name another memory.state_file", path, why);
	return -EPROTO;
}

/* Records of a file may have grown or shrunk with their schema since it was made: what it was laid out for stays, if the
 * records wanted now fit. Which schemas are in it the caller looks at. */
static void take_geometry(struct wanted *wanted, const struct state_header *header)
{
	for (uint32_t i = 0; i < wanted->count && i < header->groups; i++) {
		struct state_group *want = &wanted->groups[i];
		const struct state_group *file = &header->group[i];

		if (strncmp(file->name, want->name, sizeof(file->name)) != 0 || file->buckets != want->buckets ||
		    file->bucket_slots != want->bucket_slots || file->record_size == 0 || want->record_size == 0 ||
		    want->record_size > state_room(file))
			continue;
		if (file->stride == 0 || file->records_bytes != (uint64_t)file->buckets * file->bucket_slots * file->stride)
			continue; /* damaged: compare() finds what differs */
		if (want->schema == file->schema && want->record_size != file->record_size)
			continue; /* one of the two is wrong about the schema: compare_group() says so */
		want->stride = file->stride;
		want->record_size = file->record_size;
		want->records_bytes = file->records_bytes;
		want->schema = file->schema;
	}
	wanted->bytes = state_layout(wanted->groups, wanted->count, wanted->slots);
}

/* The header page against the file's size, then against what is wanted. */
static int check_header(const struct state_header *header, uint64_t size, struct wanted *wanted)
{
	if (header->magic != STATE_MAGIC)
		return not_a_state_file(wanted->path, "not a Baton state file");
	if (header->abi != STATE_ABI && header->abi != STATE_ABI_UPGRADED) {
		log_error("state file %s: made by ABI %u, this is ABI %u; start the batond that made it, or move the "
			  "file away to start empty", wanted->path, header->abi, STATE_ABI);
		return -ESTALE;
	}
	if (header->groups > BATON_MAX_GROUPS || header->slots > BATON_MAX_WORKERS ||
	    header->belts > BATON_MAX_IO_LCORES ||
	    header->layout_hash != state_layout_hash(header->slots, header->belts, header->group, header->groups))
		return not_a_state_file(wanted->path, "its header is damaged (layout hash)");
	if (header->bytes != size)
		return not_a_state_file(wanted->path, "its size is not the one its header names: cut off or grown");
	take_geometry(wanted, header);
	int rc = BATON_SABOTAGE(other_layout_taken) ? 0 : compare(header, wanted);
	if (rc == 0 && header->bytes != wanted->bytes)
		rc = not_a_state_file(wanted->path, "its header is damaged (size)");
	for (uint32_t i = 0; rc == 0 && i < wanted->count; i++)
		if (header->group[i].words_at != wanted->groups[i].words_at ||
		    header->group[i].records_at != wanted->groups[i].records_at ||
		    header->group[i].records_bytes != wanted->groups[i].records_bytes)
			rc = not_a_state_file(wanted->path, "its header is damaged (offsets)");
	return rc;
}

/* R3: a control block of unknown layout refuses the whole file, it is never skipped. */
static int check_controls(const struct state *state, const char *path)
{
	for (uint32_t slot = 0; slot < state->header->slots; slot++) {
		const struct control_block *control = state_control(state, slot);

		if (control->magic != STATE_CONTROL_MAGIC || control->slot != slot)
			return not_a_state_file(path, "a worker slot's control block is damaged");
	}
	return 0;
}

/* True if a primary died while it made this file: nothing in it has ever been used. */
static bool unfinished(const struct state_header *header)
{
	const uint64_t *word = (const uint64_t *)(const void *)header;

	if (header->magic == STATE_MAGIC_UNFINISHED)
		return true;
	for (size_t i = 0; i < BATON_HUGE_PAGE / sizeof(*word); i++)
		if (word[i] != 0)
			return false;
	return true;
}

/* ABI 3 had no use for the words' second half, which plugins may have scribbled on: all buckets have the schema that the
 * file was made for. The number last: a start that is cut off does it again. */
static void upgrade(struct state *state, const char *path)
{
	for (uint32_t g = 0; g < state->header->groups; g++) {
		for (uint32_t bucket = 0; bucket < state->header->group[g].buckets; bucket++)
			bucket_word_store(&state_words(state, g)[bucket], 0, 0, 0);
		state->header->group[g].newest = state->header->group[g].schema;
	}
	state->header->restore.used = 0;
	/* release: after all of the above */
	atomic_store_explicit((_Atomic uint32_t *)&state->header->abi, STATE_ABI, memory_order_release);
	log_info("state file %s: upgraded from ABI %u to %u", path, STATE_ABI_UPGRADED, STATE_ABI);
}

/* Returns 0 with the file mapped, 1 if it was never finished, or -errno. */
static int open_existing(struct state *state, int fd, uint64_t size, struct wanted *wanted)
{
	struct state_header *header;
	int rc;

	if (size < BATON_HUGE_PAGE)
		return not_a_state_file(wanted->path, "shorter than a header");
	header = map(fd, BATON_HUGE_PAGE, PROT_READ, 0);
	if (header == NULL) {
		rc = -errno;
		log_error("state file %s: cannot map its header: %s", wanted->path, strerror(-rc));
		return rc;
	}
	rc = unfinished(header) ? 1 : check_header(header, size, wanted);
	munmap(header, BATON_HUGE_PAGE);
	if (rc != 0)
		return rc;
	state->base = map(fd, size, PROT_READ | PROT_WRITE, MAP_POPULATE);
	if (state->base == NULL) {
		rc = -errno;
		log_error("state file %s: cannot map %" PRIu64 " MiB: %s", wanted->path, size >> 20, strerror(-rc));
		return rc;
	}
	state->header = (struct state_header *)(void *)state->base;
	rc = check_controls(state, wanted->path);
	if (rc != 0)
		munmap(state->base, size);
	else if (state->header->abi == STATE_ABI_UPGRADED)
		upgrade(state, wanted->path);
	return rc;
}

int state_open(struct state *state, const char *path, struct state_group *groups, uint32_t count, uint32_t slots,
	       uint32_t belts, uint64_t fresh_salt, uint32_t timeout_ms, bool *fresh)
{
	struct wanted wanted = {.path = path, .groups = groups, .count = count, .slots = slots, .belts = belts};
	struct state opened = {.fd = -1};
	struct stat file;
	bool huge;
	int rc;

	if (count > BATON_MAX_GROUPS || slots == 0 || slots > BATON_MAX_WORKERS || belts == 0 ||
	    belts > BATON_MAX_IO_LCORES)
		return -EINVAL;
	wanted.bytes = state_layout(groups, count, slots);
	opened.fd = open_locked(path, timeout_ms);
	if (opened.fd < 0)
		return opened.fd;
	rc = check_file_system(opened.fd, path);
	huge = rc == 1;
	if (rc >= 0 && fstat(opened.fd, &file) != 0)
		rc = -errno;
	if (rc >= 0)
		rc = file.st_size == 0 ? 1 : open_existing(&opened, opened.fd, (uint64_t)file.st_size, &wanted);
	if (rc < 0) {
		close(opened.fd);
		return rc;
	}
	bool made = rc == 1;
	if (made && (rc = create(&opened, opened.fd, huge, &wanted, fresh_salt)) != 0) {
		close(opened.fd);
		return rc;
	}
	*state = opened;
	*fresh = made;
	return 0;
}

int state_attach(struct state *state, int fd, bool writable)
{
	struct stat file;

	if (fstat(fd, &file) != 0)
		return -errno;
	if (file.st_size < (off_t)BATON_HUGE_PAGE)
		return -EPROTO;
	uint8_t *base = map(fd, (uint64_t)file.st_size, writable ? PROT_READ | PROT_WRITE : PROT_READ, 0);
	if (base == NULL)
		return -errno;
	struct state_header *header = (struct state_header *)(void *)base;
	if (header->magic != STATE_MAGIC || header->abi != STATE_ABI || header->bytes != (uint64_t)file.st_size) {
		munmap(base, (uint64_t)file.st_size);
		return -EPROTO;
	}
	*state = (struct state){.fd = fd, .base = base, .header = header};
	return 0;
}
