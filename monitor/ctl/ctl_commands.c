/* The commands of batonctl, one row each. */
#include <string.h>

#include "ctl.h"
#include "version.h"

const struct ctl_command ctl_commands[] = {
	{ "status", NULL, NULL, "", "is it well? The exit code says so",
	  "Prints the verdict, what is wrong in sentences, and the workers.\n"
	  "Exit code: 0 ok, 1 warn, 2 critical, 3 no daemon reached.",
	  ctl_status },
	{ "worker", "list", NULL, "", "workers, their processes and versions",
	  "One line for each worker, then for each process that is no worker's serving one: standby, retiring, dead.",
	  ctl_worker_list },
	{ "worker", "restart", "NAME|GROUP", "vta", "hot restart or upgrade, under traffic",
	  "Starts a new process beside each worker in turn, moves all its buckets to it, and lets the old one go.\n"
	  "Returns when that is done; prints the buckets moved and the longest gap. If the new version cannot start,\n"
	  "traffic stays with the old one, and the exit code is 1.\n\n"
	  "  batonctl worker restart game                       the file was rebuilt: run it\n"
	  "  batonctl worker restart game --version 1.1.0       the file that says it is 1.1.0\n"
	  "  batonctl worker restart game.0 --version ./game.so a plugin file\n\n"
	  "A version V is, in this order: a name of the group's `versions`, which means its file whatever that says; the\n"
	  "group's `plugin`, the file it runs now, a file of its `versions`, or PLUGIN-V.so beside the group's `plugin`,\n"
	  "if its descriptor says V; any other *.so there that is of the same plugin and says V. If several of those\n"
	  "differ, or none says V, nothing is restarted, and the versions that were found are listed.",
	  ctl_worker_restart },
	{ "worker", "start", "GROUP|GROUP.N", "t", "add a worker to a group, or take a drained one back",
	  "GROUP: starts one worker more, with the lowest free number, and waits until it is ready. GROUP.N: that one,\n"
	  "new or drained. Then the group's buckets are shared evenly among its workers that are not drained, under\n"
	  "traffic, by as few moves as possible. If it cannot start, nothing has changed, and the exit code is 1. Refused\n"
	  "when no worker slot is free. A restart of batond starts what the configuration says: see groups[].count.",
	  ctl_worker_start },
	{ "worker", "stop", "GROUP.N", "t", "drain a worker, then end its process and free its slot",
	  "Its buckets go evenly to the group's other workers first. The last one that owns buckets is refused.",
	  ctl_worker_stop },
	{ "worker", "drain", "GROUP.N", "t", "give a worker's buckets to the others; it stays, idle",
	  "It owns nothing, gives its core away, and is left out of sharing until `batonctl worker start GROUP.N`; a hot\n"
	  "restart or a death does not change that. The last one that owns buckets is refused.",
	  ctl_worker_drain },
	{ "worker", "debug", "GROUP.N", "tbkE", "let a worker stand still under a debugger, under traffic",
	  "Gives all its buckets but the chosen ones to the group's other workers, and leaves it alone from then on: it\n"
	  "is never stalled, restarted, scaled or given other buckets. Prints the gdb command. While it stands still only\n"
	  "players of the chosen buckets wait. Without --bucket and --key it keeps one bucket. Ended by --end, or by the\n"
	  "end of the process: then it takes its share again.\n\n"
	  "  batonctl worker debug game.1 --key 123             debug what happens to player 123\n"
	  "  batonctl worker debug game.1 --end",
	  ctl_worker_debug },
	{ "buckets", "show", "[GROUP]", "", "which worker owns which buckets",
	  "Numbers, ranges, and ranges with a step: 0-1022/2 is every second bucket. Also moves that are under way.",
	  ctl_buckets_show },
	{ "buckets", "find", "[SERVICE] KEY...", "", "which worker has this player: bucket and owner of keys",
	  "One line for each key: its bucket, who owns that, the process. A KEY is what the service is steered by: a\n"
	  "number, decimal or 0x and hexadecimal, if that is bytes of the payload (of game: the player's id; bytes count\n"
	  "as little-endian); the client's ADDRESS:PORT, if it is the flow. SERVICE is a service, or a group that has\n"
	  "only one; where there is one service it may be left out.\n\n"
	  "  batonctl buckets find 123                          which worker has player 123?\n"
	  "  batonctl buckets find game 123 0x7c --json | jq -r '.keys[].worker'\n"
	  "  batonctl buckets find echo 192.0.2.7:40000",
	  ctl_buckets_find },
	{ "buckets", "move", "BUCKETS GROUP.N", "t", "move buckets to a worker of their group, under traffic",
	  "BUCKETS is written as `batonctl buckets show` prints it: 17 or 0-255,300 or 0-1022/2. They stay there until\n"
	  "the next `worker start`, `stop` or `drain` in the group shares its buckets evenly again. Balancing leaves them\n"
	  "alone for groups[].balance.keep_placed, or until `batonctl balance on`.",
	  ctl_buckets_move },
	{ "rollout", "start", "GROUP", "oRat", "roll a version out in steps",
	  "Looks at the candidate's file; refuses it, with the reason, if it may not run, or if too few worker slots are\n"
	  "free. Then takes the steps of the group's rollouts[] entry, or of the default strategy, by itself; returns when it\n"
	  "has begun. Without --to to the version that rollouts[].candidate names. One that is under way refuses it, but for\n"
	  "--replace.\n\n"
	  "  batonctl rollout start game --to 1.1.0 && batonctl rollout status game --watch --timeout 30m",
	  ctl_rollout_start },
	{ "rollout", "status", "[GROUP]", "Wt", "how far it is, what the gates say, and why it is where it is",
	  "With --watch until all are over or wait for an operator, but no longer than --timeout. Exit code: 0 healthy, or it\n"
	  "goes on; 5 still going on after --timeout; 6 degraded: aborted or rolled back; 7 paused until an operator says\n"
	  "`resume`, `promote` or `abort`.",
	  ctl_rollout_status },
	{ "rollout", "pause", "GROUP", "", "hold it where it is; the gates stay armed",
	  "The weight stays. A gate that fails, or a crash, still rolls back.", ctl_rollout_pause },
	{ "rollout", "resume", "GROUP", "", "let it go on", "Ends a pause, an operator's or a step's that waits for one.",
	  ctl_rollout_resume },
	{ "rollout", "promote", "GROUP", "F", "leave this step at once; --full: all of them",
	  "Does not wait for the end of a pause or shadow, nor for a window in which the gates pass. They stay armed: a crash\n"
	  "or a failing gate still rolls back.",
	  ctl_rollout_promote },
	{ "rollout", "abort", "GROUP", "", "give all buckets back to stable, now",
	  "The candidate's processes end. What the configuration asks for stays as it is, so the group is degraded until\n"
	  "`retry`, `undo` or a new start. What the candidate settled stays settled.",
	  ctl_rollout_abort },
	{ "rollout", "retry", "GROUP", "t", "the same candidate again, from the first step",
	  "Also a build that was rolled back and is barred since.", ctl_rollout_retry },
	{ "rollout", "undo", "GROUP", "ot", "back to the version before, at once",
	  "One that is under way is rolled back. After a promotion the version before it takes everything in one step. --to V:\n"
	  "a version of `rollout history`. Its file must be what it was then.",
	  ctl_rollout_undo },
	{ "rollout", "explain", "GROUP", "", "what its steps would mean, before anything moves",
	  "Buckets, players and packets that each step exposes, the fastest promotion, how long a bad gate takes to end it,\n"
	  "windows that are too short to be judged, and the worker slots it takes; with the group's present traffic. Then how\n"
	  "the last rollout ended, and which builds are barred.",
	  ctl_rollout_explain },
	{ "rollout", "history", "GROUP", "", "how the last rollouts ended", "The latest first.", ctl_rollout_history },
	{ "rollout", "diff", "GROUP", "", "what the shadow's candidate did otherwise than production",
	  "How many packets and messages were compared, the fields that differed, and the newest 32 differences: request, both\n"
	  "replies, and what differs in them. Noise is what a fresh stable worker does otherwise than production.",
	  ctl_rollout_diff },
	{ "balance", "status", "[GROUP]", "", "how busy workers are, and what balancing makes of it",
	  "Busy share of each worker over the last interval, its hottest bucket, how uneven that is, what was moved last\n"
	  "and why. Measured only while balancing is on. Every move is in `batonctl audit`, with its numbers.",
	  ctl_balance_status },
	{ "balance", "on", "[GROUP]", "", "move hot buckets from busy workers to idle ones",
	  "Until `balance off`, or a reload that changes groups[].balance.enabled. What was placed by `buckets move` may\n"
	  "be moved again from now on. Without GROUP: all groups. Orders wait for no more than the move under way.",
	  ctl_balance_on },
	{ "balance", "off", "[GROUP]", "", "leave buckets where they are",
	  "Until `balance on`, or a reload that changes groups[].balance.enabled. Without GROUP: all groups.",
	  ctl_balance_off },
	{ "config", "reload", NULL, "wt", "read the configuration again, under traffic",
	  "All of what changed takes effect, or nothing does: mistakes in the file, a key that needs a restart of batond,\n"
	  "or workers that cannot start with it leave everything as it is. With --wait it returns when it is applied;\n"
	  "without, as soon as the file is accepted. Exit code: 0 done, 1 refused, with the reasons as FILE:LINE:COLUMN.",
	  ctl_config_reload },
	{ "config", "diff", NULL, "", "what a reload would change",
	  "Compares what is in force with the file. Exit code: 0 the same, 1 different, or the file has errors.",
	  ctl_config_diff },
	{ "config", "show", NULL, "e", "what is in force, and where each value comes from",
	  "One value a line, followed by where it was written: FILE:LINE:COLUMN, or default.", ctl_config_show },
	{ "config", "explain", "KEY", "L", "what a key means",
	  "Type, unit, range, default, tier, when a change takes effect. KEY is written as groups[].settings,\n"
	  "groups[0].settings, or eal for a whole section. Asks no daemon.",
	  ctl_config_explain },
	{ "plugin", "check", "FILE.so", "LtS", "may workers run it? a report",
	  "Needs no batond, no root and no hugepages. Looks at the file: is it a shared object that workers can load, "
	  "what\n"
	  "does it take from others, are build id and debug info there? Then runs it in a process that is confined as a\n"
	  "worker is: its descriptor, its init without settings, and made-up datagrams and ticks, each run, undone, "
	  "compared\n"
	  "and run again. The plugin's code runs with your rights: check what you would run.\n\n"
	  "Lines are ok, warn (it runs, but should not be as it is) or error (workers refuse it, or it does what a plugin\n"
	  "must not do). Exit code: 0 no error, 1 errors, 2 wrong usage, 4 no such file.",
	  ctl_plugin_check },
	{ "state", "verify", "[FILE]", "LtP", "is what stands in the state file sound?",
	  "Header, control blocks, last ticks, and every record: is its sequence word even, does a probe for its key find\n"
	  "it, is its key there once? Then the group's plugin is asked of each record (baton.h, BATON_VERIFY), in a process\n"
	  "that is confined as a worker is. Only reads. Needs the rights to read the file, as a rule root's.\n\n"
	  "Without FILE the one of the running batond, under traffic: each bucket is looked at in a moment in which nothing\n"
	  "of it changes. FILE, if nobody has it open, is looked at as the next batond would find it, unsettled changes\n"
	  "undone; give --plugin then to have records looked at, too. A start meanwhile waits for the end of it.\n\n"
	  "Prints what is wrong by group, bucket and record. Exit code: 0 nothing, 1 something, 3 no daemon reached, 4 no\n"
	  "such file, 8 not allowed to read it.",
	  ctl_state_verify },
	{ "state", "snapshot", "FILE", "tG", "copy players' records to a file, under traffic",
	  "Bucket by bucket, each as some settled entry left it; nobody is stopped or slowed. FILE must not be there yet; it\n"
	  "is written by batond's user, readable by it alone. What ticks count is no part of it.\n\n"
	  "  batonctl state snapshot /var/lib/baton/before.snap --group game",
	  ctl_state_snapshot },
	{ "state", "restore", "FILE", "tGB", "put chosen buckets back as a snapshot has them, under traffic",
	  "Players of these buckets wait for microseconds, others notice nothing. `batonctl buckets find` says which bucket\n"
	  "a player is in. Refused, before anything is touched, if the file is damaged, of another state file, laid out\n"
	  "otherwise, or of a schema that the worker that has the bucket neither reads nor migrates.\n\n"
	  "  batonctl state restore /var/lib/baton/before.snap --buckets 17,300 --group game",
	  ctl_state_restore },
	{ "stats", NULL, NULL, "np", "counters, rates, drops by reason; Prometheus text",
	  "Prints what baton-top shows, once. Reads the counters themselves: needs no rights with -i.\n\n"
	  "  batonctl -i NAME stats --prom >baton.prom.new && mv baton.prom.new baton.prom\n"
	  "                       for the textfile collector of Prometheus' node exporter",
	  ctl_stats },
	{ "audit", NULL, NULL, "lf", "who ordered what, and how it ended",
	  "One line for each order of the audit log, the latest last: when it ended, whose it was, what was asked, the\n"
	  "result. An order that has begun and not ended is under way, or batond died meanwhile.\n\n"
	  "  batonctl audit --last 50 --json\n"
	  "  batonctl audit --file /var/log/baton/NAME.audit    when batond does not run",
	  ctl_audit },
	{ "crash", "list", NULL, "l", "deaths of workers, the latest first",
	  "One line for each of the last 100 deaths that no order brought about: its number, when, whose, the version,\n"
	  "and what it died of: a fault with the function it was in, a kill from outside, a stall, a failed start.",
	  ctl_crash_list },
	{ "crash", "show", "ID|last", "", "one death: where in the plugin, at which entry, its last log lines",
	  "Prints what is known of it, and the commands that show source lines; those need the very file that ran:\n"
	  "compare the build id. Payload and log lines may hold players' data: only operators are shown them.\n\n"
	  "  batonctl crash show last\n"
	  "  batonctl crash show 12 --json | jq -r .crash.entry.payload",
	  ctl_crash_show },
	{ "quarantine", "list", NULL, "", "packets and messages that killed workers",
	  "One line for each file of the quarantine, the oldest first: a pcapng of the one entry, with a comment that says\n"
	  "which worker and version it ended, and how. Wireshark opens them; docs/operations.md says what to do with one.",
	  ctl_quarantine_list },
	{ "quarantine", "show", "NAME", "", "one of them, with its bytes",
	  "What its comment says, and the payload. For operators: the bytes are a player's.", ctl_quarantine_show },
	{ "quarantine", "replay", "NAME", "vtN", "run it again, in a process without traffic",
	  "Runs the entry in a process of its own, confined as a worker is, with the settings of its group, on a copy of its\n"
	  "bucket's records as it was about to see them, kept with it; another version migrates them first, if it can.\n"
	  "Nothing that serves players is touched. Prints the verdict and the reply, or the signal and where it was. Without\n"
	  "--version by the file that the worker was started from, as that file is now; V may be a name of the group's\n"
	  "`versions`, a version that runs, or a path. The plugin's code runs with your rights, at most for --timeout, and\n"
	  "5 s. Exit code: 0 it was handled, 1 it was not.\n\n"
	  "  batonctl quarantine replay NAME                      does it still kill?\n"
	  "  batonctl quarantine replay NAME --version ./fixed.so",
	  ctl_quarantine_replay },
	{ "ping", NULL, NULL, "", "does it answer?", "Exit code: 0 it answers, 3 no daemon reached.", ctl_ping },
	{ NULL, NULL, NULL, NULL, NULL, NULL, NULL },
};

int ctl_main(int argc, char **argv, FILE *out, FILE *err)
{
	struct ctl_options o;

	if (ctl_parse(&o, argc, argv, err))
		return CTL_USAGE;
	if (o.help) {
		ctl_help(o.command, o.noun, out);
		return CTL_OK;
	}
	if (o.show_version) {
		version_print("batonctl");
		return CTL_OK;
	}
	int rc = strchr(o.command->options, CTL_LOCAL) || o.file ? CTL_OK : ctl_find_socket(&o, err);
	return rc == CTL_OK ? o.command->run(&o, out, err) : rc;
}
