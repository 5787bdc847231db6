/* Ports, groups and zygote: what the primary says of them, judged and put into words. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "render.h"
#include "snapshot.h"

/* Losses by the device's reasons, since `since` (NULL: ever); *worst: the largest. */
static uint64_t lost(const struct port_counts *now, const struct port_counts *since, enum core_drop *worst)
{
	const struct port_counts none = { 0 };

	since = since != NULL ? since : &none;
	const struct { enum core_drop reason; uint64_t packets; } by[] = {
		{ DROP_device_missed, now->missed - since->missed },
		{ DROP_device_nombuf, now->no_buffer - since->no_buffer },
		{ DROP_device_rx_errors, now->rx_errors - since->rx_errors },
		{ DROP_device_tx_errors, now->tx_errors - since->tx_errors },
	};
	uint64_t sum = 0, most = 0;
	for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
		sum += by[i].packets;
		if (by[i].packets > most) {
			most = by[i].packets;
			*worst = by[i].reason;
		}
	}
	return sum;
}

static void derive_port(struct snapshot_port *p, const struct stats_port *then, const struct stats_port *entry,
			uint64_t tsc_hz)
{
	const struct port_counts *now = &entry->now, *before = &entry->before;

	memcpy(&p->entry, entry, sizeof(p->entry));
	p->rx_pps = p->tx_pps = p->lost_pps = p->lost_share = UNKNOWN;
	p->lost = lost(now, then != NULL ? &then->now : NULL, &p->worst);
	if (before->tsc == 0 || now->tsc <= before->tsc || tsc_hz == 0)
		return;
	double seconds = (double)(now->tsc - before->tsc) / (double)tsc_hz;
	double packets = (double)(now->rx_packets - before->rx_packets + now->tx_packets - before->tx_packets);
	double gone = (double)lost(now, before, &p->worst);
	p->rx_pps = (double)(now->rx_packets - before->rx_packets) / seconds;
	p->tx_pps = (double)(now->tx_packets - before->tx_packets) / seconds;
	p->lost_pps = gone / seconds;
	if (packets + gone > 0)
		p->lost_share = gone / (packets + gone);
}

/* Without a link is a warning as long as another port serves: a cable that is pulled comes back by itself. */
static enum verdict level_of(const struct snapshot_port *p, uint32_t up)
{
	if (p->entry.state == PORT_GONE || (p->entry.state == PORT_NO_LINK && up == 0))
		return VERDICT_CRIT;
	if (p->entry.state == PORT_NO_LINK)
		return VERDICT_WARN;
	if (p->lost_pps > 0)
		return p->lost_share > LOSS_CRIT ? VERDICT_CRIT : VERDICT_WARN;
	return VERDICT_OK;
}

void snapshot_parts(struct snapshot *s, const struct sample *origin, const struct sample *now)
{
	uint32_t up = 0;

	for (uint32_t i = 0; i < now->ports; i++) {
		const struct stats_port *then = origin != NULL ? &origin->port[i] : NULL;
		if (now->port[i].name[0] == 0)
			continue;
		if (then != NULL && strcmp(then->name, now->port[i].name) != 0)
			then = NULL;
		derive_port(&s->port[s->ports++], then, &now->port[i], now->tsc_hz);
		up += now->port[i].state == PORT_UP;
	}
	for (uint32_t i = 0; i < s->ports; i++)
		s->port[i].level = level_of(&s->port[i], up);
	for (uint32_t i = 0; i < BATON_MAX_GROUPS; i++)
		if (now->group[i].name[0] != 0)
			memcpy(&s->group[s->groups++], &now->group[i], sizeof(s->group[0]));
	s->zygote_pid = now->zygote_pid;
	s->zygote_spare_pid = now->zygote_spare_pid;
	s->zygote_deaths = now->zygote_deaths;
}

/* One is missing for a moment after each death that it took over from: that alone is nothing. */
static bool lacks_standbys(const struct stats_group *group)
{
	return group->state == GROUP_SERVING && group->standbys < group->standbys_wanted && group->why[0] != 0;
}

enum verdict group_level(const struct stats_group *group)
{
	if (lacks_standbys(group))
		return VERDICT_WARN;
	if (group->state >= GROUP_PART)
		return VERDICT_CRIT;
	return group->state == GROUP_FELL_BACK || group->state == GROUP_STARTING ? VERDICT_WARN : VERDICT_OK;
}

void group_words(const struct stats_group *g, char *text, size_t size)
{
	char packets[16];

	render_count(packets, sizeof(packets), (double)g->parked_packets);
	if (g->state == GROUP_SPENT)
		snprintf(text, size, "restarts spent: %u buckets, %s packets parked", g->parked_buckets, packets);
	else if (g->state == GROUP_DOWN)
		snprintf(text, size, "no worker can be started: %s", g->why);
	else if (g->state == GROUP_PART)
		snprintf(text, size, "%u of %u workers serve: %s", g->serving, g->workers, g->why);
	else if (g->state == GROUP_STARTING)
		snprintf(text, size, "no worker serves yet");
	else if (g->state == GROUP_FELL_BACK)
		snprintf(text, size, "fell back from %.20s to %.20s", g->failed, g->version);
	else if (lacks_standbys(g))
		snprintf(text, size, "%u of %u standbys are ready: %s", g->standbys, g->standbys_wanted, g->why);
	else if (g->burst == 0)
		snprintf(text, size, "%u of %u workers serve", g->serving, g->workers);
	else
		snprintf(text, size, "%u of %u workers serve, %u of %u restarts spent", g->serving, g->workers, g->crashes,
			 g->burst);
}

const char *worker_words(const struct stats_worker *worker)
{
	return worker->debug != 0 && worker->state == WORKER_ACTIVE ? "debug" : worker_state_name(worker->state);
}

void port_words(const struct snapshot *s, const struct snapshot_port *p, char *text, size_t size)
{
	const struct stats_port *e = &p->entry;
	char a[16], b[16];

	if (e->device == 0)
		snprintf(text, size, "made by Baton: no device, no link, no losses");
	else if (e->state == PORT_GONE)
		snprintf(text, size, "%s is gone: make it again, restart batond",
			 e->interface[0] != 0 ? e->interface : "its device");
	else if (e->state == PORT_NO_LINK && e->interface[0] != 0)
		snprintf(text, size, "no link: set %s and its peer up (ip link)", e->interface);
	else if (e->state == PORT_NO_LINK)
		snprintf(text, size, "no link: look at its cable and at the other end");
	else if (p->lost_pps > 0)
		snprintf(text, size, "loses %s/s, %.2f%%: %s", render_count(a, sizeof(a), p->lost_pps),
			 100 * p->lost_share, core_drop_name(p->worst));
	else
		snprintf(text, size, "up, %s/s in, %s/s out, %" PRIu64 " lost in %.0f s",
			 render_count(a, sizeof(a), p->rx_pps), render_count(b, sizeof(b), p->tx_pps), p->lost, s->counted_s);
}
