/* One device made ready: what the configuration wants, cut down to what the device can do. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include "eal.h"
#include "generator.h"
#include "log.h"
#include "pool.h"
#include "port_setup.h"

#define XDP_COMPLETIONS 2048u /* size of net_af_xdp's completion ring */
#define RSS_WANTED (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_UDP)

static uint16_t smallest(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t least = a < b ? a : b;

	return (uint16_t)(least < c ? least : c);
}

/* The wanted MTU within the device's bounds; a device that sets no upper one says 0xffff. */
static uint16_t clamp_mtu(const struct port *port, const struct rte_eth_dev_info *info)
{
	uint32_t mtu = port->config->mtu;

	/* What rte_eth_dev_configure() checks when a device sets no upper bound of its own. */
	if (info->max_mtu == UINT16_MAX && info->max_rx_pktlen > RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN &&
	    mtu > info->max_rx_pktlen - (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN))
		mtu = info->max_rx_pktlen - (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN);
	if (mtu > info->max_mtu)
		mtu = info->max_mtu;
	if (mtu < info->min_mtu)
		mtu = info->min_mtu;
	if (mtu != port->config->mtu)
		log_warn("port '%s': mtu %u is not possible with %s, it is %u", port->name, port->config->mtu,
			 info->driver_name, mtu);
	return (uint16_t)mtu;
}

static void choose_offloads(struct port *port, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	uint64_t tx = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;

	if (port->config->checksum_offload) {
		conf->rxmode.offloads = info->rx_offload_capa & rx;
		conf->txmode.offloads = info->tx_offload_capa & tx;
	}
	/* Not without need: some drivers have a faster path without. */
	if (port->config->vlans != 0 && port->config->vlan_offload) {
		conf->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
		conf->txmode.offloads |= info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_VLAN_INSERT;
	}
	port->tx_vlan = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_VLAN_INSERT) != 0;
	port->rx_ip_checksum = (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0;
	port->rx_udp_checksum = (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_UDP_CKSUM) != 0;
	port->tx_ip_checksum = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
	port->tx_udp_checksum = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0;
}

/* Spreading over queues; where a device cannot, all packets come by one queue and are steered by its lcore alone. */
static void choose_rss(struct port *port, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	uint64_t types = info->flow_type_rss_offloads & RSS_WANTED;

	if (port->queues < 2 || types == 0)
		return;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_hf = types;
	if ((info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH) != 0) {
		conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_RSS_HASH;
		port->rss = true;
	}
}

static int setup_queues(struct primary *primary, const struct port *port, const struct rte_eth_dev_info *info,
			const struct rte_eth_conf *conf)
{
	uint16_t rx = (uint16_t)port->config->rx_descriptors, tx = (uint16_t)port->config->tx_descriptors;
	struct rte_eth_rxconf rx_conf = info->default_rxconf;
	struct rte_eth_txconf tx_conf = info->default_txconf;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->ethdev, &rx, &tx);

	if (rc != 0)
		return rc;
	rx_conf.offloads = conf->rxmode.offloads;
	tx_conf.offloads = conf->txmode.offloads;
	for (uint16_t queue = 0; queue < port->queues && rc == 0; queue++) {
		uint32_t socket = rte_lcore_to_socket_id(primary->setup.lcore_id[queue]);

		rc = rte_eth_rx_queue_setup(port->ethdev, queue, rx, socket, &rx_conf, primary->setup.pool[queue]);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(port->ethdev, queue, tx, socket, &tx_conf);
	}
	if (rc == 0)
		log_debug("port '%s': %u rx and %u tx descriptors a queue", port->name, rx, tx);
	return rc;
}

static void set_mtu(struct port *port, uint16_t before)
{
	int rc;

	if (port->mtu == before)
		return; /* an interface of the kernel is not touched without need */
	rc = rte_eth_dev_set_mtu(port->ethdev, port->mtu);
	if (rc == 0)
		return;
	log_warn("port '%s': mtu stays %u: %s", port->name, before, rte_strerror(-rc));
	port->mtu = before;
}

static int configure_and_start(struct primary *primary, struct port *port, const struct rte_eth_dev_info *info,
			       struct rte_eth_conf *conf)
{
	uint16_t mtu_before = port->mtu;
	int rc;

	if (rte_eth_dev_get_mtu(port->ethdev, &mtu_before) != 0)
		mtu_before = port->mtu;
	conf->rxmode.mtu = port->mtu;
	rc = rte_eth_dev_configure(port->ethdev, port->queues, port->queues, conf);
	if (rc == 0)
		rc = setup_queues(primary, port, info, conf);
	if (rc == 0)
		set_mtu(port, mtu_before);
	return rc != 0 ? rc : rte_eth_dev_start(port->ethdev);
}

/* True if an idle lcore can wait for packets of every queue. A driver may have nothing to switch on (net_tap: the queue
 * is a file). */
