/* The table of configuration keys and the look-ups in it. */
#include "schema.h"

#include <assert.h>
#include <string.h>

#include "config.h"
#include "log.h"

#define KIB 1024ull
#define MIB (1024ull * KIB)
#define GIB (1024ull * MIB)
#define MS  1000000ull
#define SEC (1000ull * MS)

#define FIELD(s, m) .offset = offsetof(struct s, m), .width = sizeof(((struct s *)0)->m)
#define ARRAY(s, m, n) \
	.offset = offsetof(struct s, m), .width = sizeof(((struct s *)0)->m[0]), .count_offset = offsetof(struct s, n)

static const char *const poll_words[] = { "adaptive", "busy", NULL };
static const char *const driver_words[] = { "eal", "generator", NULL };
static const char *const key_words[] = { "plugin", "flow", "payload", NULL };
static const char *const measure_words[] = { "cost", "packets", NULL };
static const char *const level_words[] = { "error", "warn", "info", "debug", NULL };

static_assert(POLL_ADAPTIVE == 0 && POLL_BUSY == 1, "poll_words follow enum config_poll");
static_assert(DRIVER_EAL == 0 && DRIVER_GENERATOR == 1, "driver_words follow enum config_driver");
static_assert(KEY_PLUGIN == 0 && KEY_FLOW == 1 && KEY_PAYLOAD == 2, "key_words follow enum config_key");
static_assert(MEASURE_COST == 0 && MEASURE_PACKETS == 1, "measure_words follow enum config_measure");
static_assert(LEVEL_ERROR == 0 && LEVEL_WARN == 1 && LEVEL_INFO == 2 && LEVEL_DEBUG == 3,
	      "level_words follow enum log_level");

