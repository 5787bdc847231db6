/* Lines of results, as the programs of a bench hand them to bench-report. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

bool line_is(const char *line, const char *kind)
{
	size_t len = strlen(kind);
	return strncmp(line, kind, len) == 0 && (line[len] == ' ' || line[len] == '\n' || line[len] == 0);
}

bool line_value(const char *line, const char *key, double *value)
{
	size_t len = strlen(key);
	char *end;

	for (const char *at = line; (at = strstr(at, key)) != NULL; at += len) {
		if ((at != line && at[-1] != ' ') || at[len] != '=')
			continue;
		double v = strtod(at + len + 1, &end);
		if (at[len + 1] == ' ' || end == at + len + 1 || (*end != ' ' && *end != '\n' && *end != 0))
			return false;
		*value = v;
		return true;
	}
	return false;
}
