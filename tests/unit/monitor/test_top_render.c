/* Layout of frames, the shape of the JSON, the command line: from snapshots made by hand, without a terminal. */
#include <errno.h>
#include <jansson.h>

#include "demo_rig.h"
#include "monitor/top/options.h"
#include "monitor/top/render.h"

static int make(void **state)
{
	(void)state;
	return demo_make();
}

static int drop(void **state)
{
	(void)state;
	demo_free();
	return 0;
}

static void lines_fit(unsigned columns)
{
	for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		if (end - line > (long)columns)
			fail_msg("%ld columns: %.*s", (long)(end - line), (int)(end - line), line);
		for (const char *c = line; c < end; c++)
			assert_in_range(*c, 0x20, 0x7e);
	}
}

static void frame_shows_all_that_is_promised(void **state)
{
	(void)state;
	demo_written(render_text);
	has("demo-host  demo  up 0h02m06s  22:15:26Z\nOK");
	has("rates over 1.00 s");
	has(" io     io.0             7.1%   19.0    1.20M    1.20M");
	has("   0 game.0         1.4.2        active      1    4100   2    2048");
	has("standby");
	has(" malformed               151200     1.20k  refused by the plugin as malformed");
	has("RESIDENCE now       p50 ");
	has("p99.9");
	has("PORT lan            OK    up, 1.20M/s in, 1.20M/s out, 0 lost in 126 s");
	has("game     1.4.2        now     1.20M   1.41 us   1.92 us   2.56 us   2.56 us  40.96 us     1.20M        64");
	has("game     1.4.1        all     72.0M   1.92 us   2.81 us   3.58 us   3.58 us  40.96 us\n");
	has("TOTALS    rx 151200000");
	has("(difference 0)");
	lines_fit(120);
}

static void tx_errors_that_are_retried_stand_beside_the_drops(void **state)
{
	(void)state;
	a->page[0].tx_errors_retried = 5;
	b->page[0].tx_errors_retried = 1205;
	snapshot_derive(&s, a, b);
	uint64_t dropped = s.dropped;
	demo_written(render_text);
	has("NOT DROPPED\n tx_errors_retried         1205     1.20k  device tx errors, the packet is offered again");
	lines_fit(120);
	b->page[0].tx_errors_retried = 0;
	snapshot_derive(&s, NULL, b);
	assert_int_equal(s.dropped, dropped);
	demo_written(render_text);
	has_not("NOT DROPPED");
}

/* Counters as large as they get, names as long as they may be, must not push the frame apart. */
static void widest_frame_still_fits(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < s.cores; i++) {
		struct snapshot_core *c = &s.core[i];
		memset(c->name, 'W', sizeof(c->name) - 1);
		c->rx_pps = c->tx_pps = c->drop_pps = 999.6e9;
		c->busy = 1;
		c->burst = 64;
		c->cycles = 99999999;
	}
	for (uint32_t i = 0; i < s.workers; i++) {
		struct stats_worker *w = &s.worker[i].entry;
		memset(w->name, 'W', sizeof(w->name) - 1);
		memset(w->version, 'V', sizeof(w->version) - 1);
		w->pid = 4194304;
		w->restarts = 99999999;
	}
	for (uint32_t i = 0; i < DROP_COUNT; i++)
		s.drop[i].total = 999999999999;
	for (uint32_t i = 0; i < s.versions; i++) {
		memset(s.version[i].group, 'G', BATON_NAME_BYTES - 1);
		memset(s.version[i].version, 'V', BATON_NAME_BYTES - 1);
		s.version[i].now = s.version[i].total = (struct snapshot_residence){
			.count = UINT64_MAX / 2, .p50 = 999990, .p90 = 999990000, .p99 = 999990000, .p999 = 999990000,
			.max = 17000000000,
		};
	}
	memset(s.port[0].entry.name, 'P', BATON_NAME_BYTES - 1);
	s.port[0].lost = UINT64_MAX;
	demo_written(render_text);
	lines_fit(120);
}

static void print_json(FILE *out, const struct snapshot *snap)
{
	assert_int_equal(render_json(out, snap), 0);
}

static json_t *parsed(void)
{
	json_error_t error;

	demo_written(print_json);
	assert_ptr_equal(strchr(text, '\n'), text + written_len - 1); /* one object, one line */
	json_t *root = json_loads(text, 0, &error);
	assert_non_null(root);
	return root;
}

