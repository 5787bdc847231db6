/* CoreStats: the live counters of every lcore and worker, its own pages each, in a sealed memfd of the primary's that
 * monitors are given at its door (stats_door.h) and map read-only.
 *
 * One writer per page; every counter is monotonic and never reset, not even by a new incarnation of a worker in the
 * same slot; a reader that wants rates keeps a baseline. The primary's pages are the truth about packets. */
#ifndef BATON_SHARED_CORE_STATS_H
#define BATON_SHARED_CORE_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "stats_directory.h"
#include "stats_gates.h"

#define STATS_MAGIC   0x3130737461745342ull
#define STATS_VERSION 8u

/* X(name, help). Counters of packets, by the I/O lcore unless said otherwise. */
#define CORE_STATS_COUNTERS(X) \
	X(rx_packets, "packets received from ports") \
	X(rx_bytes, "bytes received from ports") \
	X(tx_packets, "packets handed to ports") \
	X(tx_bytes, "bytes handed to ports") \
	X(offered, "packets offered to workers") \
	X(reaped, "packets settled by workers and reaped") \
	X(replies, "replies sent") \
	X(error_replies, "error replies sent") \
	X(no_reply, "packets handled without a reply") \
	X(redelivered, "packets offered again after a worker died") \
	X(messages_posted, "messages that settled entries posted to buckets") \
	X(messages_settled, "messages handled by the owners of their buckets") \
	X(messages_lost, "messages dropped: undone, without any owner, or under way at the end") \
	X(messages_quarantined, "messages lost because they killed workers again and again: part of messages_lost") \
	X(packets_started, "packets that workers started: no replies") \
	X(arp_replies, "ARP requests answered") \
	X(arp_requests, "ARP requests sent to find a neighbour") \
	X(arp_learned, "ARP packets taken in that tell of a neighbour, requests that were answered apart") \
	X(icmp_replies, "ICMP echo requests answered") \
	X(allocated, "buffers allocated other than by receiving") \
	X(freed, "buffers freed without being sent") \
	X(control_entries, "control entries offered to workers") \
	X(moves, "moves completed") \
	X(parked, "packets that waited in a pending list") \
	X(processed, "entries handled (worker)") \
	X(processed_cycles, "TSC cycles spent on handled entries") \
	X(busy_cycles, "TSC cycles of loop turns that did work") \
	X(idle_cycles, "TSC cycles of loop turns without work, sleep included") \
	X(loops, "loop turns") \
	X(busy_loops, "loop turns that did work") \
	X(bursts, "bursts received (lcore) or settled (worker)") \
	X(burst_packets, "entries in those bursts") \
	X(sleeps, "times put to sleep") \
	X(wakeups, "doorbells rung for workers (lcore)") \
	X(tx_errors_retried, "device tx errors, the packet is offered again (main)") \
	X(stalls, "workers killed because entries waited and none was settled (main)") \
	X(quarantine_kept, "entries written to files of the quarantine (main)") \
	X(quarantine_unkept, "entries that left by the quarantine and are in no file (lcore, main)") \
	X(deaths, "workers that died: killed, by a fault, or because they stalled (main)") \
	X(deaths_with_unsettled, "of them: packets or messages that they had not settled went to the next (main)") \
	X(deaths_with_undo, "of them: records they had changed in an unsettled burst were restored (main)") \
	X(records_undone, "undo records of dead workers that were applied (main)") \
	X(ledger_drift, "looks at the lcore's ledger that found it out of balance") \
	X(balance_moves, "moves that made workers more evenly busy (main)") \
	X(balance_buckets, "buckets in those moves (main)") \
	X(fences, "workers killed because of what they wrote or said, which no honest worker does (main)") \
	X(undone, "entries undone because they needed too many undo bytes (worker)") \
	X(table_full, "records refused because their bucket was full (worker)") \
	X(early_settles, "bursts settled early because the journal was full (worker)") \
	X(migrated, "buckets whose records were converted to the plugin's schema (worker)") \
	X(gen_sent, "valid requests the generator sent") \
	X(gen_ok, "replies the generator found right") \
	X(gen_lost, "requests without a reply when a later one of the same player was answered, or at the end") \
	X(gen_duplicated, "replies the generator got twice") \
	X(gen_reordered, "replies the generator got out of order within a player") \
	X(gen_wrong, "replies whose bytes are not what they must be") \
	X(gen_malformed, "malformed frames the generator sent, each to be counted under its drop reason") \
	X(gen_gaps, "times no reply came for STATS_GAP_NS or longer; the latest are in gap[]")

