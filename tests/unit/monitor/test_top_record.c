/* What the monitor saw: events between samples, with their time, and totals that count from a reader's own origin. */
#include <unistd.h>

#include "monitor/top/live.h"
#include "sample_rig.h"

static struct record r;

static int start(void **state)
{
	record_init(&r);
	return samples_make(state);
}

static void observe(void)
{
	snapshot_derive(s, base, now);
	record_observe(&r, base, now, s);
}

/* One sample more, a second later, with nothing new in it. */
static void pass(void)
{
	memcpy(base, now, sizeof(*base));
	now->tsc += HZ;
	now->alive_tsc = now->page[1].heartbeat = now->tsc;
	now->wall_ns += 1000000000;
}

static void latest(uint64_t back, enum verdict level, const char *text)
{
	const struct event *e = record_event(&r, back, UINT64_MAX);

	assert_non_null(e);
	assert_string_equal(e->text, text);
	assert_int_equal(e->level, level);
	assert_true(e->wall_ns == now->wall_ns);
}

static void nothing_new_is_no_event(void **state)
{
	(void)state;
	observe();
	assert_int_equal(r.events, 0);
	assert_null(record_event(&r, 0, UINT64_MAX));
}

static void a_stall_is_told_instead_of_the_crash_that_it_is(void **state)
{
	(void)state;
	now->worker[0].crashes = 1;
	now->worker[0].stalls = 1;
	observe();
	assert_int_equal(r.events, 1);
	latest(0, VERDICT_WARN, "game.0: stalled and was killed, 1 in all");
}

static void new_incarnation_version_and_crash_are_seen(void **state)
{
	(void)state;
	now->worker[1] = now->worker[0];
	now->worker[1].pid = 12;
	now->worker[1].incarnation = 2;
	now->worker[1].crashes = 1;
	strcpy(now->worker[1].version, "1.1");
	now->worker[0].state = WORKER_STOPPING;
	observe();
	assert_int_equal(r.events, 4);
	latest(0, VERDICT_WARN, "game.0: crashed, 1 in all");
	latest(1, VERDICT_OK, "game.0: version changed, 1.0 -> 1.1");
	latest(2, VERDICT_OK, "game.0: new incarnation 2, pid 12, version 1.1, slot 1, active");
	latest(3, VERDICT_OK, "game.0: slot 0 stopping, was active");
	pass();
	now->worker[0] = (struct stats_worker){ 0 };
	strcpy(now->worker[1].build_id, "bbbb"); /* cannot be, but would be told */
	observe();
	latest(0, VERDICT_OK, "game.0: build changed, aaaa -> bbbb");
	latest(1, VERDICT_OK, "game.0: pid 11 left slot 0");
}

static void drops_begin_once_and_end_after_a_pause(void **state)
{
	(void)state;
	now->page[1].drop[DROP_belt_full] = 30;
	observe();
	latest(0, VERDICT_WARN, "belt_full: drops began, 30/s");
	for (int i = 0; i < 3; i++) { /* a pause of three seconds is no end */
		pass();
		observe();
	}
	pass();
	now->page[1].drop[DROP_belt_full] += 12;
	observe();
	assert_int_equal(r.events, 1);
	for (int i = 0; i < 5; i++) {
		pass();
		observe();
	}
	assert_int_equal(r.events, 2);
	latest(0, VERDICT_OK, "belt_full: drops ended, 42 in 5 s");
	pass();
	now->page[1].drop[DROP_malformed] = 1; /* a client's fault is no warning */
	observe();
	latest(0, VERDICT_OK, "malformed: drops began, 1/s");
}

static void stalls_and_moves_are_seen(void **state)
{
	(void)state;
	now->page[1].heartbeat = now->tsc - 3 * HZ;
	observe();
	latest(0, VERDICT_CRIT, "io.0: stalled, silent for 3.0 s");
	memcpy(base, now, sizeof(*base));
	now->tsc += HZ; /* still */
	now->alive_tsc = now->tsc;
	observe();
	assert_int_equal(r.events, 1);
	pass();
	now->page[1].moves = 2;
	now->page[1].parked = 37;
	observe();
	latest(0, VERDICT_OK, "io.0: 2 moves completed, 37 packets waited");
	latest(1, VERDICT_OK, "io.0: turns again");
}

static void ports_and_zygotes_are_told_of(void **state)
{
	(void)state;
	pass();
	observe();
	assert_int_equal(r.events, 0);
	pass();
	now->port[0].state = PORT_NO_LINK;
	now->zygote_deaths = 2;
	observe();
	assert_int_equal(r.events, 2);
	latest(1, VERDICT_CRIT, "port lan: no link");
	latest(0, VERDICT_WARN, "zygote or its spare died, 2 in all");
	pass();
	observe(); /* it is still so: told once */
	now->port[0].state = PORT_UP;
	observe();
	assert_int_equal(r.events, 3);
	latest(0, VERDICT_OK, "port lan: the link is up");
	pass();
	now->port[0].state = PORT_GONE;
	observe();
	latest(0, VERDICT_CRIT, "port lan: its interface is gone");
}

