/* Claims about batond --plan: what is printed adds up to what is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "log.h"
#include "plan.h"
#include "primary.h"

static struct primary primary;
static char *text;

static void print(void)
{
	size_t bytes;

	free(text);
	FILE *out = open_memstream(&text, &bytes);
	assert_non_null(out);
	plan_print(&primary, out);
	fclose(out);
}

static int setup(void **state)
{
	struct config *config = &primary.config;

	(void)state;
	memset(&primary, 0, sizeof(primary));
	strcpy(config->name, "unit");
	strcpy(config->huge_dir, "/dev/hugepages");
	config->io_cores = 2;
	config->worker_slots = 5;
	config->pending = 1000;
	config->ports = 2;
	for (uint32_t i = 0; i < 2; i++) {
		snprintf(config->port[i].name, sizeof(config->port[i].name), "p%u", i);
		strcpy(config->port[i].device, "net_null0");
		config->port[i].mtu = 1500;
		config->port[i].rx_descriptors = 512;
		config->port[i].tx_descriptors = 256;
	}
	config->services = config->groups = 1;
	config->service[0].buckets = 1024;
	strcpy(config->group[0].name, "game");
	config->group[0].count = 2;
	config->group[0].records = 16000;
	primary.plugin[0].record_size = 48;
	return plan_init(&primary);
}

static int teardown(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

/* The number in the line of the section that begins with `name`. */
static double number_of(const char *section, const char *name)
{
	char start[64];
	const char *at = strstr(text, section);

	snprintf(start, sizeof(start), "\n  %s ", name);
	at = at ? strstr(at, start) : NULL;
	if (!at)
		fail_msg("no line '%s' under '%s' in\n%s", name, section, text);
	return strtod(at + strlen(start), NULL);
}

static void expect_sum(double sum, double parts)
{
	if (sum - parts > 0.31 || parts - sum > 0.31) /* six addends rounded to a tenth */
		fail_msg("%.2f are said to be the sum, the parts make %.2f:\n%s", sum, parts, text);
}

static void buffers_of_a_lcore_add_up_to_the_pool(void **state)
{
	(void)state;
	print();
	double sum = number_of("buffers of", "port p0") + number_of("buffers of", "port p1") +
		     number_of("buffers of", "belts") + number_of("buffers of", "pending lists") +
		     number_of("buffers of", "neighbours") +
		     number_of("buffers of", "bursts and cache");
	assert_true(number_of("buffers of", "pool") == sum);
	assert_true(sum == primary.plan.pool_buffers);
}

static void what_waits_while_workers_are_replaced_is_told(void **state)
{
	struct config *config = &primary.config;

	(void)state;
	strcpy(config->service[0].name, "game");
	config->group[0].recovery_ns = 50000000;
	config->group[0].stall_timeout_ns = 20000000;
	print();
	assert_non_null(strstr(text, "services[0].rate.max is not said; room for 1000\n"));
	config->service[0].rate_max = 300000; /* 150,000 on each I/O lcore */
	config->pending = 0;
	print();
	assert_true(number_of("packets that wait", "game") == 7500);
	assert_true(number_of("packets that wait", "  in the belt of a worker") == 1650);
	assert_non_null(strstr(text, "150000 packets/s x 50.0 ms of recovery.time; room for 16000\n"));
	assert_non_null(strstr(text, "150000 packets/s / 2 workers x 22.0 ms until a stall is found; room for 4032\n"));
	assert_true(number_of("buffers of", "pending lists") == 16000);
}

static void memory_adds_up_to_what_is_taken(void **state)
{
	const char *in = "socket memory";

	(void)state;
	print();
	expect_sum(number_of(in, "sum"), number_of(in, "pools") + number_of(in, "belts") + number_of(in, "ports") +
		   number_of(in, "EAL") + number_of(in, "headroom"));
	assert_true(number_of(in, "sum") * (1 << 20) == (double)primary.plan.eal_bytes);
	assert_true(number_of(in, "belts") == 2 * (5 + 1) * 2);
	in = "state file /dev/hugepages/baton.unit.state";
	expect_sum(number_of(in, "sum"), number_of(in, "records of game") + number_of(in, "header, control blocks"));
}

static void total_is_whole_huge_pages_of_both(void **state)
{
	char want[64];

	(void)state;
	print();
	assert_int_equal(primary.plan.pages,
			 (primary.plan.eal_bytes + primary.plan.state_bytes) / BATON_HUGE_PAGE);
	assert_int_equal(primary.plan.eal_bytes % BATON_HUGE_PAGE, 0);
	assert_int_equal(primary.plan.state_bytes % BATON_HUGE_PAGE, 0);
	snprintf(want, sizeof(want), "huge pages of 2 MiB in all      %10llu\n", (unsigned long long)primary.plan.pages);
	assert_non_null(strstr(text, want));
}

static void state_file_elsewhere_takes_no_huge_pages(void **state)
{
	(void)state;
	strcpy(primary.config.state_file, "/dev/hugepages2/x");
	assert_int_equal(plan_init(&primary), 0);
	assert_int_equal(primary.plan.pages, primary.plan.eal_bytes / BATON_HUGE_PAGE);
	print();
	assert_non_null(strstr(text, "state file /dev/hugepages2/x, MiB\n"));
	assert_non_null(strstr(text, "outside eal.huge_dir: no huge pages\n"));
	strcpy(primary.config.state_file, "/dev/hugepages/x");
	assert_true(plan_state_is_huge(&primary.config));
}

static void every_thread_has_its_line(void **state)
{
	(void)state;
	primary.config.io_core[1] = 3;
	primary.config.group[0].cores[0] = 7;
	primary.config.group[0].core_count = 1;
	print();
	assert_true(number_of("cores", "main lcore") == 0);
	assert_true(number_of("cores", "I/O lcore 1") == 3);
	assert_true(number_of("cores", "worker game.1") == 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(buffers_of_a_lcore_add_up_to_the_pool, setup, teardown),
		cmocka_unit_test_setup_teardown(what_waits_while_workers_are_replaced_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_adds_up_to_what_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(total_is_whole_huge_pages_of_both, setup, teardown),
		cmocka_unit_test_setup_teardown(state_file_elsewhere_takes_no_huge_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(every_thread_has_its_line, setup, teardown),
	};

	log_init("test_plan", LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
