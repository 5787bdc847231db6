/* A fuzz target: one function that takes any bytes, as libFuzzer wants it, and what driver.c needs beside. */
#ifndef BATON_TEST_FUZZ_H
#define BATON_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Aborts if what the bytes led to is not as it must be. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct fuzz_seed {
	const char *text;
	size_t bytes; /* 0: up to its NUL */
};
#define FUZZ_SEED(literal) { literal, sizeof(literal) - 1 }

extern const struct fuzz_seed fuzz_seeds[]; /* inputs to start from, ended by a NULL text */
extern const struct fuzz_seed fuzz_words[]; /* what is put into them, ended alike */
extern const size_t fuzz_longest;           /* input in bytes */
extern const int fuzz_is_alone;             /* who calls takes neither memory nor descriptors, to speak of */

#endif