static void end_and_new_start_of_the_primary_are_seen(void **state)
{
	(void)state;
	snapshot_derive(s, NULL, now);
	record_observe(&r, NULL, now, s);
	latest(0, VERDICT_OK, "attached to arena, primary pid 70");
	pass();
	now->gone = true;
	observe();
	latest(0, VERDICT_CRIT, "primary has stopped: waiting for a new one");
	pass();
	now->gone = false;
	now->boot_id = 8;
	now->primary_pid = 71;
	now->worker[0].pid = 99; /* of another boot: nothing to compare */
	observe();
	assert_int_equal(r.events, 3);
	latest(0, VERDICT_WARN, "primary started anew, pid 71: attached to it");
	pass();
	now->alive_tsc -= 9 * HZ;
	observe();
	latest(0, VERDICT_CRIT, "primary silent for 9.0 s");
	pass();
	observe();
	latest(0, VERDICT_OK, "primary turns again");
}

static void oldest_events_go_and_later_ones_can_be_left_out(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 2 * RECORD_EVENTS; i++) {
		now->worker[0].pid++;
		observe();
		pass();
	}
	assert_null(record_event(&r, RECORD_EVENTS, UINT64_MAX));
	const struct event *old = record_event(&r, RECORD_EVENTS - 1, UINT64_MAX);
	assert_non_null(old);
	assert_ptr_equal(record_event(&r, 0, old->wall_ns), old); /* a picture that was stopped then */
}

static void totals_count_from_the_origin(void **state)
{
	(void)state;
	now->page[1].rx_packets = 1000;
	now->page[1].drop[DROP_runt] = 100;
	resided(now, 0, 0, 500, 50);
	memcpy(base, now, sizeof(*base));
	struct sample *origin = sample_create();
	assert_non_null(origin);
	memcpy(origin, now, sizeof(*origin));
	snapshot_derive_since(s, origin, NULL, now); /* at once */
	assert_int_equal(s->dropped, 0);
	assert_true(s->counted_s == 0);
	pass();
	now->page[1].rx_packets += 10;
	now->page[1].drop[DROP_runt] += 5;
	resided(now, 0, 0, 500, 7);
	snapshot_derive_since(s, origin, base, now);
	assert_int_equal(s->total[COUNTER_rx_packets], 10);
	assert_int_equal(s->drop[DROP_runt].total, 5);
	assert_int_equal(s->residence_total.count, 7);
	assert_true(s->counted_s == 1);
	assert_int_equal(s->core[1].counter[COUNTER_rx_packets], 1010); /* machines get all */
	now->boot_id++; /* an origin of another boot is none */
	snapshot_derive_since(s, origin, NULL, now);
	assert_int_equal(s->dropped, 105);
	free(origin);
}

static void stopped_picture_stays_while_events_are_collected(void **state)
{
	(void)state;
	struct live live;

	assert_int_equal(live_init(&live, NULL), 0);
	live_sample(&live, HZ, false);
	uint64_t shown = live.shown->wall_ns, events = live.record->events;
	for (int i = 0; i < 12; i++) /* a hot restart is among them */
		live_sample(&live, HZ, true);
	assert_true(live.shown->wall_ns == shown);
	assert_true(live.latest->wall_ns == shown + 12 * HZ);
	assert_true(live.record->events > events);
	live_rebase(&live);
	assert_true(live.shown->counted_s == 0);
	live_sample(&live, HZ, false);
	assert_true(live.shown->counted_s == 1);
	live_fini(&live);
}

/* The whole way from files: the instance ends under the screen, and a new one of its name is attached to. */
static void new_instance_is_attached_to(void **state)
{
	(void)state;
	struct stats first = { 0 }, second = { 0 };
	char instance[BATON_NAME_BYTES];
	struct source source;
	struct live live;

	snprintf(instance, sizeof(instance), "live-%d", (int)getpid());
	assert_int_equal(stats_create(&first, instance, 1, 1, HZ, NULL), 0);
	assert_int_equal(source_open(&source, instance), 0);
	assert_int_equal(live_init(&live, &source), 0);
	stats_unlink(instance);
	live_sample(&live, HZ, false);
	assert_true(live.shown->gone);
	assert_string_equal(record_event(live.record, 0, UINT64_MAX)->text, "primary has stopped: waiting for a new one");
	assert_int_equal(stats_create(&second, instance, 2, 3, HZ, NULL), 0);
	live_sample(&live, HZ, false);
	assert_false(live.shown->gone);
	assert_int_equal(live.shown->lcores, 2);
	bool said = false;
	for (uint64_t n = 0; record_event(live.record, n, UINT64_MAX) != NULL; n++)
		said |= strstr(record_event(live.record, n, UINT64_MAX)->text, "started anew") != NULL;
	assert_true(said);
	live_fini(&live);
	source_close(&source);
	stats_unlink(instance);
	stats_detach(&first);
	stats_detach(&second);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, start, samples_drop)
	const struct CMUnitTest tests[] = {
		T(nothing_new_is_no_event),
		T(a_stall_is_told_instead_of_the_crash_that_it_is),
		T(new_incarnation_version_and_crash_are_seen),
		T(drops_begin_once_and_end_after_a_pause),
		T(stalls_and_moves_are_seen),
		T(ports_and_zygotes_are_told_of),
		T(end_and_new_start_of_the_primary_are_seen),
		T(oldest_events_go_and_later_ones_can_be_left_out),
		T(totals_count_from_the_origin),
		T(stopped_picture_stays_while_events_are_collected),
		T(new_instance_is_attached_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
