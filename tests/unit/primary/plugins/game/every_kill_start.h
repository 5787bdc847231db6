/* The way to the checkpoint: players, a warm-up, and a burst that waits in the belt of worker 0. */
#ifndef BATON_TEST_EVERY_KILL_START_H
#define BATON_TEST_EVERY_KILL_START_H

#include "belt_consumer.h"
#include "every_kill_world.h"

enum scene { SCENE_SHORT, SCENE_LONG, SCENE_REVOKE, SCENE_GRANT };

static void find_players(void)
{
	uint64_t salt = w.rig.state.header->salt;
	uint32_t id = 1;

	for (uint32_t p = 0; p < PLAYERS; p++, id++) {
		while ((hash_key(id, salt) & (BUCKETS - 1)) != home[p])
			id++;
		w.player[p] = id;
		w.move_sequence[p] = w.attack_sequence[p] = 0;
	}
}

/* Everybody but Carol is there, Dave is wounded, all ticks of the first period have been run. */
static void warm_up(void)
{
	for (enum player_name p = 0; p < PLAYERS; p++)
		if (p != CAROL)
			request_move(p, 1);
	pump();
	request_attack(ALICE, DAVE, false);
	pump();
	for (uint32_t group = 0; group < TICK_GROUPS; group++) {
		rig_time(&w.rig, START_NS + group * GROUP_STEP);
		pump();
	}
	collect();
}

/* Bob's ATTACK has been settled and its HIT is in the belt: an entry of the burst. */
static void post_hit_of_bob(void)
{
	request_attack(BOB, ALICE, false);
	io_turn(io());
	loop_turn(&w.loop[0]);
	io_turn(io());
}

static void offer(void)
{
	while (io_turn(io()))
		;
}

/* The low half of the buckets is to move; the new owner has been woken, the old one has a revoke before it. */
static void move_to_one_awake(uint32_t from, uint32_t to)
{
	move_begins(from, to, low_half);
	housekeep(io());
	assert_int_equal(loop_turn(&w.loop[to]), 1);
	offer();
	assert_int_equal(io()->move[0].phase, MOVE_WAITING);
}

/* Group 0 has its second number from now on. */
static void tick(void)
{
	rig_time(&w.rig, START_NS + PERIOD);
	offer();
}

/* A hit that arrives, a MOVE, a new player, an ATTACK that posts a hit (the journal has settled early before it), a
 * tick, MOVEs of Bob and, once more, of Alice, a HEARTBEAT. */
static void burst_of_8(void)
{
	request_move(ALICE, 2);
	request_move(CAROL, 2);
	request_attack(ALICE, BOB, false);
	offer();
	tick();
	request_move(BOB, 3);
	request_move(ALICE, 3);
	request_heartbeat(BOB);
	offer();
}

/* The same at random, as long as a burst can be. */
static void burst_of_64(uint64_t *random)
{
	for (uint32_t i = 0; i < 31; i++)
		switch (fake_below(random, 4)) {
		case 0: request_attack((enum player_name)fake_below(random, 2), (enum player_name)(4 + fake_below(random, 4)),
				       fake_below(random, 3) == 0); break;
		case 1: request_heartbeat((enum player_name)fake_below(random, PLAYERS)); break;
		default: request_move((enum player_name)fake_below(random, PLAYERS), (float)i); break;
		}
	offer();
	tick();
	for (uint32_t i = 0; i < 31; i++)
		request_move((enum player_name)fake_below(random, PLAYERS), (float)(40 + i));
	offer();
}

/* A move to worker 1 under way: the revoke is an entry of the burst, in front of it and behind it are packets, others
 * of the buckets that move are parked. */
static void burst_with_revoke(void)
{
	request_move(ALICE, 2);
	request_move(CAROL, 2);
	offer();
	move_to_one_awake(0, 1);
	request_attack(ALICE, BOB, false);
	request_move(BOB, 3);
	request_move(GRACE, 3);
	request_heartbeat(HEIDI);
	request_move(ALICE, 3);
	offer();
	tick();
}

/* A move from worker 1, which has all that is: the burst is a grant and what was parked. */
static void burst_with_grant(void)
{
	move_to_one_awake(1, 0);
	request_move(ALICE, 2);
	request_move(CAROL, 2);
	request_attack(ALICE, BOB, false);
	request_move(ALICE, 3);
	request_move(GRACE, 3);
	request_heartbeat(BOB);
	offer();
	while (loop_turn(&w.loop[1]) != 0)
		offer();
	tick();
}

static void fill_burst(enum scene scene, uint64_t *random)
{
	if (scene == SCENE_GRANT) {
		move_buckets(0, 1, NULL);
		return burst_with_grant();
	}
	post_hit_of_bob();
	switch (scene) {
	case SCENE_LONG: return burst_of_64(random);
	case SCENE_REVOKE: return burst_with_revoke();
	default: return burst_of_8();
	}
}

static void world_create(enum scene scene, uint64_t *random)
{
	log_init("test", LEVEL_ERROR);
	rig_eal();
	w.outcome = mmap(NULL, sizeof(*w.outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(w.outcome != MAP_FAILED);
	rig_create_for(&w.rig, 1, 2, BUCKETS, RECORD);
	w.rig.config.group[0].tick_period_ns = PERIOD;
	w.rig.config.group[0].tick_catch_up = 4;
	w.rig.key_offset = GAME_KEY_OFFSET;
	rig_restart(&w.rig); /* by that configuration */
	assert_int_equal(w.rig.state.header->group[0].stride, STRIDE);
	assert_int_equal(w.rig.state.header->group[0].bucket_slots, TABLE);
	rig_time(&w.rig, START_NS);
	find_players();
	worker_start(&w.loop[0], 0);
	worker_start(&w.loop[1], 1);
	move_buckets(SLOT_NONE, 0, NULL);
	warm_up();
	fill_burst(scene, random);
	w.burst = belt_take(&w.loop[0].belt[0], BELT_SLOTS);
	assert_true(w.burst >= 6 && w.burst <= BATON_BURST);
	w.outcome->frames = 0;
}

static void world_destroy(void)
{
	assert_true(move_ends()); /* in this process nobody has died */
	pump();
	collect();
	rig_destroy(&w.rig);
	munmap(w.outcome, sizeof(*w.outcome));
	memset(&w, 0, sizeof(w));
}

#endif
