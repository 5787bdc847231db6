/* Capture files: what is written is found again, and nothing of what is cut or wrong is believed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pcapng.h"

static uint8_t file[70000], data[PCAPNG_DATA_MOST];
static char comment[PCAPNG_COMMENT_MOST + 1];

static size_t write_one(uint32_t kept, const char *text)
{
	struct pcapng in = {
		.link = PCAPNG_ETHERNET, .interface = "lan", .program = "test", .comment = text,
		.time_ns = 1700000000123456789ull, .len = kept + 3, .kept = kept, .data = data,
	};

	for (uint32_t i = 0; i < kept; i++)
		data[i] = (uint8_t)(i * 7 + 1);
	return pcapng_write(&in, file, sizeof(file));
}

static void what_is_written_is_read_again(void **state)
{
	static const uint32_t lengths[] = {0, 1, 2, 3, 4, 5, 42, 1514, PCAPNG_DATA_MOST};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t bytes = write_one(lengths[i], "one: 1\ntwo: zwölf\n");
		struct pcapng out;

		assert_true(bytes != 0 && bytes % 4 == 0 && bytes <= pcapng_room(lengths[i]));
		assert_int_equal(pcapng_read(file, bytes, &out, comment, sizeof(comment)), 0);
		assert_int_equal(out.link, PCAPNG_ETHERNET);
		assert_int_equal(out.time_ns, 1700000000123456789ull);
		assert_int_equal(out.kept, lengths[i]);
		assert_int_equal(out.len, lengths[i] + 3);
		assert_memory_equal(out.data, data, lengths[i]);
		assert_string_equal(comment, "one: 1\ntwo: zwölf\n");
	}
}

static void a_comment_that_is_too_long_is_cut_at_a_whole_character(void **state)
{
	char text[PCAPNG_COMMENT_MOST + 100];
	struct pcapng out;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	memcpy(text + PCAPNG_COMMENT_MOST - 1, "ö", 2);
	size_t bytes = write_one(10, text);
	assert_int_equal(pcapng_read(file, bytes, &out, comment, sizeof(comment)), 0);
	assert_int_equal(strlen(comment), PCAPNG_COMMENT_MOST - 1);
	assert_int_equal(pcapng_read(file, bytes, &out, comment, 5), 0);
	assert_string_equal(comment, "xxxx");
}

/* Behind the packet; others pass it over, and so do we if it is cut off. */
static void a_block_of_our_own_comes_back(void **state)
{
	static const uint8_t own[] = "records of some sort";
	struct pcapng out, in = {
		.link = PCAPNG_ETHERNET, .interface = "lan", .program = "test", .comment = "a: b", .len = 33, .kept = 33,
		.data = data, .own = own, .own_len = sizeof(own),
	};
	size_t room = pcapng_room(33) + pcapng_own_room(sizeof(own));

	(void)state;
	assert_int_equal(pcapng_write(&in, file, room - 1), 0);
	size_t bytes = pcapng_write(&in, file, room), without = write_one(33, "a: b");
	bytes = pcapng_write(&in, file, room);
	assert_int_equal(pcapng_read(file, bytes, &out, comment, sizeof(comment)), 0);
	assert_int_equal(out.own_len, sizeof(own));
	assert_memory_equal(out.own, own, sizeof(own));
	for (size_t len = without + 8; len < bytes; len++) {
		assert_int_equal(pcapng_read(file, len, &out, comment, sizeof(comment)), 0);
		assert_int_equal(out.own_len, 0);
		assert_string_equal(comment, "a: b");
	}
	in.own_len = PCAPNG_OWN_MOST + 1;
	assert_int_equal(pcapng_write(&in, file, sizeof(file)), 0);
}

static void what_does_not_fit_is_not_written(void **state)
{
	struct pcapng in = {.interface = "", .program = "", .comment = "", .kept = 100, .data = data};

	(void)state;
	assert_int_equal(pcapng_write(&in, file, pcapng_room(100) - 1), 0);
	in.kept = PCAPNG_DATA_MOST + 1;
	assert_int_equal(pcapng_write(&in, file, sizeof(file)), 0);
}

/* Each cut, and each byte changed, with the file at the end of its memory: what is read beyond it is a fault (asan). */
static void nothing_cut_or_wrong_is_read_beyond_its_end(void **state)
{
	size_t bytes = write_one(33, "a: b");
	uint8_t *copy;
	struct pcapng out;

	(void)state;
	for (size_t cut = 0; cut < bytes; cut++) {
		copy = malloc(cut != 0 ? cut : 1);
		memcpy(copy, file, cut);
		assert_int_equal(pcapng_read(copy, cut, &out, comment, sizeof(comment)), -EBADMSG);
		free(copy);
	}
	for (size_t at = 0; at < bytes; at++)
		for (uint32_t value = 0; value < 256; value += 15) {
			copy = malloc(bytes);
			memcpy(copy, file, bytes);
			copy[at] = (uint8_t)value;
			if (pcapng_read(copy, bytes, &out, comment, sizeof(comment)) == 0)
				assert_true(out.data >= copy && out.data + out.kept <= copy + bytes &&
					    strlen(comment) < sizeof(comment));
			free(copy);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(a_comment_that_is_too_long_is_cut_at_a_whole_character),
		cmocka_unit_test(a_block_of_our_own_comes_back),
		cmocka_unit_test(what_does_not_fit_is_not_written),
		cmocka_unit_test(nothing_cut_or_wrong_is_read_beyond_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
