/* baton-zygote: attaches to the primary's memory once, forks workers for as long as the primary lives. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "attach.h"
#include "plugin.h"
#include "priority.h"
#include "snap.h"
#include "state.h"
#include "look.h"
#include "replay.h"
#include "try.h"
#include "zygote_spawn.h"
#include "version.h"

/* Before the primary's own patience of 5 s is over, so that it is told why. */
#define ATTACH_MS 4500

static struct worker_host host; /* too large for the stack; its copy in every child is private */

static void print_help(void)
{
	puts("usage: baton-zygote --describe FILE.so\n"
	     "       baton-zygote [--seed N] --try FILE.so\n"
	     "       baton-zygote [--setting KEY=VALUE]... --entry ENTRY [--records <RECORDS] --replay FILE.so\n"
	     "       baton-zygote --verify FILE.so <RECORDS\n"
	     "       baton-zygote --parent PID --file-prefix P --huge-dir DIR --io-lcores N --slots N --cpu N\n"
	     "\n"
	     "Started by batond, with its sockets and files: attaches to the primary's memory as a DPDK secondary,\n"
	     "once, and forks the workers that batond asks for. Not to be started by hand, but for:\n"
	     "\n"
	     "  --describe FILE.so    check a plugin and print its descriptor as one line of JSON\n"
	     "  --snapshot STATE_FILE FILE [GROUP]  copy a state file that is in use: batonctl state snapshot\n"
	     "  --try FILE.so         run made-up datagrams and ticks on it, each twice: batonctl plugin check\n"
	     "  --seed N              of what is made up\n"
	     "  --replay FILE.so      run one entry (workers/zygote/replay.h): batonctl quarantine replay\n"
	     "  --verify FILE.so      have its verify look at records: batonctl state verify\n"
	     "  --help                this text\n"
	     "  --version             version, build id, ABI and build type\n"
	     "\n"
	     "Options of batond:\n"
	     "  --parent PID          process id of the primary; the zygote ends with it\n"
	     "  --file-prefix P       EAL's, of this boot of the primary\n"
	     "  --runtime-dir DIR     where EAL keeps its files (default: $RUNTIME_DIRECTORY)\n"
	     "  --huge-dir DIR        hugetlbfs mount of the primary\n"
	     "  --io-lcores N         I/O lcores of the primary\n"
	     "  --slots N             worker slots\n"
	     "  --cpu N               CPU to live on; not one that polls\n"
	     "  --pages               map the belts by a list of their pages, without EAL");
}

static uint32_t number(const char *option, const char *text, uint32_t least, uint32_t most)
{
	char *end;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 || value < least || value > most) {
		fprintf(stderr, "baton-zygote: --%s is '%s': give a number from %u to %u\n", option, text, least, most);
		exit(2);
	}
	return (uint32_t)value;
}

static void use_runtime_dir(const char *dir)
{
	if (setenv("RUNTIME_DIRECTORY", dir, 1) != 0) {
		fprintf(stderr, "baton-zygote: --runtime-dir: %s\n", strerror(errno));
		exit(1);
	}
}

/* What may not be done to a worker's host may not be done here: what works here works there. */
static int confine_asked(void)
{
	int rc = confine_filter_build(&host.filter);

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a plugin that hangs when it is loaded ends with who asked */
	(void)confine_oom_score(); /* batond has protected itself by now, and this is a plugin's code */
	if (rc == 0)
		rc = confine_capabilities();
	if (rc == 0)
		rc = confine_system_calls(&host.filter);
	if (rc != 0)
		fprintf(stderr, "cannot restrict system calls (seccomp): %s\n", strerror(-rc));
	return rc;
}

