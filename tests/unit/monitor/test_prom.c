/* Prometheus text: a strict reader of the format accepts it, and the figures are those of the snapshot.
 *
 * The reader knows what promtool's `check metrics` checks and what Prometheus' parser refuses; promtool itself comes
 * with the whole of Prometheus, 100 MB, which is more than this test may ask of a machine. */
#include <ctype.h>
#include <math.h>

#include "demo_rig.h"
#include "exporter/prom.h"
#include "hist.h"

#define SERIES_MOST 4000u

static int make(void **state)
{
	(void)state;
	int rc = demo_make();
	snapshot_derive(&s, NULL, b);
	return rc;
}

static int drop(void **state)
{
	(void)state;
	demo_free();
	return 0;
}

static void write_text(void) { demo_written(prom_write); }

/* Value of the one series that begins so; labels in the order they are written. */
static double value_of(const char *series)
{
	char wanted[256];

	snprintf(wanted, sizeof(wanted), "\n%s ", series);
	const char *at = strstr(text, wanted);
	if (at == NULL)
		fail_msg("no series %s in:\n%s", series, text);
	return strtod(at + strlen(wanted), NULL);
}

/* ---- the reader ---- */

static struct reader {
	char family[128], type[16];
	uint32_t families, series;
	char *seen_family[256], *seen_series[SERIES_MOST];
	/* of the histogram under way */
	char labels[256];
	double last_le, last_value;
} r;

static void once(char **list, uint32_t *count, uint32_t most, const char *line, size_t len)
{
	for (uint32_t i = 0; i < *count; i++)
		if (strlen(list[i]) == len && strncmp(list[i], line, len) == 0)
			fail_msg("twice: %.*s", (int)len, line);
	assert_true(*count < most);
	list[(*count)++] = strndup(line, len);
}

static bool ends(const char *name, const char *suffix)
{
	return strlen(name) > strlen(suffix) && strcmp(name + strlen(name) - strlen(suffix), suffix) == 0;
}

static size_t name_length(const char *at)
{
	size_t n = 0;

	while (isalnum((unsigned char)at[n]) || at[n] == '_' || (n > 0 && at[n] == ':'))
		n++;
	return isdigit((unsigned char)at[0]) ? 0 : n;
}

/* HELP, then at once TYPE, before any sample, once a family. */
static void read_comment(const char *line)
{
	char name[128], type[16];

	if (strncmp(line, "# HELP ", 7) == 0) {
		assert_int_equal(sscanf(line, "# HELP %127s", name), 1);
		assert_true(strlen(line) > 8 + strlen(name)); /* it says something */
		once(r.seen_family, &r.families, 256, name, strlen(name));
		strcpy(r.family, name);
		r.type[0] = 0;
		return;
	}
	assert_int_equal(sscanf(line, "# TYPE %127s %15s", name, type), 2);
	assert_string_equal(name, r.family);
	assert_string_equal(r.type, "");
	strcpy(r.type, type);
	assert_true(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 || strcmp(type, "histogram") == 0);
	assert_int_equal(strncmp(name, "baton_", 6), 0);
	assert_int_equal(ends(name, "_total"), strcmp(type, "counter") == 0);
	static const char *const wrong_unit[] = { "_ms", "_us", "_ns", "_milliseconds", "_percent", "_count", "_sum",
						  "_bucket" };
	for (size_t i = 0; i < sizeof(wrong_unit) / sizeof(wrong_unit[0]); i++)
		assert_false(ends(name, wrong_unit[i]));
	r.labels[0] = 0;
}

