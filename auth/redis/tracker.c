/* tracker.c - finds the primary, opens and closes the connections, and keeps the tracker's clock.
 */
#include "auth/redis/cluster_slot.h"
#include "auth/redis/tracker_state.h"
#include "jobgate/check.h"
#include "jobgate/clock.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t
tracker_clock_ms(const struct redis_tracker *tracker)
{
	return tracker->options.now_ms(tracker->options.clock_ctx);
}

bool
tracker_send(struct redis_connection *connection, redis_reply_fn *done,
    struct redis_tracker *tracker, int argc, const char *const *argv)
{
	size_t len[8];

	for (int i = 0; i < argc; i++)
		len[i] = strlen(argv[i]);
	return redis_command(connection, done, tracker, argc, argv, len);
}

/* ---- coming up and going down ---- */

static uint64_t
spread(uint64_t ms)
{
	unsigned char random = 0;

	/* Without random bytes, workers only connect at more similar times. */
	RAND_bytes(&random, 1);
	return ms / 2 + ms * random / 512;
}

/* Log each reason once, not for each dial. */
static void
tracker_complain(struct redis_tracker *tracker, bool was_up, const char *which, const char *reason)
{
	char complaint[sizeof(tracker->complaint)];

	snprintf(complaint, sizeof(complaint), "%s", reason);
	if (!was_up && strcmp(complaint, tracker->complaint) == 0)
		return;
	memcpy(tracker->complaint, complaint, sizeof(complaint));
	log_warning(&tracker->log, "store: %s (%s connection): %s; trying again",
	    was_up ? "out of reach" : "cannot be reached", which, reason);
}

void
tracker_break(struct redis_tracker *tracker, const char *which, const char *reason)
{
	struct redis_connection *data = tracker->data, *push = tracker->push,
				*primary = tracker->primary;
	bool was_up = tracker->state == TRACKER_UP;

	if (tracker->state == TRACKER_WAITING)
		return;
	tracker_complain(tracker, was_up, which, reason);
	tracker_set_state(tracker, TRACKER_WAITING);
	tracker->retry_ms = tracker_clock_ms(tracker) + spread(tracker->backoff_ms);
	tracker->backoff_ms *= 2;
	if (tracker->backoff_ms > tracker->options.tuning->backoff_last_ms)
		tracker->backoff_ms = tracker->options.tuning->backoff_last_ms;
	tracker->proof.began_ms = 0;
	tracker->data = tracker->push = tracker->primary = NULL;
	/* This calls back all reads under way with NULL, so that they fail. */
	redis_connection_free(data);
	redis_connection_free(push);
	redis_connection_free(primary);
	if (was_up)
		jg_directory_link_down(tracker->directory, tracker_clock_ms(tracker));
}

static void
on_data_down(void *ctx, const char *reason)
{
	tracker_break(ctx, "data", reason);
}

static void
on_push_down(void *ctx, const char *reason)
{
	tracker_break(ctx, "push", reason);
}

static void
on_primary_down(void *ctx, const char *reason)
{
	tracker_break(ctx, "primary", reason);
}

void
tracker_proved(struct redis_tracker *tracker, uint64_t good_ms)
{
	tracker_set_state(tracker, TRACKER_UP);
	tracker->stats.connects++;
	tracker->backoff_ms = tracker->options.tuning->backoff_first_ms;
	log_info(
	    &tracker->log, "store: connected%s", tracker->complaint[0] != '\0' ? " again" : "");
	tracker->complaint[0] = '\0';
	jg_directory_link_up(tracker->directory, good_ms);
}

static void
on_up(void *ctx)
{
	struct redis_tracker *tracker = ctx;

	if (tracker->state != TRACKER_CONNECTING || !redis_connection_is_up(tracker->data) ||
	    !redis_connection_is_up(tracker->push) ||
	    (tracker->replica && !redis_connection_is_up(tracker->primary)))
		return;
	tracker_identify(tracker);
}

/* ---- finding and connecting ---- */

static struct redis_connection *
connect_to(struct redis_tracker *tracker, const struct redis_url *url, const char *name,
    void (*down)(void *ctx, const char *reason), redis_reply_fn *push)
{
	const struct redis_handlers handlers = {
	    .ctx = tracker, .up = on_up, .down = down, .push = push};

	return redis_connection_new(tracker->base, tracker->options.resolver, url, tracker->ca_file,
	    name, (unsigned)tracker->options.timeouts.connect, &handlers);
}