const struct schema_row schema[] = {
	{ "version", SCHEMA_INT, true, RELOAD_RESTART, TIER_FIRST, 1, 1, .example = "1",
	  .help = "format of this file" },
	{ "name", SCHEMA_NAME, false, RELOAD_RESTART, TIER_FIRST, 1, BATON_NAME_BYTES - 1, .fallback = "baton",
	  .example = "demo", FIELD(config, name), .help = "instance; part of the names of its files and sockets" },

	{ "eal", SCHEMA_MAP, .reload = RELOAD_RESTART, .help = "CPUs and memory of the primary" },
	{ "eal.main_core", SCHEMA_INT, false, RELOAD_RESTART, TIER_PERFORMANCE, 0, 1023, .fallback = "0",
	  .example = "1", FIELD(config, main_core),
	  .help = "CPU of the main lcore (supervisor, control socket); it sleeps most of the time" },
	{ "eal.io_cores", SCHEMA_CORES, false, RELOAD_RESTART, TIER_PERFORMANCE, 1, BATON_MAX_IO_LCORES,
	  .fallback = "auto", .example = "[0, 2-3]", .zero = "auto", ARRAY(config, io_core, io_cores),
	  .help = "CPU of each I/O lcore; auto: one, on the last CPU batond may use" },
	{ "eal.memory_channels", SCHEMA_INT, false, RELOAD_RESTART, TIER_RARELY, 1, 16, .fallback = "2", .example = "4",
	  FIELD(config, memory_channels), .help = "memory channels of the machine" },
	{ "eal.socket_memory", SCHEMA_SIZE, false, RELOAD_RESTART, TIER_RARELY, 2 * MIB, 1024 * GIB, .fallback = "auto",
	  .example = "256MiB", .zero = "auto", FIELD(config, socket_memory),
	  .help = "huge pages taken at start; auto: computed from pools and belts" },
	{ "eal.huge_dir", SCHEMA_PATH, false, RELOAD_RESTART, TIER_RARELY, 1, BATON_PATH_BYTES - 1,
	  .fallback = "/dev/hugepages", .example = "/dev/hugepages", FIELD(config, huge_dir),
	  .help = "hugetlbfs mount with 2 MiB pages" },
	{ "eal.extra_args", SCHEMA_STRING, false, RELOAD_RESTART, TIER_RARELY, 0, BATON_PATH_BYTES - 1, .fallback = "",
	  .example = "--log-level=pmd:debug", FIELD(config, extra_args),
	  .help = "further EAL arguments, split at blanks; an escape hatch" },
	{ "eal.poll", SCHEMA_ENUM, false, RELOAD_RESTART, TIER_FIRST, .fallback = "adaptive", .example = "adaptive",
	  .words = poll_words, FIELD(config, poll),
	  .help = "adaptive: idle lcores and workers sleep; busy: they spin, one CPU each" },

	{ "memory", SCHEMA_MAP, .reload = RELOAD_RESTART, .help = "what is reserved before the first packet" },
	{ "memory.worker_slots", SCHEMA_INT, false, RELOAD_RESTART, TIER_RARELY, 2, BATON_MAX_WORKERS, .fallback = "8",
	  .example = "8", FIELD(config, worker_slots),
	  .help = "workers and standbys that can live at once; each costs one huge page per I/O lcore" },
	{ "memory.pending", SCHEMA_COUNT, false, RELOAD_RESTART, TIER_PERFORMANCE, 64, 4194304, .fallback = "auto",
	  .example = "32k", .zero = "auto", FIELD(config, pending),
	  .help = "packets an I/O lcore holds back while buckets have no worker; auto: by rate.max, at least 16k" },
	{ "memory.buffers", SCHEMA_COUNT, false, RELOAD_RESTART, TIER_RARELY, 1024, 8388608, .fallback = "auto",
	  .example = "64Ki", .zero = "auto", FIELD(config, buffers),
	  .help = "packet buffers of an I/O lcore; auto: descriptors, belts and pending list together" },
	{ "memory.state_file", SCHEMA_PATH, false, RELOAD_RESTART, TIER_RARELY, 1, BATON_PATH_BYTES - 1,
	  .fallback = "auto", .example = "/dev/hugepages/baton.demo.state", .zero = "auto", FIELD(config, state_file),
	  .help = "file that keeps players across restarts; auto: baton.NAME.state in eal.huge_dir" },

	{ "ports", SCHEMA_LIST, true, RELOAD_RESTART, TIER_FIRST, 1, BATON_MAX_PORTS, ARRAY(config, port, ports),
	  .help = "where packets come from" },
	{ "ports[].name", SCHEMA_NAME, true, RELOAD_RESTART, TIER_FIRST, 1, BATON_NAME_BYTES - 1, .example = "lan",
	  FIELD(config_port, name), .help = "name in statistics and messages" },
	{ "ports[].device", SCHEMA_STRING, false, RELOAD_RESTART, TIER_FIRST, 1, BATON_PATH_BYTES - 1,
	  .example = "net_tap0,iface=baton0", FIELD(config_port, device),
	  .help = "PCI address or EAL virtual device; needed by driver eal" },
	{ "ports[].driver", SCHEMA_ENUM, false, RELOAD_RESTART, TIER_RARELY, .fallback = "eal", .example = "eal",
	  .words = driver_words, FIELD(config_port, driver),
	  .help = "eal: a DPDK device; generator: built-in players for benchmarks" },
	{ "ports[].addresses", SCHEMA_PREFIXES, false, RELOAD_RESTART, TIER_FIRST, 1, CONFIG_ADDRESSES,
	  .example = "[10.77.0.1/24]", ARRAY(config_port, address, addresses),
	  .help = "IPv4 addresses the port answers for in untagged frames; needed unless it has VLANs" },
	{ "ports[].gateway", SCHEMA_IP, false, RELOAD_RESTART, TIER_FIRST, .fallback = "none", .example = "10.77.0.254",
	  .zero = "none", FIELD(config_port, gateway), .help = "next hop for clients outside the port's networks" },
	{ "ports[].vlans", SCHEMA_LIST, false, RELOAD_RESTART, TIER_FIRST, 0, CONFIG_VLANS,
	  ARRAY(config_port, vlan, vlans), .help = "VLANs of the port (802.1Q tags); frames of any other are dropped" },
	{ "ports[].vlans[].id", SCHEMA_INT, true, RELOAD_RESTART, TIER_FIRST, 1, 4094, .example = "100",
	  FIELD(config_vlan, id), .help = "VLAN identifier in the tag" },
	{ "ports[].vlans[].addresses", SCHEMA_PREFIXES, true, RELOAD_RESTART, TIER_FIRST, 1, CONFIG_ADDRESSES,
	  .example = "[10.100.0.1/24]", ARRAY(config_vlan, address, addresses),
	  .help = "IPv4 addresses the port answers for in this VLAN only; services listen on them as on any other" },
	{ "ports[].vlans[].gateway", SCHEMA_IP, false, RELOAD_RESTART, TIER_FIRST, .fallback = "none",
	  .example = "10.100.0.254", .zero = "none", FIELD(config_vlan, gateway),
	  .help = "next hop for clients outside the VLAN's networks" },
	{ "ports[].mtu", SCHEMA_INT, false, RELOAD_RESTART, TIER_RARELY, 576, 2000, .fallback = "1500",
	  .example = "1500", FIELD(config_port, mtu),
	  .help = "longest IPv4 packet, tagged or not; lowered to what the device can do" },
	{ "ports[].rx_descriptors", SCHEMA_INT, false, RELOAD_RESTART, TIER_PERFORMANCE, 32, 32768, .fallback = "2048",
	  .example = "1024", FIELD(config_port, rx_descriptors),
	  .help = "receive descriptors of each queue; adjusted to what the device can do" },
	{ "ports[].tx_descriptors", SCHEMA_INT, false, RELOAD_RESTART, TIER_PERFORMANCE, 32, 32768, .fallback = "2048",
	  .example = "1024", FIELD(config_port, tx_descriptors),
	  .help = "transmit descriptors of each queue; adjusted to what the device can do" },
	{ "ports[].promiscuous", SCHEMA_BOOL, false, RELOAD_RESTART, TIER_RARELY, .fallback = "false",
	  .example = "true", FIELD(config_port, promiscuous),
	  .help = "receive frames for other MAC addresses too (they are counted and dropped)" },
	{ "ports[].checksum_offload", SCHEMA_BOOL, false, RELOAD_RESTART, TIER_PERFORMANCE, .fallback = "true",
	  .example = "false", FIELD(config_port, checksum_offload),
	  .help = "let the device check and fill in checksums where it can" },
	{ "ports[].vlan_offload", SCHEMA_BOOL, false, RELOAD_RESTART, TIER_PERFORMANCE, .fallback = "true",
	  .example = "false", FIELD(config_port, vlan_offload),
	  .help = "let the device take VLAN tags off and put them on where it can" },
	{ "ports[].in_flight", SCHEMA_COUNT, false, RELOAD_RESTART, TIER_PERFORMANCE, 1, 65536, .fallback = "2048",
	  .example = "1024", FIELD(config_port, in_flight),
	  .help = "generator: requests under way at most, per I/O lcore" },
	{ "ports[].rate", SCHEMA_RATE, false, RELOAD_RESTART, TIER_PERFORMANCE, 1, 1000000000, .fallback = "unlimited",
	  .example = "1M", .zero = "unlimited", FIELD(config_port, rate),
	  .help = "generator: requests per second; unlimited: as fast as replies return" },
	{ "ports[].players", SCHEMA_COUNT, false, RELOAD_RESTART, TIER_PERFORMANCE, 1, 16777216, .fallback = "10k",
	  .example = "10k", FIELD(config_port, players), .help = "generator: players that take turns" },
	{ "ports[].malformed_every", SCHEMA_COUNT, false, RELOAD_RESTART, TIER_RARELY, 2, 1000000000,
	  .fallback = "none", .example = "1000", .zero = "none", FIELD(config_port, malformed_every),
	  .help = "generator: one malformed frame in so many" },
	{ "ports[].lost_after", SCHEMA_DURATION, false, RELOAD_RESTART, TIER_RARELY, 10 * MS, 600 * SEC,
	  .fallback = "1s", .example = "1s", FIELD(config_port, lost_after_ns),
	  .help = "generator: a request without a reply for so long is lost" },

	{ "services", SCHEMA_LIST, true, RELOAD_RESTART, TIER_FIRST, 1, BATON_MAX_SERVICES,
	  ARRAY(config, service, services), .help = "what is served, and by whom" },
	{ "services[].name", SCHEMA_NAME, true, RELOAD_RESTART, TIER_FIRST, 1, BATON_NAME_BYTES - 1, .example = "game",
	  FIELD(config_service, name), .help = "name in statistics and messages" },
	{ "services[].address", SCHEMA_IP, false, RELOAD_RESTART, TIER_FIRST, .fallback = "any", .example = "10.77.0.1",
	  .zero = "any", FIELD(config_service, ip),
	  .help = "an address of a port or of one of its VLANs; any: all of them" },
	{ "services[].port", SCHEMA_INT, true, RELOAD_RESTART, TIER_FIRST, 1, 65535, .example = "8080",
	  FIELD(config_service, udp_port), .help = "UDP port" },
	{ "services[].key", SCHEMA_ENUM, false, RELOAD_RESTART, TIER_RARELY, .fallback = "plugin", .example = "flow",
	  .words = key_words, FIELD(config_service, key),
	  .help = "what steers a packet: as the plugin says, its flow, or a field of its payload" },
	{ "services[].buckets", SCHEMA_COUNT, false, RELOAD_RESTART, TIER_RARELY, 1, BATON_MAX_BUCKETS,
	  .fallback = "4096", .example = "1024", FIELD(config_service, buckets),
	  .help = "shares in which traffic is moved; a power of two" },
	{ "services[].rate", SCHEMA_MAP, .reload = RELOAD_RESTART, .help = "what the service is sized for" },
	{ "services[].rate.max", SCHEMA_RATE, false, RELOAD_RESTART, TIER_PERFORMANCE, 1, 1000000000,
	  .fallback = "unknown", .example = "100k", .zero = "unknown", FIELD(config_service, rate_max),
	  .help = "packets per second that find room while workers are replaced, or the configuration is refused" },
	{ "services[].group", SCHEMA_NAME, true, RELOAD_RESTART, TIER_FIRST, 1, BATON_NAME_BYTES - 4, .example = "game",
	  FIELD(config_service, group), .help = "group whose workers serve it" },

	{ "groups", SCHEMA_LIST, true, RELOAD_RESTART, TIER_FIRST, 1, BATON_MAX_GROUPS, ARRAY(config, group, groups),
	  .help = "workers that run one plugin" },
	{ "groups[].name", SCHEMA_NAME, true, RELOAD_RESTART, TIER_FIRST, 1, BATON_NAME_BYTES - 4, .example = "game",
	  FIELD(config_group, name), .help = "workers are called NAME.0, NAME.1, ..." },
	{ "groups[].plugin", SCHEMA_PATH, true, RELOAD_WORKER, TIER_FIRST, 1, BATON_PATH_BYTES - 1,
	  .example = "../build/plugins/game.so", FIELD(config_group, plugin),
	  .help = "shared object with the game logic" },
	{ "groups[].versions", SCHEMA_LIST, false, RELOAD_HOT, TIER_RARELY, 0, CONFIG_VERSIONS,
	  ARRAY(config_group, version, versions), .help = "other builds, for batonctl worker restart --version" },
	{ "groups[].versions[].name", SCHEMA_VERSION, true, RELOAD_HOT, TIER_RARELY, 1, BATON_NAME_BYTES - 1,
	  .example = "1.4.2", FIELD(config_version, name),
	  .help = "what --version takes for it, whatever the file says it is" },
	{ "groups[].versions[].plugin", SCHEMA_PATH, true, RELOAD_HOT, TIER_RARELY, 1, BATON_PATH_BYTES - 1,
	  .example = "/usr/lib/baton/game-1.4.2.so", FIELD(config_version, plugin), .help = "its shared object" },
	{ "groups[].count", SCHEMA_INT, false, RELOAD_SCALE, TIER_FIRST, 1, BATON_MAX_WORKERS - 1, .fallback = "1",
	  .example = "2", FIELD(config_group, count), .help = "workers" },
	{ "groups[].standby", SCHEMA_INT, false, RELOAD_HOT, TIER_FIRST, 0, CONFIG_STANDBY, .fallback = "1",
	  .example = "1", FIELD(config_group, standby),
	  .help = "processes that are ready to take the place of a worker that dies; each needs a worker slot" },
	{ "groups[].cores", SCHEMA_CORES, false, RELOAD_WORKER, TIER_PERFORMANCE, 1, BATON_MAX_WORKERS,
	  .fallback = "any", .example = "[1, 4-7]", .zero = "any", ARRAY(config_group, cores, core_count),
	  .help = "CPUs of the workers, used in turn; any: no pinning" },
	{ "groups[].records", SCHEMA_COUNT, false, RELOAD_RESTART, TIER_FIRST, 16, 67108864, .fallback = "16k",
	  .example = "16k", FIELD(config_group, records), .help = "records (players) the group has room for" },
	{ "groups[].tick_period", SCHEMA_DURATION, false, RELOAD_RESTART, TIER_RARELY, MS, 3600 * SEC, .fallback = "1s",
	  .example = "100ms", .zero = "off", FIELD(config_group, tick_period_ns),
	  .help = "how often each bucket gets a tick" },
	{ "groups[].tick_catch_up", SCHEMA_INT, false, RELOAD_RESTART, TIER_RARELY, 1, 64, .fallback = "4",
	  .example = "4", FIELD(config_group, tick_catch_up),
	  .help = "missed ticks a bucket makes up for before packets get their turn" },
	{ "groups[].stall_timeout", SCHEMA_DURATION, false, RELOAD_HOT, TIER_RARELY, MS, 60 * SEC, .fallback = "20ms",
	  .example = "20ms", .zero = "off", FIELD(config_group, stall_timeout_ns),
	  .help = "a worker with entries waiting that settles none for so much CPU time, or stopped, is killed" },
	{ "groups[].stall_wall", SCHEMA_DURATION, false, RELOAD_HOT, TIER_RARELY, 20 * MS, 600 * SEC, .fallback = "1s",
	  .example = "1s", .zero = "off", FIELD(config_group, stall_wall_ns),
	  .help = "the same in any case, even if the worker got no CPU; not shorter than stall_timeout" },
	{ "groups[].restart_burst", SCHEMA_INT, false, RELOAD_HOT, TIER_RARELY, 1, 64, .fallback = "10",
	  .example = "10", .zero = "off", FIELD(config_group, restart_burst),
	  .help = "so many crashes in restart_window, then the last good version is run, or none; off: no end" },
	{ "groups[].restart_window", SCHEMA_DURATION, false, RELOAD_HOT, TIER_RARELY, 100 * MS, 3600 * SEC,
	  .fallback = "60s", .example = "60s", FIELD(config_group, restart_window_ns),
	  .help = "time in which crashes are counted" },
	{ "groups[].restart_delay", SCHEMA_DURATION, false, RELOAD_HOT, TIER_RARELY, MS, 60 * SEC, .fallback = "10ms",
	  .example = "10ms", FIELD(config_group, restart_delay_ns),
	  .help = "pause before a worker that died within 10 s of its start is replaced; doubles each time" },
	{ "groups[].restart_delay_most", SCHEMA_DURATION, false, RELOAD_HOT, TIER_RARELY, 10 * MS, 600 * SEC,
	  .fallback = "1s", .example = "1s", .zero = "off", FIELD(config_group, restart_delay_most_ns),
	  .help = "longest such pause; off: none at all" },
	{ "groups[].park", SCHEMA_MAP, .reload = RELOAD_HOT, .help = "packets of a group that has no worker" },
	{ "groups[].park.max_age", SCHEMA_DURATION, false, RELOAD_HOT, TIER_RARELY, 10 * MS, 3600 * SEC,
	  .fallback = "2s", .example = "2s", .zero = "off", FIELD(config_group, park_max_age_ns),
	  .help = "what has waited so long while no worker can be started is dropped; off: it waits" },
	{ "groups[].recovery", SCHEMA_MAP, .reload = RELOAD_RESTART, .help = "how long replacing a worker takes" },
	/* Default: ten times the aim for a start without a standby (5 ms, p99 of the gap). Of 13 stalls of 71_stall on two
	 * vCPUs with a load of 25 the quickest recovery took 16 ms, from `died` to `buckets moved` in the log. */
	{ "groups[].recovery.time", SCHEMA_DURATION, false, RELOAD_RESTART, TIER_RARELY, MS, 60 * SEC,
	  .fallback = "50ms", .example = "50ms", FIELD(config_group, recovery_ns),
	  .help = "from a worker's end until its buckets are served again: rate.max is multiplied with it" },
	{ "groups[].good_after", SCHEMA_DURATION, false, RELOAD_HOT, TIER_RARELY, 100 * MS, 24 * 3600 * SEC,
	  .fallback = "60s", .example = "60s", FIELD(config_group, good_after_ns),
	  .help = "a version that has run so long without a crash is good" },
	{ "groups[].balance", SCHEMA_MAP, .reload = RELOAD_HOT, .help = "hot buckets from busy workers to idle ones" },
	{ "groups[].balance.enabled", SCHEMA_BOOL, false, RELOAD_HOT, TIER_PERFORMANCE, .fallback = "false",
	  .example = "true", FIELD(config_group, balance.enabled),
	  .help = "move them; batonctl balance on and off change it until a reload does" },
	{ "groups[].balance.measure", SCHEMA_ENUM, false, RELOAD_HOT, TIER_RARELY, .fallback = "cost",
	  .example = "packets", .words = measure_words, FIELD(config_group, balance.measure),
	  .help = "what is to be even: the workers' busy time, or their packets" },
	{ "groups[].balance.interval", SCHEMA_DURATION, false, RELOAD_HOT, TIER_RARELY, 100 * MS, 60 * SEC,
	  .fallback = "1s", .example = "1s", FIELD(config_group, balance.interval_ns),
	  .help = "how long is measured before each decision" },
	{ "groups[].balance.threshold", SCHEMA_INT, false, RELOAD_HOT, TIER_RARELY, 1, 1000, .fallback = "25",
	  .example = "25", FIELD(config_group, balance.threshold),
	  .help = "percent that a worker has more than the mean of its kind: too much" },
	{ "groups[].balance.settle", SCHEMA_INT, false, RELOAD_HOT, TIER_RARELY, 0, 1000, .fallback = "10",
	  .example = "10", FIELD(config_group, balance.settle),
	  .help = "percent at which it is even enough, and what began ends; below threshold" },
	{ "groups[].balance.patience", SCHEMA_INT, false, RELOAD_HOT, TIER_RARELY, 1, 1000, .fallback = "3",
	  .example = "3", FIELD(config_group, balance.patience),
	  .help = "intervals in a row with a worker above threshold, before anything is moved" },
	{ "groups[].balance.least_busy", SCHEMA_INT, false, RELOAD_HOT, TIER_RARELY, 1, 100, .fallback = "10",
	  .example = "10", .zero = "off", FIELD(config_group, balance.least_busy),
	  .help = "percent of a CPU that the busiest worker must need; off: however idle they are" },
	{ "groups[].balance.moves", SCHEMA_INT, false, RELOAD_HOT, TIER_RARELY, 1, 256, .fallback = "64",
	  .example = "64", FIELD(config_group, balance.moves), .help = "buckets that one decision moves, at most" },
	{ "groups[].balance.rest", SCHEMA_DURATION, false, RELOAD_HOT, TIER_RARELY, 100 * MS, 3600 * SEC,
	  .fallback = "30s", .example = "30s", FIELD(config_group, balance.rest_ns),
	  .help = "how long a bucket that was moved stays where it is" },
	{ "groups[].balance.keep_placed", SCHEMA_DURATION, false, RELOAD_HOT, TIER_RARELY, SEC, 168 * 3600 * SEC,
	  .fallback = "15m", .example = "15m", .zero = "always", FIELD(config_group, balance.keep_placed_ns),
	  .help = "how long a bucket that batonctl buckets move placed stays; always: until batonctl balance on" },
	{ "groups[].settings", SCHEMA_SETTINGS, false, RELOAD_WORKER, TIER_FIRST, 0, CONFIG_SETTINGS,
	  .example = "{player.idle: 60s}", ARRAY(config_group, setting, settings),
	  .help = "key: value pairs for the plugin, passed on as text" },

	{ "workers", SCHEMA_MAP, .reload = RELOAD_HOT, .help = "all workers" },
	{ "workers.start_timeout", SCHEMA_DURATION, false, RELOAD_HOT, TIER_RARELY, 100 * MS, 600 * SEC,
	  .fallback = "5s", .example = "5s", FIELD(config, start_timeout_ns),
	  .help = "time from fork to ready; a slower worker is given up" },

	{ "control", SCHEMA_MAP, .reload = RELOAD_HOT,
	  .help = "the control socket: who may do what, and what is recorded" },
	{ "control.operators", SCHEMA_MAP, .reload = RELOAD_HOT,
	  .help = "who may give orders, beside root and the user batond runs as" },
	{ "control.operators.users", SCHEMA_USERS, false, RELOAD_HOT, TIER_FIRST, 0, CONFIG_ACCOUNTS,
	  .example = "[root, 1001]", ARRAY(config, operators.user, operators.users), .help = "users, by name or number" },
	{ "control.operators.groups", SCHEMA_GROUPS, false, RELOAD_HOT, TIER_FIRST, 0, CONFIG_ACCOUNTS,
	  .example = "[adm, 1001]", ARRAY(config, operators.group, operators.groups),
	  .help = "groups whose members they are, by name or number" },
	{ "control.viewers", SCHEMA_MAP, .reload = RELOAD_HOT, .help = "who may look, and change nothing" },
	{ "control.viewers.users", SCHEMA_USERS, false, RELOAD_HOT, TIER_FIRST, 0, CONFIG_ACCOUNTS,
	  .example = "[root, 1001]", ARRAY(config, viewers.user, viewers.users), .help = "users, by name or number" },
	{ "control.viewers.groups", SCHEMA_GROUPS, false, RELOAD_HOT, TIER_FIRST, 0, CONFIG_ACCOUNTS,
	  .example = "[adm, 1001]", ARRAY(config, viewers.group, viewers.groups),
	  .help = "groups whose members they are, by name or number" },
	{ "control.audit_log", SCHEMA_PATH, false, RELOAD_HOT, TIER_RARELY, 1, BATON_PATH_BYTES - 1, .fallback = "auto",
	  .example = "/var/log/baton/demo.audit", .zero = "auto", FIELD(config, audit_log),
	  .help = "file with a line for every order, and who gave it; auto: /var/log/baton/NAME.audit" },
	{ "control.crash_dir", SCHEMA_PATH, false, RELOAD_HOT, TIER_RARELY, 1, BATON_PATH_BYTES - 1, .fallback = "auto",
	  .example = "/var/log/baton/demo.crash", .zero = "auto", FIELD(config, crash_dir),
	  .help = "directory with a file for each of the last 100 deaths of workers; auto: /var/log/baton/NAME.crash" },

	{ "quarantine", SCHEMA_MAP, .reload = RELOAD_HOT, .help = "packets and messages that kill workers" },
	{ "quarantine.attempts", SCHEMA_INT, false, RELOAD_HOT, TIER_RARELY, 1, 100, .fallback = "2", .example = "2",
	  .zero = "off", FIELD(config, quarantine_attempts),
	  .help = "workers that one entry may end, by a fault or a stall; then it is dropped and kept; off: no end" },
	{ "quarantine.directory", SCHEMA_PATH, false, RELOAD_HOT, TIER_RARELY, 1, BATON_PATH_BYTES - 1,
	  .fallback = "auto", .example = "/var/lib/baton/demo/quarantine", .zero = "auto", FIELD(config, quarantine_dir),
	  .help = "where those files are (*.pcapng); auto: /var/lib/baton/NAME/quarantine" },
	{ "quarantine.files", SCHEMA_COUNT, false, RELOAD_HOT, TIER_RARELY, 1, 10000, .fallback = "100", .example = "100",
	  FIELD(config, quarantine_files), .help = "files kept there at most; the oldest go first" },
	{ "quarantine.bytes", SCHEMA_SIZE, false, RELOAD_HOT, TIER_RARELY, 64 * KIB, GIB, .fallback = "16MiB",
	  .example = "16MiB", FIELD(config, quarantine_bytes), .help = "and their bytes in all" },

	{ "log", SCHEMA_MAP, .reload = RELOAD_HOT, .help = "messages on standard error" },
	{ "log.level", SCHEMA_ENUM, false, RELOAD_HOT, TIER_RARELY, .fallback = "info", .example = "debug",
	  .words = level_words, FIELD(config, log_level), .help = "most detailed level printed" },
};
const size_t schema_rows = sizeof(schema) / sizeof(schema[0]);