/* At '{'. Returns what is behind '}'; *le: its value, or NAN. */
static const char *read_labels(const char *at, double *le)
{
	char rest[256] = "";

	*le = NAN;
	do {
		const char *name = ++at;
		size_t len = name_length(at);
		assert_true(len > 0 && memchr(name, ':', len) == NULL);
		at += len;
		assert_true(at[0] == '=' && at[1] == '"');
		const char *value = at + 2;
		for (at = value; *at != '"'; at++) {
			assert_true(*at >= 0x20 && *at < 0x7f);
			if (*at == '\\') {
				at++;
				assert_non_null(strchr("\\n\"", *at));
			}
		}
		if (len == 2 && strncmp(name, "le", 2) == 0)
			*le = strtod(value, NULL); /* +Inf too */
		else
			snprintf(rest + strlen(rest), sizeof(rest) - strlen(rest), "%.*s,", (int)(at - name), name);
		at++;
	} while (*at == ',');
	assert_int_equal(*at, '}');
	if (strcmp(r.labels, rest) != 0) { /* the next histogram of the family */
		strcpy(r.labels, rest);
		r.last_le = -INFINITY;
		r.last_value = 0;
	}
	return at + 1;
}

static void read_histogram(const char *suffix, double le, double value)
{
	if (strcmp(suffix, "_bucket") == 0) {
		assert_true(le > r.last_le && value >= r.last_value);
		r.last_le = le;
		r.last_value = value;
	} else if (strcmp(suffix, "_count") == 0) {
		assert_true(isinf(r.last_le)); /* +Inf came, and was as many */
		assert_true(value == r.last_value);
	} else
		assert_string_equal(suffix, "_sum");
}

static void read_sample(const char *line)
{
	char name[128], *end;
	size_t len = name_length(line);
	double le;

	assert_true(len > 0 && len < sizeof(name));
	memcpy(name, line, len);
	name[len] = 0;
	if (strncmp(name, r.family, strlen(r.family)) != 0 || r.type[0] == 0)
		fail_msg("%s stands under %s", line, r.family);
	assert_int_equal(line[len], '{');
	const char *at = read_labels(line + len, &le);
	once(r.seen_series, &r.series, SERIES_MOST, line, (size_t)(at - line));
	assert_int_equal(*at, ' ');
	double value = strtod(at + 1, &end);
	assert_true(end > at + 1 && *end == 0);
	assert_true(value >= 0 && isfinite(value));
	assert_int_equal(isnan(le), strcmp(name + strlen(r.family), "_bucket") != 0);
	if (strcmp(r.type, "histogram") == 0)
		read_histogram(name + strlen(r.family), le, value);
	else
		assert_string_equal(name, r.family);
}

static void read_all(void)
{
	memset(&r, 0, sizeof(r));
	write_text();
	assert_int_equal(text[written_len - 1], '\n');
	char *copy = strdup(text), *rest = copy;
	for (char *line; (line = strsep(&rest, "\n")) != NULL && rest != NULL;) {
		assert_true(line[0] != 0);
		if (line[0] == '#')
			read_comment(line);
		else
			read_sample(line);
	}
	free(copy);
	for (uint32_t i = 0; i < r.families; i++)
		free(r.seen_family[i]);
	for (uint32_t i = 0; i < r.series; i++)
		free(r.seen_series[i]);
}

/* ---- claims ---- */

static void text_is_accepted_by_a_strict_reader(void **state)
{
	(void)state;
	read_all();
	assert_true(r.families > 40 && r.series > 100);
	memset(&s, 0, sizeof(s)); /* nothing there yet */
	read_all();
}

static void figures_are_those_of_the_snapshot(void **state)
{
	(void)state;
	write_text();
	assert_true(value_of("baton_rx_packets_total{baton=\"demo\",core=\"io.0\"}") == 151200000);
#define DROPS "baton_drops_total{baton=\"demo\",core=\"io.0\","
	assert_true(value_of(DROPS "reason=\"malformed\",kind=\"refused\"}") == 151200);
	assert_true(value_of(DROPS "reason=\"belt_full\",kind=\"loss\"}") == 0);
	assert_true(value_of("baton_primary_up{baton=\"demo\"}") == 1);
	assert_true(value_of("baton_start_time_seconds{baton=\"demo\"}") == 1700000000);
	assert_true(value_of("baton_worker_state{baton=\"demo\",slot=\"2\",worker=\"game.1\",state=\"standby\"}") == 1);
	assert_true(value_of("baton_worker_state{baton=\"demo\",slot=\"2\",worker=\"game.1\",state=\"active\"}") == 0);
	assert_true(value_of("baton_worker_belt_entries{baton=\"demo\",slot=\"0\",worker=\"game.0\"}") == 12);
	assert_true(value_of("baton_worker_restarts_total{baton=\"demo\",worker=\"game.1\"}") == 12);
	assert_true(value_of("baton_worker_entries_total{baton=\"demo\",slot=\"0\"}") == 75600000);
	double busy = value_of("baton_core_busy_seconds_total{baton=\"demo\",core=\"io.0\"}");
	assert_true(fabs(busy - 151200000 * 118.0 / 2e9) < 1e-6);
	b->gone = true;
	snapshot_derive(&s, NULL, b);
	write_text();
	assert_true(value_of("baton_primary_up{baton=\"demo\"}") == 0);
}

