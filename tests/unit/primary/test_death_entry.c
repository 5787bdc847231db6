/* The entry that a death is reported with: from the primary's own copy, before it is put back. */
#include "belt_consumer.h"
#include "messages_rig.h"

static struct slot_death death;

/* Keys whose packets went to worker 0, in order of the belt. */
static uint32_t key[3];

static void offer_three(void)
{
	for (uint32_t n = 0, k = 0; n < 3; k++) {
		uint8_t payload[60];
		uint32_t at = belt_take(&worker[0], BELT_SLOTS);

		memset(payload, (int)k, sizeof(payload));
		memcpy(payload, &k, sizeof(k));
		rig_inject(&rig, 0, rig_frame(&rig, 0, payload, sizeof(payload)));
		turn();
		if (belt_take(&worker[0], BELT_SLOTS) != at)
			key[n++] = k;
	}
}

/* Worker 0 settles its first entry, scribbles over all of them and dies. */
static void die(void)
{
	struct belt_consumer *c = &worker[0];

	belt_verdict(c, c->done, baton_reply(4));
	for (uint32_t i = 0; i < 3; i++) {
		struct belt_slot *slot = belt_slot_at(c, c->done + i);

		memset(belt_slot_data(c, slot), 0xee, 60);
	}
	belt_settle(c, c->done + 1);
	for (uint32_t i = 1; i < 3; i++)
		belt_slot_at(c, c->done + i - 1)->packet.bucket = 0xffff;
	datapath_slot_dead(rig.dp, 0);
	turn();
	uint32_t orphans;
	assert_true(datapath_slot_recovered(rig.dp, 0, &orphans));
	datapath_slot_death(rig.dp, 0, &death);
}

static void is_packet(uint32_t n)
{
	uint32_t first;

	assert_true(death.found);
	assert_int_equal(death.unsettled, 2);
	assert_int_equal(death.entry.kind, BELT_PACKET);
	assert_int_equal(death.entry.len, 60);
	assert_int_equal(death.entry.kept, 60);
	memcpy(&first, death.entry.payload, sizeof(first));
	assert_int_equal(first, key[n]);
	assert_int_equal(death.entry.payload[59], (uint8_t)key[n]);
	assert_true(death.entry.bucket < BUCKETS);
	assert_int_equal(death.entry.attempts, 0);
}

static void the_entry_it_had_open_is_told_as_it_arrived(void **state)
{
	(void)state;
	offer_three();
	datapath_slot_look(rig.dp, 0, 0, worker[0].done + 2);
	die();
	assert_true(death.exact);
	is_packet(2);
}

static void without_its_word_it_is_the_first_unsettled(void **state)
{
	(void)state;
	offer_three();
	datapath_slot_look(rig.dp, 0, BATON_MAX_IO_LCORES, worker[0].done + 2);
	die();
	assert_false(death.exact);
	is_packet(1);
}

static void a_position_that_cannot_be_is_not_believed(void **state)
{
	static const int64_t off[] = {0, 3, 4096, INT64_MIN, -1};

	(void)state;
	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		if (i > 0)
			set_up(state);
		offer_three();
		datapath_slot_look(rig.dp, 0, 0, worker[0].done + (uint64_t)off[i]); /* settled, not offered, forged */
		die();
		assert_false(death.exact);
		is_packet(1);
		if (i + 1 < sizeof(off) / sizeof(off[0]))
			tear_down(state);
	}
}

static void one_that_had_nothing_leaves_nothing(void **state)
{
	uint32_t orphans;

	(void)state;
	offer_three();
	die();
	/* the slot's next worker dies before it is attached: what the one before left is not its own */
	datapath_slot_dead(rig.dp, 0);
	turn();
	assert_true(datapath_slot_recovered(rig.dp, 0, &orphans));
	datapath_slot_death(rig.dp, 0, &death);
	assert_false(death.found);
	assert_int_equal(death.unsettled, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_entry_it_had_open_is_told_as_it_arrived),
		CASE(without_its_word_it_is_the_first_unsettled),
		CASE(a_position_that_cannot_be_is_not_believed),
		CASE(one_that_had_nothing_leaves_nothing),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
