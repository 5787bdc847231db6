/* The CoreStats file: creating, attaching, the worker directory, names. */
#include "core_stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "version.h"

#define DIRECTORY_TRIES 1000u

#define TEXT(name, help) { #name, help },
static const struct { const char *name, *help; } counter_text[] = { CORE_STATS_COUNTERS(TEXT) };
static const struct { const char *name, *help; } drop_text[] = { CORE_STATS_DROPS(TEXT) };
#undef TEXT

const char *core_counter_name(uint32_t counter) { return counter < COUNTER_COUNT ? counter_text[counter].name : "?"; }
const char *core_counter_help(uint32_t counter) { return counter < COUNTER_COUNT ? counter_text[counter].help : "?"; }
const char *core_drop_name(uint32_t drop) { return drop < DROP_COUNT ? drop_text[drop].name : "?"; }
const char *core_drop_help(uint32_t drop) { return drop < DROP_COUNT ? drop_text[drop].help : "?"; }

const char *core_kind_name(uint32_t kind)
{
	static const char *const name[] = { "unused", "main", "io", "worker" };
	return kind < sizeof(name) / sizeof(name[0]) ? name[kind] : "?";
}

const char *worker_state_name(uint32_t state)
{
	static const char *const name[WORKER_STATE_COUNT] = {
		"none", "starting", "standby", "active", "draining", "drained", "stopping", "dead",
	};
	return state < WORKER_STATE_COUNT ? name[state] : "?";
}

const char *group_state_name(uint32_t state)
{
	static const char *const name[GROUP_STATE_COUNT] = {
		"none", "serving", "starting", "fell_back", "part", "down", "spent",
	};
	return state < GROUP_STATE_COUNT ? name[state] : "?";
}

const char *port_state_name(uint32_t state)
{
	static const char *const name[PORT_STATE_COUNT] = { "up", "no_link", "gone" };
	return state < PORT_STATE_COUNT ? name[state] : "?";
}

/* Path of the instance's file, or of the one that is being written. Returns 0, or -EINVAL for a name that could leave
 * the directory. */
static int stats_path(char path[BATON_PATH_BYTES], const char *instance, bool fresh)
{
	size_t len = strlen(instance);

	if (len == 0 || len >= BATON_NAME_BYTES || instance[0] == '.' || strchr(instance, '/') != NULL)
		return -EINVAL;
	snprintf(path, BATON_PATH_BYTES, BATON_STATS_PATH_FMT, instance);
	if (fresh)
		snprintf(path + strlen(path), BATON_PATH_BYTES - strlen(path), ".new");
	return 0;
}

static size_t stats_bytes(uint32_t io_lcores, uint32_t slots)
{
	return STATS_HEADER_BYTES + (1 + (size_t)io_lcores + slots) * sizeof(struct CoreStats) +
	       (size_t)io_lcores * (slots + STATS_LANES_KEPT) * sizeof(struct stats_lane);
}

static void stats_point(struct stats *stats, void *base, size_t bytes)
{
	const struct stats_header *h = base;

	stats->header = base;
	stats->page = (struct CoreStats *)(void *)((uint8_t *)base + STATS_HEADER_BYTES);
	stats->io_lcores = h->io_lcores;
	stats->lanes = h->lanes;
	stats->lane = (struct stats_lane *)(void *)&stats->page[1 + stats->io_lcores + stats->lanes - STATS_LANES_KEPT];
	stats->bytes = bytes;
}

static void header_fill(struct stats_header *h, const char *instance, uint32_t io_lcores, uint32_t slots, uint64_t hz)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	h->version = STATS_VERSION;
	h->abi = BATON_ABI;
	h->pages = 1 + io_lcores + slots;
	h->io_lcores = io_lcores;
	h->slots = slots;
	h->lanes = slots + STATS_LANES_KEPT;
	h->primary_pid = (uint32_t)getpid();
	h->tsc_hz = hz;
	h->started_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	/* A boot id of 0 would be a file without one; time alone would do, if two primaries never started together. */
	if (getrandom(&h->boot_id, sizeof(h->boot_id), 0) != sizeof(h->boot_id) || h->boot_id == 0)
		h->boot_id = h->started_ns;
	snprintf(h->instance, sizeof(h->instance), "%s", instance);
	snprintf(h->build, sizeof(h->build), "%s %s %s", BATON_VERSION, version_build_type(), version_build_id());
	h->magic = STATS_MAGIC;
}