const struct schema_row *schema_find(const char *path)
{
	for (size_t i = 0; i < schema_rows; i++)
		if (strcmp(schema[i].path, path) == 0)
			return &schema[i];
	return NULL;
}

const char *schema_key(const struct schema_row *row)
{
	const char *dot = strrchr(row->path, '.');

	return dot ? dot + 1 : row->path;
}

bool schema_inside(const struct schema_row *row, const char *parent)
{
	const char *dot = strrchr(row->path, '.');
	size_t bytes = dot ? (size_t)(dot - row->path) : 0;

	return bytes == strlen(parent) && strncmp(row->path, parent, bytes) == 0;
}

const struct schema_row *schema_child(const char *parent, const char *key)
{
	for (size_t i = 0; i < schema_rows; i++)
		if (schema_inside(&schema[i], parent) && strcmp(schema_key(&schema[i]), key) == 0)
			return &schema[i];
	return NULL;
}

const char *schema_type_name(enum schema_type type)
{
	static const char *const names[SCHEMA_TYPES] = {
		[SCHEMA_MAP] = "section",
		[SCHEMA_LIST] = "list",
		[SCHEMA_BOOL] = "true or false",
		[SCHEMA_INT] = "number",
		[SCHEMA_COUNT] = "count",
		[SCHEMA_RATE] = "rate",
		[SCHEMA_SIZE] = "size",
		[SCHEMA_DURATION] = "duration",
		[SCHEMA_STRING] = "text",
		[SCHEMA_NAME] = "name",
		[SCHEMA_VERSION] = "version name",
		[SCHEMA_PATH] = "path",
		[SCHEMA_ENUM] = "word",
		[SCHEMA_IP] = "IPv4 address",
		[SCHEMA_PREFIXES] = "list of addresses",
		[SCHEMA_CORES] = "list of CPUs",
		[SCHEMA_USERS] = "list of users",
		[SCHEMA_GROUPS] = "list of groups",
		[SCHEMA_SETTINGS] = "free section",
	};

	return names[type];
}