/* X(name, help). Every packet that is not answered has exactly one of these. */
#define CORE_STATS_DROPS(X) \
	X(runt_frame, "shorter than its Ethernet, IPv4 or UDP header") \
	X(unknown_ethertype, "neither IPv4 nor ARP") \
	X(bad_arp, "ARP malformed, not for an address of the port, or not asked for") \
	X(bad_ip_version, "IP version is not 4") \
	X(bad_ip_header, "IPv4 header length below 20 or beyond the frame") \
	X(bad_ip_length, "IPv4 total length below its header or beyond the frame") \
	X(bad_ip_checksum, "IPv4 header checksum wrong") \
	X(fragment, "IPv4 fragment") \
	X(not_our_mac, "frame is not for the port's MAC address") \
	X(not_our_address, "IPv4 destination is not an address of the port") \
	X(bad_source, "from an address, MAC address or UDP port that nobody has") \
	X(unknown_protocol, "neither UDP nor ICMP echo request") \
	X(bad_icmp, "ICMP malformed") \
	X(bad_udp_length, "UDP length below 8 or not that of the IPv4 payload") \
	X(bad_udp_checksum, "UDP checksum wrong") \
	X(no_service, "no service at that UDP port") \
	X(no_key, "payload shorter than the steering key") \
	X(oversize, "packet longer than the port's MTU or payload longer than a long cell") \
	X(segmented, "received in several buffers") \
	X(unknown_vlan, "tag of a VLAN that the port is not in") \
	X(stacked_vlan, "two VLAN tags, or one of a provider (802.1ad)") \
	X(no_worker, "no worker owns the bucket") \
	X(belt_full, "the owner's belt is full") \
	X(message_room, "too many messages wait: no room for those the packet might post") \
	X(pending_full, "the pending list of a move is full") \
	X(park_expired, "waited longer than park.max_age while its group had no worker") \
	X(worker_died, "unsettled when the worker died and not redelivered") \
	X(quarantined, "killed workers again and again: see batonctl quarantine") \
	X(malformed, "refused by the plugin as malformed") \
	X(runt, "refused by the plugin: shorter than its reply") \
	X(refused, "undone: the entry needed more undo bytes than declared") \
	X(bad_verdict, "verdict or reply length out of bounds") \
	X(no_buffer, "started by the server: the pool is empty") \
	X(no_route, "started by the server: no port, VLAN or next hop leads there") \
	X(no_neighbour, "started by the server: nobody answers ARP, or too many wait") \
	X(tx_full, "the port's transmit queue stayed full") \
	X(stopping, "still under way when the primary stopped") \
	X(device_missed, "imissed of the devices") \
	X(device_nombuf, "rx_nombuf of the devices") \
	X(device_rx_errors, "ierrors of the devices") \
	X(device_tx_errors, "oerrors of the devices that keep such a packet: taken and not sent")

enum core_counter {
#define X(name, help) COUNTER_##name,
	CORE_STATS_COUNTERS(X)
#undef X
	COUNTER_COUNT
};

enum core_drop {
#define X(name, help) DROP_##name,
	CORE_STATS_DROPS(X)
#undef X
	DROP_COUNT
};

/* Log-linear histogram of nanoseconds: 8 sub-buckets per power of two, at most 12.5 % error; see hist.h. */
#define STATS_HIST_BUCKETS 256u

/* Versions that are counted apart (residence.h): as many as there are worker slots, and so many that are gone. */
#define STATS_LANES_KEPT 8u
#define STATS_LANES_MAX  (BATON_MAX_WORKERS + STATS_LANES_KEPT)

/* Times in which the generator got no reply. Entry n is at n % STATS_GAPS and is written before gen_gaps becomes n + 1,
 * so that a reader who asks for gen_gaps before and after an event finds the gaps of the event between them. */
#define STATS_GAPS   64u
#define STATS_GAP_NS 3000u
struct stats_gap {
	uint64_t end_tsc; /* when the reply that ended it came */
	uint64_t ns;      /* since the reply before it */
};

enum core_kind { CORE_UNUSED = 0, CORE_MAIN = 1, CORE_IO = 2, CORE_WORKER = 3 };