static void histogram_counts_each_sample_once(void **state)
{
	(void)state;
	memset(b->residence, 0, sizeof(b->residence));
	b->residence[0][hist_bucket(500)] = 3;
	b->residence[0][hist_bucket(1023)] = 2;
	b->residence[0][hist_bucket(1024)] = 1;
	b->residence[0][STATS_HIST_BUCKETS - 1] = 4;
	snapshot_derive(&s, NULL, b);
	read_all();
	assert_true(value_of("baton_residence_seconds_bucket{baton=\"demo\",core=\"io.0\",le=\"2.55e-07\"}") == 0);
	assert_true(value_of("baton_residence_seconds_bucket{baton=\"demo\",core=\"io.0\",le=\"5.11e-07\"}") == 3);
	assert_true(value_of("baton_residence_seconds_bucket{baton=\"demo\",core=\"io.0\",le=\"1.023e-06\"}") == 5);
	assert_true(value_of("baton_residence_seconds_bucket{baton=\"demo\",core=\"io.0\",le=\"2.047e-06\"}") == 6);
	assert_true(value_of("baton_residence_seconds_bucket{baton=\"demo\",core=\"io.0\",le=\"+Inf\"}") == 10);
	assert_true(value_of("baton_residence_seconds_count{baton=\"demo\",core=\"io.0\"}") == 10);
	double sum = value_of("baton_residence_seconds_sum{baton=\"demo\",core=\"io.0\"}");
	assert_true(sum > 4 * 16 && sum < 4 * 18);
}

static void versions_have_histograms_of_their_own(void **state)
{
	(void)state;
	memset(b->residence, 0, sizeof(b->residence));
	memset(b->version[0].count, 0, sizeof(b->version[0].count));
	memset(b->version[1].count, 0, sizeof(b->version[1].count));
	b->version[0].count[hist_bucket(500)] = 3;
	b->version[1].count[hist_bucket(1023)] = 2;
	strcpy(b->worker[2].version, "not ready"); /* no lane */
	snapshot_derive(&s, NULL, b);
	read_all();
#define VERSION(suffix, version, le) \
	"baton_version_residence_seconds" suffix "{baton=\"demo\",group=\"game\",version=\"" version "\"" le "}"
	assert_true(value_of(VERSION("_bucket", "1.4.1", ",le=\"5.11e-07\"")) == 3);
	assert_true(value_of(VERSION("_count", "1.4.1", "")) == 3);
	assert_true(value_of(VERSION("_bucket", "1.4.2", ",le=\"5.11e-07\"")) == 0);
	assert_true(value_of(VERSION("_bucket", "1.4.2", ",le=\"1.023e-06\"")) == 2);
	assert_true(value_of(VERSION("_bucket", "1.4.2", ",le=\"+Inf\"")) == 2);
	double sum = value_of(VERSION("_sum", "1.4.2", ""));
	assert_true(sum > 2 * 0.95e-6 && sum < 2 * 1.03e-6);
	assert_null(strstr(text, "version_residence_seconds_count{baton=\"demo\",group=\"game\",version=\"not ready"));
}

