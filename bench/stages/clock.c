/* The clock of bench-stages: the linker leads every call of a stage through here (bench/rules.mk), so that stages are
 * timed as they are. A passage costs one reading of the counter, a few dozen cycles a burst. */
#include <rte_cycles.h>
#include <string.h>

#include "generator.h"
#include "stages.h"

static struct stage_clock counted;
static enum stage now_in;
static uint64_t since;

static inline enum stage pass(enum stage to)
{
	uint64_t tsc = rte_rdtsc();
	enum stage from = now_in;

	counted.cycles[from] += tsc - since;
	since = tsc;
	now_in = to;
	return from;
}

static inline enum stage enter(enum stage stage)
{
	counted.entered[stage]++;
	return pass(stage);
}

void clock_start(void)
{
	memset(&counted, 0, sizeof(counted));
	now_in = STAGE_rest;
	since = rte_rdtsc();
}

void clock_stop(struct stage_clock *out)
{
	pass(STAGE_rest);
	*out = counted;
}

/* STAGE(where, type of what it returns, function, parameters, arguments) */
#define STAGE(where, type, name, parameters, arguments) \
	type __real_##name parameters; \
	type __wrap_##name parameters; \
	type __wrap_##name parameters \
	{ \
		enum stage from = enter(STAGE_##where); \
		type result = __real_##name arguments; \
		pass(from); \
		return result; \
	}
#define STAGE_VOID(where, name, parameters, arguments) \
	void __real_##name parameters; \
	void __wrap_##name parameters; \
	void __wrap_##name parameters \
	{ \
		enum stage from = enter(STAGE_##where); \
		__real_##name arguments; \
		pass(from); \
	}

STAGE(generator_rx, uint32_t, generator_rx,
      (struct generator *g, uint64_t tsc, struct rte_mbuf **mbuf, uint32_t most), (g, tsc, mbuf, most))
STAGE(classify, uint32_t, classify_burst,
      (struct io_lcore *io, struct port *port, struct rte_mbuf **mbuf, uint32_t count, struct belt_shadow *packet),
      (io, port, mbuf, count, packet))
STAGE_VOID(steer, steer_burst, (struct io_lcore *io, const struct belt_shadow *packet, uint32_t count),
	   (io, packet, count))
STAGE_VOID(steer, steer_publish, (struct io_lcore *io), (io))
STAGE(reap, uint32_t, reap_all, (struct io_lcore *io), (io))
STAGE_VOID(complete, complete_burst, (struct io_lcore *io, const struct reply *reply, uint32_t count),
	   (io, reply, count))
STAGE_VOID(tx_port, tx_port, (struct io_lcore *io, uint32_t port), (io, port))
STAGE(generator_tx, uint32_t, generator_tx,
      (struct generator *g, uint64_t tsc, struct rte_mbuf **mbuf, uint32_t count), (g, tsc, mbuf, count))
