/* The seed of everything random in a test program of the bots: BATON_SEED, else a new one. Failing runs print it. */
#ifndef BATON_TEST_BOTS_SEED_H
#define BATON_TEST_BOTS_SEED_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

/* False if there is none. The low bits are the test's, for runs of one program. */
static inline bool bots_seed(uint64_t *seed)
{
	const char *given = getenv("BATON_SEED");

	if (given != NULL)
		*seed = strtoull(given, NULL, 0);
	else if (getrandom(seed, sizeof(*seed), 0) != sizeof(*seed))
		return false;
	*seed >>= 12;
	return true;
}

#endif
