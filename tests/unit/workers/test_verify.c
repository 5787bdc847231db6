/* Verify mode: each thing a plugin must not do is found, named, and told from what it may do. */
#define _GNU_SOURCE
#include "plugin_harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "plugin_cc.h"

#define BUCKETS 256u

static struct baton_test t;
static char file[64];

/* A plugin of tests/plugins, as the worker would have it: a shared object. */
static void load(const char *name, uint32_t bucket_slots)
{
	char source[96];

	snprintf(source, sizeof(source), "#include \"tests/plugins/%s.c\"\n", name);
	plugin_cc(source, "-I. -g", file);
	baton_test_load(&t, file, BUCKETS, bucket_slots);
	t.keep_findings = true;
	assert_int_equal(baton_test_init(&t), 0);
	assert_null(baton_test_finding(&t));
}

static void unload(void)
{
	baton_test_destroy(&t);
	plugin_cc_remove(file);
}

static void says(const char *words)
{
	const char *finding = baton_test_finding(&t);

	if (finding == NULL || strstr(finding, words) == NULL)
		fail_msg("the finding does not say '%s': %s", words, finding != NULL ? finding : "none");
}

/* What every line has to say of the entry. */
static void says_the_entry(const char *plugin, const void *data, uint16_t len)
{
	char words[96];

	snprintf(words, sizeof(words), "verify: plugin %s version 1: ", plugin);
	says(words);
	snprintf(words, sizeof(words), "entry: packet at position 0, bucket %d, key 61 62 63 64, %u bytes: 61 62 63 64",
		 baton_test_bucket(&t, data, len), len);
	says(words);
}

static void a_change_without_save_is_found(void **state)
{
	char words[96];

	(void)state;
	load("bad_unsaved", 16);
	/* A new record is saved as a whole; the next datagram finds it. */
	baton_test_send(&t, "wxyz", 4);
	assert_null(baton_test_finding(&t));
	baton_test_send(&t, "wxyz-", 5);
	snprintf(words, sizeof(words), "changed without baton_save: bucket %d, record ", baton_test_bucket(&t, "wxyz", 4));
	says(words);
	says(", offset 8, from 0x4 to 0x9"); /* tally.bytes, and what became of it */
	says("plugin bad-unsaved version 1");
	says("entry: packet at position 1, bucket ");
	unload();
}

static void a_key_inserted_twice_is_found(void **state)
{
	char words[96];

	(void)state;
	load("bad_insert", 16);
	baton_test_send(&t, "wxyz", 4);
	assert_null(baton_test_finding(&t));
	baton_test_send(&t, "wxyz", 4);
	snprintf(words, sizeof(words), "inserted key 0x7a797877, which was there: bucket %d, record ",
		 baton_test_bucket(&t, "wxyz", 4));
	says(words);
	assert_int_equal(baton_test_records(&t, (uint32_t)baton_test_bucket(&t, "wxyz", 4)), 1);
	unload();
}

/* A neighbour stands in the same page, or behind it; one far away in another one; a large bucket has pages of its own.
 * */
static void a_write_to_another_bucket_is_found(void **state)
{
	static const struct { const char *data; uint32_t slots, step; } ways[] = {
		{"abcd", 1, 1}, {"abcd", 16, 1}, {"abcdF", 16, BUCKETS / 2}, {"abcd", 256, 1}, {"abcdF", 256, BUCKETS / 2},
	};
	char words[96];

	(void)state;
	for (uint32_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		uint16_t len = (uint16_t)strlen(ways[i].data);

		load("bad_bucket", ways[i].slots);
		baton_test_send(&t, ways[i].data, len);
		snprintf(words, sizeof(words), "bucket %u, which is not the entry's: record 0, offset 0",
			 ((uint32_t)baton_test_bucket(&t, "abcd", 4) + ways[i].step) % BUCKETS);
		says(words);
		says_the_entry("bad-bucket", ways[i].data, len);
		/* and the other bucket is as it was */
		for (uint32_t bucket = 0; bucket < BUCKETS; bucket++)
			assert_int_equal(baton_test_records(&t, bucket), 0);
		unload();
	}
}

static void a_static_counter_is_found(void **state)
{
	(void)state;
	load("bad_static", 16);
	baton_test_send(&t, "abcd", 4);
	says("changed a global or static variable at FILE.so+0x");
	says("from 0 to 0x1");
	says_the_entry("bad-static", "abcd", 4);
	unload();
}

