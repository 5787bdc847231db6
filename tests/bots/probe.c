/* Probes: is anybody there? Before a run, and after a kill of the primary. */
#include "net.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PROBE_PAUSE_NS  2000000ull /* in an outage: so exactly is its end known */
#define OUTAGE_MOST_NS  60000000000ull

static void send_probe(struct net_probe *probe, const struct bots_options *options, struct bots_tally *tally)
{
	uint8_t bytes[64];
	uint32_t len = sizeof(struct GameHeartbeat);
	uint32_t number = (uint32_t)tally->probes;

	if (options->service == BOTS_ECHO)
		model_echo_fill(bytes, len, UINT32_MAX, number);
	else
		wire_build_heartbeat(bytes, (uint32_t)(options->seed >> 8) ^ 0x70726f62u, number,
				     clock_ns(CLOCK_REALTIME));
	if (send(probe->fd, bytes, len, MSG_DONTWAIT) == (ssize_t)len)
		tally->probes++;
}

/* True if a probe from number `first` on has been answered. Reads all that is there. */
static bool answered(struct net_probe *probe, const struct bots_options *options, uint32_t first)
{
	uint32_t at = options->service == BOTS_ECHO ? 4 : 12, number;
	uint8_t bytes[2048];
	bool any = false;
	ssize_t len;

	while ((len = recv(probe->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		memcpy(&number, bytes + at, sizeof(number));
		any = any || (len >= (ssize_t)sizeof(struct GamePacketHeader) && number - first < UINT32_MAX / 2);
	}
	return any;
}

int net_probe(struct net_probe *probe, const struct bots_options *options, struct bots_tally *tally,
	      const volatile sig_atomic_t *stop)
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(options->connect_timeout * 1e9);

	probe->fd = net_open_socket(&options->server);
	if (probe->fd < 0)
		return probe->fd;
	if (options->connect_timeout <= 0)
		return 0;
	while (clock_ns(CLOCK_MONOTONIC) < deadline && !*stop) {
		struct pollfd wait = { .fd = probe->fd, .events = POLLIN };
		send_probe(probe, options, tally);
		if (poll(&wait, 1, 100) <= 0)
			continue;
		if (answered(probe, options, 0))
			return 0;
		poll(NULL, 0, 100); /* nothing listens there yet: ask again in the same rhythm */
	}
	if (*stop)
		return -EINTR;
	fprintf(stderr, "baton-bots: no answer within %g s: is the service up, and is this its address and port?\n",
		options->connect_timeout);
	return -ETIMEDOUT;
}

static void begin(struct net_probe *probe, struct model *model, uint64_t now)
{
	if (!model->outage) {
		probe->from_ns = now;
		answered(probe, model->options, 0); /* what the dead one had sent */
	}
	/* Killed again before it answered: what it might still have said does not count. */
	probe->first = (uint32_t)model->tally->probes;
	probe->sent_ns = now;
	model_outage(model);
}

int net_outage(struct net_probe *probe, struct model *model, uint64_t now)
{
	struct bots_outages *outages = &model->tally->outage;

	if (model->options->kills != NULL && (uint64_t)*model->options->kills > outages->count)
		begin(probe, model, now);
	if (!model->outage)
		return 0;
	if (now - probe->from_ns > OUTAGE_MOST_NS) {
		fprintf(stderr, "baton-bots: the primary was killed, and nobody has answered for %llu s since\n",
			OUTAGE_MOST_NS / 1000000000ull);
		return -ETIMEDOUT;
	}
	if (answered(probe, model->options, probe->first)) {
		if (outages->over < BOTS_OUTAGES_KEPT)
			outages->ns[outages->over] = now - probe->from_ns;
		model_resume(model, now);
	} else if (now - probe->sent_ns >= PROBE_PAUSE_NS) {
		probe->sent_ns = now;
		send_probe(probe, model->options, model->tally);
	}
	return 0;
}
