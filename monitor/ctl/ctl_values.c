/* Values of options: times, counts, names; what is no value is told with what is one. And as batond is to read them. */
#include "ctl_values.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sabotage.h"

int ctl_parse_time(const struct ctl_options *o, FILE *err, const char *option, const char *text, uint64_t *ms)
{
	static const struct {
		const char *unit;
		double ms;
	} unit[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "", 1000 } };
	char *end;
	double value = strtod(text, &end);

	for (size_t i = 0; i < sizeof(unit) / sizeof(unit[0]) && end != text; i++) {
		double total = value * unit[i].ms;
		if (strcmp(end, unit[i].unit) == 0 && total >= 1 && total <= 86400000) {
			*ms = (uint64_t)total;
			return 0;
		}
	}
	ctl_fail(o, CTL_USAGE, err, "--%s is '%s': give a time from 1ms to 1440m, such as 500ms, 30s, 5m", option,
		 text);
	return -EINVAL;
}

int ctl_parse_count(const struct ctl_options *o, FILE *err, const char *option, const char *text, uint32_t *count)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (text[0] >= '0' && text[0] <= '9' && *end == 0 && value >= 1 && value <= 500) {
		*count = (uint32_t)value;
		return 0;
	}
	ctl_fail(o, CTL_USAGE, err, "--%s is '%s': give a number from 1 to 500", option, text);
	return -EINVAL;
}

int ctl_copy(const struct ctl_options *o, FILE *err, const char *option, const char *text, char *out, size_t bytes)
{
	if (!text[0] || strlen(text) >= bytes) {
		ctl_fail(o, CTL_USAGE, err, "--%s: give 1 to %zu characters", option, bytes - 1);
		return -EINVAL;
	}
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

int ctl_parse_seed(const struct ctl_options *o, FILE *err, const char *text, uint64_t *seed)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != 0 || value > UINT32_MAX) {
		ctl_fail(o, CTL_USAGE, err, "--seed is '%s': give a number from 0 to 4294967295", text);
		return -EINVAL;
	}
	*seed = value;
	return 0;
}

/* ---- for whoever asked for JSON ---- */

json_t *ctl_text(const char *text)
{
	json_t *value = json_string(text);
	char *copy = value || BATON_SABOTAGE(json_error_lost) ? NULL : strdup(text);

	for (char *c = copy; c && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	if (copy)
		value = json_string(copy);
	free(copy);
	return value;
}

/* ---- for batond ---- */

json_t *ctl_word(const char *text)
{
	json_t *value = json_string(text);

	return value ? value : json_string("?");
}

json_t *ctl_path_value(const char *path)
{
	char here[PATH_MAX];

	if (path[0] == '/' || !getcwd(here, sizeof(here)))
		return ctl_word(path);
	json_t *value = json_sprintf("%s/%s", here, path);
	return value ? value : json_string("?");
}

json_t *ctl_version_value(const char *version)
{
	char path[PATH_MAX];

	if (strchr(version, '/') == NULL)
		return ctl_word(version);
	return realpath(version, path) ? ctl_word(path) : ctl_path_value(version);
}
