/* A world for gates: candidate and control with the traffic that a test gives each, looked at slice by slice. */
#ifndef TEST_GATES_RIG_H
#define TEST_GATES_RIG_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gates.h"
#include "hist.h"

#define SECOND   1000000000ull
#define INTERVAL (5 * SECOND)
#define WARMUP   (30 * SECOND)
#define LOOK     (INTERVAL / GATE_SLICES)

static uint64_t chance_state = 1;

static inline uint64_t chance(void)
{
	uint64_t z = chance_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}
static inline double chance_unit(void) { return (double)(chance() >> 11) * 0x1p-53; }
static inline uint64_t chance_events(uint64_t of, double p)
{
	uint64_t events = 0, below = (uint64_t)(p * 0x1p53);

	for (uint64_t i = 0; p > 0 && i < of; i++)
		events += chance() >> 11 < below;
	return events;
}

/* What one side does in one look. */
struct traffic {
	uint64_t packets;
	double drops, malformed, errors; /* ratios */
	double residence;                /* ns, of all packets but: */
	double slow, slow_residence;     /* this ratio of them, which takes that long */
	uint64_t burst;                  /* packets of a burst */
	double cycles;                   /* a packet */
	double preempted;                /* ratio of bursts that take a million cycles more */
	uint64_t compared;               /* by shadow */
	double differs, noise;
	double posts, sends;   /* of a packet */
	double messages, hits; /* handled, of packets; posted by a message, which sends as many */
	uint64_t bucket_ticks;
	double tick_sends;     /* of a bucket's tick */
	bool random;   /* events by chance, values spread by a tenth; else as many as they are to be */
	double owed[16]; /* fractions of events */
};

static const struct traffic good_traffic = {
	.packets = 2000, .drops = 0.001, .malformed = 0.002, .errors = 0.05, .residence = 100e3, .slow = 0.02,
	.slow_residence = 2e6, .burst = 4, .cycles = 2000, .compared = 2000, .differs = 0.01, .noise = 0.01,
	.posts = 0.6, .sends = 0.3, .messages = 0.5, .hits = 0.2, .bucket_ticks = 1000, .tick_sends = 0.8,
};

static inline uint64_t events(struct traffic *t, uint32_t which, uint64_t of, double ratio)
{
	if (t->random)
		return chance_events(of, ratio);
	t->owed[which] += (double)of * ratio;
	uint64_t whole = (uint64_t)t->owed[which];
	t->owed[which] -= (double)whole;
	return whole;
}

static inline double spread(const struct traffic *t, double value)
{
	return t->random ? value * (0.95 + 0.1 * chance_unit()) : value;
}

static inline void deal_fanout(struct traffic *t, struct gate_fanout *f)
{
	uint64_t messages = events(t, 7, t->packets, t->messages);

	f->causes[CAUSE_PACKET] += t->packets;
	f->causes[CAUSE_MESSAGE] += messages;
	f->causes[CAUSE_TICK] += t->bucket_ticks;
	f->posted[CAUSE_PACKET] += events(t, 8, t->packets, t->posts);
	f->sent[CAUSE_PACKET] += events(t, 9, t->packets, t->sends);
	f->posted[CAUSE_MESSAGE] += events(t, 10, messages, t->hits);
	f->sent[CAUSE_MESSAGE] += events(t, 11, messages, t->hits);
	f->sent[CAUSE_TICK] += events(t, 12, t->bucket_ticks, t->tick_sends);
}

static inline void deal(struct traffic *t, struct gate_counts *c)
{
	uint64_t bursts = t->packets / t->burst, preempted = events(t, 0, bursts, t->preempted);
	uint64_t slow = events(t, 1, t->packets, t->slow);
	uint32_t class = stats_burst_class((uint32_t)t->burst);

	c->packets += t->packets;
	c->drops += events(t, 2, t->packets, t->drops);
	c->malformed += events(t, 3, t->packets, t->malformed);
	c->error_replies += events(t, 4, t->packets, t->errors);
	c->shadow_compared += t->compared;
	c->shadow_differed += events(t, 5, t->compared, t->differs);
	c->noise_compared += t->compared;
	c->noise_differed += events(t, 6, t->compared, t->noise);
	deal_fanout(t, &c->fanout);
	for (uint64_t i = 0; i < t->packets; i++)
		c->residence[hist_bucket((uint64_t)spread(t, i < slow ? t->slow_residence : t->residence))]++;
	for (uint64_t i = 0; i < bursts; i++) {
		double cycles = spread(t, t->cycles) + (i < preempted ? 1e6 / (double)t->burst : 0);

		c->cycles[class][stats_cycles_bucket((uint64_t)cycles)]++;
	}
}

static struct world {
	struct gates gates;
	struct config_analysis analysis;
	struct traffic candidate, control;
	struct gate_counts counts[2];
	uint64_t now_ns;
	uint32_t passed, inconclusive, failed; /* windows, by what the poll said */
} world;