/* Writable, unlike the rest: what a test arms there for the primary is for us, too. */
static void points_use(const char *path)
{
#ifdef BATON_POINTS
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *header = fd < 0 ? MAP_FAILED : mmap(NULL, BATON_HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (header != MAP_FAILED)
		baton_point_use(header);
	if (fd >= 0)
		close(fd);
#else
	(void)path;
#endif
}

/* Of a state file that is in use: batonctl state snapshot. */
static int snapshot(const char *path, int count, char **argument)
{
	struct snap_report report;
	struct state state;
	char why[512];

	if (count < 1 || count > 2) {
		fprintf(stderr, "--snapshot STATE_FILE FILE [GROUP]\n");
		return 2;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : state_attach(&state, fd, false);
	if (rc != 0) {
		fprintf(stderr, "state file %s: %s\n", path, strerror(-rc));
		return 1;
	}
	points_use(path);
	if (snap_write(&state, argument[0], count == 2 ? argument[1] : NULL, &report, why, sizeof(why)) != 0) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	printf("{\"buckets\":%llu,\"records\":%llu,\"bytes\":%llu,\"tries\":%llu}\n",
	       (unsigned long long)report.buckets, (unsigned long long)report.records,
	       (unsigned long long)report.bytes, (unsigned long long)report.tries);
	return fflush(stdout) == 0 ? 0 : 1;
}

static int describe(const char *path)
{
	return confine_asked() != 0 ? 1 : plugin_describe(path);
}

static int try(const char *path, uint64_t seed)
{
	return confine_asked() != 0 ? 1 : try_plugin(path, seed);
}

static int replay(const char *path, const char *entry, bool records)
{
	if (entry == NULL) {
		fprintf(stderr, "baton-zygote: --replay needs --entry before it\n");
		return 2;
	}
	if (records && !replay_records()) {
		fprintf(stderr, "baton-zygote: standard input is no block of records of this version\n");
		return 2;
	}
	replay_watch(); /* the handlers are installed while that is allowed */
	return confine_asked() != 0 ? 1 : replay_entry(path, entry);
}

static int look(const char *path)
{
	return confine_asked() != 0 ? 1 : look_at_records(path);
}

static void parse(int argc, char **argv, struct attach_options *options)
{
	static const struct option known[] = {
		{"parent", required_argument, NULL, 'p'}, {"file-prefix", required_argument, NULL, 'f'},
		{"runtime-dir", required_argument, NULL, 'r'}, {"huge-dir", required_argument, NULL, 'd'},
		{"io-lcores", required_argument, NULL, 'i'}, {"slots", required_argument, NULL, 's'},
		{"cpu", required_argument, NULL, 'c'}, {"pages", no_argument, NULL, 'P'},
		{"describe", required_argument, NULL, 'D'},
		{"try", required_argument, NULL, 'T'}, {"seed", required_argument, NULL, 'S'},
		{"entry", required_argument, NULL, 'E'}, {"setting", required_argument, NULL, 'G'},
		{"records", no_argument, NULL, 'K'}, {"replay", required_argument, NULL, 'R'},
		{"verify", required_argument, NULL, 'L'},
		{"snapshot", required_argument, NULL, 'N'},
		{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0},
	};
	const char *entry = NULL;
	bool records = false;
	uint32_t seed = 1;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'p': options->parent = (int)number("parent", optarg, 1, 0x7fffffff); break;
		case 'f': options->file_prefix = optarg; break;
		case 'r': use_runtime_dir(optarg); break;
		case 'd': options->huge_dir = optarg; break;
		case 'i': options->io_lcores = number("io-lcores", optarg, 1, BATON_MAX_IO_LCORES); break;
		case 's': options->slots = number("slots", optarg, 1, BATON_MAX_WORKERS); break;
		case 'c': options->cpu = number("cpu", optarg, 0, 65535); break;
		case 'P': options->without_eal = true; break;
		case 'D': exit(describe(optarg));
		case 'S': seed = number("seed", optarg, 0, UINT32_MAX); break;
		case 'T': exit(try(optarg, seed));
		case 'E': entry = optarg; break;
		case 'G': replay_setting(optarg); break;
		case 'K': records = true; break;
		case 'R': exit(replay(optarg, entry, records));
		case 'L': exit(look(optarg));
		case 'N': exit(snapshot(optarg, argc - optind, argv + optind));
		case 'h': print_help(); exit(0);
		case 'V': version_print("baton-zygote"); exit(0);
		default: fprintf(stderr, "baton-zygote: see baton-zygote --help\n"); exit(2);
		}
	}
	if (optind != argc || options->parent == 0 || options->file_prefix == NULL || options->huge_dir == NULL ||
	    options->io_lcores == 0 || options->slots == 0) {
		fprintf(stderr, "baton-zygote: an option is missing; batond starts this program, see --help\n");
		exit(2);
	}
}

/* EAL waits without end for a primary that is gone or hangs, in loops that no signal leaves: so the handler does. */
static void attach_took_too_long(int number_of_signal)
{
	(void)number_of_signal;
	spawn_say(ZYGOTE_FAILED, "the zygote did not attach to the primary's memory within 4.5 s: is the CPU it "
				 "lives on (`main_core`) overloaded? Give it a CPU that no I/O lcore or worker polls on");
	_exit(1);
}

static void watch(int ms)
{
	struct itimerval timer = {.it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000}};

	signal(SIGALRM, ms != 0 ? attach_took_too_long : SIG_DFL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

int main(int argc, char **argv)
{
	struct attach_options options = {.parent = 0};
	char why[ATTACH_WHY_BYTES];

	parse(argc, argv, &options);
	/* Out of the terminal's reach: ^C is for the primary, which then stops its workers in order. A group, not a
	 * session: with autogroups the kernel would schedule a session of its own against whole other sessions, and
	 * has left it runnable for seconds beside an I/O lcore that polls on the same CPU. */
	setpgid(0, 0);
	int rc = confine_die_with(options.parent);
	if (rc != 0) {
		fprintf(stderr, "baton-zygote: not a child of process %d: batond starts this program\n",
			options.parent);
		return 1;
	}
	/* The primary has said so if it is not allowed. What is forked starts without. */
	(void)priority_control_plane();
	watch(ATTACH_MS);
	rc = attach(&host, &options, why, sizeof(why));
	watch(0);
	if (rc != 0) {
		fprintf(stderr, "baton-zygote: %s\n", why);
		spawn_say(ZYGOTE_FAILED, why);
		_exit(1);
	}
	spawn_serve(&host);
}
