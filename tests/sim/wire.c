/* wire.c - segments on their way from one end to the other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "jobgate/container_of.h"
#include "stream_state.h"
#include "trace.h"

#define SEGMENT_MAX (16 * 1024)

/* ---- sending ---- */

static void
put(struct end *end, enum segment_kind kind, const char *bytes, size_t len)
{
	struct segment *segment = malloc(sizeof(*segment) + len);
	uint64_t at_ns = schedule_now_ns() + host_packet_ns(end->host, end->peer->host);

	if (segment == NULL)
		abort();
	*segment = (struct segment){.kind = kind, .len = len};
	if (len > 0)
		memcpy(segment->bytes, bytes, len);
	segment->at_ns = end->out_at_ns = at_ns > end->out_at_ns ? at_ns : end->out_at_ns;
	end->unacknowledged += len;
	if (STAILQ_EMPTY(&end->out))
		alarm_set(&end->arrive, segment->at_ns);
	STAILQ_INSERT_TAIL(&end->out, segment, link);
}

void
wire_put(struct end *end, const char *bytes, size_t len)
{
	const unsigned split = end->host->rules.split + end->peer->host->rules.split;

	while (len > 0) {
		size_t piece = len < SEGMENT_MAX ? len : SEGMENT_MAX;

		if (split > 0 && random_chance(&end->host->random, split))
			piece = random_skewed(&end->host->random, 1, piece);
		put(end, SEGMENT_DATA, bytes, piece);
		bytes += piece;
		len -= piece;
	}
}

void
wire_put_fin(struct end *end)
{
	put(end, SEGMENT_FIN, NULL, 0);
}

void
wire_drop(struct end *end)
{
	struct segment *segment;

	alarm_stop(&end->arrive);
	while ((segment = STAILQ_FIRST(&end->out)) != NULL) {
		STAILQ_REMOVE_HEAD(&end->out, link);
		free(segment);
	}
	end->unacknowledged = 0;
}

/*
 * What has not arrived yet may be lost with the reset: nothing sends it again. Some of it, as the
 * network likes.
 */
void
wire_put_reset(struct end *end)
{
	struct segment *segment;

	end->state = END_FAILED;
	if (random_chance(&end->host->random, 500)) {
		wire_drop(end);
		end->out_at_ns = schedule_now_ns();
	}
	STAILQ_FOREACH(segment, &end->out, link)
	if (segment->kind == SEGMENT_RESET)
		return;
	put(end, SEGMENT_RESET, NULL, 0);
}

/* ---- arriving ---- */

/* Room for this much of a segment. */
static size_t
room_at(const struct end *end)
{
	return end->in.len < end->in_max ? end->in_max - end->in.len : 0;
}

bool
wire_is_held(const struct end *end)
{
	const struct segment *first = end != NULL ? STAILQ_FIRST(&end->out) : NULL;

	return first != NULL && !alarm_is_set(&end->arrive);
}

void
wire_has_room(struct end *end)
{
	struct end *sender = end->peer;

	if (wire_is_held(sender))
		alarm_set(
		    &sender->arrive, schedule_now_ns() + host_packet_ns(end->host, sender->host));
}

/* The first segment has been dealt with. */
static void
remove_first(struct end *sender)
{
	struct segment *segment = STAILQ_FIRST(&sender->out);

	STAILQ_REMOVE_HEAD(&sender->out, link);
	free(segment);
}

/* As much as there is room for; the rest waits until the end has read. */
static void
take_data(struct end *sender, struct end *end, struct segment *segment)
{
	size_t room = room_at(end), len = segment->len < room ? segment->len : room;

	bytes_append(&end->in, segment->bytes + segment->from, len);
	segment->from += len;
	segment->len -= len;
	sender->unacknowledged -= len;
	if (segment->len == 0)
		remove_first(sender);
	if (len > 0) {
		trace_event(end->host->name, "gets", end->local.port, len);
		end_tell(end, EPOLLIN | EPOLLRDNORM);
	}
	/* Linux tells of room only who ran out of it, and once a third is free. */
	if (sender->wants_room && 3 * sender->unacknowledged <= 2 * sender->out_max) {
		sender->wants_room = false;
		end_tell(sender, EPOLLOUT | EPOLLWRNORM);
	}
}

static void
take_reset(struct end *end)
{
	trace_event(end->host->name, "is reset", end->local.port, end->remote.port);
	end_fail(end, end->in_ended ? EPIPE : ECONNRESET);
}

/* At a socket that is closed: answered with a reset. */
static void
bounce(struct end *sender, struct end *end)
{
	wire_drop(sender);
	if (sender->state == END_CONNECTED && STAILQ_EMPTY(&end->out))
		put(end, SEGMENT_RESET, NULL, 0);
}

static void
take(struct end *sender, struct end *end, struct segment *segment)
{
	enum segment_kind kind = segment->kind;

	if (kind == SEGMENT_DATA) {
		take_data(sender, end, segment);
		return;
	}
	remove_first(sender);
	if (kind == SEGMENT_RESET) {
		take_reset(end);
		return;
	}
	end->in_ended = true;
	trace_event(end->host->name, "gets the end", end->local.port, end->remote.port);
	end_tell(end, EPOLLIN | EPOLLRDHUP);
}

/* What comes next waits for the end to read. */
static bool
is_full(const struct end *sender, const struct end *end)
{
	const struct segment *first = STAILQ_FIRST(&sender->out);

	return first != NULL && first->kind == SEGMENT_DATA && room_at(end) == 0 && !end->closed;
}

static void
next(struct end *sender)
{
	struct segment *segment = STAILQ_FIRST(&sender->out);

	if (segment != NULL)
		alarm_set(&sender->arrive, segment->at_ns);
	else
		end_free_if_done(sender);
}

void
wire_arrive(struct alarm *alarm)
{
	struct end *sender = container_of(alarm, struct end, arrive), *end = sender->peer;
	struct segment *segment = STAILQ_FIRST(&sender->out);
	uint64_t opens_ns = host_way_opens_ns(sender->host, end->host, schedule_now_ns());

	if (opens_ns != 0) { /* lost for now; TCP tries again, less and less often */
		alarm_set(&sender->arrive,
		    opens_ns + random_below(&sender->host->random, 200 * NS_PER_MS));
		return;
	}
	if (end->state == END_FAILED || (end->closed && segment->kind == SEGMENT_RESET)) {
		wire_drop(sender);
		end_free_if_done(sender);
		return;
	}
	if (end->closed && segment->kind == SEGMENT_DATA) {
		bounce(sender, end);
		end_free_if_done(sender);
		return;
	}
	/* Callbacks may close either end; both stay until this is over. */
	sender->in_pending = end->in_pending = true;
	take(sender, end, segment);
	sender->in_pending = end->in_pending = false;
	if (!is_full(sender, end))
		next(sender);
}
