/* What every worker needs, turn by turn: a living incarnation that owns its share of the buckets. */
#include "supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "belt_pages.h"
#include "crash_record.h"
#include "gate_collect.h"
#include "held_store.h"
#include "log.h"
#include "plugin_ask.h"
#include "process.h"
#include "rollout.h"

#define DESCRIBE_MS    5000
#define COMPLAIN_NS    30000000000ull /* the same trouble is logged again no sooner */
#define FINI_NS        5000000000ull
#define EPOLL_EVENTS   64

int supervisor_describe_plugins(struct primary *primary)
{
	char zygote[4096], why[1024];

	if (zygote_find(zygote, sizeof(zygote))) {
		log_error("no program baton-zygote beside batond: install it there or set BATON_ZYGOTE to its path");
		return -ENOENT;
	}
	for (uint32_t g = 0; g < primary->config.groups; g++) {
		const struct config_group *group = &primary->config.group[g];
		int rc = plugin_ask(zygote, rollout_plugin(primary, g), DESCRIBE_MS, &primary->plugin[g], why, sizeof(why));
		if (rc) {
			log_error("group '%s': %s", group->name, why);
			return rc;
		}
		log_info("group '%s': plugin %s %s, key %s, records of %u bytes, schema %u", group->name,
			 primary->plugin[g].name, primary->plugin[g].version,
			 primary->plugin[g].key == BATON_KEY_PAYLOAD ? "payload" : "flow",
			 primary->plugin[g].record_size, primary->plugin[g].schema);
	}
	return 0;
}

/* supervisor_poll() does the work in the same turn: the watch only ends the main loop's wait. */
static void on_epoll(struct primary *primary, int fd, void *arg)
{
	(void)primary;
	(void)fd;
	(void)arg;
}

static void name_workers(struct supervisor *sup)
{
	const struct config *config = &sup->primary->config;

	for (uint32_t i = 0; i < BATON_MAX_WORKERS; i++)
		sup->slot[i] = (struct worker_slot){ .socket = -1, .pidfd = -1, .image = -1 };
	for (uint32_t g = 0; g < config->groups; g++) {
		snprintf(sup->group_path[g], sizeof(sup->group_path[g]), "%s", rollout_plugin(sup->primary, g));
		for (uint32_t i = 0; i < config->group[g].count && sup->workers < BATON_MAX_WORKERS; i++) {
			struct worker *w = &sup->worker[sup->workers++];

			w->group = g;
			w->index = i;
			w->sharers = config->group[g].count;
			w->slot = SLOT_NONE;
			snprintf(w->name, sizeof(w->name), "%.28s.%u", config->group[g].name, i % BATON_MAX_WORKERS);
			memcpy(w->path, sup->group_path[g], sizeof(w->path));
		}
	}
}

int supervisor_init(struct primary *primary)
{
	struct supervisor *sup = calloc(1, sizeof(*sup));
	struct zygote_args args = {
		.file_prefix = primary->file_prefix, .runtime_dir = PRIMARY_EAL_DIR, .huge_dir = primary->config.huge_dir,
		.io_lcores = primary->config.io_cores, .slots = primary->config.worker_slots,
		.cpu = primary->config.main_core, .state_fd = primary->state.fd, .stats_fd = primary->stats_fd, .pages_fd = -1,
	};
	char why[1200];
	int rc;

	if (sup == NULL)
		return -ENOMEM;
	sup->gate_book = gate_book_create();
	if (sup->gate_book == NULL) {
		free(sup);
		return -ENOMEM;
	}
	sup->primary = primary;
	sup->slots = primary->config.worker_slots;
	name_workers(sup);
	sup->shadow_fd = shadow_region_create(sup);
	if (sup->shadow_fd < 0) {
		rc = sup->shadow_fd;
		log_error("supervisor: no memory file for shadows: %s", strerror(-rc));
		free(sup);
		return rc;
	}
	args.shadow_fd = sup->shadow_fd;
	sup->epoll = epoll_create1(EPOLL_CLOEXEC);
	rc = sup->epoll < 0 ? -errno : primary_watch(primary, sup->epoll, on_epoll, NULL);
	if (rc) {
		log_error("supervisor: cannot watch processes: %s", strerror(-rc));
		goto fail;
	}
	if (sup->workers >= sup->slots) {
		log_error("supervisor: %u workers need at least %u worker slots, one to start a successor in; there "
			  "are %u: raise worker_slots", sup->workers, sup->workers + 1, sup->slots);
		rc = -EINVAL;
		goto fail;
	}
	args.pages_fd = belt_pages_list(primary);
	if (args.pages_fd < 0)
		log_warn("zygote: no list of the belts' pages: %s; should it and its spare die at once, there is no other",
			 strerror(-args.pages_fd));
	rc = zygote_client_start(&sup->zygote, &args, why, sizeof(why));
	if (rc) {
		log_error("zygote: %s", why);
		goto fail;
	}
	log_info("zygote: pid %d attached, spare pid %d, %s", (int)sup->zygote.current.pid, (int)sup->zygote.spare.pid,
		 sup->zygote.dpdk);
	held_take(sup);
	primary->supervisor = sup;
	return 0;
fail:
	if (args.pages_fd >= 0)
		close(args.pages_fd);
	if (sup->epoll >= 0) {
		primary_unwatch(primary, sup->epoll);
		close(sup->epoll);
	}
	shadow_fini(sup);
	gate_book_destroy(sup->gate_book);
	free(sup);
	return rc;
}

