/* Claims about values that must fit each other. */
#include "config_test.h"

static const char two_ports[] = "version: 1\nports:\n"
	"- {name: lan, device: net_tap0, addresses: [10.77.0.1/24]}\n"
	"- {name: wan, device: net_tap1, addresses: [192.0.2.1/24, 198.51.100.7/31]}\n";

static void load_two_ports(const char *rest)
{
	static char text[4096];

	snprintf(text, sizeof(text), "%s%s", two_ports, rest);
	load_text(text);
}

static void port_line(const char *line)
{
	static char text[4096];

	snprintf(text, sizeof(text), "version: 1\nports:\n- {name: lan, %s}\n" SERVICES GROUPS, line);
	load_text(text);
}

static void good_document_fills_in_the_configuration(void **state)
{
	const struct config *c = &outcome.config;

	(void)state;
	load_two_ports(
		"services:\n- {name: a, address: 198.51.100.7, port: 9, group: two, key: flow, buckets: 64}\n"
		"- {name: b, port: 10, group: one}\n"
		"groups:\n- {name: one, plugin: /p/1.so}\n"
		"- {name: two, plugin: ../2.so, count: 3, cores: 2-3, settings: {player.idle: 60s, x: \"a b\"}}\n");
	expect_good();
	assert_int_equal(c->ports, 2);
	assert_int_equal(c->port[1].addresses, 2);
	assert_int_equal(c->port[1].address[1].prefix, 31);
	assert_memory_equal(&c->port[1].address[1].ip, "\xc6\x33\x64\x07", 4);
	assert_int_equal(c->port[0].line, 3);
	assert_int_equal(c->port[1].line, 4);
	assert_int_equal(c->service[0].group_index, 1);
	assert_int_equal(c->service[1].group_index, 0);
	assert_int_equal(c->service[0].udp_port, 9);
	assert_int_equal(c->service[0].key, KEY_FLOW);
	assert_int_equal(c->service[1].ip, 0);
	assert_int_equal(c->group[1].count, 3);
	assert_int_equal(c->group[1].core_count, 2);
	assert_int_equal(c->group[1].cores[1], 3);
	assert_int_equal(c->group[0].tick_period_ns, 1000000000);
	assert_int_equal(c->group[0].tick_catch_up, 4);
	assert_string_equal(c->group[1].setting[0].key, "player.idle");
	assert_string_equal(c->group[1].setting[0].value, "60s");
	assert_string_equal(c->group[1].setting[1].value, "a b");
	assert_int_equal(c->io_cores, 1); /* auto */
	assert_string_equal(c->state_file, "");
}

static void names_are_unique(void **state)
{
	(void)state;
	load_text("version: 1\nports:\n- {name: p, device: a, addresses: [10.0.0.1/8]}\n- {name: p, device: b, "
		  "addresses: [11.0.0.1/8]}\n"
		  "services:\n- {name: s, port: 1, group: g}\n- {name: s, port: 2, group: h}\n"
		  "groups:\n- {name: g, plugin: /a}\n- {name: h, plugin: /a, versions: [{name: '1', plugin: /b}, "
		  "{name: '1', plugin: /c}]}\n"
		  "- {name: g, plugin: /a}\n");
	expect_error(4, 10, "ports[1].name: 'p' is already used by ports[0] (line 3 column 10)");
	expect_error(7, 10, "services[1].name: 's' is already used by services[0] (line 6 column 10)");
	expect_error(10, column_of(10, "'1', plugin: /c"),
		     "groups[1].versions[1].name: '1' is already used by groups[1].versions[0] (line 10 column 43)");
	expect_error(11, 10, "groups[2].name: 'g' is already used by groups[0] (line 9 column 10)");
	assert_int_equal(outcome.errors, 4);
}

