/* Events: from the difference of two samples to sentences. */
#include "record.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "render.h"

#define QUIET_NS 5000000000ull /* drops that paused for less go on: one event, not one a second */

void record_init(struct record *r)
{
	memset(r, 0, sizeof(*r));
	for (uint32_t i = 0; i < RECORD_RATES; i++)
		r->rx[i] = r->drops[i] = UNKNOWN;
}

static void __attribute__((format(printf, 4, 5))) add(struct record *r, uint64_t wall_ns, enum verdict level,
						      const char *format, ...)
{
	struct event *e = &r->event[r->events++ % RECORD_EVENTS];
	va_list args;

	e->wall_ns = wall_ns;
	e->level = level;
	va_start(args, format);
	vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
}

const struct event *record_event(const struct record *r, uint64_t back, uint64_t wall_ns)
{
	for (uint64_t n = 0; n < RECORD_EVENTS && n < r->events; n++) {
		const struct event *e = &r->event[(r->events - 1 - n) % RECORD_EVENTS];
		if (e->wall_ns <= wall_ns && back-- == 0)
			return e;
	}
	return NULL;
}

/* ---- workers ---- */

/* The entry that serves under this name, or NULL. */
static const struct stats_worker *serving(const struct sample *sample, const char *name)
{
	for (uint32_t slot = 0; slot < sample->slots; slot++)
		if (sample->worker[slot].state == WORKER_ACTIVE && strcmp(sample->worker[slot].name, name) == 0)
			return &sample->worker[slot];
	return NULL;
}

static void observe_slot(struct record *r, const struct stats_worker *old, const struct stats_worker *w, uint32_t slot,
			 uint64_t at)
{
	bool fresh = old->state == WORKER_NONE || w->pid != old->pid || w->incarnation != old->incarnation;

	if (w->state == WORKER_NONE) {
		if (old->state != WORKER_NONE)
			add(r, at, VERDICT_OK, "%s: pid %u left slot %u", old->name, old->pid, slot);
		return;
	}
	if (fresh)
		add(r, at, VERDICT_OK, "%s: new incarnation %u, pid %u, version %s, slot %u, %s", w->name, w->incarnation,
		    w->pid, w->version[0] != 0 ? w->version : "?", slot, worker_state_name(w->state));
	else if (w->state != old->state)
		add(r, at, w->state == WORKER_DEAD ? VERDICT_WARN : VERDICT_OK, "%s: slot %u %s, was %s", w->name, slot,
		    worker_state_name(w->state), worker_state_name(old->state));
}

static void observe_serving(struct record *r, const struct sample *base, const struct stats_worker *w, uint64_t at)
{
	const struct stats_worker *old = serving(base, w->name);

	if (old == NULL)
		return;
	if (strcmp(old->version, w->version) != 0)
		add(r, at, VERDICT_OK, "%s: version changed, %s -> %s", w->name, old->version, w->version);
	else if (memcmp(old->build_id, w->build_id, sizeof(w->build_id)) != 0)
		add(r, at, VERDICT_OK, "%s: build changed, %.12s -> %.12s", w->name, old->build_id, w->build_id);
	if (w->stalls > old->stalls)
		add(r, at, VERDICT_WARN, "%s: stalled and was killed, %u in all", w->name, w->stalls);
	else if (w->crashes > old->crashes)
		add(r, at, VERDICT_WARN, "%s: crashed, %u in all", w->name, w->crashes);
}

static void observe_workers(struct record *r, const struct sample *base, const struct sample *now)
{
	for (uint32_t slot = 0; slot < now->slots; slot++)
		observe_slot(r, &base->worker[slot], &now->worker[slot], slot, now->wall_ns);
	for (uint32_t slot = 0; slot < now->slots; slot++)
		if (now->worker[slot].state == WORKER_ACTIVE)
			observe_serving(r, base, &now->worker[slot], now->wall_ns);
}

/* ---- lcores and drops ---- */

static void observe_lcores(struct record *r, const struct sample *base, const struct sample *now,
			   const struct snapshot *s)
{
	for (uint32_t i = 0; i < s->cores; i++) {
		const struct snapshot_core *c = &s->core[i];
		if (c->kind != CORE_IO || c->index >= now->io_lcores)
			continue;
		bool stalled = c->heartbeat_s > SILENT_S && !s->gone;
		if (stalled && !r->stalled[c->index])
			add(r, now->wall_ns, VERDICT_CRIT, "%s: stalled, silent for %.1f s", c->name, c->heartbeat_s);
		else if (!stalled && r->stalled[c->index])
			add(r, now->wall_ns, VERDICT_OK, "%s: turns again", c->name);
		r->stalled[c->index] = stalled;
		uint64_t moves = c->counter[COUNTER_moves] - sample_io(base, c->index)->moves;
		uint64_t parked = c->counter[COUNTER_parked] - sample_io(base, c->index)->parked;
		if (moves != 0)
			add(r, now->wall_ns, VERDICT_OK, "%s: %llu move%s completed, %llu packets waited", c->name,
			    (unsigned long long)moves, moves == 1 ? "" : "s", (unsigned long long)parked);
	}
}

/* ---- ports and zygote ---- */

