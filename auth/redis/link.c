/* link.c - the connections of a worker to its store: found, made, armed, given up. */
#include "auth/redis/link_state.h"
#include "jobgate/check.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t
link_clock_ms(const struct redis_link *link)
{
	return link->options.now_ms(link->options.clock_ctx);
}

bool
link_send(struct redis_connection *connection, redis_reply_fn *done, struct redis_link *link,
    int argc, const char *const *argv)
{
	size_t len[8];

	for (int i = 0; i < argc; i++)
		len[i] = strlen(argv[i]);
	return redis_command(connection, done, link, argc, argv, len);
}

/* ---- coming up and going down ---- */

static uint64_t
spread(uint64_t ms)
{
	unsigned char random = 0;

	/* Without randomness the attempts are merely less spread. */
	RAND_bytes(&random, 1);
	return ms / 2 + ms * random / 512;
}

/* Once for each reason, not for each attempt. */
static void
link_complain(struct redis_link *link, bool was_up, const char *which, const char *reason)
{
	char complaint[sizeof(link->complaint)];

	snprintf(complaint, sizeof(complaint), "%s", reason);
	if (!was_up && strcmp(complaint, link->complaint) == 0)
		return;
	memcpy(link->complaint, complaint, sizeof(complaint));
	log_warning(&link->log, "store: %s (%s connection): %s; trying again",
	    was_up ? "out of reach" : "cannot be reached", which, reason);
}

void
link_break(struct redis_link *link, const char *which, const char *reason)
{
	struct redis_connection *data = link->data, *push = link->push, *primary = link->primary;
	bool was_up = link->state == LINK_UP;

	if (link->state == LINK_WAITING)
		return;
	link_complain(link, was_up, which, reason);
	link_set_state(link, LINK_WAITING);
	link->retry_ms = link_clock_ms(link) + spread(link->backoff_ms);
	link->backoff_ms *= 2;
	if (link->backoff_ms > link->options.tuning->backoff_last_ms)
		link->backoff_ms = link->options.tuning->backoff_last_ms;
	link->proof.began_ms = 0;
	link->data = link->push = link->primary = NULL;
	/* Reads under way are answered with NULL here, and so fed as failed. */
	redis_connection_free(data);
	redis_connection_free(push);
	redis_connection_free(primary);
	if (was_up)
		jg_directory_link_down(link->directory, link_clock_ms(link));
}

static void
on_data_down(void *ctx, const char *reason)
{
	link_break(ctx, "data", reason);
}

static void
on_push_down(void *ctx, const char *reason)
{
	link_break(ctx, "push", reason);
}

static void
on_primary_down(void *ctx, const char *reason)
{
	link_break(ctx, "primary", reason);
}

void
link_proved(struct redis_link *link, uint64_t good_ms)
{
	link_set_state(link, LINK_UP);
	link->stats.connects++;
	link->backoff_ms = link->options.tuning->backoff_first_ms;
	log_info(&link->log, "store: connected%s", link->complaint[0] != '\0' ? " again" : "");
	link->complaint[0] = '\0';
	jg_directory_link_up(link->directory, good_ms);
}

static void
on_up(void *ctx)
{
	struct redis_link *link = ctx;

	if (link->state != LINK_CONNECTING || !redis_connection_is_up(link->data) ||
	    !redis_connection_is_up(link->push) ||
	    (link->replica && !redis_connection_is_up(link->primary)))
		return;
	link_identify(link);
}

/* ---- finding and connecting ---- */

static struct redis_connection *
connect_to(struct redis_link *link, const struct redis_url *url, const char *name,
    void (*down)(void *ctx, const char *reason), redis_reply_fn *push)
{
	const struct redis_handlers handlers = {
	    .ctx = link, .up = on_up, .down = down, .push = push};

	return redis_connection_new(link->base, link->options.resolver, url, link->ca_file, name,
	    (unsigned)link->options.timeouts.connect, &handlers);
}

static void
link_connect(struct redis_link *link, const struct redis_url *primary)
{
	const struct redis_url *read = link->replica ? &link->url : primary;

	CHECK(link->data == NULL && link->push == NULL && link->primary == NULL, redis_link_dump,
	    link);
	link_set_state(link, LINK_CONNECTING);
	link->data = connect_to(link, read, "jobgate-data", on_data_down, NULL);
	link->push = connect_to(link, read, "jobgate-push", on_push_down, link_pushed);
	if (link->replica)
		link->primary = connect_to(link, primary, "jobgate-primary", on_primary_down, NULL);
	if (link->data == NULL || link->push == NULL || (link->replica && link->primary == NULL))
		link_break(link, "data", "it cannot be set up (memory, or the CA file)");
}

static void
on_found(void *ctx, const struct redis_url *primary, const char *why)
{
	struct redis_link *link = ctx;

	if (primary == NULL) {
		link_break(link, "sentinel", why);
		return;
	}
	memcpy(link->place.host, primary->host, sizeof(link->place.host));
	link->place.port = primary->port;
	link_connect(link, primary);
}

static void
link_begin(struct redis_link *link)
{
	if (link->sentinels == NULL) {
		link_connect(link, link->replica ? &link->primary_url : &link->url);
	} else if (!redis_sentinels_busy(link->sentinels)) {
		link_set_state(link, LINK_FINDING);
		redis_sentinels_ask(
		    link->sentinels, (unsigned)link->options.timeouts.connect, on_found, link);
	}
}

