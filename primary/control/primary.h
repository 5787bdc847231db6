/* The primary as its control plane sees it: one struct that everything on the main lcore shares, and the parts that
 * main.c starts in order. Nothing here is touched by an I/O lcore. */
#ifndef BATON_PRIMARY_H
#define BATON_PRIMARY_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config.h"
#include "core_stats.h"
#include "datapath.h"
#include "port.h"
#include "port_link.h"
#include "state.h"

struct audit;
struct command;
struct crash_records;
struct held;
struct primary;
struct reload;
struct rollouts;
struct supervisor;

#define PRIMARY_WATCHES 128u
/* EAL runtime files of all instances live in <this>/dpdk/<file prefix>: RUNTIME_DIRECTORY is set to it. One level, so
 * that the names of EAL's sockets fit into sun_path for the longest instance name. */
#define PRIMARY_EAL_DIR "/run/baton"

/* What a group's plugin says about itself, asked before anything is laid out. */
struct plugin_info {
	char name[BATON_NAME_BYTES];
	char version[BATON_NAME_BYTES];
	char build_id[44];
	uint32_t key; /* enum baton_key */
	uint16_t key_offset, key_length;
	uint32_t record_size;
	uint32_t schema;
	uint32_t max_undo;
	bool shadow; /* declares that it may run as one */
	/* Schemas that it migrates records from; `down`: and back to. */
	struct baton_older older[BATON_OLDER_MOST];
	uint32_t olders;
};

/* Called by the main loop when `fd` is readable or hung up. */
typedef void (*primary_watch_fn)(struct primary *primary, int fd, void *arg);

struct primary_watch {
	int fd; /* -1: free */
	short events;
	primary_watch_fn fn;
	void *arg;
};

/* What memory the configuration needs; batond --plan prints it. Bytes unless said otherwise. */
struct memory_plan {
	uint32_t pool_buffers; /* mbufs per I/O lcore */
	uint32_t buffer_bytes; /* data room of an mbuf, headroom included */
	uint64_t pool_bytes;   /* per I/O lcore */
	uint64_t belt_bytes;   /* all belts */
	uint64_t port_bytes;   /* descriptor rings and the like, estimated */
	uint64_t needed_bytes; /* pools, belts, ports and what EAL itself takes */
	uint64_t eal_bytes;    /* socket memory: all of the above and headroom, or what the configuration says */
	uint64_t state_bytes;  /* state file; 0 until the plugins have been asked */
	uint64_t pages;        /* 2 MiB pages for eal_bytes and state_bytes */
};

/* Who sent a signal; 0 and 0 is the kernel, for a terminal. w: the handler */
struct signal_sender {
	volatile sig_atomic_t uid, pid;
};

struct primary {
	/* options */
	char config_path[2 * BATON_PATH_BYTES];
	struct config config; /* what is in force; changed by reload.c only, and only what no I/O lcore reads */
	struct config_origins origins;

	/* runtime directory: /run/baton/<name> with lock, pid, control socket */
	char run_dir[BATON_PATH_BYTES];
	int lock_fd;
	uint64_t boot_id;      /* random per start, never 0 */
	char file_prefix[80];  /* EAL's: baton-<name>-<boot id>; the zygote attaches with it (and RUNTIME_DIRECTORY) */

	struct plugin_info plugin[BATON_MAX_GROUPS]; /* as config.group */

	/* memory */
	struct memory_plan plan;
	struct state_group state_group[BATON_MAX_GROUPS];
	char state_path[2 * BATON_PATH_BYTES];
	struct state state; /* state.fd: what workers inherit, flock and all */
	struct stats stats;
	int stats_fd;
	bool stats_complained; /* of a door that cannot be made again */

	/* devices and data path */
	struct port port[BATON_MAX_PORTS];
	struct port_link link[BATON_MAX_PORTS]; /* as port[] */
	struct port_counts counts[BATON_MAX_PORTS]; /* as port[]: of the latest look at the device */
	struct datapath_setup setup; /* lcores, pools, belts */
	struct datapath *dp;
	bool running; /* the I/O lcores have been started */
	bool served;  /* they have been, if only for a while */
	/* Buffers of I/O lcore i's pool that drivers will not give back when closed (net_af_xdp leaves what its rings
	 * hold): at least, and at most. */
	uint32_t kept_least[BATON_MAX_IO_LCORES], kept_most[BATON_MAX_IO_LCORES];

	/* processes and operators */
	struct supervisor *supervisor;
	struct command *command;
	struct audit *audit;
	struct crash_records *crash; /* NULL: none are kept */
	struct reload *reload;
	struct held *held; /* as found at the start; NULL: nothing is kept of it, as in tests of other parts */
	struct rollouts *rollouts; /* NULL: none, as in tests of other parts */

