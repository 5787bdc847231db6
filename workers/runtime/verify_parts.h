/* What verify mode is made of: the shadow of the first run, the signals that end it, the plugin's variables, the line
 * that says what is wrong. */
#ifndef BATON_VERIFY_PARTS_H
#define BATON_VERIFY_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "baton.h"
#include "belt.h"
#include "journal.h"
#include "verify.h"

/* ---- verify_shadow.c ---- */

/* Memory of the first run. */
struct shadow {
	uint8_t *area; /* guard page, records, guard page */
	size_t area_bytes;
	uint8_t *records;
	uint64_t records_bytes, bucket_bytes;
	uint8_t *open; /* pages of one bucket that can be touched now; NULL: none */
	size_t open_bytes;
	uint64_t open_bucket_at; /* offset of the bucket that was opened, in the records */
	uint8_t *data_area; /* guard page, a page of data, guard page */
	uint8_t *data;
};

int shadow_create(struct shadow *s, const struct baton_ctx *ctx);
void shadow_destroy(struct shadow *s);
/* Only `bucket` can be touched from now on: a copy of its bytes in `from`. Returns 0 or -errno. */
int shadow_open(struct shadow *s, uint32_t bucket, const uint8_t *from);
/* The first byte of the opened pages outside of the bucket that is not as it was, as its offset in the records; -1. */
int64_t shadow_stray(const struct shadow *s);
/* Puts the datagram between its guards. */
void shadow_datagram(struct shadow *s, const uint8_t *data, uint32_t len);
/* The first byte behind `len` that was written to, -1 if none. */
int32_t shadow_past(const struct shadow *s, uint32_t len);

/* What a signal was about. */
struct fault {
	int signal, si_code;
	bool is_write;
	uintptr_t address, code;
};
/* A stack for the handler; gives it back. */
int fault_catch(void);
void fault_release(void);
/* Runs fn(arg). Returns 0, or -EFAULT and *fault if SIGSEGV, SIGBUS, SIGFPE, SIGILL or SIGTRAP ended it. */
int fault_guard(void (*fn)(void *arg), void *arg, struct fault *fault);

/* ---- verify_statics.c ---- */

#define STATICS_MOST (1u << 20) /* bytes that are watched: the first of them */
#define STATICS_RANGES 8u

/* Writable bytes of the object that a plugin stands in. */
struct statics {
	uint32_t ranges;
	struct static_range {
		uint8_t *at;
		size_t bytes;
		uintptr_t offset; /* in the object, as debuggers count */
	} range[STATICS_RANGES];
	uint8_t *copy; /* NULL: not watched */
};

/* Of all zeroes nothing is watched. A plugin that stands in the program itself has no variables of its own. Returns 0
 * or -ENOMEM. */
int statics_watch(struct statics *s, const struct baton_plugin *plugin);
void statics_release(struct statics *s);
void statics_copy(struct statics *s);
/* The first byte that is not as it was copied: its offset in the object, -1 if there is none. */
int64_t statics_changed(const struct statics *s, uint8_t *was, uint8_t *is);

/* ---- verify.c ---- */

#define VERIFY_DATA_MOST BELT_CELL_BYTES
#define OUTBOX_MOST  64u        /* messages of one entry that are compared */
#define FINDING      960u       /* a line in the primary's log has 1024 */

struct verify {
	const struct baton_plugin *plugin;
	struct shadow shadow;
	struct journal *journal;  /* of the first run */
	uint8_t *after;           /* the bucket as the first run left it */
	uint8_t request[VERIFY_DATA_MOST], reply[VERIFY_DATA_MOST];
	baton_verdict verdict;    /* of the first run */
	bool overflow;
	struct verify_outbox outbox; /* no count: there is none */
	uint64_t posted;          /* messages of the first run */
	uint8_t (*post)[BELT_CELL_BYTES];
	size_t post_bytes[OUTBOX_MOST];
	struct statics statics;

	const struct verify_call *call; /* that is run */
	struct fault fault;
	char finding[FINDING];
};

/* ---- verify_say.c ---- */

/* Writes v->finding: plugin, what is wrong, and the entry that runs. Returns -EBADMSG. */
int verify_found(struct verify *v, const struct baton_ctx *ctx, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same of v->fault. Memory that only verify mode keeps away is no signal to anybody else: v->fault.signal is 0
 * then. */
int verify_explain_fault(struct verify *v, const struct baton_ctx *ctx);
/* Byte `at` of a bucket: which record, and which byte of it as the plugin counts them. */
const char *verify_place(const struct baton_ctx *ctx, uint64_t at, char text[96]);

#endif