/* The same where its variables are not watched: in its reply, run again. */
static void a_reply_that_depends_on_more_is_found(void **state)
{
	(void)state;
	load("bad_clock", 16);
	baton_test_send(&t, "abcd01234567", 12);
	says("run again, the reply differs: byte ");
	says_the_entry("bad-clock", "abcd01234567", 12);
	unload();
}

static void a_record_that_depends_on_more_is_found(void **state)
{
	(void)state;
	load("bad_clock", 16);
	baton_test_send(&t, "abcdR", 5);
	says("run again, a record differs: bucket ");
	const char *at = strstr(baton_test_finding(&t), ", offset ");
	assert_non_null(at);
	assert_in_range(atoi(at + 9), 8, 15); /* of a clock's eight bytes the lowest may be the same by chance */
	unload();
}

static void a_write_behind_the_datagram_is_found(void **state)
{
	(void)state;
	load("bad_past_end", 16);
	baton_test_send(&t, "abcd", 4);
	says("wrote to byte 4 of a datagram of 4 bytes");
	says_the_entry("bad-past-end", "abcd", 4);
	unload();
	load("bad_past_end", 16);
	baton_test_send(&t, "abcdF", 5);
	says("wrote to byte 4101 of a datagram of 5 bytes, at bad-past-end+0x");
	unload();
}

/* ---- plugins of this program ---- */

struct note {
	uint64_t value;
};
static uint32_t calls;

static baton_verdict obey(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	struct note *note = baton_find(ctx, 1);

	calls++;
	if (note == NULL)
		note = baton_insert(ctx, 1);
	switch (packet->len != 0 ? data[0] : 0) {
	case 'L': return baton_reply((uint16_t)(packet->len + 1));
	case 'V': return 999;
	case 'N': *(volatile uint8_t *)(uintptr_t)packet->time_ns = 1; break;
	case 'R': return baton_reply(*(volatile uint8_t *)(ctx->records + ((ctx->bucket ^ 128) * ctx->bucket_bytes)) & 1);
	case 'U': while (baton_save(ctx, note, sizeof(*note))) note->value++; break;
	case 'C': ctx->time_ns++; break;
	case 'B': *(volatile uint8_t *)(data - 1) = 1; break;
	case 'S': return calls & 1 ? baton_reply(1) : baton_no_reply();
	case 'K':
		if (baton_save(ctx, note, sizeof(*note)) && baton_save(ctx, note, sizeof(*note)))
			note->value += ctx->time_ns;
	}
	return baton_reply(packet->len);
}

static void ask_ahead(struct baton_ctx *ctx, const struct baton_packet *packet, const uint8_t *data)
{
	struct note *note = baton_find(ctx, 1);

	if (packet->len != 0 && data[0] == 'P' && note != NULL)
		note->value++;
	if (packet->len != 0 && data[0] == 'D')
		*(uint8_t *)(uintptr_t)data = 'E';
	baton_prefetch(ctx, packet->bucket ^ 128, 1); /* allowed: it only asks for a line */
}

static void tick(struct baton_ctx *ctx, uint64_t number)
{
	struct note *note = baton_find(ctx, 1);

	if (note != NULL && (number != 7 || baton_save(ctx, note, sizeof(*note))))
		note->value = number;
}

static const struct baton_plugin plugin = {
	.abi = BATON_PLUGIN_ABI, .size = sizeof(plugin), .name = "obey", .version = "1", .key = BATON_KEY_FLOW, .schema = 1,
	.record_size = sizeof(struct note), .max_undo_bytes = 80, .packet = obey, .prefetch = ask_ahead, .tick = tick,
};

static const struct baton_test_reply *send(const char *text)
{
	return baton_test_send(&t, text, strlen(text));
}

/* Of the bucket that all of them go to. */
static uint64_t noted(void)
{
	return ((const struct note *)baton_test_record(&t, (uint32_t)baton_test_bucket(&t, "x", 1), 1))->value;
}

static int set_up(void **state)
{
	(void)state;
	baton_test_create(&t, &plugin, BUCKETS, 16);
	t.keep_findings = true;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	baton_test_destroy(&t);
	return 0;
}

