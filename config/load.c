/* Loading: file, libyaml document, walk, checks; and the list of errors, in the order of the file. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader.h"
#include "sabotage.h"

static bool place_before(struct place a, struct place b)
{
	return a.line < b.line || (a.line == b.line && a.column < b.column);
}

void loader_error(struct loader *l, struct place place, const char *format, ...)
{
	uint32_t at = l->errors < LOADER_ERRORS ? l->errors : LOADER_ERRORS;
	va_list args;

	l->errors++;
	while (at > 0 && place_before(place, l->error[at - 1].place))
		at--;
	if (at == LOADER_ERRORS)
		return;
	memmove(&l->error[at + 1], &l->error[at], (LOADER_ERRORS - 1 - at) * sizeof(l->error[0]));
	l->error[at].place = place;
	va_start(args, format);
	vsnprintf(l->error[at].text, sizeof(l->error[at].text), format, args);
	va_end(args);
}

void loader_print(const struct loader *l, FILE *out)
{
	for (uint32_t i = 0; i < l->errors && i < LOADER_ERRORS; i++)
		fprintf(out, "%s:%u:%u: error: %s\n", l->name, l->error[i].place.line + 1, l->error[i].place.column + 1,
			l->error[i].text);
}

void loader_note(struct loader *l, const void *field, struct place place, bool element, bool given, bool bad)
{
	if (l->spot_count == l->spot_room) {
		uint32_t room = l->spot_room ? 2 * l->spot_room : 128;
		struct spot *spots = reallocarray(l->spots, room, sizeof(*spots));

		if (!spots) {
			loader_error(l, place, "out of memory");
			return;
		}
		l->spots = spots;
		l->spot_room = room;
	}
	l->spots[l->spot_count++] = (struct spot){ field, place, element, given, bad };
}

const struct spot *loader_spot(const struct loader *l, const void *field, bool element)
{
	for (uint32_t i = 0; i < l->spot_count; i++)
		if (l->spots[i].field == field && l->spots[i].element == element)
			return &l->spots[i];
	return NULL;
}

bool loader_good(const struct loader *l, const void *field)
{
	const struct spot *spot = loader_spot(l, field, false);

	return spot && !spot->bad;
}

/* Sets l->base to the directory of the file; of a name that is no file, to the working directory. */
static void base_find(struct loader *l)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(l->name, '/');

	snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - l->name + 1) : 1, slash ? l->name : ".");
	if (!realpath(directory, l->base) && !getcwd(l->base, sizeof(l->base)))
		strcpy(l->base, "/");
}

/* What stands behind the end of the one document. libyaml ends it, without a word, where a line is indented less than
 * the first key, or where the braces around everything close: whatever follows would have been written in vain. */
static void rest_refuse(struct loader *l, yaml_parser_t *parser)
{
	yaml_document_t rest;
	struct place place;

	if (!yaml_parser_load(parser, &rest)) {
		place = place_of(parser->problem_mark);
	} else {
		bool end = yaml_document_get_root_node(&rest) == NULL;

		place = place_of(rest.start_mark);
		yaml_document_delete(&rest);
		if (end)
			return;
	}
	if (!BATON_SABOTAGE(rest_ignored))
		loader_error(l, place,
			     "the configuration has ended above this: indent every section like the first, and "
			     "leave out braces around everything");
}

static void document_load(struct loader *l)
{
	yaml_document_t document;
	yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser)) {
		loader_error(l, (struct place){ 0, 0 }, "out of memory");
		return;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)l->text, l->bytes);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	if (!yaml_parser_load(&parser, &document)) {
		loader_yaml_error(l, &parser);
	} else {
		l->document = &document;
		loader_walk(l);
		l->document = NULL;
		yaml_document_delete(&document);
		rest_refuse(l, &parser);
	}
	yaml_parser_delete(&parser);
}

/* Places of values, not of whole elements: an element begins where its first member does. */
static int origins_take(const struct loader *l, struct config_origins *out)
{
	struct config_origin *at = calloc(l->spot_count ? l->spot_count : 1, sizeof(*at));
	uint32_t count = 0;

	if (!at)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->spot_count; i++) {
		const struct spot *spot = &l->spots[i];

		if (spot->element)
			continue;
		at[count++] = (struct config_origin){
			.offset = (uint32_t)((const uint8_t *)spot->field - (const uint8_t *)l->config),
			.given = spot->given,
			.line = spot->place.line + 1,
			.column = spot->place.column + 1,
		};
	}
	snprintf(out->file, sizeof(out->file), "%s", l->name);
	out->at = at;
	out->count = count;
	return 0;
}

