/* Claims about values one by one, most of them made from the table: printing, comparing, carrying over, origins. */
#include "config_test.h"

#include <errno.h>

#include "explain.h"
#include "items.h"

static struct config before, after;

struct seen {
	char paths[4096];
	uint32_t count;
	struct config_item last;
	struct config *to;
};

static void see(const struct config_item *item, void *arg)
{
	struct seen *seen = arg;

	snprintf(seen->paths + strlen(seen->paths), sizeof(seen->paths) - strlen(seen->paths), "%s\n", item->path);
	seen->count++;
	seen->last = *item;
}

static void copy(const struct config_item *item, void *arg)
{
	struct seen *seen = arg;

	seen->count++;
	config_item_copy(seen->to, &after, item);
}

/* A row that can be written twice with different values in a document that is valid otherwise. */
static bool can_change(const struct schema_row *row)
{
	return row->type != SCHEMA_MAP && row->type != SCHEMA_LIST && row->width && !row->required &&
	       strcmp(row->path, "ports[].device") != 0 && strcmp(row->path, "ports[].addresses") != 0;
}

/* The row's default in `before`, its example, or what else differs, in `after`. */
static bool load_both(const struct schema_row *row)
{
	const char *value = row->example;

	if (row->type == SCHEMA_BOOL)
		value = strcmp(row->fallback, "true") == 0 ? "false" : "true";
	else if (row->type == SCHEMA_ENUM && strcmp(row->fallback, row->example) == 0)
		return false;
	load_row(row, value, SHAPE_MISSING, NULL);
	expect_good();
	before = outcome.config;
	load_row(row, value, SHAPE_PLAIN, NULL);
	expect_good();
	after = outcome.config;
	return true;
}

static void changed_value_is_the_one_difference_and_has_its_class(void **state)
{
	uint32_t rows = 0, by_class[RELOAD_CLASSES] = { 0 };

	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		struct seen seen = { .count = 0 };
		char want[160];

		if (!can_change(&schema[i]) || !load_both(&schema[i]))
			continue;
		config_diff(&before, &after, see, &seen);
		if (seen.count == 0) /* its example is its default */
			continue;
		snprintf(want, sizeof(want), "%s\n", row_shown(&schema[i]));
		assert_string_equal(seen.paths, want);
		assert_ptr_equal(seen.last.row, &schema[i]);
		by_class[schema[i].reload]++;
		rows++;
	}
	assert_true(rows >= 15);
	assert_true(by_class[RELOAD_WORKER] >= 2 && by_class[RELOAD_HOT] >= 1);
}

static void carrying_a_value_over_ends_the_difference(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		struct seen seen = { .to = &before };

		if (!can_change(&schema[i]) || !load_both(&schema[i]))
			continue;
		config_diff(&before, &after, copy, &seen);
		seen.count = 0;
		config_diff(&before, &after, see, &seen);
		assert_int_equal(seen.count, 0);
	}
}

static void printed_value_is_read_as_the_same_value(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		struct seen seen = { .count = 0 };

		/* What `auto` means is printed in its place. */
		if (!can_change(row) || !load_both(row) || strcmp(row->path, "eal.io_cores") == 0)
			continue;
		for (int given = 0; given < 2; given++) {
			const struct config *config = given ? &after : &before;
			struct config_item item = { .row = row };

			config_diff(&before, &after, see, &seen);
			if (seen.count == 0)
				continue;
			item = seen.last;
			char *text = config_item_text(config, &item), value[512];
			/* The example is a mapping in flow style, which the printed text is, too. */
			snprintf(value, sizeof(value), "%s", text);
			struct config want = *config;
			load_row(row, row->type == SCHEMA_STRING && !value[0] ? "\"\"" : value, SHAPE_PLAIN, NULL);
			expect_good();
			char *again = config_item_text(&outcome.config, &item);
			assert_string_equal(again, text);
			assert_memory_equal(&outcome.config.io_cores, &want.io_cores, sizeof(want.io_cores));
			free(again);
			free(text);
		}
	}
}

/* These lists are a promise: hot, only the main lcore reads it; worker, it reaches a worker at its start only. A
 * row that is added to them must keep it (primary/control/reload.c carries it out for any row of the class). */
static void classes_name_what_a_reload_can_carry_out(void **state)
{
	static const char hot[] = "groups[].versions groups[].versions[].name groups[].versions[].plugin "
				  "groups[].standby groups[].stall_timeout groups[].stall_wall "
				  "groups[].restart_burst groups[].restart_window groups[].restart_delay "
				  "groups[].restart_delay_most groups[].park.max_age groups[].good_after "
				  "groups[].balance.enabled groups[].balance.measure groups[].balance.interval "
				  "groups[].balance.threshold groups[].balance.settle groups[].balance.patience "
				  "groups[].balance.least_busy groups[].balance.moves groups[].balance.rest "
				  "groups[].balance.keep_placed "
				  "rollouts rollouts[].group rollouts[].candidate rollouts[].steps "
				  "rollouts[].cohort rollouts[].on_failure rollouts[].deadline "
				  "rollouts[].accept_one_way rollouts[].analysis.interval "
				  "rollouts[].analysis.warmup rollouts[].analysis.min_packets "
				  "rollouts[].analysis.failure_limit rollouts[].analysis.of_windows "
				  "rollouts[].analysis.gates.drop_ratio rollouts[].analysis.gates.malformed_ratio "
				  "rollouts[].analysis.gates.error_reply_ratio "
				  "rollouts[].analysis.gates.latency_p50 rollouts[].analysis.gates.latency_p99 "
				  "rollouts[].analysis.gates.cycles_per_packet "
				  "rollouts[].analysis.gates.messages rollouts[].analysis.gates.sends "
				  "rollouts[].analysis.gates.shadow_diff_ratio rollouts[].analysis.gates.crashes "
				  "rollouts[].analysis.gates.stalls "
				  "workers.start_timeout control.operators.users control.operators.groups "
				  "control.viewers.users control.viewers.groups control.audit_log control.crash_dir "
				  "quarantine.attempts quarantine.directory "
				  "quarantine.files quarantine.bytes log.level ";
	static const char worker[] = "groups[].plugin groups[].cores groups[].settings ";
	char found[RELOAD_CLASSES][4096] = { "" };

	(void)state;
	for (size_t i = 0; i < schema_rows; i++)
		if (schema[i].type != SCHEMA_MAP)
			strcat(strcat(found[schema[i].reload], schema[i].path), " ");
	assert_string_equal(found[RELOAD_HOT], hot);
	assert_string_equal(found[RELOAD_WORKER], worker);
	assert_string_equal(found[RELOAD_SCALE], "groups[].count ");
}

