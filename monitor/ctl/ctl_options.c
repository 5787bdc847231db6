/* Command line of batonctl: words of one table, options that a command says it takes, did-you-mean for the rest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_values.h"

#define WORDS_MOST 32u

/* Letters in ctl_command.options. */
enum {
	OPTION_INSTANCE = 'i', OPTION_SOCKET = 's', OPTION_JSON = 'j', OPTION_HELP = 'h', OPTION_SHOW_VERSION = 'V',
	OPTION_BUCKETS = 'B', OPTION_GROUP = 'G', OPTION_VERSION = 'v', OPTION_TIMEOUT = 't', OPTION_INTERVAL = 'n',
	OPTION_WAIT = 'w', OPTION_EFFECTIVE = 'e', OPTION_PROM = 'p', OPTION_LAST = 'l', OPTION_FILE = 'f',
	OPTION_SEED = 'S', OPTION_PLUGIN = 'P', OPTION_BUCKET = 'b', OPTION_KEY = 'k', OPTION_END = 'E',
	OPTION_TO = 'o', OPTION_REPLACE = 'R', OPTION_ONE_WAY = 'a', OPTION_FULL = 'F', OPTION_WATCH = 'W',
	OPTION_NO_RECORDS = 'N',
};

static const struct option_row {
	const char *name;
	char letter;    /* in ctl_command.options, if it is not for all */
	char shorthand; /* 0: none */
	const char *value; /* what it takes; NULL: nothing */
	const char *help;
} option_table[] = {
	{ "instance", OPTION_INSTANCE, 'i', "NAME", "instance to talk to (default: the only one that runs)" },
	{ "socket", OPTION_SOCKET, 's', "PATH", "control socket to talk to, instead of -i" },
	{ "json", OPTION_JSON, 'j', NULL, "print JSON: schema 1, one object" },
	{ "help", OPTION_HELP, 'h', NULL, "this text; after a command: its own" },
	{ "version", OPTION_SHOW_VERSION, 'V', NULL, "version, build id, ABI and build type" },
	{ "version", OPTION_VERSION, 0, "V",
	  "version to run: what a plugin file says it is, a name of the group's `versions`, or a path "
	  "(default: the group's current file, read again)" },
	{ "timeout", OPTION_TIMEOUT, 0, "TIME", "wait no longer: 500ms, 30s, 5m (default 60s)" },
	{ "wait", OPTION_WAIT, 0, NULL, "return when it is applied, with what was restarted" },
	{ "effective", OPTION_EFFECTIVE, 0, NULL, "also what the file does not mention: defaults" },
	{ "interval", OPTION_INTERVAL, 0, "TIME", "time over which rates are measured (default 1s)" },
	{ "last", OPTION_LAST, 0, "N", "so many, the latest (default 20, at most 500)" },
	{ "file", OPTION_FILE, 0, "PATH", "read this file; asks no daemon" },
	{ "seed", OPTION_SEED, 0, "N", "of the made-up entries: 0 to 4294967295 (default 1)" },
	{ "plugin", OPTION_PLUGIN, 0, "FILE.so",
	  "whose verify looks at the records of its size (default: what the groups run)" },
	{ "bucket", OPTION_BUCKET, 0, "B", "keep this bucket, or these: 17 or 0-255,300; may be given again" },
	{ "key", OPTION_KEY, 0, "KEY", "keep this player's bucket, as for `buckets find`; may be given again" },
	{ "buckets", OPTION_BUCKETS, 0, "LIST", "these buckets: 17 or 0-255,300 or 0-1022/2" },
	{ "group", OPTION_GROUP, 0, "GROUP", "of this group" },
	{ "end", OPTION_END, 0, NULL, "it is not debugged any more: it takes its share again" },
	{ "to", OPTION_TO, 0, "V", "version: as for `worker restart --version`; of `undo`: one of `rollout history`" },
	{ "replace", OPTION_REPLACE, 0, NULL, "roll back one that is under way first" },
	{ "accept-one-way", OPTION_ONE_WAY, 0, NULL, "also to a version whose records no older one can have back" },
	{ "full", OPTION_FULL, 0, NULL, "to the end: no more pauses, no waiting for gates to pass" },
	{ "watch", OPTION_WATCH, 0, NULL, "print each change until it is over, or waits for an operator" },
	{ "without-records", OPTION_NO_RECORDS, 0, NULL, "on empty records, not on those that were kept with the entry" },
	{ "prom", OPTION_PROM, 0, NULL, "print Prometheus text: at once, without rates" },
};
#define OPTIONS (sizeof(option_table) / sizeof(option_table[0]))
#define FOR_ALL "isjh"