static void
tracker_connect(struct redis_tracker *tracker, const struct redis_url *primary)
{
	const struct redis_url *read = tracker->replica ? &tracker->url : primary;

	CHECK(tracker->data == NULL && tracker->push == NULL && tracker->primary == NULL,
	    redis_tracker_dump, tracker);
	tracker_set_state(tracker, TRACKER_CONNECTING);
	tracker->data = connect_to(tracker, read, "jobgate-data", on_data_down, NULL);
	tracker->push = connect_to(tracker, read, "jobgate-push", on_push_down, tracker_pushed);
	if (tracker->replica)
		tracker->primary =
		    connect_to(tracker, primary, "jobgate-primary", on_primary_down, NULL);
	if (tracker->data == NULL || tracker->push == NULL ||
	    (tracker->replica && tracker->primary == NULL))
		tracker_break(tracker, "data", "it cannot be set up (memory, or the CA file)");
}

static void
on_found(void *ctx, const struct redis_url *primary, const char *why)
{
	struct redis_tracker *tracker = ctx;

	if (primary == NULL) {
		tracker_break(tracker, "election", why);
		return;
	}
	redis_note_place(primary, &tracker->here);
	tracker_connect(tracker, primary);
}

static void
tracker_begin(struct redis_tracker *tracker)
{
	if (tracker->election == NULL) {
		tracker_connect(tracker, tracker->replica ? &tracker->primary_url : &tracker->url);
	} else if (!redis_election_busy(tracker->election)) {
		tracker_set_state(tracker, TRACKER_FINDING);
		redis_election_ask(tracker->election, (unsigned)tracker->options.timeouts.connect,
		    on_found, tracker);
	}
}

/* ---- the clock ---- */

static void
tracker_tick(struct redis_tracker *tracker, uint64_t now_ms)
{
	switch (tracker->state) {
	case TRACKER_WAITING:
		if (now_ms >= tracker->retry_ms)
			tracker_begin(tracker);
		break;
	case TRACKER_PROVING:
	case TRACKER_UP:
		proof_tick(tracker, now_ms);
		break;
	case TRACKER_FINDING:
	case TRACKER_CONNECTING:
		break; /* these have deadlines of their own */
	case TRACKER_IDENTIFYING:
	case TRACKER_ARMING:
		if (now_ms > tracker->armed_by_ms)
			tracker_break(tracker, "push", "no answer in time");
		break;
	}
}

/*
 * Set the next tick: earlier than usual when the directory's staleness bound ends before, so that
 * requests end on time.
 */
static void
tick_again(struct redis_tracker *tracker, uint64_t now_ms)
{
	uint64_t due_ms = jg_directory_due_ms(tracker->directory);
	uint64_t wait_ms = due_ms <= now_ms ? 0 : due_ms - now_ms;
	uint64_t tick_ms = tracker->options.tuning->tick_ms;
	const struct timeval wait = {
	    .tv_usec = (suseconds_t)(wait_ms < tick_ms ? wait_ms : tick_ms) * 1000};

	event_add(tracker->tick, &wait);
}

static void
on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct redis_tracker *tracker = ctx;
	uint64_t now_ms = tracker_clock_ms(tracker);

	(void)fd;
	(void)what;
	tracker_tick(tracker, now_ms);
	/* Two readings side by side, so a pause since now_ms does not look like a clock that was
	 * set. */
	jg_directory_set_wall(tracker->directory, now_ms,
	    now_ms + clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_BOOTTIME));
	jg_directory_turn(tracker->directory, now_ms);
	tick_again(tracker, now_ms);
}

struct directory_store
redis_tracker_store(struct redis_tracker *tracker)
{
	return (struct directory_store){.ctx = tracker, .read = tracker_read};
}