/* w: the lcore or worker it belongs to  r: monitors */
struct CoreStats {
	uint32_t kind;        /* enum core_kind */
	uint32_t index;       /* I/O lcore index or worker slot */
	uint32_t cpu;
	uint32_t incarnation; /* workers: counts up; rates across a change are not rates of one process */
	char name[BATON_NAME_BYTES];
	uint64_t heartbeat;   /* TSC of the last loop turn that published */
	uint64_t belt_depth;  /* gauge: packets in all its belts at that time (I/O lcores) */
	uint64_t pending;     /* gauge: packets in pending lists */
	uint64_t unresolved;  /* gauge: packets waiting for the address of a neighbour */
	uint64_t tx_backlog;  /* gauge: packets waiting in TX buffers */
	uint64_t messages;    /* gauge: messages under way (I/O lcores) */
	uint64_t pool_free;   /* gauge: buffers free in the lcore's pool */
	uint64_t pool_size;
	uint64_t move_began;  /* TSC: when the lcore's latest move began, and ended; 0: none yet */
	uint64_t move_ended;
	uint64_t move_gap_ns; /* longest of the gaps (see gap[]) that overlap that move */
#define X(name, help) uint64_t name;
	CORE_STATS_COUNTERS(X)
#undef X
	uint64_t drop[DROP_COUNT];
	_Atomic uint32_t lane_id[STATS_LANES_MAX]; /* whose is the lcore's lane: stats_version.id; 0: it changes hands */
	struct stats_gap gap[STATS_GAPS];       /* generator's; see above */
	uint32_t belt[BATON_MAX_WORKERS];       /* gauge: entries in the belt of each worker slot (I/O lcores): here, not on
	                                         * the worker's page, so that it is true of a worker that is stopped */
} baton_aligned(4096);
static_assert(sizeof(struct CoreStats) % 4096 == 0, "whole pages: workers map their own only");
static_assert(offsetof(struct CoreStats, drop) - offsetof(struct CoreStats, rx_packets) == COUNTER_COUNT * 8u,
	      "counters are one array");

/* Packets' residence, from receive to reap, by nanoseconds: of one I/O lcore with workers of one version. Of bursts
 * over 8 packets one in 8 is counted. w: the I/O lcore  r: monitors, by residence.h */
struct stats_lane {
	uint64_t count[STATS_HIST_BUCKETS]; /* monotonic, as every counter here */
	uint64_t base[STATS_HIST_BUCKETS];  /* what `count` was when the version took the lane over */
} baton_aligned(4096);
static_assert(sizeof(struct stats_lane) == 4096, "a page");

/* w: primary at start (counts, hz), main lcore (alive, zygote, directories)  r: monitors */
struct stats_header {
	uint64_t magic;
	uint32_t version;
	uint32_t abi;
	uint32_t pages;        /* CoreStats pages that follow the header; then the lanes, io_lcores times `lanes`; then the
	                        * slots (stats_gates.h), io_lcores times `slots`; then their cycles, `slots` */
	uint32_t io_lcores;    /* page 0: main; pages 1..io_lcores: I/O lcores; then the worker slots */
	uint32_t slots;
	uint32_t primary_pid;
	uint64_t tsc_hz;
	uint64_t boot_id;      /* random per primary */
	uint64_t started_ns;   /* CLOCK_REALTIME */
	_Atomic uint64_t alive_tsc; /* of the main loop */
	char instance[BATON_NAME_BYTES];
	char build[64];
	uint32_t lanes;        /* of each I/O lcore: slots + STATS_LANES_KEPT */
	uint32_t ports;        /* configured; entries of port[] */
	_Atomic uint32_t zygote_pid;       /* 0: there is none, no worker can be started */
	_Atomic uint32_t zygote_spare_pid; /* 0: none that is ready */
	_Atomic uint32_t zygote_deaths;    /* of zygotes and spares */
	uint32_t pad;
	uint32_t slot_lane[BATON_MAX_WORKERS]; /* 1 + lane of the slot's latest worker, 0: none yet. For the I/O lcores, who
	                                        * are told of a worker after that */
	struct stats_worker worker[BATON_MAX_WORKERS];
	struct stats_version versions[STATS_LANES_MAX]; /* by lane */
	struct stats_port port[BATON_MAX_PORTS];
	struct stats_group group[BATON_MAX_GROUPS]; /* by group of the configuration */
	struct stats_rollout rollout[BATON_MAX_GROUPS]; /* likewise */
};
#define STATS_HEADER_BYTES 45056u
static_assert(sizeof(struct stats_header) <= STATS_HEADER_BYTES, "header pages");
static_assert(STATS_HEADER_BYTES % 4096 == 0, "whole pages: those of workers follow");

struct stats_door;
struct stats {
	struct stats_header *header;
	struct CoreStats *page; /* header->pages of them */
	struct stats_lane *lane;
	struct stats_slot *slot;
	struct stats_cycles *cycles; /* of each slot */
	uint32_t io_lcores, lanes, slots; /* as when it was attached: what is mapped */
	size_t bytes;
	struct stats_door *door; /* the primary's; NULL in others */
};

/* Primary: makes the memory of `instance`, and its door (replacing a stale one). tsc_hz: of this machine.
 * Returns 0 and an fd that workers may map, or -errno. */
