/* events_sessions.c - sessions that begin and end, and workers that come and go. */
#include "auth/control/events_state.h"
#include "auth/control/session_view.h"

/* ---- who has which slot ---- */

#define SLOT_OF_ALL 0

static bool
is_free(const struct events *events, unsigned slot, const struct reader *but)
{
	const struct reader *reader;

	TAILQ_FOREACH(reader, &events->readers, link)
	if (reader != but && reader->slot == slot)
		return false;
	return true;
}

bool
reader_watch(struct reader *reader)
{
	const struct events *events = reader->events;
	struct workers *workers = events->control->workers;
	const struct label_set *scope = &reader->call->scope;
	unsigned slot = SLOT_OF_ALL;

	if (workers == NULL)
		return false;
	if (scope->count > 0)
		for (slot = SLOT_OF_ALL + 1; slot < SESSION_SLOTS; slot++)
			if (is_free(events, slot, reader))
				break;
	if (slot == SESSION_SLOTS)
		return false;
	reader->slot = slot;
	return (slot == SLOT_OF_ALL && !is_free(events, slot, reader)) ||
	       workers_watch(workers, slot, scope->count > 0 ? scope : NULL);
}

void
reader_unwatch(const struct reader *reader)
{
	struct workers *workers = reader->events->control->workers;

	if (workers != NULL && is_free(reader->events, reader->slot, reader))
		workers_unwatch(workers, reader->slot);
}

/* ---- what they are told ---- */

static const char *
change_name(const struct session_event *event)
{
	if (event->change == SESSION_BEGUN)
		return "begun";
	return strcmp(event->outcome, "cut") == 0 || strcmp(event->outcome, "revoked") == 0
		   ? "cut"
		   : "ended";
}

/* NULL when memory is short. */
static json_t *
event_view(
    const struct session_id *id, unsigned index, const struct session_event *event, bool with_token)
{
	struct session session = event->session;
	bool ended = event->change == SESSION_ENDED;

	if (!with_token)
		session.token_id[0] = session.token_name[0] = '\0';
	return json_pack("{s:s, s:s?, s:o, s:o}", "is", change_name(event), "outcome",
	    ended ? event->outcome : NULL, "status",
	    ended && event->status > 0 ? json_integer(event->status) : json_null(), "session",
	    session_view(id, index, &session));
}

static void
on_event(void *ctx, uint32_t slots, const struct session_id *id, unsigned index,
    const struct session_event *event)
{
	struct events *events = ctx;
	struct reader *reader;

	TAILQ_FOREACH(reader, &events->readers, link)
	if (reader->started && (slots >> reader->slot & 1) != 0)
		reader_tell(reader, "session",
		    event_view(id, index, event, (event->names >> reader->slot & 1) != 0),
		    MISSED_SESSIONS);
}

static void
on_lost(void *ctx, uint32_t slots)
{
	struct events *events = ctx;
	struct reader *reader;

	TAILQ_FOREACH(reader, &events->readers, link)
	if (reader->started && (slots >> reader->slot & 1) != 0)
		reader_missed(reader, MISSED_SESSIONS);
}

static void
tell_worker(struct reader *reader, uint32_t id, unsigned index, bool up)
{
	reader_tell(reader, "worker",
	    json_pack("{s:i, s:o, s:b}", "worker", (int)index, "id",
		json_sprintf("%08x", (unsigned)id), "up", up),
	    MISSED_SESSIONS);
}

static void
on_worker(void *ctx, uint32_t id, unsigned index, bool up)
{
	struct events *events = ctx;
	struct reader *reader;

	TAILQ_FOREACH(reader, &events->readers, link)
	if (reader->started) {
		tell_worker(reader, id, index, up);
		reader_missed(reader, MISSED_SESSIONS);
	}
}

static void
tell_one_worker(void *ctx, uint32_t id, unsigned index)
{
	tell_worker(ctx, id, index, true);
}

void
reader_tell_workers(struct reader *reader)
{
	if (reader->events->control->workers != NULL)
		workers_each(reader->events->control->workers, tell_one_worker, reader);
}

static void
on_confirmed(void *ctx)
{
	struct events *events = ctx;
	struct reader *reader;

	TAILQ_FOREACH(reader, &events->readers, link)
	reader_start_if_ready(reader);
}

void
events_watch_workers(struct events *events)
{
	workers_set_watcher(events->control->workers, &(struct workers_watcher){.ctx = events,
							  .event = on_event,
							  .lost = on_lost,
							  .worker = on_worker,
							  .confirmed = on_confirmed});
}
