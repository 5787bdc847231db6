/* What ps and top call the process, cut to 15 characters. */
#include <sys/prctl.h>

#include "loop.h"

void name_show(const struct loop *loop)
{
	if (loop->stats->name[0] != '\0')
		prctl(PR_SET_NAME, loop->stats->name);
}