int stats_create(struct stats *stats, const char *instance, uint32_t io_lcores, uint32_t slots, uint64_t tsc_hz,
		 int *fd);
/* Primary, now and then: makes the door again if somebody removed or replaced it. Returns 0, 1 (made again) or
 * -errno. */
int stats_keep(struct stats *stats);
/* Zygote and workers. Returns 0, -EPROTO (also: not sealed) or -errno. */
int stats_attach_fd(struct stats *stats, int fd, bool writable);
/* Monitors: read-only, by instance name. Returns 0, -ENOENT, -EPROTO (of another version), -EPERM (a stranger's),
 * -ECONNREFUSED (its primary was killed), -EAGAIN (no answer within a second) or -errno. */
int stats_attach(struct stats *stats, const char *instance);
void stats_detach(struct stats *stats);
void stats_unlink(const char *instance);

static inline struct CoreStats *stats_main(const struct stats *s) { return &s->page[0]; }
static inline struct CoreStats *stats_io(const struct stats *s, uint32_t lcore) { return &s->page[1 + lcore]; }
static inline struct CoreStats *stats_worker_page(const struct stats *s, uint32_t slot)
{
	return &s->page[1 + s->header->io_lcores + slot];
}
static inline struct stats_lane *stats_lane(const struct stats *s, uint32_t lcore, uint32_t lane)
{
	return &s->lane[(size_t)lcore * s->lanes + lane];
}
static inline struct stats_slot *stats_slot(const struct stats *s, uint32_t lcore, uint32_t slot)
{
	return &s->slot[(size_t)lcore * s->slots + slot];
}

/* Copies a directory entry whole. Returns 0, -EINVAL (no such entry), or -EAGAIN after bounded tries. */
int stats_worker_read(const struct stats *stats, uint32_t slot, struct stats_worker *out);
int stats_version_read(const struct stats *stats, uint32_t lane, struct stats_version *out);
int stats_port_read(const struct stats *stats, uint32_t port, struct stats_port *out);
int stats_group_read(const struct stats *stats, uint32_t group, struct stats_group *out);
int stats_rollout_read(const struct stats *stats, uint32_t group, struct stats_rollout *out);

/* Primary's main lcore: changes a directory entry so that readers see all of it or nothing; in->seq is ignored. */
void stats_worker_write(struct stats *stats, uint32_t slot, const struct stats_worker *in);
void stats_version_write(struct stats *stats, uint32_t lane, const struct stats_version *in);
void stats_port_write(struct stats *stats, uint32_t port, const struct stats_port *in);
void stats_group_write(struct stats *stats, uint32_t group, const struct stats_group *in);
void stats_rollout_write(struct stats *stats, uint32_t group, const struct stats_rollout *in);

/* Copies the gaps from number `from` on that are still there, at most STATS_GAPS, oldest first. page: mapped or copied.
 * *missed: gaps asked for that have been overwritten. Returns their number. */
uint32_t stats_gaps_read(const struct CoreStats *page, uint64_t from, struct stats_gap *out, uint64_t *missed);

/* Writer's side of gap[]: one call per gap of STATS_GAP_NS or more, between replies at start_tsc and end_tsc. */
static inline void stats_gap_add(struct CoreStats *page, uint64_t start_tsc, uint64_t end_tsc, uint64_t ns)
{
	bool moving = page->move_ended < page->move_began || (page->move_ended != 0 && start_tsc <= page->move_ended);
	if (moving && ns > page->move_gap_ns)
		*(volatile uint64_t *)&page->move_gap_ns = ns;
	struct stats_gap *gap = &page->gap[page->gen_gaps % STATS_GAPS];
	*(volatile uint64_t *)&gap->end_tsc = end_tsc;
	*(volatile uint64_t *)&gap->ns = ns;
	baton_compiler_fence();
	*(volatile uint64_t *)&page->gen_gaps = page->gen_gaps + 1;
}

/* Value of the counter by number: for printing them all. */
static inline uint64_t core_counter(const struct CoreStats *page, uint32_t counter)
{
	return ((const uint64_t *)(const void *)((const uint8_t *)page + offsetof(struct CoreStats, rx_packets)))[counter];
}

const char *core_kind_name(uint32_t kind);
const char *core_counter_name(uint32_t counter);
const char *core_counter_help(uint32_t counter);
const char *core_drop_name(uint32_t drop);
const char *core_drop_help(uint32_t drop);

/* One writer per page and word: a plain load, add and relaxed store; never an atomic read-modify-write. */
static inline void stats_add(uint64_t *counter, uint64_t n)
{
	*(volatile uint64_t *)counter = *counter + n;
}

#endif