static void device_belongs_to_one_port(void **state)
{
	(void)state;
	load_text("version: 1\nports:\n- {name: a, device: \"net_tap0,iface=x\", addresses: [10.0.0.1/8]}\n"
		  "- {name: b, device: net_tap0, addresses: [11.0.0.1/8]}\n- {name: c, device: net_tap01, addresses: "
		  "[12.0.0.1/8]}\n" SERVICES GROUPS);
	expect_only(4, 21, "ports[1].device: 'net_tap0' already belongs to ports[0]");
	load_text("version: 1\nports:\n- {name: a, device: \"0000:01:00.0\", addresses: [10.0.0.1/8]}\n"
		  "- {name: b, device: \"01:00.0\", addresses: [11.0.0.1/8]}\n" SERVICES GROUPS);
	expect_only(4, 21, "ports[1].device: '01:00.0' already belongs to ports[0]");
	load_text("version: 1\nports:\n- {name: a, device: \"net_af_packet0,iface=x\", addresses: [10.0.0.1/8]}\n"
		  "- {name: b, device: \"net_af_packet1,qpairs=2,iface=x\", addresses: [11.0.0.1/8]}\n"
		  "- {name: c, device: \"net_af_packet2,iface=xy\", addresses: [12.0.0.1/8]}\n" SERVICES GROUPS);
	expect_only(4, 21, "ports[1].device: interface 'x' already belongs to ports[0]");
}

static void port_needs_a_device_unless_it_generates(void **state)
{
	(void)state;
	port_line("addresses: [10.0.0.1/8]");
	expect_only(3, 3, "ports[0]: 'device' is missing");
	port_line("addresses: [10.0.0.1/8], driver: generator");
	expect_good();
	port_line("addresses: [10.0.0.1/8], device: net_tap0 iface=x");
	expect_only(3, column_of(3, "net_tap0"), "ports[0].device: holds a blank");
}

static void key_of_the_other_driver_is_refused(void **state)
{
	(void)state;
	port_line("addresses: [10.0.0.1/8], driver: generator, device: x, promiscuous: false");
	expect_error(3, column_of(3, "x, prom"), "ports[0].device: has no meaning with driver generator");
	expect_error(3, column_of(3, "false"), "ports[0].promiscuous: has no meaning with driver generator");
	assert_int_equal(outcome.errors, 2);
	port_line("addresses: [10.0.0.1/8], device: x, in_flight: 2048, players: 1, rate: 1k, malformed_every: none");
	expect_error(3, column_of(3, "2048"), "ports[0].in_flight: has no meaning with driver eal");
	expect_error(3, column_of(3, "1, rate"), "ports[0].players: has no meaning");
	expect_error(3, column_of(3, "1k"), "ports[0].rate: has no meaning");
	expect_error(3, column_of(3, "none"), "ports[0].malformed_every: has no meaning");
	assert_int_equal(outcome.errors, 4);
}

static void address_must_be_one_a_host_can_have(void **state)
{
	(void)state;
	port_line("device: x, addresses: [0.0.0.1/8, 224.0.0.1/8, 127.0.0.1/8]");
	expect_error(3, column_of(3, "0.0.0.1/8"),
		     "ports[0].addresses[0]: 0.0.0.1/8 is not an address a host can have");
	expect_error(3, column_of(3, "224"), "ports[0].addresses[1]: 224.0.0.1/8 is not an address");
	expect_error(3, column_of(3, "127"), "ports[0].addresses[2]: 127.0.0.1/8 is not an address");
	assert_int_equal(outcome.errors, 3);
	port_line("device: x, addresses: [0.0.0.0/8]"); /* as no gateway is */
	expect_only(3, column_of(3, "0.0.0.0/8"), "ports[0].addresses[0]: 0.0.0.0/8 is not an address a host can have");
	port_line("device: x, addresses: [10.0.0.0/24, 10.0.1.255/24]");
	expect_error(3, column_of(3, "10."), "ports[0].addresses[0]: 10.0.0.0/24 is the address of the network");
	expect_error(3, column_of(3, "10.0.1.255"), "ports[0].addresses[1]: 10.0.1.255/24 is the broadcast address");
	port_line("device: x, addresses: [10.0.0.0/31, 10.0.1.255/32]");
	expect_good();
	port_line("device: x, addresses: [10.0.0.1/24, 10.0.0.1/16]");
	expect_only(3, column_of(3, "10.0.0.1/16"),
		    "ports[0].addresses[1]: 10.0.0.1 is already an address of ports[0]");
}

