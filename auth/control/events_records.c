/* events_records.c - changes of tokens and jobs: reads what has changed, and tells readers. */
#include "auth/control/events_state.h"

#include <stdlib.h>

#include "auth/control/scope.h"
#include "auth/control/view.h"
#include "auth/record.h"

#define READS_MAX 16 /* at the same time */

/* A record that is being read. */
struct reading {
	struct events *events;
	struct known_record *one;
};

static void read_more(struct events *events);

/* ---- what readers are told ---- */

/* What they are told is the same for all of them. */
struct told {
	char *text;
	size_t len;
	uint64_t hash;
};

/* False when memory is short. */
static bool
write_told(const struct events *events, const struct known_record *one, const struct record *record,
    struct told *out)
{
	const char *public_url = events->control->setup->settings.public_url;
	json_t *view = record != NULL ? view_record(record, public_url) : json_null();
	json_t *data = view != NULL
			   ? json_pack("{s:s%, s:o}", "id", one->id, one->id_len, "record", view)
			   : NULL;

	*out = (struct told){.hash = 14695981039346656037u};
	if (data != NULL) {
		out->len = json_dumpb(data, NULL, 0, JSON_COMPACT);
		out->text = out->len > 0 ? malloc(out->len) : NULL;
	}
	if (out->text != NULL) {
		json_dumpb(data, out->text, out->len, JSON_COMPACT);
		for (size_t i = 0; i < out->len; i++)
			out->hash = (out->hash ^ (unsigned char)out->text[i]) * 1099511628211u;
	}
	json_decref(data);
	return out->text != NULL;
}

static bool
sees(const struct reader *reader, const struct record *record)
{
	return record != NULL && scope_has(&reader->call->scope, record);
}

/*
 * Tell each reader what the record is now for it: record NULL is a record that is gone, and so is
 * one that has left the reader's scope.
 */
static void
tell_all(struct events *events, struct known_record *one, const struct record *record)
{
	const char *name = record_types[one->kind].noun;
	struct told now = {0}, gone = {0};
	struct reader *reader;

	if ((record != NULL && !write_told(events, one, record, &now)) ||
	    !write_told(events, one, NULL, &gone)) {
		events_tell_missed(events, MISSED_RECORDS);
		free(now.text);
		return;
	}
	if (record == NULL)
		now.hash = gone.hash;
	if (one->told != now.hash)
		TAILQ_FOREACH(reader, &events->readers, link)
		{
			if (!reader->started)
				continue;
			if (sees(reader, record))
				reader_tell_text(reader, name, now.text, now.len, MISSED_RECORDS);
			else if (reader->call->scope.count == 0 || sees(reader, one->last))
				reader_tell_text(reader, name, gone.text, gone.len, MISSED_RECORDS);
		}
	one->told = now.hash;
	free(now.text);
	free(gone.text);
}

static void
got_record(void *ctx, enum store_result result, const struct record *record)
{
	struct reading *reading = ctx;
	struct events *events = reading->events;
	struct known_record *one = reading->one;

	free(reading);
	events->reading--;
	switch (result) {
	case STORE_OK:
	case STORE_ABSENT:
	case STORE_BROKEN: /* counts as absent in all decisions */
	case STORE_TOO_LARGE:
		tell_all(events, one, record);
		known_set(events->known, one, record);
		break;
	default:
		events_tell_missed(events, MISSED_RECORDS);
	}
	known_read(events->known, one);
	if (events->feed == NULL) /* there is no reader any more */
		events_unfollow(events);
	else
		read_more(events);
}

/* ---- what changes ---- */

static void
read_one(struct events *events, struct known_record *one)
{
	struct reading *reading = malloc(sizeof(*reading));

	if (reading == NULL) {
		known_read(events->known, one);
		events_tell_missed(events, MISSED_RECORDS);
		return;
	}
	*reading = (struct reading){events, one};
	events->reading++;
	store_get(events->control->store, one->kind, (struct slice){one->id, one->id_len},
	    got_record, reading);
}

static void
read_more(struct events *events)
{
	struct known_record *one;

	if (events->starts_reads) /* an answer has come from within store_get */
		return;
	events->starts_reads = true;
	while (events->reading < READS_MAX && (one = known_next(events->known)) != NULL)
		read_one(events, one);
	events->starts_reads = false;
}

/* Those with this token. */
static void
confirm_readers(struct events *events, struct slice id)
{
	struct reader *reader, *next;

	for (reader = TAILQ_FIRST(&events->readers); reader != NULL; reader = next) {
		next = TAILQ_NEXT(reader, link);
		if (reader->call->token != NULL && slice_equal(reader->call->token->token.id, id))
			reader_confirm(reader);
	}
}

static void
on_changed(void *ctx, enum record_kind kind, struct slice id)
{
	struct events *events = ctx;
	struct known_record *one = known_get(events->known, kind, id);

	if (kind == RECORD_TOKEN)
		confirm_readers(events, id);
	if (one == NULL || !known_queue(events->known, one))
		events_tell_missed(events, MISSED_RECORDS);
	else
		read_more(events);
}

static void
tell_store(struct events *events, bool up)
{
	struct reader *reader;

	TAILQ_FOREACH(reader, &events->readers, link)
	if (reader->started)
		reader_tell(reader, "store", json_pack("{s:b}", "up", up), MISSED_RECORDS);
}

static void
on_up(void *ctx)
{
	struct events *events = ctx;
	struct reader *reader;

	tell_store(events, true);
	events_tell_missed(events, MISSED_RECORDS);
	TAILQ_FOREACH(reader, &events->readers, link)
	reader_start_if_ready(reader);
}

static void
on_down(void *ctx)
{
	tell_store(ctx, false);
}

static void
on_missed(void *ctx)
{
	events_tell_missed(ctx, MISSED_RECORDS);
}

bool
events_follow(struct events *events)
{
	if (events->known == NULL)
		events->known = known_new();
	if (events->known != NULL && events->feed == NULL)
		events->feed = store_feed_new(
		    events->control->store, &(struct store_feed_handlers){.ctx = events,
						.changed = on_changed,
						.up = on_up,
						.down = on_down,
						.missed = on_missed});
	return events->feed != NULL;
}

void
events_unfollow(struct events *events)
{
	store_feed_free(events->feed);
	events->feed = NULL;
	if (events->reading > 0) /* the last answer comes here again */
		return;
	known_free(events->known);
	events->known = NULL;
}

void
events_shown(struct events *events, const struct record *record)
{
	struct known_record *one;

	if (events == NULL || TAILQ_EMPTY(&events->readers) || events->known == NULL)
		return;
	one = known_get(events->known, record->kind, record_id(record));
	if (one != NULL && one->last == NULL && !one->queued && !one->reading)
		known_set(events->known, one, record);
}
