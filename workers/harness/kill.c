/* Kills: a call is stopped after N machine instructions, as SIGKILL would, and rolled back as the primary does it.
 *
 * The trap flag of the CPU raises SIGTRAP after each instruction; the handler counts, and leaves the call for good by
 * siglongjmp. What the call has stored by then is what a dead worker leaves in shared memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "inside.h"

#define STEPS_MOST 200000u /* of a whole sweep: some tenths of a second */
#define ENDLESS    2000000u /* a call of so many instructions is taken not to end */

static struct {
	volatile uint64_t steps, stop_at; /* 0: never */
	sigjmp_buf back;
} trace;

static void on_step(int number)
{
	(void)number;
	if (++trace.steps == trace.stop_at)
		siglongjmp(trace.back, 1);
}

/* Below the red zone: the compiler may keep values under the stack pointer. */
#define SET_TRAP(how)                                                                                                  \
	__asm__ __volatile__("lea -128(%%rsp), %%rsp\n\tpushfq\n\t" how "\n\tpopfq\n\tlea 128(%%rsp), %%rsp"          \
			     ::: "memory", "cc")
#define TRAP_ON()  SET_TRAP("orq $0x100, (%%rsp)")
#define TRAP_OFF() SET_TRAP("andq $~0x100, (%%rsp)")

struct victim {
	struct baton_test *t;
	const struct baton_packet *packet; /* NULL: a tick */
	const uint8_t *request;
	uint64_t number;
	uint32_t bucket;
	uint64_t time_ns;
	uint8_t *before;
	uint8_t data[2048];
};

/* Runs the call for at most stop_at instructions (0: to its end). True if it was killed. */
static bool run_and_kill(struct victim *victim, uint64_t stop_at)
{
	struct baton_test *t = victim->t;
	struct sandbox *s = &t->inside->sandbox;
	const struct baton_plugin *plugin = t->plugin;

	if (victim->packet != NULL && victim->packet->len != 0)
		memcpy(victim->data, victim->request, victim->packet->len);
	sandbox_begin(s, victim->bucket, victim->time_ns, victim->packet != NULL ? victim->time_ns : victim->number);
	trace.steps = 0;
	trace.stop_at = stop_at;
	if (sigsetjmp(trace.back, 1) != 0)
		return true;
	TRAP_ON();
	if (victim->packet != NULL)
		(void)plugin->packet(&t->ctx, victim->packet, victim->data);
	else
		plugin->tick(&t->ctx, victim->number);
	TRAP_OFF();
	return false;
}

static bool same_but_for_seq(const struct sandbox *s, const uint8_t *before, size_t *at)
{
	for (*at = 0; *at < s->bytes; ++*at) {
		size_t byte = *at % s->ctx->stride;

		if (s->records[*at] != before[*at] &&
		    (byte < offsetof(struct baton_record, seq) || byte >= offsetof(struct baton_record, state)))
			return false;
	}
	return true;
}

/* As state_roll_back() of the primary. Returns false after a failure that was kept. */
static bool roll_back(struct victim *victim, uint64_t instructions, const char *file, int line)
{
	struct sandbox *s = &victim->t->inside->sandbox;
	static uint8_t no_words[8]; /* a plugin changes none */
	struct journal_area area = {.records = s->records, .records_bytes = s->ctx->records_bytes,
				    .stride = s->ctx->stride, .words = no_words, .words_bytes = 0};
	struct journal_report report;
	size_t at;
	int rc = journal_roll_back(s->journal, &s->commit, 1, &area, &report);

	if (rc == 0 && same_but_for_seq(s, victim->before, &at))
		return true;
	static char text[256];
	if (rc != 0)
		snprintf(text, sizeof(text), "killed after %llu instructions: the journal is damaged",
			 (unsigned long long)instructions);
	else
		snprintf(text, sizeof(text), "killed after %llu instructions and rolled back, bucket %llu, record %llu, "
			 "offset %lld is not as it was: changed without baton_save, or before it",
			 (unsigned long long)instructions, (unsigned long long)(at / s->ctx->bucket_bytes),
			 (unsigned long long)(at % s->ctx->bucket_bytes / s->ctx->stride),
			 (long long)(at % s->ctx->stride) - (long long)sizeof(struct baton_record));
	memcpy(s->records, victim->before, s->bytes);
	inside_found(victim->t, text, file, line);
	return false;
}

/* Returns the number of kills. */
static uint32_t sweep(struct victim *victim, const char *file, int line)
{
	uint32_t kills = 0;

	if (run_and_kill(victim, ENDLESS))
		inside_fail(file, line, "the call has not ended after %u instructions", ENDLESS);
	uint64_t length = trace.steps, every = 1 + length * length / 2 / STEPS_MOST;
	bool good = roll_back(victim, length, file, line);
	for (uint64_t at = 1; good && at < length; at += every) {
		if (!run_and_kill(victim, at))
			break; /* another path, shorter: verify mode says so when it is sent */
		good = roll_back(victim, at, file, line);
		kills += good;
	}
	return kills;
}

static uint32_t sweep_with_handler(struct victim *victim, const char *file, int line)
{
	struct baton_test *t = victim->t;
	struct sandbox *s = &t->inside->sandbox;
	struct sigaction act = {.sa_handler = on_step}, before;
	uint32_t full = t->ctx.table_full, kills;

	t->inside->finding = NULL;
	victim->before = malloc(s->bytes);
	if (victim->before == NULL)
		inside_fail(file, line, "baton_test_kill: no memory");
	memcpy(victim->before, s->records, s->bytes);
	sigemptyset(&act.sa_mask);
	sigaction(SIGTRAP, &act, &before);
	kills = sweep(victim, file, line);
	sigaction(SIGTRAP, &before, NULL);
	free(victim->before);
	t->ctx.table_full = full;
	t->ctx.overflow = 0;
	t->ctx.used = 0;
	t->ctx.last = JOURNAL_NONE;
	return kills;
}

uint32_t baton_test_kill_at(struct baton_test *t, const void *data, uint16_t len, const char *file, int line)
{
	int32_t bucket = baton_test_bucket(t, data, len);

	if (bucket < 0 || len > sizeof(((struct victim *)0)->data))
		inside_fail(file, line, "a datagram of %u bytes: no worker would see it", len);
	struct baton_packet packet = {.len = len, .bucket = (uint16_t)bucket, .time_ns = t->time_ns};
	struct victim victim = {.t = t, .packet = &packet, .request = data, .bucket = (uint32_t)bucket,
				.time_ns = t->time_ns};
	return sweep_with_handler(&victim, file, line);
}

uint32_t baton_test_kill_tick_at(struct baton_test *t, uint32_t bucket, const char *file, int line)
{
	if (bucket >= t->buckets || t->plugin->tick == NULL)
		inside_fail(file, line, "no tick of bucket %u", bucket);
	struct victim victim = {.t = t, .number = t->inside->last_tick[bucket] + 1, .bucket = bucket,
				.time_ns = t->time_ns};
	return sweep_with_handler(&victim, file, line);
}
