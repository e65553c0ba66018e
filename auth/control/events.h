/* events.h - GET /v1/events: tells callers, for as long as they read, what changes. */
#ifndef JOBGATE_CONTROL_EVENTS_H
#define JOBGATE_CONTROL_EVENTS_H

#include <event2/event.h>

#include "auth/control/call.h"

/*
 * Each caller that reads events is a reader: a call whose answer goes on (connection_stream.c).
 * Server-sent events (WHATWG HTML, section 9.2), each with one line of JSON; openapi.json describes
 * them. What a reader leaves unread is bounded: beyond READER_UNSENT_MAX it is told only that it
 * has missed something. Nothing of the past is kept: a reader first hears `start`, then reads its
 * lists, and hears of all that changes from then on.
 */
struct events;
struct control;

/*
 * Readers with a token, of these such without a label selector and such with one, of the latter
 * such with a label in common, and those of one token. No token alone can take all that related
 * ones get.
 */
#define READERS_MAX 16
#define READERS_UNSCOPED_MAX 12
#define READERS_SCOPED_MAX 8
#define READERS_RELATED_MAX 4
#define READERS_OF_TOKEN_MAX 2
#define READERS_LOCAL_MAX 32 /* at the local socket, without a token */

/* Bytes that wait for a reader. */
#define READER_UNSENT_MAX (256u << 10)

/* control outlives it; its store and its workers are set. NULL when memory is short. */
struct events *events_new(struct event_base *base, struct control *control);

/*
 * A record was shown to a caller in a list or alone: a reader is told when it is gone, if it was in
 * the reader's scope. Costs nothing while there is no reader.
 */
void events_shown(struct events *events, const struct record *record);

/*
 * End all streams. After the control's store has been freed, so that no operation is under way;
 * before the servers are. NULL is allowed.
 */
void events_free(struct events *events);

#endif
