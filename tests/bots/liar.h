/* A UDP server that answers like Baton's game or echo, on one kernel socket, and lies now and then: what the bots are
 * tested against. Its game logic is its own, so that bots and plugin are held against a second opinion. */
#ifndef BATON_TESTS_BOTS_LIAR_H
#define BATON_TESTS_BOTS_LIAR_H

#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

enum bots_service { BOTS_GAME, BOTS_ECHO };
enum lie { LIE_HONEST, LIE_DROP, LIE_DOUBLE, LIE_SWAP, LIE_ALTER };

#define LIAR_PLAYERS 65536u /* a power of two; more are refused as the full server that it is */

struct liar_player {
	uint32_t id;
	uint32_t sequence;
	float at[3];
	bool used, moved;
};

struct liar {
	int fd;
	enum lie lie;
	enum bots_service service;
	uint64_t every; /* one lie in so many replies, none before the first so many */
	struct liar_player *player;
	uint64_t requests, replies, lies;
	bool holding;         /* swap: a reply waits for the next one of the same player */
	struct sockaddr_in held_to;
	uint32_t held_len;
	uint8_t held[2048];
};

/* Returns 0 or -EINVAL. */
int liar_mode(const char *name, enum lie *out);

/* Binds to *address (port 0: any; the one found is filled in). Returns 0, or -errno with a line on standard error. */
int liar_open(struct liar *liar, enum lie lie, enum bots_service service, uint64_t every, struct sockaddr_in *address);
/* Serves until *stop. Returns 0 or -errno. */
int liar_serve(struct liar *liar, const volatile sig_atomic_t *stop);
void liar_close(struct liar *liar);

#endif
