/* Internet checksums (RFC 1071) as receive, complete and the generator need them. Sums are taken over words as they lie
 * in memory: the byte order cancels out. */
#ifndef BATON_PRIMARY_CHECKSUM_H
#define BATON_PRIMARY_CHECKSUM_H

#include <netinet/in.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <stdbool.h>
#include <string.h>
#include <x86intrin.h>

/* Folds a sum to 16 bits: 0 only if all that was summed is 0. The halves are added twice, in both orders: the upper
 * half of that is their sum, and the carry of the lower one is the carry that has to go round. */
static inline uint16_t checksum_fold(uint64_t sum)
{
	sum += sum << 32 | sum >> 32;
	uint32_t half = (uint32_t)(sum >> 32);

	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

/* Adds eight bytes; what the sum has no room for is carried to the next, or added by the caller. */
static inline uint8_t checksum_word(uint8_t carry, unsigned long long *sum, const uint8_t *at)
{
	unsigned long long word;

	memcpy(&word, at, sizeof(word));
	return _addcarry_u64(carry, *sum, word, sum);
}

/* Sum of len bytes, folded to 34 bits: room for others in the 64. */
static inline uint64_t checksum_bytes(const void *data, uint32_t len)
{
	const uint8_t *at = data;
	unsigned long long sum = 0, tail = 0;
	uint8_t carry = 0;

	for (; len >= 32; len -= 32, at += 32) {
		carry = checksum_word(0, &sum, at);
		carry = checksum_word(carry, &sum, at + 8);
		carry = checksum_word(carry, &sum, at + 16);
		carry = checksum_word(carry, &sum, at + 24);
		sum += carry; /* cannot overflow: a sum that carried is below what was added */
	}
	if (len & 16u) {
		carry = checksum_word(0, &sum, at);
		carry = checksum_word(carry, &sum, at + 8);
		sum += carry;
		at += 16;
	}
	if (len & 8u) {
		carry = checksum_word(0, &sum, at);
		sum += carry;
		at += 8;
	}
	if (len & 4u) {
		uint32_t word;

		memcpy(&word, at, 4);
		tail = word;
		at += 4;
	}
	if (len & 2u) {
		uint16_t word;

		memcpy(&word, at, 2);
		tail += word;
		at += 2;
	}
	if (len & 1u)
		tail += *at;
	return (uint32_t)sum + (sum >> 32) + tail;
}

/* Sum of the pseudo-header (RFC 768). udp_len: as it stands in the UDP header, in network byte order. */
static inline uint64_t checksum_pseudo_header(const struct rte_ipv4_hdr *ip, uint16_t udp_len)
{
	return (uint64_t)ip->src_addr + ip->dst_addr + rte_cpu_to_be_16(IPPROTO_UDP) + udp_len;
}

/* One's complement sum of UDP header, payload and pseudo-header, folded to 16 bits: 0xffff if the checksum field in it
 * is right; the complement is the checksum if the field is 0. udp_len: as in the UDP header, already checked. */
static inline uint16_t checksum_udp(const struct rte_ipv4_hdr *ip, const struct rte_udp_hdr *udp, uint32_t udp_len)
{
	return checksum_fold(checksum_bytes(udp, udp_len) +
			     checksum_pseudo_header(ip, rte_cpu_to_be_16((uint16_t)udp_len)));
}

static inline bool checksum_ip_right(const struct rte_ipv4_hdr *ip, uint32_t ihl)
{
	return checksum_fold(checksum_bytes(ip, ihl)) == 0xffff;
}

#endif