/* ---- did you mean ---- */

/* `prefix`: what stands before the words on the command line; `see`: what knows more. */
static int unknown(const struct ctl_options *o, FILE *err, const char *what, const char *prefix, const char *word,
		   const char *const *words, const char *see)
{
	const char *meant = ctl_suggest(word + strlen(prefix) * (strncmp(word, prefix, strlen(prefix)) == 0), words);

	if (meant)
		ctl_fail(o, CTL_USAGE, err, "unknown %s '%s': did you mean '%s%s'?", what, word, prefix, meant);
	else
		ctl_fail(o, CTL_USAGE, err, "unknown %s '%s': %s", what, word, see);
	return -EINVAL;
}

/* ---- values ---- */

static int choose(const struct ctl_options *o, FILE *err, const char *option, const char *value, const char **list,
		  uint32_t *count)
{
	if (*count == CTL_CHOSEN) {
		ctl_fail(o, CTL_USAGE, err, "--%s: %u are the most", option, CTL_CHOSEN);
		return -EINVAL;
	}
	list[(*count)++] = value;
	return 0;
}

static int set(struct ctl_options *o, FILE *err, const struct option_row *row, const char *value)
{
	switch (row->letter) {
	case OPTION_INSTANCE:
		if (strchr(value, '/')) {
			ctl_fail(o, CTL_USAGE, err, "-i '%s': give the name of an instance; for a path use -s", value);
			return -EINVAL;
		}
		return ctl_copy(o, err, row->name, value, o->instance, sizeof(o->instance));
	case OPTION_SOCKET: return ctl_copy(o, err, row->name, value, o->socket, sizeof(o->socket));
	case OPTION_JSON: o->json = true; return 0;
	case OPTION_HELP: o->help = true; return 0;
	case OPTION_SHOW_VERSION: o->show_version = true; return 0;
	case OPTION_WAIT: o->wait = true; return 0;
	case OPTION_EFFECTIVE: o->effective = true; return 0;
	case OPTION_END: o->end = true; return 0;
	case OPTION_REPLACE: o->replace = true; return 0;
	case OPTION_ONE_WAY: o->accept_one_way = true; return 0;
	case OPTION_FULL: o->full = true; return 0;
	case OPTION_WATCH: o->watch = true; return 0;
	case OPTION_NO_RECORDS: o->without_records = true; return 0;
	case OPTION_TO: o->version = value; return 0;
	case OPTION_BUCKETS: o->bucket_list = value; return 0;
	case OPTION_GROUP: o->group = value; return 0;
	case OPTION_BUCKET: return choose(o, err, row->name, value, o->bucket, &o->buckets);
	case OPTION_KEY: return choose(o, err, row->name, value, o->key, &o->keys);
	case OPTION_VERSION: o->version = value; return 0;
	case OPTION_PROM: o->prom = true; return 0;
	case OPTION_LAST: return ctl_parse_count(o, err, row->name, value, &o->last);
	case OPTION_FILE: o->file = value; return 0;
	case OPTION_PLUGIN: o->plugin = value; return 0;
	case OPTION_SEED: return ctl_parse_seed(o, err, value, &o->seed);
	case OPTION_TIMEOUT: return ctl_parse_time(o, err, row->name, value, &o->timeout_ms);
	default: return ctl_parse_time(o, err, row->name, value, &o->interval_ms);
	}
}

/* ---- options ---- */

static bool takes(const struct ctl_options *o, const struct option_row *row)
{
	if (strchr(FOR_ALL, row->letter))
		return true;
	/* --version asks for ours until a command is named that takes one of its own. */
	if (row->letter == OPTION_SHOW_VERSION)
		return !o->command || !strchr(o->command->options, OPTION_VERSION);
	return o->command && strchr(o->command->options, row->letter);
}

static int unknown_option(const struct ctl_options *o, FILE *err, const char *word)
{
	const char *names[OPTIONS + 1] = { NULL }, *verb = o->command ? o->command->verb : NULL;
	char see[96];
	size_t n = 0;

	for (size_t i = 0; i < OPTIONS; i++)
		if (takes(o, &option_table[i]))
			names[n++] = option_table[i].name;
	snprintf(see, sizeof(see), "see `batonctl %s%s%s%s--help`", o->command ? o->command->noun : "",
		 verb ? " " : "", verb ? verb : "", o->command ? " " : "");
	return unknown(o, err, "option", "--", word, names, see);
}

