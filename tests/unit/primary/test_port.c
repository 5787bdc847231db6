/* Claims about ports, on real devices: a TAP in a network namespace of its own, net_null, net_pcap. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_memzone.h>

#include "log.h"
#include "port_setup.h"
#include "primary.h"

#define BUFFERS 12000u

static struct primary primary;
static char tx_file[] = "/tmp/baton-test-port-XXXXXX";

static int start_eal(void **state)
{
	char *argv[] = { "test", "--no-huge", "--no-shconf", "-m", "192", "--no-pci", "--no-telemetry", "--lcores",
			 "0@0,1@0,2@0", "--log-level", "3", "--iova-mode", "va" };
	int fd = mkstemp(tx_file);

	(void)state;
	log_init("test_port", LEVEL_INFO);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(unshare(CLONE_NEWNET), 0); /* the TAP of this test is nobody else's */
	return rte_eal_init(sizeof(argv) / sizeof(argv[0]), argv) < 0;
}

static int stop_eal(void **state)
{
	(void)state;
	return unlink(tx_file);
}

/* Two I/O lcores and one port, to be changed by the test before start(). */
static int setup(void **state)
{
	struct config *config = &primary.config;
	struct config_port *port = &config->port[0];

	(void)state;
	memset(&primary, 0, sizeof(primary));
	snprintf(config->name, sizeof(config->name), "unitport%d", (int)getpid());
	config->io_cores = 2;
	config->worker_slots = 2;
	config->buffers = BUFFERS;
	config->poll = POLL_ADAPTIVE;
	config->ports = 1;
	config->services = 1;
	config->service[0].udp_port = 8080;
	strcpy(port->name, "p0");
	port->mtu = 1500;
	port->rx_descriptors = 512;
	port->tx_descriptors = 512;
	port->checksum_offload = true;
	port->address[0].ip = 0x0100000a;
	port->address[0].prefix = 24;
	port->addresses = 1;
	primary.setup.lcore_id[0] = 1;
	primary.setup.lcore_id[1] = 2;
	assert_int_equal(plan_compute(config, &primary.plan), 0);
	assert_int_equal(pool_init(&primary), 0);
	return 0;
}

static int teardown(void **state)
{
	char name[RTE_MEMZONE_NAMESIZE];

	(void)state;
	pool_fini(&primary);
	for (uint32_t i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), BATON_BELT_ZONE_FMT, i);
		rte_memzone_free(rte_memzone_lookup(name));
	}
	assert_int_equal(primary.exit_code, 0); /* the pools are full again, whatever the test did */
	return 0;
}

/* What EAL does with --vdev before the ports are looked for. */
static int start(const char *name, const char *arguments)
{
	uint16_t id;

	snprintf(primary.config.port[0].device, sizeof(primary.config.port[0].device), "%s,%s", name, arguments);
	assert_int_equal(rte_eal_hotplug_add("vdev", name, arguments), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name(name, &id), 0);
	return port_init(&primary);
}

static void stop(const char *name)
{
	port_fini(&primary);
	assert_int_equal(rte_eal_hotplug_remove("vdev", name), 0);
}

static void ask_kernel(unsigned long what, const char *interface, struct ifreq *request)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (what != SIOCSIFFLAGS)
		memset(request, 0, sizeof(*request));
	strcpy(request->ifr_name, interface);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, what, request), 0);
	close(fd);
}

static void set_up(const char *interface, bool up)
{
	struct ifreq request;

	ask_kernel(SIOCGIFFLAGS, interface, &request);
	request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
	ask_kernel(SIOCSIFFLAGS, interface, &request);
}

static void a_port_has_a_queue_for_every_lcore(void **state)
{
	(void)state;
	assert_int_equal(start("net_null0", ""), 0);
	assert_int_equal(primary.port[0].queues, 2);
	stop("net_null0");
}

static void a_device_with_one_queue_is_served_by_one_lcore(void **state)
{
	char arguments[128];

	(void)state;
	set_up("lo", true);
	snprintf(arguments, sizeof(arguments), "rx_iface=lo,tx_pcap=%s", tx_file);
	assert_int_equal(start("net_pcap0", arguments), 0);
	assert_int_equal(primary.port[0].queues, 1);
	stop("net_pcap0");
}

static void offloads_are_used_where_the_device_has_them(void **state)
{
	const struct port *port = &primary.port[0];

	(void)state;
	assert_int_equal(start("net_tap0", "iface=batonunit"), 0);
	assert_true(port->rx_ip_checksum && port->rx_udp_checksum && port->tx_ip_checksum && port->tx_udp_checksum);
	stop("net_tap0");
}

