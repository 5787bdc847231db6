/* JSON: schema 1, snake_case, units in names, null where there is no figure. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "json_rollouts.h"
#include "render.h"

#define SCHEMA    1
#define EXACT_MAX (1ull << 53) /* above, readers that use doubles would round: a string then */

static json_t *count(uint64_t value)
{
	char text[24];

	if (value < EXACT_MAX)
		return json_integer((json_int_t)value);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return json_string(text);
}

static json_t *figure(double value)
{
	return value < 0 ? json_null() : json_real(value);
}

/* Not pinned: no CPU of its own. */
static json_t *cpu(uint32_t number)
{
	return number > INT32_MAX ? json_null() : json_integer(number);
}

/* Names come from configuration and plugins: what is not UTF-8 must not cost the whole object. */
static json_t *name(const char *text)
{
	json_t *value = json_string(text);
	return value != NULL ? value : json_string("?");
}

static json_t *counters(const uint64_t *value)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < COUNTER_COUNT; i++)
		json_object_set_new(o, core_counter_name(i), count(value[i]));
	return o;
}

static json_t *cores(const struct snapshot *s)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < s->cores; i++) {
		const struct snapshot_core *c = &s->core[i];
		json_t *o = json_object();
		json_object_set_new(o, "role", json_string(core_kind_name(c->kind)));
		json_object_set_new(o, "index", json_integer(c->index));
		json_object_set_new(o, "cpu", cpu(c->cpu));
		json_object_set_new(o, "name", name(c->name));
		json_object_set_new(o, "busy_ratio", figure(c->busy));
		json_object_set_new(o, "mean_burst", figure(c->burst));
		json_object_set_new(o, c->kind == CORE_WORKER ? "processed_pps" : "rx_pps", figure(c->rx_pps));
		json_object_set_new(o, "tx_pps", figure(c->tx_pps));
		json_object_set_new(o, "drop_pps", figure(c->drop_pps));
		json_object_set_new(o, "cycles_per_packet", figure(c->cycles));
		json_object_set_new(o, "heartbeat_age_s", figure(c->heartbeat_s));
		json_object_set_new(o, "belt_depth", count(c->belt_depth));
		json_object_set_new(o, "pending", count(c->pending));
		json_object_set_new(o, "unresolved", count(c->unresolved));
		json_object_set_new(o, "tx_backlog", count(c->tx_backlog));
		json_object_set_new(o, "pool_free", count(c->pool_free));
		json_object_set_new(o, "pool_size", count(c->pool_size));
		json_object_set_new(o, "counters", counters(c->counter));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *workers(const struct snapshot *s)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < s->workers; i++) {
		const struct snapshot_worker *w = &s->worker[i];
		json_t *o = json_object();
		json_object_set_new(o, "slot", json_integer(w->slot));
		json_object_set_new(o, "name", name(w->entry.name));
		json_object_set_new(o, "group", name(w->entry.group));
		json_object_set_new(o, "version", name(w->entry.version));
		json_object_set_new(o, "build_id", name(w->entry.build_id));
		json_object_set_new(o, "state", json_string(worker_words(&w->entry)));
		json_object_set_new(o, "incarnation", json_integer(w->entry.incarnation));
		json_object_set_new(o, "pid", json_integer(w->entry.pid));
		json_object_set_new(o, "cpu", cpu(w->entry.cpu));
		json_object_set_new(o, "buckets", json_integer(w->entry.buckets));
		json_object_set_new(o, "restarts", json_integer(w->entry.restarts));
		json_object_set_new(o, "crashes", json_integer(w->entry.crashes));
		json_object_set_new(o, "belt_depth", count(w->belt_depth));
		json_object_set_new(o, "processed_pps", figure(w->pps));
		json_object_set_new(o, "cycles_per_packet", figure(w->cycles));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *drops(const struct snapshot *s)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < DROP_COUNT; i++) {
		json_t *d = json_object();
		json_object_set_new(d, "total", count(s->drop[i].total));
		json_object_set_new(d, "pps", figure(s->drop[i].pps));
		json_object_set_new(d, "help", json_string(core_drop_help(i)));
		json_object_set_new(o, core_drop_name(i), d);
	}
	return o;
}

