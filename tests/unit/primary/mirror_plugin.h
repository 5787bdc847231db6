/* The plugin of mirror_world.h, right and wrong in several ways; included by it alone, behind the worker's loop. */
#ifndef BATON_TEST_MIRROR_PLUGIN_H
#define BATON_TEST_MIRROR_PLUGIN_H

#define BUCKETS   256u /* four to a tick */
#define WORDS     (BUCKETS / 64)
#define SLOTS     4u
#define CANDIDATE 2u
#define CONTROL   3u
#define PERIOD    20000000u
#define KEYS      256u

struct record {
	uint64_t count, time_ns, ticks, told;
};

struct request {
	uint32_t key; /* steers */
	uint32_t what; /* WHAT_* bits */
	uint64_t count, time_ns, chance; /* of the reply */
	uint64_t noise; /* of the reply: nothing that its digest names */
};
#define WHAT_POST  1u
#define WHAT_SEND  2u
#define WHAT_ERROR 4u

static uint64_t clock_of_its_own; /* what no plugin may use */
static bool noisy, hide_noise;
static struct baton_peer someone; /* all frames of the rig are from one address */
static uint32_t current, sent; /* slot that works; frames that are to come of production */
#define CURRENT_IS_PRODUCTION (current < CANDIDATE)

static struct record *record_of(struct baton_ctx *ctx, uint64_t key)
{
	struct record *record = baton_find(ctx, key);

	record = record != NULL ? record : baton_insert(ctx, key);
	assert_non_null(record);
	assert_true(baton_save(ctx, record, sizeof(*record)));
	return record;
}

static baton_verdict answer(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data, uint64_t wrong)
{
	struct request request;

	assert_true(packet->len >= sizeof(request));
	memcpy(&request, data, sizeof(request));
	someone = *ctx->peer;
	struct record *record = record_of(ctx, request.key);
	record->count++;
	record->time_ns = ctx->time_ns;
	request.count = record->count + wrong;
	request.time_ns = ctx->time_ns + record->ticks;
	request.chance = baton_random(ctx) + record->told;
	request.noise = noisy ? clock_of_its_own++ : 0;
	memcpy(data, &request, sizeof(request));
	if (request.what & WHAT_POST)
		assert_true(baton_post(ctx, (request.key * 7 + (uint32_t)record->count) % BUCKETS, &request.count, 16));
	if (request.what & WHAT_SEND)
		assert_true(baton_send(ctx, ctx->peer, &request, offsetof(struct request, noise)));
	return request.what & WHAT_ERROR ? baton_reply_error(sizeof(request)) : baton_reply(sizeof(request));
}

static baton_verdict packet_right(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	return answer(ctx, packet, data, 0);
}

static uint32_t wrong_every = 16;
static baton_verdict packet_wrong(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	static uint32_t seen;

	return answer(ctx, packet, data, ++seen % wrong_every == 0 ? 1000 : 0);
}

static void told(struct baton_ctx *ctx, const struct baton_packet *packet, const uint8_t *data)
{
	assert_int_equal(packet->len, 16);
	record_of(ctx, 1000 + ctx->bucket)->told += data[0];
	for (uint32_t iter = 0;;) {
		uint64_t key;
		struct record *record = baton_next(ctx, &iter, &key);

		if (record == NULL)
			return;
		assert_true(baton_save(ctx, record, sizeof(*record)));
		record->told += packet->time_ns % 7 + data[0];
	}
}

static void tick(struct baton_ctx *ctx, uint64_t number, uint64_t wrong)
{
	struct record sum = {0};

	for (uint32_t iter = 0;;) {
		uint64_t key;
		struct record *record = baton_next(ctx, &iter, &key);

		if (record == NULL)
			break;
		assert_true(baton_save(ctx, record, sizeof(*record)));
		record->ticks += number % 100 + baton_random(ctx) % 3 + ctx->posts;
		sum.count += record->count;
		sum.told += record->told;
		sum.ticks += record->ticks;
	}
	sum.time_ns = ctx->time_ns + wrong;
	/* what a bucket may post depends on those before it */
	if (sum.count != 0 && ctx->posts > 0 && (number + ctx->bucket) % 5 == 0)
		assert_true(baton_post(ctx, (uint32_t)(ctx->bucket + number) % BUCKETS, &sum, 16));
	for (uint32_t i = 0; sum.count != 0 && i < (number + ctx->bucket) % 3; i++) {
		sum.time_ns += i;
		assert_true(baton_send(ctx, &someone, &sum, sizeof(sum)));
		sent += CURRENT_IS_PRODUCTION;
	}
}

static void ticked(struct baton_ctx *ctx, uint64_t number)
{
	tick(ctx, number, 0);
}

static uint32_t wrong_tick_every = 16;
static void ticked_wrong(struct baton_ctx *ctx, uint64_t number)
{
	tick(ctx, number, number % wrong_tick_every == 0 ? 1 : 0);
}

static void digest(struct baton_digest *out, const uint8_t *reply, uint32_t len)
{
	struct request request;

	baton_field(out, "length", len);
	if (len < sizeof(request))
		return;
	memcpy(&request, reply, sizeof(request));
	baton_field(out, "count", (int64_t)request.count);
	baton_field_real(out, "time", (double)request.time_ns);
	baton_field(out, "chance", (int64_t)request.chance);
	if (!hide_noise)
		baton_field(out, "noise", (int64_t)request.noise);
}

#define PLUGIN(which, its_tick) { \
	.abi = BATON_PLUGIN_ABI, .size = sizeof(struct baton_plugin), .name = "test", .version = "1", \
	.key = BATON_KEY_PAYLOAD, .key_length = 4, .schema = 1, .record_size = sizeof(struct record), \
	.max_undo_bytes = 4096, .packet = which, .tick = its_tick, .message = told, .max_posts = 2, .max_sends = 2, \
	.shadow = 1, .digest = digest }
static const struct baton_plugin right = PLUGIN(packet_right, ticked), wrong = PLUGIN(packet_wrong, ticked);
static const struct baton_plugin wrong_in_ticks = PLUGIN(packet_right, ticked_wrong);

#endif
