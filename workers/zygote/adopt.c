/* Belts without EAL: mapped page by page, at the primary's addresses, through the primary's own descriptors. For a
 * zygote that is started under traffic, when the first one and its spare are both dead: a second rte_eal_init() would
 * take locks in shared memory that nothing gives back if this process dies meanwhile, too (docs/decisions/006). */
#define _GNU_SOURCE
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "belt.h"
#include "zygote.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static int map_page(struct worker_host *host, uint32_t lcore, uint32_t slot, unsigned long at, int fd, size_t offset)
{
	char path[64];

	if (lcore >= host->io_lcores || slot >= host->slots || at % BATON_HUGE_PAGE != 0)
		return -EPROTO;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)host->primary, fd);
	int page = open(path, O_RDWR | O_CLOEXEC);
	if (page < 0)
		return -errno;
	uint8_t *belt = mmap((void *)at, BATON_HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, page,
			     (off_t)offset);
	int rc = belt == MAP_FAILED ? -errno : 0;
	close(page);
	if (rc != 0)
		return rc;
	if (slot == 0)
		host->belts[lcore] = belt;
	/* one row of pages an I/O lcore, as the memzone is */
	if (belt != host->belts[lcore] + (size_t)slot * BATON_HUGE_PAGE)
		return -EPROTO;
	return belt_check((const struct belt *)(const void *)belt, lcore, slot) != 0 ? -EPROTO : 0;
}

int attach_belts_without_eal(struct worker_host *host, char *why, size_t bytes)
{
	int list = fcntl(ZYGOTE_FD_PAGES, F_DUPFD_CLOEXEC, 64);
	FILE *in = list < 0 ? NULL : fdopen(list, "r");
	uint32_t lcore, slot, mapped = 0;
	unsigned long at;
	size_t offset;
	int fd, rc = in == NULL ? -EBADF : 0;

	if (in != NULL)
		rewind(in); /* the offset is the primary's, too */
	while (rc == 0 && fscanf(in, ZYGOTE_PAGE_LINE, &lcore, &slot, &at, &fd, &offset) == 5) {
		rc = map_page(host, lcore, slot, at, fd, offset);
		mapped++;
	}
	if (in != NULL)
		fclose(in);
	close(ZYGOTE_FD_PAGES);
	if (rc == 0 && mapped != host->io_lcores * host->slots)
		rc = -ENOENT;
	if (rc != 0)
		snprintf(why, bytes, "the new zygote cannot map the belts' pages (%u of %u): %s; is /proc mounted?", mapped,
			 host->io_lcores * host->slots, strerror(-rc));
	return rc;
}
