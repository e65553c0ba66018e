/* store.c - operations on the store, each one script or one read, with a deadline. */
#include "auth/redis/store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include <hiredis/hiredis.h>

#include "auth/redis/connection.h"
#include "auth/redis/records.h"
#include "auth/redis/store_scripts.h"

#define DEADLINE_SECONDS 2

/* A patch has most: it sets and removes all labels, besides what stands around them. */
#define ARGUMENTS_MAX (16 + 3 * JOB_LABELS_MAX)
#define ARGUMENTS_TEXT (64u << 10)

/* A command being put together; texts made for it lie in its own memory. */
struct arguments {
	int count;
	const char *at[ARGUMENTS_MAX];
	size_t len[ARGUMENTS_MAX];
	size_t used;
	char text[ARGUMENTS_TEXT];
};

/*
 * One question to Redis. It lives until its reply has come or the connection has
 * broken, even when its deadline has passed and its caller has been told: replies
 * come in the order of the commands.
 */
struct operation {
	TAILQ_ENTRY(operation) link;
	struct store *store;
	enum record_kind kind;
	char id[JOB_ID_MAX + 1];
	store_record_done *done; /* one of these two; both NULL once it was called */
	store_page_done *page_done;
	void *ctx;
	/* Makes the result of a reply that is no error, and calls back. */
	void (*read)(struct operation *operation, const redisReply *reply);
	struct event *deadline;
};

static void
add(struct arguments *arguments, struct slice text)
{
	assert(arguments->count < ARGUMENTS_MAX);
	arguments->at[arguments->count] = text.at != NULL ? text.at : "";
	arguments->len[arguments->count++] = text.len;
}

/* Add a text made by printf. */
__attribute__((format(printf, 2, 3))) static void
add_text(struct arguments *arguments, const char *format, ...)
{
	char *text = arguments->text + arguments->used;
	size_t room = sizeof(arguments->text) - arguments->used;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, room, format, args);
	va_end(args);
	assert(len >= 0 && (size_t)len < room);
	arguments->used += (size_t)len + 1;
	add(arguments, (struct slice){text, (size_t)len});
}

static const char *
noun_of(enum record_kind kind)
{
	return kind == RECORD_TOKEN ? "token" : "job";
}

/* Begin "EVAL script keys..." with the record's key, and the index's with `index`. */
static void
add_script(struct arguments *arguments, const struct store *store, const char *script,
    enum record_kind kind, struct slice id, bool index)
{
	add(arguments, SLICE("EVAL"));
	add(arguments, slice_of(script));
	add(arguments, index ? SLICE("2") : SLICE("1"));
	add_text(arguments, "%s%s:%.*s", store->prefix, noun_of(kind), (int)id.len, id.at);
	if (index)
		add_text(arguments, "%s%ss", store->prefix, noun_of(kind));
}

static void
operation_free(struct operation *operation)
{
	TAILQ_REMOVE(&operation->store->operations, operation, link);
	event_free(operation->deadline);
	free(operation);
}

/* Tell the caller, if it has not been told yet. It may start other operations. */
static void
tell(struct operation *operation, enum store_result result, const struct record *record)
{
	store_record_done *done = operation->done;
	store_page_done *page_done = operation->page_done;

	operation->done = NULL;
	operation->page_done = NULL;
	event_del(operation->deadline);
	if (done != NULL)
		done(operation->ctx, result, record);
	if (page_done != NULL)
		page_done(operation->ctx, result, NULL);
}

static bool
is_told(const struct operation *operation)
{
	return operation->done == NULL && operation->page_done == NULL;
}

/* A reply, or NULL when the connection broke before it. */
static void
on_reply(void *ctx, const redisReply *reply)
{
	struct operation *operation = ctx;

	if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
		log_warning(&operation->store->log, "store: %s %s: Redis says: %s", noun_of(operation->kind),
		    operation->id, reply->str);
		tell(operation, STORE_UNAVAILABLE, NULL);
	} else if (reply != NULL && !is_told(operation)) {
		operation->read(operation, reply);
	}
	tell(operation, STORE_UNAVAILABLE, NULL);
	operation_free(operation);
}
