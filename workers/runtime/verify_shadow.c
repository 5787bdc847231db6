/* Memory and signals of verify mode: what the first run may touch, and what happens when it touches something else. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ucontext.h>

#include "verify_parts.h"

#define PAGE    4096u
#define PATTERN 0xa5
#define STACK   (64u << 10) /* for the handler: the plugin may have run out of its own */

/* ---- memory ---- */

static uint8_t *reserve(size_t bytes)
{
	void *area = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return area == MAP_FAILED ? NULL : area;
}

static size_t whole_pages(uint64_t bytes)
{
	return (size_t)((bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1));
}

int shadow_create(struct shadow *s, const struct baton_ctx *ctx)
{
	/* A group without records has a place of one empty one, which may be read (state_bind()). */
	bool none = ctx->bucket_bytes == 0;
	size_t bytes = whole_pages(none ? ctx->stride : ctx->records_bytes);

	*s = (struct shadow){.records_bytes = ctx->records_bytes, .bucket_bytes = ctx->bucket_bytes};
	s->area_bytes = bytes + 2 * PAGE;
	s->area = reserve(s->area_bytes);
	s->data_area = reserve(3 * PAGE);
	if (s->area == NULL || s->data_area == NULL) {
		shadow_destroy(s);
		return -ENOMEM;
	}
	s->records = s->area + PAGE;
	s->data = s->data_area + PAGE;
	if (mprotect(s->data, PAGE, PROT_READ | PROT_WRITE) != 0 ||
	    (none && mprotect(s->records, bytes, PROT_READ) != 0)) {
		int rc = -errno;
		shadow_destroy(s);
		return rc;
	}
	return 0;
}

void shadow_destroy(struct shadow *s)
{
	if (s->area != NULL)
		munmap(s->area, s->area_bytes);
	if (s->data_area != NULL)
		munmap(s->data_area, 3 * PAGE);
	*s = (struct shadow){.area = NULL};
}

int shadow_open(struct shadow *s, uint32_t bucket, const uint8_t *from)
{
	uint64_t at = bucket * s->bucket_bytes;

	if (s->bucket_bytes == 0)
		return 0;
	if (at + s->bucket_bytes > s->records_bytes)
		return -ERANGE;
	uint8_t *first = s->records + (at & ~(uint64_t)(PAGE - 1));
	size_t bytes = whole_pages(at + s->bucket_bytes) - (size_t)(first - s->records);
	if (first != s->open) {
		/* new pages over the old ones: their memory goes back as well */
		if (s->open != NULL && mmap(s->open, s->open_bytes, PROT_NONE,
					    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
			return -errno;
		s->open = NULL;
		if (mprotect(first, bytes, PROT_READ | PROT_WRITE) != 0)
			return -errno;
		s->open = first;
		s->open_bytes = bytes;
	}
	s->open_bucket_at = at;
	if (bytes != s->bucket_bytes)
		memset(first, PATTERN, bytes);
	memcpy(s->records + at, from, s->bucket_bytes);
	return 0;
}

/* The first byte that the pattern does not have, or `bytes`. A whole page of it is the rule: compared in one go. */
static uint64_t pattern_end(const uint8_t *at, uint64_t bytes)
{
	uint64_t i = 0;

	if (bytes == 0 || (at[0] == PATTERN && memcmp(at, at + 1, bytes - 1) == 0))
		return bytes;
	while (at[i] == PATTERN)
		i++;
	return i;
}

int64_t shadow_stray(const struct shadow *s)
{
	uint64_t first = s->open != NULL ? (uint64_t)(s->open - s->records) : 0;

	if (s->open == NULL || s->open_bytes == s->bucket_bytes)
		return -1;
	uint64_t before = s->open_bucket_at - first, behind = s->open_bucket_at + s->bucket_bytes;
	uint64_t at = pattern_end(s->records + first, before);
	if (at < before)
		return (int64_t)(first + at);
	at = pattern_end(s->records + behind, first + s->open_bytes - behind);
	return behind + at < first + s->open_bytes ? (int64_t)(behind + at) : -1;
}

void shadow_datagram(struct shadow *s, const uint8_t *data, uint32_t len)
{
	if (len != 0)
		memcpy(s->data, data, len);
	memset(s->data + len, PATTERN, PAGE - len);
}

int32_t shadow_past(const struct shadow *s, uint32_t len)
{
	uint32_t at = len + (uint32_t)pattern_end(s->data + len, PAGE - len);

	return at < PAGE ? (int32_t)at : -1;
}

/* ---- signals ---- */

static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
#define CAUGHT (sizeof(caught) / sizeof(caught[0]))

/* One process, one thread: the handler has nothing else to go by. */
static struct {
	sigjmp_buf back;
	struct fault fault;
	void *stack;
} guard;

static void on_fault(int number, siginfo_t *info, void *context)
{
	const ucontext_t *at = context;

	guard.fault = (struct fault){
		.signal = number,
		.si_code = info->si_code,
		.is_write = number == SIGSEGV && (at->uc_mcontext.gregs[REG_ERR] & 2) != 0,
		.address = (uintptr_t)info->si_addr,
		.code = (uintptr_t)at->uc_mcontext.gregs[REG_RIP],
	};
	siglongjmp(guard.back, 1);
}

int fault_catch(void)
{
	stack_t stack = {.ss_size = STACK};

	guard.stack = malloc(STACK);
	if (guard.stack == NULL)
		return -ENOMEM;
	stack.ss_sp = guard.stack;
	if (sigaltstack(&stack, NULL) != 0) {
		int rc = -errno;
		free(guard.stack);
		return rc;
	}
	return 0;
}

void fault_release(void)
{
	stack_t none = {.ss_flags = SS_DISABLE};

	sigaltstack(&none, NULL);
	free(guard.stack);
	guard.stack = NULL;
}

/* For each call anew: test frameworks set dispositions of their own at any time. */
int fault_guard(void (*fn)(void *arg), void *arg, struct fault *fault)
{
	/* SA_NODEFER: then there is no mask to put back, a system call less for each run of a callback */
	struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER}, before[CAUGHT];
	int rc = 0;

	sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < CAUGHT; i++)
		sigaction(caught[i], &act, &before[i]);
	if (sigsetjmp(guard.back, 0) == 0) {
		fn(arg);
	} else {
		*fault = guard.fault;
		rc = -EFAULT;
	}
	for (size_t i = 0; i < CAUGHT; i++)
		sigaction(caught[i], &before[i], NULL);
	return rc;
}
