/* The configuration as the programs use it: filled by config_load() from YAML, checked, with defaults in place. */
#ifndef BATON_CONFIG_H
#define BATON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "abi.h"
#include "config_rollout.h"

#define CONFIG_ADDRESSES 8u
#define CONFIG_VLANS     16u
#define CONFIG_VERSIONS  8u
#define CONFIG_SETTINGS  32u
#define CONFIG_VALUE_BYTES 128u
#define CONFIG_STANDBY   8u /* of a group */
#define CONFIG_ACCOUNTS  16u
#define CONFIG_ACCOUNT_BYTES 64u

enum config_poll { POLL_ADAPTIVE, POLL_BUSY };
enum config_driver { DRIVER_EAL, DRIVER_GENERATOR };
enum config_key { KEY_PLUGIN /* as the plugin's descriptor says */, KEY_FLOW, KEY_PAYLOAD };

struct config_address {
	uint32_t ip; /* network byte order */
	uint8_t prefix;
};

/* A VLAN of a port: a network of its own, whose frames are tagged. */
struct config_vlan {
	uint32_t id; /* 1 to 4094 */
	struct config_address address[CONFIG_ADDRESSES];
	uint32_t addresses;
	uint32_t gateway; /* 0: none */
};

struct config_port {
	char name[BATON_NAME_BYTES];
	char device[BATON_PATH_BYTES]; /* EAL vdev ("net_tap0,iface=baton0") or PCI address */
	enum config_driver driver;
	struct config_address address[CONFIG_ADDRESSES]; /* of untagged frames, as is the gateway */
	uint32_t addresses;
	uint32_t gateway; /* 0: none */
	struct config_vlan vlan[CONFIG_VLANS];
	uint32_t vlans;
	uint32_t mtu;
	uint32_t rx_descriptors, tx_descriptors;
	bool promiscuous;
	bool checksum_offload; /* use the port's checksum offloads where it has them */
	bool vlan_offload;     /* likewise for taking VLAN tags off and putting them on */
	/* driver: generator */
	uint32_t in_flight;    /* packets under way at most */
	uint64_t rate;         /* packets per second, 0: as fast as they return */
	uint32_t players;
	uint32_t malformed_every; /* one malformed frame in so many, 0: none */
	uint64_t lost_after_ns;   /* a request that is not answered by then is lost */
	uint32_t line; /* where the port stands in the file, for messages */
};

struct config_service {
	char name[BATON_NAME_BYTES];
	uint32_t ip; /* 0: every address of the ports */
	uint16_t udp_port;
	enum config_key key;
	uint32_t buckets;
	char group[BATON_NAME_BYTES];
	uint32_t group_index;
	uint64_t rate_max;     /* packets per second that it is sized for; 0: not said */
};

struct config_setting {
	char key[BATON_NAME_BYTES];
	char value[CONFIG_VALUE_BYTES];
};

struct config_version {
	char name[BATON_NAME_BYTES];
	char plugin[BATON_PATH_BYTES];
};

enum config_measure { MEASURE_COST, MEASURE_PACKETS };

/* Hot buckets from busy workers to idle ones. Shares in percent. */
struct config_balance {
	bool enabled;
	uint32_t measure;     /* enum config_measure */
	uint64_t interval_ns;
	uint32_t threshold;   /* above the mean of the workers: too busy */
	uint32_t settle;      /* even enough; below threshold */
	uint32_t patience;    /* intervals in a row above threshold */
	uint32_t least_busy;  /* of a CPU; 0: however idle they are */
	uint32_t moves;       /* buckets of one interval */
	uint64_t rest_ns;     /* a bucket that was moved stays so long */
	uint64_t keep_placed_ns; /* one that an operator placed; 0: until balancing is switched on anew */
};

struct config_group {
	char name[BATON_NAME_BYTES];
	char plugin[BATON_PATH_BYTES]; /* the version that starts */
	struct config_version version[CONFIG_VERSIONS]; /* others, by name, for worker restart --version */
	uint32_t versions;
	uint32_t count;
	uint32_t standby; /* processes that wait to take a dead worker's place */
	uint32_t cores[BATON_MAX_WORKERS]; /* CPUs, used round robin by the group's workers */
	uint32_t core_count;               /* 0: any CPU the primary may use */
	uint64_t records;                  /* of the whole group */
	uint64_t tick_period_ns;           /* 0: no ticks */
	uint32_t tick_catch_up;            /* missed ticks a bucket makes up for at a time */
	uint64_t stall_timeout_ns; /* nothing settled for so much of a worker's time: it is killed; 0: never */
	uint64_t stall_wall_ns;    /* the same, whoever had the CPU; 0: never */
	uint32_t restart_burst;     /* crashes within restart_window_ns that spend the budget; 0: never spent */
	uint64_t restart_window_ns;
	uint64_t restart_delay_ns;      /* before a second replacement; doubles up to restart_delay_most_ns */
	uint64_t restart_delay_most_ns; /* 0: none */
	uint64_t park_max_age_ns;   /* packets wait so long for a group without workers; 0: for ever */
	uint64_t recovery_ns;       /* from a death until the buckets are served: what pending lists must hold */
	uint64_t good_after_ns;     /* a version that ran so long without a crash is fallen back to */
	struct config_setting setting[CONFIG_SETTINGS];
	uint32_t settings;
	struct config_balance balance;
};

