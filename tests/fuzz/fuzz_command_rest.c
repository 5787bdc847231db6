/* What stands for the rest of the primary: watched descriptors, status, orders that begin and are ended by the
 * input. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "command.h"
#include "fuzz_command.h"
#include "reload.h"
#include "reply.h"
#include "restart.h"
#include "scale.h"
#include "status.h"
#include "supervisor.h"

int primary_watch_events(struct primary *p, int fd, bool writable, primary_watch_fn fn, void *arg)
{
	struct primary_watch *place = NULL;

	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		if (p->watch[i].fd == fd || (p->watch[i].fd < 0 && !place)) {
			place = &p->watch[i];
			if (place->fd == fd)
				break;
		}
	must(place);
	*place = (struct primary_watch){ fd, (short)(POLLIN | (writable ? POLLOUT : 0)), fn, arg };
	return 0;
}

int primary_watch(struct primary *p, int fd, primary_watch_fn fn, void *arg)
{
	return primary_watch_events(p, fd, false, fn, arg);
}

void primary_unwatch(struct primary *p, int fd)
{
	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		if (p->watch[i].fd == fd)
			p->watch[i].fd = -1;
}

void status_poll(struct primary *p, struct status_history *history) { (void)p, (void)history; }
json_t *status_build(struct primary *p) { (void)p; return reply_ok(); }
json_t *status_stats(struct primary *p) { (void)p; return reply_ok(); }
json_t *status_workers(struct primary *p) { (void)p; return json_array(); }

/* Who gives the order must be allowed to, and the log must have it already. */
static int begin_order(const char *target, restart_done_fn done, uint64_t token, char *why, size_t bytes)
{
	const struct command_client *c = &primary.command->client[(uint32_t)token % COMMAND_CLIENTS];

	must(done == command_reply);
	must(c->fd >= 0 && peer_role(&primary.config, &c->peer) == ROLE_OPERATOR);
	must(primary.audit->open_orders > 0);
	if (strncmp(target, "game", 4) != 0) {
		snprintf(why, bytes, "no worker or group '%s'", target);
		return -ENOENT;
	}
	if (begun) {
		snprintf(why, bytes, "an order for %s is under way", target);
		return -EBUSY;
	}
	begun = token + 1;
	return 0;
}

int restart_begin(struct supervisor *sup, const char *target, const char *version, restart_done_fn done,
		  uint64_t token, char *why, size_t bytes)
{
	(void)sup, (void)version;
	return begin_order(target, done, token, why, bytes);
}

int scale_begin_start(struct supervisor *sup, const char *target, restart_done_fn done, uint64_t token, char *why,
		      size_t bytes)
{
	(void)sup;
	return begin_order(target, done, token, why, bytes);
}

int scale_begin_drain(struct supervisor *sup, const char *target, bool stop, restart_done_fn done, uint64_t token,
		      char *why, size_t bytes)
{
	(void)sup, (void)stop;
	return begin_order(target, done, token, why, bytes);
}

int debug_begin(struct supervisor *sup, const char *target, const char *buckets, const json_t *keys,
		restart_done_fn done, uint64_t token, char *why, size_t bytes)
{
	(void)sup, (void)buckets;
	must(keys == NULL || (json_is_array(keys) && json_array_size(keys) <= 1000));
	return begin_order(target, done, token, why, bytes);
}

int debug_end(struct supervisor *sup, const char *target, restart_done_fn done, uint64_t token, char *why, size_t bytes)
{
	(void)sup;
	return begin_order(target, done, token, why, bytes);
}

int scale_begin_move(struct supervisor *sup, const char *buckets, const char *target, restart_done_fn done,
		     uint64_t token, char *why, size_t bytes)
{
	(void)sup;
	must(buckets != NULL);
	return begin_order(target, done, token, why, bytes);
}

bool scale_busy(const struct supervisor *sup, char *why, size_t bytes)
{
	(void)sup, (void)why, (void)bytes;
	return false;
}
json_t *scale_show(struct primary *p, const char *group) { (void)p, (void)group; return reply_ok(); }
json_t *scale_find(struct primary *p, const char *service, const json_t *keys)
{
	(void)p, (void)service, (void)keys; /* anything: it is the one to look */
	return reply_ok();
}
void standbys_renew(struct supervisor *sup, uint32_t group) { (void)sup, (void)group; }
void reload_note_counts(struct primary *p) { (void)p; }
bool reload_scale(struct primary *p, bool forward) { (void)p, (void)forward; return false; }
