/* What the primary and the zygote (or its spare) say to each other, and a worker to the primary: fixed-size messages
 * over SOCK_SEQPACKET sockets, descriptors by SCM_RIGHTS. Never on the data path. */
#ifndef BATON_ZYGOTE_H
#define BATON_ZYGOTE_H

#include <stdint.h>

#include "abi.h"
#include "config.h"
#include "journal.h" /* of baton.h: what a plugin says of its schemas */

#define ZYGOTE_MAGIC 0x425a5947u

/* How the primary starts it, with SOCK_SEQPACKET, state file, counters and shadow region at the numbers below, all else
 * closed:
 *
 *   baton-zygote --parent PID --file-prefix P --runtime-dir DIR --huge-dir DIR --io-lcores N --slots N --cpu N
 *
 * parent: the primary, which is child subreaper; runtime-dir: the primary's RUNTIME_DIRECTORY; cpu: where the zygote
 * lives, not a polling core. With --pages, and the list of the belts' pages at ZYGOTE_FD_PAGES, it does without EAL:
 * a zygote that is started when the first one and its spare are dead. `baton-zygote --describe FILE.so` prints a
 * plugin's descriptor as one JSON line. */
enum { ZYGOTE_FD_CONTROL = 3, ZYGOTE_FD_STATE = 4, ZYGOTE_FD_STATS = 5, ZYGOTE_FD_SHADOW = 6, ZYGOTE_FD_PAGES = 7 };

/* I/O lcore, slot, address, the primary's descriptor, offset in its file; by lcore and slot. */
#define ZYGOTE_PAGE_LINE "%u %u %lx %d %zu\n"

enum zygote_kind {
	/* primary -> zygote */
	ZYGOTE_SPAWN = 1, /* fd 0: the worker's end of its socket, fd 1: sealed memfd with the plugin */
	ZYGOTE_SPARE,     /* fd 0: control socket of the new spare */
	/* zygote -> primary */
	ZYGOTE_READY,     /* attached; text: DPDK version */
	ZYGOTE_FAILED,    /* text: why, and what to do */
	/* worker -> primary, on its own socket; the kernel adds its credentials (SO_PASSCRED) */
	WORKER_BORN,      /* who forked it says its pid: it may be ended from now on, whether or not it gets to speak */
	WORKER_HELLO,     /* first acts done, plugin about to be loaded */
	WORKER_READY,     /* plugin loaded and initialised; descriptor fields below */
	WORKER_REFUSED,   /* text: why and the fix; the worker leaves */
	WORKER_LOG,       /* text */
};

struct zygote_spawn {
	uint32_t slot;
	uint32_t incarnation;
	uint32_t group;
	uint32_t service;       /* index of the group's service, for the records' geometry */
	uint32_t io_lcores;     /* belts 0 .. io_lcores - 1 */
	int32_t cpu;            /* -1: any; the zygote's own is not inherited */
	uint32_t busy_poll;     /* 1: never sleep */
	uint32_t buckets;
	uint32_t key;           /* enum baton_key the service steers by */
	uint64_t seed_salt;     /* for baton_random() */
	uint32_t shadow;        /* 0: works on the group's records; else: on those of side shadow - 1 of shadow_region.h */
	uint32_t alone;         /* 1: nobody runs on `cpu`, and somebody waits: all of the start may happen there */
	char name[BATON_NAME_BYTES];  /* "game.0" */
	char plugin[BATON_PATH_BYTES]; /* path of the original, for messages */
	uint32_t settings;
	struct config_setting setting[CONFIG_SETTINGS];
};

struct worker_ready {
	uint32_t abi;
	uint32_t key;
	uint32_t key_offset;
	uint32_t key_length;
	uint32_t schema;
	uint32_t record_size;
	char plugin_name[BATON_NAME_BYTES];
	char version[BATON_NAME_BYTES];
	char build_id[44]; /* hex; empty if the file has none */
	uint32_t shadow;   /* READY_SHADOW | READY_DIGEST: what its descriptor says */
	uint32_t olders;
	struct baton_older older[BATON_OLDER_MOST];
};
#define READY_SHADOW 1u /* may run as one */
#define READY_DIGEST 2u /* names the fields of its replies */

struct zygote_message {
	uint32_t magic;
	uint32_t abi;
	uint32_t kind;
	uint32_t pad;
	union {
		struct zygote_spawn spawn;
		struct worker_ready ready;
		int32_t born; /* pid */
		char text[1024];
	};
};

/* Sends one message with up to two descriptors (-1: none). Never blocks. Returns 0 or -errno. */
int zygote_send(int fd, const struct zygote_message *message, int fd0, int fd1);

/* Receives one message. fds: two places, -1 where none came; *pid: sender as the kernel says, 0 if unknown (either may
 * be NULL). Returns 1, 0 on hang-up, -EAGAIN, -EPROTO for a message of another ABI or size, or -errno. */
int zygote_receive(int fd, struct zygote_message *message, int fds[2], int32_t *pid);

#endif