/* argv[*at] starts with '-'. Moves *at behind what was used. */
static int parse_option(struct ctl_options *o, int argc, char **argv, int *at, FILE *err)
{
	const char *word = argv[(*at)++], *value = NULL;
	const struct option_row *row = NULL;
	size_t len = strcspn(word, "=");

	for (size_t i = 0; i < OPTIONS && !row; i++) {
		const struct option_row *r = &option_table[i];
		bool is_long = word[1] == '-' && len - 2 == strlen(r->name) && strncmp(word + 2, r->name, len - 2) == 0;
		bool is_short = word[1] == r->shorthand && r->shorthand && word[2] == 0;
		if ((is_long || is_short) && takes(o, r))
			row = r;
	}
	if (!row)
		return unknown_option(o, err, word);
	if (word[len] == '=')
		value = word + len + 1;
	if (value && !row->value) {
		ctl_fail(o, CTL_USAGE, err, "--%s takes no value", row->name);
		return -EINVAL;
	}
	if (row->value && !value && *at < argc)
		value = argv[(*at)++];
	if (row->value && !value) {
		ctl_fail(o, CTL_USAGE, err, "--%s needs a value: %s", row->name, row->value);
		return -EINVAL;
	}
	return set(o, err, row, value);
}

/* ---- words ---- */

/* Nouns, or the verbs of a noun, each once. */
static void list_words(const char *noun, const char **words)
{
	size_t n = 0;

	for (const struct ctl_command *c = ctl_commands; c->noun; c++) {
		const char *word = noun ? (strcmp(c->noun, noun) == 0 ? c->verb : NULL) : c->noun;
		if (word && (n == 0 || strcmp(words[n - 1], word) != 0) && n < WORDS_MOST - 1)
			words[n++] = word;
	}
	words[n] = NULL;
}

/* The word itself or the only one that begins so. */
static const char *match(const char *word, const char *const *words)
{
	const char *found = NULL;
	size_t hits = 0;

	for (; *words; words++) {
		if (strcmp(word, *words) == 0)
			return *words;
		if (word[0] && strncmp(word, *words, strlen(word)) == 0) {
			found = *words;
			hits++;
		}
	}
	return hits == 1 ? found : NULL;
}

/* No noun or verb of its noun. A verb alone is told with the nouns that have it. */
static int unknown_word(const struct ctl_options *o, const char *noun, const char *word, FILE *err)
{
	const char *words[WORDS_MOST];
	char list[128] = "", see[192];

	for (const struct ctl_command *c = ctl_commands; c->noun && !noun; c++)
		if (c->verb && strcmp(c->verb, word) == 0)
			snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s'%s %s'", list[0] ? " or " : "",
				 c->noun, c->verb);
	list_words(noun, words);
	if (noun)
		snprintf(see, sizeof(see), "'%s' has %s", noun, ctl_join(words, list, sizeof(list)));
	else if (list[0])
		snprintf(see, sizeof(see), "did you mean %s?", list);
	else
		snprintf(see, sizeof(see), "see `batonctl --help`");
	return unknown(o, err, noun ? "verb" : "command", "", word, words, see);
}

static bool takes_many(const struct ctl_command *command)
{
	return command->argument && strstr(command->argument, "...");
}

/* argv[at] is one of many. They are moved together, over options between them: what an option said has been read. */
static void take_many(struct ctl_options *o, char **argv, int at)
{
	if (o->word_count == 0)
		o->words = &argv[at];
	o->words[o->word_count++] = argv[at];
	o->target = o->words[0];
}

static int take_word(struct ctl_options *o, const char **noun, const char *word, FILE *err)
{
	const char *words[WORDS_MOST];
	const char *found;

	if (o->command) {
		const char *argument = o->command->argument;
		if (argument && o->target && strchr(argument, ' ') && !o->second) {
			o->second = word;
			return 0;
		}
		if (!argument || o->target) {
			ctl_fail(o, CTL_USAGE, err, "'%s' is one word too many: see `batonctl %s --help`", word,
				 o->command->noun);
			return -EINVAL;
		}
		o->target = word;
		return 0;
	}
	list_words(*noun, words);
	found = match(word, words);
	if (!found && !*noun && strcmp(word, "help") == 0) {
		o->help = true; /* `help worker restart`: of that */
		return 0;
	}
	if (!found)
		return unknown_word(o, *noun, word, err);
	for (const struct ctl_command *c = ctl_commands; c->noun && !o->command; c++) {
		if (!*noun && strcmp(c->noun, found) == 0 && !c->verb)
			o->command = c;
		if (*noun && strcmp(c->noun, *noun) == 0 && c->verb && strcmp(c->verb, found) == 0)
			o->command = c;
	}
	if (!*noun)
		*noun = found;
	return 0;
}

