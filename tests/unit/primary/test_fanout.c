/* Claims about the queues of net_af_packet, on the loopback of a network namespace of its own. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "af_packet_rig.h"
#include "fanout.h"

#define FLOWS  8u   /* of one client: some for either queue */
#define EACH   200u /* requests: those of one flow alone are too many for a ring */

static int start_eal(void **state)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd;

	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
	return start_eal_here();
}

static int bound(struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

/* Notes by which queues requests of this service came: bit q of seen[flow]. Returns how many frames there were. */
static uint32_t receive(uint16_t id, uint16_t q, in_port_t service, uint32_t *seen)
{
	struct rte_mbuf *frame[FRAMES];
	uint32_t total = 0;
	uint16_t count;

	while ((count = rte_eth_rx_burst(id, q, frame, FRAMES)) != 0) {
		total += count;
		for (uint16_t i = 0; i < count; i++) {
			const uint8_t *bytes = rte_pktmbuf_mtod(frame[i], const uint8_t *);
			uint16_t to, flow;
			memcpy(&to, bytes + 14 + 20 + 2, sizeof(to));
			memcpy(&flow, bytes + 14 + 20 + 8, sizeof(flow));
			if (frame[i]->data_len >= 14 + 20 + 8 + 2 && bytes[14 + 9] == IPPROTO_UDP && to == service)
				seen[flow % FLOWS] |= 1u << q;
			rte_pktmbuf_free(frame[i]);
		}
	}
	return total;
}

static void a_full_queue_gives_its_flows_to_no_other(void **state)
{
	uint32_t seen[FLOWS] = { 0 };
	struct sockaddr_in server, client;
	uint16_t id = start_port("lo");
	int to = bound(&server); /* somebody is there, so nobody answers */

	(void)state;
	for (uint16_t flow = 0; flow < FLOWS; flow++) {
		int from = bound(&client);
		for (uint32_t i = 0; i < EACH; i++)
			assert_int_equal(sendto(from, &flow, sizeof(flow), 0, (struct sockaddr *)&server, sizeof(server)),
					 sizeof(flow));
		close(from);
		/* each flow meets empty rings, and fills one */
		uint32_t frames[2] = { receive(id, 0, server.sin_port, seen), receive(id, 1, server.sin_port, seen) };
		assert_int_equal(frames[0] > frames[1] ? frames[0] : frames[1], FRAMES);
		assert_true(seen[flow] == 1 || seen[flow] == 2);
	}
	close(to);
	stop_port(id);
}

static void the_kernel_is_not_asked_to_roll_over(void **state)
{
	uint16_t id = start_port("lo");

	(void)state;
	assert_false(fanout_rolls_over());
	stop_port(id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_queue_gives_its_flows_to_no_other),
		cmocka_unit_test(the_kernel_is_not_asked_to_roll_over),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