/* Parse both URLs, and make the election if one names voters. */
static bool
parse_urls(struct redis_tracker *tracker, const struct redis_tracker_options *options, char *error,
    size_t cap)
{
	const struct redis_url *primary = &tracker->url;

	if (!redis_url_parse(options->url, &tracker->url, error, cap))
		return false;
	tracker->url.password_file = options->password_file;
	tracker->replica =
	    options->primary_url != NULL && strcmp(options->primary_url, options->url) != 0;
	if (tracker->replica) {
		primary = &tracker->primary_url;
		if (!redis_url_parse(options->primary_url, &tracker->primary_url, error, cap))
			return false;
		tracker->primary_url.password_file = options->password_file;
		if (tracker->url.place_count > 0) {
			snprintf(error, cap,
			    "read_url leads to one server; sentinels and clusters belong "
			    "into write_url");
			return false;
		}
	}
	if (primary->place_count == 0)
		return true;
	if (primary->cluster && !cluster_prefix_has_tag(slice_of(options->prefix))) {
		snprintf(error, cap, REDIS_PREFIX_WITHOUT_TAG);
		return false;
	}
	if (tracker->replica && primary->cluster) {
		snprintf(error, cap, "read_url cannot be set for a cluster");
		return false;
	}
	tracker->election =
	    redis_election_new(&(struct redis_election_options){.base = tracker->base,
		.resolver = options->resolver,
		.url = primary,
		.prefix = options->prefix,
		.ca_file = options->ca_file});
	if (tracker->election == NULL)
		snprintf(error, cap, "out of memory");
	return tracker->election != NULL;
}

struct redis_tracker *
redis_tracker_new(struct event_base *base, const struct redis_tracker_options *options,
    const struct log *log, char *error, size_t error_cap)
{
	struct redis_tracker *tracker = calloc(1, sizeof(*tracker));

	if (tracker == NULL)
		goto memory;
	tracker->base = base;
	if (!parse_urls(tracker, options, error, error_cap)) {
		redis_tracker_free(tracker);
		return NULL;
	}
	if (strlen(options->prefix) > REDIS_PREFIX_MAX) {
		snprintf(error, error_cap, "the prefix of keys is longer than %d bytes",
		    REDIS_PREFIX_MAX);
		redis_tracker_free(tracker);
		return NULL;
	}
	tracker->options = *options;
	if (options->tuning == NULL)
		tracker->options.tuning = &jg_tuning.tracker;
	tracker->log = *log;
	tracker->backoff_ms = tracker->options.tuning->backoff_first_ms;
	tracker->prefix = strdup(options->prefix);
	tracker->ca_file = options->ca_file != NULL ? strdup(options->ca_file) : NULL;
	tracker->tick = evtimer_new(base, on_tick, tracker);
	if (tracker->prefix == NULL || tracker->tick == NULL ||
	    event_priority_set(tracker->tick, 0) != 0 ||
	    (options->ca_file != NULL && tracker->ca_file == NULL))
		goto memory;
	tracker->prefix_len = strlen(tracker->prefix);
	return tracker;
memory:
	snprintf(error, error_cap, "out of memory");
	redis_tracker_free(tracker);
	return NULL;
}

void
redis_tracker_start(struct redis_tracker *tracker, struct directory *directory)
{
	CHECK(tracker->directory == NULL && directory != NULL && tracker->state == TRACKER_WAITING,
	    redis_tracker_dump, tracker);
	tracker->directory = directory;
	tracker_begin(tracker);
	tick_again(tracker, tracker_clock_ms(tracker));
}

void
redis_tracker_free(struct redis_tracker *tracker)
{
	if (tracker == NULL)
		return;
	redis_election_free(tracker->election);
	redis_connection_free(tracker->data);
	redis_connection_free(tracker->push);
	redis_connection_free(tracker->primary);
	if (tracker->tick != NULL)
		event_free(tracker->tick);
	redis_url_wipe(&tracker->url);
	redis_url_wipe(&tracker->primary_url);
	free(tracker->prefix);
	free(tracker->ca_file);
	free(tracker);
}

void
redis_tracker_stats(const struct redis_tracker *tracker, struct redis_tracker_stats *out)
{
	*out = tracker->stats;
	out->up = tracker->state == TRACKER_UP;
}

_Static_assert(REDIS_TRACKER_PEERS == 2 + REDIS_VOTERS_MAX, "a place for each server");

void
redis_tracker_peers(
    const struct redis_tracker *tracker, struct sockaddr_storage out[REDIS_TRACKER_PEERS])
{
	if (tracker->data != NULL)
		redis_connection_peer(tracker->data, &out[0]);
	if (tracker->primary != NULL)
		redis_connection_peer(tracker->primary, &out[1]);
	if (tracker->election != NULL)
		redis_election_peers(tracker->election, &out[2]);
}
