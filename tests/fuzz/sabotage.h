/* Included first by every source of a fuzz program: one rule of what it tries may be broken, by --break RULE, and the
 * fuzzer must notice. tests/run.sh reads the lists, one to each program. */
#ifndef BATON_TEST_SABOTAGE_H
#define BATON_TEST_SABOTAGE_H

/* Those that --break takes; the sources have others, of rules that no input here comes near. */
#define SABOTAGE_OF_command(X) \
	X(length_believed) X(buffer_kept) X(role_unchecked) X(end_forgotten) X(newline_unescaped)
#define SABOTAGE_OF_state(X) \
	X(undo_bounds_believed) X(workers_group_believed) X(only_valid_cleared)
#define SABOTAGE_OF_belt(X) \
	X(reply_length_believed) X(any_cause_waited_for) X(sends_without_limit)
#define SABOTAGE_OF_feed(X) \
	X(feed_believes_numbers) X(tick_of_others_believed)
#define SABOTAGE_OF_worker(X) \
	X(any_word_heard) X(workers_log_at_will)
#define SABOTAGE_OF_frames(X) \
	X(forged_source_answered) X(plain_fragment_taken) X(vlan_tag_lost) X(ledger_received_forgotten)
#define SABOTAGE_OF_config(X) \
	X(controls_shown)
#define SABOTAGE_OF_wire(X) \
	X(no_memory_at_target) X(stored_result_not_used) X(result_told_not_stored) X(result_told_at_once)
#define SABOTAGE_RULES(X) \
	SABOTAGE_OF_command(X) SABOTAGE_OF_state(X) SABOTAGE_OF_belt(X) SABOTAGE_OF_feed(X) SABOTAGE_OF_worker(X) \
	SABOTAGE_OF_frames(X) SABOTAGE_OF_config(X) SABOTAGE_OF_wire(X)

/* No header is included here: the sources say first which features they want. */
extern const char *sabotage; /* 0: none is broken */

#define BATON_SABOTAGE(rule) (sabotage != 0 && __builtin_strcmp(sabotage, #rule) == 0)

#endif
