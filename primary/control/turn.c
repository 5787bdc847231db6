/* One turn of the orders: what is under way goes on, then what waited longest may begin. */
#include "command.h"
#include "primary.h"

void primary_turn(struct primary *primary)
{
	supervisor_poll(primary);
	/* Before new orders: a SIGHUP that waited for the end of another one is not overtaken by whoever asks next. */
	reload_poll(primary);
	command_poll(primary);
}
