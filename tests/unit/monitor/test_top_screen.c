/* The live screen from snapshots, without a terminal: layout at three sizes in both alphabets, and what keys do. */
#include "screen_rig.h"

/* ---- layout ---- */

static void cores_come_first_with_what_one_looks_for(void **state)
{
	(void)state;
	look();
	has(" baton-top 0.1.0  demo@demo-host  up 0h02m06s");
	has("\n+ OK  nothing is wrong\n[1 Cores] 2 Drops ");
	has("\n  1 io.0                   [#        ]  7.1%   19.0  1.20M  1.20M  1.22k");
	has("\n  2 game.0       1.4.2     [         ]  2.4%   11.0   600k");
	has("DROPS/s  1.22k (0.10% of what arrived)  malformed 1.20k  bad_udp_checksum 24\n");
	has("RESIDENCE  p50 ");
	has("p99.9 ");
	has("attached to demo, primary pid 4096");
	has("\n ? Help  q Quit  / Filter  <> Sort  I Invert  Z Pause  R Rebase  +- Interval\n");
}

static void each_view_shows_what_its_name_says(void **state)
{
	(void)state;
	press("2");
	has("[2 Drops]");
	has("REASON");
	has("malformed         refused   1.20k  98.0%      151200 refused by the plugin as ma");
	press("3");
	has("game.1       game       1.4.2     standby ");
	press("4");
	has("zygote             ok       pid 4098, spare pid 4099; 0 died so far");
	has("port lan           ok       up, 1.20M/s in, 1.20M/s out, 0 lost in 126 s\n");
	has("pool io.0          ok       87% of 16384 buffers free");
	press("5");
	has("all lcores    now        1.20M");
	has("io.0          126 s       151M");
	has("game     1.4.2        now       1.41 us   1.92 us   2.56 us   2.56 us   1.20M\n");
	has("SPREAD");
	press("6");
	has("info   malformed: drops began, 1.20k/s");
}

static void utf8_and_ascii_say_the_same(void **state)
{
	(void)state;
	sized(80, 24, false);
	look();
	has("\xe2\x9c\x93 OK");
	has("[\xe2\x96\x8b        ]  7.1%");
	for (uint32_t view = 1; view <= VIEW_COUNT; view++) {
		sized(80, 24, true);
		press((char[]){ (char)('0' + view), 0 });
		for (const char *c = text; *c != 0; c++)
			assert_true(*c == '\n' || (*c >= 0x20 && *c < 0x7f));
	}
}

static void wider_screens_show_more_columns(void **state)
{
	(void)state;
	look();
	has_not("CYC/PKT");
	sized(120, 40, true);
	look();
	has("CYC/PKT");
	has(" io     io.0 ");
	press("3");
	has("RESTART CRASH");
}

static void small_screens_get_a_summary(void **state)
{
	(void)state;
	sized(40, 10, true);
	look();
	has("demo 22:15:26\n+ OK\nrx 1.20M/s  tx 1.20M/s\ndrops 1.22k/s (0.10%)  malformed\np50 ");
	has("workers 2 active of 3\nbusiest 7% io.0\n");
	has("\nq Quit  ? Help  Z Pause\n");
	press("?");
	has("? Back");
	sized(19, 3, true);
	look();
	has("OK\nneeds 20x4\n");
}

/* No size, view or content may write beside the canvas or lose the verdict; the sanitizers watch. */
static void any_size_is_drawn(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < s.workers; i++) {
		memset(s.worker[i].entry.name, 'W', BATON_NAME_BYTES - 1);
		memset(s.worker[i].entry.version, '\xff', BATON_NAME_BYTES - 1);
	}
	for (uint32_t i = 0; i < s.cores; i++) {
		memset(s.core[i].name, 'C', BATON_NAME_BYTES - 1);
		s.core[i].busy = 1;
		s.core[i].rx_pps = s.core[i].cycles = 1e18;
	}
	for (uint32_t i = 0; i < DROP_COUNT; i++)
		s.drop[i] = (struct snapshot_drop){ .total = UINT64_MAX, .pps = 1e12 };
	for (int width = 2; width <= 200; width += width < 70 ? 1 : 13)
		for (int height = 1; height <= 60; height += height < 20 ? 1 : 9) {
			sized(width, height, width % 2 == 0);
			for (uint32_t view = 0; view < VIEW_COUNT + 1; view++) {
				screen.view = view % VIEW_COUNT;
				screen.help = view == VIEW_COUNT;
				look();
				bool all_help = screen.help && (width < SCREEN_WIDTH || height < SCREEN_HEIGHT);
				has(all_help ? "" : "OK");
			}
		}
}

static void empty_and_stopped_instances_are_drawn(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	record_init(&record);
	for (uint32_t view = 1; view <= VIEW_COUNT; view++)
		press((char[]){ (char)('0' + view), 0 });
	press("3");
	has("no workers");
	press("4");
	has("X crit   none is active");
	b->gone = true;
	snapshot_derive(&s, a, b);
	press("4");
	has("X CRIT  primary has stopped");
	has("stopped  ");
	has("primary            X crit   has stopped");
}

static void three_reasons_are_told_if_not_in_one_line(void **state)
{
	(void)state;
	b->page[1].drop[DROP_belt_full] = 600000;
	b->alive_tsc = 1;
	b->page[1].heartbeat = 1;
	snapshot_derive(&s, a, b);
	look();
	has("X CRIT  primary (pid 4096) silent for 126 s | losing 33.33% (belt_full)\n        I/O lcore 0 silent for ");
	has("!belt_full 600k");
	press("4");
	has("io.0               X crit   stalled");
}