static json_t *residence(const struct snapshot_residence *r)
{
	json_t *o = json_object();

	json_object_set_new(o, "samples", count(r->count));
	json_object_set_new(o, "p50_ns", r->count != 0 ? count(r->p50) : json_null());
	json_object_set_new(o, "p90_ns", r->count != 0 ? count(r->p90) : json_null());
	json_object_set_new(o, "p99_ns", r->count != 0 ? count(r->p99) : json_null());
	json_object_set_new(o, "p999_ns", r->count != 0 ? count(r->p999) : json_null());
	json_object_set_new(o, "max_ns", r->count != 0 ? count(r->max) : json_null());
	return o;
}

static json_t *versions(const struct snapshot *s)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < s->versions; i++) {
		const struct snapshot_version *v = &s->version[i];
		json_t *o = json_object();
		json_object_set_new(o, "group", name(v->group));
		json_object_set_new(o, "version", name(v->version));
		json_object_set_new(o, "workers", json_integer(v->workers));
		json_object_set_new(o, "buckets", json_integer(v->buckets));
		json_object_set_new(o, "belt_depth", count(v->belt_depth));
		json_object_set_new(o, "processed_pps", figure(v->pps));
		json_object_set_new(o, "cycles_per_packet", figure(v->cycles));
		json_object_set_new(o, "residence", residence(&v->now));
		json_object_set_new(o, "residence_total", residence(&v->total));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *ports(const struct snapshot *s)
{
	json_t *list = json_array();
	char words[120];

	for (uint32_t i = 0; i < s->ports; i++) {
		const struct snapshot_port *p = &s->port[i];
		const struct port_counts *c = &p->entry.now;
		json_t *o = json_object();
		port_words(s, p, words, sizeof(words));
		json_object_set_new(o, "name", name(p->entry.name));
		json_object_set_new(o, "interface", p->entry.interface[0] != 0 ? name(p->entry.interface) : json_null());
		json_object_set_new(o, "state", json_string(port_state_name(p->entry.state)));
		json_object_set_new(o, "health", json_string(verdict_name(p->level)));
		json_object_set_new(o, "text", name(words));
		json_object_set_new(o, "rx_pps", figure(p->rx_pps));
		json_object_set_new(o, "tx_pps", figure(p->tx_pps));
		json_object_set_new(o, "lost_pps", figure(p->lost_pps));
		json_object_set_new(o, "rx_packets", count(c->rx_packets));
		json_object_set_new(o, "tx_packets", count(c->tx_packets));
		json_object_set_new(o, "missed", count(c->missed));
		json_object_set_new(o, "no_buffer", count(c->no_buffer));
		json_object_set_new(o, "rx_errors", count(c->rx_errors));
		json_object_set_new(o, "tx_errors", count(c->tx_errors));
		json_object_set_new(o, "tx_retried", count(c->tx_retried));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *groups(const struct snapshot *s)
{
	json_t *list = json_array();
	char words[160];

	for (uint32_t i = 0; i < s->groups; i++) {
		const struct stats_group *g = &s->group[i];
		json_t *o = json_object();
		group_words(g, words, sizeof(words));
		json_object_set_new(o, "name", name(g->name));
		json_object_set_new(o, "state", json_string(group_state_name(g->state)));
		json_object_set_new(o, "health", json_string(verdict_name(group_level(g))));
		json_object_set_new(o, "text", name(words));
		json_object_set_new(o, "workers", json_integer(g->workers));
		json_object_set_new(o, "serving", json_integer(g->serving));
		json_object_set_new(o, "version", name(g->version));
		json_object_set_new(o, "fell_back_from", g->failed[0] != 0 ? name(g->failed) : json_null());
		json_object_set_new(o, "crashes_in_window", json_integer(g->crashes));
		json_object_set_new(o, "restart_burst", g->burst != 0 ? json_integer(g->burst) : json_null());
		json_object_set_new(o, "failed_starts", json_integer(g->failed_starts));
		json_object_set_new(o, "standbys_ready", json_integer(g->standbys));
		json_object_set_new(o, "standbys_wanted", json_integer(g->standbys_wanted));
		json_object_set_new(o, "parked_buckets", json_integer(g->parked_buckets));
		json_object_set_new(o, "parked_packets", count(g->parked_packets));
		json_object_set_new(o, "parked_oldest_s", json_real((double)g->parked_ns / 1e9));
		json_object_set_new(o, "why", g->why[0] != 0 ? name(g->why) : json_null());
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *zygote(const struct snapshot *s)
{
	json_t *o = json_object();

	json_object_set_new(o, "pid", s->zygote_pid != 0 ? json_integer(s->zygote_pid) : json_null());
	json_object_set_new(o, "spare_pid", s->zygote_spare_pid != 0 ? json_integer(s->zygote_spare_pid) : json_null());
	json_object_set_new(o, "deaths", json_integer(s->zygote_deaths));
	return o;
}

static json_t *build(const struct snapshot *s)
{
	json_t *root = json_object(), *reasons = json_array(), *rates = json_object();
	char boot[24], time[24];

	snprintf(boot, sizeof(boot), "%016llx", (unsigned long long)s->boot_id);
	snprintf(time, sizeof(time), "%llu", (unsigned long long)s->wall_ns);
	json_object_set_new(root, "schema", json_integer(SCHEMA));
	json_object_set_new(root, "host", name(s->host));
	json_object_set_new(root, "instance", name(s->instance));
	json_object_set_new(root, "build", name(s->build));
	json_object_set_new(root, "primary_pid", json_integer(s->primary_pid));
	json_object_set_new(root, "boot_id", json_string(boot));
	json_object_set_new(root, "time_ns", json_string(time));
	json_object_set_new(root, "up_s", json_real(s->up_s));
	json_object_set_new(root, "interval_s", s->interval_s > 0 ? json_real(s->interval_s) : json_null());
	json_object_set_new(root, "stopped", json_boolean(s->gone));
	json_object_set_new(root, "verdict", json_string(verdict_name(s->verdict)));
	for (uint32_t i = 0; i < s->reasons; i++)
		json_array_append_new(reasons, name(s->reason[i]));
	json_object_set_new(root, "reasons", reasons);
	json_object_set_new(root, "cores", cores(s));
	json_object_set_new(root, "workers", workers(s));
	json_object_set_new(root, "versions", versions(s));
	json_object_set_new(root, "ports", ports(s));
	json_object_set_new(root, "groups", groups(s));
	json_object_set_new(root, "rollouts", json_rollouts(s));
	json_object_set_new(root, "zygote", zygote(s));
	json_object_set_new(root, "drops", drops(s));
	json_object_set_new(root, "dropped", count(s->dropped));
	json_object_set_new(root, "drop_pps", figure(s->drop_pps));
	json_object_set_new(root, "drop_ratio", figure(s->drop_share));
	json_object_set_new(root, "drop_ratio_total", figure(s->drop_share_total));
	json_object_set_new(root, "residence", residence(&s->residence));
	json_object_set_new(root, "residence_total", residence(&s->residence_total));
	json_object_set_new(root, "in_belts", count(s->in_belts));
	json_object_set_new(root, "pending", count(s->pending));
	json_object_set_new(root, "unresolved", count(s->unresolved));
	json_object_set_new(root, "tx_backlog", count(s->tx_backlog));
	json_object_set_new(root, "totals", counters(s->total));
	for (uint32_t i = 0; i < COUNTER_COUNT; i++)
		json_object_set_new(rates, core_counter_name(i), figure(s->rate[i]));
	json_object_set_new(root, "rates_per_s", rates);
	return root;
}

int render_json(FILE *out, const struct snapshot *s)
{
	json_t *root = build(s);
	char *text = root != NULL ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;

	json_decref(root);
	if (text == NULL)
		return -ENOMEM;
	fprintf(out, "%s\n", text);
	free(text);
	return 0;
}
