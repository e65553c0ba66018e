/* events_tell.c - writes events to readers, and bounds what they leave unread. */
#include "auth/control/events_state.h"

#include <stdlib.h>

#include "jobgate/clock.h"

#define ALIVE_MS 10000 /* a reader hears something at least this often */
#define STUCK_MS 60000 /* after this time without taking anything, a reader is cut off */

static size_t
unsent(const struct reader *reader)
{
	return reader->call->stream->unsent(reader->call);
}

static void
put(struct reader *reader, const char *name, const char *data, size_t len)
{
	struct call *call = reader->call;

	reader->told_ms = clock_ms(CLOCK_MONOTONIC);
	reader->written += len;
	call->stream->write(call, SLICE("event: "));
	call->stream->write(call, slice_of(name));
	call->stream->write(call, SLICE("\ndata: "));
	call->stream->write(call, (struct slice){data, len});
	call->stream->write(call, SLICE("\n\n"));
	call->stream->flush(call);
}

void
reader_missed(struct reader *reader, unsigned missed)
{
	static const char *const what[] = {"records", "sessions"};
	char data[64];

	reader->missed |= missed;
	if (reader->doubted || unsent(reader) > READER_UNSENT_MAX / 2)
		return;
	for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++)
		if ((reader->missed >> i & 1) != 0) {
			int len = snprintf(data, sizeof(data), "{\"what\":\"%s\"}", what[i]);

			put(reader, "missed", data, (size_t)len);
		}
	reader->missed = 0;
}

void
reader_tell_text(
    struct reader *reader, const char *name, const char *data, size_t len, enum missed missed)
{
	if (reader->doubted || unsent(reader) + len > READER_UNSENT_MAX)
		reader->missed |= missed;
	/* What it has missed comes first: it reads its lists again, and then needs what follows. */
	if (reader->missed != 0)
		reader_missed(reader, 0);
	if ((reader->missed & missed) == 0)
		put(reader, name, data, len);
}

void
reader_tell(struct reader *reader, const char *name, json_t *data, enum missed missed)
{
	size_t len = data != NULL ? json_dumpb(data, NULL, 0, JSON_COMPACT) : 0;
	char *text = len > 0 ? malloc(len) : NULL;

	if (text != NULL) {
		json_dumpb(data, text, len, JSON_COMPACT);
		reader_tell_text(reader, name, text, len, missed);
	} else {
		reader->missed |= missed;
	}
	free(text);
	json_decref(data);
}

static bool
tells_sessions(const struct reader *reader)
{
	const struct workers *workers = reader->events->control->workers;

	return workers != NULL && workers_are_watched(workers, reader->slot);
}

void
reader_start(struct reader *reader)
{
	bool up = store_feed_is_up(reader->events->feed);

	reader->started = true;
	reader->lacks_sessions = !tells_sessions(reader);
	reader_tell(reader, "start",
	    json_pack("{s:b, s:b}", "changes", up, "sessions", !reader->lacks_sessions),
	    MISSED_RECORDS);
	reader_tell(reader, "store", json_pack("{s:b}", "up", up), MISSED_RECORDS);
	reader_tell_workers(reader);
}

void
reader_start_if_ready(struct reader *reader)
{
	if (reader->doubted)
		return; /* it starts when its token has been read */
	if (!reader->started && store_feed_is_up(reader->events->feed) && tells_sessions(reader))
		reader_start(reader);
	if (reader->lacks_sessions && tells_sessions(reader)) {
		reader->lacks_sessions = false;
		reader_missed(reader, MISSED_SESSIONS);
	}
}

void
reader_keep_alive(struct reader *reader, uint64_t now_ms)
{
	if (reader->missed != 0 && reader->started)
		reader_missed(reader, 0);
	/* told_ms may be later than now_ms, the time at which the tick began. */
	if (now_ms < reader->told_ms + ALIVE_MS || unsent(reader) > 0)
		return;
	reader->told_ms = now_ms;
	reader->call->stream->write(reader->call, SLICE(": alive\n\n"));
	reader->call->stream->flush(reader->call);
}

bool
reader_is_stuck(struct reader *reader, uint64_t now_ms)
{
	size_t waits = unsent(reader);
	uint64_t taken = reader->written > waits ? reader->written - waits : 0;

	if (waits == 0 || taken > reader->taken || reader->moved_ms == 0) {
		reader->moved_ms = now_ms;
		reader->taken = taken;
	}
	return now_ms - reader->moved_ms > STUCK_MS;
}

void
events_tell_missed(struct events *events, enum missed missed)
{
	struct reader *reader;

	TAILQ_FOREACH(reader, &events->readers, link)
	if (reader->started)
		reader_missed(reader, missed);
}
