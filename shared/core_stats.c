/* CoreStats: the directories and the names. How it is made and found: stats_open.c. */
#include "core_stats.h"

#include <errno.h>
#include <string.h>

#define DIRECTORY_TRIES 1000u

#define TEXT(name, help) { #name, help },
static const struct { const char *name, *help; } counter_text[] = { CORE_STATS_COUNTERS(TEXT) };
static const struct { const char *name, *help; } drop_text[] = { CORE_STATS_DROPS(TEXT) };
#undef TEXT

const char *core_counter_name(uint32_t counter) { return counter < COUNTER_COUNT ? counter_text[counter].name : "?"; }
const char *core_counter_help(uint32_t counter) { return counter < COUNTER_COUNT ? counter_text[counter].help : "?"; }
const char *core_drop_name(uint32_t drop) { return drop < DROP_COUNT ? drop_text[drop].name : "?"; }
const char *core_drop_help(uint32_t drop) { return drop < DROP_COUNT ? drop_text[drop].help : "?"; }

const char *core_kind_name(uint32_t kind)
{
	static const char *const name[] = { "unused", "main", "io", "worker" };
	return kind < sizeof(name) / sizeof(name[0]) ? name[kind] : "?";
}

const char *worker_state_name(uint32_t state)
{
	static const char *const name[WORKER_STATE_COUNT] = {
		"none", "starting", "standby", "active", "draining", "drained", "stopping", "dead",
	};
	return state < WORKER_STATE_COUNT ? name[state] : "?";
}

const char *group_state_name(uint32_t state)
{
	static const char *const name[GROUP_STATE_COUNT] = {
		"none", "serving", "starting", "fell_back", "part", "down", "spent",
	};
	return state < GROUP_STATE_COUNT ? name[state] : "?";
}

const char *port_state_name(uint32_t state)
{
	static const char *const name[PORT_STATE_COUNT] = { "up", "no_link", "gone" };
	return state < PORT_STATE_COUNT ? name[state] : "?";
}

/* ---- directories: entries begin with their sequence word ---- */

static int entry_read(const void *entry, void *out, size_t bytes)
{
	const _Atomic uint32_t *seq = entry;
	union {
		struct stats_worker worker;
		struct stats_version version;
		struct stats_port port;
		struct stats_group group;
		struct stats_rollout rollout;
	} copy;

	for (uint32_t tries = 0; tries < DIRECTORY_TRIES; tries++) {
		/* acquire: pairs with the last release of entry_write() */
		uint32_t before = atomic_load_explicit(seq, memory_order_acquire);
		if (before & 1)
			continue;
		memcpy(&copy, entry, bytes);
		atomic_thread_fence(memory_order_acquire); /* the copy is read before seq is read again */
		if (atomic_load_explicit(seq, memory_order_relaxed) != before)
			continue;
		memcpy(out, &copy, bytes);
		return 0;
	}
	return -EAGAIN;
}

static void entry_write(void *entry, const void *in, size_t bytes)
{
	_Atomic uint32_t *seq = entry;
	uint32_t next = atomic_load_explicit(seq, memory_order_relaxed) | 1u;
	size_t after = sizeof(*seq);

	atomic_store_explicit(seq, next, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); /* odd before the first byte changes */
	memcpy((uint8_t *)entry + after, (const uint8_t *)in + after, bytes - after);
	/* release: pairs with the acquire in entry_read() */
	atomic_store_explicit(seq, next + 1, memory_order_release);
}

#define END(text) ((text)[sizeof(text) - 1] = 0)

int stats_worker_read(const struct stats *stats, uint32_t slot, struct stats_worker *out)
{
	int rc = slot < BATON_MAX_WORKERS ? entry_read(&stats->header->worker[slot], out, sizeof(*out)) : -EINVAL;

	if (rc == 0)
		END(out->name), END(out->group), END(out->version), END(out->build_id);
	return rc;
}

int stats_version_read(const struct stats *stats, uint32_t lane, struct stats_version *out)
{
	int rc = lane < STATS_LANES_MAX ? entry_read(&stats->header->versions[lane], out, sizeof(*out)) : -EINVAL;

	if (rc == 0)
		END(out->group), END(out->version);
	return rc;
}

int stats_port_read(const struct stats *stats, uint32_t port, struct stats_port *out)
{
	int rc = port < BATON_MAX_PORTS ? entry_read(&stats->header->port[port], out, sizeof(*out)) : -EINVAL;

	if (rc == 0)
		END(out->interface), END(out->name);
	return rc;
}

int stats_group_read(const struct stats *stats, uint32_t group, struct stats_group *out)
{
	int rc = group < BATON_MAX_GROUPS ? entry_read(&stats->header->group[group], out, sizeof(*out)) : -EINVAL;

	if (rc == 0)
		END(out->name), END(out->version), END(out->failed), END(out->why);
	return rc;
}

int stats_rollout_read(const struct stats *stats, uint32_t group, struct stats_rollout *out)
{
	int rc = group < BATON_MAX_GROUPS ? entry_read(&stats->header->rollout[group], out, sizeof(*out)) : -EINVAL;

	if (rc == 0)
		END(out->group), END(out->stable), END(out->candidate), END(out->candidate_build), END(out->why);
	return rc;
}

void stats_worker_write(struct stats *stats, uint32_t slot, const struct stats_worker *in)
{
	entry_write(&stats->header->worker[slot], in, sizeof(*in));
}

void stats_version_write(struct stats *stats, uint32_t lane, const struct stats_version *in)
{
	entry_write(&stats->header->versions[lane], in, sizeof(*in));
}

void stats_port_write(struct stats *stats, uint32_t port, const struct stats_port *in)
{
	entry_write(&stats->header->port[port], in, sizeof(*in));
}

void stats_group_write(struct stats *stats, uint32_t group, const struct stats_group *in)
{
	entry_write(&stats->header->group[group], in, sizeof(*in));
}

void stats_rollout_write(struct stats *stats, uint32_t group, const struct stats_rollout *in)
{
	entry_write(&stats->header->rollout[group], in, sizeof(*in));
}

uint32_t stats_gaps_read(const struct CoreStats *page, uint64_t from, struct stats_gap *out, uint64_t *missed)
{
	struct stats_gap copy[STATS_GAPS];
	uint64_t first = from;

	/* x86-64 keeps loads in order as it keeps stores (stats_gap_add); the fences stop the compiler. */
	uint64_t end = *(const volatile uint64_t *)&page->gen_gaps;
	baton_compiler_fence();
	memcpy(copy, page->gap, sizeof(copy));
	baton_compiler_fence();
	uint64_t now = *(const volatile uint64_t *)&page->gen_gaps;
	*missed = 0;
	if (end <= from)
		return 0;
	/* Entry n is overwritten while gen_gaps is n + STATS_GAPS: such a one may be torn. */
	if (now >= STATS_GAPS && now - STATS_GAPS + 1 > first)
		first = now - STATS_GAPS + 1;
	if (first > end)
		first = end;
	*missed = first - from;
	for (uint64_t n = first; n < end; n++)
		out[n - first] = copy[n % STATS_GAPS];
	return (uint32_t)(end - first);
}