void config_origins_free(struct config_origins *origins)
{
	free(origins->at);
	*origins = (struct config_origins){ .count = 0 };
}

/* Positions in messages count characters, and messages are lines: neither survives a text that is not text. */
static int text_load(const char *text, size_t bytes, const char *name, bool host, struct config *config,
		     struct config_origins *origins, FILE *errors)
{
	struct loader *l = calloc(1, sizeof(*l));
	uint32_t count = 1;

	if (!l || !(l->config = calloc(1, sizeof(*l->config)))) {
		fprintf(errors, "%s:1:1: error: out of memory\n", name);
		goto out;
	}
	/* Editors of another system begin a text with it. libyaml skips it, too, but counts it as a column: the first
	 * key would be indented more than all others, and so be the only one. */
	if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		bytes -= 3;
	}
	l->name = name;
	l->text = text;
	l->bytes = bytes;
	base_find(l);
	if (bytes > LOADER_FILE_BYTES)
		loader_error(l, (struct place){ 0, 0 }, "longer than 1 MiB; this is no configuration");
	else if (loader_scan(l))
		document_load(l);
	if (l->spot_count) {
		loader_resolve(l);
		loader_check(l);
		if (host)
			loader_check_host(l);
	}
	if (l->errors == 0 && origins && origins_take(l, origins))
		loader_error(l, (struct place){ 0, 0 }, "out of memory");
	loader_print(l, errors);
	count = l->errors;
	if (count == 0)
		*config = *l->config;
out:
	if (l) {
		free(l->spots);
		free(l->config);
	}
	free(l);
	return (int)count;
}

int config_parse(const char *text, size_t bytes, const char *name, struct config *config, FILE *errors)
{
	return text_load(text, bytes, name, false, config, NULL, errors);
}

static bool is_plain(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)); /* read() says what a directory is */
}

/* Reads at most `room` bytes. again: nothing is waited for. Returns how many, or -errno; -EBADF: no plain file. */
static ssize_t file_read(const char *path, bool again, char *text, size_t room)
{
	size_t bytes = 0;
	ssize_t n = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | (again ? O_NONBLOCK : 0));

	if (fd < 0)
		return -errno;
	if (again && !is_plain(fd) && !BATON_SABOTAGE(reload_reads_anything)) {
		close(fd);
		return -EBADF;
	}
	while (bytes < room && n != 0) {
		n = read(fd, text + bytes, room - bytes);
		if (n < 0 && errno != EINTR) {
			int err = -errno;

			close(fd);
			return err;
		}
		bytes += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	return (ssize_t)bytes;
}

static int file_load(const char *path, bool host, bool again, struct config *config, struct config_origins *origins,
		     FILE *errors)
{
	char *text = malloc(LOADER_FILE_BYTES + 1);
	ssize_t bytes = text ? file_read(path, again, text, LOADER_FILE_BYTES + 1) : -ENOMEM;
	int count = 1;

	if (bytes < 0)
		fprintf(errors, "%s:1:1: error: cannot read the configuration: %s\n", path,
			bytes == -EBADF ? "not a plain file, and what may never come is not waited for: put a file there"
					: strerror((int)-bytes));
	else
		count = text_load(text, (size_t)bytes, path, host, config, origins, errors);
	free(text);
	return count;
}

int config_load_traced(const char *path, bool host, struct config *config, struct config_origins *origins,
		       FILE *errors)
{
	return file_load(path, host, false, config, origins, errors);
}

int config_load_again(const char *path, struct config *config, struct config_origins *origins, FILE *errors)
{
	return file_load(path, true, true, config, origins, errors);
}

int config_load(const char *path, struct config *config, FILE *errors)
{
	return config_load_traced(path, true, config, NULL, errors);
}

int config_check_file(const char *path, FILE *out)
{
	struct config *config = calloc(1, sizeof(*config));
	uint32_t workers = 0;
	int count = 1;

	if (!config) {
		fprintf(out, "%s:1:1: error: out of memory\n", path);
		return count;
	}
	count = config_load_traced(path, false, config, NULL, out);
	for (uint32_t i = 0; i < config->groups; i++)
		workers += config->group[i].count;
	if (count == 0)
		fprintf(out, "%s: ok (instance %s: ports %u, services %u, workers %u, I/O lcores %u)\n", path,
			config->name, config->ports, config->services, workers, config->io_cores);
	else
		fprintf(out, "%s: errors %d%s\n", path, count,
			count > (int)LOADER_ERRORS ? ", the first 20 are shown" : "");
	free(config);
	return count;
}
