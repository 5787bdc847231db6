/* Verify mode and what a call posts: two runs are compared, and one of them counts. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox.h"

static struct { uint64_t count; uint32_t data[256]; } box;
static uint64_t box_count(void *arg) { (void)arg; return box.count; }
static void box_rewind(void *arg, uint64_t to) { (void)arg; box.count = to; }
static const void *box_message(void *arg, uint64_t at, size_t *bytes)
{
	(void)arg;
	*bytes = sizeof(box.data[0]);
	return &box.data[at];
}

static uint32_t drift, calls;
static baton_verdict post(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	uint32_t count = packet->len + (drift == 1 ? calls++ & 1 : 0);

	(void)ctx;
	(void)data;
	for (uint32_t i = 0; i < count; i++)
		box.data[box.count++] = i + (drift == 2 ? calls++ : 0);
	return baton_no_reply();
}

static void messages_are_compared_and_posted_once(void **state)
{
	static const struct baton_plugin poster = {
		.abi = BATON_PLUGIN_ABI, .size = sizeof(poster), .name = "poster", .version = "1", .key = BATON_KEY_FLOW,
		.schema = 1, .packet = post,
	};
	const struct verify_outbox outbox = {&box, box_count, box_message, box_rewind};
	struct sandbox s;
	struct baton_ctx ctx;
	uint8_t data[3] = {0};
	struct baton_packet packet = {.len = 3};
	struct verify_call call = {.kind = VERIFY_PACKET, .packet = &packet, .data = data};
	baton_verdict verdict;

	(void)state;
	assert_int_equal(sandbox_create(&s, &poster, &ctx, 4, 4, false), 0);
	verify_set_outbox(s.verify, &outbox);
	assert_int_equal(sandbox_run(&s, &call, 1, 5, &verdict), 0);
	assert_int_equal(box.count, 3);
	assert_int_equal(sandbox_run(&s, &call, 1, 6, &verdict), 0);
	assert_int_equal(box.count, 6);
	drift = 2;
	assert_true(sandbox_run(&s, &call, 1, 7, &verdict) != 0);
	assert_non_null(strstr(verify_finding(s.verify), "message 0 differs"));
	drift = 1;
	assert_true(sandbox_run(&s, &call, 1, 8, &verdict) != 0);
	assert_non_null(strstr(verify_finding(s.verify), "run again, it posts "));
	sandbox_destroy(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_compared_and_posted_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
