/* events_state.h - what the files about events share; only they include it. */
#ifndef JOBGATE_CONTROL_EVENTS_STATE_H
#define JOBGATE_CONTROL_EVENTS_STATE_H

#include <sys/queue.h>

#include "auth/control/events.h"
#include "auth/control/handlers.h"
#include "auth/control/known.h"
#include "auth/redis/feed.h"

/*
 * events.c          readers: how many there are, how they begin and end
 * events_tell.c     what is written to readers, and how much of it they leave unread
 * events_records.c  changes of tokens and jobs
 * events_sessions.c sessions that begin and end, and workers
 */

/* What a reader has missed, as a set. */
enum missed { MISSED_RECORDS = 1, MISSED_SESSIONS = 2 };

struct reader {
	TAILQ_ENTRY(reader) link;
	struct events *events;
	struct call *call;
	uint64_t began_ms, told_ms; /* when it began, and when something was last written to it */
	uint64_t moved_ms;	    /* when it last took something, or nothing waited for it */
	uint64_t written, taken;    /* bytes of data: all, and those it had taken then */
	unsigned slot;		    /* of what workers tell of sessions */
	unsigned missed;	    /* a set of enum missed: it has not been told of this yet */
	bool started;		    /* it has been told `start` */
	bool lacks_sessions;	    /* some workers did not tell it of sessions then */
	bool confirming;	    /* its token is being read: the call must not end meanwhile */
	bool again;		    /* the token has changed since then: it is read again */
	bool doubted;		    /* the token has changed: it is told nothing until it is read */
};

struct events {
	struct event_base *base;
	struct control *control;
	struct event *tick;
	TAILQ_HEAD(, reader) readers;
	struct store_feed *feed; /* NULL while there is no reader */
	struct known *known;	 /* likewise */
	unsigned reading;	 /* records that are being read */
	bool starts_reads;
};

/* ---- events.c ---- */

/*
 * The reader's token has changed: read it before anything else is read. What changes later is told
 * after that, and only if the token is still valid. The reader may be gone afterwards.
 */
void reader_confirm(struct reader *reader);

/* ---- events_tell.c ---- */

/*
 * Write an event. Takes ownership of data; NULL: memory is short, and the event counts as missed.
 * It counts as missed, too, if too much waits for the reader.
 */
void reader_tell(struct reader *reader, const char *name, json_t *data, enum missed missed);

/* The same with data that is JSON already, of one line. */
void reader_tell_text(
    struct reader *reader, const char *name, const char *data, size_t len, enum missed missed);

/* Tell it `start`, and how things are: as soon as all changes are told, or in any case. */
void reader_start_if_ready(struct reader *reader);
void reader_start(struct reader *reader);

/* Note that it has missed this, and say so when there is room. */
void reader_missed(struct reader *reader, unsigned missed);

/* Tell it what it has missed, or at least that the stream is alive, if it is time to. */
void reader_keep_alive(struct reader *reader, uint64_t now_ms);

/* True if it has taken nothing for STUCK_MS. */
bool reader_is_stuck(struct reader *reader, uint64_t now_ms);

/* To all that have started. */
void events_tell_missed(struct events *events, enum missed missed);

/* ---- events_sessions.c ---- */

/* Follow the workers. Call it once; the control's workers are set. */
void events_watch_workers(struct events *events);

/* Make workers tell this reader of sessions. False: no workers, or no slot. reader_unwatch ends
 * that. */
bool reader_watch(struct reader *reader);
void reader_unwatch(const struct reader *reader);

/* Tell it which workers there are. */
void reader_tell_workers(struct reader *reader);

/* ---- events_records.c ---- */

/* Begin to follow changes: the first reader has come. False when memory is short. */
bool events_follow(struct events *events);

/* The last reader has left. */
void events_unfollow(struct events *events);

#endif