static void offloads_are_left_alone_if_so_configured(void **state)
{
	const struct port *port = &primary.port[0];

	(void)state;
	primary.config.port[0].checksum_offload = false;
	assert_int_equal(start("net_tap0", "iface=batonunit"), 0);
	assert_false(port->rx_ip_checksum || port->rx_udp_checksum || port->tx_ip_checksum || port->tx_udp_checksum);
	stop("net_tap0");
}

static void without_offloads_software_does_it(void **state)
{
	const struct port *port = &primary.port[0];

	(void)state;
	assert_int_equal(start("net_null0", ""), 0);
	assert_false(port->rx_ip_checksum || port->rx_udp_checksum || port->tx_ip_checksum || port->tx_udp_checksum);
	assert_false(port->rss); /* net_null spreads, but leaves no hash in the buffer */
	stop("net_null0");
}

static void an_idle_lcore_may_wait_for_a_tap_and_not_for_null(void **state)
{
	(void)state;
	assert_int_equal(start("net_tap0", "iface=batonunit"), 0);
	assert_true(primary.port[0].rx_interrupts);
	stop("net_tap0");
	assert_int_equal(start("net_null0", ""), 0);
	assert_false(primary.port[0].rx_interrupts);
	stop("net_null0");
}

static void busy_polling_asks_for_no_interrupts(void **state)
{
	(void)state;
	primary.config.poll = POLL_BUSY;
	assert_int_equal(start("net_tap0", "iface=batonunit"), 0);
	assert_false(primary.port[0].rx_interrupts);
	stop("net_tap0");
}

static void mac_and_mtu_are_those_of_the_device(void **state)
{
	struct ifreq request;

	(void)state;
	primary.config.port[0].mtu = 1400;
	assert_int_equal(start("net_tap0", "iface=batonunit,mac=00:11:22:33:44:55"), 0);
	assert_memory_equal(primary.port[0].mac, "\x00\x11\x22\x33\x44\x55", 6);
	assert_int_equal(primary.port[0].mtu, 1400);
	ask_kernel(SIOCGIFMTU, "batonunit", &request);
	assert_int_equal(request.ifr_mtu, 1400);
	stop("net_tap0");
}

static void promiscuous_mode_is_as_configured(void **state)
{
	struct ifreq request;

	(void)state;
	for (int wanted = 0; wanted <= 1; wanted++) {
		primary.config.port[0].promiscuous = wanted;
		assert_int_equal(start("net_tap0", "iface=batonunit"), 0);
		assert_int_equal(rte_eth_promiscuous_get(primary.port[0].ethdev), wanted);
		ask_kernel(SIOCGIFFLAGS, "batonunit", &request);
		assert_true((request.ifr_flags & IFF_UP) != 0);
		stop("net_tap0");
	}
}

static void a_device_that_is_not_there_is_refused(void **state)
{
	(void)state;
	strcpy(primary.config.port[0].device, "net_null7");
	assert_int_equal(port_init(&primary), -ENODEV);
	strcpy(primary.config.port[0].device, "0000:fe:1f.7");
	assert_int_equal(port_init(&primary), -ENODEV);
}

static void the_ports_before_a_bad_one_are_put_away(void **state)
{
	uint16_t id;

	(void)state;
	primary.config.ports = 2;
	primary.config.port[1] = primary.config.port[0];
	strcpy(primary.config.port[1].name, "p1");
	strcpy(primary.config.port[1].device, "net_null7");
	assert_int_equal(start("net_null0", ""), -ENODEV);
	assert_int_not_equal(rte_eth_dev_get_port_by_name("net_null0", &id), 0);
	assert_int_equal(rte_eal_hotplug_remove("vdev", "net_null0"), 0);
}

static void every_lcore_has_a_generator_of_its_own(void **state)
{
	struct port *port = &primary.port[0];

	(void)state;
	primary.config.port[0].driver = DRIVER_GENERATOR;
	primary.config.port[0].in_flight = 64;
	primary.config.port[0].players = 100;
	assert_int_equal(port_init(&primary), 0);
	assert_int_equal(port->queues, 2);
	assert_non_null(port->generator[0]);
	assert_non_null(port->generator[1]);
	assert_ptr_not_equal(port->generator[0], port->generator[1]);
	port_fini(&primary);
	assert_null(port->generator[0]);
	assert_null(port->generator[1]);
}

