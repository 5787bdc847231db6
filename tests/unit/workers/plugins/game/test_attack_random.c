/* PLAYER_ATTACK at random: each hit is applied and told exactly once whatever the order of messages, the repeats of
 * clients and the deaths of primaries. The seed is printed; SEED=n repeats a run. */
#include "attack_rig.h"

struct claim {
	bool open, known;
	struct GameAttack asked, answer;
};
static struct claim claim[PLAYERS + 1];
static uint32_t heard[PLAYERS + 1][20000]; /* by target and ordinal: who is told of it (attacker << 16 | sequence) */
static uint32_t damage[PLAYERS + 1];

static void judge(const struct GameAttack *answer)
{
	struct claim *c = &claim[answer->header.player_id];

	assert_int_equal(answer->header.sequence, c->asked.header.sequence);
	if (c->known) {
		assert_memory_equal(answer, &c->answer, sizeof(*answer));
		return;
	}
	c->known = true;
	c->open = false;
	c->answer = *answer;
	assert_int_equal(answer->target, c->asked.target);
	if (answer->status != GAME_OK) {
		assert_true(answer->status == GAME_MISSED || answer->status == GAME_TARGET_DOWN);
		return;
	}
	assert_true(answer->result.hits > 0 && answer->result.hits < 20000);
	assert_int_equal(heard[answer->target][answer->result.hits], 0); /* nobody else was told of it */
	heard[answer->target][answer->result.hits] = answer->header.player_id << 16 | (answer->header.sequence & 0xffff);
	damage[answer->target] += answer->damage;
}

static void try_one(uint32_t id, uint32_t target)
{
	struct claim *c = &claim[id];
	uint32_t status, before = told_count;
	struct GameAttack reply;

	if (c->open || (c->known && rand() % 4 == 0)) {
		reply = send(&c->asked, &status);
		if (status != OPEN)
			judge(&reply);
	} else {
		struct GameAttack attack =
			request(id, c->asked.header.sequence + 1, target, 1 + (uint32_t)rand() % 3,
				(float)target + (rand() % 8 == 0 ? 90 : 0), 0);
		reply = send(&attack, &status);
		assert_true(status == OPEN || status == GAME_COOLDOWN || status == GAME_TOO_FAR);
		if (status == OPEN)
			*c = (struct claim){.open = true, .asked = attack};
	}
	assert_int_equal(told_count, before);
}

static void deliver_one(void)
{
	uint32_t before = told_count;

	if (in_flight == 0)
		return;
	deliver((uint32_t)rand() % in_flight);
	if (told_count != before)
		judge(&told);
}

/* Every hit that landed was told, once, and no other; returns how many. */
static uint32_t close_books(void)
{
	uint32_t landed = 0;

	for (uint32_t id = 1; id <= PLAYERS; id++) {
		const struct fighter *f = baton_test_record(&t, baton_bucket(&t.ctx, id), FIGHTER_KEY(id));

		assert_false(claim[id].open);
		if (f == NULL)
			continue;
		assert_int_equal(f->vitals.hit_points, 100 - damage[id] + f->vitals.healed);
		for (uint32_t n = 1; n <= f->vitals.hits; n++)
			assert_int_not_equal(heard[id][n], 0); /* each one that landed was told */
		assert_int_equal(heard[id][f->vitals.hits + 1], 0);
		landed += f->vitals.hits;
	}
	return landed;
}

static void everything_is_applied_and_told_once_in_any_order(void **state)
{
	unsigned seed = getenv("SEED") != NULL ? (unsigned)strtoul(getenv("SEED"), NULL, 0) : (unsigned)time(NULL);
	uint32_t deaths = 0;

	(void)state;
	printf("SEED=%u\n", seed);
	srand(seed);
	memset(claim, 0, sizeof(claim));
	memset(heard, 0, sizeof(heard));
	memset(damage, 0, sizeof(damage));
	for (uint32_t step = 0; step < 100000; step++) {
		uint32_t what = (uint32_t)rand() % 1000, id = 1 + (uint32_t)rand() % PLAYERS;

		t.time_ns += (uint64_t)rand() % 3000000;
		if (what < 400) {
			try_one(id, 1 + (id + (uint32_t)rand() % (PLAYERS - 1)) % PLAYERS);
		} else if (what < 980) {
			deliver_one();
		} else if (what < 998) {
			uint32_t bucket = (uint32_t)rand() % BUCKETS;
			move(id, step + 2, (float)id, 0);
			baton_test_tick(&t, bucket);
			collect();
		} else {
			in_flight = 0;
			deaths++;
		}
		if (step % 500 == 0) /* nobody is idle */
			for (uint32_t p = 1; p <= PLAYERS; p++)
				move(p, step + 1, (float)p, 0);
	}
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t id = 1; id <= PLAYERS; id++)
			if (claim[id].open)
				try_one(id, 0);
		while (in_flight > 0)
			deliver_one();
	}
	uint32_t landed = close_books();
	printf("%u hits landed, %u deaths of primaries\n", landed, deaths);
	assert_true(landed > 3000 && deaths > 50);
	/* results that nobody confirmed are told again, then confirmed; a minute later all is forgotten */
	for (uint32_t i = 0; i < 20; i++) {
		t.time_ns += 6 * SECOND;
		for (uint32_t id = 1; id <= PLAYERS; id++)
			move(id, 1000000 + i, (float)id, 0);
		for (uint32_t b = 0; b < BUCKETS; b++) {
			baton_test_tick(&t, b);
			collect();
		}
		deliver_all();
	}
	assert_int_equal(memories(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_is_applied_and_told_once_in_any_order, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