/* A user or group of the machine. */
struct config_account {
	char name[CONFIG_ACCOUNT_BYTES]; /* as it is written; may be the number */
	uint32_t id;
};

/* Who has a role at the control socket. */
struct config_role {
	struct config_account user[CONFIG_ACCOUNTS];
	uint32_t users;
	struct config_account group[CONFIG_ACCOUNTS];
	uint32_t groups;
};

struct config {
	char name[BATON_NAME_BYTES]; /* instance */
	/* eal */
	uint32_t main_core;
	uint32_t io_core[BATON_MAX_IO_LCORES]; /* CPU of each I/O lcore; the same CPU may come more than once */
	uint32_t io_cores;
	uint32_t memory_channels;
	uint64_t socket_memory; /* bytes; 0: computed from ports, belts and pools */
	char huge_dir[BATON_PATH_BYTES];
	char extra_args[BATON_PATH_BYTES]; /* escape hatch, split at blanks */
	enum config_poll poll;
	/* memory */
	uint32_t worker_slots;
	uint32_t pending; /* packets that may wait in pending lists, per I/O lcore; 0: as many as sizing.h says */
	uint32_t buffers; /* mbufs per I/O lcore; 0: computed */
	char state_file[BATON_PATH_BYTES]; /* empty: <huge_dir>/baton.<name>.state */
	/* workers */
	uint64_t start_timeout_ns; /* fork to READY */
	/* control */
	struct config_role operators, viewers;
	char audit_log[BATON_PATH_BYTES]; /* empty: BATON_AUDIT_PATH_FMT */
	char crash_dir[BATON_PATH_BYTES]; /* empty: BATON_CRASH_DIR_FMT */
	/* quarantine */
	uint32_t quarantine_attempts; /* deaths that an entry may cause; 0: no quarantine */
	char quarantine_dir[BATON_PATH_BYTES]; /* empty: BATON_QUARANTINE_FMT */
	uint32_t quarantine_files;    /* kept at most, the latest */
	uint64_t quarantine_bytes;
	/* log */
	uint32_t log_level; /* enum log_level */

	struct config_port port[BATON_MAX_PORTS];
	uint32_t ports;
	struct config_service service[BATON_MAX_SERVICES];
	uint32_t services;
	struct config_group group[BATON_MAX_GROUPS];
	uint32_t groups;
	struct config_rollout rollout[BATON_MAX_GROUPS]; /* of the groups that have one in the file */
	uint32_t rollouts;
};

/* Loads and checks `path`. All errors go to `errors` as `path:line:col: error: ...` (at most 20), one a line.
 * Returns the number of errors (0: *config is complete); a file that cannot be read counts as one. */
int config_load(const char *path, struct config *config, FILE *errors);

/* The same for text in memory; `name` stands where the path would. CPUs need not exist on this machine, as for
 * config_check_file(); a start through config_load() requires them. */
int config_parse(const char *text, size_t bytes, const char *name, struct config *config, FILE *errors);

/* Where the values of a configuration were written. */
struct config_origin {
	uint32_t offset;       /* of the value in struct config; of a list: of what counts its elements */
	bool given;            /* written in the file; else a default, and the place is that of the section that lacks it */
	uint32_t line, column; /* from 1 */
};

struct config_origins {
	char file[2 * BATON_PATH_BYTES];
	struct config_origin *at;
	uint32_t count;
};

/* As config_load(), and says where each value comes from. host: CPUs must exist on this machine. *origins is untouched
 * if there are errors; config_origins_free() gives it back. */
int config_load_traced(const char *path, bool host, struct config *config, struct config_origins *origins,
		       FILE *errors);
/* The same for a program that must not wait, host: true. What is no plain file by now, such as a pipe, is an error. */
int config_load_again(const char *path, struct config *config, struct config_origins *origins, FILE *errors);
void config_origins_free(struct config_origins *origins);

/* What `auto` and the limit of busy polling mean from now on: the CPUs that this thread may run on at this moment. For
 * a program that pins its threads later and loads its configuration again then. */
void config_keep_cpus(void);

/* batond --check: the errors, or one line that the file is fine, to `out`. Needs no root, huge pages or device.
 * Returns the number of errors. */
int config_check_file(const char *path, FILE *out);

/* The table of all keys as Markdown, for docs/configuration.md. */
void config_dump_reference(FILE *out);

/* The same as JSON Schema (draft 2020-12), for editors. What needs more than one value, and the range of what has a
 * unit, only the loader checks. Returns 0 or -ENOMEM. */
int config_dump_schema(FILE *out);

#endif
