/* events_world.h - readers of events, a store and a feed that the test plays, and workers. */
#ifndef TEST_CONTROL_EVENTS_WORLD_H
#define TEST_CONTROL_EVENTS_WORLD_H

#include "auth/control/events_state.h"
#include "auth/control/reply.h"

#include "questions_world.h"

/* ---- the store and the feed: linked in place of the real ones (--wrap) ---- */

#define READS_MOST 32

static struct read {
	char id[64];
	enum record_kind kind;
	store_record_done *done;
	void *ctx;
} reads[READS_MOST]; /* that wait for their answer */
static unsigned read_count;
static struct store_feed_handlers feed; /* of the feed that is open */
static unsigned feeds;			/* that are open */
static bool feed_up, memory_is_short;

void __wrap_store_get(struct store *store, enum record_kind kind, struct slice id,
    store_record_done *done, void *ctx);
struct store_feed *__wrap_store_feed_new(
    struct store *store, const struct store_feed_handlers *handlers);
void __wrap_store_feed_free(struct store_feed *open);
bool __wrap_store_feed_is_up(const struct store_feed *open);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void
__wrap_store_get(
    struct store *store, enum record_kind kind, struct slice id, store_record_done *done, void *ctx)
{
	struct read *read = &reads[read_count++];

	(void)store;
	assert_true(read_count <= READS_MOST && id.len < sizeof(read->id));
	*read = (struct read){.kind = kind, .done = done, .ctx = ctx};
	memcpy(read->id, id.at, id.len);
}

struct store_feed *
__wrap_store_feed_new(struct store *store, const struct store_feed_handlers *handlers)
{
	(void)store;
	feed = *handlers;
	feeds++;
	return (struct store_feed *)&feed;
}

void
__wrap_store_feed_free(struct store_feed *open)
{
	feeds -= open != NULL;
}

bool
__wrap_store_feed_is_up(const struct store_feed *open)
{
	assert_non_null(open);
	return feed_up;
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return memory_is_short ? NULL : __real_calloc(count, size);
}

void *
__wrap_malloc(size_t size)
{
	return memory_is_short ? NULL : __real_malloc(size);
}

/* Answer the read that was asked for first. */
static inline void
answer_read(enum store_result result, const struct record *record)
{
	struct read read = reads[0];

	assert_true(read_count > 0);
	memmove(reads, reads + 1, --read_count * sizeof(reads[0]));
	read.done(read.ctx, result, record);
}

/* ---- readers ---- */

static struct control_setup control_setup = {.settings.realm = "jobgate"};
static struct control control;
static char heard[8192]; /* what the reader of `listen_to` was told */
static struct call *listened, *answered_call;
static char last[512]; /* the last answer, or the end of a stream */
static unsigned status, begun;
static size_t waits; /* bytes that the reader of `listen_to` has not taken */

static inline void
send_answer(struct call *call, const struct reply *reply)
{
	answered_call = call;
	status = reply->status;
	snprintf(last, sizeof(last), "%.*s", (int)reply->len, (const char *)reply->content);
	free(reply->content);
	if (call == listened)
		listened = NULL;
	call_free(call);
}

static inline bool
stream_begin(struct call *call, const char *type)
{
	(void)call;
	assert_string_equal(type, "text/event-stream");
	begun++;
	return true;
}

static inline void
stream_write(struct call *call, struct slice text)
{
	if (call == listened)
		strncat(heard, text.at, text.len);
	assert_true(strlen(heard) + 1000 < sizeof(heard));
}

static inline void
stream_flush(struct call *call)
{
	(void)call;
}

static inline size_t
stream_unsent(const struct call *call)
{
	return call == listened ? waits : 0;
}

static const struct call_stream stream = {stream_begin, stream_write, stream_flush, stream_unsent};

/* The token of an operator with this id. selector NULL: none. */
static inline struct record
operator_token(const char *id, const struct label_set *selector)
{
	struct record record = {.kind = RECORD_TOKEN,
	    .token = {.id = slice_of(id), .name = SLICE("x"), .role = ROLE_OPERATOR, .version = 1}};

	if (selector != NULL)
		record.token.selector = *selector;
	return record;
}

/* A call that asks for events. id NULL: local. NULL when it was answered already. */
static inline struct call *
reader_of(const char *id, const struct label_set *selector)
{
	struct call *call = call_new(SLICE("/v1/events"), SLICE(""));

	answered_call = NULL;
	call->ctx = &control;
	call->method = SLICE("GET");
	call->send = send_answer;
	call->stream = &stream;
	call->connection = (struct connection *)&control; /* there is a client */
	call->caller = CALLER_LOCAL;
	if (id != NULL) {
		struct record token = operator_token(id, selector);

		call->caller = CALLER_TOKEN;
		call->token = record_copy(&token);
		call->edition = jg_token_edition(&token.token);
		call->scope = call->token->token.selector;
		call->confirmed_ms = clock_ms(CLOCK_MONOTONIC);
	}
	events_read(call);
	return answered_call != call ? call : NULL;
}

/* Note what this reader is told from now on. */
static inline void
listen_to(struct call *call)
{
	listened = call;
	heard[0] = '\0';
	waits = 0;
}

/* What it was told since the last time. */
static inline const char *
news(void)
{
	static char text[sizeof(heard)];

	memcpy(text, heard, sizeof(heard));
	heard[0] = '\0';
	return text;
}

/* Its client is gone; the next tick, or the next reader, finds that. */
static inline void
leave(struct call *call)
{
	call->connection = NULL;
}

/* Let the tick of the readers come. */
static inline void
tick(void)
{
	event_active(control.events->tick, EV_TIMEOUT, 0);
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static inline int
setup_events(void **state)
{
	setup(state);
	read_count = begun = feeds = 0;
	feed_up = true;
	memory_is_short = false;
	listen_to(NULL);
	control = (struct control){.setup = &control_setup, .workers = workers};
	control.events = events_new(base, &control);
	return control.events == NULL;
}

static inline int
teardown_events(void **state)
{
	workers_free(workers); /* in the order of the control process */
	control.workers = workers = NULL;
	while (read_count > 0)
		answer_read(STORE_UNAVAILABLE, NULL);
	events_free(control.events);
	assert_int_equal(feeds, 0);
	return teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_events, teardown_events)

#endif
