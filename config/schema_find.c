/* Look-ups in the table of configuration keys, and its words. */
#include <assert.h>
#include <string.h>

#include "schema.h"

const struct schema_row *schema_find(const char *path)
{
	for (size_t i = 0; i < schema_rows; i++)
		if (strcmp(schema[i].path, path) == 0)
			return &schema[i];
	return NULL;
}

const char *schema_key(const struct schema_row *row)
{
	const char *dot = strrchr(row->path, '.');

	return dot ? dot + 1 : row->path;
}

bool schema_inside(const struct schema_row *row, const char *parent)
{
	const char *dot = strrchr(row->path, '.');
	size_t bytes = dot ? (size_t)(dot - row->path) : 0;

	return bytes == strlen(parent) && strncmp(row->path, parent, bytes) == 0;
}

const struct schema_row *schema_child(const char *parent, const char *key)
{
	for (size_t i = 0; i < schema_rows; i++)
		if (schema_inside(&schema[i], parent) && strcmp(schema_key(&schema[i]), key) == 0)
			return &schema[i];
	return NULL;
}

const char *schema_type_name(enum schema_type type)
{
	static const char *const names[SCHEMA_TYPES] = {
		[SCHEMA_MAP] = "section",
		[SCHEMA_LIST] = "list",
		[SCHEMA_BOOL] = "true or false",
		[SCHEMA_INT] = "number",
		[SCHEMA_COUNT] = "count",
		[SCHEMA_RATE] = "rate",
		[SCHEMA_SIZE] = "size",
		[SCHEMA_DURATION] = "duration",
		[SCHEMA_STRING] = "text",
		[SCHEMA_NAME] = "name",
		[SCHEMA_VERSION] = "version name",
		[SCHEMA_PATH] = "path",
		[SCHEMA_ENUM] = "word",
		[SCHEMA_IP] = "IPv4 address",
		[SCHEMA_PREFIXES] = "list of addresses",
		[SCHEMA_CORES] = "list of CPUs",
		[SCHEMA_USERS] = "list of users",
		[SCHEMA_GROUPS] = "list of groups",
		[SCHEMA_BUILD] = "version or path",
		[SCHEMA_STEPS] = "list of steps",
		[SCHEMA_KEYS] = "list of players",
		[SCHEMA_GATE] = "gate",
		[SCHEMA_SETTINGS] = "free section",
	};

	return names[type];
}

const char *schema_type_phrase(enum schema_type type)
{
	static const char *const phrases[SCHEMA_TYPES] = {
		[SCHEMA_MAP] = "a section",
		[SCHEMA_LIST] = "a list",
		[SCHEMA_BOOL] = "true or false",
		[SCHEMA_INT] = "a number",
		[SCHEMA_COUNT] = "a count",
		[SCHEMA_RATE] = "a rate",
		[SCHEMA_SIZE] = "a size",
		[SCHEMA_DURATION] = "a duration",
		[SCHEMA_STRING] = "text",
		[SCHEMA_NAME] = "a name",
		[SCHEMA_VERSION] = "a version name",
		[SCHEMA_PATH] = "a path",
		[SCHEMA_ENUM] = "a word",
		[SCHEMA_IP] = "an IPv4 address",
		[SCHEMA_PREFIXES] = "a list",
		[SCHEMA_CORES] = "CPUs",
		[SCHEMA_USERS] = "a user",
		[SCHEMA_GROUPS] = "a group",
		[SCHEMA_BUILD] = "the name of a version or a path",
		[SCHEMA_STEPS] = "a list",
		[SCHEMA_KEYS] = "a list",
		[SCHEMA_GATE] = "a section",
		[SCHEMA_SETTINGS] = "a section",
	};

	return phrases[type];
}

const char *schema_reload_name(enum schema_reload reload)
{
	static const char *const names[] = { "hot", "worker", "scale", "restart" };

	return names[reload];
}

const char *schema_tier_name(enum schema_tier tier)
{
	static const char *const names[] = { "first", "performance", "rarely" };

	return names[tier];
}

const char *nearest_word(const char *text, const char *const *words)
{
	const char *best = NULL;
	unsigned int distance = 3;

	for (; *words; words++) {
		unsigned int d = edit_distance(text, *words, 2);
		/* A two-letter word is two edits from every other one: some of it must be right. */
		if (d < distance && d < strlen(*words)) {
			distance = d;
			best = *words;
		}
	}
	return best;
}

const char *schema_nearest(const char *parent, const char *key)
{
	const char *keys[SCHEMA_MAX + 1];
	size_t count = 0;

	for (size_t i = 0; i < schema_rows; i++)
		if (schema_inside(&schema[i], parent))
			keys[count++] = schema_key(&schema[i]);
	keys[count] = NULL;
	return nearest_word(key, keys);
}

/* Optimal string alignment: Levenshtein's distance plus swaps of neighbours, three rows of the usual matrix. */
unsigned int edit_distance(const char *a, const char *b, unsigned int limit)
{
	enum { LONGEST = 63 };
	unsigned int rows[3][LONGEST + 1];
	size_t al = strlen(a), bl = strlen(b);

	if (al > LONGEST || bl > LONGEST || (al > bl ? al - bl : bl - al) > limit)
		return limit + 1;
	for (unsigned int j = 0; j <= bl; j++)
		rows[0][j] = j;
	for (unsigned int i = 1; i <= al; i++) {
		unsigned int *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

		row[0] = i;
		for (unsigned int j = 1; j <= bl; j++) {
			unsigned int best = above[j - 1] + (a[i - 1] != b[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && above2[j - 2] + 1 < best)
				best = above2[j - 2] + 1;
			row[j] = best;
		}
	}
	unsigned int distance = rows[al % 3][bl];
	return distance > limit ? limit + 1 : distance;
}
