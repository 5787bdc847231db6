/* Shared mappings made private: by mapping their files again at the same addresses. */
#define _GNU_SOURCE
#include "private_maps.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MAPS_MOST 256u

struct map {
	uint64_t start, end, offset, inode;
	unsigned int major, minor;
};

static void fail(const char *what)
{
	perror(what);
	abort();
}

/* Shared and writable ones of files. */
static uint32_t read_maps(struct map *map)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512], perms[8];
	uint32_t count = 0;

	if (maps == NULL)
		fail("private_maps: /proc/self/maps");
	while (fgets(line, sizeof(line), maps) != NULL) {
		struct map m;

		if (sscanf(line, "%lx-%lx %7s %lx %x:%x %lu", &m.start, &m.end, perms, &m.offset, &m.major, &m.minor,
			   &m.inode) != 7 || strncmp(perms, "rw-s", 4) != 0 || strstr(line, "/dev/zero") != NULL)
			continue;
		if (count == MAPS_MOST)
			fail("private_maps: so many mappings");
		map[count++] = m;
	}
	fclose(maps);
	return count;
}

static int find_file(DIR *open_files, const struct map *map)
{
	rewinddir(open_files);
	for (struct dirent *entry; (entry = readdir(open_files)) != NULL;) {
		int fd = atoi(entry->d_name);
		struct stat st;

		if (entry->d_name[0] != '.' && fd != dirfd(open_files) && fstat(fd, &st) == 0 && st.st_ino == map->inode &&
		    major(st.st_dev) == map->major && minor(st.st_dev) == map->minor)
			return fd;
	}
	return -1;
}

void private_maps(int but)
{
	static struct map map[MAPS_MOST];
	uint32_t count = read_maps(map);
	DIR *open_files = opendir("/proc/self/fd");

	if (open_files == NULL)
		fail("private_maps: /proc/self/fd");
	for (uint32_t i = 0; i < count; i++) {
		int fd = find_file(open_files, &map[i]);

		if (fd == but && fd >= 0)
			continue;
		if (fd < 0 || mmap((void *)map[i].start, map[i].end - map[i].start, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_FIXED, fd, (off_t)map[i].offset) == MAP_FAILED)
			fail("private_maps: a shared mapping");
	}
	closedir(open_files);
}
