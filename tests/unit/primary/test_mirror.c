/* The mirror with real workers' loops over belts in memory: production's workers in slots 0 and 1, the candidate in 2, the
 * control in 3. The plugin counts per key, answers with count, time and chance, posts to other buckets, sends, and is ticked;
 * ticks post and send, too. Each claim is made of one I/O lcore and of several, which take turns by chance: a key's packets
 * come by any of them, and a worker takes from any belt, so that what an order is worth shows in every reply. */
#define _GNU_SOURCE
#define idle_wait worker_idle_wait /* two processes have one of the name */
#define idle_sleep worker_idle_sleep
#include "workers/runtime/txn.h"
/* Between a burst's `done` and what counts it the lcores may have any number of turns. */
static void settle_and_turn(struct txn *txn);
#define txn_settle settle_and_turn
#include "workers/runtime/loop.c"
#include "workers/runtime/control_loop.c"
#undef txn_settle
#undef idle_wait
#undef idle_sleep

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath_rig.h"
#include "fake.h"
#include "shadow_parts.h"
#include "snap.h"

#define BUCKETS   256u /* four to a tick */
#define WORDS     (BUCKETS / 64)
#define SLOTS     4u
#define CANDIDATE 2u
#define CONTROL   3u
#define PERIOD    20000000u
#define KEYS      256u

/* ---- the plugin ---- */

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

/* ---- the world ---- */

void worker_idle_wait(struct loop *loop)
{
	(void)loop; /* the test turns the loops itself */
}

static struct rig rig;
static struct loop loops[SLOTS];
static struct mirror *mirror;
static int region = -1;
static uint64_t seed, now_ns;
static uint32_t came, lcores;
static uint32_t still; /* bit per lcore that has no turn */

static struct io_lcore *io(void) { return rig.dp->io[0]; }

static void turn_once(void)
{
	for (uint32_t l = 0; l < lcores; l++)
		if ((still >> l & 1u) == 0)
			io_turn(rig.dp->io[l]);
}

static void settle_and_turn(struct txn *txn)
{
	txn_settle(txn);
	for (uint32_t n = fake_below(&seed, 4); n > 0; n--) {
		uint32_t l = fake_below(&seed, lcores);

		if ((still >> l & 1u) == 0)
			io_turn(rig.dp->io[l]);
	}
}

static void start_worker(uint32_t slot, const struct baton_plugin *plugin)
{
	struct loop *l = &loops[slot];
	struct belt *belt[BATON_MAX_IO_LCORES];
	bool shadow = slot >= CANDIDATE;

	memset(&l->txn, 0, sizeof(l->txn));
	for (uint32_t i = 0; i < lcores; i++)
		belt[i] = rig.belt[i][slot];
	for (uint32_t s = 0; s < SHADOW_SIDES; s++)
		if (l->shadow.side[s].words != NULL)
			munmap(l->shadow.side[s].words, shadow_region_bytes(rig.state.header) / 2);
	state_slot_begin(&rig.state, slot, shadow ? BATON_MAX_GROUPS : 0);
	assert_int_equal(shadow_attach(&l->shadow, region, rig.state.header, 0, shadow ? slot - 1 : 0), 0);
	assert_int_equal(txn_bind(&l->txn, &rig.state, slot, 0, plugin->max_undo_bytes, 77), 0);
	if (shadow)
		shadow_bind(&l->txn, &l->shadow, slot - CANDIDATE);
	assert_int_equal(loop_init(l, plugin, belt, state_control(&rig.state, slot)->commit, lcores, BUCKETS,
				   stats_worker_page(&rig.stats, slot), 1000000000, true), 0);
	datapath_slot_shadow(rig.dp, slot, shadow);
	datapath_slot_attach(rig.dp, slot, 0);
	for (uint32_t i = 0; !datapath_slot_attached(rig.dp, slot); i++) {
		assert_true(i < 1000);
		turn_once();
	}
}

/* Frames that have left: every one is an answer of production's, or what it sent. */
static void count_frames(void)
{
	struct rte_mbuf *mbuf;

	for (uint32_t l = 0; l < lcores; l++)
		for (; rte_ring_dequeue(rig.tx[l], (void **)&mbuf) == 0; came++)
			rte_pktmbuf_free(mbuf);
}

