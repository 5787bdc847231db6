/* docs/configuration.md holds the table as the schema has it now. With --refresh, puts it there. */
#include "config_test.h"

#define BEGIN "<!-- reference: begin -->\n"
#define END   "<!-- reference: end -->\n"

static const char *program;

static char *document_read(const char *path)
{
	char *text = calloc(1, 1u << 20);
	FILE *file = fopen(path, "r");

	if (!text || !file || fread(text, 1, (1u << 20) - 1, file) == 0) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(EXIT_FAILURE);
	}
	fclose(file);
	return text;
}

/* The document with today's table between its marks; NULL if it has no marks. */
static char *document_expected(const char *text)
{
	const char *begin = strstr(text, BEGIN), *end = strstr(text, END);
	char *expected = NULL;
	size_t bytes = 0;

	if (!begin || !end || end < begin)
		return NULL;
	FILE *out = open_memstream(&expected, &bytes);
	fprintf(out, "%.*s\n", (int)(begin - text + (long)strlen(BEGIN)), text);
	config_dump_reference(out);
	fprintf(out, "\n%s", end);
	fclose(out);
	return expected;
}

static void document_agrees_with_the_schema(void **state)
{
	char *text = document_read(source_file("docs/configuration.md"));
	char *expected = document_expected(text);

	(void)state;
	if (!expected)
		fail_msg("docs/configuration.md has lost its marks %s", BEGIN);
	if (strcmp(text, expected) != 0)
		fail_msg("docs/configuration.md is out of date; refresh it with: %s --refresh", program);
	free(expected);
	free(text);
}

static void every_key_is_in_the_reference(void **state)
{
	char *reference = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&reference, &bytes);

	(void)state;
	config_dump_reference(out);
	fclose(out);
	for (size_t i = 0; i < schema_rows; i++) {
		char cell[128];

		snprintf(cell, sizeof(cell), "\n| `%s` |", schema[i].path);
		assert_true(schema[i].type == SCHEMA_MAP || strstr(reference, cell));
	}
	free(reference);
}

static int refresh(void)
{
	const char *path = source_file("docs/configuration.md");
	char *text = document_read(path), *expected = document_expected(text);
	FILE *file = expected ? fopen(path, "w") : NULL;
	bool ok = file && fputs(expected, file) >= 0;

	if (file)
		ok = fclose(file) == 0 && ok;
	fprintf(stderr, "%s: %s\n", path, ok ? "refreshed" : "cannot be refreshed");
	free(expected);
	free(text);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(document_agrees_with_the_schema),
		cmocka_unit_test(every_key_is_in_the_reference),
	};

	program = argv[0];
	if (argc == 2 && strcmp(argv[1], "--refresh") == 0)
		return refresh();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