static void address_is_written_in_full(void **state)
{
	static const char *const bad[] = { "10.0.0/24",	    "10.0.0.1/",    "10.0.0.1/x",    "10.0.0.1/024",
					   "10.0.0.1/24/2", "010.0.0.1/24", "10.0.0.256/24", "::1/64",
					   "/24",	    "10.0.0.1 /24", "host/24" };
	char line[128];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "device: x, addresses: ['%s']", bad[i]);
		port_line(line);
		expect_only(3, column_of(3, "[") + 1,
			    "ports[0].addresses[0]: expected ADDRESS/PREFIX such as 10.77.0.1/24, found ");
	}
	port_line("device: x, addresses: [10.0.0.1]");
	expect_only(3, column_of(3, "[") + 1,
		    "ports[0].addresses[0]: '10.0.0.1' needs a prefix length, for example '10.0.0.1/24'");
	port_line("device: x, addresses: [10.0.0.1/0]");
	expect_only(3, column_of(3, "[") + 1,
		    "ports[0].addresses[0]: '10.0.0.1/0': prefix length out of range; allowed 1 to 32");
	port_line("device: x, addresses: [10.0.0.1/33]");
	expect_only(3, column_of(3, "[") + 1,
		    "ports[0].addresses[0]: '10.0.0.1/33': prefix length out of range; allowed 1 to 32");
}

#define VLANS(list) "device: x, addresses: [10.0.0.1/24], vlans: [" list "]"

static void vlan_is_a_network_of_its_own(void **state)
{
	(void)state;
	port_line(VLANS("{id: 1, addresses: [10.1.0.1/24], gateway: 10.1.0.254}, {id: 4094, addresses: [10.2.0.1/24]}"));
	expect_good();
	assert_int_equal(outcome.config.port[0].vlans, 2);
	assert_int_equal(outcome.config.port[0].vlan[1].id, 4094);
	port_line(VLANS("{id: 7, addresses: [10.1.0.1/24]}, {id: 7, addresses: [10.2.0.1/24]}"));
	expect_only(3, column_of(3, "7, addresses: [10.2"), "ports[0].vlans[1].id: VLAN 7 is already ports[0].vlans[0]");
	port_line(VLANS("{id: 0, addresses: [10.1.0.1/24]}"));
	expect_only(3, column_of(3, "0, addresses: [10.1"), "ports[0].vlans[0].id: '0' is out of range; allowed 1 to 4094");
	port_line(VLANS("{id: 4095, addresses: [10.1.0.1/24]}"));
	expect_only(3, column_of(3, "4095"), "ports[0].vlans[0].id: '4095' is out of range; allowed 1 to 4094");
	port_line(VLANS("{addresses: [10.1.0.1/24]}"));
	expect_only(3, column_of(3, "{addresses: [10.1"), "ports[0].vlans[0]: 'id' is missing: VLAN identifier in the tag");
	port_line("device: x, vlans: [{id: 1, addresses: [10.1.0.1/24]}]");
	expect_good();
	port_line("device: x, vlans: []");
	expect_only(3, 3, "ports[0]: 'addresses' is missing");
	port_line("device: x");
	expect_only(3, 3, "ports[0]: 'addresses' is missing");
	port_line("driver: generator, addresses: [10.0.0.1/24], vlans: [{id: 1, addresses: [10.1.0.1/24]}]");
	expect_only(3, column_of(3, "[{id"), "ports[0].vlans: has no meaning with driver generator");
}