static void ports_and_zygote_are_told_of(void **state)
{
	(void)state;
	b->ports = 2;
	b->port[0].state = PORT_NO_LINK;
	b->port[0].now.missed = 7;
	b->port[0].now.tx_retried = 9;
	b->port[1] = (struct stats_port){ .name = "gen" };
	b->zygote_spare_pid = 0;
	b->zygote_deaths = 2;
	snapshot_derive(&s, NULL, b);
	read_all();
#define PORT(name, more) "baton_port_" name "{baton=\"demo\",port=\"lan\"" more "}"
	assert_true(value_of(PORT("state", ",interface=\"eth1\",state=\"up\"")) == 0);
	assert_true(value_of(PORT("state", ",interface=\"eth1\",state=\"no_link\"")) == 1);
	assert_true(value_of("baton_port_state{baton=\"demo\",port=\"gen\",interface=\"\",state=\"up\"}") == 1);
	assert_true(value_of(PORT("packets_total", ",direction=\"rx\"")) == 151200000);
	assert_true(value_of(PORT("lost_packets_total", ",reason=\"missed\"")) == 7);
	assert_true(value_of(PORT("lost_packets_total", ",reason=\"tx_errors\"")) == 0);
	assert_true(value_of(PORT("tx_retried_packets_total", "")) == 9);
	assert_null(strstr(text, "lost_packets_total{baton=\"demo\",port=\"gen\""));
	assert_true(value_of("baton_zygote_up{baton=\"demo\",role=\"zygote\"}") == 1);
	assert_true(value_of("baton_zygote_up{baton=\"demo\",role=\"spare\"}") == 0);
	assert_true(value_of("baton_zygote_deaths_total{baton=\"demo\"}") == 2);
}

static void groups_are_told_of(void **state)
{
	struct stats_group *g = &b->group[0];

	(void)state;
	g->state = GROUP_SPENT;
	g->serving = 1;
	g->crashes = 10;
	g->failed_starts = 4;
	g->parked_buckets = 2048;
	g->parked_packets = 12345;
	g->parked_ns = 1500000000;
	g->standbys = 0;
	strcpy(g->failed, "1.4.3");
	b->worker[0].debug = 1;
	snapshot_derive(&s, NULL, b);
	read_all();
#define GROUP(name, more) "baton_group_" name "{baton=\"demo\",group=\"game\"" more "}"
	assert_true(value_of(GROUP("state", ",state=\"spent\"")) == 1);
	assert_true(value_of(GROUP("state", ",state=\"serving\"")) == 0);
	assert_true(value_of(GROUP("info", ",version=\"1.4.2\",fell_back_from=\"1.4.3\"")) == 1);
	assert_true(value_of(GROUP("workers", "")) == 2);
	assert_true(value_of(GROUP("workers_serving", "")) == 1);
	assert_true(value_of(GROUP("restarts_spent", "")) == 10);
	assert_true(value_of(GROUP("restarts_limit", "")) == 10);
	assert_true(value_of(GROUP("failed_starts", "")) == 4);
	assert_true(value_of(GROUP("parked_buckets", "")) == 2048);
	assert_true(value_of(GROUP("standbys_ready", "")) == 0);
	assert_true(value_of(GROUP("standbys_wanted", "")) == 1);
	assert_true(value_of(GROUP("parked_packets", "")) == 12345);
	assert_true(value_of(GROUP("parked_oldest_seconds", "")) == 1.5);
	assert_true(value_of("baton_worker_debug{baton=\"demo\",slot=\"0\",worker=\"game.0\"}") == 1);
}

