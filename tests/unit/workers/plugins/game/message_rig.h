/* The game in the plugin test library, and its messages on their way: delivered when, and in which order, the test
 * says. The test has a function started(), which gets the packets that the game starts. */
#ifndef BATON_TEST_MESSAGE_RIG_H
#define BATON_TEST_MESSAGE_RIG_H

#include <stdlib.h>
#include <string.h>

#include "baton_test.h"
#include "wire.h"

#define FLIGHT 4096u

struct flying {
	uint32_t bucket;
	uint16_t len;
	uint8_t data[BATON_MESSAGE_MOST];
};

static struct baton_test t;
static struct flying flying[FLIGHT];
static uint32_t in_flight;

static void started(const struct baton_test_out *out);

/* What the last call posted and started. */
static inline void collect(void)
{
	for (uint32_t i = 0; i < baton_test_outs(&t); i++) {
		struct baton_test_out out = baton_test_out(&t, i);

		if (out.is_packet) {
			started(&out);
			continue;
		}
		assert_true(in_flight < FLIGHT);
		flying[in_flight].bucket = out.bucket;
		flying[in_flight].len = out.len;
		memcpy(flying[in_flight++].data, out.data, out.len);
	}
}

static inline void deliver(uint32_t nth)
{
	struct flying message = flying[nth];

	flying[nth] = flying[--in_flight];
	baton_test_message(&t, message.bucket, message.data, message.len);
	collect();
}

static inline void deliver_all(void)
{
	while (in_flight > 0)
		deliver(0);
}

#endif
