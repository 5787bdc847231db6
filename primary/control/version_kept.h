/* What a group runs, kept by us: the sealed copy of its plugin that the next process of a worker, and each standby, is
 * started from. Whatever becomes of the file, a worker that dies is followed by the version that it ran; only an order
 * (restart, upgrade, reload, rollout) reads a file. Main lcore only. */
#ifndef BATON_PRIMARY_VERSION_KEPT_H
#define BATON_PRIMARY_VERSION_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "abi.h"

struct supervisor;
struct good_version;

/* One version. Held by its group and by each worker that runs it; our descriptor is closed with the last of them. */
struct version_kept {
	uint32_t holders;
	int image;
	char path[BATON_PATH_BYTES];
	char version[BATON_NAME_BYTES];
	char build_id[44];
};

enum kept_file {
	KEPT_FILE_SAME = 0, /* or nothing is kept yet */
	KEPT_FILE_GONE,     /* or it cannot be read */
	KEPT_FILE_DIFFERS
};

/* Of a group: what it runs, and what lies at its path now. */
struct version_watch {
	struct version_kept *kept; /* NULL: no process has been ready yet */
	enum kept_file file;
	int error;                 /* errno of KEPT_FILE_GONE */
	struct stat seen;          /* of the file, when its bytes were compared */
	uint64_t next_ns;          /* when it is looked at again */
};

/* Every turn: keeps what workers run, and looks at the files about once a second. */
void versions_kept_poll(struct supervisor *sup);
/* The process in `slot` serves: the worker's next one is to be of its version. */
void version_kept_serves(struct supervisor *sup, uint32_t worker, uint32_t slot);
/* The group runs what `worker` does. */
void version_kept_group(struct supervisor *sup, uint32_t group, uint32_t worker);
/* The group, and all its workers, go back to `good`. */
void version_kept_back(struct supervisor *sup, uint32_t group, const struct good_version *good);
/* The image, our descriptor, that the next process of the worker (a standby of its group) is to run; -1: none is kept
 * for `path`, which is to be read. */
int version_kept_image(const struct supervisor *sup, uint32_t worker, bool standby, const char *path);
/* The process in `slot` is of the version that the worker's next process would run. */
bool version_kept_is(const struct supervisor *sup, uint32_t worker, uint32_t slot);
/* One sentence if the group's file is not what it runs: what that means and what to do. False: it is. */
bool version_kept_words(const struct supervisor *sup, uint32_t group, char *words, size_t bytes);
void version_drop(struct version_kept **kept);
void versions_kept_fini(struct supervisor *sup);

#endif
