/* ABI version, hard limits and the names of everything two Baton processes share. */
#ifndef BATON_SHARED_ABI_H
#define BATON_SHARED_ABI_H

#include <assert.h>
#include <stdint.h>

#include "sabotage.h"

#define BATON_VERSION "0.1.0"

/* Raised whenever a struct that processes of one boot share, or the order of a protocol step between them, changes.
 * Primary, zygote and worker runtime must agree exactly. Plugins have a number of their own (BATON_PLUGIN_ABI), and so has
 * the state file (STATE_ABI), which outlives what made it. */
#define BATON_ABI 7u

/* Hard limits; `batond --limits` prints them. Memory is reserved for what is configured, not for these. */
#define BATON_MAX_IO_LCORES 64u
#define BATON_MAX_WORKERS   64u /* worker slots: running workers, standbys, canaries, control */
#define BATON_MAX_BUCKETS   65536u
#define BATON_MAX_PORTS     16u
#define BATON_MAX_SERVICES  16u
#define BATON_MAX_GROUPS    16u
#define BATON_NAME_BYTES    32u /* names of instances, groups, ports, versions, with the closing NUL */
#define BATON_PATH_BYTES    256u
#define BATON_BURST         64u /* packets handled together at every stage */
#define BATON_CACHE_LINE    64u
#define BATON_HUGE_PAGE     (2u << 20)
#define BATON_DEFAULT_SLOTS 8u

/* EAL memzone of an I/O lcore's belts; argument: I/O lcore index. The belt of worker slot s is the huge page at
 * s * BATON_HUGE_PAGE. One zone an lcore, not one a belt: the heap's own headers then stand in front of and behind the
 * zone, never in a page that a worker can write. */
#define BATON_BELT_ZONE_FMT "baton_belts_%u"
/* Door of CoreStats; argument: instance name. A socket, mode 0666: monitors get the counters there without root. */
#define BATON_STATS_PATH_FMT "/dev/shm/baton.%s.stats"
/* Directory of the control socket and of the EAL runtime files; argument: instance name. */
#define BATON_RUN_DIR_FMT "/run/baton/%s"
#define BATON_CONTROL_SOCKET "control.sock"
/* Where orders are recorded unless the configuration says otherwise; argument: instance name. */
#define BATON_AUDIT_PATH_FMT "/var/log/baton/%s.audit"
/* Directory of crash records unless the configuration says otherwise; argument: instance name. */
#define BATON_CRASH_DIR_FMT "/var/log/baton/%s.crash"

/* Directory of quarantined entries unless the configuration says otherwise; argument: instance name. */
#define BATON_QUARANTINE_FMT "/var/lib/baton/%s/quarantine"
/* What the rollouts of an instance are at, promoted and barred; argument: instance name. */
#define BATON_ROLLOUT_PATH_FMT "/var/lib/baton/%s/rollout.json"
/* Buckets that are held (primary/control/held.h), for the next start; argument: instance name. */
#define BATON_HELD_PATH_FMT "/var/lib/baton/%s/held.json"

/* EAL memory is mapped here: clear of sanitizer shadow memory and of the default ASLR ranges. */
/* No honest worker gets there: a packet each ns would take a hundred years. A `done` beyond it was forged in the moment
 * in which the primary died, too, or it would have been set right; positions must not wrap around zero. */
#define BELT_POSITION_MOST (1ull << 62)
#define BATON_BASE_VIRTADDR 0x200000000000ull

#define baton_aligned(n) __attribute__((aligned(n)))
#define baton_packed     __attribute__((packed))
#define baton_likely(x)   __builtin_expect(!!(x), 1)
#define baton_unlikely(x) __builtin_expect(!!(x), 0)
/* Asks for a cache line to write to: one that another core has is taken over, not shared. */
#define baton_prefetch_write(line) __asm__ __volatile__("prefetchw %0" : : "m"(*(const uint8_t *)(line)))
/* Gives a cache line that has been written back to what all cores share, where another one finds it sooner. A hint: CPUs
 * that do not know it take it for a nop. */
#define baton_demote(line) __asm__ __volatile__("cldemote %0" : : "m"(*(const uint8_t *)(line)))
/* Stops the compiler, not the CPU: on x86-64 stores leave the core in program order, which is all that a
 * reader of a dead or living process on the same machine needs. gcc and clang reorder plain stores without it. */
#define baton_compiler_fence() __asm__ __volatile__("" ::: "memory")

#if !defined(__x86_64__)
#error "Baton's belt and journal rely on x86-64 store order; see docs/decisions before porting"
#endif

#endif
