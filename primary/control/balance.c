/* The policy of balancing; see balance.h. */
#include "balance.h"

#include <math.h>
#include <string.h>

/* A plan at work. */
struct work {
	const struct balance_rules *rules;
	const struct balance_look *look;
	struct balance_plan *plan;
	uint64_t members; /* bit per worker that is still looked at */
	double load[BATON_MAX_WORKERS];
	double mean; /* of those */
	uint64_t moved[SHARE_WORDS]; /* buckets of the plan: none goes twice */
};

const char *balance_verdict_name(enum balance_verdict verdict)
{
	static const char *const names[BALANCE_VERDICTS] = {
		[BALANCE_ALONE] = "alone", [BALANCE_IDLE] = "idle", [BALANCE_EVEN] = "even", [BALANCE_WAITS] = "waits",
		[BALANCE_MOVES] = "moves", [BALANCE_STUCK] = "stuck",
	};

	return names[verdict];
}

static uint32_t busiest(const struct work *w)
{
	uint32_t most = (uint32_t)__builtin_ctzll(w->members);

	for (uint64_t m = w->members; m != 0; m &= m - 1)
		if (w->load[__builtin_ctzll(m)] > w->load[most])
			most = (uint32_t)__builtin_ctzll(m);
	return most;
}

static uint32_t idlest(const struct work *w)
{
	uint32_t least = (uint32_t)__builtin_ctzll(w->members);

	for (uint64_t m = w->members; m != 0; m &= m - 1)
		if (w->load[__builtin_ctzll(m)] < w->load[least])
			least = (uint32_t)__builtin_ctzll(m);
	return least;
}

static void set_mean(struct work *w)
{
	w->mean = 0;
	for (uint64_t m = w->members; m != 0; m &= m - 1)
		w->mean += w->load[__builtin_ctzll(m)] / __builtin_popcountll(w->members);
}

static uint32_t hottest_of(const struct work *w, uint32_t worker)
{
	const struct balance_look *look = w->look;
	uint32_t hottest = SHARE_NO_BUCKET;

	for (uint32_t b = 0; b < look->buckets; b++)
		if (look->owner[b] == worker && !buckets_has(w->moved, b) &&
		    (hottest == SHARE_NO_BUCKET || look->cost[b] > look->cost[hottest]))
			hottest = b;
	return hottest;
}

/* Whether a bucket may go to a worker that has `gap` less. Beyond the half way that becomes the busier one of the two:
 * only if that is better by more than noise; and a bucket hotter than a whole worker stays, the others leave it. */
static bool fits(const struct work *w, double cost, double gap, bool is_hottest)
{
	double margin = BATON_SABOTAGE(balance_without_hysteresis) ? 0 : w->rules->settle * w->mean;

	return cost <= gap / 2 || (cost < gap - margin && (cost <= w->mean || !is_hottest));
}

static bool may_move(const struct work *w, uint32_t bucket, uint32_t from)
{
	const struct balance_look *look = w->look;

	return look->owner[bucket] == from && look->cost[bucket] > 0 && !buckets_has(w->moved, bucket) &&
	       (look->rests_ns[bucket] <= look->now_ns || BATON_SABOTAGE(balance_without_hysteresis));
}

/* What of `from` goes to one that has `gap` less: what evens the two out best. SHARE_NO_BUCKET: nothing. *sum: the load
 * of all that might go. */
static uint32_t choose(const struct work *w, uint32_t from, double gap, double *sum)
{
	uint32_t best = SHARE_NO_BUCKET, hottest = hottest_of(w, from);
	const double *cost = w->look->cost;

	*sum = 0;
	for (uint32_t b = 0; b < w->look->buckets; b++) {
		if (!may_move(w, b, from) || !fits(w, cost[b], gap, b == hottest))
			continue;
		*sum += cost[b];
		if (best == SHARE_NO_BUCKET || fabs(cost[b] - gap / 2) < fabs(cost[best] - gap / 2))
			best = b;
	}
	return best;
}

/* Its hottest bucket, if nobody has room for that. */
static void note_alone(struct work *w, uint32_t from, double gap)
{
	uint32_t hottest = hottest_of(w, from);

	if (w->plan->alone == SHARE_NO_BUCKET && hottest != SHARE_NO_BUCKET && w->look->cost[hottest] > gap / 2)
		w->plan->alone = hottest;
}

/* Leaves out workers that are busy with what nobody could take from them. Returns the excess over the mean of the
 * busiest of the others, which are left in w->members. */
