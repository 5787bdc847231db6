/* Did you mean: the word that is nearest to one that was mistyped, and words in a row. */
#include <stdio.h>
#include <string.h>

#include "ctl.h"

/* Optimal string alignment (Damerau 1964, restricted): insert, delete, replace, swap neighbours cost one each. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[3][64] = { { 0 } };
	size_t n = strlen(a), m = strlen(b);

	if (n > 60 || m > 60)
		return 99;
	for (unsigned j = 0; j <= m; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);
			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[n % 3][m];
}

const char *ctl_suggest(const char *word, const char *const *words)
{
	const char *best = NULL;
	unsigned least = 3;

	for (; *words; words++) {
		unsigned d = distance(word, *words);
		if (d < least && d < strlen(word)) {
			least = d;
			best = *words;
		}
	}
	return best;
}

const char *ctl_join(const char *const *words, char *out, size_t size)
{
	out[0] = 0;
	for (size_t i = 0; words[i]; i++)
		snprintf(out + strlen(out), size - strlen(out), "%s%s", i ? ", " : "", words[i]);
	return out;
}