static void every_row_can_be_explained_by_its_path(void **state)
{
	const struct schema_row *row;
	char why[320], range[160];

	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		assert_int_equal(schema_look_up(schema[i].path, &row, why, sizeof(why)), 0);
		assert_ptr_equal(row, &schema[i]);
		assert_int_equal(schema_look_up(row_shown(&schema[i]), &row, why, sizeof(why)), 0);
		assert_ptr_equal(row, &schema[i]);
		schema_range(row, range, sizeof(range));
		assert_true(schema_tier_name(row->tier)[0] && schema_reload_name(row->reload)[0] && row->help[0]);
	}
	assert_int_equal(schema_look_up("ports.vlans.id", &row, why, sizeof(why)), 0);
	assert_string_equal(row->path, "ports[].vlans[].id");
	assert_int_equal(schema_look_up("groups[0].setings", &row, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "did you mean 'groups[].settings'?"));
	assert_int_equal(schema_look_up("", &row, why, sizeof(why)), -ENOENT);
}

static void elements_that_come_or_go_are_one_difference_of_the_list(void **state)
{
	struct seen seen = { .count = 0 };

	(void)state;
	load_text(PORTS SERVICES "groups:\n- {name: game, plugin: /p, versions: [{name: a, plugin: /a}]}\n");
	expect_good();
	before = outcome.config;
	load_text(PORTS SERVICES "groups:\n- {name: game, plugin: /p, versions: [{name: a, plugin: /b}, "
		  "{name: c, plugin: /c}]}\n");
	expect_good();
	after = outcome.config;
	config_diff(&before, &after, see, &seen);
	assert_string_equal(seen.paths, "groups[0].versions\ngroups[0].versions[0].plugin\n");
	seen = (struct seen){ .to = &before };
	config_diff(&before, &after, copy, &seen);
	assert_int_equal(before.group[0].versions, 2);
	assert_string_equal(before.group[0].version[1].plugin, "/c");
}

static void stale_bytes_make_no_difference(void **state)
{
	struct seen seen = { .count = 0 };

	(void)state;
	load_text(PORTS SERVICES GROUPS);
	expect_good();
	before = after = outcome.config;
	memset(after.name + strlen(after.name) + 1, 'x', 3);
	memset(after.group[0].setting, 'x', sizeof(after.group[0].setting));
	config_diff(&before, &after, see, &seen);
	assert_int_equal(seen.count, 0);
}

struct origin_check {
	const struct config_origins *origins;
	uint32_t given, defaults;
};

static void check_origin(const struct config_item *item, void *arg)
{
	struct origin_check *check = arg;
	const struct config_origin *origin = config_item_origin(check->origins, item);

	if (!origin)
		fail_msg("%s: no origin", item->path);
	assert_true(origin->line >= 1 && origin->column >= 1);
	check->given += origin->given;
	check->defaults += !origin->given;
	if (strcmp(item->path, "groups[0].records") == 0) {
		assert_true(origin->given);
		assert_int_equal(origin->line, 22);
		assert_int_equal(origin->column, 14);
	}
	if (strcmp(item->path, "memory.pending") == 0)
		assert_false(origin->given);
}

static void every_value_has_an_origin(void **state)
{
	struct config_origins origins = { .count = 0 };
	struct origin_check check = { .origins = &origins };

	(void)state;
	assert_int_equal(config_load_traced(source_file("config/demo.yaml"), false, &before, &origins, stderr), 0);
	assert_non_null(strstr(origins.file, "demo.yaml"));
	config_each(&before, check_origin, &check);
	assert_int_equal(check.given, 23); /* demo.yaml has as many keys with a value below its sections */
	assert_true(check.defaults > 20);
	config_origins_free(&origins);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changed_value_is_the_one_difference_and_has_its_class),
		cmocka_unit_test(carrying_a_value_over_ends_the_difference),
		cmocka_unit_test(printed_value_is_read_as_the_same_value),
		cmocka_unit_test(classes_name_what_a_reload_can_carry_out),
		cmocka_unit_test(every_row_can_be_explained_by_its_path),
		cmocka_unit_test(elements_that_come_or_go_are_one_difference_of_the_list),
		cmocka_unit_test(stale_bytes_make_no_difference),
		cmocka_unit_test(every_value_has_an_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
