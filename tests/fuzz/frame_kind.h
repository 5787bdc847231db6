/* What a frame is, said from the RFCs and without a look at the product: the second opinion of fuzz_frames.c. The port is
 * 10.0.0.1/24, and 10.0.1.1/24 in VLAN 100, with one service. */
#ifndef BATON_TEST_FRAME_KIND_H
#define BATON_TEST_FRAME_KIND_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "datapath_rig.h"

#define MTU 1500u
#define VLAN    100u
#define VLAN_IP 0x0101000au /* 10.0.1.1, network byte order */

enum kind { NOTHING, REQUEST, QUESTION, PING, KINDS };

static inline uint32_t get16(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }
static inline uint32_t get32(const uint8_t *at) { return get16(at) << 16 | get16(at + 2); }
static inline void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* RFC 1071. 0xffff: right. */
static inline uint32_t sum_of(const uint8_t *data, uint32_t bytes, uint32_t sum)
{
	uint64_t swapped = 0; /* by words as they lie in memory: section 2 (B), the sum is the same but for its byte order */
	uint32_t i = 0;

	for (uint64_t eight; i + 8 <= bytes; i += 8) {
		memcpy(&eight, data + i, 8);
		swapped += (eight & 0xffffffff) + (eight >> 32);
	}
	for (; i < bytes; i++)
		swapped += i % 2 ? (uint64_t)data[i] << 8 : data[i];
	while (swapped > 0xffff)
		swapped = (swapped & 0xffff) + (swapped >> 16);
	sum += ntohs((uint16_t)swapped);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Of the pseudo-header and the datagram. */
static inline uint32_t udp_sum(const uint8_t *ip, const uint8_t *udp, uint32_t len)
{
	return sum_of(udp, len, sum_of(ip + 12, 8, IPPROTO_UDP + len));
}

static inline uint64_t mix(uint64_t hash, const void *data, size_t bytes)
{
	size_t i = 0;

	for (uint64_t eight; i + 8 <= bytes; i += 8) {
		memcpy(&eight, (const uint8_t *)data + i, 8);
		hash = (hash ^ eight ^ eight >> 29) * 0x9e3779b97f4a7c15ull;
	}
	for (; i < bytes; i++)
		hash = (hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3ull;
	return hash;
}

static inline bool is_our_ip(uint32_t net, const uint8_t *ip)
{
	uint32_t own = net ? 0x0a000101 : 0x0a000001;

	return get32(ip) == own;
}

/* RFC 1122, 3.2.1.3. Both networks are a /24. */
static inline bool is_host(uint32_t net, const uint8_t *ip)
{
	uint32_t own = net ? 0x0a000101 : 0x0a000001, a = get32(ip);

	if (a == own || a == (own & 0xffffff00) || a == (own | 0xff))
		return false;
	return ip[0] != 0 && ip[0] != 127 && ip[0] < 224;
}

/* One IPv4 packet for us behind the Ethernet header; `room` bytes. */
static inline enum kind kind_of_ipv4(const uint8_t *mac, const uint8_t *eth, const uint8_t *ip, uint32_t room, uint32_t net)
{
	if (memcmp(eth, mac, 6) != 0 || room < 20 || ip[0] >> 4 != 4)
		return NOTHING;
	uint32_t ihl = (ip[0] & 15u) * 4, total = get16(ip + 2);
	if (ihl < 20 || ihl > room || total < ihl || total > room || total > MTU || sum_of(ip, ihl, 0) != 0xffff)
		return NOTHING;
	if (!is_our_ip(net, ip + 16) || !is_host(net, ip + 12) || (eth[6] & 1) != 0)
		return NOTHING;
	if ((get16(ip + 6) & 0x3fff) != 0)
		return NOTHING;
	const uint8_t *body = ip + ihl;
	uint32_t len = total - ihl;
	if (ip[9] == IPPROTO_ICMP)
		return len >= 8 && sum_of(body, len, 0) == 0xffff && body[0] == 8 && body[1] == 0 ? PING : NOTHING;
	if (ip[9] != IPPROTO_UDP || len < 8 || get16(body + 4) != len)
		return NOTHING;
	if (get16(body + 6) != 0 && udp_sum(ip, body, len) != 0xffff)
		return NOTHING;
	if (get16(body) == 0 || get16(body + 2) != RIG_PORT)
		return NOTHING;
	return len - 8 >= 4 && len - 8 <= BELT_CELL_BYTES ? REQUEST : NOTHING;
}

static inline bool is_group_or_none(const uint8_t *mac)
{
	static const uint8_t none[6];

	return (mac[0] & 1) != 0 || memcmp(mac, none, 6) == 0;
}

static inline enum kind kind_of_arp(const uint8_t *mac, const uint8_t *eth, const uint8_t *arp, uint32_t room, uint32_t net)
{
	static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1}, everyone[6] = {255, 255, 255, 255, 255, 255};

	if (memcmp(eth, mac, 6) != 0 && memcmp(eth, everyone, 6) != 0)
		return NOTHING;
	return room >= 28 && memcmp(arp, head, 8) == 0 && !is_group_or_none(arp + 8) && is_our_ip(net, arp + 24) ? QUESTION :
										      NOTHING;
}

static inline bool is_tag_type(uint32_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200 || type == 0x9300;
}

#endif