static inline struct config_gate gate_of(double max, double max_delta, double max_ratio)
{
	return (struct config_gate){.on = true, .max = max, .max_delta = max_delta, .max_ratio = max_ratio};
}

/* As in the example of a rollout, with what is wanted besides so that every gate is on. */
static inline void world_begin(void)
{
	struct config_gate *gate = world.analysis.gate;

	memset(&world, 0, sizeof(world));
	world.analysis = (struct config_analysis){
		.interval_ns = INTERVAL, .warmup_ns = WARMUP, .min_packets = 20000, .failure_limit = 3, .of = 5,
	};
	gate[GATE_DROPS] = gate_of(NAN, 0.0005, NAN);
	gate[GATE_MALFORMED] = gate_of(NAN, 0.0001, NAN);
	gate[GATE_ERROR_REPLIES] = gate_of(NAN, 0.01, NAN);
	gate[GATE_RESIDENCE_P50] = gate[GATE_RESIDENCE_P99] = gate_of(NAN, NAN, 1.2);
	gate[GATE_CYCLES] = gate_of(NAN, NAN, 1.15);
	gate[GATE_MESSAGES] = gate[GATE_SENDS] = gate_of(NAN, NAN, 2.5);
	gate[GATE_SHADOW_DIFF] = gate_of(NAN, 0.001, NAN);
	gate[GATE_CRASHES] = gate[GATE_STALLS] = gate_of(0, NAN, NAN);
	gate[GATE_CRASHES].immediate = gate[GATE_STALLS].immediate = true;
	world.candidate = world.control = good_traffic;
	world.now_ns = 1000 * SECOND;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
}

/* The traffic of so long, then a look. */
static inline enum gates_say world_step(uint64_t ns)
{
	deal(&world.candidate, &world.counts[0]);
	deal(&world.control, &world.counts[1]);
	world.now_ns += ns;
	enum gates_say say = gates_poll(&world.gates, world.now_ns, &world.counts[0], &world.counts[1]);

	world.passed += say == GATES_PASS;
	world.inconclusive += say == GATES_INCONCLUSIVE;
	world.failed += say == GATES_FAIL;
	return say;
}

/* To the end of a window: the first of all, after the warmup, begins with its first look. */
static inline enum gates_say world_window(void)
{
	for (uint32_t i = 0; i <= GATE_SLICES + WARMUP / LOOK + 2; i++) {
		enum gates_say say = world_step(LOOK);

		if (say != GATES_WAIT)
			return say;
	}
	return GATES_WAIT;
}

/* So many windows, or until one is a failure. Returns what the last one said. */
static inline enum gates_say world_windows(uint32_t windows)
{
	enum gates_say say = GATES_WAIT;

	for (uint32_t i = 0; i < windows && say != GATES_FAIL; i++)
		say = world_window();
	return say;
}

static inline const struct gate_result *result(enum config_gate_id gate) { return gates_result(&world.gates, gate); }

/* ---- for tests of one gate after the other ---- */

static inline int world_setup(void **unused)
{
	(void)unused;
	world_begin();
	return 0;
}

/* What makes the candidate fail a gate, and nothing else. */
static inline void spoil(struct traffic *t, enum config_gate_id gate)
{
	switch (gate) {
	case GATE_DROPS: t->drops += 0.004; break;
	case GATE_MALFORMED: t->malformed += 0.004; break;
	case GATE_ERROR_REPLIES: t->errors += 0.03; break;
	case GATE_RESIDENCE_P50: t->residence = 1.5e6; break; /* below p99, which is 2 ms */
	case GATE_RESIDENCE_P99: t->slow_residence = 9e6; break;
	case GATE_CYCLES: t->cycles *= 4; break;
	case GATE_MESSAGES: t->posts *= 4; break;
	case GATE_SENDS: t->tick_sends *= 6; break;
	case GATE_SHADOW_DIFF: t->differs += 0.02; break;
	case GATE_CRASHES: world.counts[0].crashes++; break;
	case GATE_STALLS: world.counts[0].stalls++, world.counts[0].crashes++; break;
	default: fail();
	}
}

static inline bool is_count(enum config_gate_id gate) { return gate == GATE_CRASHES || gate == GATE_STALLS; }

static inline void only(enum config_gate_id gate)
{
	for (uint32_t i = 0; i < GATE_COUNT; i++)
		world.analysis.gate[i].on = i == gate;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
}

static inline void assert_others_pass(enum config_gate_id but)
{
	for (uint32_t i = 0; i < GATE_COUNT; i++)
		if (i != but && !(but == GATE_STALLS && i == GATE_CRASHES)) {
			if (result(i)->verdict != GATE_PASS)
				print_message("%s: %s\n", rollout_gate_name(i), result(i)->why);
			assert_int_equal(result(i)->verdict, GATE_PASS);
		}
}

#endif