static void observe_ports(struct record *r, const struct sample *base, const struct snapshot *s)
{
	for (uint32_t i = 0; i < s->ports && i < base->ports; i++) {
		const struct stats_port *old = &base->port[i], *port = &s->port[i].entry;
		if (strcmp(old->name, port->name) != 0 || old->state == port->state)
			continue;
		if (port->state == PORT_UP)
			add(r, s->wall_ns, VERDICT_OK, "port %s: the link is up", port->name);
		else
			add(r, s->wall_ns, s->port[i].level, "port %s: %s", port->name,
			    port->state == PORT_GONE ? "its interface is gone" : "no link");
	}
}

static void observe_groups(struct record *r, const struct sample *base, const struct snapshot *s)
{
	char words[80];

	for (uint32_t i = 0; i < s->groups; i++)
		for (uint32_t k = 0; k < BATON_MAX_GROUPS; k++) {
			if (strcmp(base->group[k].name, s->group[i].name) != 0 || base->group[k].state == s->group[i].state)
				continue;
			group_words(&s->group[i], words, sizeof(words));
			add(r, s->wall_ns, group_level(&s->group[i]), "group %s: %s", s->group[i].name, words);
		}
}

static void observe_rollouts(struct record *r, const struct sample *base, const struct snapshot *s)
{
	char words[80];

	for (uint32_t i = 0; i < s->rollouts; i++)
		for (uint32_t k = 0; k < BATON_MAX_GROUPS; k++) {
			const struct stats_rollout *old = &base->rollout[k], *now = &s->rollout[i];
			bool same = old->state == now->state && old->step == now->step && old->weight == now->weight;

			/* Of the first of all, the group's name is not in the directory yet. */
			if (strcmp(base->group[k].name, now->group) != 0 || same)
				continue;
			rollout_words(now, words, sizeof(words));
			add(r, s->wall_ns, rollout_level(now), "rollout of %.20s: %s", now->group, words);
		}
}

static void observe_zygote(struct record *r, const struct sample *base, const struct snapshot *s)
{
	if (s->zygote_deaths > base->zygote_deaths)
		add(r, s->wall_ns, VERDICT_WARN, "zygote or its spare died, %u in all", s->zygote_deaths);
}

static void observe_drops(struct record *r, const struct snapshot *s)
{
	char rate[16];

	for (uint32_t i = 0; i < DROP_COUNT; i++) {
		if (s->drop[i].pps > 0) {
			if (r->drop_began_ns[i] == 0) {
				r->drop_began_ns[i] = s->wall_ns;
				r->drop_seen[i] = 0;
				add(r, s->wall_ns, drop_is_loss(i) ? VERDICT_WARN : VERDICT_OK, "%s: drops began, %s/s",
				    core_drop_name(i), render_count(rate, sizeof(rate), s->drop[i].pps));
			}
			r->drop_last_ns[i] = s->wall_ns;
			r->drop_seen[i] += (uint64_t)(s->drop[i].pps * s->interval_s + 0.5);
		} else if (r->drop_began_ns[i] != 0 && s->wall_ns - r->drop_last_ns[i] >= QUIET_NS) {
			add(r, s->wall_ns, VERDICT_OK, "%s: drops ended, %llu in %.0f s", core_drop_name(i),
			    (unsigned long long)r->drop_seen[i],
			    (double)(r->drop_last_ns[i] - r->drop_began_ns[i]) / 1e9 + s->interval_s);
			r->drop_began_ns[i] = 0;
		}
	}
}

/* ---- the primary ---- */

static void observe_primary(struct record *r, const struct sample *now, const struct snapshot *s)
{
	bool silent = !s->gone && s->alive_s > SILENT_S;

	if (s->gone && !r->gone)
		add(r, now->wall_ns, VERDICT_CRIT, "primary has stopped: waiting for a new one");
	if (silent && !r->silent)
		add(r, now->wall_ns, VERDICT_CRIT, "primary silent for %.1f s", s->alive_s);
	else if (!silent && r->silent && !s->gone)
		add(r, now->wall_ns, VERDICT_OK, "primary turns again");
	r->gone = s->gone;
	r->silent = silent;
}

static void forget(struct record *r)
{
	r->gone = r->silent = false;
	memset(r->stalled, 0, sizeof(r->stalled));
	memset(r->drop_began_ns, 0, sizeof(r->drop_began_ns));
}

void record_observe(struct record *r, const struct sample *base, const struct sample *now, const struct snapshot *s)
{
	memmove(&r->rx[0], &r->rx[1], sizeof(r->rx) - sizeof(r->rx[0]));
	memmove(&r->drops[0], &r->drops[1], sizeof(r->drops) - sizeof(r->drops[0]));
	r->rx[RECORD_RATES - 1] = s->rate[COUNTER_rx_packets];
	r->drops[RECORD_RATES - 1] = s->drop_pps;
	if (base != NULL && base->boot_id != now->boot_id) {
		forget(r);
		add(r, now->wall_ns, VERDICT_WARN, "primary started anew, pid %u: attached to it", now->primary_pid);
	} else if (base == NULL)
		add(r, now->wall_ns, VERDICT_OK, "attached to %s, primary pid %u", now->instance, now->primary_pid);
	observe_primary(r, now, s);
	if (s->interval_s <= 0)
		return;
	observe_workers(r, base, now);
	observe_lcores(r, base, now, s);
	observe_ports(r, base, s);
	observe_groups(r, base, s);
	observe_rollouts(r, base, s);
	observe_zygote(r, base, s);
	observe_drops(r, s);
}
