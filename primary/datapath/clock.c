/* The clock of an I/O lcore: rounds, in which it learns its rate and turns towards CLOCK_REALTIME. */
#include "clock.h"

#include <time.h>
#include <x86intrin.h>

#include "abi.h"

#define TRIES        3
#define SAMPLE_NS    10000ull /* a sample that took longer says too little */
#define RATE_PART    100u     /* a measured rate is believed within 1/100 of the last: DPDK rounds to 10 MHz */
#define DOUBTED_PART 1000u    /* and a doubted one, if the next is within 1/1000 of it */
#define FIRST_ROUND  16u      /* the first comes after this part of a round: until then time goes by the nominal rate */

bool clock_take(struct clock_sample *sample)
{
	for (uint32_t i = 0; i < TRIES; i++) {
		struct timespec before, t;

		/* The counter stands between two readings of the clock, and is the later one's to within their distance. */
		clock_gettime(CLOCK_REALTIME, &before);
		uint64_t tsc = __rdtsc();
		clock_gettime(CLOCK_REALTIME, &t);
		uint64_t ns = (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
		*sample = (struct clock_sample){.tsc = tsc, .real_ns = ns};
		if (ns - ((uint64_t)before.tv_sec * 1000000000ull + (uint64_t)before.tv_nsec) <= SAMPLE_NS)
			return true;
	}
	return false;
}

void clock_init(struct io_clock *clock, uint64_t tsc_hz, const struct clock_sample *sample)
{
	uint64_t rate = (uint64_t)(((unsigned __int128)1000000000 << 32) / tsc_hz);

	*clock = (struct io_clock){
		.tsc_base = sample->tsc, .ns_base = sample->real_ns, .mult = rate, .rate = rate, .nominal = rate,
		.tsc_seen = sample->tsc, .real_seen = sample->real_ns, .due_tsc = sample->tsc + tsc_hz / FIRST_ROUND,
		.round_tsc = tsc_hz,
	};
}

static bool near(uint64_t a, uint64_t b, uint32_t part)
{
	return (a > b ? a - b : b - a) <= b / part;
}

/* The rate since the last round, unless the system clock was set in between. One round tells a step from a rate by its
 * size only; two rounds that agree are a rate (a time daemon that slews by 8 %). */
static void learn_rate(struct io_clock *clock, const struct clock_sample *sample)
{
	uint64_t cycles = sample->tsc - clock->tsc_seen;
	int64_t passed = (int64_t)(sample->real_ns - clock->real_seen);

	if (cycles < clock->round_tsc / (2 * FIRST_ROUND) || passed <= 0 || BATON_SABOTAGE(rate_kept))
		return;
	unsigned __int128 wide = ((unsigned __int128)passed << 32) / cycles;
	if (wide < clock->nominal / 2 || wide > clock->nominal * 2)
		return;
	uint64_t rate = (uint64_t)wide;
	if (near(rate, clock->rate, RATE_PART) || near(rate, clock->doubted, DOUBTED_PART))
		clock->rate = rate;
	clock->doubted = rate;
}

/* The rate that takes half of `ahead`, by which the system clock is ahead, away in a second. */
static uint64_t slewed(uint64_t rate, int64_t ahead)
{
	int64_t ns = ahead / 2, most = CLOCK_SLEW_PPM * 1000;

	if (BATON_SABOTAGE(not_slewed))
		return rate;
	ns = ns > most ? most : ns < -most ? -most : ns;
	return (uint64_t)((int64_t)rate + (int64_t)((__int128)rate * ns / 1000000000));
}

void clock_round(struct io_clock *clock, uint64_t turn_tsc, const struct clock_sample *sample)
{
	uint64_t now = clock_ns(clock, sample->tsc);
	int64_t ahead = (int64_t)(sample->real_ns - now);

	learn_rate(clock, sample);
	if (ahead > CLOCK_STEP_NS || (ahead < -CLOCK_STEP_NS && BATON_SABOTAGE(set_back))) {
		now = sample->real_ns;
		ahead = 0;
	}
	clock->mult = slewed(clock->rate, ahead);
	clock->tsc_base = turn_tsc;
	clock->ns_base = 0;
	clock->ns_base = now - clock_ns(clock, sample->tsc); /* the new line meets `now` at the sample */
	clock->tsc_seen = sample->tsc;
	clock->real_seen = sample->real_ns;
	clock->due_tsc = sample->tsc + clock->round_tsc;
}