static void worker_that_is_not_pinned_has_no_cpu(void **state)
{
	(void)state;
	s.core[2].cpu = s.worker[0].entry.cpu = UINT32_MAX;
	demo_written(render_text);
	has(" any worker game.0 ");
	has("   1    4100 any    2048");
	demo_written(render_summary);
	has("game.0         cpu any ");
	json_t *root = parsed();
	assert_true(json_is_null(json_object_get(json_array_get(json_object_get(root, "cores"), 2), "cpu")));
	assert_true(json_is_null(json_object_get(json_array_get(json_object_get(root, "workers"), 0), "cpu")));
	json_decref(root);
}

static void frame_without_rates_has_dashes_and_says_why(void **state)
{
	(void)state;
	snapshot_derive(&s, NULL, b);
	demo_written(render_text);
	has("first look: no rates yet");
	has(" io     io.0                -      -        -        -        -        -");
	has("RESIDENCE now       no samples");
	lines_fit(120);
}

static void verdict_line_gives_the_reasons(void **state)
{
	(void)state;
	b->page[1].drop[DROP_belt_full] = 600000;
	b->alive_tsc = 1;
	snapshot_derive(&s, a, b);
	demo_written(render_text);
	has("\nCRIT  primary (pid 4096) silent for ");
	has(" | losing 33.");
	has("(belt_full)");
}

static void empty_instance_is_drawn(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	demo_written(render_text);
	has("no workers");
	has("DROPS  none");
	demo_written(render_summary);
	lines_fit(120);
}

static void summary_has_totals_drop_rate_and_a_line_per_core(void **state)
{
	(void)state;
	demo_written(render_summary);
	has("rx 151200000  tx ");
	has("processed 151200000  dropped 154224  drop rate 0.102%\n");
	has("  io.0           cpu 1  1.20M pps  118 cycles/packet  busy 7.1%  burst 19.0\n");
	has("  game.0         cpu 2  600k pps  64 cycles/packet");
	has_not("main");
	lines_fit(120);
}

static void json_carries_the_same_figures(void **state)
{
	(void)state;
	json_t *root = parsed();
	json_t *io = json_array_get(json_object_get(root, "cores"), 1);
	json_t *worker = json_array_get(json_object_get(root, "workers"), 0);
	json_t *drops = json_object_get(root, "drops");

	assert_int_equal(json_integer_value(json_object_get(root, "schema")), 1);
	assert_string_equal(json_string_value(json_object_get(root, "verdict")), "OK");
	assert_string_equal(json_string_value(json_object_get(io, "role")), "io");
	assert_true(json_real_value(json_object_get(io, "rx_pps")) > 1.19e6);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(io, "counters"), "rx_packets")), 151200000);
	assert_int_equal(json_integer_value(json_object_get(worker, "pid")), 4100);
	assert_string_equal(json_string_value(json_object_get(worker, "state")), "active");
	assert_int_equal(json_object_size(drops), DROP_COUNT);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(drops, "malformed"), "total")), 151200);
	assert_int_equal(json_object_size(json_object_get(root, "totals")), COUNTER_COUNT);
	assert_true(json_integer_value(json_object_get(json_object_get(root, "residence"), "p99_ns")) > 0);
	json_t *version = json_array_get(json_object_get(root, "versions"), 0);
	assert_string_equal(json_string_value(json_object_get(version, "version")), "1.4.2");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(version, "residence"), "samples")), 1200400);
	json_t *port = json_array_get(json_object_get(root, "ports"), 0);
	assert_string_equal(json_string_value(json_object_get(port, "state")), "up");
	assert_string_equal(json_string_value(json_object_get(port, "health")), "OK");
	assert_int_equal(json_integer_value(json_object_get(port, "rx_packets")), 151200000);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "zygote"), "pid")), 4098);
	json_decref(root);
}

static void json_unknown_is_null_and_large_is_a_string(void **state)
{
	(void)state;
	s.core[1].rx_pps = UNKNOWN;
	s.total[COUNTER_busy_cycles] = (1ull << 53) - 1;
	s.total[COUNTER_idle_cycles] = UINT64_MAX;
	s.interval_s = 0;
	json_t *root = parsed();
	json_t *io = json_array_get(json_object_get(root, "cores"), 1), *totals = json_object_get(root, "totals");

	assert_true(json_is_null(json_object_get(io, "rx_pps")));
	assert_true(json_is_null(json_object_get(root, "interval_s")));
	assert_true(json_integer_value(json_object_get(totals, "busy_cycles")) == (1ll << 53) - 1);
	assert_string_equal(json_string_value(json_object_get(totals, "idle_cycles")), "18446744073709551615");
	json_decref(root);
}

static void json_survives_names_that_are_no_text(void **state)
{
	(void)state;
	strcpy(s.core[1].name, "\xff\xfe");
	strcpy(s.worker[0].entry.version, "1\x80");
	json_decref(parsed());
}