/* ---- the clock ---- */

static void
link_tick(struct redis_link *link, uint64_t now_ms)
{
	switch (link->state) {
	case LINK_WAITING:
		if (now_ms >= link->retry_ms)
			link_begin(link);
		break;
	case LINK_PROVING:
	case LINK_UP:
		proof_tick(link, now_ms);
		break;
	case LINK_FINDING:
	case LINK_CONNECTING:
		break; /* these have deadlines of their own */
	case LINK_IDENTIFYING:
	case LINK_ARMING:
		if (now_ms > link->armed_by_ms)
			link_break(link, "push", "no answer in time");
		break;
	}
}

/* Again when the directory's bound ends, if that is soon: what runs is to end then, not later. */
static void
tick_again(struct redis_link *link, uint64_t now_ms)
{
	uint64_t due_ms = jg_directory_due_ms(link->directory);
	uint64_t wait_ms = due_ms <= now_ms ? 0 : due_ms - now_ms;
	uint64_t tick_ms = link->options.tuning->tick_ms;
	const struct timeval wait = {
	    .tv_usec = (suseconds_t)(wait_ms < tick_ms ? wait_ms : tick_ms) * 1000};

	event_add(link->tick, &wait);
}

static void
on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct redis_link *link = ctx;
	uint64_t now_ms = link_clock_ms(link);

	(void)fd;
	(void)what;
	link_tick(link, now_ms);
	jg_directory_tick(link->directory, now_ms);
	tick_again(link, now_ms);
}

struct directory_store
redis_link_store(struct redis_link *link)
{
	return (struct directory_store){.ctx = link, .read = link_read};
}

/* What the URLs say together. */
static bool
parse_urls(
    struct redis_link *link, const struct redis_link_options *options, char *error, size_t cap)
{
	const struct redis_url *primary = &link->url;

	if (!redis_url_parse(options->url, &link->url, error, cap))
		return false;
	link->replica =
	    options->primary_url != NULL && strcmp(options->primary_url, options->url) != 0;
	if (link->replica) {
		primary = &link->primary_url;
		if (!redis_url_parse(options->primary_url, &link->primary_url, error, cap))
			return false;
		if (link->url.sentinel_count > 0) {
			snprintf(error, cap,
			    "read_url leads to one server; sentinels belong "
			    "into write_url");
			return false;
		}
	}
	if (primary->sentinel_count == 0)
		return true;
	link->sentinels =
	    redis_sentinels_new(link->base, options->resolver, primary, options->ca_file);
	if (link->sentinels == NULL)
		snprintf(error, cap, "out of memory");
	return link->sentinels != NULL;
}

struct redis_link *
redis_link_new(struct event_base *base, const struct redis_link_options *options,
    const struct log *log, char *error, size_t error_cap)
{
	struct redis_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		goto memory;
	link->base = base;
	if (!parse_urls(link, options, error, error_cap)) {
		redis_link_free(link);
		return NULL;
	}
	if (strlen(options->prefix) > REDIS_PREFIX_MAX) {
		snprintf(error, error_cap, "the prefix of keys is longer than %d bytes",
		    REDIS_PREFIX_MAX);
		redis_link_free(link);
		return NULL;
	}
	link->options = *options;
	if (options->tuning == NULL)
		link->options.tuning = &jg_tuning.link;
	link->log = *log;
	link->backoff_ms = link->options.tuning->backoff_first_ms;
	link->prefix = strdup(options->prefix);
	link->ca_file = options->ca_file != NULL ? strdup(options->ca_file) : NULL;
	link->tick = evtimer_new(base, on_tick, link);
	if (link->prefix == NULL || link->tick == NULL || event_priority_set(link->tick, 0) != 0 ||
	    (options->ca_file != NULL && link->ca_file == NULL))
		goto memory;
	link->prefix_len = strlen(link->prefix);
	return link;
memory:
	snprintf(error, error_cap, "out of memory");
	redis_link_free(link);
	return NULL;
}

void
redis_link_start(struct redis_link *link, struct directory *directory)
{
	CHECK(link->directory == NULL && directory != NULL && link->state == LINK_WAITING,
	    redis_link_dump, link);
	link->directory = directory;
	link_begin(link);
	tick_again(link, link_clock_ms(link));
}

void
redis_link_free(struct redis_link *link)
{
	if (link == NULL)
		return;
	redis_sentinels_free(link->sentinels);
	redis_connection_free(link->data);
	redis_connection_free(link->push);
	redis_connection_free(link->primary);
	if (link->tick != NULL)
		event_free(link->tick);
	redis_url_wipe(&link->url);
	redis_url_wipe(&link->primary_url);
	free(link->prefix);
	free(link->ca_file);
	free(link);
}

void
redis_link_stats(const struct redis_link *link, struct redis_link_stats *out)
{
	*out = link->stats;
	out->up = link->state == LINK_UP;
}

_Static_assert(REDIS_LINK_PEERS == 2 + REDIS_SENTINELS_MAX, "a place for each server");

void
redis_link_peers(const struct redis_link *link, struct sockaddr_storage out[REDIS_LINK_PEERS])
{
	if (link->data != NULL)
		redis_connection_peer(link->data, &out[0]);
	if (link->primary != NULL)
		redis_connection_peer(link->primary, &out[1]);
	if (link->sentinels != NULL)
		redis_sentinels_peers(link->sentinels, &out[2]);
}
