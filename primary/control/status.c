/* The verdict: judges look at ports, workers, losses, buffers and lcores, and say what is wrong in sentences. */
#include "status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "audit.h"
#include "command.h"
#include "crash_record.h"
#include "process.h"
#include "reply.h"
#include "rollout.h"
#include "rollout_names.h"
#include "supervisor.h"
#include "version.h"

/* Shares of what arrived in the last seconds. */
#define LOSS_WARN      0.0001
#define LOSS_CRITICAL  0.01
#define LOSS_LEAST     10u /* packets: below, a share says nothing */
#define POOL_WARN      0.10
#define POOL_CRITICAL  0.02
#define SILENT_S       5.0 /* an I/O lcore turns every few ms at least */
#define DRIFT_SAMPLES  5u  /* the same imbalance so often in a row is not a reading between two of its terms */

enum verdict { STATUS_OK, STATUS_WARN, STATUS_CRITICAL };
static const char *const verdict_name[] = { "ok", "warn", "critical" };

/* Drops for want of room, a worker, a buffer or a neighbour. */
static const enum core_drop loss[] = {
	DROP_no_worker, DROP_belt_full, DROP_pending_full, DROP_park_expired, DROP_worker_died, DROP_refused,
	DROP_bad_verdict, DROP_no_buffer, DROP_no_route, DROP_no_neighbour,
	DROP_tx_full, DROP_device_missed, DROP_device_nombuf, DROP_device_rx_errors, DROP_device_tx_errors,
};

struct judge {
	json_t *sentences;
	enum verdict verdict;
};

