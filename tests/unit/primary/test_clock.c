/* The clock of an I/O lcore against a system clock that the test makes: wrong rates, steps, pauses, years. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum sabotage { NONE, SABOTAGE_rate_kept, SABOTAGE_set_back, SABOTAGE_not_slewed, SABOTAGES };
static enum sabotage sabotage;
#ifndef BATON_SABOTAGE_RULE /* `make sabotage` has broken one already */
#define BATON_SABOTAGE(rule) (sabotage == SABOTAGE_##rule)
#endif
#include "primary/datapath/clock.c"

#undef BATON_SABOTAGE
#define BATON_SABOTAGE(rule) 0
#include "fake.h"

#define SEC 1000000000ull
#define MSEC 1000000ll
#define DAY (86400ll * (int64_t)SEC)

/* The machine: true time, a counter that runs at `hz`, a system clock that stands `set` beside true time. */
struct machine {
	uint64_t now;
	uint64_t hz;
	int64_t set;
	uint64_t tsc_start;
	struct io_clock clock;
	uint64_t last;      /* time the clock gave last */
	uint64_t went_back; /* how often it was before that */
	uint64_t random;
};

static uint64_t tsc_of(const struct machine *m)
{
	return m->tsc_start + (uint64_t)((unsigned __int128)m->now * m->hz / SEC);
}

static struct clock_sample sample_of(const struct machine *m)
{
	return (struct clock_sample){.tsc = tsc_of(m), .real_ns = m->now + (uint64_t)m->set};
}

static void start(struct machine *m, const char *test, uint64_t hz, uint64_t nominal, uint64_t tsc_start)
{
	*m = (struct machine){.now = 1700000000ull * SEC, .hz = hz, .tsc_start = tsc_start, .random = fake_seed(test)};
	struct clock_sample now = sample_of(m);
	clock_init(&m->clock, nominal, &now);
	m->last = clock_ns(&m->clock, now.tsc);
}

/* How far the clock is ahead of the system's. Whatever happens, it has not gone back since it was asked last. */
static int64_t ahead(struct machine *m)
{
	uint64_t ns = clock_ns(&m->clock, tsc_of(m));

	m->went_back += ns < m->last;
	assert_true(m->went_back == 0 || sabotage != NONE);
	m->last = ns;
	return (int64_t)(ns - (m->now + (uint64_t)m->set));
}

/* Loop turns, some of them long, until one that is due for a round has made it. */
static void one_round(struct machine *m)
{
	uint64_t most = m->clock.round_tsc / 8;

	for (;;) {
		uint64_t turn = tsc_of(m);
		m->now += 1 + fake_below(&m->random, 5000);
		if (clock_due(&m->clock, turn)) {
			struct clock_sample sample = sample_of(m);
			ahead(m);
			clock_round(&m->clock, turn, &sample);
			ahead(m);
			return;
		}
		ahead(m);
		m->now += fake_random(&m->random) % most;
	}
}

static void a_rate_1300_ppm_off_is_learnt_and_stays_learnt(void **state)
{
	static const struct { uint64_t hz, nominal; } rows[] = {
		{2446820000, 2450000000}, {2453180000, 2450000000}, {3000000000, 3000000000}, {1005000000, 1000000000},
		{995000000, 1000000000}, {4998000000, 5000000000},
	};
	struct machine m;

	(void)state;
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(&m, __func__, rows[i].hz, rows[i].nominal, 12345);
		m.now += 10 * SEC; /* the start of the primary goes by the nominal rate: up to 50 ms */
		for (uint32_t round = 0; round < 12; round++)
			one_round(&m);
		assert_in_range(ahead(&m) + MSEC, 0, 2 * MSEC);
		for (uint32_t round = 0; round < 12; round++)
			one_round(&m);
		for (uint32_t round = 0; round < 5000; round++) {
			one_round(&m);
			m.now += SEC / 2;
			assert_in_range(ahead(&m) + MSEC / 100, 0, 2 * MSEC / 100); /* 10 us */
		}
	}
}

