/* The primary's end of the zygote and its spare: starts the one DPDK secondary of this boot, asks it for workers, lets
 * the spare take over when it dies, and starts another one, which does without EAL, when both have. Main lcore only. */
#ifndef BATON_PRIMARY_ZYGOTE_CLIENT_H
#define BATON_PRIMARY_ZYGOTE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "zygote.h"

#define ZYGOTE_START_MS 5000 /* from exec to attached, spare included */

struct zygote_process {
	pid_t pid;  /* 0: not known yet */
	int pidfd;  /* -1: not known yet */
	int fd;     /* -1: no such process */
	bool ready;
	uint64_t asked_ns; /* CLOCK_MONOTONIC: when the spare was asked for */
};

struct zygote_args {
	const char *file_prefix, *runtime_dir, *huge_dir;
	uint32_t io_lcores, slots;
	uint32_t cpu;
	int state_fd, stats_fd;
	int shadow_fd; /* shadow region, see shadow_region.h */
	int pages_fd; /* list of the belts' pages (belt_pages.h), for a zygote that does without EAL; -1: none */
};

struct zygote_client {
	char path[4096];
	struct zygote_process current, spare;
	uint32_t deaths;         /* zygotes and spares lost, ever */
	uint64_t spare_after_ns; /* a new spare is asked for no earlier */
	char dpdk[64];           /* DPDK version the zygote runs */
	struct zygote_args args;
	bool again;              /* the one that runs was started under traffic, without EAL */
	uint64_t again_after_ns; /* another such one is started no earlier */
};

/* Path of baton-zygote: $BATON_ZYGOTE, else beside the running program. Returns 0, -ENOENT or -ENAMETOOLONG. */
int zygote_find(char *path, size_t bytes);

/* Becomes child subreaper, starts the zygote and waits, at most ZYGOTE_START_MS, until it is attached and has a spare.
 * Returns 0, or -errno with one line in `why`; nothing is left behind then. What args points to must stay. */
int zygote_client_start(struct zygote_client *client, const struct zygote_args *args, char *why, size_t bytes);

/* Asks for a worker with the plugin in the sealed memfd `image`. *socket: our end of its socket (non-blocking, with
 * credentials); the caller closes it. Returns 0, -ENOTCONN if there is no zygote, or -errno. Never blocks. */
int zygote_client_spawn(struct zygote_client *client, const struct zygote_spawn *spawn, int image, int *socket);

/* Every turn: messages, deaths, the spare's promotion, a new spare. Never blocks. */
void zygote_client_poll(struct zygote_client *client);

/* Kills a zygote that does not answer; zygote_client_poll() sees its death. */
void zygote_client_kill(struct zygote_client *client);

/* Hangs up on both, waits a moment, kills, reaps. */
void zygote_client_stop(struct zygote_client *client);

#endif