/* ---- workers ---- */

void worker_complain(struct worker *w, const char *words, const char *prefix)
{
	uint64_t now = process_now_ns();
	bool same = strcmp(w->trouble, words) == 0;

	snprintf(w->trouble, sizeof(w->trouble), "%s", words);
	if (same && now - w->complained_ns < COMPLAIN_NS)
		return;
	w->complained_ns = now;
	log_error("%s: %s: %s", w->name, prefix, w->trouble);
}

/* At once after a steady life; else restart_delay after the first failure, doubling. Who cannot start at all waits, too: the
 * main loop's turn of a ms is between two tries. */
void backoff_note(const struct config_group *group, uint64_t *next_start_ns, uint64_t *backoff_ns, uint64_t lived_ns,
		  bool fault)
{
	if (lived_ns >= (fault ? WORKER_STEADY_NS : WORKER_KILLED_NS))
		*backoff_ns = 0;
	*next_start_ns = process_now_ns() + *backoff_ns;
	*backoff_ns = *backoff_ns * 2;
	if (*backoff_ns < group->restart_delay_ns)
		*backoff_ns = group->restart_delay_ns;
	if (*backoff_ns > group->restart_delay_most_ns)
		*backoff_ns = group->restart_delay_most_ns;
}

void worker_lost(struct supervisor *sup, uint32_t worker, uint32_t slot)
{
	struct worker *w = &sup->worker[worker];
	const struct worker_slot *s = &sup->slot[slot];
	bool never_ready = s->ready.abi == 0;
	char words[sizeof(s->words)];

	if (w->slot != slot) /* a predecessor retired, or a restart's candidate: restart.c asks for its words */
		return;
	w->slot = SLOT_NONE;
	memcpy(words, s->words, sizeof(words));
	if (never_ready) {
		w->failed_starts++;
		worker_complain(w, words, "cannot start");
	} else {
		snprintf(w->trouble, sizeof(w->trouble), "died: %.*s", (int)sizeof(w->trouble) - 8, words);
	}
	backoff_note(&sup->primary->config.group[w->group], &w->next_start_ns, &w->backoff_ns,
		     process_now_ns() - s->serves_ns, s->fault || never_ready);
}

/* A recovered dead slot of this worker that still has buckets. */
static uint32_t orphans_of(const struct supervisor *sup, uint32_t worker)
{
	for (uint32_t i = 0; i < sup->slots; i++) {
		const struct worker_slot *s = &sup->slot[i];
		if (s->state == WORKER_DEAD && s->worker == worker && s->recovered && s->orphans > 0 && !held_slot(sup, i))
			return i;
	}
	return SLOT_NONE;
}

bool worker_settled(const struct supervisor *sup, uint32_t worker)
{
	const struct worker *w = &sup->worker[worker];

	if (w->slot == SLOT_NONE || w->transfer.open || !slot_usable(sup, w->slot))
		return false;
	if ((group_services(sup, w->group) & ~w->placed) != 0)
		return false;
	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].state == WORKER_DEAD && sup->slot[i].worker == worker && !sup->slot[i].standby &&
		    !held_slot(sup, i))
			return false;
	return true;
}

