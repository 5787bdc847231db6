/* The file of rollouts on the disk, put aside when it says more than there is. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"
#include "rollout_inner.h"
#include "sabotage.h"

#define STALE_FMT "%s.stale"

static void name_aside(const char *path, char aside[BATON_PATH_BYTES + 8])
{
	snprintf(aside, BATON_PATH_BYTES + 8, STALE_FMT, path);
}

void rollout_file_put_aside(const char *path)
{
	char aside[BATON_PATH_BYTES + 8];

	name_aside(path, aside);
	if (!BATON_SABOTAGE(stale_file_is_believed) && rename(path, aside) == 0)
		log_warn("rollouts: %s is out of date, and is %s now: what it says is under way will not be taken up", path,
			 aside);
}

void rollout_file_drop_aside(const char *path)
{
	char aside[BATON_PATH_BYTES + 8];

	name_aside(path, aside);
	unlink(aside);
}

bool rollout_file_find(const char *path, char found[BATON_PATH_BYTES + 8], bool *stale)
{
	snprintf(found, BATON_PATH_BYTES + 8, "%s", path);
	*stale = access(path, F_OK) != 0 && errno == ENOENT;
	if (!*stale)
		return true;
	name_aside(path, found);
	if (access(found, F_OK) != 0)
		return false;
	log_warn("rollouts: %s is all there is: what was under way may have gone back, and is not taken up", found);
	return true;
}
