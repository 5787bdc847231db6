/* Ports whose interface goes down, comes back or is deleted, on real interfaces in a namespace of their own. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "primary.h"
#include "process.h"

static struct primary primary;
static struct stats_header shown; /* to monitors */

static int start(void **state)
{
	(void)state;
	log_init("test", LEVEL_ERROR);
	return unshare(CLONE_NEWNET);
}

static void ip(const char *arguments)
{
	char command[128];

	snprintf(command, sizeof(command), "ip link %s", arguments);
	assert_int_equal(system(command), 0);
}

/* The kernel tells of a carrier up to a second later. */
static bool becomes(enum port_state wanted)
{
	uint64_t end = process_now_ns() + 60000000000ull;

	do
		port_link_poll(&primary);
	while (primary.link[0].state != wanted && process_now_ns() < end && sched_yield() == 0);
	return primary.link[0].state == wanted;
}

/* One port, bound to one end of a veth that is up. */
static int setup(void **state)
{
	(void)state;
	memset(&primary, 0, sizeof(primary));
	memset(&shown, 0, sizeof(shown));
	primary.stats.header = &shown;
	primary.config.ports = 1;
	strcpy(primary.port[0].name, "lan");
	primary.port[0].driver = DRIVER_EAL;
	ip("add bu0 type veth peer name bu1");
	ip("set bu0 up");
	ip("set bu1 up");
	port_link_init(&primary, 0, if_nametoindex("bu0"), false);
	return !becomes(PORT_UP);
}

static int teardown(void **state)
{
	(void)state;
	if (if_nametoindex("bu0") != 0)
		ip("del bu0");
	return 0;
}

static const char *words(void)
{
	static char text[256];

	return port_link_words(&primary, 0, text, sizeof(text));
}

static void expect(enum port_state wanted, const char *what)
{
	assert_true(becomes(wanted));
	if (strstr(words(), what) == NULL)
		fail_msg("'%s' does not say '%s'", words(), what);
	assert_null(strchr(words(), '\n'));
}

static void an_interface_that_is_up_is_nothing_to_speak_of(void **state)
{
	(void)state;
	expect(PORT_UP, "");
	assert_string_equal(words(), "");
	assert_string_equal(primary.link[0].interface, "bu0");
}

static void a_deleted_interface_is_gone(void **state)
{
	(void)state;
	ip("del bu0");
	expect(PORT_GONE, "port 'lan': its interface bu0 is gone");
	expect(PORT_GONE, "restart batond");
}

static void the_end_of_the_peer_is_its_end_too(void **state)
{
	(void)state;
	ip("del bu1");
	expect(PORT_GONE, "is gone");
}

/* The device is bound to the one that was deleted. */
static void another_interface_of_the_same_name_is_not_it(void **state)
{
	(void)state;
	ip("del bu0");
	ip("add bu0 type veth peer name bu1");
	ip("set bu0 up");
	ip("set bu1 up");
	expect(PORT_GONE, "is gone");
}

static void a_link_may_go_down_and_come_back(void **state)
{
	(void)state;
	ip("set bu1 down"); /* no carrier */
	expect(PORT_NO_LINK, "ip link show bu0");
	ip("set bu1 up");
	expect(PORT_UP, "");
	ip("set bu0 down");
	expect(PORT_NO_LINK, "no link");
	ip("set bu0 up");
	expect(PORT_UP, "");
}

static void a_renamed_interface_is_still_it(void **state)
{
	(void)state;
	ip("set bu0 down");
	ip("set bu0 name bu7");
	ip("set bu7 up");
	expect(PORT_UP, "");
	assert_string_equal(primary.link[0].interface, "bu7");
	ip("del bu7");
	expect(PORT_GONE, "interface bu7 is gone");
}

static void every_change_is_logged_once(void **state)
{
	FILE *file = tmpfile();
	char line[512];
	int lines = 0, saved = dup(2);

	(void)state;
	assert_non_null(file);
	assert_true(saved >= 0 && dup2(fileno(file), 2) == 2);
	ip("del bu0");
	for (int i = 0; i < 5; i++)
		port_link_poll(&primary);
	dup2(saved, 2);
	close(saved);
	rewind(file);
	while (fgets(line, sizeof(line), file) != NULL)
		lines += strstr(line, "is gone") != NULL;
	fclose(file);
	assert_int_equal(lines, 1);
}

/* What net_af_xdp would not see. */
static void interface_says_whether_it_takes_tags_off(void **state)
{
	(void)state;
	assert_int_equal(system("ethtool -K bu0 rxvlan on >/dev/null"), 0);
	assert_true(port_link_takes_tags_off(&primary, 0));
	assert_int_equal(system("ethtool -K bu0 rxvlan off >/dev/null"), 0);
	assert_false(port_link_takes_tags_off(&primary, 0));
	ip("del bu0");
	assert_false(port_link_takes_tags_off(&primary, 0));
}

static void expect_shown(enum port_state wanted)
{
	struct stats_port port;

	assert_true(becomes(wanted));
	port_link_publish(&primary);
	assert_int_equal(stats_port_read(&primary.stats, 0, &port), 0);
	assert_int_equal(port.state, wanted);
	assert_string_equal(port.name, "lan");
	assert_string_equal(port.interface, "bu0");
	assert_int_equal(port.device, 1);
}

static void monitors_see_each_state(void **state)
{
	(void)state;
	assert_int_equal(shown.ports, 0);
	expect_shown(PORT_UP);
	assert_int_equal(shown.ports, 1);
	ip("set bu1 down");
	expect_shown(PORT_NO_LINK);
	ip("set bu1 up");
	expect_shown(PORT_UP);
	ip("del bu0");
	expect_shown(PORT_GONE);
}

/* A look that the device gave nothing at is none: the rate would be 0. */
static void monitors_see_the_latest_two_looks(void **state)
{
	struct stats_port port;

	(void)state;
	for (uint64_t look = 1; look <= 3; look++) {
		primary.counts[0] = (struct port_counts){ .tsc = look, .rx_packets = 10 * look, .missed = look };
		port_link_publish(&primary);
		port_link_publish(&primary);
		assert_int_equal(stats_port_read(&primary.stats, 0, &port), 0);
		assert_int_equal(port.now.tsc, look);
		assert_int_equal(port.now.missed, look);
		assert_int_equal(port.before.tsc, look - 1);
		assert_int_equal(port.before.rx_packets, 10 * (look - 1));
	}
}

int main(void)
{
#define ON_VETH(claim) cmocka_unit_test_setup_teardown(claim, setup, teardown)
	const struct CMUnitTest tests[] = {
		ON_VETH(an_interface_that_is_up_is_nothing_to_speak_of),
		ON_VETH(a_deleted_interface_is_gone),
		ON_VETH(the_end_of_the_peer_is_its_end_too),
		ON_VETH(another_interface_of_the_same_name_is_not_it),
		ON_VETH(a_link_may_go_down_and_come_back),
		ON_VETH(a_renamed_interface_is_still_it),
		ON_VETH(every_change_is_logged_once),
		ON_VETH(monitors_see_each_state),
		ON_VETH(monitors_see_the_latest_two_looks),
		cmocka_unit_test_setup_teardown(interface_says_whether_it_takes_tags_off, setup, teardown),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