static void address_belongs_to_one_network_of_all_ports(void **state)
{
	(void)state;
	port_line(VLANS("{id: 7, addresses: [10.1.0.1/24, 10.0.0.1/24]}"));
	expect_only(3, column_of(3, "10.0.0.1/24]}"),
		    "ports[0].vlans[0].addresses[1]: 10.0.0.1 is already an address of ports[0]");
	port_line(VLANS("{id: 7, addresses: [10.1.0.1/24]}, {id: 8, addresses: [10.1.0.1/24]}"));
	expect_only(3, column_of(3, "10.1.0.1/24]}]"),
		    "ports[0].vlans[1].addresses[0]: 10.1.0.1 is already an address of ports[0].vlans[0]");
	port_line(VLANS("{id: 7, addresses: [10.1.0.0/24]}"));
	expect_only(3, column_of(3, "10.1.0.0/24"),
		    "ports[0].vlans[0].addresses[0]: 10.1.0.0/24 is the address of the network");
	port_line(VLANS("{id: 7, addresses: [10.1.0.1/24], gateway: 10.0.0.254}"));
	expect_only(3, column_of(3, "10.0.0.254"),
		    "ports[0].vlans[0].gateway: 10.0.0.254 is in none of the VLAN's networks");
	load_text("version: 1\nports:\n- {name: lan, device: x, addresses: [10.0.0.1/24], vlans: [{id: 7, addresses: "
		  "[10.1.0.1/24]}]}\nservices:\n- {name: game, port: 1, group: game, address: 10.1.0.1}\n" GROUPS);
	expect_good();
	load_text("version: 1\nports:\n- {name: lan, device: x, addresses: [10.0.0.1/24], vlans: [{id: 7, addresses: "
		  "[10.1.0.1/24]}]}\nservices:\n- {name: game, port: 1, group: game, address: 10.1.0.2}\n" GROUPS);
	expect_only(5, column_of(5, "10.1.0.2"), "services[0].address: 10.1.0.2 is an address of no port");
}

static void gateway_stands_in_a_network_of_the_port(void **state)
{
	(void)state;
	port_line("device: x, addresses: [10.0.0.1/24], gateway: 10.0.1.1");
	expect_only(3, column_of(3, "10.0.1.1"), "ports[0].gateway: 10.0.1.1 is in none of the port's networks");
	port_line("device: x, addresses: [10.0.0.1/24], gateway: 10.0.0.1");
	expect_only(3, column_of(3, "10.0.0.1}"), "ports[0].gateway: 10.0.0.1 is the port's own address");
	port_line("device: x, addresses: [10.0.0.1/24], gateway: none");
	expect_good();
	port_line("device: x, addresses: [10.0.0.1/24, 10.0.1.9/24], gateway: 10.0.1.1");
	expect_good();
}

static void service_address_is_one_of_a_port(void **state)
{
	(void)state;
	load_two_ports("services:\n- {name: s, port: 1, group: game, address: 10.77.0.2}\n" GROUPS);
	expect_only(6, 44, "services[0].address: 10.77.0.2 is an address of no port");
	load_two_ports("services:\n- {name: s, port: 1, group: game, address: 198.51.100.7}\n" GROUPS);
	expect_good();
}

static void udp_port_is_taken_once_on_an_address(void **state)
{
	static const char groups[] = "groups:\n- {name: a, plugin: /p}\n- {name: b, plugin: /p}\n";
	char text[512];

	(void)state;
	snprintf(text, sizeof(text), "services:\n- {name: s, port: 1, group: a, address: 10.77.0.1}\n"
		 "- {name: t, port: 1, group: b, address: 10.77.0.1}\n%s", groups);
	load_two_ports(text);
	expect_only(7, 19, "services[1].port: services[0] already has UDP port 1 on this address");
	snprintf(text, sizeof(text),
		 "services:\n- {name: s, port: 1, group: a, address: 10.77.0.1}\n- {name: t, port: 1, group: b}\n%s",
		 groups);
	load_two_ports(text);
	expect_only(7, 19, "services[1].port: services[0] already has UDP port 1; 'any' takes it on every address");
	snprintf(text, sizeof(text), "services:\n- {name: s, port: 1, group: a, address: 10.77.0.1}\n"
		 "- {name: t, port: 1, group: b, address: 192.0.2.1}\n%s", groups);
	load_two_ports(text);
	expect_good();
}

static void buckets_are_a_power_of_two(void **state)
{
	(void)state;
	load_text(PORTS "services:\n- {name: game, port: 8080, group: game, buckets: 4k}\n" GROUPS);
	expect_only(5, 50, "services[0].buckets: 4000 is not a power of two; the nearest are 2048 and 4096");
	load_text(PORTS "services:\n- {name: game, port: 8080, group: game, buckets: 4Ki}\n" GROUPS);
	expect_good();
	assert_int_equal(outcome.config.service[0].buckets, 4096);
}

