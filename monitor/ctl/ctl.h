/* batonctl: orders and questions to a running batond, over its control socket. */
#ifndef BATON_CTL_H
#define BATON_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "abi.h"

enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,      /* refused or failed; `status`: warn */
	CTL_USAGE = 2,       /* `status`: critical */
	CTL_UNREACHABLE = 3, /* no daemon, or it does not answer */
	CTL_NOT_FOUND = 4,
	CTL_TIMEOUT = 5,     /* gave up waiting; the daemon goes on */
	CTL_DEGRADED = 6,    /* a rollout that was aborted or rolled back */
	CTL_PAUSED = 7,      /* one that waits for an operator */
	CTL_DENIED = 8,
};

#define CTL_CHOSEN 32u /* --bucket and --key, each */

struct ctl_options {
	char instance[BATON_NAME_BYTES]; /* empty: the only one there is */
	char socket[108];                /* empty: that of the instance */
	bool json;
	const struct ctl_command *command;
	const char *noun; /* of the command, or all that is given of one; NULL: none */
	/* of the command */
	const char *target;  /* points into argv, as version does */
	const char *second; /* of the two of a command that takes two */
	char **words;       /* of a command that takes any number: in argv, behind one another */
	uint32_t word_count;
	const char *version;
	uint64_t timeout_ms;
	uint64_t interval_ms;
	bool wait, effective, end;
	bool replace, accept_one_way, full, watch; /* rollout */
	bool without_records; /* quarantine replay */
	const char *bucket[CTL_CHOSEN], *key[CTL_CHOSEN]; /* into argv */
	uint32_t buckets, keys;
	bool prom;
	uint32_t last;    /* orders of the audit log */
	const char *plugin; /* into argv */
	const char *file; /* into argv: no daemon is asked */
	uint64_t seed;
	const char *bucket_list, *group; /* into argv */
	bool help, show_version; /* instead of the command */
};

#define CTL_LOCAL 'L' /* asks no daemon */
#define CTL_ANSWER_MS 10000u /* a daemon that turns at all answers within milliseconds */

/* One command: its words, its options, what it does. */
struct ctl_command {
	const char *noun, *verb; /* verb NULL: the noun is the command */
	const char *argument;    /* names of its arguments, "ONE" or "ONE TWO", "[ONE]" if it may be left out, "ONE..."
			      * for one or more; NULL: none */
	const char *options;     /* letters of ctl_option that it takes, and CTL_LOCAL */
	const char *summary;
	const char *help;
	int (*run)(const struct ctl_options *o, FILE *out, FILE *err);
};
extern const struct ctl_command ctl_commands[]; /* ended by a NULL noun: ctl_commands.c */

/* The whole program but for main(): parses, runs, prints. Returns the exit code. */
int ctl_main(int argc, char **argv, FILE *out, FILE *err);

/* ctl_options.c. Returns 0, or -EINVAL after one line on `err` that says what to write instead. */
int ctl_parse(struct ctl_options *out, int argc, char **argv, FILE *err);
/* No command: those of the noun, or all. */
void ctl_help(const struct ctl_command *command, const char *noun, FILE *out);

/* The word of `words` (ended by NULL) that `word` was probably meant to be, or NULL. At most two edits away. */
const char *ctl_suggest(const char *word, const char *const *words);
/* "a, b, c" of the words (ended by NULL), cut to `size`. Returns `out`. */
const char *ctl_join(const char *const *words, char *out, size_t size);

/* Fills in instance and socket where they were left out. Returns CTL_OK or the exit code after a line on `err`. */
int ctl_find_socket(struct ctl_options *o, FILE *err);

/* One question, one answer, within timeout_ms. Takes the reference to args. Returns CTL_OK and *reply (ok may still be
 * false), or the exit code after a line on `err`. */
int ctl_ask(const struct ctl_options *o, const char *command, json_t *args, uint64_t timeout_ms, json_t **reply,
	    FILE *err);

/* Says on `err` what the daemon refused and, line by line, which errors a configuration has; as JSON if asked for.
 * Returns the exit code that its code stands for. */
int ctl_refused(const struct ctl_options *o, const json_t *reply, FILE *err);

/* One line on `err`, as JSON if asked for. Returns `code`. */
int ctl_fail(const struct ctl_options *o, enum ctl_exit code, FILE *err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

int64_t ctl_now_ms(void); /* CLOCK_MONOTONIC */
void ctl_wait_ms(uint64_t ms);

/* ctl_status.c */
int ctl_status(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_ping(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_worker_list(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_worker_restart(const struct ctl_options *o, FILE *out, FILE *err);

/* ctl_stats.c */
int ctl_stats(const struct ctl_options *o, FILE *out, FILE *err);

/* ctl_config.c */
int ctl_config_reload(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_config_diff(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_config_show(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_config_explain(const struct ctl_options *o, FILE *out, FILE *err);

/* ctl_audit.c */
int ctl_audit(const struct ctl_options *o, FILE *out, FILE *err);

/* ctl_crash.c */
int ctl_crash_list(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_crash_show(const struct ctl_options *o, FILE *out, FILE *err);

/* ctl_scale.c */
int ctl_worker_start(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_worker_stop(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_worker_drain(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_worker_debug(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_buckets_show(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_buckets_find(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_buckets_move(const struct ctl_options *o, FILE *out, FILE *err);

/* ctl_balance.c */
int ctl_balance_status(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_balance_on(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_balance_off(const struct ctl_options *o, FILE *out, FILE *err);

/* ctl_state.c */
int ctl_state_verify(const struct ctl_options *o, FILE *out, FILE *err);

/* ctl_snapshot.c */
int ctl_state_snapshot(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_state_restore(const struct ctl_options *o, FILE *out, FILE *err);

/* ctl_plugin.c */
int ctl_plugin_check(const struct ctl_options *o, FILE *out, FILE *err);

/* ctl_quarantine.c */
int ctl_quarantine_list(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_quarantine_show(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_quarantine_replay(const struct ctl_options *o, FILE *out, FILE *err);

/* ctl_rollout.c */
int ctl_rollout_start(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_rollout_status(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_rollout_pause(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_rollout_resume(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_rollout_promote(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_rollout_abort(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_rollout_retry(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_rollout_undo(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_rollout_explain(const struct ctl_options *o, FILE *out, FILE *err);
int ctl_rollout_history(const struct ctl_options *o, FILE *out, FILE *err);
/* ctl_shadow.c */
int ctl_rollout_diff(const struct ctl_options *o, FILE *out, FILE *err);

/* ctl_print.c */
void ctl_print_json(FILE *out, const json_t *reply);
void ctl_print_status(FILE *out, const json_t *reply);
void ctl_print_workers(FILE *out, const json_t *rows);
void ctl_print_restart(FILE *out, const json_t *reply);

#endif