static void say(struct judge *j, enum verdict verdict, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void say(struct judge *j, enum verdict verdict, const char *format, ...)
{
	json_t *sentence = json_object();
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	reply_set_text(sentence, "level", verdict_name[verdict]);
	reply_set_text(sentence, "text", text);
	json_array_append_new(j->sentences, sentence);
	if (verdict > j->verdict)
		j->verdict = verdict;
}

/* ---- samples ---- */

static uint64_t drops(const struct primary *primary, uint32_t reason)
{
	uint64_t sum = stats_main(&primary->stats)->drop[reason];

	for (uint32_t i = 0; i < primary->config.io_cores; i++)
		sum += stats_io(&primary->stats, i)->drop[reason];
	return sum;
}

static struct status_sample *sample_at(struct status_history *history, uint64_t number)
{
	return &history->sample[number % STATUS_SAMPLES];
}

void status_poll(struct primary *primary, struct status_history *history)
{
	uint64_t now = process_now_ns();

	if (history->count && now - sample_at(history, history->count - 1)->at_ns < STATUS_SAMPLE_NS)
		return;
	struct status_sample *s = sample_at(history, history->count);
	*s = (struct status_sample){ .at_ns = now };
	for (uint32_t i = 0; i < sizeof(loss) / sizeof(loss[0]); i++)
		s->lost += drops(primary, loss[i]);
	for (uint32_t i = 0; i < primary->config.io_cores; i++) {
		struct ledger ledger;

		s->received += stats_io(&primary->stats, i)->rx_packets;
		datapath_ledger(primary->dp, i, &ledger);
		s->balance[i] = ledger_balance(&ledger);
	}
	s->received += drops(primary, DROP_device_missed) + drops(primary, DROP_device_nombuf);
	history->count++;
}

/* ---- judges ---- */

static void judge_worker(struct judge *j, const struct primary *primary, uint32_t worker)
{
	const struct supervisor *sup = primary->supervisor;
	const struct worker *w = &sup->worker[worker];

	if (w->debugged && w->slot != SLOT_NONE)
		say(j, STATUS_WARN, "worker %s, pid %d, is being debugged and keeps %u bucket%s; `batonctl worker debug %s "
		    "--end` ends that", w->name, (int)sup->slot[w->slot].pid, datapath_owned(primary->dp, w->slot),
		    datapath_owned(primary->dp, w->slot) == 1 ? "" : "s", w->name);
	if (worker_settled(sup, worker) || w->gone)
		return;
	if (w->role != ROLE_STABLE && (w->slot == SLOT_NONE || datapath_owned(primary->dp, w->slot) == 0))
		return; /* a rollout brings or ends it: its players are with stable, and the rollout says how it fares */
	if (w->drained) { /* nobody's packets wait for it */
		if (w->trouble[0])
			say(j, STATUS_WARN, "worker %s, which is drained, is down: %s", w->name, w->trouble);
		return;
	}
	if (sup->scale.phase != SCALE_IDLE && sup->scale.worker == worker && sup->scale.added &&
	    sup->scale.phase < SCALE_SHARE)
		return; /* it is being added: it owns nothing yet */
	bool serves = w->slot != SLOT_NONE && slot_usable(sup, w->slot) && datapath_owned(primary->dp, w->slot) > 0;
	if (w->held && serves)
		return; /* a restart moves its buckets: nobody is without a worker */
	if (w->failed_starts && w->slot == SLOT_NONE)
		say(j, STATUS_CRITICAL, "worker %s is down, its packets wait and then drop: %s (%u starts failed)",
		    w->name, w->trouble, w->failed_starts);
	else if (w->failed_starts && !serves)
		say(j, STATUS_CRITICAL, "worker %s is down, another start is under way: %s (%u starts failed)", w->name,
		    w->trouble, w->failed_starts);
	else if (w->trouble[0] && !serves)
		say(j, STATUS_CRITICAL, "worker %s is being replaced: %s", w->name, w->trouble);
	else if (!serves)
		say(j, primary->ready ? STATUS_CRITICAL : STATUS_WARN, "worker %s is starting", w->name);
}

/* ", 120 packets parked, the oldest for 1.3 s"; empty: none are. */
static const char *parked_words(const struct stats_group *group, char *words, size_t bytes)
{
	words[0] = '\0';
	if (group->parked_packets > 0)
		snprintf(words, bytes, ", %" PRIu64 " packets parked, the oldest for %.1f s", group->parked_packets,
			 (double)group->parked_ns / 1e9);
	return words;
}

static void judge_group(struct judge *j, const struct primary *primary, uint32_t group)
{
	const struct budget *budget = &primary->supervisor->budget[group];
	const char *name = primary->config.group[group].name;
	struct stats_group look;
	char parked[96], held[700];

	group_look(primary->supervisor, group, &look);
	parked_words(&look, parked, sizeof(parked));
	if (held_words(primary->supervisor, group, held, sizeof(held)))
		say(j, STATUS_WARN, "%s", held);
	if (look.state == GROUP_SPENT)
		say(j, STATUS_CRITICAL, "group %s: restarts spent, %u buckets parked; `batonctl worker restart %s` tries "
		    "again%s", name, look.parked_buckets, name, parked);
	else if (look.state == GROUP_DOWN)
		say(j, STATUS_CRITICAL, "group %s: none of its %u workers can be started%s", name, look.workers, parked);
	else if (look.state == GROUP_PART && parked[0])
		say(j, STATUS_CRITICAL, "group %s: %u of %u workers serve%s", name, look.serving, look.workers, parked);
	else if (look.state == GROUP_FELL_BACK)
		say(j, STATUS_WARN, "group %s: version %s crashed too often, %s runs instead; `batonctl worker restart %s "
		    "--version VERSION` ends that", name, budget->failed, look.version, name);
}

static void judge_version_file(struct judge *j, const struct primary *primary, uint32_t group)
{
	char words[2 * BATON_PATH_BYTES];

	if (version_kept_words(primary->supervisor, group, words, sizeof(words)))
		say(j, STATUS_WARN, "%s", words);
}

/* Told for so long: it is in the files anyway. */
#define QUARANTINE_TOLD_NS 3600000000000ull

static void judge_quarantine(struct judge *j, const struct quarantine *q)
{
	if (q->left == 0 || process_now_ns() - q->last_ns > QUARANTINE_TOLD_NS)
		return;
	say(j, STATUS_WARN, "%" PRIu64 " entries that killed workers again and again have been dropped%s; see `batonctl "
	    "quarantine list`", q->left, q->failing ? ", the latest is in no file: the log says why" : "");
}

/* A rollout that went back, or is about to: as it has been published, in the words of baton-top. */
static void judge_rollout(struct judge *j, const struct primary *primary, uint32_t group)
{
	struct stats_rollout r;
	char barred[480];

	if (rollout_barred_runs(primary, group, barred, sizeof(barred)))
		say(j, STATUS_WARN, "%s", barred);
	if (stats_rollout_read(&primary->stats, group, &r) != 0)
		return;
	if (r.state == ROLLOUT_DEGRADED)
		say(j, STATUS_WARN, "rollout of %s is degraded, stable serves: %s; `batonctl rollout status %s` has the gates, "
		    "`retry` or `undo` ends this", r.group, r.why[0] ? r.why : "no reason is known", r.group);
	for (uint32_t gate = 0; gate < GATE_COUNT; gate++)
		if ((r.state == ROLLOUT_PROGRESSING || r.state == ROLLOUT_PAUSED) && r.gate[gate].verdict == STATS_GATE_FAIL)
			say(j, STATUS_WARN, "rollout of %s at %u.%u %%: gate %s failed in %u of %u windows, %u end it", r.group,
			    r.weight / 10, r.weight % 10, rollout_gate_name(gate), r.gate[gate].failures, r.of,
			    r.failure_limit);
}

/* Only once the group serves: before that it has other troubles, which are said. */
static void judge_standbys(struct judge *j, const struct primary *primary, uint32_t group)
{
	const struct supervisor *sup = primary->supervisor;
	uint32_t wanted = primary->config.group[group].standby, ready = standbys_ready(sup, group);
	const char *trouble = sup->standbys[group].trouble;

	if (!primary->ready || ready >= wanted || sup->budget[group].spent)
		return;
	say(j, STATUS_WARN, "group %s: %s of %u is ready, another is on its way%s%s: until then a worker that dies is "
	    "replaced by a new process, which takes some ms longer", primary->config.group[group].name,
	    ready == 0 ? "no standby" : "not every standby", wanted, trouble[0] ? "; the last one: " : "", trouble);
}

/* What is to be found later and is not being written. */
static void judge_files(struct judge *j, const struct primary *primary)
{
	if (primary->audit && primary->audit->complained)
		say(j, STATUS_WARN, "the latest line of the audit log could not be written to %s: orders are carried out "
		    "and not recorded; make room, or the directory", primary->audit->path);
	if (primary->crash && primary->crash->complained)
		say(j, STATUS_WARN, "the latest crash record could not be written: how workers die is lost; make room in "
		    "control.crash_dir, or make the directory");
}

static void judge_workers(struct judge *j, const struct primary *primary)
{
	const struct supervisor *sup = primary->supervisor;

	if (!sup) {
		say(j, STATUS_CRITICAL, "the primary is stopping");
		return;
	}
	for (uint32_t g = 0; g < primary->config.groups; g++) {
		judge_group(j, primary, g);
		judge_standbys(j, primary, g);
		judge_version_file(j, primary, g);
		judge_rollout(j, primary, g);
	}
	judge_quarantine(j, &sup->quarantine);
	for (uint32_t i = 0; i < sup->workers; i++)
		judge_worker(j, primary, i);
	if (sup->zygote.current.fd < 0)
		say(j, STATUS_CRITICAL,
		    "the zygote and its spare are gone: no worker can be started until there is a new one");
	else if (!sup->zygote.current.ready)
		say(j, STATUS_WARN, "a new zygote, pid %d, is starting: no worker can be started until it is ready",
		    (int)sup->zygote.current.pid);
	else if (sup->zygote.spare.fd < 0 || !sup->zygote.spare.ready)
		say(j, STATUS_WARN,
		    "the zygote, pid %d, has no spare: should it die now, no worker can be started until there is a new one",
		    (int)sup->zygote.current.pid);
	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].state == WORKER_STOPPING && sup->slot[i].kill_wanted &&
		    process_now_ns() - sup->slot[i].spawned_ns > 10000000000ull)
			say(j, STATUS_WARN, "slot %u: pid %d has been killed but does not end", i,
			    (int)sup->slot[i].pid);
}

