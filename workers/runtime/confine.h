/* Confinement: what a worker takes from itself before it loads game code. In the order of use; each step alone returns
 * 0 or -errno. The lists and the filter are made by the zygote before the fork, where there is time. */
#ifndef BATON_CONFINE_H
#define BATON_CONFINE_H

#include <linux/filter.h>
#include <stdint.h>
#include <sys/types.h>

#define CONFINE_RANGES 4096u
#define CONFINE_FILTER 2048u
/* oom_score_adj of a worker. The primary's is -900: with it the network goes. A worker is replaced and loses nothing,
 * so of two processes of like size it is the better one to kill; as much as systemd gives to what runs for a user. */
#define CONFINE_OOM_SCORE 100

struct confine_range {
	uintptr_t start, end; /* end: first byte behind */
};

/* Every shared mapping of the process, ascending, neighbours joined. */
struct confine_maps {
	uint32_t count;
	struct confine_range range[CONFINE_RANGES];
};

/* System calls refused with EPERM, as the kernel takes it. */
struct confine_filter {
	uint16_t count;
	struct sock_filter code[CONFINE_FILTER];
};

/* Zygote: reads /proc/self/maps. -E2BIG if there are more than CONFINE_RANGES. */
int confine_maps_read(struct confine_maps *maps);
/* Zygote: refuses threads, other programs, signals to and looks into other processes, shared mappings, whatever cuts
 * files that others have mapped, files to write to, and sockets; everything else is allowed: confine_filter.c. */
int confine_filter_build(struct confine_filter *filter);
/* Worker: the pid to which signals are allowed; confine_system_calls() does it. */
void confine_filter_own(struct confine_filter *filter, pid_t self);

/* Keeps the `count` descriptors of fd, as numbers 3, 4, ... in that order (written back), /dev/null as 0 to 2, and
 * closes everything else. */
int confine_descriptors(int *fd, uint32_t count);
/* Unmaps every range of maps but what stands in keep (sorted in place); the addresses stay taken. Bounds of keep must
 * be multiples of the page size of their mapping. */
int confine_unmap(const struct confine_maps *maps, struct confine_range *keep, uint32_t count);
/* Runs on this CPU alone; -1: on any that the machine and its cpuset have, wherever the parent was pinned. */
int confine_cpu(int32_t cpu);
/* Gives up the protection from the kernel's killer that was inherited; what was started to go even earlier stays so. */
int confine_oom_score(void);
/* Leaves no core dump: the kernel would write one before the process counts as dead, for as long as all its memory
 * takes, and its players would wait. Returns 0 or -errno. */
int confine_core(void);
/* All dispositions and the mask as after exec, but SIGPIPE ignored. */
void confine_signals(void);
/* Gives up every capability: what root may do to others, batond's memory by /proc among it, it may not. */
int confine_capabilities(void);
/* no_new_privs, then the filter, for good. The process it is called in is the one that may send itself signals. */
int confine_system_calls(struct confine_filter *filter);
/* Dies with `parent`. Waits (at most 1 s) until the process is the parent's child: the one that forked it may be
 * leaving still, and the signal would be taken for its end. -ESRCH if the parent is gone. */
int confine_die_with(pid_t parent);

#endif