int stats_create(struct stats *stats, const char *instance, uint32_t io_lcores, uint32_t slots, uint64_t tsc_hz,
		 int *fd)
{
	char path[BATON_PATH_BYTES], fresh[BATON_PATH_BYTES];
	size_t bytes = stats_bytes(io_lcores, slots);
	int rc = 0;

	if (io_lcores > BATON_MAX_IO_LCORES || slots > BATON_MAX_WORKERS || tsc_hz == 0 ||
	    stats_path(path, instance, false) != 0 || stats_path(fresh, instance, true) != 0)
		return -EINVAL;
	/* Written aside and renamed: a monitor sees the old file or a whole new one, and keeps what it has mapped. */
	unlink(fresh);
	int file = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (file < 0)
		return -errno;
	if (fchmod(file, 0644) != 0) { /* whatever the umask */
		rc = -errno;
		goto close_file;
	}
	/* Not ftruncate: on a full tmpfs the first store into a hole is a SIGBUS. */
	rc = -posix_fallocate(file, 0, (off_t)bytes);
	if (rc != 0)
		goto close_file;
	void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (base == MAP_FAILED) {
		rc = -errno;
		goto close_file;
	}
	header_fill(base, instance, io_lcores, slots, tsc_hz);
	if (rename(fresh, path) != 0) {
		rc = -errno;
		goto unmap;
	}
	stats_point(stats, base, bytes);
	if (fd != NULL)
		*fd = file;
	else
		close(file);
	return 0;
unmap:
	munmap(base, bytes);
close_file:
	close(file);
	unlink(fresh);
	return rc;
}

/* A header is believed only if its counts agree with each other and with the size of the file. */
static bool header_sound(const struct stats_header *h, size_t bytes)
{
	return h->magic == STATS_MAGIC && h->version == STATS_VERSION && h->io_lcores <= BATON_MAX_IO_LCORES &&
	       h->slots <= BATON_MAX_WORKERS && h->pages == 1 + h->io_lcores + h->slots &&
	       h->lanes == h->slots + STATS_LANES_KEPT && h->ports <= BATON_MAX_PORTS && h->tsc_hz != 0 &&
	       stats_bytes(h->io_lcores, h->slots) == bytes &&
	       memchr(h->instance, 0, sizeof(h->instance)) != NULL && memchr(h->build, 0, sizeof(h->build)) != NULL;
}

int stats_attach_fd(struct stats *stats, int fd, bool writable)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)STATS_HEADER_BYTES ||
	    st.st_size > (off_t)stats_bytes(BATON_MAX_IO_LCORES, BATON_MAX_WORKERS))
		return -EPROTO;
	size_t bytes = (size_t)st.st_size;
	void *base = mmap(NULL, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	const struct stats_header *header = base;
	/* Monitors read any ABI with this layout version; who writes must be of the primary's own ABI. */
	if (!header_sound(header, bytes) || (writable && header->abi != BATON_ABI)) {
		munmap(base, bytes);
		return -EPROTO;
	}
	stats_point(stats, base, bytes);
	return 0;
}

int stats_attach(struct stats *stats, const char *instance)
{
	char path[BATON_PATH_BYTES];

	int rc = stats_path(path, instance, false);
	if (rc != 0)
		return rc;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	rc = stats_attach_fd(stats, fd, false);
	close(fd);
	return rc;
}

void stats_detach(struct stats *stats)
{
	if (stats->header != NULL)
		munmap(stats->header, stats->bytes);
	memset(stats, 0, sizeof(*stats));
}

void stats_unlink(const char *instance)
{
	char path[BATON_PATH_BYTES];

	if (stats_path(path, instance, false) == 0)
		unlink(path);
	if (stats_path(path, instance, true) == 0)
		unlink(path);
}

/* ---- directories: entries begin with their sequence word ---- */

