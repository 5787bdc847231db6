/* The example configurations that are shipped, one by one. */
#ifndef EXAMPLES_RIG_H
#define EXAMPLES_RIG_H

#include <dirent.h>

#include "config_test.h"

#define EXAMPLES_LEAST 9u

/* Calls `look` with the path of each; fails if there are suspiciously few. */
static inline void for_each_example(void (*look)(const char *path))
{
	char directory[512], path[1024];
	uint32_t examples = 0;
	struct dirent *entry;

	snprintf(directory, sizeof(directory), "%s", source_file("config"));
	DIR *dir = opendir(directory);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		size_t n = strlen(entry->d_name);

		if (n < 5 || strcmp(entry->d_name + n - 5, ".yaml") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		look(path);
		examples++;
	}
	closedir(dir);
	assert_true(examples >= EXAMPLES_LEAST);
}

#endif