static void turns(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		now_ns += 20000;
		rig_time(&rig, now_ns);
		turn_once();
	}
	count_frames();
}

/* One burst of a belt that chance gives. */
static uint32_t work(uint32_t slot)
{
	current = slot;
	loops[slot].next = fake_below(&seed, lcores);
	return loop_turn(&loops[slot]);
}

static void run(uint32_t slot)
{
	while (work(slot) != 0)
		;
}

static void move_buckets(uint32_t from, uint32_t to, const uint64_t *map)
{
	struct move_report report;
	int id = datapath_move(rig.dp, &(struct move_order){.from = from, .to = to, .map = map});

	assert_true(id > 0);
	for (uint32_t i = 0; !datapath_move_done(rig.dp, id, &report); i++) {
		assert_true(i < 10000);
		turns(1);
		for (uint32_t s = 0; s < SLOTS; s++)
			if (io()->slot[s].attached)
				work(s);
	}
}

static void inject(uint32_t key, uint32_t what, uint32_t extra)
{
	uint8_t bytes[sizeof(struct request) + 1200] = {0};
	struct request request = {.key = key, .what = what};

	memcpy(bytes, &request, sizeof(request));
	uint32_t l = fake_below(&seed, lcores);
	rig_inject(&rig, l, rig_frame(&rig, l, bytes, (uint32_t)sizeof(request) + extra));
	sent += 1 + (what & WHAT_SEND ? 1 : 0);
}

static void begin_mirror(bool digested)
{
	const uint64_t all[WORDS] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};

	mirror = mirror_create(0, 0, BUCKETS, lcores, all, digested);
	assert_non_null(mirror);
	for (uint32_t s = 0; s < SHADOW_SIDES; s++)
		mirror->side[s].digest = true;
	datapath_mirror_begin(rig.dp, mirror);
	datapath_mirror_join(rig.dp, mirror, 0, CANDIDATE);
	datapath_mirror_join(rig.dp, mirror, 1, CONTROL);
}

static const uint64_t half[WORDS] = {UINT64_MAX, UINT64_MAX}, quarter[WORDS] = {UINT64_MAX};

static void world(const struct baton_plugin *candidate, bool digested)
{
	rig_create_for(&rig, lcores, SLOTS, BUCKETS, sizeof(struct record));
	rig.config.group[0].tick_period_ns = PERIOD;
	rig.config.group[0].tick_catch_up = 4;
	rig_restart(&rig);
	now_ns = 1700000000ull * 1000000000ull;
	rig_time(&rig, now_ns);
	region = memfd_create("shadow", MFD_CLOEXEC);
	assert_int_equal(ftruncate(region, (off_t)shadow_region_bytes(rig.state.header)), 0);
	sent = came = still = 0;
	noisy = hide_noise = false;
	wrong_every = wrong_tick_every = 16;
	start_worker(0, &right);
	start_worker(1, &right);
	move_buckets(SLOT_NONE, 0, half);
	move_buckets(SLOT_NONE, 1, NULL);
	start_worker(CANDIDATE, candidate);
	start_worker(CONTROL, &right);
	begin_mirror(digested);
}

static int set_up(void **state)
{
	lcores = *(const uint32_t *)*state;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	still = 0;
	datapath_mirror_end(rig.dp, mirror);
	turns(200);
	assert_int_equal(atomic_load(&mirror->released), lcores);
	for (uint32_t l = 0; l < lcores; l++)
		for (uint32_t i = 0; i < SLOTS; i++)
			assert_int_equal(atomic_load(&rig.belt[l][i]->numbered), 0);
	mirror_destroy(mirror);
	for (uint32_t i = 0; i < SLOTS; i++)
		for (uint32_t s = 0; s < SHADOW_SIDES; s++) {
			if (loops[i].shadow.side[s].words != NULL)
				munmap(loops[i].shadow.side[s].words, shadow_region_bytes(rig.state.header) / 2);
			loops[i].shadow.side[s].words = NULL;
		}
	close(region);
	rig_destroy(&rig);
	return 0;
}

