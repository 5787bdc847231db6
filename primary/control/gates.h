/* Gates of a rollout: is the candidate worse than its control? Pure: counts in, a judgement out; no clock, no memory
 * but the caller's. docs/rollouts.md says what an operator sees of it.
 *
 * **Windows.** Every `interval` is a window, judged by the difference of two looks at counts that only grow. Nothing
 * counts before `warmup` is over. A window in which either side settled fewer than `min_packets` is inconclusive:
 * neither a pass nor a failure, and it is not one of the last n. A count that went back (which gate_collect.h never
 * does) voids the window.
 *
 * **Chance.** A gate fails a window only if its threshold is exceeded beyond chance, at most GATE_ALPHA a window and
 * gate:
 *
 * - ratios (drops, malformed, error replies, shadow differences): exact binomial bounds (Clopper and Pearson 1934).
 *   With `low` the candidate's lower and `high` the control's upper bound, each of confidence 1 - GATE_ALPHA / 2,
 *   `max_delta` is exceeded if low - high > max_delta, `max_ratio` if low > max_ratio * high, `max` if low > max. If
 *   the true ratios keep within the threshold one of the two bounds must have been missed, which happens in
 *   GATE_ALPHA of the windows at most, whatever the ratios. What events in bunches do to that the k of n is for: a
 *   bunch lies in one window.
 * - residence and cycles: packets of one moment share their fate (a preemption delays all that wait), so packets are
 *   no independent samples. A window has GATE_SLICES slices; in each the candidate's quantile is compared with the
 *   control's of the same slice. Were the candidate no worse than the threshold allows, each comparison would be a
 *   coin toss at best: the window fails if so many of the latest GATE_SLICES exceed it that tosses do so in
 *   GATE_ALPHA of the windows at most (sign test: 18 of 20). A bucket of a histogram counts against the candidate by
 *   its lower edge, against the control by its upper edge. A slice lasts until both sides have GATE_*_SAMPLES; with
 *   little traffic that is several windows for 20.
 *
 * **Floors.** What the place of a process costs is no fault of its version: two workers that share a core, or one
 * that shares it with the I/O lcore, differ by what GATE_*_FLOOR say. A smaller difference from control does not
 * count, and when control is gone, which then saw other moments than the candidate, one smaller than twice as much.
 * `max` is not held against a candidate if control missed it as well, in the same window or slice: then it is the
 * machine or the players, and `max_delta` and `max_ratio` alone are judged.
 *
 * **Cycles** are the median over bursts, so that the few bursts that were preempted do not count; by class of burst
 * size, weighted by the packets both sides have in the class, so that different loads do not look like different
 * code. They are the worker's own word; all else is what the I/O lcores know.
 *
 * **Shadow differences** are the candidate's ratio minus the noise floor: control is stable compared with stable.
 *
 * **Messages and sends** are events a packet, but held against what stable would have made of the candidate's own
 * packets, messages and ticks, in slices as above: gate_fanout.c has why. Too few fail as well: `max_ratio` and
 * `max_delta` hold either way, each way with a sign test of its own at GATE_ALPHA. A count's bounds are those that a
 * Poisson mean is beyond in half of all cases; what comes in clusters is what slices are for.
 *
 * **Immediate.** Crashes and stalls, and any gate with `immediate`, need no k of n. Crashes and stalls are judged at
 * every poll, in the warmup too; the others when their window ends, at GATE_ALPHA_NOW instead of GATE_ALPHA; a
 * malformed storm (more than GATE_STORM of the window's packets so far, and more than control's, both beyond a doubt
 * of GATE_ALPHA_NOW) about GATE_SLICES times a window, whatever `min_packets` says.
 *
 * **Judged at all.** The gates do not need the same: latencies and cycles take GATE_SLICES_LEAST slices, which may be
 * several windows. gate_result says of each whether it has passed since gates_begin(), and what it has and needs: a
 * rollout does not leave a weight on the word of the others (rollout_gates.c).
 *
 * Shadow differences are judged by entries compared, all else by packets settled: a window is inconclusive only if it
 * has too few of both, or of control's. */
