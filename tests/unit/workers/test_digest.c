/* Replies compared by what a plugin's digest() makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "shadow.h"

/* One field for each byte. */
static void each_byte(struct baton_digest *digest, const uint8_t *reply, uint32_t len)
{
	char name[16];

	for (uint32_t i = 0; i < len; i++) {
		snprintf(name, sizeof(name), "byte %u", i);
		baton_field(digest, name, reply[i]);
	}
}

/* Fields that differ of two replies of `len` zeros but for the byte at `at`. */
static uint32_t differ(uint32_t len, uint32_t at)
{
	static const struct baton_plugin plugin = {.digest = each_byte};
	static uint8_t data[BELT_CELL_BYTES];
	struct belt_compare head;
	struct belt_compared out;

	memset(&head, 0, sizeof(head));
	memset(data, 0, sizeof(data));
	head.production = head.shadow = (uint16_t)len;
	memcpy(data, &head, sizeof(head));
	if (at < len)
		data[sizeof(head) + len + at] = 1;
	digest_answer(&plugin, data);
	memcpy(&out, data, sizeof(out));
	return out.differ;
}

static void fields_that_differ_are_counted(void **unused)
{
	(void)unused;
	assert_int_equal(differ(8, 8), 0);
	assert_int_equal(differ(8, 3), 1);
	assert_int_equal(differ(DIGEST_FIELDS, DIGEST_FIELDS - 1), 1);
}

/* Nobody knows what the ones that had no room say. */
static void what_has_more_fields_than_there_is_room_for_is_not_called_equal(void **unused)
{
	(void)unused;
	assert_int_equal(differ(DIGEST_FIELDS + 1, DIGEST_FIELDS), COMPARE_IMPOSSIBLE);
	assert_int_equal(differ(DIGEST_FIELDS, DIGEST_FIELDS), 0); /* and the next one has nothing of it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_that_differ_are_counted),
		cmocka_unit_test(what_has_more_fields_than_there_is_room_for_is_not_called_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
