/* Snapshots taken and put back, step by step. */
#include "state_op.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "process.h"
#include "refuse.h"
#include "reload.h"
#include "reply.h"
#include "schema_check.h"
#include "supervisor.h"

#define SNAPSHOT_MS     600000
#define STEP_WAIT_NS    10000000000ull
#define BUCKETS_A_TURN  64u  /* that one move takes: a gap that players do not see */

bool state_restoring(const struct supervisor *sup, char *why, size_t bytes)
{
	if (sup->state_op.kind != STATE_OP_RESTORE)
		return false;
	snprintf(why, bytes, "`state restore %s` is under way: wait for its end", sup->state_op.path);
	return true;
}

static int begin(struct supervisor *sup, const char *path, char *why, size_t bytes)
{
	if (sup->stopping)
		return refuse(EBUSY, why, bytes, "the primary is stopping");
	if (sup->state_op.kind != STATE_OP_NONE)
		return refuse(EBUSY, why, bytes, "a snapshot is being taken or put back (%s): wait for its end",
			      sup->state_op.path);
	if (path[0] != '/' || strlen(path) >= sizeof(sup->state_op.path))
		return refuse(EINVAL, why, bytes, "give the snapshot's absolute path, of at most %zu characters",
			      sizeof(sup->state_op.path) - 1);
	return 0;
}

static void open_op(struct supervisor *sup, int kind, const char *path, restart_done_fn done, uint64_t token)
{
	struct state_op *op = &sup->state_op;

	*op = (struct state_op){.done = done, .token = token};
	op->kind = kind;
	snprintf(op->path, sizeof(op->path), "%s", path);
	sup->primary->operations++; /* the main loop turns every ms until it is over */
}

/* Takes the reference. */
static void end(struct supervisor *sup, json_t *reply)
{
	struct state_op *op = &sup->state_op;
	restart_done_fn done = op->done;
	uint64_t token = op->token;

	snap_close(&op->snapshot);
	ask_cancel(&op->ask);
	op->kind = STATE_OP_NONE;
	op->done = NULL;
	sup->primary->operations--;
	if (done != NULL)
		done(sup->primary, token, reply);
	else
		json_decref(reply);
}

static void fail(struct supervisor *sup, const char *why)
{
	log_error("%s %s: %s", sup->state_op.kind == STATE_OP_SNAPSHOT ? "state snapshot" : "state restore",
		  sup->state_op.path, why);
	end(sup, reply_error("failed", why));
}

/* ---- snapshot ---- */

int state_snapshot_begin(struct supervisor *sup, const char *path, const char *group, restart_done_fn done, uint64_t token,
			 char *why, size_t bytes)
{
	struct primary *primary = sup->primary;
	char *argv[] = {sup->zygote.path, (char *)(uintptr_t) "--snapshot", primary->state_path, (char *)(uintptr_t)path,
			(char *)(uintptr_t)group, NULL};
	int rc = begin(sup, path, why, bytes);

	if (rc != 0)
		return rc;
	open_op(sup, STATE_OP_SNAPSHOT, path, done, token);
	rc = ask_begin(&sup->state_op.ask, argv, SNAPSHOT_MS);
	if (rc == 0)
		return 0;
	sup->state_op.done = NULL;
	end(sup, NULL);
	return refuse(-rc, why, bytes, "cannot run %s: %s", sup->zygote.path, strerror(-rc));
}

bool state_snapshot_call_off(struct supervisor *sup, const char *path)
{
	struct state_op *op = &sup->state_op;

	if (op->kind != STATE_OP_SNAPSHOT || strcmp(op->path, path) != 0 || op->ask.pid <= 0)
		return false;
	op->called_off = true;
	kill(op->ask.pid, SIGKILL); /* poll_snapshot() reaps it: its last write may take the disk's time */
	return true;
}

static void poll_snapshot(struct supervisor *sup)
{
	struct state_op *op = &sup->state_op;
	int status = 0, rc = ask_poll(&op->ask, &status);

	if (rc == -EAGAIN)
		return;
	if (op->called_off) {
		unlink(op->path);
		log_info("state snapshot %s: called off, and removed", op->path);
		end(sup, reply_error("failed", "called off"));
		return;
	}
	op->ask.complaint[op->ask.complaint_len < sizeof(op->ask.complaint) ? op->ask.complaint_len : 0] = '\0';
	op->ask.complaint[strcspn(op->ask.complaint, "\n")] = '\0';
	if (rc != 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fail(sup, rc == -ETIMEDOUT ? "it was not written within 10 minutes" :
			  op->ask.complaint[0] ? op->ask.complaint : "whoever wrote it died");
		return;
	}
	json_t *reply = reply_ok(), *said = json_loadb(op->ask.text, op->ask.text_len, 0, NULL);
	reply_set_text(reply, "file", op->path);
	json_object_update(reply, said);
	json_decref(said);
	log_info("state snapshot %s: %lld buckets, %lld records", op->path,
		 (long long)json_integer_value(json_object_get(reply, "buckets")),
		 (long long)json_integer_value(json_object_get(reply, "records")));
	end(sup, reply);
}

