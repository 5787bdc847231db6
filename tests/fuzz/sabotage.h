/* Included first by every source of a fuzz program: one rule of the control socket may be broken, by --break RULE, and
 * the fuzzer must notice. */
#ifndef BATON_TEST_SABOTAGE_H
#define BATON_TEST_SABOTAGE_H

#define SABOTAGE_RULES(X) \
	X(length_believed) X(buffer_kept) X(role_unchecked) X(end_forgotten) X(newline_unescaped)

enum sabotage {
	SABOTAGE_NONE,
	SABOTAGE_done_before_filled, /* of an inline function in a header; no program here breaks it */
#define X(rule) SABOTAGE_##rule,
	SABOTAGE_RULES(X)
#undef X
};
extern enum sabotage sabotage;

#define BATON_SABOTAGE(rule) (sabotage == SABOTAGE_##rule)

#endif
