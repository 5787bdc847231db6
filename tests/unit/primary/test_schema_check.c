/* Two versions' schemas compared: same, both ways, one way, refused, and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "schema_check.h"

static struct plugin_info version(const char *name, uint32_t schema, uint32_t record_size)
{
	struct plugin_info info = {.key = BATON_KEY_FLOW, .schema = schema, .record_size = record_size};

	strcpy(info.version, name);
	return info;
}

static void knows(struct plugin_info *info, uint32_t schema, uint32_t record_size, uint32_t down)
{
	info->older[info->olders++] = (struct baton_older){.schema = schema, .record_size = record_size, .down = down};
}

static void is(enum schema_way expected, const struct plugin_info *stable, const struct plugin_info *candidate,
	       const char *words)
{
	char why[300] = "?";

	assert_string_equal(schema_way_name(schema_check(stable, candidate, why, sizeof(why))), schema_way_name(expected));
	if (words == NULL ? why[0] != '\0' : strstr(why, words) == NULL)
		fail_msg("'%s' does not say '%s'", why, words == NULL ? "" : words);
}

static void the_same_schema_is_the_same(void **unused)
{
	struct plugin_info one = version("1", 1, 40), two = version("2", 1, 40), wide = version("3", 1, 48);
	struct plugin_info none = version("4", 9, 0), others = version("5", 8, 0);

	(void)unused;
	is(SCHEMA_SAME, &one, &two, NULL);
	is(SCHEMA_REFUSED, &one, &wide, "raise .schema");
	is(SCHEMA_SAME, &none, &others, NULL); /* neither keeps any */
}

static void a_newer_one_that_migrates_and_converts_back_goes_both_ways(void **unused)
{
	struct plugin_info one = version("1", 1, 40), two = version("2", 2, 48);

	(void)unused;
	is(SCHEMA_REFUSED, &one, &two, "does not migrate from schema 1");
	knows(&two, 1, 40, 1);
	is(SCHEMA_BOTH_WAYS, &one, &two, "schema 1 to 2, and back");
	is(SCHEMA_BOTH_WAYS, &two, &one, "back to 1"); /* and the old one as candidate */
	two.older[0].down = 0;
	is(SCHEMA_ONE_WAY, &one, &two, "cannot convert back");
	is(SCHEMA_REFUSED, &two, &one, "does not convert back");
	two.older[0].record_size = 44;
	is(SCHEMA_REFUSED, &one, &two, "44 bytes");
}

static void another_key_is_refused(void **unused)
{
	struct plugin_info one = version("1", 1, 40), two = version("2", 1, 40);

	(void)unused;
	two.key = BATON_KEY_PAYLOAD;
	is(SCHEMA_REFUSED, &one, &two, "another key");
}

static void what_is_taken_and_converted(void **unused)
{
	struct plugin_info two = version("2", 3, 40);

	(void)unused;
	knows(&two, 1, 40, 0);
	knows(&two, 2, 40, 1);
	assert_true(schema_takes(&two, 1) && schema_takes(&two, 2) && schema_takes(&two, 3));
	assert_false(schema_takes(&two, 4));
	assert_true(schema_converts(&two, 3, 2) && schema_converts(&two, 1, 2) && schema_converts(&two, 1, 3));
	assert_false(schema_converts(&two, 3, 1)); /* there is no way back so far */
	assert_false(schema_converts(&two, 4, 2));
}

/* What stands in the buckets decides, not only what the last version says. */
static void a_bucket_of_a_schema_that_nobody_reads_refuses_the_version(void **unused)
{
	static struct primary primary;
	struct plugin_info three = version("3", 3, 40);
	uint8_t *file = NULL;
	char why[300];

	(void)unused;
	assert_int_equal(posix_memalign((void **)&file, BATON_HUGE_PAGE, 2 * BATON_HUGE_PAGE), 0);
	memset(file, 0, 2 * BATON_HUGE_PAGE);
	primary.state.base = file;
	primary.state.header = (void *)file;
	struct state_group *g = &primary.state.header->group[0];
	*g = (struct state_group){.buckets = 4, .bucket_slots = 16, .record_size = 40, .stride = 64, .schema = 1,
				  .words_at = BATON_HUGE_PAGE};
	primary.plugin[0] = version("2", 2, 40);
	knows(&primary.plugin[0], 1, 40, 1);
	knows(&three, 2, 40, 1);
	/* All buckets are of schema 1 yet: version 2 converts them on the way. */
	assert_int_equal(schema_check_group(&primary, 0, &three, why, sizeof(why)), SCHEMA_BOTH_WAYS);
	bucket_word_store(&state_words(&primary.state, 0)[2], 7, 0, 0);
	assert_int_equal(schema_check_group(&primary, 0, &three, why, sizeof(why)), SCHEMA_REFUSED);
	assert_non_null(strstr(why, "bucket 2 has records of schema 7"));
	bucket_word_store(&state_words(&primary.state, 0)[2], 2, 0, 0);
	three.record_size = 49;
	assert_int_equal(schema_check_group(&primary, 0, &three, why, sizeof(why)), SCHEMA_REFUSED);
	assert_non_null(strstr(why, "room for 48"));
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_schema_is_the_same),
		cmocka_unit_test(a_newer_one_that_migrates_and_converts_back_goes_both_ways),
		cmocka_unit_test(another_key_is_refused),
		cmocka_unit_test(what_is_taken_and_converted),
		cmocka_unit_test(a_bucket_of_a_schema_that_nobody_reads_refuses_the_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
