/* Claims about the arguments EAL is started with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "eal.h"

static struct primary primary;
static struct eal_args args;

static int setup(void **state)
{
	(void)state;
	memset(&primary, 0, sizeof(primary));
	memset(&args, 0, sizeof(args));
	strcpy(primary.config.name, "unit");
	strcpy(primary.config.huge_dir, "/dev/hugepages");
	strcpy(primary.file_prefix, "baton-unit-0123456789abcdef");
	primary.config.memory_channels = 4;
	primary.config.main_core = 0;
	primary.config.io_core[0] = 1;
	primary.config.io_core[1] = 1;
	primary.config.io_cores = 2;
	primary.config.ports = 1;
	strcpy(primary.config.port[0].device, "net_tap0,iface=baton0");
	primary.plan.eal_bytes = 100ull << 20;
	return 0;
}

static bool has(const char *argument)
{
	for (int i = 0; i < args.argc; i++)
		if (strcmp(args.argv[i], argument) == 0)
			return true;
	return false;
}

/* The value of the only argument that begins with `name`. */
static const char *value_of(const char *name)
{
	const char *value = NULL;

	for (int i = 0; i < args.argc; i++)
		if (strncmp(args.argv[i], name, strlen(name)) == 0) {
			assert_null(value);
			value = args.argv[i] + strlen(name);
		}
	assert_non_null(value);
	return value;
}

static void build(void)
{
	assert_int_equal(eal_args_build(&args, &primary), 0);
	assert_null(args.argv[args.argc]);
}

static void lcores_that_share_a_cpu_have_ids_of_their_own(void **state)
{
	(void)state;
	build();
	assert_string_equal(value_of("--lcores="), "0@0,1@1,2@1");
	assert_true(has("--main-lcore=0"));
}

static void every_boot_has_its_own_file_prefix_and_fixed_addresses(void **state)
{
	(void)state;
	build();
	assert_string_equal(value_of("--file-prefix="), "baton-unit-0123456789abcdef");
	assert_string_equal(value_of("--base-virtaddr="), "0x200000000000");
	assert_string_equal(value_of("--huge-dir="), "/dev/hugepages");
	assert_true(has("-n4"));
	assert_true(has("--proc-type=primary"));
}

static void multi_process_is_never_switched_off(void **state)
{
	static const char *const deadly[] = { "--no-shconf", "--in-memory", "--no-huge", "--huge-unlink" };

	(void)state;
	build();
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		for (int a = 0; a < args.argc; a++)
			assert_null(strstr(args.argv[a], deadly[i]));
}

static void socket_memory_is_that_of_the_plan(void **state)
{
	uint64_t sum = 0;

	(void)state;
	primary.config.io_cores = 3;
	build();
	for (const char *at = value_of("--socket-mem="); at != NULL; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		sum += strtoull(at, NULL, 10);
	assert_int_equal(sum, 100);
}

static void virtual_ports_need_no_pci(void **state)
{
	(void)state;
	build();
	assert_string_equal(value_of("--vdev="), "net_tap0,iface=baton0");
	assert_true(has("--no-pci"));
	assert_true(has("--iova-mode=va"));
}

static void a_pci_port_is_allowed_alone(void **state)
{
	(void)state;
	strcpy(primary.config.port[1].device, "0000:03:00.1");
	primary.config.ports = 2;
	build();
	assert_string_equal(value_of("--allow="), "0000:03:00.1");
	assert_string_equal(value_of("--vdev="), "net_tap0,iface=baton0");
	assert_false(has("--no-pci"));
	assert_false(has("--iova-mode=va"));
}

static void a_generator_is_no_device(void **state)
{
	(void)state;
	primary.config.port[0].driver = DRIVER_GENERATOR;
	primary.config.port[0].device[0] = '\0';
	build();
	for (int i = 0; i < args.argc; i++)
		assert_null(strstr(args.argv[i], "--vdev"));
	assert_true(has("--no-pci"));
}

static void telemetry_is_off_unless_asked_for(void **state)
{
	(void)state;
	build();
	assert_true(has("--no-telemetry"));
	setup(NULL);
	strcpy(primary.config.extra_args, "--telemetry");
	build();
	assert_false(has("--no-telemetry"));
	assert_true(has("--telemetry"));
}

static void extra_arguments_are_split_at_blanks(void **state)
{
	(void)state;
	strcpy(primary.config.extra_args, "  --log-level=pmd:debug \t --match-allocations ");
	build();
	assert_string_equal(args.argv[args.argc - 2], "--log-level=pmd:debug");
	assert_string_equal(args.argv[args.argc - 1], "--match-allocations");
}

static void too_many_arguments_are_refused(void **state)
{
	(void)state;
	for (uint32_t i = 0; i + 1 < sizeof(primary.config.extra_args); i++)
		primary.config.extra_args[i] = i % 2 ? ' ' : 'x';
	assert_int_equal(eal_args_build(&args, &primary), -E2BIG);
}

static void pci_addresses_are_told_from_virtual_devices(void **state)
{
	(void)state;
	assert_true(eal_is_pci("0000:03:00.0"));
	assert_true(eal_is_pci("03:00.7"));
	assert_true(eal_is_pci("0000:03:00.0,arg=1"));
	assert_false(eal_is_pci("03:00.8"));
	assert_false(eal_is_pci("03:00"));
	assert_false(eal_is_pci("03:00.01"));
	assert_false(eal_is_pci("net_tap0,iface=03:00.0"));
	assert_false(eal_is_pci(""));
}

static void device_strings_are_taken_apart(void **state)
{
	char out[32];

	(void)state;
	eal_device_name("net_tap0,iface=baton0,mac=fixed", out, sizeof(out));
	assert_string_equal(out, "net_tap0");
	assert_true(eal_device_argument("net_af_xdp0,iface=veth1,start_queue=0", "iface", out, sizeof(out)));
	assert_string_equal(out, "veth1");
	assert_true(eal_device_argument("net_af_xdp0,iface=veth1,start_queue=0", "start_queue", out, sizeof(out)));
	assert_string_equal(out, "0");
	assert_false(eal_device_argument("net_af_xdp0,iface=veth1", "queue", out, sizeof(out)));
	assert_false(eal_device_argument("net_null0", "iface", out, sizeof(out)));
	assert_false(eal_device_argument("net_x0,myiface=a", "iface", out, sizeof(out)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lcores_that_share_a_cpu_have_ids_of_their_own, setup),
		cmocka_unit_test_setup(every_boot_has_its_own_file_prefix_and_fixed_addresses, setup),
		cmocka_unit_test_setup(multi_process_is_never_switched_off, setup),
		cmocka_unit_test_setup(socket_memory_is_that_of_the_plan, setup),
		cmocka_unit_test_setup(virtual_ports_need_no_pci, setup),
		cmocka_unit_test_setup(a_pci_port_is_allowed_alone, setup),
		cmocka_unit_test_setup(a_generator_is_no_device, setup),
		cmocka_unit_test_setup(telemetry_is_off_unless_asked_for, setup),
		cmocka_unit_test_setup(extra_arguments_are_split_at_blanks, setup),
		cmocka_unit_test_setup(too_many_arguments_are_refused, setup),
		cmocka_unit_test(pci_addresses_are_told_from_virtual_devices),
		cmocka_unit_test(device_strings_are_taken_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
