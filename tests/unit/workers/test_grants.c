/* Who owns what, and whose records are of another schema, after grants and revokes of any buckets: a word of the map at
 * a time where that changes nothing else, one by one otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "fake.h"
#include "loop.h"

#define BUCKETS 1000u /* no multiple of a word of the map */
#define ROUNDS  4000u
#define SCHEMA  1u    /* the group's, and the plugin's */

static struct loop loop;
static struct state memory;
static struct CoreStats *stats;
static struct fake_primary primary;
static uint64_t seed;

static baton_verdict packet(struct baton_ctx *ctx, const struct baton_packet *p, uint8_t *data)
{
	(void)ctx;
	(void)p;
	(void)data;
	return BATON_NO_REPLY;
}

static const struct baton_plugin plugin = {
	.abi = BATON_PLUGIN_ABI, .size = sizeof(plugin), .name = "grants", .version = "1", .key = BATON_KEY_PAYLOAD,
	.key_length = 8, .schema = SCHEMA, .record_size = 16, .max_undo_bytes = 64, .packet = packet,
};

/* What should be. */
static uint8_t owned[BUCKETS];
static bool noted_stale[BUCKETS];
static uint16_t schema[BUCKETS]; /* of the word; 0: the group's */

static int set_up(void **unused)
{
	struct belt *belt[1];

	(void)unused;
	fake_state_create(&memory, 1024, plugin.record_size, 4096, 1, 1);
	stats = mmap(NULL, sizeof(*stats), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fake_primary_init(&primary, &state_control(&memory, 0)->commit[0], 0, 0);
	belt[0] = primary.belt;
	assert_int_equal(txn_bind(&loop.txn, &memory, 0, 0, plugin.max_undo_bytes, 77), 0);
	assert_int_equal(loop_init(&loop, &plugin, belt, state_control(&memory, 0)->commit, 1, BUCKETS, stats, 1000000000,
				   true), 0);
	memset(owned, 0, sizeof(owned));
	memset(noted_stale, 0, sizeof(noted_stale));
	memset(schema, 0, sizeof(schema));
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	fake_primary_fini(&primary);
	munmap(stats, sizeof(*stats));
	state_close(&memory);
	return 0;
}

/* As grants and revokes are posted: whole words, words with holes, none; what has not been granted is not revoked. */
static void draw_map(uint64_t *map, uint32_t first, uint32_t count, bool grant)
{
	memset(map, 0, (BUCKETS + 63) / 64 * sizeof(*map));
	for (uint32_t i = 0; i < count; i += 64) {
		uint32_t what = fake_below(&seed, 4);
		uint64_t word = what == 0 ? 0 : what == 1 ? fake_random(&seed) : UINT64_MAX;

		for (uint32_t k = 0; k < 64; k++)
			if (i + k >= count || (grant ? owned[first + i + k] > 1 : owned[first + i + k] == 0))
				word &= ~(1ull << k);
		map[i / 64] = word;
	}
}

static void post(bool grant)
{
	static struct fake_entry entry;
	uint64_t map[(BUCKETS + 63) / 64];
	uint32_t first = fake_below(&seed, 3) == 0 ? fake_below(&seed, BUCKETS) : 0;
	uint32_t count = fake_below(&seed, 2) == 0 ? BUCKETS - first : 1 + fake_below(&seed, BUCKETS - first);
	struct belt_buckets head = { .first = first, .count = count };

	draw_map(map, first, count, grant);
	entry = (struct fake_entry){ .kind = grant ? BELT_GRANT : BELT_REVOKE };
	entry.len = (uint16_t)(sizeof(head) + (count + 7) / 8);
	memcpy(entry.data, &head, sizeof(head));
	memcpy(entry.data + sizeof(head), map, (count + 7) / 8);
	assert_true(fake_offer(&primary, &entry));
	for (uint32_t i = 0; i < count; i++)
		if (map[i / 64] >> (i % 64) & 1u) {
			uint32_t b = first + i;

			owned[b] = (uint8_t)(owned[b] + (grant ? 1 : -1));
			noted_stale[b] = owned[b] != 0 && schema[b] != 0 && schema[b] != SCHEMA;
		}
}

/* Somebody else has had the bucket: nobody who owns it looks again. */
static void change_word(void)
{
	uint32_t b = fake_below(&seed, BUCKETS);

	if (owned[b] != 0)
		return;
	schema[b] = (uint16_t)fake_below(&seed, 3);
	bucket_word_store(&state_words(&memory, 0)[b], schema[b], 0, 0);
}

static void on_reaped(void *arg, const struct fake_entry *entry, uint32_t verdict, const uint8_t *reply)
{
	(void)arg;
	(void)entry;
	(void)verdict;
	(void)reply;
}

static void ownership_and_staleness_are_those_of_the_model(void **unused)
{
	uint32_t whole = 0, stale_rounds = 0;

	(void)unused;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t count = 0, stale = 0;

		/* long times without a word of another schema, and with some */
		for (uint32_t i = 0; round / 500 % 2 == 1 && i < 4; i++)
			change_word();
		for (uint32_t b = 0; round % 500 == 0 && b < BUCKETS; b++)
			if (owned[b] == 0) {
				schema[b] = (uint16_t)fake_below(&seed, 2);
				bucket_word_store(&state_words(&memory, 0)[b], schema[b], 0, 0);
			}
		post(fake_below(&seed, 2));
		while (loop_turn(&loop) != 0)
			;
		assert_int_equal(fake_reap(&primary, on_reaped, NULL), 1);
		for (uint32_t b = 0; b < BUCKETS; b++) {
			assert_int_equal(loop.owned[b], owned[b]);
			assert_int_equal(loop.is_stale[b], noted_stale[b]);
			count += owned[b] != 0;
			stale += noted_stale[b];
		}
		assert_int_equal(loop.owned_buckets, count);
		assert_int_equal(loop.stale, stale);
		whole += stale == 0;
		stale_rounds += stale != 0;
	}
	assert_true(whole > ROUNDS / 10 && stale_rounds > ROUNDS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ownership_and_staleness_are_those_of_the_model, set_up, tear_down),
	};

	seed = fake_seed("test_grants");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