static void start_worker(struct supervisor *sup, uint32_t worker)
{
	struct worker *w = &sup->worker[worker];
	char why[sizeof(w->trouble)];
	uint32_t slot;
	int rc = slot_respawn(sup, worker, &slot, why, sizeof(why));

	if (rc == 0) {
		w->slot = slot;
		return;
	}
	if (rc != -EAGAIN)
		w->failed_starts++;
	worker_complain(w, why, "cannot start");
	backoff_note(&sup->primary->config.group[w->group], &w->next_start_ns, &w->backoff_ns, 0, true);
}

static void poll_worker(struct supervisor *sup, uint32_t worker)
{
	struct worker *w = &sup->worker[worker];

	if (w->transfer.open) {
		transfer_poll(sup, worker);
		return;
	}
	/* A standby is not made to wait: it has been started already. */
	if (w->slot == SLOT_NONE && !standby_take(sup, worker)) {
		if (!w->held && !sup->stopping && !sup->budget[w->group].spent && !quarantine_judging(sup, w->group) &&
		    process_now_ns() >= w->next_start_ns)
			start_worker(sup, worker);
		return;
	}
	if (!slot_usable(sup, w->slot))
		return;
	uint32_t orphans = orphans_of(sup, worker), state = sup->slot[w->slot].state;
	if (orphans != SLOT_NONE && w->convert_again_ns != 0 && process_now_ns() < w->convert_again_ns)
		return;
	if (orphans != SLOT_NONE)
		transfer_begin(sup, worker, orphans, w->slot);
	else if ((group_services(sup, w->group) & ~w->placed) != 0 && held_unplaced(sup, w->group))
		return; /* its share may name one of those */
	else if ((group_services(sup, w->group) & ~w->placed) != 0)
		transfer_begin(sup, worker, SLOT_NONE, w->slot);
	else if (!w->held && worker_settled(sup, worker) && state != (w->drained ? WORKER_DRAINED : WORKER_ACTIVE) &&
		 state != WORKER_DRAINING)
		slot_event(sup, w->slot, w->drained ? EVENT_DRAINED : EVENT_MOVE_DONE); /* it owns nothing, as it should */
	else if (w->trouble[0] && worker_settled(sup, worker)) {
		log_info("%s: serves again from slot %u, pid %d", w->name, w->slot, (int)sup->slot[w->slot].pid);
		w->trouble[0] = 0;
	}
}

/* ---- slots ---- */

static void poll_descriptors(struct supervisor *sup, int timeout_ms)
{
	struct epoll_event event[EPOLL_EVENTS];
	int n = epoll_wait(sup->epoll, event, EPOLL_EVENTS, timeout_ms);

	for (int i = 0; i < n; i++) {
		slot_hear(sup, event[i].data.u32); /* its last words before its end */
		slot_check_end(sup, event[i].data.u32);
	}
}

static void poll_slot(struct supervisor *sup, uint32_t slot, uint64_t now)
{
	struct worker_slot *s = &sup->slot[slot];

	if (s->deadline_ns && now >= s->deadline_ns) {
		if (s->state == WORKER_STARTING)
			snprintf(s->words, sizeof(s->words),
				 "not ready within start_timeout (%.3f s): does its init block?",
				 (double)sup->primary->config.start_timeout_ns / 1e9);
		else
			log_warn("%s: pid %d does not leave: killed", sup->worker[s->worker].name, (int)s->pid);
		s->deadline_ns = 0;
		slot_event(sup, slot, EVENT_TIMEOUT);
	}
	if (s->state == WORKER_DEAD && s->judging && datapath_slot_judged(sup->primary->dp, slot))
		quarantine_judge(sup, slot);
	if (s->state == WORKER_DEAD && datapath_slot_recovered(sup->primary->dp, slot, &s->orphans)) {
		if (!s->recovered)
			crash_record_recovered(sup, slot);
		s->recovered = true;
		if (s->orphans == 0)
			slot_event(sup, slot, EVENT_RECOVERED);
	}
}

static void poll_fences(struct supervisor *sup)
{
	uint32_t slot;

	while ((slot = datapath_slot_to_fence(sup->primary->dp)) != SLOT_NONE) {
		slot_breach(sup, slot, datapath_fence_why(sup->primary->dp, slot));
	}
}