static void a_reply_too_long_or_none_is_found(void **state)
{
	(void)state;
	send("L");
	says("answers with 2 bytes, longer than the request");
	send("V");
	says("returned 0x3e7, which is no verdict");
	says("key 0.0.0.0:0, 1 bytes: 56"); /* steered by flow */
}

static void a_crash_is_found_and_survived(void **state)
{
	(void)state;
	t.time_ns = 64;
	send("N");
	says("died of signal 11 (Segmentation fault), address 0x40, at ");
	send("N");
	says("died of signal 11");
	send("x");
	assert_null(baton_test_finding(&t));
}

static void reading_another_bucket_is_found(void **state)
{
	(void)state;
	send("R");
	says("read bucket ");
	says("which is not the entry's");
}

static void too_many_undo_bytes_are_undone(void **state)
{
	(void)state;
	send("x");
	assert_int_equal(send("U")->verdict, BATON_DROP_REFUSED);
	assert_null(baton_test_finding(&t));
	assert_int_equal(t.undone, 1);
	assert_int_equal(noted(), 0);
}

static void prefetch_with_an_effect_is_found(void **state)
{
	(void)state;
	send("x");
	send("P");
	says("prefetch changed a record: record ");
	send("D");
	says("prefetch changed the datagram");
}

static void a_tick_is_verified_too(void **state)
{
	uint32_t bucket = (uint32_t)baton_test_bucket(&t, "x", 1);

	(void)state;
	send("x");
	baton_test_tick_at(&t, bucket, 7, t.time_ns, __FILE__, __LINE__);
	assert_null(baton_test_finding(&t));
	assert_int_equal(noted(), 7);
	baton_test_tick(&t, bucket);
	says("changed without baton_save");
	says("entry: tick 8 at position 2, bucket ");
}

static void what_is_read_only_is_found_changed(void **state)
{
	(void)state;
	send("C");
	says("changed a field of ctx");
	send("B");
	says("wrote to byte -1 of a datagram of 1 bytes");
}

static void another_verdict_the_second_time_is_found(void **state)
{
	(void)state;
	send("S");
	says("run again, it returns ");
}

static void sound_calls_pass_and_take_effect_once(void **state)
{
	uint64_t sum = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		sum += t.time_ns;
		assert_int_equal(send("K")->verdict, i == 0 ? BATON_DROP_REFUSED : baton_reply(1));
		assert_null(baton_test_finding(&t));
		sum -= i == 0 ? sum : 0; /* an insertion and two saves are more than it declares */
		if (i == 0)
			send("x");
	}
	assert_int_equal(noted(), sum);
}

static void kills_are_rolled_back_or_found(void **state)
{
	uint32_t bucket = (uint32_t)baton_test_bucket(&t, "K", 1);

	(void)state;
	assert_true(baton_test_kill(&t, "x", 1) > 20); /* inserts */
	assert_null(baton_test_finding(&t));
	assert_int_equal(baton_test_records(&t, bucket), 0);
	send("x");
	assert_true(baton_test_kill(&t, "K", 1) > 20);
	assert_null(baton_test_finding(&t));
	assert_int_equal(noted(), 0);
	(void)baton_test_kill_tick(&t, bucket); /* number 1 changes without a save */
	says("killed after ");
	says("record ");
	says("offset 0 is not as it was");
	assert_int_equal(noted(), 0);
}

#define on_obey(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_without_save_is_found),
		cmocka_unit_test(a_key_inserted_twice_is_found),
		cmocka_unit_test(a_write_to_another_bucket_is_found),
		cmocka_unit_test(a_static_counter_is_found),
		cmocka_unit_test(a_reply_that_depends_on_more_is_found),
		cmocka_unit_test(a_record_that_depends_on_more_is_found),
		cmocka_unit_test(a_write_behind_the_datagram_is_found),
		on_obey(a_reply_too_long_or_none_is_found),
		on_obey(a_crash_is_found_and_survived),
		on_obey(reading_another_bucket_is_found),
		on_obey(too_many_undo_bytes_are_undone),
		on_obey(prefetch_with_an_effect_is_found),
		on_obey(a_tick_is_verified_too),
		on_obey(what_is_read_only_is_found_changed),
		on_obey(another_verdict_the_second_time_is_found),
		on_obey(sound_calls_pass_and_take_effect_once),
		on_obey(kills_are_rolled_back_or_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