static void without_an_offset_the_first_round_is_soon_enough(void **state)
{
	struct machine m;

	(void)state;
	start(&m, __func__, 2446820000, 2450000000, 0);
	for (uint32_t round = 0; round < 100; round++) {
		assert_in_range(ahead(&m) + MSEC, 0, 2 * MSEC);
		one_round(&m);
	}
}

static void a_rate_that_changes_is_followed(void **state)
{
	struct machine m;

	(void)state;
	start(&m, __func__, 2450000000, 2450000000, 0);
	for (uint32_t round = 0; round < 200; round++) {
		uint64_t before = m.now;
		one_round(&m);
		if (round / 20 % 2 != 0) /* a time daemon slews by 500 ppm, or not */
			m.set += (int64_t)((m.now - before) / 2000);
		assert_in_range(ahead(&m) + 2 * MSEC, 0, 4 * MSEC);
	}
	for (uint32_t round = 0; round < 60; round++) {
		uint64_t before = m.now;
		one_round(&m);
		m.set += (int64_t)((m.now - before) / 12); /* and this one by 8 % */
	}
	assert_in_range(ahead(&m) + 200 * MSEC, 0, 400 * MSEC);
	for (uint32_t round = 0; round < 60; round++)
		one_round(&m);
	assert_in_range(ahead(&m) + MSEC, 0, 2 * MSEC);
}

static void a_large_step_forward_is_followed_at_once(void **state)
{
	static const int64_t step[] = {101 * MSEC, 1000 * MSEC, DAY, 40 * 365 * DAY};
	struct machine m;

	(void)state;
	for (uint32_t i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		start(&m, __func__, 2446820000, 2450000000, 99);
		for (uint32_t round = 0; round < 5; round++)
			one_round(&m);
		m.set += step[i];
		one_round(&m);
		assert_in_range(ahead(&m) + MSEC, 0, 2 * MSEC);
		for (uint32_t round = 0; round < 50; round++) {
			one_round(&m);
			assert_in_range(ahead(&m) + MSEC, 0, 2 * MSEC); /* it was not taken for a rate */
		}
	}
}

static void a_small_step_is_slewed(void **state)
{
	static const int64_t step[] = {MSEC, 5 * MSEC, 9 * MSEC, 90 * MSEC, -MSEC, -9 * MSEC, -90 * MSEC};
	struct machine m;

	(void)state;
	for (uint32_t i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		start(&m, __func__, 2446820000, 2450000000, 99);
		for (uint32_t round = 0; round < 5; round++)
			one_round(&m);
		uint64_t before = m.last;
		m.set += step[i];
		one_round(&m);
		assert_true(m.last - before < 2 * SEC); /* no jump */
		for (uint32_t round = 0; round < 30; round++)
			one_round(&m);
		assert_in_range(ahead(&m) + MSEC, 0, 2 * MSEC);
	}
}

/* The bound of the slew holds, so time goes on at 99 % of its pace at least, and the step is worked off in the end. */
static void a_step_back_is_slewed_at_a_bounded_rate(void **state)
{
	struct machine m;

	(void)state;
	start(&m, __func__, 2446820000, 2450000000, 99);
	for (uint32_t round = 0; round < 10; round++)
		one_round(&m);
	m.set -= 30 * (int64_t)SEC;
	uint32_t rounds = 0;
	while (ahead(&m) > MSEC) {
		uint64_t from = m.last, began = m.now;
		one_round(&m);
		int64_t passed = (int64_t)(m.now - began), told = (int64_t)(m.last - from);
		assert_true(told >= passed - passed / 100 - passed / 5000 && told <= passed + passed / 1000);
		assert_true(++rounds < 3600);
	}
	assert_true(rounds > 2000); /* 30 s, 10 ms a second */
	for (uint32_t round = 0; round < 100; round++) {
		one_round(&m);
		assert_in_range(ahead(&m) + MSEC, 0, 2 * MSEC);
	}
}