/* ---- restore ---- */

static bool any(const uint64_t *map)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < SHARE_WORDS; i++)
		all |= map[i];
	return all != 0;
}

static int choose_group(const struct supervisor *sup, const char *name, uint32_t *group, char *why, size_t bytes)
{
	const struct config *config = &sup->primary->config;

	for (uint32_t g = 0; g < config->groups; g++)
		if (name != NULL ? strcmp(name, config->group[g].name) == 0 : config->groups == 1) {
			*group = g;
			return 0;
		}
	return name != NULL ? refuse(ENOENT, why, bytes, "no group '%.64s'", name)
			    : refuse(EINVAL, why, bytes, "there are %u groups: say which with --group", config->groups);
}

/* The snapshot has the bucket, in a schema that whoever owns it takes. */
static int check_bucket(const struct supervisor *sup, const struct state_op *op, uint32_t b, char *why, size_t bytes)
{
	const struct snap_bucket *from = snap_find(&op->snapshot, op->index, b);
	struct plugin_info info = sup->primary->plugin[op->group];
	uint32_t slot = datapath_owner(sup->primary->dp, op->service, b);

	if (from == NULL)
		return refuse(EINVAL, why, bytes, "the snapshot has no bucket %u", b);
	/* Of the dead one that died of them nothing is asked any more: they go to the group's. */
	if (slot != SLOT_NONE && sup->slot[slot].ready.abi != 0 && held_find(sup, op->service, b) == NULL)
		schema_info(&sup->slot[slot].ready, &info);
	if (schema_takes(&info, from->schema))
		return 0;
	return refuse(ENOTSUP, why, bytes, "bucket %u of the snapshot has records of schema %u; version %s, which has it "
		      "now, has schema %u and does not migrate from it", b, from->schema, info.version, info.schema);
}

static int check_buckets(const struct supervisor *sup, const struct state_op *op, char *why, size_t bytes)
{
	int rc = 0;

	for (uint32_t b = 0; b < sup->primary->config.service[op->service].buckets && rc == 0; b++)
		if (buckets_has(op->left, b))
			rc = check_bucket(sup, op, b, why, bytes);
	return rc;
}

int state_restore_begin(struct supervisor *sup, const char *path, const char *buckets, const char *group,
			restart_done_fn done, uint64_t token, char *why, size_t bytes)
{
	static struct state_op op; /* main lcore only */
	uint32_t services;
	int rc = begin(sup, path, why, bytes);

	op = (struct state_op){.deadline_ns = process_now_ns() + STEP_WAIT_NS};
	if (rc == 0 && sup->restart.phase != RESTART_IDLE)
		rc = refuse(EBUSY, why, bytes, "a restart of %s is under way: wait for its end", sup->restart.target);
	if (rc == 0 && scale_busy(sup, why, bytes))
		rc = -EBUSY;
	if (rc == 0)
		rc = choose_group(sup, group, &op.group, why, bytes);
	if (rc != 0)
		return rc;
	services = group_services(sup, op.group);
	op.service = (uint32_t)__builtin_ctz(services);
	if (buckets_parse(buckets, sup->primary->config.service[op.service].buckets, op.left, why, bytes) < 0)
		return -EINVAL;
	rc = snap_open(&op.snapshot, path, why, bytes);
	if (rc != 0)
		return rc;
	rc = snap_fits(&op.snapshot, &sup->primary->state, op.group, why, bytes);
	if (rc == 0) {
		snap_group(&op.snapshot, sup->primary->config.group[op.group].name, &op.index);
		rc = check_buckets(sup, &op, why, bytes);
	}
	if (rc != 0) {
		snap_close(&op.snapshot);
		return rc;
	}
	open_op(sup, STATE_OP_RESTORE, path, done, token);
	op.kind = STATE_OP_RESTORE;
	op.done = done;
	op.token = token;
	memcpy(op.path, sup->state_op.path, sizeof(op.path));
	sup->state_op = op;
	return 0;
}

/* Whose the buckets of the slot are to be afterwards: its own, or, if they are held, a worker's that is up. SLOT_NONE: at
 * present nobody's. */
static uint32_t receiver(const struct supervisor *sup, const struct state_op *op, uint32_t slot)
{
	if (slot_usable(sup, slot))
		return slot;
	for (uint32_t i = 0; i < sup->workers && held_slot(sup, slot); i++) {
		const struct worker *w = &sup->worker[i];

		if (w->group == op->group && w->role == ROLE_STABLE && !w->gone && !w->drained && !w->debugged &&
		    !w->transfer.open && w->slot != SLOT_NONE && slot_usable(sup, w->slot))
			return w->slot;
	}
	return SLOT_NONE;
}

