/* The data path as the supervisor's tests see it: the calls of datapath.h over a table of owners, slow by a few polls
 * as the real one is, and strict: what the contract forbids fails the test. Include once per program. */
#ifndef TEST_FAKE_DATAPATH_H
#define TEST_FAKE_DATAPATH_H

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "datapath.h"
#include "fake_zygote.h"
#include "mirror.h"
#include "supervisor.h"

#define FAKE_SERVICES 2u
#define FAKE_BUCKETS  64u
#define FAKE_LATENCY  3u /* calls until an order is carried out */

struct fake_move {
	bool open;
	struct move_order order;
	uint64_t map[BATON_MAX_BUCKETS / 64];
	uint32_t left;
	int id;
	bool to_died;
	/* of a move that is held: */
	bool converting, converted;
	uint32_t convert_slot, convert_schema, convert_left;
	uint32_t leave_left; /* of an order to leave buckets behind */
};

struct fake_slot {
	bool attached, dead, recovered, stopped, held;
	uint32_t acks_left, dead_left;
	uint64_t max_age_ns;
	struct slot_parked parked;
	uint32_t attaches, deaths, stops, looks;
};

static struct fake {
	struct primary *primary;
	struct fake_shared *shared;
	uint8_t owner[FAKE_SERVICES][FAKE_BUCKETS];
	uint32_t load[FAKE_SERVICES][FAKE_BUCKETS];
	struct fake_slot slot[BATON_MAX_WORKERS];
	struct fake_move move[FAKE_SERVICES];
	bool hold_moves;     /* they do not end */
	bool hold_revokes;   /* the old owner does not let go */
	bool hold_undo;      /* the dead are not rolled back */
	bool hold_converts;  /* whoever is to convert does not get to the end */
	uint32_t converts, converted_to, converted_by; /* orders to convert; schema and slot of the last one */
	uint32_t poisoned, leaves; /* 1 + bucket whose conversion kills whoever is at it, 0: none; orders to leave some */
	bool granted;        /* what keeps them from ending is the new owner */
	uint32_t fence;      /* slot to report once */
	struct slot_progress progress[BATON_MAX_WORKERS];
	struct death_blame blame[BATON_MAX_WORKERS]; /* as last told */
	bool has_report; /* the next one of the data path */
	struct death_report report;
	uint32_t parks; /* calls of datapath_slot_park() with an age */
	const uint8_t *kept; /* what datapath_slot_kept() gives */
	int kept_len;
	int64_t imbalance;
	uint64_t look[BATON_MAX_WORKERS];
	uint32_t look_lcore[BATON_MAX_WORKERS];
	struct slot_death death; /* of every slot */
	bool shadow[BATON_MAX_WORKERS];
	struct mirror *mirror; /* that has begun */
	uint32_t joined[SHADOW_SIDES], joins[SHADOW_SIDES];
	bool hold_mirror; /* the I/O lcore does not let go of it */
	uint32_t next_id, moved; /* moved: buckets that changed their owner, ever */
} fake;

#define fake_require(condition) fake_check((condition), #condition, __LINE__)

static inline void fake_check(bool holds, const char *condition, int line)
{
	if (holds)
		return;
	print_error("the data path's contract is broken: %s\n", condition);
	_fail(__FILE__, line);
}

void datapath_poll(struct datapath *dp) { (void)dp; }

void datapath_slot_attach(struct datapath *dp, uint32_t slot, uint32_t group)
{
	struct fake_slot *s = &fake.slot[slot];

	(void)dp;
	(void)group;
	fake_require(datapath_owned(dp, slot) == 0);
	fake_require(!s->attached || (s->dead && s->recovered));
	*s = (struct fake_slot){
		.attached = true, .acks_left = FAKE_LATENCY, .attaches = s->attaches + 1, .deaths = s->deaths,
		.stops = s->stops,
	};
}

void datapath_slot_shadow(struct datapath *dp, uint32_t slot, bool shadow)
{
	(void)dp;
	fake_require(!shadow || datapath_owned(dp, slot) == 0);
	fake.shadow[slot] = shadow;
}

void datapath_mirror_begin(struct datapath *dp, struct mirror *mirror)
{
	(void)dp;
	fake_require(fake.mirror == NULL);
	fake.mirror = mirror;
}

void datapath_mirror_join(struct datapath *dp, struct mirror *mirror, uint32_t side, uint32_t slot)
{
	(void)dp;
	fake_require(fake.mirror == mirror && fake.shadow[slot]);
	fake.joined[side] = slot;
	fake.joins[side]++;
}