static int need_verb(const struct ctl_options *o, const char *noun, FILE *err)
{
	const char *words[WORDS_MOST];
	char list[128];

	list_words(noun, words);
	ctl_join(words, list, sizeof(list));
	if (noun)
		ctl_fail(o, CTL_USAGE, err, "'%s' needs one of: %s", noun, list);
	else
		ctl_fail(o, CTL_USAGE, err, "give a command: %s; see `batonctl --help`", list);
	return -EINVAL;
}

int ctl_parse(struct ctl_options *out, int argc, char **argv, FILE *err)
{
	struct ctl_options o = { .timeout_ms = 60000, .interval_ms = 1000, .last = 20, .seed = 1 };
	const char *noun = NULL;
	int at = 1, rc = 0;

	for (int i = 1; i < argc; i++) /* also for the errors of options before it */
		o.json = o.json || strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "-j") == 0;
	while (at < argc && rc == 0) {
		if (argv[at][0] == '-' && argv[at][1])
			rc = parse_option(&o, argc, argv, &at, err);
		else if (o.command && takes_many(o.command))
			take_many(&o, argv, at++);
		else
			rc = take_word(&o, &noun, argv[at++], err);
	}
	if (rc)
		return rc;
	o.noun = noun;
	if (!o.help && !o.show_version) {
		if (!o.command)
			return need_verb(&o, noun, err);
		const char *argument = o.command->argument;
		bool two = argument && strchr(argument, ' ') && !takes_many(o.command);
		if (argument && (argument[0] != '[' || takes_many(o.command)) && (!o.target || (two && !o.second))) {
			ctl_fail(&o, CTL_USAGE, err, "`batonctl %s %s` needs %s", o.command->noun, o.command->verb,
				 o.command->argument);
			return -EINVAL;
		}
	}
	if (o.prom && o.json) {
		ctl_fail(&o, CTL_USAGE, err, "give --prom or --json, not both");
		return -EINVAL;
	}
	if (o.instance[0] && o.socket[0]) {
		ctl_fail(&o, CTL_USAGE, err, "give -i or -s, not both");
		return -EINVAL;
	}
	*out = o;
	return 0;
}

/* ---- help ---- */

static void print_option(FILE *out, const struct option_row *row)
{
	char left[40];

	snprintf(left, sizeof(left), "%s%c%s --%s%s%s", row->shorthand ? "-" : " ",
		 row->shorthand ? row->shorthand : ' ', row->shorthand ? "," : " ", row->name, row->value ? " " : "",
		 row->value ? row->value : "");
	fprintf(out, "  %-24s %s\n", left, row->help);
}

void ctl_help(const struct ctl_command *command, const char *noun, FILE *out)
{
	const struct ctl_options o = { .command = command };

	if (command) {
		fprintf(out, "usage: batonctl [-i NAME | -s PATH] [--json] %s%s%s%s%s%s\n\n%s\n\noptions:\n",
			command->noun, command->verb ? " " : "", command->verb ? command->verb : "",
			command->argument ? " " : "", command->argument ? command->argument : "",
			command->options[0] ? " [options]" : "", command->help);
		for (size_t i = 0; i < OPTIONS; i++)
			if (takes(&o, &option_table[i]) && option_table[i].letter != OPTION_SHOW_VERSION)
				print_option(out, &option_table[i]);
		return;
	}
	if (noun)
		fprintf(out, "usage: batonctl [-i NAME | -s PATH] [--json] %s COMMAND; `batonctl help %s COMMAND` says more "
			"of one\n\n", noun, noun);
	else
		fputs("usage: batonctl [-i NAME | -s PATH] [--json] COMMAND\n\n"
		      "Asks a running batond, or orders it. Commands (the first letters are enough):\n\n", out);
	for (const struct ctl_command *c = ctl_commands; c->noun; c++) {
		char left[40];

		if (noun && strcmp(noun, c->noun) != 0)
			continue;
		snprintf(left, sizeof(left), "%s%s%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
			 c->argument ? " " : "", c->argument ? c->argument : "");
		fprintf(out, "  %-30s %s\n", left, c->summary);
	}
	fputs("\noptions:\n", out);
	for (size_t i = 0; i < OPTIONS; i++)
		if (takes(&o, &option_table[i]))
			print_option(out, &option_table[i]);
	fputs("\nexit codes: 0 ok, 1 refused or failed, 2 wrong usage, 3 no daemon reached, 4 no such object,\n"
	      "5 timed out, 8 permission denied; of `status`: 0 ok, 1 warn, 2 critical, 3 no daemon reached;\n"
	      "of `rollout status`: 6 degraded, 7 paused until an operator says something\n", out);
}
