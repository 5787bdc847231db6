/* How figures are judged: what is disturbed counts for nothing, what never may happen counts always. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static void state_is_near_far_or_disturbed(void **state)
{
	(void)state;
	assert_int_equal(judge_state(80, 90, 0.01, 0.01), STATE_NEAR);
	assert_int_equal(judge_state(150, 150, 0, 0), STATE_NEAR);
	assert_int_equal(judge_state(300, 290, 0.01, 0.02), STATE_FAR);
	assert_int_equal(judge_state(80, 300, 0, 0), STATE_DISTURBED);
	assert_int_equal(judge_state(300, 80, 0, 0), STATE_DISTURBED);
	assert_int_equal(judge_state(80, 80, 0.021, 0), STATE_DISTURBED);
	assert_int_equal(judge_state(80, 80, 0, 0.021), STATE_DISTURBED);
	assert_string_equal(judge_name(STATE_DISTURBED), "disturbed");
}

static void medians_and_quantiles(void **state)
{
	(void)state;
	double five[] = { 9, 1, 5, 3, 7 }, four[] = { 4, 1, 3, 2 }, hundred[100];

	assert_true(judge_median(five, 5) == 5);
	assert_true(judge_median(four, 4) == 2.5);
	for (int i = 0; i < 100; i++)
		hundred[i] = 100 - i;
	assert_true(judge_quantile(hundred, 100, 0.5) == 50);
	assert_true(judge_quantile(hundred, 100, 0.99) == 99);
	assert_true(judge_quantile(hundred, 100, 1) == 100);
	assert_true(judge_quantile(hundred, 100, 0) == 1);
	assert_true(judge_quantile(hundred, 1, 0.99) == 1);
}

static void values_are_found_by_their_whole_key(void **state)
{
	(void)state;
	double v = -1;
	const char *line = "handover restart_gap_us=7 gap_us=3.5 n=2\n";

	assert_true(line_value(line, "gap_us", &v) && v == 3.5);
	assert_true(line_value(line, "restart_gap_us", &v) && v == 7);
	assert_true(line_value(line, "n", &v) && v == 2);
	assert_false(line_value(line, "gap", &v));
	assert_false(line_value(line, "us", &v));
	assert_false(line_value("x gap_us= 3", "gap_us", &v));
	assert_false(line_value("x gap_us=3x", "gap_us", &v));
	assert_true(v == 2);
	assert_true(line_is(line, "handover"));
	assert_false(line_is(line, "hand"));
	assert_false(line_is("handovers x=1", "handover"));
}

/* ---- reports ---- */

#define NEAR "before_pingpong_ns=80 before_lost=0.01 after_pingpong_ns=82 after_lost=0.01"
#define FAR  "before_pingpong_ns=300 before_lost=0.01 after_pingpong_ns=310 after_lost=0.01"
#define LOST "before_pingpong_ns=80 before_lost=0.5 after_pingpong_ns=82 after_lost=0.01"

static struct report r;

static int read_text(const char *text)
{
	FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int rc = report_read(&r, in);

	fclose(in);
	return rc;
}

static void add(const char *kind, const char *probes, const char *rest)
{
	snprintf(r.line[r.count++], REPORT_LINE_BYTES, "%s %s %s\n", kind, probes, rest);
}

static void disturbed_rounds_do_not_count(void **state)
{
	(void)state;
	double v;

	r.count = 0;
	add("offload", NEAR, "mpps=10");
	add("offload", NEAR, "mpps=20");
	add("offload", NEAR, "mpps=60");
	add("offload", LOST, "mpps=1");
	add("offload", LOST, "mpps=1");
	add("offload", FAR, "mpps=5");
	add("software", NEAR, "mpps=1000");
	assert_int_equal(report_rounds(&r, "offload", STATE_NEAR), 3);
	assert_int_equal(report_rounds(&r, "offload", STATE_FAR), 1);
	assert_true(report_median(&r, "offload", STATE_NEAR, "mpps", &v) && v == 20);
	assert_true(report_median(&r, "offload", STATE_FAR, "mpps", &v) && v == 5);
	assert_false(report_median(&r, "offload", STATE_NEAR, "missing", &v));
	assert_false(report_median(&r, "control", STATE_NEAR, "mpps", &v));
	assert_false(report_enough(&r, "offload"));
	add("offload", FAR, "mpps=5");
	add("offload", FAR, "mpps=5");
	assert_false(report_enough(&r, "offload")); /* five undisturbed ones, but in two states */
	add("offload", FAR, "mpps=5");
	add("offload", FAR, "mpps=5");
	assert_true(report_enough(&r, "offload"));
	assert_int_equal(report_state("offload mpps=3"), STATE_DISTURBED);
}

/* Runs a report over r; the object's text is in `text`. */
static char text[4096];

static int object(int (*report)(const struct report *, FILE *))
{
	memset(text, 0, sizeof(text));
	FILE *out = fmemopen(text, sizeof(text) - 1, "w");
	int rc = report(&r, out);
	fclose(out);
	return rc;
}