static void rollouts_are_told_of(void **state)
{
	struct stats_rollout *now = &b->rollout[0];

	(void)state;
	read_all();
	assert_null(strstr(text, "baton_rollout_"));
	*now = (struct stats_rollout){ .state = ROLLOUT_PAUSED, .phase = PHASE_PAUSE, .step = 4, .steps = 9, .weight = 105,
				     .want = 500, .exposed = 430, .buckets = 4096, .failure_limit = 3, .of = 5,
				     .compared = 10, .differed = 3, .mirror_dropped = 8, .group = "game",
				     .stable = "1.4.2", .candidate = "1.5.0", .candidate_build = "abc" };
	now->gate[GATE_DROPS] = (struct stats_gate){ STATS_GATE_FAIL, 2, 0.002, 0.001, 0.0015, .awaited = 0 };
	now->gate[GATE_RESIDENCE_P99] = (struct stats_gate){ STATS_GATE_PASS, 0, 250000, NAN, 500000, .awaited = 0 };
	now->gate[GATE_CYCLES] = (struct stats_gate){ .verdict = STATS_GATE_INCONCLUSIVE, .value = NAN, .control = NAN,
						      .limit = NAN, .awaited = 1, .have = 37, .need = 100 };
	snapshot_derive(&s, NULL, b);
	read_all();
#define ROLLOUT(name, more) "baton_rollout_" name "{baton=\"demo\",group=\"game\"" more "}"
	assert_true(value_of(ROLLOUT("state", ",state=\"paused\"")) == 1);
	assert_true(value_of(ROLLOUT("state", ",state=\"degraded\"")) == 0);
	assert_true(value_of(ROLLOUT("info", ",stable=\"1.4.2\",candidate=\"1.5.0\",build_id=\"abc\","
					     "phase=\"pause\"")) == 1);
	assert_true(value_of(ROLLOUT("weight_ratio", "")) == 0.105);
	assert_true(value_of(ROLLOUT("want_ratio", "")) == 0.5);
	assert_true(value_of(ROLLOUT("step", "")) == 4 && value_of(ROLLOUT("steps", "")) == 9);
	assert_true(value_of(ROLLOUT("exposed_buckets", "")) == 430);
	assert_true(value_of(ROLLOUT("gate_value", ",gate=\"drop_ratio\"")) == 0.002);
	assert_true(value_of(ROLLOUT("gate_control", ",gate=\"drop_ratio\"")) == 0.001);
	assert_true(value_of(ROLLOUT("gate_limit", ",gate=\"latency_p99\"")) == 0.0005); /* seconds */
	assert_null(strstr(text, ROLLOUT("gate_control", ",gate=\"latency_p99\"")));
	assert_null(strstr(text, "gate=\"crashes\"")); /* off */
	assert_true(value_of(ROLLOUT("gate_failing", ",gate=\"drop_ratio\"")) == 1);
	assert_true(value_of(ROLLOUT("gate_failures", ",gate=\"drop_ratio\"")) == 2);
	assert_true(value_of(ROLLOUT("gate_failing", ",gate=\"latency_p99\"")) == 0);
	assert_true(value_of(ROLLOUT("gate_awaited", ",gate=\"cycles_per_packet\"")) == 1);
	assert_true(value_of(ROLLOUT("gate_awaited", ",gate=\"drop_ratio\"")) == 0);
	assert_true(value_of(ROLLOUT("shadow_replies", ",of=\"candidate\",outcome=\"differs\"")) == 3);
	assert_true(value_of(ROLLOUT("shadow_replies", ",of=\"candidate\",outcome=\"same\"")) == 7);
	assert_true(value_of(ROLLOUT("shadow_dropped_copies", "")) == 8);
}

static void names_that_are_no_text_are_escaped(void **state)
{
	(void)state;
	strcpy(s.worker[0].entry.version, "1\"\\\n\xff");
	strcpy(s.core[1].name, "io\x01");
	read_all();
	assert_non_null(strstr(text, "version=\"1\\\"\\\\\\n?\""));
}

static void generator_is_told_of_where_there_is_one(void **state)
{
	(void)state;
	write_text();
	assert_null(strstr(text, "baton_generator"));
	s.total[COUNTER_gen_sent] = 10;
	s.total[COUNTER_gen_lost] = 1;
	read_all();
	assert_true(value_of("baton_generator_packets_total{baton=\"demo\",outcome=\"lost\"}") == 1);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, make, drop)
	const struct CMUnitTest tests[] = {
		T(text_is_accepted_by_a_strict_reader),
		T(figures_are_those_of_the_snapshot),
		T(histogram_counts_each_sample_once),
		T(versions_have_histograms_of_their_own),
		T(ports_and_zygote_are_told_of),
		T(groups_are_told_of),
		T(rollouts_are_told_of),
		T(names_that_are_no_text_are_escaped),
		T(generator_is_told_of_where_there_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