const char *schema_type_phrase(enum schema_type type)
{
	static const char *const phrases[SCHEMA_TYPES] = {
		[SCHEMA_MAP] = "a section",
		[SCHEMA_LIST] = "a list",
		[SCHEMA_BOOL] = "true or false",
		[SCHEMA_INT] = "a number",
		[SCHEMA_COUNT] = "a count",
		[SCHEMA_RATE] = "a rate",
		[SCHEMA_SIZE] = "a size",
		[SCHEMA_DURATION] = "a duration",
		[SCHEMA_STRING] = "text",
		[SCHEMA_NAME] = "a name",
		[SCHEMA_VERSION] = "a version name",
		[SCHEMA_PATH] = "a path",
		[SCHEMA_ENUM] = "a word",
		[SCHEMA_IP] = "an IPv4 address",
		[SCHEMA_PREFIXES] = "a list",
		[SCHEMA_CORES] = "CPUs",
		[SCHEMA_USERS] = "a user",
		[SCHEMA_GROUPS] = "a group",
		[SCHEMA_SETTINGS] = "a section",
	};

	return phrases[type];
}

const char *schema_reload_name(enum schema_reload reload)
{
	static const char *const names[] = { "hot", "worker", "scale", "restart" };

	return names[reload];
}

const char *schema_tier_name(enum schema_tier tier)
{
	static const char *const names[] = { "first", "performance", "rarely" };

	return names[tier];
}

