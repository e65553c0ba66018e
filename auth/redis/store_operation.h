/* store_operation.h - between store.c, which runs operations, and store_commands.c, which says what
 * they are. */
#ifndef JOBGATE_REDIS_STORE_OPERATION_H
#define JOBGATE_REDIS_STORE_OPERATION_H

#include <hiredis/hiredis.h>
#include <sys/queue.h>

#include "auth/redis/store.h"

/* A patch has most: it sets and removes all labels, besides the scope and what stands around them.
 */
#define ARGUMENTS_MAX (16 + 3 * JOB_LABELS_MAX + 2 * SELECTOR_LABELS_MAX)
#define ARGUMENTS_TEXT (64u << 10)

/* A command being put together; texts made for it lie in its own memory. */
struct arguments {
	int count;
	const char *at[ARGUMENTS_MAX];
	size_t len[ARGUMENTS_MAX];
	size_t used;
	char text[ARGUMENTS_TEXT];
};

/* One question to Redis. It lives until its reply has come or the connection has been given up. */
struct operation {
	TAILQ_ENTRY(operation) link;
	struct store *store;
	enum record_kind kind;
	bool change; /* not a read */
	char id[JOB_ID_MAX + 1];
	store_record_done *done; /* one of these two; both NULL once it was called */
	store_page_done *page_done;
	void *ctx;
	/* Makes the result of a reply that is no error, and tells the caller. */
	void (*read)(struct operation *operation, const redisReply *reply);
	struct event *deadline;
	bool confirming; /* WAIT follows it: what it brought is held until that is answered */
	bool held;
	enum store_result result;
	struct record *record;
};

/*
 * Send the command for an operation like *plan, which is copied; when that cannot
 * be done the caller is told so at once. arguments may be NULL: memory was short.
 */
void store_run(
    struct store *store, const struct operation *plan, const struct arguments *arguments);

/* Tell the caller, if it has not been told yet, now or once replicas have confirmed it. It may
 * start other operations. Takes record. */
void store_tell(struct operation *operation, enum store_result result, struct record *record);

const char *store_prefix(const struct store *store);

#endif
