/* Internet checksums (RFC 1071) as receive, complete and the generator need them. */
#ifndef BATON_PRIMARY_CHECKSUM_H
#define BATON_PRIMARY_CHECKSUM_H

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <stdbool.h>

/* One's complement sum of UDP header, payload and pseudo-header, folded to 16 bits: 0xffff if the checksum field in it
 * is right; the complement is the checksum if the field is 0. udp_len: as in the UDP header, already checked. */
static inline uint16_t checksum_udp(const struct rte_ipv4_hdr *ip, const struct rte_udp_hdr *udp, uint32_t udp_len)
{
	uint32_t sum = (uint32_t)rte_raw_cksum(udp, udp_len) + (ip->src_addr & 0xffff) + (ip->src_addr >> 16) +
		       (ip->dst_addr & 0xffff) + (ip->dst_addr >> 16) + rte_cpu_to_be_16(IPPROTO_UDP) +
		       rte_cpu_to_be_16((uint16_t)udp_len);

	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static inline bool checksum_ip_right(const struct rte_ipv4_hdr *ip, uint32_t ihl)
{
	return rte_raw_cksum(ip, ihl) == 0xffff;
}

#endif
