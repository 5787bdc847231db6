/* SIGHUP: the file is read again, and the audit log says who sent it. */
#include <signal.h>

#include "audit.h"
#include "log.h"
#include "primary.h"
#include "reload.h"

/* SIGHUP: an order like that of the control socket, but with nobody to answer. */
void reload_hang_up(struct primary *primary)
{
	struct audit_order *order;
	struct peer peer;

	log_info("signal %d: reading %s again", SIGHUP, primary->config_path);
	audit_reopen(primary);
	peer_of_signal(&peer, SIGHUP, (uid_t)primary->hangup_by.uid, (pid_t)primary->hangup_by.pid);
	order = audit_begin(primary, &peer, "config.reload", NULL);
	json_t *reply = reload_begin(primary, false, 0);
	if (reload_busy(primary))
		audit_await(primary, order, AUDIT_RELOAD);
	else
		audit_end(primary, order, reply);
	json_decref(reply);
}
