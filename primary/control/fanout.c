/* net_af_packet joins the sockets of its queues into a fanout group by the hash of a flow, and asks the kernel to roll
 * over: what comes for a queue that is full goes to another one. So when an I/O lcore does not run for long enough for
 * its ring to fill, the newer requests of its flows are answered by another lcore before the older ones, and for as long
 * as it is behind. A card drops in that place, and clients repeat; nobody repeats an order. The driver has no argument for
 * it, and the kernel lets no socket leave its group, so the flag is taken out of the call. */
#include "fanout.h"

#include <dirent.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sabotage.h"

#define ROLLOVER ((uint32_t)PACKET_FANOUT_FLAG_ROLLOVER << 16)

/* Stands before the C library's in every shared object of this process, for the program is searched first: the driver,
 * which EAL loads, calls this one. */
int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	uint32_t fanout;

	if (level == SOL_PACKET && name == PACKET_FANOUT && len == sizeof(fanout) && !BATON_SABOTAGE(flows_roll_over)) {
		memcpy(&fanout, value, sizeof(fanout));
		fanout &= ~ROLLOVER;
		value = &fanout;
	}
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

bool fanout_rolls_over(void)
{
	DIR *directory = opendir("/proc/self/fd");
	const struct dirent *entry;
	bool found = false;

	while (directory != NULL && !found && (entry = readdir(directory)) != NULL) {
		uint32_t fanout = 0;
		socklen_t len = sizeof(fanout);

		/* whatever else a descriptor is, it has no such option */
		found = getsockopt(atoi(entry->d_name), SOL_PACKET, PACKET_FANOUT, &fanout, &len) == 0 &&
			(fanout & ROLLOVER) != 0;
	}
	if (directory != NULL)
		closedir(directory);
	return found;
}