/* Everybody works, in an order that chance gives, until all have done everything. */
static void traffic(uint32_t packets, uint64_t workers)
{
	for (uint32_t i = 0; i < packets; i++) {
		uint32_t key = fake_below(&seed, KEYS);

		inject(key, fake_below(&seed, 8) == 0 ? fake_below(&seed, 8) : 0, fake_below(&seed, 16) == 0 ? fake_below(&seed, 1200) : 0);
		for (uint32_t n = fake_below(&seed, 4); n > 0; n--) {
			uint32_t slot = fake_below(&seed, SLOTS);

			still = lcores == 1 ? 0 : fake_below(&seed, 1u << lcores); /* those stand still this time */
			turns(1);
			still = 0;
			if (workers >> slot & 1u)
				work(slot);
		}
	}
	for (uint32_t n = 0; n < 200; n++) {
		turns(1);
		for (uint32_t s = 0; s < SLOTS; s++)
			if (workers >> s & 1u)
				run(s);
	}
}

static uint32_t in_step(uint32_t side)
{
	uint32_t count = 0;

	for (uint32_t b = 0; b < BUCKETS; b++)
		count += mirror->bucket[b].in_step >> side & 1u;
	assert_int_equal(count, mirror->side[side].counts.in_step);
	return count;
}

static void wait_in_step(uint64_t workers)
{
	for (uint32_t i = 0; in_step(0) != BUCKETS || in_step(1) != BUCKETS; i++) {
		assert_true(i < 100000);
		turns(1);
		for (uint32_t s = 0; s < SLOTS; s++)
			if (workers >> s & 1u)
				run(s);
	}
}

static const struct mirror_counts *counts(uint32_t side) { return &mirror->side[side].counts; }

/* For who has to find out why. */
static void no_difference(uint32_t side)
{
	for (uint32_t i = 0; i < MIRROR_SAMPLES && i < counts(side)->differed; i++) {
		const struct mirror_sample *s = &mirror->sample[i];

		printf("side %u bucket %u kind %u tick %llu ordinal %u verdicts %u %u lengths %u %u cells %u %u (%d)\n", s->side, s->bucket,
		       s->kind, (unsigned long long)s->tick, s->ordinal, s->verdict[0], s->verdict[1], s->reply_len[0],
		       s->reply_len[1], s->cells[0], s->cells[1], s->cells_differ);
		for (uint32_t w = 0; w < 6; w++)
			printf("  %016llx %016llx %016llx\n", ((const unsigned long long *)(const void *)s->request)[w],
			       ((const unsigned long long *)(const void *)s->reply[0])[w],
			       ((const unsigned long long *)(const void *)s->reply[1])[w]);
	}
	assert_int_equal(counts(side)->differed, 0);
}

/* Nothing of a shadow has left, nothing of production's has not; records are what production made of them alone. */
static void players_noticed_nothing(void)
{
	/* the clock stands still, so that there are no more ticks */
	for (uint32_t n = 0; n < 50; n++) {
		turn_once();
		for (uint32_t slot = 0; slot < CANDIDATE; slot++)
			if (io()->slot[slot].attached)
				run(slot);
	}
	turn_once();
	count_frames();
	assert_int_equal(came, sent);
	for (uint32_t l = 0; l < lcores; l++) {
		const struct CoreStats *page = stats_io(&rig.stats, l);

		assert_int_equal(page->messages_lost, 0);
		assert_int_equal(page->messages_posted, page->messages_settled);
		assert_int_equal(rig.dp->io[l]->ledger.in_belts, 0);
	}
}

#define ALL 0xfu

/* ---- claims ---- */

static void equal_versions_never_differ(void **state)
{
	(void)state;
	world(&right, false);
	traffic(3000, ALL);
	wait_in_step(ALL);
	traffic(9000, ALL);
	assert_true(counts(0)->compared > 5000 && counts(1)->compared > 5000);
	no_difference(0);
	no_difference(1);
	assert_int_equal(counts(0)->dropped, 0);
	assert_int_equal(mirror_fed_dropped(mirror), 0);
	/* cells of ticks are paired; who leaves has begun a tick and found its posts spent */
	assert_true(counts(0)->ticks_compared > 100 && counts(1)->ticks_compared > 100);
	assert_true(counts(0)->left_step < BUCKETS / 8);
	players_noticed_nothing();
}

