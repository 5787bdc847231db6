/* Claims about what the kernel drops before an af_packet port, on a veth in a network namespace of its own: nobody
 * receives until all has been sent. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "af_packet_rig.h"
#include "ring_drops.h"

#define SENT   1000u

static int start_eal(void **state)
{
	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(system("ip link add v0 type veth peer name v1 && for d in v0 v1; do "
				"sysctl -qw net.ipv6.conf.$d.disable_ipv6=1; ip link set $d up arp off; done"), 0);
	return start_eal_here();
}

/* From the other end, by flows of both queues. */
static void send_frames(uint32_t count)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("v1") };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	for (uint32_t i = 0; i < count; i++) {
		uint8_t frame[60] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17 };

		memcpy(frame + 26, (const uint8_t[]){ 10, 0, 0, 1, 10, 0, 0, (uint8_t)(i % 16) }, 8);
		frame[35] = (uint8_t)(i % 16);
		assert_int_equal(sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)), sizeof(frame));
	}
	close(fd);
}

static uint32_t receive(uint16_t id)
{
	struct rte_mbuf *frame[FRAMES];
	uint32_t total = 0;

	for (uint16_t q = 0; q < 2; q++) {
		uint16_t count;

		while ((count = rte_eth_rx_burst(id, q, frame, FRAMES)) != 0) {
			total += count;
			rte_pktmbuf_free_bulk(frame, count);
		}
	}
	return total;
}

static void what_a_full_ring_drops_is_counted(void **state)
{
	uint16_t id = start_port("v0");
	uint32_t received;

	(void)state;
	send_frames(SENT); /* before anybody looks: not ours */
	ring_drops_init(3, if_nametoindex("v0"));
	receive(id);
	assert_int_equal(ring_drops_read(3), 0);
	for (uint32_t round = 1; round <= 3; round++) {
		uint64_t before = ring_drops_read(3);

		send_frames(SENT);
		received = receive(id);
		assert_true(received > 0 && received <= 2 * FRAMES);
		assert_int_equal(received + ring_drops_read(3) - before, SENT);
	}
	uint64_t all = ring_drops_read(3);
	assert_true(all > 0);
	assert_int_equal(ring_drops_read(3), all); /* the kernel begins anew with each look */
	ring_drops_init(4, if_nametoindex("v1"));  /* an interface of nobody's */
	send_frames(SENT);
	assert_int_equal(ring_drops_read(4), 0);
	ring_drops_fini(3);
	assert_int_equal(ring_drops_read(3), 0);
	stop_port(id);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_a_full_ring_drops_is_counted) };

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