	/* main loop */
	struct primary_watch watch[PRIMARY_WATCHES];
	uint32_t operations;          /* orders under way: the loop turns every ms while there are any */
	volatile sig_atomic_t quit;   /* signal number, or -1: an internal reason */
	volatile sig_atomic_t hangup; /* SIGHUP has come: the configuration is to be read again */
	struct signal_sender quit_by, hangup_by;
	bool ready;                   /* the ready line has been printed */
	uint64_t device_look_at_ns;   /* CLOCK_MONOTONIC of the next look at device counters and links */
	int exit_code;
};

/* ---- run.c: the main loop ---- */

/* Calls fn when fd is readable (or hung up). One watch per fd. Returns 0 or -ENOSPC. */
int primary_watch(struct primary *primary, int fd, primary_watch_fn fn, void *arg);
/* The same, also when writable if `writable`; changes a watch that exists. */
int primary_watch_events(struct primary *primary, int fd, bool writable, primary_watch_fn fn, void *arg);
/* Call before close(fd). May be called from a watch function. */
void primary_unwatch(struct primary *primary, int fd);
int run_init(struct primary *primary); /* signals, watches; first of all parts */
/* Turns until quit is set. */
void primary_run(struct primary *primary);
/* turn.c: supervisor_poll(), reload_poll(), command_poll(), in the order that is fair to whoever waits. */
void primary_turn(struct primary *primary);

/* ---- supervisor.c, zygote_client.c ---- */

/* Asks `baton-zygote --describe` about every group's plugin; fills primary->plugin. Before EAL init. 0 or -errno. */
int supervisor_describe_plugins(struct primary *primary);
/* Starts the zygote and waits (at most 5 s) until it is attached and has its spare; the polls start workers. */
int supervisor_init(struct primary *primary);
/* Every turn of the main loop. */
void supervisor_poll(struct primary *primary);
/* Stops and reaps all workers (SIGKILL after a bounded wait), then the zygotes. Called with the I/O lcores running, so
 * that what is settled is still sent; and again later, or after a start that failed: must find nothing to do then. */
void supervisor_fini(struct primary *primary);

/* ---- command.c, status.c ---- */

int command_init(struct primary *primary);
void command_poll(struct primary *primary);
void command_fini(struct primary *primary);

/* ---- audit.c ---- */

int audit_init(struct primary *primary); /* returns 0 whatever happens: no log stops a start */
void audit_fini(struct primary *primary);

/* ---- crash_record.c ---- */

int crash_records_init(struct primary *primary); /* returns 0 whatever happens: no record stops a start */
void crash_records_fini(struct primary *primary); /* writes what is open */

/* ---- reload.c ---- */

int reload_init(struct primary *primary);
/* Every turn: begins what SIGHUP asked for, and carries on what waits for workers. */
void reload_poll(struct primary *primary);
void reload_fini(struct primary *primary);

/* ---- the other parts that main.c starts; each *_init returns 0 or -errno, having logged one line: why ---- */

/* options.c. Returns -1 to go on, else the exit code. */
int options_parse(int argc, char **argv, struct primary *primary);
/* runtime_dir.c */
int runtime_dir_init(struct primary *primary);  /* lock, pid file, removal of what dead runs left */
int runtime_dir_sweep(struct primary *primary); /* once more, when the processes of dead runs have let go */
void runtime_dir_fini(struct primary *primary); /* removes our files */
/* limits.c */
int limits_init(struct primary *primary);
void limits_print(void); /* batond --limits */
/* plan.c */
int plan_init(struct primary *primary);                                    /* after the plugins have been described */
int plan_compute(const struct config *config, struct memory_plan *plan);   /* all but the state file */
/* plan_print.c */
void plan_print(const struct primary *primary, FILE *out);                 /* batond --plan */
/* state_file.c: opens the state file and rolls every slot back (R3), before any worker exists */
int state_file_init(struct primary *primary);
void state_file_fini(struct primary *primary);
/* eal.c */
int eal_check(struct primary *primary); /* what can be known before anything is made: CPUs, devices, mounts */
int eal_init(struct primary *primary);
void eal_fini(struct primary *primary);
/* pool.c: CoreStats, pools, belts */
int pool_init(struct primary *primary);
void pool_fini(struct primary *primary);
/* port.c */
int port_init(struct primary *primary);  /* configures and starts every port */
void port_fini(struct primary *primary);
void port_poll_device_stats(struct primary *primary); /* adds device losses to the main page's drops */
/* traffic.c: the I/O lcores as a part that is started and ended */
int traffic_create(struct primary *primary);
void traffic_destroy(struct primary *primary);
int traffic_start(struct primary *primary);
void traffic_stop(struct primary *primary); /* workers leave, lcores stop; prints ledgers and drops */

#endif