static void a_wrong_reply_is_shown_and_its_bucket_begins_anew(void **state)
{
	(void)state;
	world(&wrong, false);
	wait_in_step(ALL);
	traffic(3000, ALL);
	assert_true(counts(0)->differed > 10);
	assert_true(counts(0)->left_step >= counts(0)->differed);
	no_difference(1);
	const struct mirror_sample *sample = &mirror->sample[0];
	struct request request, production, theirs;
	memcpy(&request, sample->request, sizeof(request));
	memcpy(&production, sample->reply[0], sizeof(request));
	memcpy(&theirs, sample->reply[1], sizeof(request));
	assert_int_equal(request.count, 0);
	assert_int_equal(theirs.key, request.key);
	assert_int_equal(theirs.count, production.count + 1000);
	assert_int_equal(theirs.chance, production.chance);
	wrong_every = 1u << 30;
	wait_in_step(ALL);
	uint64_t differed = counts(0)->differed, compared = counts(0)->compared;
	traffic(2000, ALL);
	assert_int_equal(counts(0)->differed, differed);
	assert_true(counts(0)->compared > compared + 1000);
	players_noticed_nothing();
}

static void a_digest_names_the_field(void **state)
{
	(void)state;
	world(&wrong, true);
	wait_in_step(ALL);
	traffic(2000, ALL);
	assert_true(counts(0)->differed > 10);
	/* one that was sent besides differs in that, too, which no digest speaks of */
	const struct mirror_sample *sample = &mirror->sample[0];
	while (!sample->digested && sample != &mirror->sample[MIRROR_SAMPLES - 1])
		sample++;
	assert_true(sample->digested);
	assert_int_equal(sample->fields, 1);
	assert_string_equal(sample->field[0].name, "count");
	assert_int_equal(sample->field[0].shadow, sample->field[0].production + 1000);
	players_noticed_nothing();
}

static void what_no_digest_names_is_no_difference(void **state)
{
	(void)state;
	world(&right, true);
	noisy = hide_noise = true;
	wait_in_step(ALL);
	traffic(2000, ALL);
	assert_true(counts(0)->compared > 1000);
	no_difference(0);
	assert_true(counts(0)->left_step < BUCKETS / 8);
	no_difference(1);
}

static void a_plugin_that_differs_from_itself_makes_noise(void **state)
{
	(void)state;
	world(&right, false);
	noisy = true;
	wait_in_step(ALL);
	traffic(2000, ALL);
	/* every packet; messages and ticks are answered to nobody */
	assert_true(counts(0)->differed > 50 && counts(1)->differed > 50);
	assert_true(counts(0)->differed > (counts(0)->compared - counts(0)->ticks_compared) / 2);
	assert_true(counts(1)->differed > (counts(1)->compared - counts(1)->ticks_compared) / 2);
	players_noticed_nothing();
}

/* The shadows settle nothing: their belts fill. */
static void a_shadow_that_stands_still_holds_nobody_up(void **state)
{
	(void)state;
	world(&right, false);
	wait_in_step(ALL);
	traffic(2 * BELT_SLOTS, 3);
	assert_true(counts(0)->dropped >= 1 && counts(1)->dropped >= 1);
	assert_int_equal(counts(0)->compared, 0);
	assert_true(in_step(0) < BUCKETS);
	players_noticed_nothing();
	/* what it had is still right, and it finds its way back */
	wait_in_step(ALL);
	traffic(1000, ALL);
	assert_true(counts(0)->compared > BELT_SLOTS / 2);
	no_difference(0);
	players_noticed_nothing();
}