static void service_names_a_group_of_its_own(void **state)
{
	(void)state;
	load_text(PORTS "services:\n- {name: s, port: 1, group: gmae}\n" GROUPS);
	expect_error(5, 29, "services[0].group: no group is called 'gmae'; did you mean 'game'?");
	expect_error(7, 10, "groups[0].name: no service names group 'game'");
	assert_int_equal(outcome.errors, 2);
	load_text(PORTS "services:\n- {name: s, port: 1, group: game}\n- {name: t, port: 2, group: game}\n" GROUPS);
	expect_only(6, 29, "services[1].group: 'game' already serves services[0]");
}

static void workers_and_standbys_fit_the_slots(void **state)
{
	(void)state;
	load_text(PORTS SERVICES "groups:\n- {name: game, plugin: /p, count: 6}\n");
	expect_good();
	load_text(PORTS SERVICES "groups:\n- {name: game, plugin: /p, count: 7, standby: 0}\n");
	expect_good();
	load_text(PORTS SERVICES "groups:\n- {name: game, plugin: /p, count: 5, standby: 3}\n");
	expect_only(1, 1,
		    "memory.worker_slots: 8 slots are too few for 5 workers, 3 standbys (groups[].standby) and 1 for a "
		    "restart, which starts the new worker before the old one goes; at least 9");
	load_text(PORTS SERVICES
		  "groups:\n- {name: game, plugin: /p, count: 5, standby: 3}\nmemory:\n  worker_slots: 9\n");
	expect_good();
	load_text(PORTS SERVICES "groups:\n- {name: game, plugin: /p, count: 3}\nmemory:\n  worker_slots: 3\n");
	expect_only(9, 17, "memory.worker_slots: 3 slots are too few for 3 workers");
	load_text(PORTS "services:\n- {name: a, port: 1, group: a}\n- {name: b, port: 2, group: b}\n"
			"groups:\n- {name: a, plugin: /p, count: 60}\n- {name: b, plugin: /p, count: 4}\nmemory: "
			"{worker_slots: 64}\n");
	expect_only(10, 24, "memory.worker_slots: 64 slots are too few for 64 workers, 2 standbys");
	assert_non_null(strstr(outcome.text, "lower groups[].count or standby"));
}

static void stall_wall_is_no_shorter_than_stall_timeout(void **state)
{
	(void)state;
	load_text(PORTS SERVICES "groups:\n- {name: game, plugin: /p, stall_timeout: 2s}\n");
	expect_only(7, 3, "groups[0].stall_wall: shorter than stall_timeout: raise it, too, or switch it off");
	load_text(PORTS SERVICES "groups:\n- {name: game, plugin: /p, stall_timeout: 2s, stall_wall: 1999ms}\n");
	expect_only(7, column_of(7, "1999ms"), "groups[0].stall_wall: shorter than stall_timeout");
	load_text(PORTS SERVICES "groups:\n- {name: game, plugin: /p, stall_timeout: 2s, stall_wall: 2s}\n");
	expect_good();
	load_text(PORTS SERVICES "groups:\n- {name: game, plugin: /p, stall_timeout: 2s, stall_wall: off}\n");
	expect_good();
}

static void socket_memory_is_whole_huge_pages(void **state)
{
	(void)state;
	load_text("eal: {socket_memory: 3MiB}\n" PORTS SERVICES GROUPS);
	expect_only(1, 22, "eal.socket_memory: 3145728 bytes are not a multiple of 2MiB");
}

static void eal_arguments_that_break_baton_are_refused_with_the_reason(void **state)
{
	(void)state;
	load_text("eal: {extra_args: \"--log-level=8 --in-memory --lcores=0@1 --no-shconf -l0\"}\n" PORTS SERVICES
			  GROUPS);
	expect_error(1, 19, "eal.extra_args: '--in-memory' rules out secondary processes");
	expect_error(1, 19, "eal.extra_args: '--lcores' is set by eal.io_cores");
	expect_error(1, 19, "eal.extra_args: '--no-shconf' switches multi-process off");
	expect_error(1, 19, "eal.extra_args: '-l' is set by eal.io_cores");
	assert_int_equal(outcome.errors, 4);
	load_text("eal: {extra_args: \"  --log-level=8  --no-telemetry \"}\n" PORTS SERVICES GROUPS);
	expect_good();
}