static int entry_read(const void *entry, void *out, size_t bytes)
{
	const _Atomic uint32_t *seq = entry;
	union {
		struct stats_worker worker;
		struct stats_version version;
		struct stats_port port;
		struct stats_group group;
	} copy;

	for (uint32_t tries = 0; tries < DIRECTORY_TRIES; tries++) {
		/* acquire: pairs with the last release of entry_write() */
		uint32_t before = atomic_load_explicit(seq, memory_order_acquire);
		if (before & 1)
			continue;
		memcpy(&copy, entry, bytes);
		atomic_thread_fence(memory_order_acquire); /* the copy is read before seq is read again */
		if (atomic_load_explicit(seq, memory_order_relaxed) != before)
			continue;
		memcpy(out, &copy, bytes);
		return 0;
	}
	return -EAGAIN;
}

static void entry_write(void *entry, const void *in, size_t bytes)
{
	_Atomic uint32_t *seq = entry;
	uint32_t next = atomic_load_explicit(seq, memory_order_relaxed) | 1u;
	size_t after = sizeof(*seq);

	atomic_store_explicit(seq, next, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); /* odd before the first byte changes */
	memcpy((uint8_t *)entry + after, (const uint8_t *)in + after, bytes - after);
	/* release: pairs with the acquire in entry_read() */
	atomic_store_explicit(seq, next + 1, memory_order_release);
}

#define END(text) ((text)[sizeof(text) - 1] = 0)

int stats_worker_read(const struct stats *stats, uint32_t slot, struct stats_worker *out)
{
	int rc = slot < BATON_MAX_WORKERS ? entry_read(&stats->header->worker[slot], out, sizeof(*out)) : -EINVAL;

	if (rc == 0)
		END(out->name), END(out->group), END(out->version), END(out->build_id);
	return rc;
}

int stats_version_read(const struct stats *stats, uint32_t lane, struct stats_version *out)
{
	int rc = lane < STATS_LANES_MAX ? entry_read(&stats->header->versions[lane], out, sizeof(*out)) : -EINVAL;

	if (rc == 0)
		END(out->group), END(out->version);
	return rc;
}

int stats_port_read(const struct stats *stats, uint32_t port, struct stats_port *out)
{
	int rc = port < BATON_MAX_PORTS ? entry_read(&stats->header->port[port], out, sizeof(*out)) : -EINVAL;

	if (rc == 0)
		END(out->interface), END(out->name);
	return rc;
}

int stats_group_read(const struct stats *stats, uint32_t group, struct stats_group *out)
{
	int rc = group < BATON_MAX_GROUPS ? entry_read(&stats->header->group[group], out, sizeof(*out)) : -EINVAL;

	if (rc == 0)
		END(out->name), END(out->version), END(out->failed), END(out->why);
	return rc;
}

void stats_worker_write(struct stats *stats, uint32_t slot, const struct stats_worker *in)
{
	entry_write(&stats->header->worker[slot], in, sizeof(*in));
}

void stats_version_write(struct stats *stats, uint32_t lane, const struct stats_version *in)
{
	entry_write(&stats->header->versions[lane], in, sizeof(*in));
}

void stats_port_write(struct stats *stats, uint32_t port, const struct stats_port *in)
{
	entry_write(&stats->header->port[port], in, sizeof(*in));
}

void stats_group_write(struct stats *stats, uint32_t group, const struct stats_group *in)
{
	entry_write(&stats->header->group[group], in, sizeof(*in));
}

uint32_t stats_gaps_read(const struct CoreStats *page, uint64_t from, struct stats_gap *out, uint64_t *missed)
{
	struct stats_gap copy[STATS_GAPS];
	uint64_t first = from;

	/* x86-64 keeps loads in order as it keeps stores (stats_gap_add); the fences stop the compiler. */
	uint64_t end = *(const volatile uint64_t *)&page->gen_gaps;
	baton_compiler_fence();
	memcpy(copy, page->gap, sizeof(copy));
	baton_compiler_fence();
	uint64_t now = *(const volatile uint64_t *)&page->gen_gaps;
	*missed = 0;
	if (end <= from)
		return 0;
	/* Entry n is overwritten while gen_gaps is n + STATS_GAPS: such a one may be torn. */
	if (now >= STATS_GAPS && now - STATS_GAPS + 1 > first)
		first = now - STATS_GAPS + 1;
	if (first > end)
		first = end;
	*missed = first - from;
	for (uint64_t n = first; n < end; n++)
		out[n - first] = copy[n % STATS_GAPS];
	return (uint32_t)(end - first);
}