static void a_dead_shadow_is_forgotten_and_replaced(void **state)
{
	uint32_t orphans;

	(void)state;
	world(&right, false);
	wait_in_step(ALL);
	traffic(500, 3 | 1u << CONTROL); /* the candidate's entries are in its belt */
	assert_true(belt_depth(&io()->slot[CANDIDATE].belt) > 100);
	datapath_slot_look(rig.dp, CANDIDATE, 0, io()->slot[CANDIDATE].belt.reaped);
	datapath_slot_dead(rig.dp, CANDIDATE);
	for (uint32_t i = 0; !datapath_slot_recovered(rig.dp, CANDIDATE, &orphans); i++) {
		assert_true(i < 1000);
		turns(1);
	}
	struct slot_death death;
	datapath_slot_death(rig.dp, CANDIDATE, &death);
	assert_true(death.found && death.exact && death.entry.kept >= 4);
	assert_int_equal(orphans, 0);
	assert_int_equal(in_step(0), 0);
	assert_int_equal(in_step(1), BUCKETS);
	traffic(500, 3 | 1u << CONTROL);
	no_difference(1);
	players_noticed_nothing();
	start_worker(CANDIDATE, &right);
	datapath_mirror_join(rig.dp, mirror, 0, CANDIDATE);
	wait_in_step(ALL);
	uint64_t compared = counts(0)->compared;
	traffic(1000, ALL);
	assert_true(counts(0)->compared > compared + 500);
	no_difference(0);
	players_noticed_nothing();
}

/* What it left is redelivered, in production; the shadows have seen none of it yet. */
static void a_death_and_a_move_of_production_change_nothing(void **state)
{
	uint32_t orphans;

	(void)state;
	world(&right, false);
	wait_in_step(ALL);
	traffic(500, ALL);
	for (uint32_t i = 0; i < 50; i++)
		inject(i, 0, 0);
	turns(20);
	work(0);
	datapath_slot_dead(rig.dp, 0);
	for (uint32_t i = 0; !datapath_slot_recovered(rig.dp, 0, &orphans); i++) {
		assert_true(i < 1000);
		turns(1);
	}
	assert_int_equal(orphans, BUCKETS / 2);
	int id = datapath_move(rig.dp, &(struct move_order){.from = 0, .to = 1});
	struct move_report report;
	for (uint32_t i = 0; !datapath_move_done(rig.dp, id, &report); i++) {
		assert_true(i < 10000);
		turns(1);
		run(1);
	}
	traffic(1000, ALL & ~1u);
	start_worker(0, &right);
	move_buckets(1, 0, quarter);
	traffic(1000, ALL);
	assert_true(counts(0)->compared > 1500);
	no_difference(0);
	no_difference(1);
	players_noticed_nothing();
}

/* A wrong tick changes no reply: what it sends is all there is to see. */
static void a_wrong_tick_is_shown_with_its_bucket_and_number(void **state)
{
	(void)state;
	world(&wrong_in_ticks, false);
	wait_in_step(ALL);
	traffic(4000, ALL);
	assert_true(counts(0)->ticks_differed > 10);
	assert_int_equal(counts(0)->differed, counts(0)->ticks_differed);
	no_difference(1);
	for (uint32_t i = 0; i < MIRROR_SAMPLES && i < counts(0)->differed; i++) {
		const struct mirror_sample *sample = &mirror->sample[i];
		struct record made[2];

		assert_int_equal(sample->kind, BELT_TICK);
		assert_int_equal(sample->tick % wrong_tick_every, 0);
		assert_int_equal(sample->cells[0], sample->cells[1]);
		assert_int_equal(sample->reply_len[0], sample->reply_len[1]);
		memcpy(&made[0], sample->reply[0], sizeof(made[0]));
		memcpy(&made[1], sample->reply[1], sizeof(made[1]));
		if (sample->reply_len[0] == sizeof(struct record)) /* a message has its first half */
			assert_int_equal(made[1].time_ns, made[0].time_ns + 1);
	}
	players_noticed_nothing();
}

static void slot_dies(uint32_t slot)
{
	uint32_t orphans;

	datapath_slot_dead(rig.dp, slot);
	for (uint32_t i = 0; !datapath_slot_recovered(rig.dp, slot, &orphans); i++) {
		assert_true(i < 1000);
		turns(1);
	}
}

/* More is settled at once than an lcore reaps in one turn. */
static void crowd(void)
{
	for (uint32_t n = 0; n < 800 * lcores; n++) {
		inject(fake_below(&seed, KEYS / 4), 0, 0);
		if (n % 100 == 99)
			turns(8);
	}
	still = (1u << lcores) - 1;
	for (uint32_t n = 0; n < 100; n++)
		work(n % CANDIDATE);
	for (uint32_t n = 0; n < 40; n++) {
		still = lcores == 1 ? 0 : (1u << lcores) - 1 - (1u << fake_below(&seed, lcores));
		turns(1);
		work(CANDIDATE + n % 2);
	}
	still = 0;
}

