/* Claims about CPUs: `auto`, CPUs that are not there, and how many may spin. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>

#include "config_test.h"

static cpu_set_t before;
static uint32_t only_cpu;

/* One CPU for this process, so that what `auto` and `any` mean does not depend on the machine. */
static int pin(void **state)
{
	cpu_set_t one;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (only_cpu = 0; !CPU_ISSET(only_cpu, &before); only_cpu++)
		;
	CPU_ZERO(&one);
	CPU_SET(only_cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one);
}

static int unpin(void **state)
{
	(void)state;
	return sched_setaffinity(0, sizeof(before), &before);
}

/* poll: busy with these I/O lcores and one group. */
static void load_busy(const char *io_cores, const char *group)
{
	static char text[2048];

	snprintf(text, sizeof(text), "eal: {poll: busy, io_cores: %s}\n" PORTS SERVICES
		 "groups:\n- {name: game, plugin: /p, %s}\n", io_cores, group);
	load_text(text);
}

static void auto_takes_a_cpu_this_process_may_use(void **state)
{
	(void)state;
	load_text(PORTS SERVICES GROUPS);
	expect_good();
	assert_int_equal(outcome.config.io_cores, 1);
	assert_int_equal(outcome.config.io_core[0], only_cpu);
	load_text("eal: {io_cores: auto}\n" PORTS SERVICES GROUPS);
	expect_good();
	assert_int_equal(outcome.config.io_core[0], only_cpu);
}

/* Last of all: it cannot be forgotten again. */
static void kept_cpus_count_whatever_the_thread_is_pinned_to_later(void **state)
{
	cpu_set_t others;

	(void)state;
	config_keep_cpus();
	CPU_ZERO(&others);
	for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &before) && cpu != only_cpu)
			CPU_SET(cpu, &others);
	if (CPU_COUNT(&others) > 0)
		assert_int_equal(sched_setaffinity(0, sizeof(others), &others), 0);
	load_text(PORTS SERVICES GROUPS);
	expect_good();
	assert_int_equal(outcome.config.io_core[0], only_cpu);
}

static void every_spinning_thread_needs_a_cpu_of_its_own(void **state)
{
	(void)state;
	load_busy("[900]", "cores: [901]");
	expect_good();
	load_busy("[900, 902]", "cores: [901, 903], count: 2");
	expect_good();
	load_busy("[900]", "cores: [901], count: 2");
	expect_only(
		1, 13,
		"eal.poll: busy needs a CPU for every polling thread: I/O lcores 1 + workers 2 = threads 3, on CPUs: 2 "
		"(2 of them on CPU 901); name more CPUs, lower groups[].count or use poll: adaptive");
	load_busy("[900]", "cores: [900]");
	expect_only(
		1, 13,
		"eal.poll: busy needs a CPU for every polling thread: I/O lcores 1 + workers 1 = threads 2, on CPUs: 1 "
		"(2 of them on CPU 900)");
	load_busy("[900, 900]", "cores: [901]");
	expect_only(1, 13, "eal.poll: busy needs a CPU");
	/* The second worker would have a CPU of its own, the first is put on the I/O lcore's. */
	load_busy("[900]", "cores: [900, 901], count: 1");
	expect_only(1, 13, "eal.poll: busy needs a CPU");
}

static void workers_without_cores_share_what_is_left(void **state)
{
	(void)state;
	load_busy("[900]", "count: 1");
	expect_good(); /* the one CPU of this process is free for it */
	load_busy("[900]", "count: 2");
	expect_only(1, 13,
		    "eal.poll: busy needs a CPU for every polling thread: I/O lcores 1 + workers 2 = threads 3, on "
		    "CPUs: 2;");
	load_busy("auto", "count: 1");
	expect_only(1, 13,
		    "eal.poll: busy needs a CPU for every polling thread: I/O lcores 1 + workers 1 = threads 2, on "
		    "CPUs: 1;");
}

static void adaptive_threads_may_share(void **state)
{
	(void)state;
	load_text("eal: {io_cores: [900, 900]}\n" PORTS SERVICES
		  "groups:\n- {name: game, plugin: /p, cores: [900], count: 5}\n");
	expect_good();
}

static void cpu_that_is_not_there_stops_a_start_but_not_a_check(void **state)
{
	static const char text[] = "eal:\n  main_core: 1021\n  io_cores: [1022]\n" PORTS SERVICES
				   "groups:\n- {name: game, plugin: /p, cores: [1023]}\n";
	char path[] = "/tmp/baton_test_host_XXXXXX", want[128];
	int fd = mkstemp(path);
	FILE *out = fmemopen(outcome.text, sizeof(outcome.text) - 1, "w");

	(void)state;
	assert_true(fd >= 0 && out);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	assert_int_equal(config_load(path, &outcome.config, out), 3);
	fclose(out);
	snprintf(want, sizeof(want), "%s:2:14: error: eal.main_core: there is no CPU 1021 here; online are ", path);
	assert_non_null(strstr(outcome.text, want));
	snprintf(want, sizeof(want), "%s:3:13: error: eal.io_cores: there is no CPU 1022 here; online are ", path);
	assert_non_null(strstr(outcome.text, want));
	snprintf(want, sizeof(want), "%s:10:35: error: groups[0].cores: there is no CPU 1023 here; online are ", path);
	assert_non_null(strstr(outcome.text, want));
	out = fopen("/dev/null", "w");
	assert_int_equal(config_check_file(path, out), 0);
	fclose(out);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_takes_a_cpu_this_process_may_use),
		cmocka_unit_test(every_spinning_thread_needs_a_cpu_of_its_own),
		cmocka_unit_test(workers_without_cores_share_what_is_left),
		cmocka_unit_test(adaptive_threads_may_share),
		cmocka_unit_test(cpu_that_is_not_there_stops_a_start_but_not_a_check),
		cmocka_unit_test(kept_cpus_count_whatever_the_thread_is_pinned_to_later),
	};

	return cmocka_run_group_tests(tests, pin, unpin);
}
