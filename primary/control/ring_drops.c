/* The kernel counts, by socket, what came while the ring was full, and begins anew with every look (packet(7),
 * PACKET_STATISTICS): so the sum is kept here. Frames that the interface itself sends are seen by the socket, too. */
#include "ring_drops.h"

#include <dirent.h>
#include <linux/if_packet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "abi.h"
#include "sabotage.h"

static struct {
	int socket[BATON_MAX_IO_LCORES];
	uint32_t sockets;
	uint64_t drops;
} ports[BATON_MAX_PORTS];

/* False: it is no packet socket. */
static bool take_drops(int fd, uint64_t *drops)
{
	struct tpacket_stats stats = { 0 };
	socklen_t len = sizeof(stats);

	if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) != 0)
		return false;
	*drops += stats.tp_drops;
	return true;
}

static bool is_bound_to(int fd, uint32_t if_index)
{
	struct sockaddr_ll at = { 0 };
	socklen_t len = sizeof(at);

	return getsockname(fd, (struct sockaddr *)&at, &len) == 0 && at.sll_family == AF_PACKET &&
	       (uint32_t)at.sll_ifindex == if_index;
}

void ring_drops_init(uint32_t port, uint32_t if_index)
{
	DIR *directory = BATON_SABOTAGE(ring_drops_unseen) ? NULL : opendir("/proc/self/fd");
	const struct dirent *entry;

	ring_drops_fini(port);
	while (directory != NULL && (entry = readdir(directory)) != NULL && ports[port].sockets < BATON_MAX_IO_LCORES) {
		int fd = atoi(entry->d_name);
		uint64_t before = 0;

		if (is_bound_to(fd, if_index) && take_drops(fd, &before))
			ports[port].socket[ports[port].sockets++] = fd;
	}
	if (directory != NULL)
		closedir(directory);
}

void ring_drops_fini(uint32_t port)
{
	ports[port].sockets = 0;
	ports[port].drops = 0;
}

uint64_t ring_drops_read(uint32_t port)
{
	for (uint32_t i = 0; i < ports[port].sockets; i++)
		take_drops(ports[port].socket[i], &ports[port].drops);
	return ports[port].drops;
}