static bool interrupts_work(const struct port *port)
{
	for (uint16_t queue = 0; queue < port->queues; queue++) {
		int rc;

		if (rte_eth_dev_rx_intr_ctl_q_get_fd(port->ethdev, queue) < 0)
			return false;
		rc = rte_eth_dev_rx_intr_enable(port->ethdev, queue);
		if (rc == 0)
			rte_eth_dev_rx_intr_disable(port->ethdev, queue);
		else if (rc != -ENOTSUP)
			return false;
	}
	return true;
}

/* What net_af_xdp has put into its fill rings stays there for good: it frees nothing when it is closed. Measured, since
 * nobody else has taken a buffer yet; packets sent and not yet collected come on top of it at the end. */
static void note_kept(struct primary *primary, const struct port *port, const uint32_t *before, const char *driver)
{
	if (strcmp(driver, "net_af_xdp") != 0)
		return;
	for (uint32_t queue = 0; queue < port->queues; queue++) {
		uint32_t taken = before[queue] - rte_mempool_avail_count(primary->setup.pool[queue]);

		primary->kept_least[queue] += taken;
		primary->kept_most[queue] += taken + XDP_COMPLETIONS;
	}
}

int port_setup_device(struct primary *primary, struct port *port, struct rte_eth_dev_info *info)
{
	uint32_t before[BATON_MAX_IO_LCORES];
	struct rte_eth_conf conf = { 0 };
	int rc = rte_eth_dev_info_get(port->ethdev, info);

	if (rc != 0) {
		log_error("port '%s': the device does not say what it can do: %s", port->name, rte_strerror(-rc));
		return rc;
	}
	port->queues = smallest(primary->config.io_cores, info->max_rx_queues, info->max_tx_queues);
	port->mtu = clamp_mtu(port, info);
	choose_offloads(port, info, &conf);
	choose_rss(port, info, &conf);
	conf.intr_conf.rxq = primary->config.poll == POLL_ADAPTIVE;
	for (uint32_t i = 0; i < primary->config.io_cores; i++)
		before[i] = rte_mempool_avail_count(primary->setup.pool[i]);
	eal_quiet(true);
	rc = configure_and_start(primary, port, info, &conf);
	if (rc != 0 && conf.intr_conf.rxq != 0) { /* not every driver that has none says so in another way */
		conf.intr_conf.rxq = 0;
		rc = configure_and_start(primary, port, info, &conf);
	}
	if (rc == 0 && conf.intr_conf.rxq != 0)
		port->rx_interrupts = interrupts_work(port);
	eal_quiet(false);
	if (rc != 0)
		log_error("port '%s': %s does not start: %s (%s); try fewer descriptors or checksum_offload: false", port->name,
			  info->driver_name, eal_first_error(), rte_strerror(-rc));
	else
		note_kept(primary, port, before, info->driver_name);
	return rc;
}

void port_remove_device(struct primary *primary, struct port *port)
{
	int rc = rte_eth_dev_stop(port->ethdev);

	(void)primary;
	if (rc != 0)
		log_warn("port '%s': stop: %s", port->name, rte_strerror(-rc));
	rc = rte_eth_dev_close(port->ethdev);
	if (rc != 0)
		log_warn("port '%s': close: %s", port->name, rte_strerror(-rc));
	port->queues = 0;
}

int port_setup_generator(struct primary *primary, struct port *port)
{
	const struct config *config = &primary->config;
	const struct config_service *service = &config->service[0];
	uint32_t ip = service->ip != 0 ? service->ip : port->network[0].address[0].ip;

	port->queues = (uint16_t)config->io_cores;
	port->mtu = (uint16_t)port->config->mtu;
	port->mac[0] = 0x02; /* locally administered */
	port->mac[5] = port->index;
	/* As a card with checksum offload: the generator marks what it knows to be good, and checks what it is given. */
	port->rx_ip_checksum = port->rx_udp_checksum = port->config->checksum_offload;
	port->tx_ip_checksum = port->tx_udp_checksum = port->config->checksum_offload;
	for (uint32_t i = 0; i < config->io_cores; i++) {
		int rc = generator_create(port, i, config->io_cores, primary->setup.pool[i], rte_get_tsc_hz(), ip,
					  htons(service->udp_port), stats_io(&primary->stats, i));

		if (rc != 0) {
			log_error("port '%s': generator: %s", port->name, strerror(-rc));
			return rc;
		}
	}
	log_info("port '%s': generator, %u players, %u requests in flight per I/O lcore, checksums by %s", port->name,
		 port->config->players, port->config->in_flight, port->config->checksum_offload ? "device" : "software");
	return 0;
}

void port_remove_generator(struct primary *primary, struct port *port)
{
	for (uint32_t i = 0; i < primary->config.io_cores; i++)
		generator_destroy(port, i);
}
