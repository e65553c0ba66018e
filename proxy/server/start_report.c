/* start_report.c - what the operator is told at the start: what runs, with what, and when it is
 * ready.
 */
#include "server/supervisor.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "jobgate/paths.h"
#include "observe/metrics.h"

#define URL_MAX 256

/* The URL without the user and password before "@", and without a query. */
static const char *
without_secrets(const char *url, char out[URL_MAX])
{
	size_t len = strcspn(url, "?#");
	const char *host = strstr(url, "://");
	/* The path of a socket, as in unix:///run/a@b, may have "@", but no user. */
	const char *at =
	    host != NULL && host[3] != '/' ? memrchr(host, '@', len - (size_t)(host - url)) : NULL;

	if (at == NULL)
		snprintf(out, URL_MAX, "%.*s", (int)len, url);
	else
		snprintf(out, URL_MAX, "%.*s%.*s", (int)(host + 3 - url), url,
		    (int)(url + len - at - 1), at + 1);
	return out;
}

void
start_report_begin(const struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;
	const struct log *log = &supervisor->log;
	char url[URL_MAX];

	if (config->file != NULL)
		log_info(log, "jobgate " JOBGATE_VERSION ", configuration %s", config->file);
	else
		log_info(log, "jobgate " JOBGATE_VERSION ", without a configuration: the defaults");
	if (supervisor->private_redis)
		log_info(log, "store: a private redis-server, which keeps its data in %s",
		    config->store.state_dir);
	else
		log_info(log, "store: %s", without_secrets(config->store.url, url));
}

/* Commands that can be typed as they are, but for what is in capitals. */
static void
tell_next(const struct supervisor *supervisor)
{
	const char *socket = supervisor->config->control.process.socket,
		   *word = "next, in another terminal";
	const struct log *log = &supervisor->log;
	char found[PATH_MAX];

	if (!jg_control_socket_find(JG_SERVICE_SOCKET, found, sizeof(found)) ||
	    strcmp(found, socket) != 0) {
		log_info(log, "%s: export JOBGATE_URL=unix:%s", word, socket);
		word = "then";
	}
	log_info(log, "%s: jobgate job create NAME --url http://127.0.0.1:PORT", word);
	log_info(log, "then: jobgate token create NAME --role read");
}

void
start_report_turn(struct supervisor *supervisor)
{
	char why[256] = "";

	if (supervisor->told_ready || !metrics_ready(supervisor->stats, why, sizeof(why)))
		return;
	supervisor->told_ready = true;
	log_info(&supervisor->log, "ready");
	if (isatty(STDERR_FILENO))
		tell_next(supervisor);
}
