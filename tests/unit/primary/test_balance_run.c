/* Balancing on the supervisor's rig: what is measured is moved, operators go first, and what they did by hand stays. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "callers.h"
#include "scale_rig.h"

static uint32_t heat[FAKE_BUCKETS]; /* entries of each bucket in every turn */
static struct caller operator;

/* Turns under traffic until the condition holds. */
#define wait_in_traffic(condition) \
	do { \
		uint64_t end_ = process_now_ns() + RIG_WAIT_NS; \
		while (!(condition)) { \
			if (process_now_ns() > end_) \
				fail_msg("still not so after %llu s: %s", (unsigned long long)RIG_WAIT_S, #condition); \
			traffic_turn(); \
		} \
	} while (0)

static void traffic_turn(void)
{
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		fake.load[0][b] += heat[b];
	rig_turn();
}

static struct balance_group *group(void)
{
	return &rig.primary->supervisor->balance.group[0];
}

static uint64_t moves(void)
{
	return stats_main(&rig.primary->stats)->balance_moves;
}

static bool quiet(void)
{
	return rig.primary->supervisor->scale.phase == SCALE_IDLE && !group()->planned;
}

/* So many decisions later. */
static void looks(uint32_t count)
{
	for (; count > 0; count--) {
		uint64_t before = group()->looked_ns;

		wait_in_traffic(group()->looked_ns != before && quiet());
	}
}

/* Every worker owns every second bucket; one service, as in a configuration file. */
static int start(void **state)
{
	if (rig_start(state))
		return -1;
	memset(heat, 0, sizeof(heat));
	memset(fake.owner[1], SLOT_NONE, sizeof(fake.owner[1]));
	rig.primary->config.services = 1;
	rig.primary->config.group[0].balance = (struct config_balance){
		.enabled = true, .measure = MEASURE_PACKETS, .interval_ns = 5000000, .threshold = 25, .settle = 10,
		.patience = 2, .moves = 16, .rest_ns = 60000000000ull, .keep_placed_ns = 60000000000ull,
	};
	return 0;
}

static int end(void **state)
{
	hang_up_on(&operator);
	return rig_end(state);
}

/* Of the worker's buckets, in a turn. */
static uint32_t load_of(const char *name)
{
	uint32_t slot = rig_worker(named(name))->slot, sum = 0;

	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		sum += fake.owner[0][b] == slot ? heat[b] : 0;
	return sum;
}

/* Buckets 0, 2, ... 14, all of game.0. */
static void heat_game_0(void)
{
	for (uint32_t b = 0; b < 16; b += 2)
		heat[b] = 100;
}

static void hot_buckets_go_to_the_idle_worker(void **unused)
{
	json_t *status, *row;

	(void)unused;
	heat_game_0();
	wait_in_traffic(moves() > 0 && quiet());
	assert_int_equal(load_of("game.0"), 400);
	assert_int_equal(load_of("game.1"), 400);
	assert_int_equal(moves(), 1); /* one move, of all that go the same way */
	assert_int_equal(stats_main(&rig.primary->stats)->balance_buckets, 4);
	assert_non_null(strstr(group()->last, "game.0 has "));
	assert_non_null(strstr(group()->last, "go from game.0 to game.1"));
	looks(10);
	assert_int_equal(moves(), 1);
	status = balance_show(rig.primary, "game");
	row = json_array_get(json_object_get(status, "groups"), 0);
	assert_true(json_is_true(json_object_get(row, "on")));
	assert_int_equal(number(row, "moved"), 4);
	row = json_array_get(json_object_get(row, "roles"), 0);
	assert_string_equal(text(row, "verdict"), "even");
	assert_int_equal(json_array_size(json_object_get(row, "workers")), 2);
	json_decref(status);
}

static void workers_of_another_role_are_no_place_to_go(void **unused)
{
	(void)unused;
	rig_worker(1)->role = ROLE_CANDIDATE;
	heat_game_0();
	looks(10);
	assert_int_equal(moves(), 0);
	rig_worker(1)->role = ROLE_STABLE;
	wait_in_traffic(moves() > 0);
}

static void it_is_on_or_off_as_the_last_one_said(void **unused)
{
	struct config_balance *config = &rig.primary->config.group[0].balance;

	(void)unused;
	heat_game_0();
	config->enabled = false;
	call(&operator, "{\"command\":\"balance.status\"}");
	told_well(&operator);
	for (uint32_t i = 0; i < 100; i++)
		traffic_turn();
	assert_int_equal(moves(), 0);
	assert_int_equal(group()->looked_ns, 0);
	demand(&operator, "{\"command\":\"balance.on\",\"args\":{\"group\":\"game\"}}");
	told_well(&operator);
	wait_in_traffic(moves() > 0 && quiet());
	demand(&operator, "{\"command\":\"balance.off\"}");
	told_well(&operator);
	for (uint32_t b = 1; b < 32; b += 2)
		heat[b] = 500;
	for (uint32_t i = 0; i < 100; i++)
		traffic_turn();
	assert_int_equal(moves(), 1);
	config->enabled = true; /* a reload */
	wait_in_traffic(moves() > 1);
	demand(&operator, "{\"command\":\"balance.on\",\"args\":{\"group\":\"gmae\"}}");
	told_why(&operator, "not_found", "groups are game");
}

static void what_an_operator_placed_stays(void **unused)
{
	(void)unused;
	rig.primary->config.group[0].balance.enabled = false;
	traffic_turn();
	assert_int_equal(begin_buckets("0-14/2", "game.0"), 0); /* where they are: and there they are to stay */
	done_well();
	heat_game_0();
	heat[16] = heat[18] = 100; /* these are not placed */
	rig.primary->config.group[0].balance.enabled = true;
	wait_in_traffic(moves() > 0 && quiet());
	looks(10);
	assert_int_equal(load_of("game.0"), 800);
	assert_int_equal(load_of("game.1"), 200);
	json_t *status = balance_show(rig.primary, NULL);
	assert_string_equal(text(json_array_get(json_object_get(status, "groups"), 0), "placed"), "0-14/2");
	json_decref(status);
	balance_order(rig.primary->supervisor, 0, true);
	wait_in_traffic(load_of("game.0") == 500);
	assert_int_equal(load_of("game.1"), 500);
}

/* A debugged worker neither gives nor takes. */
static void a_debugged_worker_is_left_alone(void **unused)
{
	(void)unused;
	start_worker_of("game");
	rig_worker(1)->debugged = true;
	rig_worker(1)->debug_slot = rig_worker(1)->slot;
	rig_worker(1)->debug_incarnation = rig_slot(rig_worker(1)->slot)->incarnation;
	uint32_t before = owns("game.1", 0);
	heat_game_0();
	wait_in_traffic(moves() > 0 && quiet());
	looks(5);
	assert_int_equal(owns("game.1", 0), before);
	rig_worker(1)->debugged = false;
}

static void an_order_waits_for_the_move_and_is_not_refused(void **unused)
{
	(void)unused;
	heat_game_0();
	fake.hold_moves = true;
	wait_in_traffic(rig.primary->supervisor->scale.phase != SCALE_IDLE);
	assert_int_equal(rig.primary->supervisor->scale.kind, SCALE_BALANCE);
	call(&operator, "{\"command\":\"worker.drain\",\"args\":{\"target\":\"game.1\"}}");
	for (uint32_t i = 0; i < 100; i++) {
		traffic_turn();
		assert_false(told(&operator));
	}
	fake.hold_moves = false;
	told_well(&operator); /* fails if it was refused */
	assert_true(rig_worker(1)->drained);
	assert_int_equal(owns("game.1", 0), 0);
	assert_int_equal(moves(), 1);
	looks(5); /* one worker: there is nothing to even out */
	assert_int_equal(moves(), 1);
}

/* The order goes before the second move of the same plan. */
static void an_order_goes_before_the_next_move(void **unused)
{
	(void)unused;
	start_worker_of("game");
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		heat[b] = fake.owner[0][b] == rig_worker(0)->slot ? 100 : 0;
	fake.hold_moves = true;
	wait_in_traffic(rig.primary->supervisor->scale.phase != SCALE_IDLE);
	call(&operator, "{\"command\":\"worker.drain\",\"args\":{\"target\":\"game.2\"}}");
	for (uint32_t i = 0; i < 20; i++)
		traffic_turn();
	uint32_t parts = 0;
	for (uint32_t i = 0; i < group()->plan[0].moves; i++)
		parts += !group()->plan[0].move[i].taken;
	assert_true(parts > 0); /* there is a second one */
	fake.hold_moves = false;
	told_well(&operator);
	assert_int_equal(moves(), 1);
	assert_int_equal(owns("game.2", 0), 0);
}

/* Shares stay as uneven as the loads have made them, until somebody asks for an even share. */
static void later_operations_keep_what_balancing_made(void **unused)
{
	uint32_t least, most;

	(void)unused;
	heat[0] = 1000;
	for (uint32_t b = 1; b < 32; b++)
		heat[b] = b % 2 ? 10 : 50;
	wait_in_traffic(moves() > 0 && quiet());
	looks(3);
	balance_order(rig.primary->supervisor, 0, false);
	least = owns("game.0", 0);
	most = owns("game.1", 0);
	assert_true(least < 24 && least + most == FAKE_BUCKETS);
	start_worker_of("game");
	assert_int_equal(owns("game.2", 0), FAKE_BUCKETS / 3);
	assert_in_range(owns("game.0", 0), least * 2 / 3, least * 2 / 3 + 1);
	assert_in_range(owns("game.1", 0), most * 2 / 3, most * 2 / 3 + 1);
	drain_worker("game.2", true);
	assert_in_range(owns("game.0", 0), least * 2 / 3 + 10, least * 2 / 3 + 12);
	restart("game", NULL);
	assert_true(rig_ok());
	wait_until(scale_settled());
	assert_in_range(owns("game.0", 0), least * 2 / 3 + 10, least * 2 / 3 + 12);
	start_worker_of("game.0"); /* nothing else is asked for but an even share */
	assert_int_equal(owns("game.0", 0), FAKE_BUCKETS / 2);
	start_worker_of("game");
	assert_in_range(owns("game.0", 0), FAKE_BUCKETS / 3, FAKE_BUCKETS / 3 + 1);
}

static void a_death_on_the_way_ends_the_move_and_no_more(void **unused)
{
	(void)unused;
	for (uint32_t round = 1; round <= 4; round++) {
		memset(heat, 0, sizeof(heat));
		memset(rig.primary->supervisor->balance.service[0].rests_ns, 0,
		       rig.primary->supervisor->balance.service[0].rests_ns ? FAKE_BUCKETS * sizeof(uint64_t) : 0);
		uint32_t hot = round % 2;
		for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
			heat[b] = fake.owner[0][b] == rig_worker(hot)->slot ? 100 : 0;
		fake.hold_moves = true;
		wait_in_traffic(rig.primary->supervisor->scale.phase != SCALE_IDLE &&
				fake.move[0].open);
		kill(rig_pid(round % 4 < 2 ? hot : 1 - hot), SIGKILL);
		for (uint32_t i = 0; i < 20; i++)
			traffic_turn();
		fake.hold_moves = false;
		wait_in_traffic(rig.primary->supervisor->scale.phase == SCALE_IDLE && scale_settled());
		uint32_t sum = owns("game.0", 0) + owns("game.1", 0);
		assert_int_equal(sum, FAKE_BUCKETS);
	}
}

#define claim(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		claim(hot_buckets_go_to_the_idle_worker),
		claim(workers_of_another_role_are_no_place_to_go),
		claim(it_is_on_or_off_as_the_last_one_said),
		claim(what_an_operator_placed_stays),
		claim(a_debugged_worker_is_left_alone),
		claim(an_order_waits_for_the_move_and_is_not_refused),
		claim(an_order_goes_before_the_next_move),
		claim(later_operations_keep_what_balancing_made),
		claim(a_death_on_the_way_ends_the_move_and_no_more),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
