/* Fakes for unit tests: a state file that is gone with its process, and the primary's end of one belt. */
#ifndef BATON_TEST_FAKE_H
#define BATON_TEST_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "belt_consumer.h"
#include "belt_producer.h"
#include "state.h"

/* Creates a state file of one group "test" on /dev/shm, already without a name; state_close() frees it. The mapping is
 * shared with children. Fails the test (abort) if it cannot. */
void fake_state_create(struct state *state, uint32_t buckets, uint32_t record_size, uint64_t records, uint32_t slots,
		       uint32_t belts);

/* xorshift64*, for reproducible tests (Vigna 2016). */
static inline uint64_t fake_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

static inline uint32_t fake_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(fake_random(state) >> 32) % n;
}

/* A seed from BATON_TEST_SEED, else from the clock; printed, so that a failure can be repeated. */
uint64_t fake_seed(const char *test);

/* An entry as it is offered, kept for redelivery. */
struct fake_entry {
	uint8_t kind; /* enum belt_kind */
	uint16_t bucket;
	uint16_t len;
	uint64_t time_ns;
	uint8_t data[BELT_CELL_BYTES + 16] baton_aligned(16);
};

/* The primary's end of one belt, in memory shared with children. */
struct fake_primary {
	struct belt *belt;
	struct belt_commit *commit;
	struct belt_producer producer;
	struct belt_shadow shadow[BELT_SLOTS];
};

void fake_primary_init(struct fake_primary *primary, struct belt_commit *commit, uint32_t lcore, uint32_t worker);
void fake_primary_fini(struct fake_primary *primary);

/* Offers and publishes; false if the belt is full. The entry must stay where it is until it is reaped. */
bool fake_offer(struct fake_primary *primary, const struct fake_entry *entry);

/* Reaps everything settled, in order; `done` is read once. reply: the bytes the worker left. Returns how many, or
 * -EBADMSG. */
typedef void (*fake_reaped_fn)(void *arg, const struct fake_entry *entry, uint32_t verdict, const uint8_t *reply);
int fake_reap(struct fake_primary *primary, fake_reaped_fn fn, void *arg);

/* Emits the outbound cells of settled causes, in order. Returns how many. Call it after fake_reap(). */
typedef void (*fake_cell_fn)(void *arg, const struct belt_out_cell *cell);
uint32_t fake_emit(struct fake_primary *primary, fake_cell_fn fn, void *arg);

/* After the worker's death, the final reap and the roll back: takes the unsettled entries back, in belt order, and lets
 * positions go on (R4, R8). entries: room for BELT_SLOTS. Returns how many. */
uint32_t fake_take_back(struct fake_primary *primary, const struct fake_entry **entries);

#endif