/* Deaths and moves of production, deaths of both shadows, under traffic. */
static void nothing_that_happens_makes_a_difference(void **state)
{
	(void)state;
	world(&right, false);
	wait_in_step(ALL);
	for (uint32_t round = 0; round < 24; round++) {
		uint32_t dies = fake_below(&seed, SLOTS), other = 1 - dies;
		uint64_t map[WORDS] = {0};

		if (round % 3 == 0) {
			wait_in_step(ALL);
			crowd();
		}
		for (uint32_t i = 0; i < 200; i++)
			inject(fake_below(&seed, KEYS), fake_below(&seed, 8), 0);
		still = lcores == 1 ? 0 : fake_below(&seed, (1u << lcores) - 1);
		turns(20);
		still = 0;
		for (uint32_t n = fake_below(&seed, 6); n > 0; n--)
			work(fake_below(&seed, SLOTS));
		slot_dies(dies);
		if (dies < CANDIDATE) {
			move_buckets(dies, other, NULL);
			traffic(100, ALL & ~(1ull << dies));
		}
		start_worker(dies, &right);
		if (dies >= CANDIDATE)
			datapath_mirror_join(rig.dp, mirror, dies - CANDIDATE, dies);
		for (uint32_t i = 0; i < WORDS; i++)
			map[i] = seed * (i + 3) ^ seed >> 17;
		if (dies < CANDIDATE)
			move_buckets(other, dies, map);
		traffic(200, ALL);
	}
	assert_true(counts(0)->compared > 1000 && counts(1)->compared > 1000);
	no_difference(0);
	no_difference(1);
	players_noticed_nothing();
	wait_in_step(ALL);
}

/* Home stands still, and the clock: the other lcore may copy so much and no more. */
static void what_is_not_handed_over_takes_its_bucket_along(void **state)
{
	(void)state;
	world(&right, false);
	wait_in_step(ALL);
	for (uint32_t i = 0; i < MIRROR_COPIES + 400; i++) {
		uint8_t bytes[sizeof(struct request)] = {0};
		uint32_t key = fake_below(&seed, KEYS), l = 1 + fake_below(&seed, lcores - 1);

		memcpy(bytes, &key, sizeof(key));
		rig_inject(&rig, l, rig_frame(&rig, l, bytes, sizeof(bytes)));
		sent++;
		still = 1;
		turn_once();
		work(fake_below(&seed, 2));
		count_frames();
		still = 0;
	}
	assert_true(mirror_fed_dropped(mirror) > 100);
	traffic(500, ALL);
	no_difference(0);
	assert_true(counts(0)->left_step > 0);
	wait_in_step(ALL);
	traffic(2000, ALL);
	no_difference(0);
	no_difference(1);
	assert_true(counts(0)->compared > 1500);
	players_noticed_nothing();
}

/* Bits of `done` that no honest worker writes: it is to be fenced, and is reaped no more. */
static void a_shadow_that_lies_is_fenced(void **state)
{
	(void)state;
	world(&right, false);
	wait_in_step(ALL);
	atomic_store(&state_control(&rig.state, CANDIDATE)->commit[0].done, io()->slot[CANDIDATE].belt.offered + 5);
	traffic(100, 3 | 1u << CONTROL);
	assert_int_equal(datapath_slot_to_fence(rig.dp), CANDIDATE);
	assert_int_equal(datapath_fence_why(rig.dp, CANDIDATE), FENCE_DONE);
	players_noticed_nothing();
	/* as its death would leave it */
	atomic_store(&state_control(&rig.state, CANDIDATE)->commit[0].done, io()->slot[CANDIDATE].belt.offered);
}

/* The mirror works in the records of the region alone. */
static void production_has_the_records_it_would_have_had(void **state)
{
	struct record record;
	uint64_t sum = 0;

	(void)state;
	world(&wrong, false);
	traffic(3000, ALL);
	for (uint32_t key = 0; key < KEYS; key++)
		for (uint32_t b = 0; b < BUCKETS; b++)
			if (state_read_record(&rig.state, 0, b, key, &record, sizeof(record)) == 0)
				sum += record.count;
	assert_int_equal(sum, 3000);
	players_noticed_nothing();
}

