/* A worker that writes whatever it likes where it can, at random, beside an honest one of another service: after every
 * turn the ledger is exact, the honest one's clients get each reply once, and whoever is to be killed can be buried and
 * replaced. */
#include <time.h>

#include "belt_consumer.h"
#include "messages_rig.h"

#define ROUNDS 3000u

static uint64_t random_state, injected, answered;
static uint32_t enemy;         /* slot; 1 and 2 take turns */
static uint32_t fenced[FENCE_WHYS], deaths;

static uint32_t chance(uint32_t below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * 0x2545f4914f6cdd1dull) >> 33) % below;
}

static uint64_t any_word(uint64_t near)
{
	switch (chance(6)) {
	case 0: return UINT64_MAX - chance(4);
	case 1: return chance(4);
	case 2: return near - chance(5000);
	case 3: return near + BELT_SLOTS - 4 + chance(8);
	default: return near + chance(40);
	}
}

/* Replies of service 0 are counted; all else that leaves is the enemy's. */
static void take_frames(void)
{
	struct rte_mbuf *mbuf;

	while (rte_ring_dequeue(rig.tx[0], (void **)&mbuf) == 0) {
		const struct rte_udp_hdr *udp = rte_pktmbuf_mtod_offset(mbuf, const struct rte_udp_hdr *, 34);

		answered += mbuf->pkt_len >= 42 && udp->src_port == rte_cpu_to_be_16(RIG_PORT);
		rte_pktmbuf_free(mbuf);
	}
}

static void turns(uint32_t count)
{
	struct ledger ledger;

	while (count-- > 0) {
		io_turn(rig.dp->io[0]);
		take_frames();
		datapath_ledger(rig.dp, 0, &ledger);
		assert_int_equal(ledger_balance(&ledger), 0);
	}
}

static void attach_of(uint32_t slot, uint32_t group)
{
	datapath_slot_attach(rig.dp, slot, group);
	while (!datapath_slot_attached(rig.dp, slot))
		turns(1);
	belt_consumer_init(&worker[slot], rig.belt[0][slot], &state_control(&rig.state, slot)->commit[0]);
}

static void honest_works(void)
{
	uint8_t seen[BELT_SLOTS];

	settle_all(0, seen);
}

static void inject(void)
{
	for (uint32_t n = chance(6); n > 0; n--) {
		uint32_t service = chance(2), payload[16] = {chance(1000)};

		injected += service == 0;
		rig_inject(&rig, 0, rig_frame_to(&rig, 0, service, payload, chance(2) ? 16 : 60));
	}
}

static void any_cell(struct belt_consumer *c)
{
	struct belt_out_cell *out = belt_out_next(c);

	for (size_t i = 0; i < 32; i++)
		((uint8_t *)out)[i] = (uint8_t)chance(256);
	out->cause = chance(3) ? c->done : any_word(c->done);
	out->kind = (uint8_t)(chance(8) ? 1 + chance(2) : chance(256));
	out->len = (uint16_t)(chance(8) ? 1 + chance(100) : chance(65536));
	out->bucket = chance(8) ? chance(BUCKETS) : chance(UINT32_MAX);
	out->to.port = (uint8_t)(chance(2) ? 0 : chance(256));
	c->filled++;
}

/* One entry, and what is said of it. */
static void settle_somehow(struct belt_consumer *c)
{
	if (belt_take(c, 1) == 0)
		return;
	for (uint32_t n = chance(4) ? 0 : chance(6); n > 0; n--)
		any_cell(c);
	belt_verdict(c, c->done, chance(10) ? baton_reply((uint16_t)chance(16)) : chance(UINT32_MAX));
	belt_settle(c, c->done + 1);
}

static void noise(void *at, size_t bytes)
{
	for (uint32_t n = 1 + chance(64); n > 0; n--)
		((uint8_t *)at)[chance((uint32_t)bytes)] = (uint8_t)chance(256);
}

static void enemy_acts(void)
{
	struct belt_consumer *c = &worker[enemy];
	struct control_block *control = state_control(&rig.state, enemy);

	switch (chance(40)) {
	case 0: atomic_store(&c->commit->done, any_word(c->done)); break;
	case 1: atomic_store(&c->commit->filled, any_word(c->filled)); break;
	case 2: noise((void *)c->belt->slots, sizeof(c->belt->slots)); break;
	case 3: noise((void *)c->belt->out, sizeof(c->belt->out)); break;
	case 4: noise((void *)c->belt, 256); break; /* header, the primary's words, its own */
	case 5: noise((void *)control, sizeof(*control) / 16); break;
	case 6: atomic_store(&control->journal.used, chance(2) ? chance(4000) : chance(UINT32_MAX)); break;
	case 7: noise((void *)c->belt->verdict, sizeof(c->belt->verdict)); break;
	default:
		for (uint32_t n = chance(8); n > 0; n--)
			settle_somehow(c);
	}
}

/* Its end, and the next one in the other slot. */
static void replace_enemy(void)
{
	uint32_t orphans, next = 3 - enemy;
	struct move_report report;

	deaths++;
	datapath_slot_dead(rig.dp, enemy);
	for (uint32_t n = 0; !datapath_slot_recovered(rig.dp, enemy, &orphans); n++) {
		assert_true(n < 10000);
		turns(1);
	}
	attach_of(next, 1);
	assert_int_equal(belt_take(&worker[next], BELT_SLOTS), 0); /* nothing of its predecessor's making */
	int id = datapath_move(rig.dp, &(struct move_order){.service = 1, .from = enemy, .to = next});
	assert_true(id > 0);
	for (uint32_t n = 0; !datapath_move_done(rig.dp, id, &report); n++) {
		uint8_t seen[BELT_SLOTS];

		assert_true(n < 10000);
		settle_all(next, seen);
		honest_works();
		turns(1);
	}
	assert_false(report.failed);
	enemy = next;
}

static void nothing_that_a_worker_writes_is_noticed_by_others(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		inject();
		turns(1 + chance(3));
		enemy_acts();
		honest_works();
		turns(1 + chance(3));
		uint32_t slot = datapath_slot_to_fence(rig.dp);
		assert_true(slot == SLOT_NONE || slot == enemy);
		if (slot == enemy)
			fenced[datapath_fence_why(rig.dp, enemy)]++;
		if (slot == enemy || chance(100) == 0)
			replace_enemy();
	}
	for (uint32_t i = 0; i < 20; i++) {
		honest_works();
		turns(50);
	}
	assert_int_equal(answered, injected);
	print_message("%u deaths, fenced for done %u, filled %u, verdict %u, cell %u\n", deaths, fenced[FENCE_DONE],
		      fenced[FENCE_FILLED], fenced[FENCE_VERDICT], fenced[FENCE_CELL]);
	for (uint32_t i = FENCE_DONE; i <= FENCE_CELL; i++)
		assert_true(fenced[i] > 0);
	replace_enemy(); /* what it left in its own belt goes back, so that the books can be closed */
}

static int set_up_two(void **state)
{
	const char *seed = getenv("BATON_TEST_SEED");

	(void)state;
	random_state = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) * 2654435761u;
	random_state |= 1;
	print_message("test_hostile: BATON_TEST_SEED=%#llx\n", (unsigned long long)random_state);
	rig_create_services(&rig, 1, 3, BUCKETS, 2);
	enemy = 1;
	attach_of(0, 0);
	attach_of(1, 1);
	for (uint32_t service = 0; service < 2; service++)
		move_of(service, SLOT_NONE, service, NULL);
	turns(200);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_that_a_worker_writes_is_noticed_by_others, set_up_two, tear_down),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