static void it_never_goes_back_whatever_the_system_clock_does(void **state)
{
	struct machine m;

	(void)state;
	start(&m, __func__, 2446820000, 2450000000, 99);
	for (uint32_t i = 0; i < 20000; i++) {
		one_round(&m);
		switch (fake_below(&m.random, 12)) {
		case 0: m.set -= (int64_t)(fake_random(&m.random) % (2 * (uint64_t)DAY)); break;
		case 1: m.set += (int64_t)(fake_random(&m.random) % (2 * (uint64_t)DAY)); break;
		case 2: m.set -= (int64_t)(fake_random(&m.random) % SEC); break;
		case 3: m.set += (int64_t)(fake_random(&m.random) % SEC); break;
		case 4: m.now += fake_random(&m.random) % (600 * SEC); break; /* the machine was suspended */
		default: break;
		}
	}
	m.set = 400 * DAY; /* forward of all of it: and all is well */
	for (uint32_t i = 0; i < 30; i++)
		one_round(&m);
	assert_in_range(ahead(&m) + MSEC, 0, 2 * MSEC);
}

static void years_do_not_overflow_it(void **state)
{
	struct machine m;

	(void)state;
	/* the counter itself wraps on the way, and for years no round is made */
	start(&m, __func__, 2446820000, 2450000000, 0);
	m.tsc_start = 0 - tsc_of(&m) - 2446820000ull * 2;
	struct clock_sample now = sample_of(&m);
	clock_init(&m.clock, 2450000000, &now);
	m.last = clock_ns(&m.clock, now.tsc);
	for (uint32_t round = 0; round < 10; round++)
		one_round(&m);
	assert_in_range(ahead(&m) + MSEC, 0, 2 * MSEC);
	for (uint32_t year = 0; year < 30; year++) {
		m.now += 365 * (uint64_t)DAY;
		int64_t off = ahead(&m);
		assert_true(off < 5 * DAY && off > -5 * DAY); /* a year at the bound of the slew */
		for (uint32_t round = 0; round < 30; round++)
			one_round(&m);
	}
	for (uint32_t round = 0; round < 30; round++)
		one_round(&m);
	ahead(&m);
}

#ifndef BATON_SABOTAGE_RULE
/* All that is promised, in short. */
static bool keeps_its_promises(void)
{
	struct machine m;
	int64_t off;

	start(&m, __func__, 2446820000, 2450000000, 99);
	m.now += 10 * SEC;
	for (uint32_t round = 0; round < 12; round++)
		one_round(&m);
	off = ahead(&m);
	for (uint32_t round = 0; round < 3; round++)
		m.now += SEC, off = llabs(ahead(&m)) > llabs(off) ? ahead(&m) : off; /* no round: the rate alone */
	m.set -= 2 * (int64_t)SEC;
	for (uint32_t round = 0; round < 300; round++)
		one_round(&m);
	return llabs(off) < MSEC && m.went_back == 0 && llabs(ahead(&m)) < MSEC;
}

static void each_promise_broken_is_noticed(void **state)
{
	(void)state;
	for (sabotage = NONE; sabotage < SABOTAGES; sabotage++)
		assert_int_equal(keeps_its_promises(), sabotage == NONE);
	sabotage = NONE;
}
#endif

static void the_machines_own_clock_is_met(void **state)
{
	struct clock_sample sample;
	struct timespec t;

	(void)state;
	while (!clock_take(&sample))
		;
	clock_gettime(CLOCK_REALTIME, &t);
	assert_true(sample.real_ns <= (uint64_t)t.tv_sec * SEC + (uint64_t)t.tv_nsec);
	assert_true(sample.real_ns + 60 * SEC > (uint64_t)t.tv_sec * SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_1300_ppm_off_is_learnt_and_stays_learnt),
		cmocka_unit_test(without_an_offset_the_first_round_is_soon_enough),
		cmocka_unit_test(a_rate_that_changes_is_followed),
		cmocka_unit_test(a_large_step_forward_is_followed_at_once),
		cmocka_unit_test(a_small_step_is_slewed),
		cmocka_unit_test(a_step_back_is_slewed_at_a_bounded_rate),
		cmocka_unit_test(it_never_goes_back_whatever_the_system_clock_does),
		cmocka_unit_test(years_do_not_overflow_it),
#ifndef BATON_SABOTAGE_RULE
		cmocka_unit_test(each_promise_broken_is_noticed),
#endif
		cmocka_unit_test(the_machines_own_clock_is_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
