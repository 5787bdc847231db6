/* The server that lies, in a thread of its own on a loopback address, and the options most runs share. */
#ifndef BOTS_RIG_H
#define BOTS_RIG_H

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bots.h"

struct server {
	struct liar liar;
	pthread_t thread;
	volatile sig_atomic_t stop;
	int rc;
};

static void *rig_serve(void *arg)
{
	struct server *server = arg;

	server->rc = liar_serve(&server->liar, &server->stop);
	return NULL;
}

/* One lie in `every` replies, or attacks that it fits. */
static inline void server_start(struct server *server, enum lie lie, enum bots_service service, uint64_t every,
				uint64_t regen_ns, struct sockaddr_in *address)
{
	*address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	server->stop = 0;
	assert_int_equal(liar_open(&server->liar, lie, service, every, address), 0);
	server->liar.regen_ns = regen_ns;
	assert_int_equal(pthread_create(&server->thread, NULL, rig_serve, server), 0);
}

static inline void server_stop(struct server *server)
{
	server->stop = 1;
	assert_int_equal(pthread_join(server->thread, NULL), 0);
	assert_int_equal(server->rc, 0);
	liar_close(&server->liar);
}

#endif
