/* Text, words, paths and addresses of the configuration. */
#include "value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sabotage.h"

int problem_set(struct problem *problem, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(problem->text, sizeof(problem->text), format, args);
	va_end(args);
	return -EINVAL;
}

const char *value_shown(const char *text, size_t bytes, char out[SHOWN_BYTES])
{
	size_t n = 0;

	out[n++] = '\'';
	for (size_t i = 0; i < bytes && i < 40; i++) {
		unsigned char c = (unsigned char)text[i];
		/* Bytes of other alphabets pass; C1 controls are two bytes, the first of them 0xc2. */
		bool c1 = c == 0xc2 && i + 1 < bytes && (unsigned char)text[i + 1] < 0xa0;
		out[n++] = (c < 0x20 || c == 0x7f || c1) && !BATON_SABOTAGE(controls_shown) ? '?' : (char)c;
		i += c1;
	}
	if (bytes > 40) {
		/* Never cut a character in two. */
		while (((unsigned char)text[n - 1] & 0xc0) == 0x80)
			n--;
		n += (size_t)snprintf(out + n, SHOWN_BYTES - n, "...");
	}
	out[n++] = '\'';
	out[n] = '\0';
	return out;
}

const char *value_meant(const char *text, const char *const *words, char out[SHOWN_BYTES])
{
	const char *near = nearest_word(text, words);

	snprintf(out, SHOWN_BYTES, "%s%s%s", near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	return out;
}

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Whether text is a letter or digit followed by letters, digits and characters of `more`. */
static bool is_name(const char *text, size_t bytes, const char *more)
{
	for (size_t i = 0; i < bytes; i++)
		if (!is_word_char(text[i]) && (i == 0 || !strchr(more, text[i])))
			return false;
	return bytes > 0;
}

bool value_is_setting_key(const char *text, size_t bytes)
{
	return bytes < BATON_NAME_BYTES && is_name(text, bytes, "-_.");
}

static int length_check(const struct schema_row *row, size_t bytes, struct problem *problem)
{
	if (bytes < row->min)
		return problem_set(problem, "must not be empty; for example '%s'", row->example);
	if (bytes > row->max)
		return problem_set(problem, "%zu bytes are too long; allowed are %llu", bytes,
				   (unsigned long long)row->max);
	return 0;
}

static int name_parse(const struct schema_row *row, const char *text, size_t bytes, char *out, struct problem *problem)
{
	char shown[SHOWN_BYTES];
	bool version = row->type == SCHEMA_VERSION;
	int err = length_check(row, bytes, problem);

	if (err)
		return err;
	if (!is_name(text, bytes, version ? "-_.+" : "-_"))
		return problem_set(problem, "%s is not %s: use letters, digits, %s, and start with a letter or digit",
				   value_shown(text, bytes, shown), schema_type_phrase(row->type),
				   version ? "'-', '_', '.' and '+'" : "'-' and '_'");
	memcpy(out, text, bytes + 1);
	return 0;
}

/* Joins base and a relative path; base holds no symbolic links, so that leading ../ can be taken off as text. */
static int path_parse(const struct schema_row *row, const char *text, size_t bytes, const char *base, char *out,
		      struct problem *problem)
{
	char joined[2 * 4096];
	size_t keep = strlen(base);
	int err = length_check(row, bytes, problem);

	if (err)
		return err;
	if (text[0] == '/') {
		memcpy(out, text, bytes + 1);
		return 0;
	}
	for (;;) {
		if (strncmp(text, "./", 2) == 0) {
			text += 2;
		} else if (strncmp(text, "../", 3) == 0) {
			text += 3;
			while (keep > 0 && base[--keep] != '/')
				;
		} else if (text[0] == '/') {
			text++;
		} else {
			break;
		}
	}
	if (keep == 1 && base[0] == '/')
		keep = 0;
	int length = snprintf(joined, sizeof(joined), "%.*s/%s", (int)keep, base, text);
	if (length < 0 || (uint64_t)length > row->max)
		return problem_set(problem,
				   "the path is too long once joined with the configuration's directory (%d bytes, "
				   "allowed are %llu)",
				   length, (unsigned long long)row->max);
	memcpy(out, joined, (size_t)length + 1);
	return 0;
}

/* A slash makes it a path. */
static int build_parse(const struct schema_row *row, const char *text, size_t bytes, const char *base, char *out,
		       struct problem *problem)
{
	char shown[SHOWN_BYTES];

	if (strchr(text, '/'))
		return path_parse(row, text, bytes, base, out, problem);
	if (bytes >= BATON_NAME_BYTES || !is_name(text, bytes, "-_.+"))
		return problem_set(problem, "expected %s (with a slash in it) such as %s, found %s",
				   schema_type_phrase(row->type), row->example, value_shown(text, bytes, shown));
	memcpy(out, text, bytes + 1);
	return 0;
}

static int enum_parse(const struct schema_row *row, const char *text, size_t bytes, uint64_t *out,
		      struct problem *problem)
{
	char shown[SHOWN_BYTES], list[128] = "", hint[SHOWN_BYTES];

	for (uint32_t i = 0; row->words[i]; i++) {
		if (strcmp(row->words[i], text) == 0) {
			*out = i;
			return 0;
		}
		size_t used = strlen(list);
		snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", row->words[i]);
	}
	return problem_set(problem, "expected one of %s, found %s%s", list, value_shown(text, bytes, shown),
			   value_meant(text, row->words, hint));
}

/* Stores a number in a field of 1, 2, 4 or 8 bytes; the row's range sees to it that it fits. */
static void store(void *field, uint32_t width, uint64_t value)
{
	uint8_t v1 = (uint8_t)value;
	uint16_t v2 = (uint16_t)value;
	uint32_t v4 = (uint32_t)value;

	switch (width) {
	case 1:
		memcpy(field, &v1, sizeof(v1));
		break;
	case 2:
		memcpy(field, &v2, sizeof(v2));
		break;
	case 4:
		memcpy(field, &v4, sizeof(v4));
		break;
	default:
		memcpy(field, &value, sizeof(value));
	}
}

static int bool_parse(const char *text, size_t bytes, uint64_t *out, struct problem *problem)
{
	static const char *const words[] = { "true", "false", NULL };
	char shown[SHOWN_BYTES], hint[SHOWN_BYTES];

	*out = strcmp(text, "true") == 0;
	if (*out || strcmp(text, "false") == 0)
		return 0;
	return problem_set(problem, "expected true or false, found %s%s", value_shown(text, bytes, shown),
			   value_meant(text, words, hint));
}

static int ip_parse(const char *text, size_t bytes, uint32_t *out, struct problem *problem)
{
	char shown[SHOWN_BYTES];
	struct in_addr in;

	/* inet_pton takes exactly four decimal parts and refuses leading zeros. */
	if (inet_pton(AF_INET, text, &in) != 1)
		return problem_set(problem, "expected an IPv4 address such as 10.77.0.1, found %s",
				   value_shown(text, bytes, shown));
	*out = in.s_addr;
	return 0;
}

int value_parse_prefix(const char *text, struct config_address *out, struct problem *problem)
{
	char shown[SHOWN_BYTES], address[INET_ADDRSTRLEN];
	size_t bytes = strlen(text);
	const char *slash = strchr(text, '/');
	uint32_t ip = 0, prefix = 0;

	value_shown(text, bytes, shown);
	if (!slash && ip_parse(text, bytes, &ip, problem) == 0)
		return problem_set(problem, "%s needs a prefix length, for example '%.15s/24'", shown, text);
	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return problem_set(problem, "expected ADDRESS/PREFIX such as 10.77.0.1/24, found %s", shown);
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	if (ip_parse(address, strlen(address), &ip, problem))
		return problem_set(problem, "expected ADDRESS/PREFIX such as 10.77.0.1/24, found %s", shown);
	size_t digits = strspn(slash + 1, "0123456789");
	for (size_t i = 0; i < digits && i < 3; i++)
		prefix = prefix * 10 + (uint32_t)(slash[1 + i] - '0');
	if (digits == 0 || slash[1 + digits] != '\0' || (digits > 1 && slash[1] == '0'))
		return problem_set(problem, "expected ADDRESS/PREFIX such as 10.77.0.1/24, found %s", shown);
	if (digits > 2 || prefix < 1 || prefix > 32)
		return problem_set(problem, "%s: prefix length out of range; allowed 1 to 32", shown);
	*out = (struct config_address){ .ip = ip, .prefix = (uint8_t)prefix };
	return 0;
}

/* A CPU number at *text, which is moved past it. Returns -1 if there is none, or it is not below 1024. */
static int cpu_parse(const char **text)
{
	int cpu = 0;
	size_t digits = strspn(*text, "0123456789");

	if (digits == 0 || digits > 4 || (digits > 1 && **text == '0'))
		return -1;
	for (size_t i = 0; i < digits; i++)
		cpu = cpu * 10 + (*text)[i] - '0';
	*text += digits;
	return cpu < 1024 ? cpu : -1;
}

int value_parse_cores(const char *text, uint32_t *cores, uint32_t *count, uint32_t max, struct problem *problem)
{
	char shown[SHOWN_BYTES];
	const char *at = text;
	uint32_t n = *count;

	value_shown(text, strlen(text), shown);
	do {
		int first = cpu_parse(&at), last = first;

		if (first >= 0 && *at == '-') {
			at++;
			last = cpu_parse(&at);
		}
		if (first < 0 || last < first || (*at != '\0' && *at != ','))
			return problem_set(problem, "expected CPU numbers (0 to 1023) such as [0, 2-3], found %s",
					   shown);
		for (; first <= last; first++) {
			if (n >= max)
				return problem_set(problem, "too many CPUs; allowed are %u", max);
			cores[n++] = (uint32_t)first;
		}
	} while (*at++ == ',');
	*count = n;
	return 0;
}

int value_parse(const struct schema_row *row, const char *text, size_t bytes, bool plain, const char *base, void *field,
		struct problem *problem)
{
	uint64_t number = 0;
	uint32_t ip = 0;
	int err = 0;
	bool numeric = row->type == SCHEMA_INT || row->type == SCHEMA_COUNT || row->type == SCHEMA_RATE ||
		       row->type == SCHEMA_BOOL;

	if (numeric && !plain)
		return problem_set(problem, "expected %s, found text in quotes; take the quotes off",
				   schema_type_phrase(row->type));
	bool zero = row->zero && strcmp(text, row->zero) == 0;
	switch (row->type) {
	case SCHEMA_STRING:
		err = length_check(row, bytes, problem);
		if (!err)
			memcpy(field, text, bytes + 1);
		return err;
	case SCHEMA_NAME:
	case SCHEMA_VERSION:
		return name_parse(row, text, bytes, field, problem);
	case SCHEMA_PATH:
		if (zero)
			*(char *)field = '\0';
		return zero ? 0 : path_parse(row, text, bytes, base, field, problem);
	case SCHEMA_BUILD:
		if (zero)
			*(char *)field = '\0';
		return zero ? 0 : build_parse(row, text, bytes, base, field, problem);
	case SCHEMA_GATE:
		return gate_parse(row, text, field, problem);
	case SCHEMA_IP:
		if (!zero)
			err = ip_parse(text, bytes, &ip, problem);
		number = ip;
		break;
	case SCHEMA_BOOL:
		err = bool_parse(text, bytes, &number, problem);
		break;
	case SCHEMA_ENUM:
		err = enum_parse(row, text, bytes, &number, problem);
		break;
	default:
		err = number_parse(row, text, &number, problem);
	}
	if (!err && row->width)
		store(field, row->width, number);
	return err;
}
