/* The list of the belts' pages. */
#define _GNU_SOURCE
#include "belt_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_memory.h>

#include "primary.h"
#include "zygote.h"

static int list_belt(const struct primary *primary, int out, uint32_t lcore, uint32_t slot)
{
	void *belt = primary->setup.belt[lcore][slot];
	const struct rte_memseg *page = rte_mem_virt2memseg(belt, NULL);
	size_t offset = 0;

	if (page == NULL)
		return -ENOENT;
	int fd = rte_memseg_get_fd(page);
	if (fd < 0 || rte_memseg_get_fd_offset(page, &offset) != 0)
		return -ENOTSUP;
	/* a page may be larger than a belt */
	offset += (size_t)((uintptr_t)belt - (uintptr_t)page->addr_64);
	return dprintf(out, ZYGOTE_PAGE_LINE, lcore, slot, (unsigned long)(uintptr_t)belt, fd, offset) > 0 ? 0 : -EIO;
}

int belt_pages_list(const struct primary *primary)
{
	int out = memfd_create("baton-belt-pages", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc = 0;

	if (out < 0)
		return -errno;
	for (uint32_t lcore = 0; lcore < primary->config.io_cores && rc == 0; lcore++)
		for (uint32_t slot = 0; slot < primary->config.worker_slots && rc == 0; slot++)
			rc = list_belt(primary, out, lcore, slot);
	if (rc == 0 && fcntl(out, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		rc = -errno;
	if (rc == 0)
		return out;
	close(out);
	return rc;
}
