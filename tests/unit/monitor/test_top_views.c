/* Health and Latency, case by case: each part's state in a sentence that is whole at 80 columns; versions told
 * apart. */
#include "screen_rig.h"

static void shown(const char *view)
{
	snapshot_derive(&s, a, b);
	press(view);
	for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
		if (end - line > screen.canvas.width)
			fail_msg("%ld columns: %.*s", (long)(end - line), (int)(end - line), line);
}

static void port_states_are_told_in_sentences(void **state)
{
	(void)state;
	static const struct { enum port_state state; const char *interface, *want; } c[] = {
		{ PORT_UP, "eth1", "\nport lan           ok       up, 1.20M/s in, 1.20M/s out, 0 lost in 126 s\n" },
		{ PORT_NO_LINK, "eth1", "\nport lan           X crit   no link: set eth1 and its peer up (ip link)\n" },
		{ PORT_NO_LINK, "", "\nport lan           X crit   no link: look at its cable and at the other end\n" },
		{ PORT_GONE, "eth1", "\nport lan           X crit   eth1 is gone: make it again, restart batond\n" },
		{ PORT_GONE, "", "\nport lan           X crit   its device is gone: make it again, restart batond\n" },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		b->port[0].state = c[i].state;
		strcpy(b->port[0].interface, c[i].interface);
		shown("4");
		has(c[i].want);
		has(c[i].state == PORT_UP ? "+ OK  nothing is wrong" : "X CRIT  port lan ");
	}
}

static void a_port_among_others_may_lose_its_link(void **state)
{
	(void)state;
	b->ports = 2;
	b->port[1] = b->port[0];
	strcpy(b->port[1].name, "wan");
	b->port[1].state = PORT_NO_LINK;
	shown("4");
	has("\nport lan           ok       up, ");
	has("\nport wan           ! warn   no link: set eth1");
	has("! WARN  port wan has no link");
}

static void losses_of_a_device_are_named(void **state)
{
	(void)state;
	b->port[0].now.missed = 600;
	b->port[0].now.rx_errors = 200;
	shown("4");
	has("\nport lan           ! warn   loses 800/s, 0.03%: device_missed\n");
	b->port[0].now.no_buffer = 2400000;
	shown("4");
	has("\nport lan           X crit   loses 2.40M/s, 50.01%: device_nombuf\n");
	b->port[0].before = b->port[0].now; /* it lost, and does no more */
	b->port[0].before.tsc -= SECOND;
	shown("4");
	has("ok       up, 0/s in, 0/s out, 2400800 lost in 126 s");
	a->port[0].now = b->port[0].now;
	snapshot_derive_since(&s, b, a, b); /* totals count from now */
	look();
	has("ok       up, 0/s in, 0/s out, 0 lost in 0 s");
}

static void generator_and_unread_entries_are_no_devices(void **state)
{
	(void)state;
	b->port[0].device = 0;
	shown("4");
	has("\nport lan           ok       made by Baton: no device, no link, no losses\n");
	b->port[0].name[0] = 0;
	shown("4");
	has_not("port ");
}

static void what_the_lcores_drop_for_want_of_room_in_a_port_is_told(void **state)
{
	(void)state;
	shown("4");
	has_not("transmit");
	b->page[1].drop[DROP_tx_full] = 100;
	shown("4");
	has("\ntransmit           ! warn   100/s dropped: a port's queue stays full\n");
}

static void zygote_is_told_in_sentences(void **state)
{
	(void)state;
	b->zygote_deaths = 3;
	shown("4");
	has("\nzygote             ok       pid 4098, spare pid 4099; 3 died so far\n");
	b->zygote_spare_pid = 0;
	shown("4");
	has("\nzygote             ! warn   pid 4098 has no spare: its death would end restarts\n");
	has("! WARN  the zygote has no spare");
	b->zygote_pid = 0;
	shown("4");
	has("\nzygote             X crit   none, no worker can be started until there is one\n");
	has("X CRIT  no zygote: no worker can be started");
	b->gone = true; /* of one that has stopped, nothing else is worth a word */
	shown("4");
	has("X CRIT  primary has stopped: these are its last figures\n");
}

static void groups_say_whether_they_serve(void **state)
{
	struct stats_group *g = &b->group[0];
	static const struct { enum group_state state; const char *row, *verdict; } c[] = {
		{ GROUP_SERVING, "ok       2 of 2 workers serve, 3 of 10 restarts spent\n", "+ OK  nothing is wrong" },
		{ GROUP_STARTING, "! warn   no worker serves yet\n", "+ OK  nothing is wrong" },
		{ GROUP_FELL_BACK, "! warn   fell back from 1.4.3 to 1.4.2\n",
		  "! WARN  group game fell back from 1.4.3 to 1.4.2" },
		{ GROUP_PART, "X crit   2 of 2 workers serve: game.1: no licence\n",
		  "X CRIT  group game 2 of 2 workers serve" },
		{ GROUP_DOWN, "X crit   no worker can be started: game.1: no licence\n",
		  "X CRIT  group game no worker can be started: game.1: no licence" },
		{ GROUP_SPENT, "X crit   restarts spent: 2048 buckets, 12.3k packets parked\n",
		  "X CRIT  group game restarts spent: 2048 buckets, 12.3k packets parked" },
	};

	(void)state;
	g->crashes = 3;
	g->parked_buckets = 2048;
	g->parked_packets = 12345;
	strcpy(g->failed, "1.4.3");
	strcpy(g->why, "game.1: no licence");
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		g->state = c[i].state;
		shown("4");
		has("\ngroup game         ");
		has(c[i].row);
		has(c[i].verdict);
	}
	g->state = GROUP_SERVING;
	g->standbys = 0;
	shown("4");
	has("! warn   0 of 1 standbys are ready: game.1: no licence\n");
	has("! WARN  group game 0 of 1 standbys are ready");
	g->why[0] = '\0'; /* just taken: the next is on its way */
	shown("4");
	has("ok       2 of 2 workers serve, 3 of 10 restarts spent\n");
	g->burst = 0;
	shown("4");
	has("ok       2 of 2 workers serve\n");
}