static void mistake_in_one_value_gives_one_message(void **state)
{
	(void)state;
	/* Each of these values is an input of a check across values. */
	load_text("version: 1\nports:\n- {name: lan, device: net_tap0, addresses: [10.77.0.1]}\n"
		  "services:\n- {name: game, port: 8080, group: game, address: 10.77.0.1, buckets: 0}\n"
		  "groups:\n- {name: game, plugin: /p, count: 99}\n");
	expect_error(3, 45, "ports[0].addresses[0]: '10.77.0.1' needs a prefix");
	expect_error(5, column_of(5, "0}"), "services[0].buckets: '0' is out of range");
	expect_error(7, column_of(7, "99"), "groups[0].count: '99' is out of range; allowed 1 to 63");
	assert_int_equal(outcome.errors, 3);
	load_text(PORTS "services:\n- {name: game, port: 8080, group: g@me}\n" GROUPS);
	expect_only(5, 35, "services[0].group: 'g@me' is not a name");
	load_text(PORTS SERVICES "groups:\n- {name: g@me, plugin: /p}\n");
	expect_only(7, 10, "groups[0].name: 'g@me' is not a name");
}

static void errors_come_in_the_order_of_the_file_and_twenty_at_most(void **state)
{
	char text[4096] = PORTS SERVICES GROUPS "eal:\n";
	uint32_t last = 0, line;

	(void)state;
	for (int i = 0; i < 30; i++)
		sprintf(text + strlen(text), "  wrong%d: 1\n", i);
	load_text(text);
	assert_int_equal(outcome.errors, 30);
	assert_int_equal(lines_printed(), 20);
	/* The check across values runs last, but its mistake stands first. */
	strcpy(text, "eal: {socket_memory: 3MiB}\n" PORTS SERVICES GROUPS "log: {level: x}\n");
	load_text(text);
	assert_int_equal(outcome.errors, 2);
	for (const char *at = outcome.text; *at; at = strchr(at, '\n') + 1) {
		assert_int_equal(sscanf(at, "t.yaml:%u:", &line), 1);
		assert_true(line > last);
		last = line;
	}
}

static void failed_load_leaves_the_configuration_alone(void **state)
{
	static const struct config zero;

	(void)state;
	load_text(PORTS SERVICES "groups:\n- {name: game, plugin: /p, count: 0}\n");
	assert_int_equal(outcome.errors, 1);
	assert_memory_equal(&outcome.config, &zero, sizeof(zero));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_document_fills_in_the_configuration),
		cmocka_unit_test(names_are_unique),
		cmocka_unit_test(device_belongs_to_one_port),
		cmocka_unit_test(port_needs_a_device_unless_it_generates),
		cmocka_unit_test(key_of_the_other_driver_is_refused),
		cmocka_unit_test(address_must_be_one_a_host_can_have),
		cmocka_unit_test(address_is_written_in_full),
		cmocka_unit_test(vlan_is_a_network_of_its_own),
		cmocka_unit_test(address_belongs_to_one_network_of_all_ports),
		cmocka_unit_test(gateway_stands_in_a_network_of_the_port),
		cmocka_unit_test(service_address_is_one_of_a_port),
		cmocka_unit_test(udp_port_is_taken_once_on_an_address),
		cmocka_unit_test(buckets_are_a_power_of_two),
		cmocka_unit_test(service_names_a_group_of_its_own),
		cmocka_unit_test(workers_and_standbys_fit_the_slots),
		cmocka_unit_test(stall_wall_is_no_shorter_than_stall_timeout),
		cmocka_unit_test(socket_memory_is_whole_huge_pages),
		cmocka_unit_test(eal_arguments_that_break_baton_are_refused_with_the_reason),
		cmocka_unit_test(mistake_in_one_value_gives_one_message),
		cmocka_unit_test(errors_come_in_the_order_of_the_file_and_twenty_at_most),
		cmocka_unit_test(failed_load_leaves_the_configuration_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
