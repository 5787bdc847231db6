/* CoreStats: made by the primary, attached by whoever writes or reads.
 *
 * The memory is a memfd that is sealed against shrinking before anybody maps it, and not a file: of a file that
 * somebody truncates every page is a SIGBUS to whoever has it mapped, and that is the primary and all its workers. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core_stats.h"
#include "sabotage.h"
#include "stats_door.h"
#include "version.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Where the instance's door is, or the one that is being made (stats_door.c). Returns 0, or -EINVAL for a name that
 * could leave the directory. */
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
	       (size_t)io_lcores * (slots + STATS_LANES_KEPT) * sizeof(struct stats_lane) +
	       (size_t)io_lcores * slots * sizeof(struct stats_slot) + slots * sizeof(struct stats_cycles);
}

static void stats_point(struct stats *stats, void *base, size_t bytes)
{
	const struct stats_header *h = base;

	stats->header = base;
	stats->page = (struct CoreStats *)(void *)((uint8_t *)base + STATS_HEADER_BYTES);
	stats->io_lcores = h->io_lcores;
	stats->lanes = h->lanes;
	stats->slots = stats->lanes - STATS_LANES_KEPT;
	stats->lane = (struct stats_lane *)(void *)&stats->page[1 + stats->io_lcores + stats->slots];
	stats->slot = (struct stats_slot *)(void *)stats_lane(stats, stats->io_lcores, 0);
	stats->cycles = (struct stats_cycles *)(void *)stats_slot(stats, stats->io_lcores, 0);
	stats->bytes = bytes;
	stats->door = NULL;
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

/* Its length is what it is for good, and every page is there: on a machine without memory the first store into a hole
 * would be a SIGBUS, too. Returns the descriptor or -errno. */
static int make_memory(const char *instance, size_t bytes)
{
	char name[BATON_NAME_BYTES + 16];
	int rc;

	snprintf(name, sizeof(name), "baton.%s.stats", instance);
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	/* Whoever gets it for reading might open it anew otherwise: a memfd begins with 0777. */
	rc = fchmod(fd, 0644) != 0 ? -errno : -posix_fallocate(fd, 0, (off_t)bytes);
	if (rc == 0 && !BATON_SABOTAGE(stats_not_sealed) && fcntl(fd, F_ADD_SEALS, SEALS) != 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

int stats_create(struct stats *stats, const char *instance, uint32_t io_lcores, uint32_t slots, uint64_t tsc_hz,
		 int *fd)
{
	size_t bytes = stats_bytes(io_lcores, slots);
	struct stats_door *door = NULL;
	char path[BATON_PATH_BYTES];
	int rc;

	if (io_lcores > BATON_MAX_IO_LCORES || slots > BATON_MAX_WORKERS || tsc_hz == 0 ||
	    stats_path(path, instance, false) != 0)
		return -EINVAL;
	int memory = make_memory(instance, bytes);
	if (memory < 0)
		return memory;
	void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (base == MAP_FAILED) {
		rc = -errno;
		goto close_memory;
	}
	header_fill(base, instance, io_lcores, slots, tsc_hz);
	rc = stats_door_open(&door, path, memory);
	if (rc != 0)
		goto unmap;
	stats_point(stats, base, bytes);
	stats->door = door;
	if (fd != NULL)
		*fd = memory;
	else
		close(memory);
	return 0;
unmap:
	munmap(base, bytes);
close_memory:
	close(memory);
	return rc;
}

int stats_keep(struct stats *stats) { return stats->door == NULL ? 0 : stats_door_keep(stats->door); }

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
	/* What could shrink under its readers is none of ours. */
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
		return -EPROTO;
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
	int fd = stats_door_ask(path);
	if (fd < 0)
		return fd;
	rc = stats_attach_fd(stats, fd, false);
	close(fd);
	return rc;
}

void stats_detach(struct stats *stats)
{
	stats_door_close(stats->door);
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