void datapath_mirror_end(struct datapath *dp, struct mirror *mirror)
{
	(void)dp;
	fake_require(fake.mirror == mirror);
	fake.mirror = NULL;
	if (!fake.hold_mirror)
		atomic_store(&mirror->released, 1);
}

bool datapath_slot_attached(struct datapath *dp, uint32_t slot)
{
	struct fake_slot *s = &fake.slot[slot];

	(void)dp;
	if (s->attached && s->acks_left)
		s->acks_left--;
	return s->attached && !s->acks_left;
}

int datapath_move(struct datapath *dp, const struct move_order *order)
{
	struct fake_move *move = &fake.move[order->service];
	uint32_t count = 0;

	(void)dp;
	fake_require(order->service < FAKE_SERVICES);
	if (move->open)
		return -EBUSY;
	fake_require(order->to != order->from || order->hold);
	if (!fake.slot[order->to].attached || fake.slot[order->to].acks_left || fake.slot[order->to].dead)
		return -ENOENT;
	if (order->from != SLOT_NONE &&
	    (!fake.slot[order->from].attached ||
	     (fake.slot[order->from].dead && !fake.slot[order->from].recovered)))
		return -ENOENT;
	memset(move->map, 0, sizeof(move->map));
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++) {
		bool wanted = !order->map || (order->map[b / 64] >> (b % 64) & 1);
		if (fake.owner[order->service][b] != order->from || !wanted)
			continue;
		move->map[b / 64] |= 1ull << (b % 64);
		count++;
	}
	if (!count)
		return -EALREADY;
	move->order = *order;
	move->open = true;
	move->to_died = move->converting = move->converted = false;
	move->leave_left = 0;
	move->left = FAKE_LATENCY;
	move->id = (int)++fake.next_id;
	return move->id;
}

static inline struct fake_move *fake_open_move(int id)
{
	for (uint32_t i = 0; i < FAKE_SERVICES; i++)
		if (fake.move[i].open && fake.move[i].id == id)
			return &fake.move[i];
	return NULL;
}

/* A dead owner is replaced by its roll back. */
static inline bool fake_from_ready(const struct fake_move *move)
{
	return move->order.from == SLOT_NONE || !fake.slot[move->order.from].dead ||
	       fake.slot[move->order.from].dead_left == 0;
}

bool datapath_move_held(const struct datapath *dp, int id)
{
	const struct fake_move *move = fake_open_move(id);
	bool dead = move && move->order.from != SLOT_NONE && fake.slot[move->order.from].dead;

	(void)dp;
	return move && move->order.hold && fake_from_ready(move) && (dead || !fake.hold_revokes);
}

bool datapath_slot_undone(struct datapath *dp, uint32_t slot)
{
	(void)dp;
	return fake.slot[slot].dead && fake.slot[slot].dead_left == 0;
}

/* What its worker makes of the buckets' words; of state files that have a group. */
static inline void fake_convert_words(const struct fake_move *move)
{
	const struct state *state = &fake.primary->state;
	const struct state_group *g = &state->header->group[0];

	for (uint32_t b = 0; b < FAKE_BUCKETS && g->words_at != 0; b++)
		if (move->map[b / 64] >> (b % 64) & 1)
			bucket_word_store(&state_words(state, 0)[b],
					  move->convert_schema == g->schema ? 0 : move->convert_schema, 0, 0);
}

static inline bool fake_has_poison(const struct fake_move *move)
{
	uint32_t bucket = fake.poisoned - 1;

	return fake.poisoned != 0 && (move->map[bucket / 64] >> (bucket % 64) & 1) != 0;
}

/* Who dies at it converts nothing any more. */
bool datapath_converted(const struct datapath *dp, int id)
{
	struct fake_move *move = fake_open_move(id);

	(void)dp;
	fake_require(move != NULL);
	if (move->converting && fake.slot[move->convert_slot].dead)
		move->converting = false;
	if (move->converting && !fake.hold_converts && !fake_has_poison(move) && --move->convert_left == 0) {
		fake_convert_words(move);
		move->converting = false;
		move->converted = true;
	}
	return move->converted;
}

void datapath_convert(struct datapath *dp, int id, uint32_t slot, uint32_t schema)
{
	struct fake_move *move = fake_open_move(id);

	fake_require(move != NULL && datapath_move_held(dp, id));
	fake_require(!move->converting || fake.slot[move->convert_slot].dead); /* one at a time, or two would write */
	fake_require(datapath_slot_attached(dp, slot) && !fake.slot[slot].dead && !fake.shadow[slot]);
	move->converting = true;
	move->converted = false;
	move->convert_slot = slot;
	move->convert_schema = schema;
	move->convert_left = FAKE_LATENCY;
	fake.converts++;
	fake.converted_to = schema;
	fake.converted_by = slot;
	if (fake_has_poison(move)) {
		atomic_store(&state_control(&fake.primary->state, slot)->converting, fake.poisoned);
		kill(fake.primary->supervisor->slot[slot].pid, SIGABRT);
	}
}