/* The buckets of `map`, of worker 0, as the snapshot has them; packets wait meanwhile. */
static void put_back(const struct snap *snapshot, const uint64_t *map)
{
	struct move_report report;
	int id = datapath_move(rig.dp, &(struct move_order){.from = 0, .to = 0, .map = map, .hold = true});

	assert_true(id > 0);
	for (uint32_t i = 0, held = 0; !datapath_move_done(rig.dp, id, &report); i++) {
		assert_true(i < 10000);
		inject(fake_below(&seed, KEYS), 0, 0);
		turns(1);
		for (uint32_t s = 0; s < SLOTS; s++)
			work(s);
		if (held || !datapath_move_held(rig.dp, id))
			continue;
		for (uint32_t b = 0; b < BUCKETS; b++)
			if (map[b / 64] >> (b % 64) & 1u)
				assert_int_equal(snap_restore(&rig.state, 0, snap_find(snapshot, 0, b)), 0);
		datapath_move_release(rig.dp, id, false);
		held = 1;
	}
}

static void records_that_are_put_back_are_copied_anew(void **state)
{
	char path[] = "/tmp/baton-mirror.XXXXXX", why[200] = "";
	struct snap_report report;
	struct snap snapshot;

	(void)state;
	world(&right, false);
	wait_in_step(ALL);
	traffic(500, ALL);
	close(mkstemp(path));
	unlink(path); /* a name of our own: it must not be there */
	if (snap_write(&rig.state, path, NULL, &report, why, sizeof(why)) != 0 || snap_open(&snapshot, path, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	unlink(path);
	for (uint32_t round = 0; round < 6; round++) {
		wait_in_step(ALL);
		traffic(300, ALL);
		put_back(&snapshot, quarter);
		traffic(300, ALL);
	}
	snap_close(&snapshot);
	wait_in_step(ALL);
	assert_true(counts(0)->compared > 1000 && counts(1)->compared > 1000);
	no_difference(0);
	no_difference(1);
	players_noticed_nothing();
}

static uint32_t one = 1, two = 2, three = 3;
#define CLAIM(claim, n) cmocka_unit_test_prestate_setup_teardown(claim, set_up, tear_down, &(n))

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(equal_versions_never_differ, one),
		CLAIM(equal_versions_never_differ, two),
		CLAIM(equal_versions_never_differ, three),
		CLAIM(a_wrong_reply_is_shown_and_its_bucket_begins_anew, one),
		CLAIM(a_wrong_reply_is_shown_and_its_bucket_begins_anew, three),
		CLAIM(a_wrong_tick_is_shown_with_its_bucket_and_number, one),
		CLAIM(a_wrong_tick_is_shown_with_its_bucket_and_number, two),
		CLAIM(a_digest_names_the_field, one),
		CLAIM(a_digest_names_the_field, two),
		CLAIM(what_no_digest_names_is_no_difference, one),
		CLAIM(a_plugin_that_differs_from_itself_makes_noise, one),
		CLAIM(a_shadow_that_stands_still_holds_nobody_up, one),
		CLAIM(a_shadow_that_stands_still_holds_nobody_up, two),
		CLAIM(a_dead_shadow_is_forgotten_and_replaced, one),
		CLAIM(a_dead_shadow_is_forgotten_and_replaced, two),
		CLAIM(a_death_and_a_move_of_production_change_nothing, one),
		CLAIM(a_death_and_a_move_of_production_change_nothing, two),
		CLAIM(nothing_that_happens_makes_a_difference, one),
		CLAIM(nothing_that_happens_makes_a_difference, two),
		CLAIM(nothing_that_happens_makes_a_difference, three),
		CLAIM(what_is_not_handed_over_takes_its_bucket_along, two),
		CLAIM(a_shadow_that_lies_is_fenced, one),
		CLAIM(production_has_the_records_it_would_have_had, two),
		CLAIM(records_that_are_put_back_are_copied_anew, one),
		CLAIM(records_that_are_put_back_are_copied_anew, three),
	};

	rig_eal();
	seed = fake_seed("test_mirror") | 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
