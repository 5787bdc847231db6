/* Short names for the SDK's plugin test library (baton_test.h), as this tree's own plugin tests use them. */
#ifndef BATON_TESTS_PLUGIN_HARNESS_H
#define BATON_TESTS_PLUGIN_HARNESS_H

#include "baton_test.h"

#define plugin_harness baton_test

/* Settings are those of the harness that was created last. */
static struct baton_test *harness_last;

static inline void harness_create(struct plugin_harness *h, const struct baton_plugin *plugin, uint32_t buckets,
				  uint32_t bucket_slots)
{
	baton_test_create(h, plugin, buckets, bucket_slots);
	harness_last = h;
}

static inline void harness_destroy(struct plugin_harness *h) { baton_test_destroy(h); }
static inline void harness_setting(const char *key, const char *value) { baton_test_setting(harness_last, key, value); }
static inline const char *harness_log(void) { return baton_test_log(harness_last); }
static inline int harness_init(struct plugin_harness *h) { return baton_test_init(h); }

#define harness_packet(h, packet, data)             baton_test_packet(h, packet, data)
#define harness_tick(h, bucket, number, time_ns)    baton_test_tick_at(h, bucket, number, time_ns, __FILE__, __LINE__)
#define harness_record(h, bucket, key)              baton_test_record(h, bucket, key)
#define harness_records(h, bucket)                  baton_test_records(h, bucket)

#endif
