/* What nearly every frame of a port is, told by one comparison: untagged, in one buffer, for the port's MAC and first
 * address, IPv4 without options or fragments, UDP. Whoever is not found to be so is none the less to be looked at. */
#ifndef BATON_PRIMARY_PLAIN_H
#define BATON_PRIMARY_PLAIN_H

#include <netinet/in.h>
#include <rte_mbuf.h>
#include <smmintrin.h>
#include <stddef.h>
#include <string.h>

#include "port.h"
#include "sabotage.h"
#include "vlan.h"

#define PLAIN_IP      14u /* offsets in such a frame */
#define PLAIN_UDP     34u
#define PLAIN_PAYLOAD 42u

/* Three loads of 16 bytes cover the headers, a fourth the fields of the mbuf that say how the frame came in. */
struct plain {
	__m128i ethernet, ipv4, address, buffer;
	uint64_t sum_mask, sum_good; /* of ol_flags: the device has found both checksums right */
};
static_assert(offsetof(struct rte_mbuf, ol_flags) == offsetof(struct rte_mbuf, rearm_data) + 8 &&
	      offsetof(struct rte_mbuf, nb_segs) == offsetof(struct rte_mbuf, rearm_data) + 4, "one load for both");

/* Bytes 0 to 7 of a load in the one word, 8 to 15 in the other, as they lie in memory. */
static inline __m128i plain_words(uint64_t low, uint64_t high) { return _mm_set_epi64x((int64_t)high, (int64_t)low); }

/* From registers, so that making it anew for every burst costs next to nothing. */
static inline void plain_init(struct plain *p, const struct port *port)
{
	uint64_t mac = 0, ip = (uint32_t)port->plain_ip;
	bool sums = port->rx_ip_checksum && port->rx_udp_checksum;

	memcpy(&mac, port->mac, sizeof(port->mac));
	p->ethernet = plain_words(mac, 0x0045000800000000ull); /* EtherType 0x0800; version 4, header of 20 bytes */
	p->ipv4 = plain_words((uint64_t)IPPROTO_UDP << 56, 0);
	p->address = plain_words(ip << 32, 0);
	/* A port without an address of its own for untagged frames has no plain ones: no buffer has 0 segments. */
	p->buffer = plain_words(port->plain_ip <= UINT32_MAX ? 1ull << 32 : 0, 0);
	p->sum_mask = sums ? RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK : 0;
	p->sum_good = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
}

static inline __m128i plain_differs(__m128i want, __m128i mask, const void *at)
{
	return _mm_and_si128(_mm_xor_si128(_mm_loadu_si128(at), want), mask);
}

/* Lengths, ports and checksums are yet to be looked at. Reads 42 bytes, which every buffer has, whatever of them the
 * frame is. */
static inline bool plain_matches(const struct plain *p, const struct rte_mbuf *mbuf, const uint8_t *frame)
{
	uint64_t fragment = BATON_SABOTAGE(plain_fragment_taken) ? 0 : 0x0000ff3f00000000ull; /* more to come, offset */
	/* of the sender's MAC address the bit that says a group */
	__m128i differs = plain_differs(p->ethernet, plain_words(0x0001ffffffffffffull, 0x00ffffff00000000ull), frame);

	differs = _mm_or_si128(differs, plain_differs(p->ipv4, plain_words(0xff00000000000000ull | fragment, 0),
						      frame + 16));
	differs = _mm_or_si128(differs, plain_differs(p->address, plain_words(0xffffffff00000000ull, 0), frame + 26));
	differs = _mm_or_si128(differs, plain_differs(p->buffer, plain_words(0x0000ffff00000000ull, VLAN_STRIPPED),
						      &mbuf->rearm_data));
	return _mm_testz_si128(differs, differs);
}

#endif