static void numbers_are_rounded_for_people(void **state)
{
	(void)state;
	static const struct { double value; const char *want; } c[] = {
		{ UNKNOWN, "-" }, { 0, "0" }, { 0.25, "0.2" }, { 7, "7" }, { 999, "999" }, { 999.96, "1.00k" },
		{ 1234, "1.23k" }, { 9994, "9.99k" }, { 9996, "10.0k" }, { 99960, "100k" }, { 999600, "1.00M" },
		{ 12e6, "12.0M" }, { 66.4e6, "66.4M" }, { 3e18, "3000P" },
	};
	static const struct { uint64_t value; const char *want; } n[] = {
		{ 0, "0 ns" }, { 999, "999 ns" }, { 1000, "1.00 us" }, { 2500000, "2.50 ms" }, { 17000000000, "17.00 s" },
	};
	char got[16];

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++)
		assert_string_equal(render_count(got, sizeof(got), c[i].value), c[i].want);
	for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++)
		assert_string_equal(render_ns(got, sizeof(got), n[i].value), n[i].want);
}

/* ---- command line ---- */

static int parse(struct top_options *o, const char *line)
{
	char copy[256], *argv[16], errors[512] = "";
	int argc = 0;

	snprintf(copy, sizeof(copy), "baton-top %s", line);
	for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	FILE *out = fmemopen(errors, sizeof(errors), "w");
	int rc = top_options_parse(o, argc, argv, out);
	fclose(out);
	/* every refusal says so in one line */
	assert_true(rc == 0 ? errors[0] == 0 : strchr(errors, '\n') == errors + strlen(errors) - 1);
	return rc;
}

static void options_mean_what_the_help_says(void **state)
{
	(void)state;
	struct top_options o;

	assert_int_equal(parse(&o, ""), 0);
	assert_true(o.frames == 0 && o.output == OUTPUT_SCREEN && o.interval_ns == 1000000000 && o.instance[0] == 0);
	assert_int_equal(parse(&o, "--once -d 250ms -i demo"), 0);
	assert_true(o.frames == 1 && o.output == OUTPUT_TEXT && o.interval_ns == 250000000);
	assert_string_equal(o.instance, "demo");
	assert_int_equal(parse(&o, "--json"), 0);
	assert_true(o.frames == 1 && o.output == OUTPUT_JSON);
	assert_int_equal(parse(&o, "--json -n 3"), 0);
	assert_true(o.frames == 3);
	assert_int_equal(parse(&o, "--summary"), 0);
	assert_true(o.frames == 0 && o.output == OUTPUT_SUMMARY && o.interval_ns == 5000000000);
	assert_int_equal(parse(&o, "--summary -d 1.5s -n 2"), 0);
	assert_true(o.frames == 2 && o.interval_ns == 1500000000);
	assert_int_equal(parse(&o, "--demo --ascii -d 1m"), 0);
	assert_true(o.demo && o.ascii && o.output == OUTPUT_SCREEN && o.interval_ns == 60000000000);
	assert_int_equal(parse(&o, "--help"), 0);
	assert_true(o.help);
	assert_int_equal(parse(&o, "--version"), 0);
	assert_true(o.version);
}

static void senseless_options_are_refused_in_one_line(void **state)
{
	(void)state;
	static const char *const line[] = {
		"-d 1", "-d ms", "-d 1x", "-d -1s", "-d nans", "-d infs", "-d 9ms", "-d 2h", "-d 1e99s",
		"-n 0", "-n -1", "-n 1x", "-n 99999999999999999999", "-i a-name-of-more-than-31-characters", "demo",
	};
	struct top_options o = { .frames = 42 };

	for (size_t i = 0; i < sizeof(line) / sizeof(line[0]); i++) {
		assert_int_equal(parse(&o, line[i]), -EINVAL);
		assert_int_equal(o.frames, 42);
	}
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, make, drop)
	const struct CMUnitTest tests[] = {
		T(frame_shows_all_that_is_promised),
		T(tx_errors_that_are_retried_stand_beside_the_drops),
		T(widest_frame_still_fits),
		T(worker_that_is_not_pinned_has_no_cpu),
		T(frame_without_rates_has_dashes_and_says_why),
		T(verdict_line_gives_the_reasons),
		T(empty_instance_is_drawn),
		T(summary_has_totals_drop_rate_and_a_line_per_core),
		T(json_carries_the_same_figures),
		T(json_unknown_is_null_and_large_is_a_string),
		T(json_survives_names_that_are_no_text),
		cmocka_unit_test(numbers_are_rounded_for_people),
		cmocka_unit_test(options_mean_what_the_help_says),
		cmocka_unit_test(senseless_options_are_refused_in_one_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