/* Some of the buckets that are left and have one owner are taken from it, and given back when they are written. */
static void begin_move(struct supervisor *sup)
{
	struct state_op *op = &sup->state_op;
	struct primary *primary = sup->primary;
	uint32_t buckets = primary->config.service[op->service].buckets, owner = SLOT_NONE, count = 0;

	memset(op->map, 0, sizeof(op->map));
	for (uint32_t b = 0; b < buckets && count < BUCKETS_A_TURN; b++) {
		uint32_t slot = datapath_owner(primary->dp, op->service, b);

		if (!buckets_has(op->left, b) || slot == SLOT_NONE || receiver(sup, op, slot) == SLOT_NONE)
			continue;
		if (owner == SLOT_NONE)
			owner = slot;
		/* It may have another owner by now, of another version: a rollout's candidate has died. */
		if (!BATON_SABOTAGE(restore_schema_asked_once) &&
		    check_bucket(sup, op, b, op->failure, sizeof(op->failure)) != 0)
			return;
		if (slot == owner) {
			buckets_add(op->map, b);
			count++;
		}
	}
	if (owner == SLOT_NONE)
		return; /* nobody owns one at present: a worker has died; later */
	struct move_order order = {.service = op->service, .from = owner, .to = receiver(sup, op, owner), .map = op->map,
				   .hold = true};
	int rc = datapath_move(primary->dp, &order);
	if (rc > 0) {
		op->move = rc;
		op->written = false;
		op->deadline_ns = process_now_ns() + STEP_WAIT_NS;
	}
}

static void write_buckets(struct supervisor *sup)
{
	struct state_op *op = &sup->state_op;
	const struct state_group *g = &sup->primary->state.header->group[op->group];

	for (uint32_t b = 0; b < g->buckets; b++) {
		const struct snap_bucket *from;

		if (!buckets_has(op->map, b))
			continue;
		from = snap_find(&op->snapshot, op->index, b);
		if (snap_restore(&sup->primary->state, op->group, from) != 0)
			snprintf(op->failure, sizeof(op->failure), "bucket %u differs in more than %u bytes: it is left as it is", b,
				 STATE_RESTORE_BYTES);
		else
			op->restored++;
		BATON_POINT(restore_bucket);
	}
}

static void poll_restore(struct supervisor *sup)
{
	struct state_op *op = &sup->state_op;
	struct move_report report;

	if (op->move == 0) {
		if (!any(op->left) || op->failure[0] != '\0') {
			json_t *reply = op->failure[0] != '\0' ? reply_error("failed", op->failure) : reply_ok();
			reply_set_text(reply, "file", op->path);
			reply_set_text(reply, "group", sup->primary->config.group[op->group].name);
			reply_set_count(reply, "restored", op->restored);
			json_object_set_new(reply, "gap_us", json_real((double)op->gap_ns / 1000));
			log_info("state restore %s: %u buckets of group %s, longest gap %.1f us%s%s", op->path, op->restored,
				 sup->primary->config.group[op->group].name, (double)op->gap_ns / 1000,
				 op->failure[0] ? "; " : "", op->failure);
			end(sup, reply);
			return;
		}
		begin_move(sup);
		if (op->move == 0 && process_now_ns() >= op->deadline_ns)
			fail(sup, "buckets without a worker: see `batonctl status`; those before them are put back");
		return;
	}
	if (!op->written &&
	    (datapath_move_held(sup->primary->dp, op->move) || BATON_SABOTAGE(restore_under_its_owner))) {
		BATON_POINT(restore_held);
		write_buckets(sup);
		op->written = true;
		for (uint32_t i = 0; i < SHARE_WORDS; i++)
			op->left[i] &= ~op->map[i];
		datapath_move_release(sup->primary->dp, op->move, false);
		BATON_POINT(restore_released);
	}
	if (!datapath_move_done(sup->primary->dp, op->move, &report))
		return;
	op->moves++;
	if (report.gap_ns > op->gap_ns)
		op->gap_ns = report.gap_ns;
	op->move = 0;
	op->deadline_ns = process_now_ns() + STEP_WAIT_NS;
}

void state_op_poll(struct supervisor *sup)
{
	if (sup->state_op.kind == STATE_OP_SNAPSHOT)
		poll_snapshot(sup);
	else if (sup->state_op.kind == STATE_OP_RESTORE)
		poll_restore(sup);
}

void state_op_abandon(struct supervisor *sup)
{
	if (sup->state_op.kind == STATE_OP_NONE)
		return;
	if (sup->state_op.move != 0)
		datapath_move_release(sup->primary->dp, sup->state_op.move, false);
	fail(sup, "the primary is stopping");
}
