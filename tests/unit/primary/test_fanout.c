/* Claims about the queues of net_af_packet, on the loopback of a network namespace of its own. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "fanout.h"

#define FRAMES 64u  /* a ring has so many */
#define FLOWS  8u   /* of one client: some for either queue */
#define EACH   200u /* requests: those of one flow alone are too many for a ring */

static struct rte_mempool *pool;

static int start_eal(void **state)
{
	char *argv[] = { "test", "--no-huge", "--no-shconf", "-m", "64", "--no-pci", "--no-telemetry", "--lcores", "0@0",
			 "--log-level", "3", "--iova-mode", "va" };
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd;

	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
	return rte_eal_init(sizeof(argv) / sizeof(argv[0]), argv) < 0;
}

static uint16_t start_port(void)
{
	struct rte_eth_conf none = { 0 };
	uint16_t id;

	assert_int_equal(rte_eal_hotplug_add("vdev", "net_af_packet0", "iface=lo,qpairs=2,framecnt=64"), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name("net_af_packet0", &id), 0);
	pool = rte_pktmbuf_pool_create("frames", 1023, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
	assert_non_null(pool);
	assert_int_equal(rte_eth_dev_configure(id, 2, 2, &none), 0);
	for (uint16_t q = 0; q < 2; q++) {
		assert_int_equal(rte_eth_rx_queue_setup(id, q, FRAMES, 0, NULL, pool), 0);
		assert_int_equal(rte_eth_tx_queue_setup(id, q, FRAMES, 0, NULL), 0);
	}
	assert_int_equal(rte_eth_dev_start(id), 0);
	return id;
}

static void stop_port(uint16_t id)
{
	rte_eth_dev_stop(id);
	assert_int_equal(rte_eal_hotplug_remove("vdev", "net_af_packet0"), 0);
	rte_mempool_free(pool);
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
	uint16_t id = start_port();
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
	uint16_t id = start_port();

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
