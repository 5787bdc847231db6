/* The bots' books of hit points: one account a target, in which every hit that anybody was told of stands once, in the
 * order of its ordinal. No network, no clock. */
#ifndef BATON_TESTS_BOTS_LEDGER_H
#define BATON_TESTS_BOTS_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

/* X(field, text): what can be wrong with attacks, beside what can be wrong with every reply. All but the last four are
 * found by the books. */
#define ATTACK_FAULTS(X) \
	X(lost_hits, "hits landed of which nobody was told") \
	X(doubled_hits, "hits have an ordinal that was told before") \
	X(phantom_hits, "hits were told that never landed") \
	X(wrong_damage, "hits have another damage than their skill's") \
	X(wrong_hit_points, "hit points are not what the hits before have left") \
	X(wrong_healing, "times healed points fell or went beyond the full hit points") \
	X(cooldown_faults, "attacks were taken too early, or refused though cooled down") \
	X(busy_faults, "newer attacks were not held back by an open one") \
	X(way_faults, "results went to an address the player had left") \
	X(stored_faults, "results differ from what was told of the same attack before")

struct attack_faults {
#define X(field, text) uint64_t field;
	ATTACK_FAULTS(X)
#undef X
};

/* What a reply tells of its target. */
struct account_state {
	uint32_t hits, hit_points, healed;
};

struct account_hit {
	struct account_state after;
	uint32_t damage; /* 0: not a hit, but a look at the target */
};

#define ACCOUNT_RECENT 16u /* states remembered, for looks that arrive after later hits */

struct account {
	bool known;       /* its state is known since a first look, at which nothing else was under way */
	bool looking;     /* that first look is under way: no other attack may be */
	bool audited;     /* closed: looked at after everything was over */
	uint32_t open;    /* attacks on it without an answer */
	uint32_t unknown; /* attacks of which it will never be known whether they landed */
	uint32_t explained; /* missing hits that may be theirs */
	struct account_state base, now; /* at the first look; after the last hit of the unbroken row */
	uint32_t seen_healed;           /* by looks since that hit */
	int64_t drift;                  /* how far the last told hit points were off */
	uint64_t damage;                /* told since the first look */
	uint64_t taken;                 /* lost from the first look to the last */
	struct account_state recent[ACCOUNT_RECENT]; /* by hits % ACCOUNT_RECENT */
	struct account_hit *waiting;                 /* told before one of their predecessors; by hits, a hit first */
	uint32_t waitings, room;
};

/* Opens the account with the state before this reply: one that was told while nothing else was under way. */
void account_open(struct account *account, const struct account_hit *first, struct attack_faults *faults);

/* Enters a hit (damage != 0) or a look. skill_damage: of the skill that was used. Returns 0 or -ENOMEM. */
int account_enter(struct account *account, const struct account_hit *hit, uint32_t skill_damage,
		  struct attack_faults *faults);

/* Nothing on this account is under way: whoever has not been told of a hit by now never will be. */
void account_settle(struct account *account, struct attack_faults *faults);

/* Closes it with the target's last state, after account_settle(). Returns true if what was dealt is what was
 * taken; attacks that explain a missing hit may have dealt what a skill deals. */
bool account_audit(struct account *account, const struct account_state *last, struct attack_faults *faults);

/* Frees what it holds. */
void account_fini(struct account *account);

#endif
