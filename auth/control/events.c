/* events.c - readers of events: who may be one, and until when. */
#include "auth/control/events_state.h"

#include <stdlib.h>

#include "auth/control/caller.h"
#include "auth/control/scope.h"
#include "jobgate/check.h"
#include "jobgate/clock.h"

#define TICK_MS 250
/* How long a new reader waits for the store before it is told that changes are not followed now. */
#define START_MS 2000
#define SHUTDOWN SHUTTING_DOWN "read the events again"

/* ---- the end of a reader ---- */

static void
reader_free(void *state)
{
	struct reader *reader = state;
	struct events *events = reader->events;

	TAILQ_REMOVE(&events->readers, reader, link); /* it is told nothing more */
	reader_unwatch(reader);
	free(reader); /* the next tick finds that it was the last one */
}

/* The last event says why, if the client is still there. */
static void
end(struct reader *reader, unsigned status, const char *why)
{
	CHECK(!reader->confirming, call_dump, reader->call);
	call_refuse(reader->call, status, NULL, "%s", why);
}

/* True when the gateway is told to end, or this process ends. */
static bool
shuts_down(const struct control *control)
{
	const struct control_setup *setup = control->setup;

	return control->workers == NULL ||
	       (setup->drains != NULL && setup->drains(setup->observe_ctx));
}

/* ---- while it reads ---- */

/* True when it has ended. */
static bool
has_ended(struct reader *reader, uint64_t now_ms)
{
	struct call *call = reader->call;

	if (shuts_down(reader->events->control))
		end(reader, 503, SHUTDOWN);
	else if (call->connection == NULL || (call->has_left != NULL && call->has_left(call)))
		end(reader, 503, "the client has left");
	else if (reader_is_stuck(reader, now_ms))
		end(reader, 503, "the events are not read");
	else
		return false;
	return true;
}

static void
on_confirmed(struct call *call)
{
	struct reader *reader = call->state;

	reader->confirming = false;
	if (reader->again) {
		reader_confirm(reader);
		return;
	}
	reader->doubted = false;
	reader_start_if_ready(reader);
}

void
reader_confirm(struct reader *reader)
{
	reader->doubted = true;
	/* A read that is under way may have begun before the token was changed. */
	reader->again = reader->confirming;
	if (reader->confirming)
		return;
	reader->confirming = true;
	caller_confirm(reader->call, on_confirmed); /* may end it */
}

/* The token is read again about once a second; if it is not valid any more, the stream ends. */
static void
look_after(struct reader *reader, uint64_t now_ms)
{
	struct call *call = reader->call;

	if (reader->confirming || has_ended(reader, now_ms))
		return;
	if (!reader->started && now_ms - reader->began_ms >= START_MS)
		reader_start(reader);
	reader_keep_alive(reader, now_ms);
	reader->confirming = true;
	caller_continue(call, on_confirmed); /* may end it */
}

static void
on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct events *events = ctx;
	struct reader *reader, *next;
	uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);

	(void)fd;
	(void)what;
	for (reader = TAILQ_FIRST(&events->readers); reader != NULL; reader = next) {
		next = TAILQ_NEXT(reader, link);
		look_after(reader, now_ms);
	}
	if (!TAILQ_EMPTY(&events->readers))
		return;
	event_del(events->tick);
	events_unfollow(events);
}

/* ---- the beginning ---- */

/* Those that have left give up their places now, not with the next tick. */
static void
sweep(struct events *events)
{
	struct reader *reader, *next;
	uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);

	for (reader = TAILQ_FIRST(&events->readers); reader != NULL; reader = next) {
		next = TAILQ_NEXT(reader, link);
		if (!reader->confirming)
			has_ended(reader, now_ms);
	}
}

/* False after answering: there are too many. */
static bool
is_room(struct events *events, struct call *call)
{
	const struct reader *other;
	size_t local = 0, remote = 0, scoped = 0, related = 0, of_token = 0;

	sweep(events);
	TAILQ_FOREACH(other, &events->readers, link)
	{
		const struct call *held = other->call;

		if (held->token == NULL) {
			local++;
			continue;
		}
		remote++;
		scoped += held->scope.count > 0;
		related += scope_shares(&held->scope, &call->scope);
		of_token += call->token != NULL &&
			    slice_equal(held->token->token.id, call->token->token.id);
	}
	if (call->token == NULL
		? local < READERS_LOCAL_MAX
		: remote < READERS_MAX && of_token < READERS_OF_TOKEN_MAX &&
		      (call->scope.count == 0
			      ? remote - scoped < READERS_UNSCOPED_MAX
			      : scoped < READERS_SCOPED_MAX && related < READERS_RELATED_MAX))
		return true;
	if (call->token == NULL)
		call_refuse(call, 429, NULL,
		    "%d callers at the local socket read events already: try again when one of "
		    "them has ended",
		    READERS_LOCAL_MAX);
	else
		call_refuse(call, 429, NULL,
		    "too many callers read events already (at most %d, %d without a label selector "
		    "and %d with one, %d with one label in common, %d with one token): try again "
		    "when one of them has ended",
		    READERS_MAX, READERS_UNSCOPED_MAX, READERS_SCOPED_MAX, READERS_RELATED_MAX,
		    READERS_OF_TOKEN_MAX);
	return false;
}

static struct reader *
reader_new(struct events *events, struct call *call)
{
	struct reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL || !events_follow(events)) {
		free(reader);
		return NULL;
	}
	reader->events = events;
	reader->call = call;
	reader->began_ms = reader->told_ms = clock_ms(CLOCK_MONOTONIC);
	TAILQ_INSERT_TAIL(&events->readers, reader, link);
	if (!reader_watch(reader)) {
		TAILQ_REMOVE(&events->readers, reader, link);
		free(reader);
		return NULL;
	}
	call->state = reader;
	call->state_free = reader_free;
	return reader;
}

void
events_read(struct call *call)
{
	const struct timeval pause = {.tv_usec = TICK_MS * 1000L};
	struct control *control = call->ctx;
	struct events *events = control->events;
	struct reader *reader;

	CHECK(call->caller != CALLER_UNAUTHENTICATED, call_dump, call);
	if (call->query.len > 0) {
		call_refuse(call, 400, NULL, "this path takes no query");
		return;
	}
	if (shuts_down(control)) {
		call_refuse(call, 503, NULL, SHUTDOWN);
		return;
	}
	if (events == NULL || call->stream == NULL) {
		call_refuse(call, 503, NULL, "events cannot be read now");
		return;
	}
	if (!is_room(events, call) || !call->stream->begin(call, "text/event-stream"))
		return;
	reader = reader_new(events, call);
	if (reader == NULL) {
		call_refuse_memory(call);
		return;
	}
	event_add(events->tick, &pause);
	call->stream->write(call, SLICE(": events\n\n")); /* the head leaves at once */
	call->stream->flush(call);
	reader_start_if_ready(reader);
}

struct events *
events_new(struct event_base *base, struct control *control)
{
	struct events *events = calloc(1, sizeof(*events));

	if (events == NULL)
		return NULL;
	events->base = base;
	events->control = control;
	TAILQ_INIT(&events->readers);
	events->tick = event_new(base, -1, EV_PERSIST, on_tick, events);
	if (events->tick == NULL) {
		free(events);
		return NULL;
	}
	events_watch_workers(events);
	return events;
}

void
events_free(struct events *events)
{
	if (events == NULL)
		return;
	while (!TAILQ_EMPTY(&events->readers))
		end(TAILQ_FIRST(&events->readers), 503, SHUTDOWN);
	events_unfollow(events);
	event_free(events->tick);
	free(events);
}
