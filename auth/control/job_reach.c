/* job_reach.c - connects to the backends of a sidecar's job, and logs when one stops or begins to
 * take connections. */
#include "auth/control/job_reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "jobgate/clock.h"
#include "jobgate/socket_path.h"

#define FAILURES_TOLD 2	 /* in a row: one may be a restart */
#define NOT_ALLOWED (-1) /* no errno has this value */

struct backend {
	struct slice text; /* of the URL */
	struct job_url url;
	unsigned failures; /* in a row */
	uint64_t since_ms; /* the first of them */
	bool told;
};

struct job_reach {
	struct job_reach_options options;
	struct event *timer; /* for the next backend, or the next round */
	struct event *event; /* while fd connects */
	int fd;		     /* or -1 */
	struct resolution *resolution;
	struct resolved resolved; /* of the backend that is tried now */
	size_t next;		  /* of these addresses */
	const char *why;	  /* the last one failed; a static text */
	struct backend backends[JOB_URLS_MAX];
	size_t count, at; /* at: which one is tried now */
	char text[JOB_URL_MAX];
	size_t len;
};

static void
wait_ms(struct job_reach *reach, uint64_t ms)
{
	const struct timeval pause = {
	    .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

	event_add(reach->timer, &pause); /* fails only without memory: then nothing more is told */
}

/* End what is under way for one backend. */
static void
stop(struct job_reach *reach)
{
	if (reach->resolution != NULL)
		resolver_cancel(reach->resolution);
	reach->resolution = NULL;
	if (reach->event != NULL)
		event_free(reach->event);
	reach->event = NULL;
	if (reach->fd >= 0)
		close(reach->fd);
	reach->fd = -1;
}

/* The present backend has been tried; the next one follows in a turn of its own. */
static void
go_on(struct job_reach *reach)
{
	stop(reach);
	reach->at++;
	wait_ms(reach, 0);
}

static void
succeed(struct job_reach *reach)
{
	struct backend *backend = &reach->backends[reach->at];

	if (backend->told)
		log_info(reach->options.log, "job %s takes connections at %.*s again",
		    reach->options.job, (int)backend->text.len, backend->text.at);
	backend->told = false;
	backend->failures = 0;
	go_on(reach);
}

static void
fail(struct job_reach *reach)
{
	struct backend *backend = &reach->backends[reach->at];
	uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);

	if (backend->failures == 0)
		backend->since_ms = now_ms;
	backend->failures++;
	if (!backend->told && backend->failures >= FAILURES_TOLD &&
	    now_ms - backend->since_ms >= reach->options.start_ms) {
		backend->told = true;
		log_warning(reach->options.log,
		    "job %s: nothing can be reached at %.*s: %s; start the job, or %s",
		    reach->options.job, (int)backend->text.len, backend->text.at, reach->why,
		    reach->options.remedy);
	}
	go_on(reach);
}

/*
 * True when the socket is connected to itself, as may happen when it got the port of a server on
 * the same machine that is not there. It is reset then, so that the port is free for that server.
 */
static bool
is_own_peer(int fd)
{
	const struct linger none = {.l_onoff = 1};
	struct sockaddr_storage own = {0}, peer = {0};
	socklen_t own_len = sizeof(own), peer_len = sizeof(peer);

	if (getsockname(fd, (struct sockaddr *)&own, &own_len) != 0 || own.ss_family == AF_UNIX ||
	    getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0 || own_len != peer_len ||
	    memcmp(&own, &peer, own_len) != 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	return true;
}

static void try_addresses(struct job_reach *reach);

static void
on_connected(evutil_socket_t fd, short what, void *ctx)
{
	struct job_reach *reach = ctx;
	int error = socket_connect_error(fd);

	(void)what;
	if (error == 0 && is_own_peer(fd))
		error = ECONNREFUSED;
	if (error == 0) {
		succeed(reach);
		return;
	}
	stop(reach);
	reach->why = strerror(error);
	try_addresses(reach);
}

static bool
is_allowed(const struct job_reach *reach, const struct sockaddr *to, int path)
{
	const struct job_reach_options *options = &reach->options;

	return options->allows == NULL || options->allows(options->ctx, to, path);
}

/* Begin to connect: 0, or the errno with which it failed at once. */
static int
begin(struct job_reach *reach, const struct sockaddr *to, socklen_t len)
{
	uint64_t share_ms = reach->options.connect_ms / reach->resolved.count;
	const struct timeval timeout = {
	    .tv_sec = (time_t)(share_ms / 1000), .tv_usec = (suseconds_t)(share_ms % 1000 * 1000)};

	reach->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (reach->fd < 0)
		return errno;
	/* EAGAIN: a Unix socket whose queue is full, so there is a server. */
	if (connect(reach->fd, to, len) != 0 && errno != EINPROGRESS && errno != EAGAIN)
		return errno;
	reach->event = event_new(reach->options.base, reach->fd, EV_WRITE, on_connected, reach);
	if (reach->event != NULL && event_add(reach->event, &timeout) == 0)
		return 0;
	return ENOMEM;
}

/*
 * As begin, or NOT_ALLOWED. The path is held open, because another process may change what it leads
 * to between the check and the connect.
 */
static int
begin_path(struct job_reach *reach, const struct sockaddr_un *to)
{
	int path = jg_socket_path_open(to->sun_path), error = errno;

	if (!is_allowed(reach, (const struct sockaddr *)to, path)) {
		error = NOT_ALLOWED;
	} else if (path >= 0) {
		const struct sockaddr_un held = jg_socket_path_address(path);

		error = begin(reach, (const struct sockaddr *)&held, sizeof(held));
	}
	if (path >= 0)
		close(path);
	return error;
}

static int
begin_allowed(struct job_reach *reach, const struct address *address)
{
	const struct sockaddr *to = (const struct sockaddr *)&address->storage;

	if (to->sa_family == AF_UNIX)
		return begin_path(reach, (const struct sockaddr_un *)&address->storage);
	return is_allowed(reach, to, -1) ? begin(reach, to, address->len) : NOT_ALLOWED;
}

static void
try_addresses(struct job_reach *reach)
{
	while (reach->next < reach->resolved.count) {
		int error = begin_allowed(reach, &reach->resolved.addresses[reach->next++]);

		if (error == 0)
			return;
		reach->why = error == NOT_ALLOWED
				 ? "no job's URL may lead to its address (see backends.allow)"
				 : strerror(error);
		stop(reach);
	}
	fail(reach);
}

static void
on_resolved(void *ctx, const struct resolved *resolved)
{
	struct job_reach *reach = ctx;

	if (resolved->partial)
		return;
	reach->resolution = NULL;
	reach->resolved = *resolved;
	reach->why = resolved->error;
	try_addresses(reach);
}

static void
take_path(struct slice path, struct address *out)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&out->storage;

	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path.at, path.len); /* at most 107 bytes (job.h) */
	out->len = sizeof(*un);
}

