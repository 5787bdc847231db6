/* The real table of verbs: each says whose it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "command.h"

/* A verb is listed here when somebody has made sure that it changes nothing. */
static const char *const viewers[] = {
	"ping", "status", "stats", "worker.list", "buckets.show", "buckets.find", "config.diff", "config.show", "audit",
	"crash.list", "crash.show", "quarantine.list", "state.info", "balance.status",
	"rollout.status", "rollout.history", "rollout.explain",
	NULL,
};

static int is_listed(const char *name)
{
	for (size_t i = 0; viewers[i]; i++)
		if (strcmp(viewers[i], name) == 0)
			return 1;
	return 0;
}

static void every_verb_has_a_role_and_only_the_harmless_are_viewers(void **unused)
{
	size_t count = 0, listed = 0;

	(void)unused;
	for (const struct command_verb *v = command_verbs; v->name; v++, count++) {
		assert_non_null(v->handler);
		if (v->role != ROLE_VIEWER && v->role != ROLE_OPERATOR)
			fail_msg("%s has no role: write VIEWER(...) or OPERATOR(...)", v->name);
		if (v->role == ROLE_VIEWER && !is_listed(v->name))
			fail_msg("%s is for viewers: make sure that it changes nothing, then list it here", v->name);
		if (v->role == ROLE_OPERATOR && is_listed(v->name))
			fail_msg("%s is an operator's and listed as harmless", v->name);
		listed += v->role == ROLE_VIEWER;
		for (const struct command_verb *w = command_verbs; w != v; w++)
			assert_string_not_equal(w->name, v->name);
	}
	assert_true(count > 8);
	assert_int_equal(listed, sizeof(viewers) / sizeof(viewers[0]) - 1);
}

/* What a bool would be is no role. */
static void true_and_false_are_no_roles(void **unused)
{
	(void)unused;
	assert_true(ROLE_VIEWER > 1 && ROLE_OPERATOR > 1 && ROLE_NONE == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verb_has_a_role_and_only_the_harmless_are_viewers),
		cmocka_unit_test(true_and_false_are_no_roles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