void datapath_leave(struct datapath *dp, int id, const uint64_t *map)
{
	struct fake_move *move = fake_open_move(id);

	fake_require(move != NULL && datapath_move_held(dp, id) && !move->leave_left);
	fake_require(!move->converting || fake.slot[move->convert_slot].dead);
	fake_require(move->order.from != SLOT_NONE && fake.slot[move->order.from].dead);
	for (uint32_t i = 0; i < FAKE_BUCKETS / 64 + 1; i++)
		move->map[i] &= ~map[i];
	move->leave_left = FAKE_LATENCY;
	fake.leaves++;
}

bool datapath_left(struct datapath *dp, int id)
{
	struct fake_move *move = fake_open_move(id);

	(void)dp;
	if (move != NULL && move->leave_left)
		move->leave_left--;
	return move == NULL || !move->leave_left;
}

void datapath_move_release(struct datapath *dp, int id, bool back)
{
	struct fake_move *move = fake_open_move(id);

	(void)dp;
	if (move == NULL)
		return;
	move->order.hold = false;
	if (back && move->order.from != SLOT_NONE)
		move->order.to = move->order.from;
}

bool datapath_move_granted(struct datapath *dp, int id)
{
	(void)dp;
	(void)id;
	return fake.granted;
}

bool datapath_move_done(struct datapath *dp, int id, struct move_report *report)
{
	(void)dp;
	for (uint32_t i = 0; i < FAKE_SERVICES; i++) {
		struct fake_move *move = &fake.move[i];
		if (!move->open || move->id != id)
			continue;
		/* A dead target ends the move as failed, but nothing does while it is held. */
		move->to_died = fake.slot[move->order.to].dead;
		if (move->order.hold)
			return false;
		if (!move->to_died && (fake.hold_moves || !fake_from_ready(move) || (move->left && --move->left)))
			return false;
		*report = (struct move_report){ .gap_ns = 1500, .parked = 3, .failed = move->to_died };
		for (uint32_t b = 0; b < FAKE_BUCKETS; b++) {
			if (!(move->map[b / 64] >> (b % 64) & 1))
				continue;
			fake.owner[i][b] = (uint8_t)move->order.to;
			fake.moved++;
			report->buckets++;
		}
		move->open = false;
		return true;
	}
	fake_require(!"a move that is not under way was asked for");
	return false;
}

void datapath_slot_ping(struct datapath *dp, uint32_t slot)
{
	struct fake_slot *s = &fake.slot[slot];

	(void)dp;
	fake_require(s->attached && !s->dead);
	s->looks++;
}

