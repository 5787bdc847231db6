/* Who has a role: users and groups of this machine, by name or number; who does not exist is an error with a hint. */
#include "config_test.h"

#include <grp.h>
#include <pwd.h>

#include "items.h"

#define REST                                                                       \
	"version: 1\n"                                                             \
	"ports:\n- {name: lan, device: net_tap0, addresses: [10.77.0.1/24]}\n"     \
	"services:\n- {name: game, port: 8080, group: game}\n"                     \
	"groups:\n- {name: game, plugin: /p}\n"

static void names_and_numbers_become_ids(void **state)
{
	const struct config *c = &outcome.config;

	(void)state;
	load_text("control: {operators: {users: [daemon, 4711], groups: [adm]}, viewers: {users: [\"nobody\"]}}\n" REST);
	expect_good();
	assert_int_equal(c->operators.users, 2);
	assert_int_equal(c->operators.user[0].id, getpwnam("daemon")->pw_uid);
	assert_int_equal(c->operators.user[1].id, 4711); /* numbers need not exist: containers, other machines */
	assert_string_equal(c->operators.user[1].name, "4711");
	assert_int_equal(c->operators.groups, 1);
	assert_int_equal(c->operators.group[0].id, getgrnam("adm")->gr_gid);
	assert_int_equal(c->viewers.users, 1);
	assert_int_equal(c->viewers.user[0].id, getpwnam("nobody")->pw_uid);
	assert_int_equal(c->viewers.groups, 0);
	assert_string_equal(c->audit_log, "");
}

static void nobody_has_a_role_by_default(void **state)
{
	(void)state;
	load_text(REST);
	expect_good();
	assert_int_equal(outcome.config.operators.users + outcome.config.operators.groups, 0);
	assert_int_equal(outcome.config.viewers.users + outcome.config.viewers.groups, 0);
}

static void who_does_not_exist_is_an_error_with_a_hint(void **state)
{
	(void)state;
	load_text("control: {operators: {users: [deamon, no-such-user], groups: [adn, no-such-group]}}\n" REST);
	expect_error(1, column_of(1, "deamon"),
		     "control.operators.users[0]: this machine has no user 'deamon'; did you mean 'daemon'?");
	expect_error(1, column_of(1, "no-such-user"), "control.operators.users[1]: this machine has no user "
						      "'no-such-user'; create it (useradd), or give its number");
	expect_error(1, column_of(1, "adn"),
		     "control.operators.groups[0]: this machine has no group 'adn'; did you mean '");
	expect_error(1, column_of(1, "no-such-group"), "control.operators.groups[1]: this machine has no group "
						       "'no-such-group'; create it (groupadd), or give its number");
	assert_int_equal(outcome.errors, 4);
}

static void numbers_that_no_account_can_have_are_refused(void **state)
{
	(void)state;
	load_text("control: {viewers: {users: [4294967294], groups: [0]}}\n" REST);
	expect_good();
	/* The largest means "none" to the kernel, and would let in whoever's credentials could not be read. */
	load_text("control: {viewers: {users: [4294967295]}}\n" REST);
	expect_only(1, column_of(1, "4294967295"), "control.viewers.users[0]: '4294967295' is no number of a user");
	load_text("control: {viewers: {groups: [99999999999999999999]}}\n" REST);
	expect_only(1, column_of(1, "9999"), "control.viewers.groups[0]: this machine has no group");
	load_text("control: {viewers: {users: [-1]}}\n" REST);
	expect_only(1, column_of(1, "-1"), "control.viewers.users[0]: this machine has no user '-1'");
}

static void an_account_is_named_once(void **state)
{
	(void)state;
	load_text("control: {viewers: {users: [daemon, 7, 1]}}\n" REST);
	expect_only(1, column_of(1, "1]"), "control.viewers.users[2]: 1 is already there as control.viewers.users[0]");
}

static void lists_are_lists(void **state)
{
	(void)state;
	load_text("control: {viewers: {users: daemon}}\n" REST);
	expect_only(1, column_of(1, "daemon"),
		    "control.viewers.users: expected a list such as [root, 1001], found 'daemon'");
	load_text("control: {viewers: {users: [[daemon]]}}\n" REST);
	expect_only(1, column_of(1, "[daemon"), "control.viewers.users[0]: expected a user such as alice, found a list");
	load_text("control: {viewer: {users: [daemon]}}\n" REST);
	expect_only(1, column_of(1, "viewer"), "unknown key 'viewer' in control; did you mean 'viewers'?");
}

struct wanted {
	const char *path, *text;
	uint32_t found;
};

static void look(const struct config_item *item, void *arg)
{
	struct wanted *w = arg;
	char *text = config_item_text(&outcome.config, item);

	if (strcmp(item->path, w->path) == 0) {
		assert_string_equal(text, w->text);
		w->found++;
	}
	free(text);
}

static void they_are_shown_as_they_were_written(void **state)
{
	struct wanted w = { .path = "control.operators.users", .text = "[daemon, 4711]" };

	(void)state;
	load_text("control: {operators: {users: [daemon, 4711]}}\n" REST);
	expect_good();
	config_each(&outcome.config, look, &w);
	assert_int_equal(w.found, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_numbers_become_ids),
		cmocka_unit_test(nobody_has_a_role_by_default),
		cmocka_unit_test(who_does_not_exist_is_an_error_with_a_hint),
		cmocka_unit_test(numbers_that_no_account_can_have_are_refused),
		cmocka_unit_test(an_account_is_named_once),
		cmocka_unit_test(lists_are_lists),
		cmocka_unit_test(they_are_shown_as_they_were_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