/* A port without a link is a warning as long as another one serves: a cable that is pulled comes back by itself. */
static void judge_ports(struct judge *j, const struct primary *primary)
{
	uint32_t up = 0;
	char words[256];

	for (uint32_t i = 0; i < primary->config.ports; i++)
		up += primary->link[i].state == PORT_UP;
	for (uint32_t i = 0; i < primary->config.ports; i++)
		if (primary->link[i].state != PORT_UP)
			say(j, up > 0 && primary->link[i].state == PORT_NO_LINK ? STATUS_WARN : STATUS_CRITICAL, "%s",
			    port_link_words(primary, i, words, sizeof(words)));
}

static void judge_losses(struct judge *j, struct primary *primary, struct status_history *history)
{
	uint32_t back = history->count < STATUS_SAMPLES ? (uint32_t)history->count : STATUS_SAMPLES;
	enum core_drop worst = loss[0];
	uint64_t most = 0;

	if (back < 2)
		return;
	const struct status_sample *then = sample_at(history, history->count - back);
	const struct status_sample *now = sample_at(history, history->count - 1);
	uint64_t lost = now->lost - then->lost, received = now->received - then->received;
	if (lost < LOSS_LEAST || (double)lost < LOSS_WARN * (double)received)
		return;
	for (uint32_t i = 0; i < sizeof(loss) / sizeof(loss[0]); i++) {
		uint64_t n = drops(primary, loss[i]);
		if (n > most) {
			most = n;
			worst = loss[i];
		}
	}
	bool critical = (double)lost >= LOSS_CRITICAL * (double)received;
	say(j, critical ? STATUS_CRITICAL : STATUS_WARN,
	    "%" PRIu64 " of %" PRIu64 " packets of the last %.0f s were lost, mostly ever: %s (%s)", lost, received,
	    (double)(now->at_ns - then->at_ns) / 1e9, core_drop_name(worst), core_drop_help(worst));
}

