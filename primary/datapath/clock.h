/* The clock of one I/O lcore: CLOCK_REALTIME to a fraction of a millisecond, read by one multiplication and a shift.
 *
 * Between two rounds, about a second apart, time is a straight line over the cycle counter. A round compares it with
 * CLOCK_REALTIME, measures the rate anew, for the counter's nominal rate is off by up to 5000 ppm, and bends the line
 * so that the rest of the difference halves every second. Time never goes back:
 *
 *   the system clock is ahead by more than CLOCK_STEP_NS   followed at once
 *   ahead by less, or behind by any amount                 slewed by at most CLOCK_SLEW_PPM
 *
 * so that an hour set back takes 100 hours, in which a second of the game lasts 1.01 s. */
#ifndef BATON_PRIMARY_CLOCK_H
#define BATON_PRIMARY_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_STEP_NS  100000000ll
#define CLOCK_SLEW_PPM 10000ll

/* Private to the lcore. */
struct io_clock {
	uint64_t tsc_base, ns_base; /* time = ns_base + (tsc - tsc_base) * mult >> 32 */
	uint64_t mult;              /* ns per cycle << 32, slew included */
	uint64_t rate, nominal;     /* the same without it: as measured last, as the machine says */
	uint64_t doubted;           /* a rate far from `rate`, as a step makes it; believed if the next round agrees */
	uint64_t tsc_seen, real_seen; /* of the last round */
	uint64_t due_tsc;           /* of the next */
	uint64_t round_tsc;
};

/* The cycle counter and CLOCK_REALTIME at one moment. */
struct clock_sample {
	uint64_t tsc, real_ns;
};

/* Takes a sample, without a system call. False if the lcore was interrupted each time, and the sample is only about
 * right: try again in the next turn. */
bool clock_take(struct clock_sample *sample);

/* Time is that of the sample from now on, and advances by the nominal rate until the first round. */
void clock_init(struct io_clock *clock, uint64_t tsc_hz, const struct clock_sample *sample);

static inline bool clock_due(const struct io_clock *clock, uint64_t tsc)
{
	return (int64_t)(tsc - clock->due_tsc) >= 0;
}

/* A round: the line bends at the sample. It is reckoned from turn_tsc, the begin of the turn: a counter value that the
 * processor read a little early must not be older than the line. */
void clock_round(struct io_clock *clock, uint64_t turn_tsc, const struct clock_sample *sample);

/* tsc must not be older than the last round's turn. */
static inline uint64_t clock_ns(const struct io_clock *clock, uint64_t tsc)
{
	return clock->ns_base + (uint64_t)(((unsigned __int128)(tsc - clock->tsc_base) * clock->mult) >> 32);
}

#endif
