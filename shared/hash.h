/* The hashes that steer: payload keys with a secret salt, and the in-process mix of 64-bit words. */
#ifndef BATON_SHARED_HASH_H
#define BATON_SHARED_HASH_H

#include <stdint.h>
#include <string.h>

/* Finaliser of MurmurHash3 (Appleby, public domain): a bijection on 64 bits, every input bit reaches every output
 * bit. */
static inline uint64_t hash_mix64(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	x ^= x >> 33;
	return x;
}

/* Key bytes of a payload, at most 8, little-endian, zero-extended: also the key of the record table by convention. */
static inline uint64_t hash_key_bytes(const uint8_t *at, uint32_t length)
{
	uint64_t key = 0;
	memcpy(&key, at, length);
	return key;
}

/* The key of a client's address and port and the service's port, all three in network byte order. */
static inline uint64_t hash_flow_key(uint32_t client_ip, uint16_t client_port, uint16_t service_port)
{
	return (uint64_t)client_ip << 32 | (uint32_t)client_port << 16 | service_port;
}

/* Salted: who does not know the salt cannot aim many keys at one bucket cheaply. Two rounds, so that equal keys under
 * different salts are unrelated. */
static inline uint32_t hash_key(uint64_t key, uint64_t salt)
{
	return (uint32_t)(hash_mix64(hash_mix64(key ^ salt) + salt) >> 16);
}

#endif
