/* The bots' kernel sockets: one epoll, many connected UDP sockets, bursts in both directions. */
#ifndef BATON_TESTS_BOTS_NET_H
#define BATON_TESTS_BOTS_NET_H

#include "model.h"

#define NET_BURST 64u

struct net_queue {
	struct request *first, *last;
	bool waiting; /* is in net.waiting */
};

struct net {
	int epoll;
	int *fd;
	uint32_t sockets;
	uint32_t per_socket; /* replies that a socket's buffer holds for certain */
	struct net_queue *queue;
	uint32_t *waiting; /* sockets with something to send */
	uint32_t waitings;
	uint8_t (*buffer)[2048]; /* NET_BURST of them */
};

/* Opens `sockets` sockets connected to `server`. Returns 0 or -errno, with a line on standard error. */
int net_open(struct net *net, const struct sockaddr_in *server, uint32_t sockets, uint32_t in_flight);
void net_close(struct net *net);

/* Queues a request; net_flush() sends what is queued. Returns 0, -EAGAIN if the kernel took not all of it (call again),
 * or -errno when sending is not possible at all. */
void net_queue_request(struct net *net, struct request *r);
int net_flush(struct net *net, struct model *model);

/* Waits at most timeout_ms for replies and gives them to the model. Returns 0 or -errno. */
int net_receive(struct net *net, struct model *model, int timeout_ms);

/* Datagrams that the kernel dropped because a socket's buffer was full: our own fault, not the server's. */
uint64_t net_drops(const struct net *net);

uint64_t clock_ns(clockid_t clock);

/* A socket connected to the server. Returns it or -errno, with a line on standard error. */
int net_open_socket(const struct sockaddr_in *server);

struct net_probe {
	int fd;
	uint32_t first;   /* number of the first probe that this outage may end with */
	uint64_t from_ns, sent_ns;
};

/* Opens a socket of its own, and asks by it with a heartbeat (echo: a datagram) of a player of its own, again every
 * 100 ms, until something answers or connect_timeout is over (0: it does not ask). It stays open until the end of the
 * run, so that late answers meet a socket. Returns 0 or -errno. */
int net_probe(struct net_probe *probe, const struct bots_options *options, struct bots_tally *tally,
	      const volatile sig_atomic_t *stop);

/* Begins an outage if the primary was killed, asks every 2 ms, and ends it when there is an answer. Returns 0, or
 * -ETIMEDOUT if there has been none for a minute. */
int net_outage(struct net_probe *probe, struct model *model, uint64_t now);

#endif
