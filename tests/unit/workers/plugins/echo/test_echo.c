/* The echo plugin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugin_harness.h"

static void every_length_comes_back_as_it_was(void **state)
{
	struct plugin_harness h;
	uint8_t data[2048], sent[2048];

	(void)state;
	harness_create(&h, &baton_plugin_descriptor, 4, 16);
	assert_int_equal(harness_init(&h), 0);
	for (uint32_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7);
	for (uint16_t len = 0; len <= 1472; len++) {
		struct baton_packet packet = { .len = len, .bucket = len % 4, .time_ns = len };
		memcpy(data, sent, sizeof(data));
		assert_int_equal(harness_packet(&h, &packet, data), baton_reply(len));
		assert_memory_equal(data, sent, sizeof(sent));
	}
	harness_destroy(&h);
}

static void a_setting_reaches_init(void **state)
{
	struct plugin_harness h;

	(void)state;
	harness_create(&h, &baton_plugin_descriptor, 1, 16);
	harness_setting("greeting", "good morning");
	assert_int_equal(harness_init(&h), 0);
	assert_string_equal(harness_log(), "echo: good morning");
	harness_destroy(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_comes_back_as_it_was),
		cmocka_unit_test(a_setting_reaches_init),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