static double leave_out(struct work *w)
{
	double slack = w->rules->settle / 2;

	while ((w->members & (w->members - 1)) != 0) {
		uint32_t from = busiest(w);
		double gap = w->load[from] - w->load[idlest(w)], sum = 0;

		set_mean(w);
		if (w->mean <= 0)
			return 0;
		if (w->load[from] > w->mean * (1 + slack))
			choose(w, from, gap, &sum);
		if (w->load[from] <= w->mean * (1 + slack) || sum >= slack * w->mean)
			return w->load[from] / w->mean - 1;
		note_alone(w, from, gap);
		w->members &= ~(1ull << from);
	}
	return 0;
}

/* Fills in the plan's moves. Returns what they carry. */
static double gather(struct work *w)
{
	double slack = BATON_SABOTAGE(balance_without_hysteresis) ? 0 : w->rules->settle / 2, carried = 0, sum;
	struct balance_plan *plan = w->plan;

	while (plan->moves < w->rules->moves && plan->moves < BALANCE_MOVES_MOST && (w->members & (w->members - 1)) != 0) {
		uint32_t from = busiest(w), to = idlest(w);

		set_mean(w);
		if (w->load[from] <= w->mean * (1 + slack))
			break;
		uint32_t bucket = choose(w, from, w->load[from] - w->load[to], &sum);
		if (bucket == SHARE_NO_BUCKET) {
			w->members &= ~(1ull << from);
			continue;
		}
		double cost = w->look->cost[bucket];
		plan->move[plan->moves++] =
			(struct balance_move){ .bucket = bucket, .from = (uint8_t)from, .to = (uint8_t)to, .cost = cost };
		buckets_add(w->moved, bucket);
		w->load[from] -= cost;
		w->load[to] += cost;
		carried += cost;
	}
	return carried;
}

/* Above the one threshold for so many looks, and not yet below the other. */
static bool is_uneven(const struct balance_rules *rules, struct balance_state *state, double imbalance)
{
	if (BATON_SABOTAGE(balance_without_hysteresis))
		return imbalance > 0;
	if (!state->balancing) {
		state->above = imbalance > rules->threshold ? state->above + 1 : 0;
		state->balancing = state->above >= rules->looks;
		return state->balancing;
	}
	if (imbalance <= rules->settle)
		*state = (struct balance_state){ .above = 0 };
	return state->balancing;
}

/* Who takes part, and how loaded they are. Returns how busy the busiest one is. */
static double survey(struct work *w, uint8_t role)
{
	const struct balance_look *look = w->look;
	struct balance_plan *plan = w->plan;
	double busy = 0;

	for (uint32_t i = 0; i < look->workers && i < BATON_MAX_WORKERS; i++) {
		const struct balance_worker *worker = &look->worker[i];

		if (!worker->member || (worker->role != role && !BATON_SABOTAGE(balance_ignores_roles)))
			continue;
		w->members |= 1ull << i;
		w->load[i] = worker->load;
		busy = fmax(busy, worker->busy);
	}
	if (w->members == 0)
		return 0;
	set_mean(w);
	plan->busiest = busiest(w);
	plan->idlest = idlest(w);
	plan->most = plan->then = w->load[plan->busiest];
	plan->mean = w->mean;
	return busy;
}

void balance_plan(const struct balance_rules *rules, uint8_t role, struct balance_state *state,
		  const struct balance_look *look, struct balance_plan *plan)
{
	struct work w = { .rules = rules, .look = look, .plan = plan };

	plan->verdict = BALANCE_ALONE;
	plan->busiest = plan->idlest = SHARE_NOBODY;
	plan->most = plan->mean = plan->then = 0;
	plan->alone = SHARE_NO_BUCKET;
	plan->moves = 0;
	double busy = survey(&w, role);
	const uint64_t members = w.members;
	if ((members & (members - 1)) == 0)
		return;
	if (busy < rules->least_busy || plan->mean <= 0) {
		*state = (struct balance_state){ .above = 0 };
		plan->verdict = BALANCE_IDLE;
		return;
	}
	double raw = balance_imbalance(plan), imbalance = raw > rules->settle ? leave_out(&w) : raw;
	if (!is_uneven(rules, state, imbalance)) {
		plan->verdict = state->above > 0 ? BALANCE_WAITS : raw > rules->threshold ? BALANCE_STUCK : BALANCE_EVEN;
		return;
	}
	/* What carries next to nothing is not worth a move, unless more would have followed. */
	double carried = gather(&w);
	if (plan->moves < rules->moves && carried < rules->settle / 2 * plan->mean &&
	    !BATON_SABOTAGE(balance_without_hysteresis))
		plan->moves = 0;
	plan->verdict = plan->moves == 0 ? BALANCE_STUCK : BALANCE_MOVES;
	if (plan->moves == 0)
		*state = (struct balance_state){ .above = 0 };
	w.members = members;
	plan->then = w.load[busiest(&w)];
}
