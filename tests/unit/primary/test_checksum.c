/* Sums of any bytes at any place agree with DPDK's; a sum that is right says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "checksum.h"

static void sums_of_any_length_and_alignment_agree_with_dpdk(void **state)
{
	unsigned seed = (unsigned)time(NULL);
	uint8_t bytes[2048 + 16];

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = round == 0 ? 0xff : (uint8_t)rand();
		for (uint32_t len = 0; len <= 2048; len++) {
			uint32_t at = (uint32_t)rand() % 16;
			uint16_t sum = checksum_fold(checksum_bytes(bytes + at, len));

			if (sum != rte_raw_cksum(bytes + at, len))
				fail_msg("%u bytes at %u: %04x, DPDK %04x", len, at, sum, rte_raw_cksum(bytes + at, len));
		}
	}
}

static void a_datagram_with_its_checksum_sums_to_all_ones(void **state)
{
	uint8_t bytes[1500];
	struct rte_ipv4_hdr *ip = (void *)bytes;
	struct rte_udp_hdr *udp = (void *)(ip + 1);

	(void)state;
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 37 + 11);
	for (uint32_t len = sizeof(*udp); len <= sizeof(bytes) - sizeof(*ip); len++) {
		udp->dgram_len = rte_cpu_to_be_16((uint16_t)len);
		udp->dgram_cksum = 0;
		udp->dgram_cksum = (uint16_t)~checksum_udp(ip, udp, len);
		assert_int_equal(checksum_udp(ip, udp, len), 0xffff);
		udp->dgram_cksum ^= 0x0400;
		assert_int_not_equal(checksum_udp(ip, udp, len), 0xffff);
	}
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~checksum_fold(checksum_bytes(ip, sizeof(*ip)));
	assert_true(checksum_ip_right(ip, sizeof(*ip)));
	ip->time_to_live++;
	assert_false(checksum_ip_right(ip, sizeof(*ip)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_any_length_and_alignment_agree_with_dpdk),
		cmocka_unit_test(a_datagram_with_its_checksum_sums_to_all_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