static void
on_turn(evutil_socket_t fd, short events, void *ctx)
{
	struct job_reach *reach = ctx;
	const struct job_url *url = &reach->backends[reach->at].url;
	bool failing = false;

	(void)fd;
	(void)events;
	if (reach->at == reach->count) {
		for (size_t i = 0; i < reach->count; i++)
			failing = failing || reach->backends[i].failures > 0;
		reach->at = 0;
		if (reach->count > 0)
			wait_ms(reach, failing ? reach->options.again_ms : reach->options.pause_ms);
		return;
	}
	reach->resolved = (struct resolved){.count = 1};
	reach->next = 0;
	if (url->scheme == JOB_URL_UNIX) {
		take_path(url->path, &reach->resolved.addresses[0]);
	} else if (!address_parse(url->host, url->port, &reach->resolved.addresses[0])) {
		reach->resolved.count = 0;
		reach->resolution =
		    resolver_ask(reach->options.resolver, url->host, url->port, on_resolved, reach);
		if (reach->resolution == NULL)
			go_on(reach); /* memory is short: whether it can be reached is not known */
		return;
	}
	try_addresses(reach);
}

struct job_reach *
job_reach_new(const struct job_reach_options *options)
{
	struct job_reach *reach = calloc(1, sizeof(*reach));

	if (reach == NULL)
		return NULL;
	reach->options = *options;
	reach->fd = -1;
	reach->timer = evtimer_new(options->base, on_turn, reach);
	if (reach->timer != NULL)
		return reach;
	job_reach_free(reach);
	return NULL;
}

/* What is known of the backend, if it was one of the job's before. */
static void
remember(struct backend *backend, const struct backend *before, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (before[i].url.hash == backend->url.hash) {
			backend->failures = before[i].failures;
			backend->since_ms = before[i].since_ms;
			backend->told = before[i].told;
		}
}

void
job_reach_set(struct job_reach *reach, struct slice urls)
{
	struct backend before[JOB_URLS_MAX];
	size_t count, bad;

	if (reach == NULL || urls.len > sizeof(reach->text) ||
	    slice_equal(urls, (struct slice){reach->text, reach->len}))
		return;
	stop(reach);
	memcpy(before, reach->backends, sizeof(before));
	count = reach->count;
	memcpy(reach->text, urls.at, urls.len);
	reach->len = urls.len;
	reach->count = reach->at = 0;
	for (struct slice rest = {reach->text, reach->len};
	     rest.len > 0 && reach->count < JOB_URLS_MAX;) {
		const char *blank = memchr(rest.at, ' ', rest.len);
		struct backend backend = {.text = rest};

		if (blank != NULL)
			backend.text.len = (size_t)(blank - rest.at);
		rest = slice_after(rest, backend.text.len + (blank != NULL));
		if (!jg_job_url_parse(backend.text, &backend.url, &bad))
			continue;
		remember(&backend, before, count);
		reach->backends[reach->count++] = backend;
	}
	wait_ms(reach, reach->options.pause_ms);
}

void
job_reach_free(struct job_reach *reach)
{
	if (reach == NULL)
		return;
	stop(reach);
	if (reach->timer != NULL)
		event_free(reach->timer);
	free(reach);
}
