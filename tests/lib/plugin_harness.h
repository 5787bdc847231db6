/* Runs a plugin's callbacks over plain memory: no worker, no belt, no root.
 *
 * Every call is checked as a transaction: it is run, undone from the journal, compared with the bytes before, run again
 * and compared with the first run. A change that was not saved, a write into another bucket, a result that depends on
 * anything but its inputs: each fails the test. */
#ifndef BATON_TESTS_PLUGIN_HARNESS_H
#define BATON_TESTS_PLUGIN_HARNESS_H

#include "baton.h"
#include "journal.h"

struct plugin_harness {
	const struct baton_plugin *plugin;
	struct baton_ctx ctx;
	struct journal *journal;
	uint32_t buckets;
	uint8_t *before, *after; /* copies of the records */
	uint32_t undo_bytes;     /* journal bytes that the last call took */
	uint32_t undone;         /* calls refused for needing more than max_undo_bytes */
};

/* Empty records, bucket_slots (a power of two) per bucket; forgets settings and log of the harness before. Does not
 * call the plugin's init. Fails the test if memory is short. */
void harness_create(struct plugin_harness *h, const struct baton_plugin *plugin, uint32_t buckets,
		    uint32_t bucket_slots);
void harness_destroy(struct plugin_harness *h);

/* What baton_setting() answers from now on; value NULL: absent. Strings are not copied. */
void harness_setting(const char *key, const char *value);
/* The last line given to baton_log(), "" if none. */
const char *harness_log(void);
int harness_init(struct plugin_harness *h);

/* One packet: packet->bucket, len and time_ns say what the worker would. The reply is written over data. */
baton_verdict harness_packet(struct plugin_harness *h, const struct baton_packet *packet, uint8_t *data);
void harness_tick(struct plugin_harness *h, uint32_t bucket, uint64_t number, uint64_t time_ns);

/* Record of a key in a bucket as a reader sees it; NULL if it is absent. */
const void *harness_record(struct plugin_harness *h, uint32_t bucket, uint64_t key);
uint32_t harness_records(struct plugin_harness *h, uint32_t bucket);

#endif