static void a_debugged_worker_is_told_of(void **state)
{
	(void)state;
	b->worker[0].debug = 1;
	shown("4");
	has("\ngame.0 slot 0      ! warn   being debugged: 12 entries wait\n");
	has("! WARN  game.0 is being debugged");
	shown("3");
	has(" debug ");
}

static void versions_have_percentiles_of_their_own(void **state)
{
	(void)state;
	shown("5");
	has("\nGROUP    VERSION      TIME          P50       P90       P99     P99.9 ENTRY/s\n");
	has("\ngame     1.4.2        now       1.41 us   1.92 us   2.56 us   2.56 us   1.20M\n");
	has("\ngame     1.4.2        126 s     1.41 us   1.92 us   2.56 us   2.56 us\n");
	has("\ngame     1.4.1        126 s     1.92 us   2.81 us   3.58 us   3.58 us\n");
	has_not("game     1.4.1        now"); /* nobody runs it */
	sized(120, 40, true);
	press("5");
	has("P99.9       MAX ENTRY/s CYC/ENT WRK\n");
	has("\ngame     1.4.2        now        1.20M   1.41 us   1.92 us   2.56 us   2.56 us  40.96 us   1.20M      64   "
	    "3\n");
	press("/1.4.1\n");
	has("game     1.4.1");
	has_not("game     1.4.2");
}

static void versions_not_told_apart_any_more_are_earlier(void **state)
{
	(void)state;
	b->version[0] = (struct sample_version){ .entry = { .id = 3, .taken = 3, .group = "game", .version = "1.4.3" } };
	shown("5");
	has("\n(all)    (earlier)    126 s     1.92 us   2.81 us   3.58 us   3.58 us\n");
	has_not("1.4.1");
	has_not("1.4.3"); /* it has no worker and did nothing */
}

static void a_version_that_did_nothing_has_dashes(void **state)
{
	(void)state;
	strcpy(b->worker[1].version, "2.0");
	shown("5");
	has("\ngame     2.0          now             -         -         -         -    600k\n");
	strcpy(b->worker[1].version, "");
	shown("5");
	has("\ngame     ?            now ");
}

/* More lcores and versions than a screen has lines. */
static void many_lcores_and_versions_leave_the_screen_whole(void **state)
{
	(void)state;
	a->io_lcores = b->io_lcores = BATON_MAX_IO_LCORES;
	a->slots = b->slots = BATON_MAX_WORKERS;
	b->lanes = STATS_LANES_MAX;
	for (uint32_t i = 0; i < b->lanes; i++) {
		struct stats_version v = { .id = i + 1, .taken = i + 1 };
		memset(v.group, 'G', sizeof(v.group) - 1);
		snprintf(v.version, sizeof(v.version), "version-%020u", i);
		memcpy(&b->version[i].entry, &v, sizeof(v));
		b->version[i].count[i] = UINT64_MAX / 100;
	}
	for (uint32_t i = 0; i < BATON_MAX_PORTS; i++) {
		b->port[i] = b->port[0];
		memset(b->port[i].name, 'p', sizeof(b->port[i].name) - 1);
		memset(b->port[i].interface, 'i', sizeof(b->port[i].interface) - 1);
		b->port[i].state = i % PORT_STATE_COUNT;
	}
	b->ports = BATON_MAX_PORTS;
	for (int height = 12; height <= 60; height += 7)
		for (int width = 60; width <= 200; width += 11) {
			sized(width, height, true);
			shown("4");
			has("CRIT");
			shown("5");
			has("[5 Latency]");
		}
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, screen_make, screen_drop)
	const struct CMUnitTest tests[] = {
		T(port_states_are_told_in_sentences),
		T(a_port_among_others_may_lose_its_link),
		T(losses_of_a_device_are_named),
		T(generator_and_unread_entries_are_no_devices),
		T(what_the_lcores_drop_for_want_of_room_in_a_port_is_told),
		T(zygote_is_told_in_sentences),
		T(groups_say_whether_they_serve),
		T(a_debugged_worker_is_told_of),
		T(versions_have_percentiles_of_their_own),
		T(versions_not_told_apart_any_more_are_earlier),
		T(a_version_that_did_nothing_has_dashes),
		T(many_lcores_and_versions_leave_the_screen_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
