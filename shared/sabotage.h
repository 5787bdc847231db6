/* Rules that can be broken on purpose, one at a time, to see that a test notices. docs/reliability.md lists them.
 *
 * BATON_SABOTAGE(rule) stands where the rule is obeyed. It is the constant 0, so nothing of it is in a build, but for:
 *	make sabotage    compiles what names the rule with BATON_SABOTAGE_RULE defined as its name, in quotes;
 *	a test           includes a source and defines BATON_SABOTAGE itself, to break rule after rule while it runs. */
#ifndef BATON_SHARED_SABOTAGE_H
#define BATON_SHARED_SABOTAGE_H

#ifndef BATON_SABOTAGE
#ifdef BATON_SABOTAGE_RULE
#define BATON_SABOTAGE(rule) (__builtin_strcmp(#rule, BATON_SABOTAGE_RULE) == 0)
#else
#define BATON_SABOTAGE(rule) 0
#endif
#endif

#endif