static void marks_tell_without_colour(void **state)
{
	(void)state;
	b->page[1].busy_cycles = a->page[1].busy_cycles + 30 * SECOND;
	b->page[1].burst_packets = a->page[1].burst_packets + 60 * (b->page[1].bursts - a->page[1].bursts);
	snapshot_derive(&s, a, b);
	look();
	has("!94.");
	has("!60.0");
	has("! WARN  io.0 busy");
}

/* ---- keys ---- */

static void tab_and_digits_turn_views_esc_goes_back(void **state)
{
	(void)state;
	press("\t\t");
	has("[3 Workers]");
	press("7\t");
	has("[1 Cores]");
	screen_press(&screen, SCREEN_KEY_BACKTAB);
	look();
	has("[7 Rollouts]");
	press("?");
	has("stop the picture");
	press("\x1b");
	has("[7 Rollouts]");
	press("\x1b");
	has("[1 Cores]");
	assert_int_equal(screen_press(&screen, 'q'), ORDER_QUIT);
	assert_int_equal(screen_press(&screen, SCREEN_KEY_F10), ORDER_QUIT);
}

static void filter_keeps_rows_with_the_text_and_inverts(void **state)
{
	(void)state;
	press("3/STANDBY");
	has("Filter: STANDBY_");
	has("standby");
	has_not("game.0 ");
	press("\n");
	has("/STANDBY: 1");
	press("/");
	screen_press(&screen, SCREEN_KEY_BACKSPACE);
	press("\x1b/!game.1\n");
	has("/!game.1: 1");
	has("game.0");
	has_not("game.1  ");
	press("\x1b");
	has_not("/!game.1");
	press("/q");
	has("Filter: q_"); /* a letter, not the end */
}

static void sort_goes_through_columns_and_inverts(void **state)
{
	(void)state;
	press("3>>>>>");
	has("STATE^");
	has("by STATE");
	assert_true(strstr(text, "active") < strstr(text, "standby"));
	press("I");
	has("STATEv");
	assert_true(strstr(text, "active") > strstr(text, "standby"));
	press("I<<<<<");
	has_not("by STATE");
	press(">");
	has("by SLOT"); /* numbers: the largest first */
	assert_true(strstr(text, "   2 game.1") < strstr(text, "   0 game.0"));
	press("<<");
	has("by BUILD");
}

static void more_rows_than_fit_are_scrolled_to(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < DROP_COUNT; i++)
		s.drop[i] = (struct snapshot_drop){ .total = 1 + i, .pps = 0 };
	press("2");
	has("runt_frame");
	has("0 more above, ");
	screen_press(&screen, SCREEN_KEY_END);
	look();
	has("device_tx_errors");
	has_not("runt_frame ");
	has(" more above, 0 below");
	screen_press(&screen, SCREEN_KEY_UP);
	look();
	has(" more above, 1 below");
	screen_press(&screen, SCREEN_KEY_HOME);
	look();
	has("runt_frame");
}

static void interval_goes_up_and_down_a_ladder(void **state)
{
	(void)state;
	screen.interval_ns = 700000000;
	assert_int_equal(screen_press(&screen, '+'), ORDER_INTERVAL);
	assert_true(screen.interval_ns == SECOND);
	for (int i = 0; i < 20; i++)
		screen_press(&screen, '-');
	assert_true(screen.interval_ns == SECOND / 10);
	assert_int_equal(screen_press(&screen, '-'), ORDER_NONE);
	for (int i = 0; i < 20; i++)
		screen_press(&screen, '+');
	assert_true(screen.interval_ns == 10 * SECOND);
	look();
	has("every 10.0 s");
}

static void pause_and_rebase_say_so(void **state)
{
	(void)state;
	assert_int_equal(screen_press(&screen, 'Z'), ORDER_PAUSE);
	look();
	has("PAUSED at 22:15:26Z");
	has("Z Go on");
	assert_int_equal(screen_press(&screen, 'Z'), ORDER_PAUSE);
	look();
	has_not("PAUSED");
	assert_int_equal(screen_press(&screen, 'R'), ORDER_REBASE);
	look();
	has("totals count from now");
}

static void figures_too_long_for_their_column_are_not_cut(void **state)
{
	(void)state;
	s.drop[DROP_malformed].total = 123456789012345;
	s.worker[0].entry.restarts = s.worker[0].entry.crashes = 123456789;
	sized(120, 40, true);
	press("2");
	has("123T refused by the plugin");
	press("3");
	has("####### #####");
}

static void names_cannot_order_the_terminal_about(void **state)
{
	(void)state;
	strcpy(s.worker[0].entry.version, "\x1b[2J");
	press("3");
	has("?[2J");
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, screen_make, screen_drop)
	const struct CMUnitTest tests[] = {
		T(cores_come_first_with_what_one_looks_for),
		T(each_view_shows_what_its_name_says),
		T(utf8_and_ascii_say_the_same),
		T(wider_screens_show_more_columns),
		T(small_screens_get_a_summary),
		T(any_size_is_drawn),
		T(empty_and_stopped_instances_are_drawn),
		T(three_reasons_are_told_if_not_in_one_line),
		T(marks_tell_without_colour),
		T(tab_and_digits_turn_views_esc_goes_back),
		T(filter_keeps_rows_with_the_text_and_inverts),
		T(sort_goes_through_columns_and_inverts),
		T(more_rows_than_fit_are_scrolled_to),
		T(interval_goes_up_and_down_a_ladder),
		T(pause_and_rebase_say_so),
		T(figures_too_long_for_their_column_are_not_cut),
		T(names_cannot_order_the_terminal_about),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