#ifndef BATON_PRIMARY_GATES_H
#define BATON_PRIMARY_GATES_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "core_stats.h"
#include "stats_gates.h"

#define GATE_ALPHA       1e-3 /* false alarms a window and gate, at most */
#define GATE_ALPHA_NOW   1e-6 /* the same where one window is enough */
#define GATE_SLICES      20u
#define GATE_SLICES_LEAST 10u /* so many tosses are all heads in GATE_ALPHA of all cases: fewer cannot fail */
#define GATE_WINDOWS_MOST 64u /* `of` at most */
#define GATE_STORM       0.5
#define GATE_P50_SAMPLES 20u  /* of residence, on both sides, that a slice needs */
#define GATE_P99_SAMPLES 200u
#define GATE_BURSTS      10u  /* of a class of burst size */
#define GATE_P50_FLOOR_NS 500000.0  /* waking up another process on a core that has others to run */
#define GATE_P99_FLOOR_NS 5000000.0 /* a time slice of the scheduler and what it takes to get on */
#define GATE_FANOUT_PACKETS 50u /* of candidate and control each: a look at min_packets as shipped */
#define GATE_FANOUT_FLOOR 0.25  /* a packet: who has whom for a neighbour, and what is no flood */
#define GATE_CYCLES_FLOOR 3000.0    /* a burst: about as many lines from another core as a burst of one packet moves */

/* What entries have posted and sent, by what they are (enum stats_cause). */
struct gate_fanout {
	uint64_t causes[STATS_CAUSES]; /* packets, messages; of ticks: buckets times tick entries */
	uint64_t posted[STATS_CAUSES], sent[STATS_CAUSES];
};

/* Sums over the workers of one role; each only grows. */
struct gate_counts {
	uint64_t packets;       /* settled */
	uint64_t drops;         /* not malformed: what was settled with no good verdict, or never settled */
	uint64_t malformed;
	uint64_t error_replies;
	uint64_t crashes;       /* stalls among them */
	uint64_t stalls;
	uint64_t shadow_compared, shadow_differed; /* candidate with stable; of the candidate's counts alone, as are: */
	uint64_t noise_compared, noise_differed;   /* stable with stable */
	uint64_t residence[STATS_HIST_BUCKETS];
	uint64_t cycles[STATS_BURST_CLASSES][STATS_CYCLES_BUCKETS];
	struct gate_fanout fanout;
	struct gate_fanout at_large; /* of control's counts alone: the group's other stable workers */
};

enum gate_verdict { GATE_OFF, GATE_PASS, GATE_FAIL, GATE_INCONCLUSIVE, GATE_DRY_FAIL }; /* as enum stats_verdict */

/* What a gate said of its latest window. */
struct gate_result {
	enum gate_verdict verdict;
	double value, control; /* ratios, ns, cycles a packet, or a number; control: NAN if there is none to compare with */
	double limit;          /* that `value` was held against: the tightest of max, max_delta, max_ratio; NAN: none */
	uint32_t failures;     /* in the last `of` windows, inconclusive ones apart */
	bool passed;           /* it has been judged since gates_begin(), and passed when it was judged last */
	uint64_t have, need;   /* gate_measure() of it, and what it takes to be judged: at the latest window's end */
	char why[96];          /* one line, empty if it passed */
};

enum gates_say {
	GATES_WAIT,         /* no window ended */
	GATES_PASS,         /* this window: no gate failed */
	GATES_INCONCLUSIVE, /* this window: too little traffic, or a gate failed but not yet often enough */
	GATES_FAIL          /* a gate failed `failure_limit` of the last `of` windows, or an immediate one did once */
};

enum gate_side { GATE_CANDIDATE, GATE_CONTROL, GATE_SIDES }; /* after them, of fan-out alone: at large */

/* What the ratios of a window are made of: differences, or a look. */
struct gate_tally {
	uint64_t packets, drops, malformed, error_replies, shadow_compared, shadow_differed, noise_compared, noise_differed;
	struct gate_fanout fanout;
};

