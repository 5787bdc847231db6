/* Plugins made while a test runs: what a plugin can do wrong has to be compiled to be loaded. */
#ifndef BATON_TEST_PLUGIN_CC_H
#define BATON_TEST_PLUGIN_CC_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Compiles `source` (which may include "baton.h") as a shared object, with `flags` behind the compiler's. The file
 * stays at `path` (64 bytes) until plugin_cc_remove(). Ends the test program if the compiler fails. */
static inline void plugin_cc(const char *source, const char *flags, char *path)
{
	char directory[] = "/tmp/baton.plugin.XXXXXX", name[48], command[512];
	const char *cc = getenv("CC") != NULL ? getenv("CC") : "cc";

	if (mkdtemp(directory) == NULL)
		abort();
	snprintf(name, sizeof(name), "%s/p.c", directory);
	snprintf(path, 64, "%s/p.so", directory);
	FILE *file = fopen(name, "w");
	if (file == NULL || fputs(source, file) < 0 || fclose(file) != 0)
		abort();
	snprintf(command, sizeof(command),
		 "%s -std=gnu11 -shared -fPIC -O1 -Iworkers/sdk -Wl,--build-id=sha1 -o %s %s %s", cc, path, name,
		 flags);
	if (system(command) != 0) {
		fprintf(stderr, "cannot compile a plugin (run from the top of the tree): %s\n", command);
		abort();
	}
	unlink(name);
}

static inline void plugin_cc_remove(char *path)
{
	unlink(path);
	*strrchr(path, '/') = 0;
	rmdir(path);
}

/* The same as a descriptor of a file that has no name any more. */
static inline int plugin_cc_fd(const char *source, const char *flags)
{
	char path[64];

	plugin_cc(source, flags, path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	plugin_cc_remove(path);
	return fd;
}

#endif
