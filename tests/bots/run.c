/* The closed loop: send what may be sent, take what comes, give up what is overdue. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net.h"

/* Requests that may have been made by now. */
static uint64_t allowed(const struct bots_options *options, uint64_t elapsed_ns)
{
	uint64_t most = options->requests != 0 ? options->requests : UINT64_MAX;

	if (options->rate > 0) {
		double paced = (double)elapsed_ns * options->rate / 1e9 + 1;
		if (paced < (double)most)
			most = (uint64_t)paced;
	}
	return most;
}

/* Makes and queues requests, one burst at most. Those that are sent once more are not new ones. */
static uint32_t make_requests(const struct bots_options *options, struct model *model, struct net *net, uint64_t *made,
			      uint64_t elapsed_ns)
{
	uint64_t most = model_finishing(model) ? UINT64_MAX : allowed(options, elapsed_ns);
	uint64_t wall = clock_ns(CLOCK_REALTIME);
	uint32_t count = 0;
	struct request *r;

	while (count < NET_BURST && *made < most && (r = model_next(model, wall)) != NULL) {
		*made += !r->sent;
		net_queue_request(net, r);
		count++;
	}
	return count;
}

/* Sends attacks again that have no answer. */
static void repeat_requests(struct model *model, struct net *net, uint64_t now)
{
	struct request *r;

	while ((r = model_repeat(model, now)) != NULL)
		net_queue_request(net, r);
}

/* How long to wait for replies: not at all if there is more to send. */
static int wait_ms(const struct bots_options *options, const struct model *model, int flushed, uint32_t made,
		   uint64_t now, uint64_t expires)
{
	if (made == NET_BURST)
		return 0;
	if (flushed == -EAGAIN || options->rate > 0 || model->outage || model_finishing(model) ||
	    (model->fighter != NULL && !model->closing))
		return 1; /* whoever has cooled down may attack */
	uint64_t ms = expires > now ? (expires - now) / 1000000 + 1 : 1;
	return ms < 100 ? (int)ms : 100;
}

static int play(const struct bots_options *options, struct model *model, struct net *net, struct net_probe *probe,
		struct bots_tally *tally, const volatile sig_atomic_t *stop)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC), now = start;
	uint64_t length = options->seconds > 0 ? (uint64_t)(options->seconds * 1e9) : UINT64_MAX;
	uint64_t made = 0, stuck_since = 0;

	for (;;) {
		int rc = net_outage(probe, model, now);
		if (rc != 0)
			return rc;
		bool sending = !*stop && now - start < length &&
			       (options->requests == 0 || made < options->requests);
		if (!sending)
			model_closing(model);
		uint32_t count = sending || model_finishing(model)
			       ? make_requests(options, model, net, &made, now - start) : 0;
		repeat_requests(model, net, now);
		int flushed = net_flush(net, model);
		if (flushed != 0 && flushed != -EAGAIN)
			return flushed;
		uint64_t expires = model_expire(model, now);
		rc = net_receive(net, model, wait_ms(options, model, flushed, count, now, expires));
		if (rc != 0)
			return rc;
		now = clock_ns(CLOCK_MONOTONIC);
		tally->elapsed_ns = now - start;
		if (!sending && model->open == 0 && !model_finish(model))
			return 0;
		if (*stop > 1)
			return -EINTR;
		stuck_since = flushed == 0 || model->outage ? 0 : stuck_since == 0 ? now : stuck_since;
		if (stuck_since != 0 && now - stuck_since > options->lost_after_ms * 1000000ull) {
			fprintf(stderr, "baton-bots: the kernel took no datagram for %u ms: is the link up, is there"
				" a route?\n", options->lost_after_ms);
			return -ETIMEDOUT;
		}
	}
}

/* Takes what else arrives: a duplicate of the last replies would come now. */
static int linger(struct model *model, struct net *net, struct bots_tally *tally)
{
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + 100000000;
	uint64_t elapsed = tally->elapsed_ns;
	int rc = 0;

	while (rc == 0 && clock_ns(CLOCK_MONOTONIC) < until)
		rc = net_receive(net, model, 20);
	tally->elapsed_ns = elapsed;
	return rc;
}

int bots_run(const struct bots_options *options, struct bots_tally *tally, const volatile sig_atomic_t *stop)
{
	struct model model;
	struct net net;
	struct net_probe probe;

	memset(tally, 0, sizeof(*tally));
	int rc = net_probe(&probe, options, tally, stop);
	if (rc != 0)
		goto close_probe;
	rc = net_open(&net, &options->server, options->sockets, options->in_flight);
	if (rc != 0)
		goto close_probe;
	rc = model_create(&model, options, tally, net.per_socket);
	if (rc != 0) {
		fprintf(stderr, "baton-bots: not enough memory for %u players\n", options->players);
		goto close_net;
	}
	rc = play(options, &model, &net, &probe, tally, stop);
	if (rc == 0)
		rc = linger(&model, &net, tally);
	tally->socket_drops = net_drops(&net);
	model_destroy(&model);
close_net:
	net_close(&net);
close_probe:
	if (probe.fd >= 0)
		close(probe.fd);
	return rc;
}