/* One comparison of quantiles. */
struct gate_slice {
	double value, control, limit; /* NAN: none */
};

/* The latest GATE_SLICES of a gate, at number % GATE_SLICES. One that has too few samples goes on until it has
 * enough. */
struct gate_slices {
	uint32_t count, fresh; /* since gates_begin(), and since the last window's end */
	uint64_t partial;      /* samples of the slice that goes on, of the side that has fewer */
	uint64_t exceeded, below; /* bit per slice, the latest lowest; `below` is of fan-out alone */
	struct gate_slice slice[GATE_SLICES];
};

/* Private to gates.c and gate_judge.c. */
struct gates {
	struct config_analysis analysis;
	uint64_t warm_ns;   /* windows begin then */
	uint64_t window_ns; /* when this one began; 0: none has */
	uint64_t look_ns;   /* when the next slice may end */
	bool begun;         /* polled since gates_begin() */
	bool control_gone;
	uint64_t crashes, stalls; /* of the candidate, at the first poll */
	struct gate_tally at_window[GATE_SIDES], latest[GATE_SIDES];
	/* looks at the beginning of the present slice: of p50, p99, cycles */
	uint64_t residence[2][GATE_SIDES][STATS_HIST_BUCKETS];
	uint64_t cycles[GATE_SIDES][STATS_BURST_CLASSES][STATS_CYCLES_BUCKETS];
	struct gate_fanout fanout_base[GATE_SIDES + 1];
	struct gate_slices p50, p99, cycle, fanout[2]; /* messages, sends */
	/* of control: the worst slice of this window, and of its last whole one; 0: none */
	struct gate_worst { double residence[2], cycles[STATS_BURST_CLASSES]; } worst, last_worst;
	struct gate_tally last_control; /* its last whole window */
	uint64_t failed[GATE_COUNT];    /* bit per window in which the gate was judged, the latest lowest */
	struct gate_result result[GATE_COUNT];
	enum config_gate_id guilty;     /* of GATES_FAIL */
};

/* Takes `analysis` over and begins anew: the failures of other weights are forgotten, `warmup` runs from now_ns
 * (CLOCK_MONOTONIC) on. Also after each change of weight. */
void gates_begin(struct gates *gates, const struct config_analysis *analysis, uint64_t now_ns);

/* Control leaves (above 50 %): from now on its last whole window stands for it, and `max`. Without such a window
 * `max` is all there is. Call it before the gates_begin() of that weight, which leaves it as it is. */
void gates_control_gone(struct gates *gates);
/* There is a (new) control: of a rollout that begins, or that goes back below 50 %. */
void gates_control_back(struct gates *gates);

/* Whether the next gates_poll() will read more of the counts than crashes and stalls: a caller that polls often
 * collects the rest (gate_collect()) only then. */
bool gates_due(const struct gates *gates, uint64_t now_ns);

/* Looks. Call it every turn, paused or not: crashes and stalls of the candidate are seen at once. Cheap unless
 * gates_due(). control: NULL or anything once it is gone. After GATES_FAIL gates_guilty() says which gate. */
enum gates_say gates_poll(struct gates *gates, uint64_t now_ns, const struct gate_counts *candidate,
			  const struct gate_counts *control);

/* A candidate has died, or stalled, and whoever saw it does not wait for the next poll: what gates_result() says from
 * here on. count: deaths. */
void gates_death(struct gates *gates, bool stalled, uint32_t count, const char *why);

/* Of the latest window; GATE_INCONCLUSIVE before the first, GATE_OFF if it is off. Never NULL. */
const struct gate_result *gates_result(const struct gates *gates, enum config_gate_id gate);
enum config_gate_id gates_guilty(const struct gates *gates);
/* There is something to hold the gate against, however much traffic there is: control, what it left, or `max`. */
bool gates_comparable(const struct gates *gates, enum config_gate_id gate);
/* What a gate's samples are: "packets", "measured packets", "bursts", "compared". */
const char *gate_measure(enum config_gate_id gate);

#endif