static void judge_ledger(struct judge *j, struct primary *primary, struct status_history *history, uint32_t lcore)
{
	if (history->count < DRIFT_SAMPLES)
		return;
	int64_t balance = sample_at(history, history->count - 1)->balance[lcore];
	for (uint32_t i = 2; i <= DRIFT_SAMPLES; i++)
		if (sample_at(history, history->count - i)->balance[lcore] != balance)
			return;
	if (balance != 0)
		say(j, STATUS_CRITICAL,
		    "the ledger of io.%u is off by %" PRId64 " buffers: report this as a bug of Baton, with the output "
		    "of `batonctl --json status`; instance %s",
		    lcore, balance, primary->config.name);
}

static void judge_lcores(struct judge *j, struct primary *primary, struct status_history *history)
{
	double hz = (double)primary->stats.header->tsc_hz;

	for (uint32_t i = 0; i < primary->config.io_cores; i++) {
		const struct CoreStats *page = stats_io(&primary->stats, i);
		double free_share = page->pool_size ? (double)page->pool_free / (double)page->pool_size : 1;
		double silent = page->heartbeat && hz > 0 ? (double)(int64_t)(__rdtsc() - page->heartbeat) / hz : 0;

		if (free_share < POOL_WARN)
			say(j, free_share < POOL_CRITICAL ? STATUS_CRITICAL : STATUS_WARN,
			    "io.%u has %.1f %% of its buffers left (%" PRIu64 " of %" PRIu64 "): raise buffers", i,
			    100 * free_share, page->pool_free, page->pool_size);
		if (silent > SILENT_S)
			say(j, STATUS_CRITICAL, "io.%u has not turned for %.1f s", i, silent);
		judge_ledger(j, primary, history, i);
	}
}

/* ---- the reply ---- */

json_t *status_build(struct primary *primary)
{
	struct status_history *history = &primary->command->history;
	struct judge j = { .sentences = json_array() };
	json_t *reply = reply_ok();

	judge_ports(&j, primary);
	judge_workers(&j, primary);
	judge_files(&j, primary);
	judge_losses(&j, primary, history);
	judge_lcores(&j, primary, history);
	reply_set_text(reply, "verdict", verdict_name[j.verdict]);
	json_object_set_new(reply, "sentences", j.sentences);
	reply_set_text(reply, "instance", primary->config.name);
	reply_set_text(reply, "version", BATON_VERSION);
	reply_set_text(reply, "build_type", version_build_type());
	reply_set_text(reply, "build_id", version_build_id());
	reply_set_count(reply, "pid", (uint64_t)getpid());
	json_object_set_new(reply, "ready", json_boolean(primary->ready));
	if (primary->supervisor)
		status_add_supervisor(reply, primary->supervisor);
	json_object_set_new(reply, "ports", status_ports(primary));
	json_object_set_new(reply, "workers", status_workers(primary));
	status_add_books(reply, primary);
	return reply;
}
