/* store_operation.h - between store.c, which runs operations, and store_commands.c, which says what
 * they are. */
#ifndef JOBGATE_REDIS_STORE_OPERATION_H
#define JOBGATE_REDIS_STORE_OPERATION_H

#include <hiredis/hiredis.h>
#include <sys/queue.h>

#include "auth/redis/store.h"
#include "auth/redis/store_walk.h"

struct arguments;

/* Whether replicas are to have a change before its caller is told. */
enum confirmation {
	CONFIRMATION_NONE,
	CONFIRMATION_DUE,   /* by the next WAIT */
	CONFIRMATION_ASKED, /* by the WAIT that is under way */
};

/* One question to Redis. It lives until its reply has come or the connection has closed. */
struct operation {
	TAILQ_ENTRY(operation) link;
	struct store *store;
	enum record_kind kind;
	bool change; /* not a read */
	char id[JOB_ID_MAX + 1];
	store_record_done *done; /* one of these three is set; all are NULL once it was called */
	store_page_done *page_done;
	store_walk_done *walk_done;
	void *ctx;
	/* Makes the result of a reply that is no error but REDIS_TOO_LONG, and tells the caller. */
	void (*read)(struct operation *operation, const redisReply *reply);
	struct event *deadline;
	enum confirmation confirmation;
	bool held; /* the result below is held until replicas have the change */
	enum store_result result;
	struct record *record;
};

/* ---- store_state.c ---- */

/* The only place that assigns a confirmation's state. */
void operation_set_confirmation(struct operation *operation, enum confirmation to);

/* What it waits for. Its id is shown; its record is not. */
void operation_dump(const struct operation *operation, struct dump *dump);

/* ---- store.c ---- */

/*
 * Send the command for an operation like *plan, which is copied; when that cannot
 * be done the caller is told so at once. arguments may be NULL: memory was short.
 */
void store_run(
    struct store *store, const struct operation *plan, const struct arguments *arguments);

/*
 * Send a command whose own answer is ignored: part of a transaction, whose EXEC is
 * the operation. False when it could not be sent.
 */
bool store_send(struct store *store, int argc, const char *const *argv, const size_t *len);

/* Tell the caller, if it has not been told yet, now or once replicas have confirmed it. It may
 * start other operations. Takes record. */
void store_tell(struct operation *operation, enum store_result result, struct record *record);

const char *store_prefix(const struct store *store);

/* True when a deletion that finds nothing waits for replicas, too. */
bool store_waits(const struct store *store);

/* ---- store_commands.c: what the commands share ---- */

/* The plan of a read or of a change, for store_run; id is copied. */
struct operation operation_read(enum record_kind kind, struct slice id,
    void (*read)(struct operation *, const redisReply *), store_record_done *done, void *ctx);
struct operation operation_change(enum record_kind kind, struct slice id,
    void (*read)(struct operation *, const redisReply *), store_record_done *done, void *ctx);

/* Tell a record as HGETALL gives it, also within a script's answer. */
void operation_read_record(struct operation *operation, const redisReply *reply);

bool reply_is_integer(const redisReply *reply, long long *value);

#endif