const char *nearest_word(const char *text, const char *const *words)
{
	const char *best = NULL;
	unsigned int distance = 3;

	for (; *words; words++) {
		unsigned int d = edit_distance(text, *words, 2);
		/* A two-letter word is two edits from every other one: some of it must be right. */
		if (d < distance && d < strlen(*words)) {
			distance = d;
			best = *words;
		}
	}
	return best;
}

const char *schema_nearest(const char *parent, const char *key)
{
	const char *keys[sizeof(schema) / sizeof(schema[0]) + 1];
	size_t count = 0;

	for (size_t i = 0; i < schema_rows; i++)
		if (schema_inside(&schema[i], parent))
			keys[count++] = schema_key(&schema[i]);
	keys[count] = NULL;
	return nearest_word(key, keys);
}

/* Optimal string alignment: Levenshtein's distance plus swaps of neighbours, three rows of the usual matrix. */
unsigned int edit_distance(const char *a, const char *b, unsigned int limit)
{
	enum { LONGEST = 63 };
	unsigned int rows[3][LONGEST + 1];
	size_t al = strlen(a), bl = strlen(b);

	if (al > LONGEST || bl > LONGEST || (al > bl ? al - bl : bl - al) > limit)
		return limit + 1;
	for (unsigned int j = 0; j <= bl; j++)
		rows[0][j] = j;
	for (unsigned int i = 1; i <= al; i++) {
		unsigned int *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

		row[0] = i;
		for (unsigned int j = 1; j <= bl; j++) {
			unsigned int best = above[j - 1] + (a[i - 1] != b[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && above2[j - 2] + 1 < best)
				best = above2[j - 2] + 1;
			row[j] = best;
		}
	}
	unsigned int distance = rows[al % 3][bl];
	return distance > limit ? limit + 1 : distance;
}
