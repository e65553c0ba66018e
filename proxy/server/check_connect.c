/* check_connect.c - jobgate check --connect: whether the store and a sidecar's job can be reached.
 */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "auth/control/fixed_job.h"
#include "auth/redis/store.h"
#include "jobgate/clock.h"
#include "net/resolve.h"
#include "server/server.h"

#define TIMEOUT_MS 5000 /* of a connection attempt, and for the answer of the store */
#define PAUSE_US 50000
#define NO_JOB \
	SLICE("0") /* is read if no job is to be read: any answer shows that the store works */

/* One read of the store. */
struct inquiry {
	const struct control_settings *settings;
	const struct log *log;
	struct event_base *base;
	struct store *store;
	bool asked;    /* a read is under way */
	bool answered; /* the store answered */
	bool good;
};

/* True when something listens there; errno otherwise. */
static bool
connects(int family, const struct sockaddr *address, socklen_t len)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_MS / 1000};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), error;
	bool up;

	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	up = connect(fd, address, len) == 0;
	error = errno == EINPROGRESS ? ETIMEDOUT : errno;
	close(fd);
	errno = error;
	return up;
}

static bool
host_connects(const struct job_url *url, const char **why)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char host[256], port[8];
	bool up = false;
	int error;

	snprintf(host, sizeof(host), "%.*s", (int)url->host.len, url->host.at);
	snprintf(port, sizeof(port), "%u", url->port);
	error = getaddrinfo(host, port, &hints, &found);
	*why = gai_strerror(error);
	for (const struct addrinfo *at = found; at != NULL && !up; at = at->ai_next) {
		up = connects(at->ai_family, at->ai_addr, at->ai_addrlen);
		*why = strerror(errno);
	}
	if (found != NULL)
		freeaddrinfo(found);
	return up;
}

static bool
socket_connects(const struct job_url *url, const char **why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	bool up;

	memcpy(address.sun_path, url->path.at, url->path.len); /* at most 107 bytes (job.h) */
	up = connects(AF_UNIX, (const struct sockaddr *)&address, sizeof(address));
	*why = strerror(errno);
	return up;
}

/* True when something listens at the URL, which is valid. */
static bool
is_reached(struct slice text, const char **why)
{
	struct job_url url;
	size_t bad;

	jg_job_url_parse(text, &url, &bad);
	return url.scheme == JOB_URL_UNIX ? socket_connects(&url, why) : host_connects(&url, why);
}

/* True when something listens at each of these URLs, which are separated by single spaces. */
static bool
check_urls(const struct log *log, const char *job, struct slice urls)
{
	bool good = true;
	const char *why, *blank;

	while (urls.len > 0) {
		struct slice one = urls;

		blank = memchr(urls.at, ' ', urls.len);
		if (blank != NULL)
			one.len = (size_t)(blank - urls.at);
		urls = slice_after(urls, one.len + (blank != NULL));
		if (is_reached(one, &why))
			continue;
		good = false;
		log_error(log, "job %s: nothing can be reached at %.*s: %s", job, (int)one.len,
		    one.at, why);
	}
	return good;
}

/* This gateway does not serve the ports of its job, but others may. */
static void
check_ports(const struct log *log, const struct job *job)
{
	const char *why;

	for (size_t i = 0; i < job->ports.count; i++) {
		const struct job_port *port = &job->ports.items[i];

		if (!is_reached(port->url_text, &why))
			log_warning(log,
			    "job %.*s: nothing can be reached at %.*s, the URL of its port %u: %s",
			    (int)job->id.len, job->id.at, (int)port->url_text.len,
			    port->url_text.at, (unsigned)port->number, why);
	}
}

static void
got_record(void *ctx, enum store_result result, const struct record *record)
{
	struct inquiry *inquiry = ctx;
	char text[FIXED_JOB_TEXT_MAX] = "";

	inquiry->asked = false;
	event_base_loopbreak(inquiry->base);
	if (result == STORE_UNAVAILABLE)
		return;
	inquiry->answered = inquiry->good = true;
	if (fixed_job_id(inquiry->settings) == NULL)
		return;
	inquiry->good = !fixed_job_problem(inquiry->settings, result, record, text);
	if (text[0] != '\0')
		log_warning(inquiry->log, "%s", text);
	if (result != STORE_OK || inquiry->settings->fixed_job == NULL)
		return;
	if (inquiry->settings->fixed_url == NULL &&
	    !check_urls(inquiry->log, inquiry->settings->fixed_job, record->job.url_text))
		inquiry->good = false;
	check_ports(inquiry->log, &record->job);
}

/* Ask until the store answers or TIMEOUT_MS are over. */
static void
inquire(struct inquiry *inquiry)
{
	const char *job = fixed_job_id(inquiry->settings);
	const struct timeval pause = {.tv_usec = PAUSE_US};
	uint64_t until = clock_ms(CLOCK_MONOTONIC) + TIMEOUT_MS;

	while (!inquiry->answered && clock_ms(CLOCK_MONOTONIC) < until) {
		event_base_loopexit(inquiry->base, &pause); /* let it connect */
		event_base_dispatch(inquiry->base);
		inquiry->asked = true;
		store_get(inquiry->store, RECORD_JOB, job != NULL ? slice_of(job) : NO_JOB,
		    got_record, inquiry);
		if (inquiry->asked)
			event_base_dispatch(inquiry->base);
	}
}

static bool
check_store(const struct config *config, const struct log *log)
{
	struct inquiry inquiry = {.settings = &config->control.process, .log = log};
	struct resolver *resolver;
	struct store_options options;

	if (config->store.write_url == NULL)
		return true; /* a private store runs only while the gateway does */
	inquiry.base = event_base_new();
	resolver = inquiry.base != NULL ? resolver_open(inquiry.base) : NULL;
	options = (struct store_options){.base = inquiry.base,
	    .resolver = resolver,
	    .url = config->store.write_url,
	    .prefix = config->store.prefix,
	    .ca_file = config->store.ca_file,
	    .password_file = config->store.password_file,
	    .of_primary = true,
	    .log = *log};
	inquiry.store = resolver != NULL ? store_new(&options) : NULL;
	if (inquiry.store != NULL)
		inquire(&inquiry);
	if (!inquiry.answered)
		log_error(log, "the store does not answer: check store.url, and that it is up");
	store_free(inquiry.store);
	resolver_free(resolver);
	if (inquiry.base != NULL)
		event_base_free(inquiry.base);
	return inquiry.good;
}

bool
server_check_connect(const struct config *config, const struct log *log)
{
	bool store = check_store(config, log), job = true;

	if (config->jobs.fixed_url != NULL)
		job = check_urls(log, config->jobs.fixed, slice_of(config->jobs.fixed_url));
	return store && job;
}
