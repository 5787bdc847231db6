/* Gates of a rollout: is the candidate worse than its control? Pure: counts in, a judgement out; no clock, no memory but
 * the caller's. docs/rollouts.md says what an operator sees of it.
 *
 * **Windows.** Every `interval` is a window, judged by the difference of two looks at counts that only grow. Nothing counts
 * before `warmup` is over. A window in which either side settled fewer than `min_packets` is inconclusive: neither a pass
 * nor a failure, and it is not one of the last n. A count that went back (which gate_collect.h never does) voids the window.
 *
 * **Chance.** A gate fails a window only if its threshold is exceeded beyond chance, at most GATE_ALPHA a window and gate:
 *
 * - ratios (drops, malformed, error replies, shadow differences): exact binomial bounds (Clopper and Pearson 1934). With
 *   `low` the candidate's lower and `high` the control's upper bound, each of confidence 1 - GATE_ALPHA / 2, `max_delta` is
 *   exceeded if low - high > max_delta, `max_ratio` if low > max_ratio * high, `max` if low > max. If the true ratios keep
 *   within the threshold one of the two bounds must have been missed, which happens in GATE_ALPHA of the windows at most,
 *   whatever the ratios. What events in bunches do to that the k of n is for: a bunch lies in one window.
 * - residence and cycles: packets of one moment share their fate (a preemption delays all that wait), so packets are no
 *   independent samples. A window has GATE_SLICES slices; in each the candidate's quantile is compared with the control's
 *   of the same slice. Were the candidate no worse than the threshold allows, each comparison would be a coin toss at best:
 *   the window fails if so many slices exceed it that tosses do so in GATE_ALPHA of the windows at most (sign test). A
 *   bucket of a histogram counts against the candidate by its lower edge, against the control by its upper edge.
 *
 * **Floors.** What the place of a process costs is no fault of its version: two workers that share a core, or one that
 * shares it with the I/O lcore, differ by what GATE_*_FLOOR say. Below them a difference from control does not count.
 * `max` of residence and cycles is not held against a candidate if control missed it as well, in the same slice: then it
 * is the machine, and the ratio alone is judged.
 *
 * **Cycles** are the median over bursts, so that the few bursts that were preempted do not count; by class of burst size,
 * weighted by the packets both sides have in the class, so that different loads do not look like different code.
 *
 * **Shadow differences** are the candidate's ratio minus the noise floor: control is stable compared with stable.
 *
 * **Immediate.** Crashes and stalls, and any gate with `immediate`, need no k of n. Crashes and stalls are judged at every
 * poll, in the warmup too; the others when their window ends, at GATE_ALPHA_NOW instead of GATE_ALPHA; a malformed storm
 * (GATE_STORM of at least GATE_STORM_LEAST packets since the last slice, control beyond doubt without it) at every slice. */
#ifndef BATON_PRIMARY_GATES_H
#define BATON_PRIMARY_GATES_H

#include <stdbool.h>
#include <stdint.h>

#include "core_stats.h"
#include "gate_config.h"
#include "stats_gates.h"

#define GATE_ALPHA       1e-3 /* false alarms a window and gate, at most */
#define GATE_ALPHA_NOW   1e-6 /* the same where one window is enough */
#define GATE_SLICES      20u
#define GATE_WINDOWS_MOST 64u /* `of` at most */
#define GATE_STORM       0.5
#define GATE_STORM_LEAST 100u
#define GATE_P50_FLOOR_NS 500000.0  /* waking up another process on a core that has others to run */
#define GATE_P99_FLOOR_NS 5000000.0 /* a time slice of the scheduler and what it takes to get on */
#define GATE_CYCLES_FLOOR 3000.0    /* a burst: about as many lines from another core as a burst of one packet moves */

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
};

enum gate_verdict { GATE_OFF, GATE_PASS, GATE_FAIL, GATE_INCONCLUSIVE, GATE_DRY_FAIL };

/* What a gate said of its latest window. */
struct gate_result {
	enum gate_verdict verdict;
	double value, control; /* ratios, ns, cycles a packet, or a number; control: NAN if there is none to compare with */
	double limit;          /* that `value` was held against: the tightest of max, max_delta, max_ratio; NAN: none */
	uint32_t failures;     /* in the last `of` windows, inconclusive ones apart */
	char why[96];          /* one line, empty if it passed */
};

enum gates_say {
	GATES_WAIT,         /* no window ended */
	GATES_PASS,         /* this window: no gate failed */
	GATES_INCONCLUSIVE, /* this window: too little traffic, or a gate failed but not yet often enough */
	GATES_FAIL          /* a gate failed `failure_limit` of the last `of` windows, or an immediate one did once */
};

/* Slices of this window in which a gate's quantile could be compared, and in which it was too high. */
struct gate_slices {
	uint32_t compared, exceeded;
	double value, control, limit; /* of the slice in which the candidate exceeded its limit the least, or missed it */
};

struct gates {
	struct config_analysis analysis;
	uint64_t warm_ns;   /* windows begin then */
	uint64_t window_ns; /* when this one began; 0: none has */
	uint64_t slice_ns;  /* when this slice ends */
	uint32_t windows;   /* judged: passed or failed */
	uint32_t inconclusive;
	bool control_gone, begun;
	uint64_t failed[GATE_COUNT]; /* bit per window judged, the latest lowest */
	uint64_t crashes, stalls;    /* at gates_begin() */
	struct gate_counts at_window[2], at_slice[2]; /* looks at candidate and control when they began */
	struct gate_counts last_control;              /* its last whole window, as differences */
	struct gate_slices slices[GATE_COUNT];
	struct gate_result result[GATE_COUNT];
	enum config_gate_id guilty; /* of GATES_FAIL */
};

/* Takes `analysis` over and begins anew: the failures of other weights are forgotten, `warmup` runs from now_ns
 * (CLOCK_MONOTONIC) on. Also after each change of weight. */
void gates_begin(struct gates *gates, const struct config_analysis *analysis, uint64_t now_ns);

/* Control leaves (above 50 %): from now on its last whole window stands for it, and `max`. Without such a window `max` is
 * all there is. Call it before the gates_begin() of that weight, which leaves it as it is. */
void gates_control_gone(struct gates *gates);
/* There is a (new) control: of a rollout that begins, or that goes back below 50 %. */
void gates_control_back(struct gates *gates);

/* Whether the next gates_poll() will read more of the counts than crashes and stalls: a caller that polls often collects
 * the rest (gate_collect()) only then. */
bool gates_due(const struct gates *gates, uint64_t now_ns);

/* Looks. Call it every turn, paused or not: crashes and stalls of the candidate are seen at once. Cheap unless gates_due().
 * control: NULL or anything once it is gone. After GATES_FAIL gates_guilty() says which gate. */
enum gates_say gates_poll(struct gates *gates, uint64_t now_ns, const struct gate_counts *candidate,
			  const struct gate_counts *control);

/* Of the latest window; GATE_INCONCLUSIVE before the first, GATE_OFF if it is off. Never NULL. */
const struct gate_result *gates_result(const struct gates *gates, enum config_gate_id gate);
enum config_gate_id gates_guilty(const struct gates *gates);
/* "drop_ratio", ... as in the configuration; "pass", "fail", "dry_fail", ... */
const char *gate_name(enum config_gate_id gate);
const char *gate_verdict_name(enum gate_verdict verdict);

#endif