static int pipeline(const struct report *report, FILE *out) { return report_pipeline(report, out, 90, 2048); }

static void has(const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("'%s' is not in %s", part, text);
}

static void pipeline_object_has_the_promised_keys(void **state)
{
	(void)state;
	r.count = 0;
	for (int i = 0; i < 5; i++) {
		add("offload", NEAR, "mpps=61.5 worker_cycles=39 io_cycles=30 worker_burst=64 lost=0 wrong=0 dropped=0");
		add("software", NEAR, "mpps=41 lost=0");
		add("residence", NEAR, "mpps=1 p50_ns=700 p90_ns=900 p99_ns=1500");
		add("control", NEAR, "rtt_p50_ns=100 rtt_p90_ns=120 rtt_p99_ns=300");
		add("lines", NEAR, "mlines=70");
	}
	assert_int_equal(object(pipeline), 0);
	has("{\"bench\":\"pipeline\",\"state\":\"near\",\"pingpong_ns\":80.0,\"disturbed\":false,\"frame_bytes\":90,"
	    "\"in_flight\":2048,\"mpps\":61.50,\"mpps_sw\":41.00,\"worker_cycles\":39.0,\"io_cycles\":30.0,\"control_mpps\":70.00,"
	    "\"p50_ns\":700,\"p90_ns\":900,\"p99_ns\":1500,");
	has("\"control_p99_ns\":300");
	assert_non_null(strstr(text, "}\n"));
}

static void too_few_rounds_are_called_disturbed(void **state)
{
	(void)state;
	r.count = 0;
	add("offload", LOST, "mpps=61.5 lost=0");
	assert_int_equal(object(pipeline), 0);
	has("\"state\":null");
	has("\"disturbed\":true");
	has("\"mpps\":null");
	has("\"disturbed_rounds\":{\"rounds\":1,\"pingpong_ns\":80.0,\"mpps\":61.50,\"mpps_sw\":null,");
	for (int i = 0; i < 4; i++)
		add("offload", FAR, "mpps=50");
	assert_int_equal(object(pipeline), 0);
	has("\"state\":\"far\"");
	has("\"disturbed\":true");
	has("\"mpps\":50.00");
}

static void one_lost_packet_in_a_disturbed_round_is_not_forgotten(void **state)
{
	(void)state;
	r.count = 0;
	for (int i = 0; i < 5; i++) {
		add("handover", FAR, "gap_p50_us=5 gap_p99_us=50 moves=200 lost=0 duplicated=0 reordered=0 wrong=0");
		add("control", FAR, "gap_p50_us=4 gap_p99_us=40");
	}
	assert_int_equal(object(report_handover), 0);
	has("\"bench\":\"handover\",\"state\":\"far\"");
	has("\"disturbed\":false,\"moves\":1000,\"lost\":0,\"duplicated\":0,\"reordered\":0,");
	has("\"gap_p50_us\":5.00,\"gap_p99_us\":50.00,\"control_p50_us\":4.00,\"control_p99_us\":40.00");
	add("handover", LOST, "gap_p50_us=5 gap_p99_us=50 moves=200 lost=1");
	assert_int_equal(object(report_handover), 1);
	has("\"moves\":1200,\"lost\":1,");
}

static void kills_are_summed_and_what_may_never_happen_fails(void **state)
{
	(void)state;
	r.count = 0;
	for (uint32_t i = 0; i < 5; i++) {
		add("kill", FAR, "kills=100 with_unsettled=90 redelivered=9000 records_undone=7 gap_p50_us=300 "
		    "gap_p99_us=900 lost=0 duplicated=0 reordered=0 wrong=0 drift=0");
		add("cold", FAR, "kills=20 with_unsettled=20 redelivered=8000 records_undone=1 gap_p50_us=3000 "
		    "gap_p99_us=4500 lost=0");
		add("control", FAR, "kills=100 gap_p50_us=100 gap_p99_us=150");
	}
	assert_int_equal(object(report_kill), 0);
	has("{\"bench\":\"kill\",\"state\":\"far\",\"disturbed\":false,\"kills\":600,\"with_unsettled\":550,"
	    "\"redelivered\":85000,\"records_undone\":40,\"lost\":0,\"duplicated\":0,\"reordered\":0,\"drift\":0,"
	    "\"gap_p50_us\":300.00,\"gap_p99_us\":900.00,\"cold_gap_p50_us\":3000.00,\"cold_gap_p99_us\":4500.00,"
	    "\"control_p50_us\":100.00,\"control_p99_us\":150.00}");
	add("cold", LOST, "kills=20 drift=1");
	assert_int_equal(object(report_kill), 1);
	has("\"drift\":1");
}

