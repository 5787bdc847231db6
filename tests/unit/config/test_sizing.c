/* Claims about the arithmetic of rate.max: what is refused, what is computed. */
#include "config_test.h"
#include "sizing.h"

/* rate: of the one service; group, top: what else is written in the group, at the top. */
static void load_rate(const char *rate, const char *group, const char *top)
{
	static char text[4096];

	snprintf(text, sizeof(text), PORTS "%sservices:\n- {name: game, port: 8080, group: game, rate: {max: %s}}\n"
		 "groups:\n- {name: game, plugin: /p/game.so%s}\n", top, rate, group);
	load_text(text);
}

/* 22 ms until a stall is found: 4032 packets are 183272 a second, 3960 are 180000. */
static void belts_hold_what_comes_until_a_stall_is_found(void **state)
{
	(void)state;
	load_rate("183272", "", "");
	expect_good();
	load_rate("183273", "", "");
	expect_error(5, column_of(5, "183273"), "services[0]: rate.max: a worker that stalls is found after 22 ms; "
		     "183273 packets/s on 1 I/O lcore for 1 worker are 4033 packets until then, its belt holds 4032: "
		     "set groups[0].stall_timeout to 19ms, or groups[0].count to 2, or rate.max to 183272");
	load_rate("1M", "", "");
	expect_error(5, column_of(5, "1M"), "services[0]: rate.max: a worker that stalls is found after 22 ms; "
		     "1000000 packets/s on 1 I/O lcore for 1 worker are 22000 packets until then, its belt holds 4032: "
		     "set groups[0].stall_timeout to 2ms, or groups[0].count to 6, or rate.max to 183272");
	load_rate("1M", ", count: 6", "");
	expect_good();
	load_rate("1M", ", stall_timeout: 2ms", "");
	expect_good();
	load_rate("350k", "", "eal: {io_cores: [0, 0]}\n");
	expect_good();
	load_rate("100k", ", stall_timeout: off, stall_wall: 20ms", "");
	expect_good();
	load_rate("100k", ", stall_timeout: off, stall_wall: off", "");
	expect_error(5, column_of(5, "100k"), "services[0]: rate.max: no belt holds what comes while a worker is "
		     "stalled, for with stall_timeout and stall_wall off it is never replaced: switch one on");
}

static void pending_lists_hold_what_comes_until_a_worker_is_replaced(void **state)
{
	(void)state;
	load_rate("100k", "", "memory: {pending: 5000}\n");
	expect_good();
	load_rate("100k", "", "memory: {pending: 4999}\n");
	expect_error(4, column_of(4, "4999"), "memory.pending: 4999 packets are too few for the workers' recovery: of "
		     "an I/O lcore, service game 100000 packets/s for 50 ms, are 5000: raise it to "
		     "that, or leave it out");
	load_rate("100k", ", recovery: {time: 5ms}", "memory: {pending: 500}\n");
	expect_good();
	load_rate("180k", ", recovery: {time: 60s}", "");
	expect_error(5, column_of(5, "180k"), "pending lists of an I/O lcore cannot hold what waits for the workers' "
		     "recovery: service game 180000 packets/s for 60000 ms, are 10800000 packets of 4194304: lower");
	load_rate("100k", "", "memory: {buffers: 9000}\n"); /* rings 5120 + 64, belts 2200, pending 5000 */
	expect_error(4, column_of(4, "9000"), "memory.buffers: 9000 buffers are too few: 5184 in the rings of the "
		     "ports, 2200 packets in belts and 5000 in pending lists at rate.max make 12384: raise it to that");
	load_rate("100k", "", "memory: {buffers: 12384}\n");
	expect_good();
}

#define TWO \
	"services:\n- {name: a, port: 9, group: one, rate: {max: 150k}}\n- {name: b, port: 10, group: two}\n" \
	"groups:\n- {name: one, plugin: /p/1.so, recovery: {time: 200ms}}\n- {name: two, plugin: ../2.so}\n"

/* auto is as much as is needed, and each service has its own part. */
static void services_have_room_by_their_rates(void **state)
{
	const struct config *c = &outcome.config;

	(void)state;
	load_text(PORTS TWO);
	expect_good();
	assert_int_equal(c->pending, 0);
	assert_int_equal(sizing_pending_room(c), 30000 + 8000);
	assert_int_equal(sizing_service_room(c, 0), 30000);
	assert_int_equal(sizing_service_room(c, 1), 8000); /* half of what there is if nobody says a rate */
	load_text(PORTS "memory: {pending: 40k}\n" TWO);
	expect_good();
	assert_int_equal(sizing_service_room(c, 0), 30000);
	assert_int_equal(sizing_service_room(c, 1), 10000);
	load_text(PORTS SERVICES GROUPS);
	assert_int_equal(sizing_pending_room(c), 16000);
	assert_int_equal(sizing_service_room(c, 0), 16000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(belts_hold_what_comes_until_a_stall_is_found),
		cmocka_unit_test(pending_lists_hold_what_comes_until_a_worker_is_replaced),
		cmocka_unit_test(services_have_room_by_their_rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
