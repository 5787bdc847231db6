/* The verdict line: is it well, and if not, the three worst reasons in words. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "snapshot.h"

/* Drops that are Baton's or the machine's; the others are refusals of what a client sent. */
static const enum core_drop loss[] = {
	DROP_no_worker, DROP_belt_full, DROP_pending_full, DROP_park_expired, DROP_worker_died, DROP_refused,
	DROP_bad_verdict, DROP_no_buffer, DROP_no_route, DROP_no_neighbour,
	DROP_tx_full, DROP_device_missed, DROP_device_nombuf, DROP_device_rx_errors, DROP_device_tx_errors,
};

bool drop_is_loss(uint32_t drop)
{
	for (size_t i = 0; i < sizeof(loss) / sizeof(loss[0]); i++)
		if (loss[i] == drop)
			return true;
	return false;
}

struct judge {
	struct snapshot *s;
	double weight[SNAPSHOT_REASONS];
};

/* Keeps the worst three. weight: 2 and more is critical, below a warning; the larger the worse. */
static void __attribute__((format(printf, 3, 4))) because(struct judge *j, double weight, const char *format, ...)
{
	struct snapshot *s = j->s;
	enum verdict verdict = weight >= 2 ? VERDICT_CRIT : VERDICT_WARN;
	va_list args;
	uint32_t at = 0;

	if (verdict > s->verdict)
		s->verdict = verdict;
	while (at < s->reasons && j->weight[at] >= weight)
		at++;
	if (at == SNAPSHOT_REASONS)
		return;
	for (uint32_t i = SNAPSHOT_REASONS - 1; i > at; i--) {
		j->weight[i] = j->weight[i - 1];
		memcpy(s->reason[i], s->reason[i - 1], sizeof(s->reason[i]));
	}
	if (s->reasons < SNAPSHOT_REASONS)
		s->reasons++;
	j->weight[at] = weight;
	va_start(args, format);
	vsnprintf(s->reason[at], sizeof(s->reason[at]), format, args);
	va_end(args);
}

static void judge_primary(struct judge *j)
{
	if (j->s->gone)
		because(j, 4, "primary has stopped: these are its last figures");
	else if (j->s->alive_s > SILENT_S)
		because(j, 4, "primary (pid %u) silent for %.0f s", j->s->primary_pid, j->s->alive_s);
}

static void judge_parts(struct judge *j)
{
	const struct snapshot *s = j->s;

	if (s->gone)
		return;
	for (uint32_t i = 0; i < s->ports; i++) {
		const struct snapshot_port *p = &s->port[i];
		if (p->entry.state == PORT_GONE)
			because(j, 3.5, "port %s is gone", p->entry.name);
		else if (p->entry.state == PORT_NO_LINK)
			because(j, p->level == VERDICT_CRIT ? 3.2 : 1.9, "port %s has no link", p->entry.name);
	}
	for (uint32_t i = 0; i < s->groups; i++) {
		const struct stats_group *g = &s->group[i];
		char words[80];
		group_words(g, words, sizeof(words));
		if (g->state >= GROUP_FELL_BACK || (g->state == GROUP_SERVING && group_level(g) != VERDICT_OK))
			because(j, group_level(g) == VERDICT_CRIT ? 2.6 + 0.1 * (g->state == GROUP_SPENT) : 1.6,
				"group %s %s", g->name, words);
	}
	for (uint32_t i = 0; i < s->rollouts; i++) {
		const struct stats_rollout *r = &s->rollout[i];
		char words[160];
		rollout_words(r, words, sizeof(words));
		if (rollout_level(r) != VERDICT_OK)
			because(j, r->state == ROLLOUT_DEGRADED ? 1.65 : 1.55, "rollout of %.20s %.150s", r->group, words);
	}
	if (s->zygote_pid == 0)
		because(j, 2.2, "no zygote: no worker can be started");
	else if (s->zygote_spare_pid == 0)
		because(j, 1.1, "the zygote has no spare");
}

static void judge_losses(struct judge *j)
{
	const struct snapshot *s = j->s;
	double sum = 0, worst = 0;
	enum core_drop reason = loss[0];

	for (size_t i = 0; i < sizeof(loss) / sizeof(loss[0]); i++) {
		double pps = s->drop[loss[i]].pps;
		if (pps <= 0)
			continue;
		sum += pps;
		if (pps > worst) {
			worst = pps;
			reason = loss[i];
		}
	}
	if (sum <= 0)
		return;
	double total = s->rate[COUNTER_rx_packets] + sum;
	because(j, sum / total > LOSS_CRIT ? 3 : 1.5, "losing %.2f%% (%s)", 100 * sum / total, core_drop_name(reason));
}

static void judge_cores(struct judge *j)
{
	for (uint32_t i = 0; i < j->s->cores; i++) {
		const struct snapshot_core *c = &j->s->core[i];
		if (c->kind == CORE_IO && c->heartbeat_s > SILENT_S && !j->s->gone)
			because(j, 3, "I/O lcore %u silent for %.0f s", c->index, c->heartbeat_s);
		if (c->kind != CORE_MAIN && c->busy > BUSY_WARN)
			because(j, c->busy, "%s busy %.0f%%", c->name, 100 * c->busy);
		if (c->kind == CORE_IO && c->burst > BURST_WARN)
			because(j, 0.9, "%s bursts of %.0f of %u", c->name, c->burst, BATON_BURST);
		if (c->pool_size != 0 && (double)c->pool_free < POOL_WARN * (double)c->pool_size)
			because(j, 1.2, "%s has %.0f%% of its buffers left", c->name,
				100 * (double)c->pool_free / (double)c->pool_size);
	}
}

static void judge_workers(struct judge *j, const struct sample *base)
{
	uint32_t active = 0;

	for (uint32_t i = 0; i < j->s->workers; i++) {
		const struct snapshot_worker *w = &j->s->worker[i];
		active += w->entry.state == WORKER_ACTIVE || w->entry.state == WORKER_DRAINING;
		if (w->entry.debug != 0)
			because(j, 1.05, "%s is being debugged", w->entry.name);
		if (w->entry.state == WORKER_DEAD)
			because(j, 1.8, "%s is dead", w->entry.name);
		/* Of the same logical worker only: another one may have taken the slot since. */
		else if (base != NULL && w->entry.crashes > base->worker[w->slot].crashes &&
			 strcmp(w->entry.name, base->worker[w->slot].name) == 0)
			because(j, 1.7, "%s crashed", w->entry.name);
	}
	if (active == 0 && !j->s->gone)
		because(j, 2.5, "no worker is active");
}

void snapshot_judge(struct snapshot *s, const struct sample *base)
{
	struct judge j = { .s = s };

	s->verdict = VERDICT_OK;
	s->reasons = 0;
	judge_primary(&j);
	judge_parts(&j);
	judge_losses(&j);
	judge_cores(&j);
	judge_workers(&j, base);
}

const char *verdict_name(enum verdict verdict)
{
	static const char *const name[] = { "OK", "WARN", "CRIT" };
	return name[verdict];
}