void datapath_slot_stop(struct datapath *dp, uint32_t slot)
{
	struct fake_slot *s = &fake.slot[slot];

	fake_require(s->attached && !s->dead);
	fake_require(fake.primary->supervisor->stopping || datapath_owned(dp, slot) == 0);
	s->stopped = true;
	s->stops++;
	atomic_store_explicit(&fake.shared->stop[slot], fake.primary->supervisor->slot[slot].incarnation,
			      memory_order_release);
	syscall(SYS_futex, &fake.shared->stop[slot], FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void datapath_slot_dead(struct datapath *dp, uint32_t slot)
{
	struct fake_slot *s = &fake.slot[slot];
	pid_t pid = fake.primary->supervisor->slot[slot].pid;

	(void)dp;
	fake_require(pid == 0 || (kill(pid, 0) == -1 && errno == ESRCH)); /* reaped: no store of it can come any more */
	if (s->dead)
		return;
	s->dead = true;
	s->recovered = false;
	s->deaths++;
	s->dead_left = FAKE_LATENCY;
}

bool datapath_slot_recovered(struct datapath *dp, uint32_t slot, uint32_t *orphans)
{
	struct fake_slot *s = &fake.slot[slot];

	if (s->dead_left && !fake.hold_undo)
		s->dead_left--;
	if (!s->dead || s->dead_left)
		return false;
	for (uint32_t i = 0; i < FAKE_SERVICES; i++)
		if (fake.move[i].open && (fake.move[i].order.from == slot || fake.move[i].order.to == slot))
			return false;
	s->recovered = true;
	*orphans = datapath_owned(dp, slot);
	return true;
}

/* Nothing is left of a fake worker's entries but what a test says. */
void datapath_slot_look(struct datapath *dp, uint32_t slot, uint32_t lcore, uint64_t position)
{
	(void)dp;
	fake.look[slot] = position;
	fake.look_lcore[slot] = lcore;
}

void datapath_slot_death(const struct datapath *dp, uint32_t slot, struct slot_death *out)
{
	(void)dp;
	fake_require(fake.slot[slot].dead && fake.slot[slot].recovered);
	*out = fake.death;
}

/* What the I/O lcores find is what the test puts there. */
void datapath_slot_blame(struct datapath *dp, uint32_t slot, const struct death_blame *blame)
{
	(void)dp;
	fake_require(!fake.slot[slot].dead || fake.slot[slot].recovered);
	fake.blame[slot] = *blame;
}

bool datapath_slot_judged(struct datapath *dp, uint32_t slot)
{
	(void)dp;
	return fake.slot[slot].dead && fake.slot[slot].dead_left == 0;
}

bool datapath_death_report(struct datapath *dp, struct death_report *out)
{
	(void)dp;
	/* not before every lcore has looked */
	if (!fake.has_report || !datapath_slot_judged(dp, fake.report.slot))
		return false;
	*out = fake.report;
	fake.has_report = false;
	return true;
}

/* No fake worker changes a record. */
int datapath_slot_kept(struct datapath *dp, uint32_t slot, uint32_t bucket, const uint8_t **bytes)
{
	(void)dp;
	(void)slot;
	(void)bucket;
	*bytes = fake.kept;
	return fake.kept_len;
}

void datapath_slot_park(struct datapath *dp, uint32_t slot, uint64_t max_age_ns)
{
	(void)dp;
	fake_require(fake.slot[slot].dead && fake.slot[slot].recovered);
	fake.slot[slot].max_age_ns = max_age_ns;
	fake.parks += max_age_ns != 0;
}

void datapath_slot_held(struct datapath *dp, uint32_t slot)
{
	(void)dp;
	fake_require(fake.slot[slot].dead);
	fake.slot[slot].held = true;
}

void datapath_slot_parked(const struct datapath *dp, uint32_t slot, struct slot_parked *out)
{
	(void)dp;
	*out = fake.slot[slot].parked;
}

void datapath_slot_stages(const struct datapath *dp, uint32_t slot, struct death_stages *out)
{
	(void)dp;
	fake_require(fake.slot[slot].dead);
	*out = (struct death_stages){ .seen_tsc = 1, .taken_tsc = 2, .undone_tsc = 3 };
}

void datapath_load(const struct datapath *dp, uint32_t service, uint32_t *load)
{
	(void)dp;
	memcpy(load, fake.load[service], sizeof(fake.load[service]));
}

uint32_t datapath_owner(const struct datapath *dp, uint32_t service, uint32_t bucket)
{
	(void)dp;
	return fake.owner[service][bucket];
}

bool datapath_moving(const struct datapath *dp, uint32_t service, struct move_order *order)
{
	(void)dp;
	*order = fake.move[service].order;
	order->map = fake.move[service].map;
	return fake.move[service].open;
}

enum fence_why datapath_fence_why(const struct datapath *dp, uint32_t slot)
{
	(void)dp;
	(void)slot;
	return FENCE_VERDICT;
}

uint32_t datapath_slot_to_fence(struct datapath *dp)
{
	uint32_t slot = fake.fence;

	(void)dp;
	fake.fence = SLOT_NONE;
	return slot;
}

/* lcores_tsc 0: the I/O lcores turn all the time. */
void datapath_slot_progress(const struct datapath *dp, uint32_t slot, struct slot_progress *out)
{
	(void)dp;
	*out = fake.progress[slot];
	if (out->lcores_tsc == 0)
		out->lcores_tsc = UINT64_MAX;
}

uint32_t datapath_owned(const struct datapath *dp, uint32_t slot)
{
	uint32_t count = 0;

	(void)dp;
	for (uint32_t i = 0; i < FAKE_SERVICES; i++)
		for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
			count += fake.owner[i][b] == slot;
	return count;
}

void datapath_ledger(const struct datapath *dp, uint32_t lcore, struct ledger *out)
{
	(void)dp;
	(void)lcore;
	*out = (struct ledger){ .received = (uint64_t)(100 + fake.imbalance), .sent = 100 };
}

static void fake_datapath_init(struct primary *primary, struct fake_shared *shared)
{
	memset(&fake, 0, sizeof(fake));
	memset(fake.owner, SLOT_NONE, sizeof(fake.owner));
	fake.primary = primary;
	fake.shared = shared;
	fake.fence = SLOT_NONE;
}

#endif