static void losses_of_devices_are_added_once(void **state)
{
	struct rte_eth_stats before = { .imissed = 5, .rx_nombuf = 1 };
	struct rte_eth_stats now = { .imissed = 12, .rx_nombuf = 1, .ierrors = 2, .oerrors = 3 };
	struct CoreStats page = { 0 };

	(void)state;
	port_add_losses(&page, &now, &before, false);
	port_add_losses(&page, &now, &now, false);
	assert_int_equal(page.drop[DROP_device_missed], 7);
	assert_int_equal(page.drop[DROP_device_nombuf], 0);
	assert_int_equal(page.drop[DROP_device_rx_errors], 2);
	assert_int_equal(page.drop[DROP_device_tx_errors], 3);
	assert_int_equal(page.tx_errors_retried, 0);
}

static void tx_errors_of_packets_that_are_offered_again_are_no_drops(void **state)
{
	struct rte_eth_stats before = { .oerrors = 1 }, now = { .imissed = 2, .oerrors = 4 };
	struct CoreStats page = { 0 };

	(void)state;
	port_add_losses(&page, &now, &before, true);
	assert_int_equal(page.tx_errors_retried, 3);
	assert_int_equal(page.drop[DROP_device_tx_errors], 0);
	assert_int_equal(page.drop[DROP_device_missed], 2);
}

static void a_device_that_counts_anew_takes_nothing_back(void **state)
{
	struct rte_eth_stats before = { .imissed = 100 }, now = { .imissed = 1 };
	struct CoreStats page = { 0 };

	(void)state;
	port_add_losses(&page, &now, &before, false);
	assert_int_equal(page.drop[DROP_device_missed], 0);
}

/* Sends one frame by a device whose interface is down. Returns what the device took. */
static uint16_t send_down(const char *interface)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(primary.setup.pool[0]);

	assert_non_null(mbuf);
	memset(rte_pktmbuf_append(mbuf, 64), 0, 64);
	set_up(interface, false);
	uint16_t taken = rte_eth_tx_burst(primary.port[0].ethdev, 0, &mbuf, 1);
	if (taken == 0)
		rte_pktmbuf_free(mbuf); /* it is still ours */
	port_poll_device_stats(&primary);
	return taken;
}

/* What the drivers mean by oerrors, asked of themselves: a release of DPDK that changes it fails here. */
static void a_tap_counts_as_errors_what_it_gives_back(void **state)
{
	const struct CoreStats *page = stats_main(&primary.stats);

	(void)state;
	assert_int_equal(start("net_tap0", "iface=batonunit"), 0);
	assert_int_equal(send_down("batonunit"), 0);
	assert_true(page->tx_errors_retried > 0);
	assert_int_equal(page->drop[DROP_device_tx_errors], 0);
	stop("net_tap0");
}

static void af_packet_counts_as_errors_what_it_has_taken(void **state)
{
	const struct CoreStats *page = stats_main(&primary.stats);

	(void)state;
	set_up("lo", true);
	assert_int_equal(start("net_af_packet0", "iface=lo"), 0);
	assert_int_equal(send_down("lo"), 1);
	assert_int_equal(page->tx_errors_retried, 0);
	assert_int_equal(page->drop[DROP_device_tx_errors], 1);
	stop("net_af_packet0");
}

int main(void)
{
#define ON_POOLS(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)
	const struct CMUnitTest tests[] = {
		ON_POOLS(a_port_has_a_queue_for_every_lcore),
		ON_POOLS(a_device_with_one_queue_is_served_by_one_lcore),
		ON_POOLS(offloads_are_used_where_the_device_has_them),
		ON_POOLS(offloads_are_left_alone_if_so_configured),
		ON_POOLS(without_offloads_software_does_it),
		ON_POOLS(an_idle_lcore_may_wait_for_a_tap_and_not_for_null),
		ON_POOLS(busy_polling_asks_for_no_interrupts),
		ON_POOLS(mac_and_mtu_are_those_of_the_device),
		ON_POOLS(promiscuous_mode_is_as_configured),
		ON_POOLS(a_device_that_is_not_there_is_refused),
		ON_POOLS(the_ports_before_a_bad_one_are_put_away),
		ON_POOLS(every_lcore_has_a_generator_of_its_own),
		ON_POOLS(a_tap_counts_as_errors_what_it_gives_back),
		ON_POOLS(af_packet_counts_as_errors_what_it_has_taken),
		cmocka_unit_test(losses_of_devices_are_added_once),
		cmocka_unit_test(tx_errors_of_packets_that_are_offered_again_are_no_drops),
		cmocka_unit_test(a_device_that_counts_anew_takes_nothing_back),
	};

	return cmocka_run_group_tests(tests, start_eal, stop_eal);
}
