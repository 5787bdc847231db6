/* One question to the zygote's program for each file. */
#include "plugin_ask.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "plugin_info.h"
#include "refuse.h"

int plugin_ask_begin(struct plugin_ask *ask, const char *zygote, const char *file, int timeout_ms, char *why,
		     size_t bytes)
{
	char *argv[] = { (char *)(uintptr_t)zygote, (char *)(uintptr_t) "--describe", (char *)(uintptr_t)file, NULL };

	*ask = (struct plugin_ask){ .process = { .pid = 0 } };
	snprintf(ask->file, sizeof(ask->file), "%s", file);
	int rc = ask_begin(&ask->process, argv, timeout_ms);
	return rc ? refuse(-rc, why, bytes, "cannot run %s: %s", zygote, strerror(-rc)) : 0;
}

/* What it had to say, as one line. */
static const char *ask_complaint(struct plugin_ask *ask)
{
	char *text = ask->process.complaint;

	text[ask->process.complaint_len] = 0;
	text[strcspn(text, "\n")] = 0;
	return text[0] ? text : "it did not say why";
}

static int ask_judge(struct plugin_ask *ask, int status, struct plugin_info *info, char *why, size_t bytes)
{
	char detail[160];

	if (WIFSIGNALED(status))
		return refuse(EINVAL, why, bytes, "plugin %s: loading it died of signal %d (%s)", ask->file,
			      WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		return refuse(EINVAL, why, bytes, "plugin %s: %s", ask->file, ask_complaint(ask));
	int rc = plugin_info_parse(ask->process.text, ask->process.text_len, info, detail, sizeof(detail));
	return rc ? refuse(-rc, why, bytes, "plugin %s: %s", ask->file, detail) : 0;
}

int plugin_ask_poll(struct plugin_ask *ask, struct plugin_info *info, char *why, size_t bytes)
{
	int status = 0, rc = ask_poll(&ask->process, &status);

	if (rc == 0)
		return ask_judge(ask, status, info, why, bytes);
	if (rc == -ECHILD)
		return refuse(ECHILD, why, bytes, "plugin %s: whoever described it is gone", ask->file);
	if (rc == -ETIMEDOUT)
		return refuse(ETIMEDOUT, why, bytes, "plugin %s was not described within %d ms: does loading it block?",
			      ask->file, ask->process.timeout_ms);
	return rc;
}

void plugin_ask_cancel(struct plugin_ask *ask)
{
	ask_cancel(&ask->process);
}

int plugin_ask(const char *zygote, const char *file, int timeout_ms, struct plugin_info *info, char *why, size_t bytes)
{
	struct plugin_ask ask;
	int status = 0, rc = plugin_ask_begin(&ask, zygote, file, timeout_ms, why, bytes);

	if (rc)
		return rc;
	rc = ask_wait(&ask.process, &status);
	if (rc == 0)
		return ask_judge(&ask, status, info, why, bytes);
	return refuse(-rc, why, bytes, "plugin %s was not described within %d ms: does loading it block?", file,
		      timeout_ms);
}
