/* channel.h - a worker's connection to the control process, which asks it about sessions. */
#ifndef JOBGATE_SERVER_CHANNEL_H
#define JOBGATE_SERVER_CHANNEL_H

#include <event2/event.h>

#include "exchange/running.h"

/*
 * The control process may start after the worker, end before it and start again, also as another
 * binary: the worker connects whenever it is not connected. Orders cost requests nothing: between
 * them, the socket is silent.
 */
struct channel;

/*
 * path: of the control process's socket for workers; index: of this worker. All that is given
 * outlives the channel. NULL when memory is short.
 */
struct channel *channel_new(
    struct event_base *base, struct exchange_context *exchanges, const char *path, unsigned index);

/* Call it periodically: connects if necessary. */
void channel_look(struct channel *channel);

/* Before the exchanges' context is freed. NULL is allowed. */
void channel_free(struct channel *channel);

#endif