/* While anything is under way the main loop turns every ms. */
static void count_operations(struct supervisor *sup)
{
	bool busy = sup->restart.phase != RESTART_IDLE || sup->scale.phase != SCALE_IDLE || sup->unclaimed != 0 ||
		    rollouts_busy(sup->primary);

	for (uint32_t i = 0; i < sup->slots && !busy; i++) {
		uint32_t state = sup->slot[i].state;
		busy = state == WORKER_STARTING || state == WORKER_STOPPING ||
		       (state == WORKER_DEAD && !held_slot(sup, i)) || stall_is_near(&sup->slot[i].stall);
	}
	for (uint32_t i = 0; i < sup->workers && !busy; i++)
		busy = !worker_settled(sup, i) && sup->worker[i].slot != SLOT_NONE;
	if (busy && !sup->busy)
		sup->primary->operations++;
	else if (!busy && sup->busy)
		sup->primary->operations--;
	sup->busy = busy;
}

static void turn(struct supervisor *sup, int timeout_ms)
{
	uint64_t now = process_now_ns();

	poll_descriptors(sup, timeout_ms);
	zygote_client_poll(&sup->zygote);
	poll_fences(sup);
	stalls_poll(sup);
	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].state != WORKER_NONE)
			poll_slot(sup, i, now);
	for (uint32_t i = 0; i < sup->workers; i++)
		poll_worker(sup, i);
	versions_kept_poll(sup);
	standbys_poll(sup);
	quarantine_poll(sup);
	budget_poll(sup);
	groups_poll(sup);
	debug_poll(sup);
	restart_poll(sup);
	rollouts_poll(sup); /* before scale_poll(): where buckets are to go may have changed */
	scale_poll(sup);
	shadow_poll(sup);
	balance_poll(sup);
	state_op_poll(sup);
	held_poll(sup);
	workers_sweep(sup);
	crash_records_poll(sup);
	slots_reap_strays(sup);
}

void supervisor_poll(struct primary *primary)
{
	if (primary->supervisor == NULL)
		return;
	turn(primary->supervisor, 0);
	count_operations(primary->supervisor);
}

/* ---- the end ---- */

static bool any_process(const struct supervisor *sup)
{
	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].state >= WORKER_STARTING && sup->slot[i].state <= WORKER_STOPPING)
			return true;
	return false;
}

/* Dead slots stay as they are: the I/O lcores drop what is left when they stop, and the next primary finds the state
 * file rolled back by us or rolls it back itself. */
void supervisor_fini(struct primary *primary)
{
	struct supervisor *sup = primary->supervisor;

	if (sup == NULL)
		return;
	sup->stopping = true;
	restart_abandon(sup);
	scale_abandon(sup);
	state_op_abandon(sup);
	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].state != WORKER_NONE)
			slot_event(sup, i, EVENT_STOP);
	for (uint32_t g = 0; g < primary->config.groups; g++)
		shadow_end(sup, g);
	uint64_t deadline = process_now_ns() + FINI_NS;
	while (any_process(sup) && process_now_ns() < deadline) {
		datapath_poll(primary->dp);
		turn(sup, 1);
	}
	zygote_client_stop(&sup->zygote);
	uint32_t strays = process_end_children(1000); /* of whom nobody ever heard, or who did not end in time */
	if (strays)
		log_warn("supervisor: %u processes had to be killed at the end", strays);
	if (sup->busy)
		primary->operations--;
	primary_unwatch(primary, sup->epoll);
	close(sup->epoll);
	for (uint32_t i = 0; i < sup->slots; i++) {
		if (sup->slot[i].socket >= 0)
			close(sup->slot[i].socket);
		if (sup->slot[i].pidfd >= 0)
			close(sup->slot[i].pidfd);
		if (sup->slot[i].image >= 0)
			close(sup->slot[i].image);
	}
	if (sup->zygote.args.pages_fd >= 0)
		close(sup->zygote.args.pages_fd);
	budget_fini(sup);
	versions_kept_fini(sup);
	shadow_fini(sup);
	gate_book_destroy(sup->gate_book);
	balance_fini(sup);
	free(sup);
	primary->supervisor = NULL;
}