static void crashes_of_a_candidate_are_judged_by_how_the_way_back_was(void **state)
{
	(void)state;
	r.count = 0;
	for (uint32_t i = 1; i <= 200; i++)
		snprintf(r.line[r.count++], REPORT_LINE_BYTES,
			 "crash n=%u redelivered=3 detect_us=%u move_us=7 gap_us=%u unseen=0\n", i, i, 2 * i);
	assert_int_equal(object(report_crashes), 0);
	has("detect_p50_us=100.00 detect_p99_us=198.00 move_p50_us=7.00 move_p99_us=7.00 gap_p50_us=200.00 "
	    "gap_p99_us=396.00 crashes=200 redelivered=600 unseen=0");
	snprintf(r.line[r.count++], REPORT_LINE_BYTES, "crash n=201 detect_us=5 gap_us=2\n"); /* its stamp is missing */
	assert_int_equal(object(report_crashes), -ENODATA);
	r.count = 0;
	for (uint32_t i = 0; i < 5; i++) {
		add("rollout", FAR, "detect_p50_us=110 detect_p99_us=300 move_p50_us=8 move_p99_us=20 gap_p50_us=150 "
		    "gap_p99_us=700 crashes=20 redelivered=60 lost=0 duplicated=0 reordered=0 wrong=0 dropped=0 drift=0");
		add("control", FAR, "kills=20 gap_p50_us=110 gap_p99_us=150");
	}
	assert_int_equal(object(report_rollout), 0);
	has("{\"bench\":\"rollout\",\"state\":\"far\"");
	has("\"disturbed\":false,\"crashes\":100,\"redelivered\":300,\"rollback_detect_us\":110.00,"
	    "\"rollback_detect_p99_us\":300.00,\"rollback_move_us\":8.00,\"rollback_move_p99_us\":20.00,\"lost\":0,"
	    "\"duplicated\":0,\"reordered\":0,\"wrong\":0,\"dropped\":0,\"drift\":0,\"gap_p50_us\":150.00,"
	    "\"gap_p99_us\":700.00,\"control_p50_us\":110.00,\"control_p99_us\":150.00}");
	add("rollout", LOST, "crashes=20 lost=1");
	assert_int_equal(object(report_rollout), 1);
	has("\"lost\":1");
	r.count = 0;
	add("rollout", FAR, "crashes=20 lost=0 drift=1");
	assert_int_equal(object(report_rollout), 1);
}

static void gaps_are_quantiles_over_single_handovers(void **state)
{
	(void)state;
	r.count = 0;
	for (uint32_t i = 1; i <= 200; i++)
		snprintf(r.line[r.count++], REPORT_LINE_BYTES,
			 "handover gap_us=%u move_us=9 told_us=2 restart_gap_us=30 restart_us=900 unseen=%d\n", i, i == 7);
	assert_int_equal(object(report_gaps), 0);
	has("gap_p50_us=100.00 gap_p99_us=198.00 restart_gap_p50_us=30.00");
	has("restart_p50_us=900.00");
	has(" unseen=1\n");
	r.count = 0;
	assert_int_equal(object(report_gaps), -ENODATA);
}

static void too_much_input_is_refused(void **state)
{
	(void)state;
	char *many = malloc(3 * REPORT_LINES + 3);

	assert_int_equal(read_text("a b=1\nc d=2\n"), 0);
	assert_int_equal(r.count, 2);
	assert_int_equal(read_text("a b=1"), 0);
	assert_int_equal(r.count, 1);
	assert_non_null(many);
	for (uint32_t i = 0; i <= REPORT_LINES; i++)
		memcpy(many + 2 * i, "a\n", 3);
	assert_int_equal(read_text(many), -E2BIG);
	memset(many, 'x', REPORT_LINE_BYTES + 10);
	many[REPORT_LINE_BYTES + 10] = 0;
	assert_int_equal(read_text(many), -E2BIG);
	free(many);
}

/* ---- the probes work at all; no speed is asserted ---- */

static void probes_refuse_what_is_no_pair_of_cpus(void **state)
{
	(void)state;
	double ns;
	struct gap_profile gap[2];
	int same[2] = { 0, 100000 };

	assert_int_equal(probe_pingpong(0, 0, &ns), -EINVAL);
	assert_int_equal(probe_pingpong(0, 100000, &ns), -EINVAL);
	assert_int_equal(probe_pingpong(-1, 0, &ns), -EINVAL);
	assert_int_equal(probe_gaps(same, 0.001, gap), -EINVAL);
	assert_true(bench_tsc_hz() > 100000000u);
	double others = probe_others(0.02);
	assert_true(others >= 0 && others <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_is_near_far_or_disturbed),
		cmocka_unit_test(medians_and_quantiles),
		cmocka_unit_test(values_are_found_by_their_whole_key),
		cmocka_unit_test(disturbed_rounds_do_not_count),
		cmocka_unit_test(pipeline_object_has_the_promised_keys),
		cmocka_unit_test(too_few_rounds_are_called_disturbed),
		cmocka_unit_test(one_lost_packet_in_a_disturbed_round_is_not_forgotten),
		cmocka_unit_test(gaps_are_quantiles_over_single_handovers),
		cmocka_unit_test(kills_are_summed_and_what_may_never_happen_fails),
		cmocka_unit_test(crashes_of_a_candidate_are_judged_by_how_the_way_back_was),
		cmocka_unit_test(too_much_input_is_refused),
		cmocka_unit_test(probes_refuse_what_is_no_pair_of_cpus),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
