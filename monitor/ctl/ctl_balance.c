/* batonctl balance status|on|off. */
#include <string.h>

#include "ctl_reply.h"

/* What a verdict means, for whoever reads it for the first time. */
static const char *verdict_text(const char *verdict)
{
	static const struct { const char *verdict, *text; } known[] = {
		{ "alone", "one worker: nothing to even out" },
		{ "idle", "nobody is busy enough (least_busy)" },
		{ "even", "even" },
		{ "waits", "uneven, not yet for long enough (patience)" },
		{ "moves", "uneven: buckets move" },
		{ "stuck", "uneven, and no bucket that may move would help" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(verdict, known[i].verdict) == 0)
			return known[i].text;
	return verdict;
}

static void print_worker(FILE *out, const json_t *worker, bool packets)
{
	const json_t *hottest = json_object_get(worker, "hottest");
	double load = real_of(worker, "load");

	fprintf(out, "    %-16s busy %5.1f %%  %6lld buckets", text_of(worker, "name"), real_of(worker, "busy") * 100,
		number_of(worker, "buckets"));
	if (packets)
		fprintf(out, "  %9.0f packets/s", load);
	if (json_is_object(hottest) && load > 0)
		fprintf(out, "  hottest: bucket %lld, %.1f %% of it", number_of(hottest, "bucket"),
			real_of(hottest, "load") / load * 100);
	fputs(json_is_true(json_object_get(worker, "takes_part")) ? "\n" : "  (left alone)\n", out);
}

static void print_group(FILE *out, const json_t *group)
{
	const json_t *rules = json_object_get(group, "rules"), *role, *worker;
	bool packets = strcmp(text_of(rules, "measure"), "packets") == 0;
	size_t i, k;

	fprintf(out, "%s: balancing is %s, as %s; %lld buckets moved in %lld moves\n", text_of(group, "group"),
		json_is_true(json_object_get(group, "on")) ? "on" : "off",
		strcmp(text_of(group, "by"), "order") == 0 ? "ordered" : "configured", number_of(group, "moved"),
		number_of(group, "moves"));
	if (text_of(group, "held")[0])
		fprintf(out, "  nothing is decided now: %s\n", text_of(group, "held"));
	json_array_foreach(json_object_get(group, "roles"), i, role) {
		fprintf(out, "  %s, %.1f s ago: %s", text_of(role, "role"), real_of(group, "looked_s_ago"),
			verdict_text(text_of(role, "verdict")));
		fprintf(out, "; the busiest has %.0f %% more than the mean (threshold %lld %%)\n",
			real_of(role, "imbalance") * 100, number_of(rules, "threshold_percent"));
		if (json_is_integer(json_object_get(role, "too_hot")))
			fprintf(out, "  bucket %lld alone is too hot for any other worker\n", number_of(role, "too_hot"));
		json_array_foreach(json_object_get(role, "workers"), k, worker)
			print_worker(out, worker, packets);
	}
	if (number_of(group, "placed_buckets"))
		fprintf(out, "  %lld buckets stay where `batonctl buckets move` placed them: %.200s\n",
			number_of(group, "placed_buckets"), text_of(group, "placed"));
	if (text_of(group, "last")[0])
		fprintf(out, "  latest move, %.0f s ago: %s\n", real_of(group, "last_s_ago"), text_of(group, "last"));
}

static void print_groups(FILE *out, const json_t *reply)
{
	ctl_print_each(out, reply, "groups", print_group);
}

static int order(const struct ctl_options *o, const char *command, FILE *out, FILE *err)
{
	return ctl_order(o, command, ctl_group_args(o), CTL_ANSWER_MS, print_groups, out, err);
}

int ctl_balance_status(const struct ctl_options *o, FILE *out, FILE *err)
{
	return order(o, "balance.status", out, err);
}

int ctl_balance_on(const struct ctl_options *o, FILE *out, FILE *err)
{
	return order(o, "balance.on", out, err);
}

int ctl_balance_off(const struct ctl_options *o, FILE *out, FILE *err)
{
	return order(o, "balance.off", out, err);
}
