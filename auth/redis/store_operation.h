/* store_operation.h - the interface between store.c, which runs operations, and the files that
 * define them: store_commands.c, store_tokens.c and store_walk.c.
 */
#ifndef JOBGATE_REDIS_STORE_OPERATION_H
#define JOBGATE_REDIS_STORE_OPERATION_H

#include <hiredis/hiredis.h>
#include <sys/queue.h>

#include "auth/redis/store.h"
#include "auth/redis/store_walk.h"

struct arguments;

/* Whether replicas must confirm a change before its caller is told. */
enum confirmation {
	CONFIRMATION_NONE,
	CONFIRMATION_DUE,   /* by the next WAIT */
	CONFIRMATION_ASKED, /* by the WAIT that is under way */
};

/*
 * A command to Redis whose reply is awaited. It lives until the reply has come (and replicas have
 * confirmed it) or the connection has closed.
 */
struct operation {
	TAILQ_ENTRY(operation) link;
	struct store *store;
	enum record_kind kind;
	bool change; /* not a read */
	char id[JOB_ID_MAX + 1];
	store_record_done *done; /* one of these three is set; all are NULL after it was called */
	store_page_done *page_done;
	store_walk_done *walk_done;
	void *ctx;
	bool reads_noperm; /* `read` takes the error NOPERM, too */
	/*
	 * Takes a reply that is not an error (or is REDIS_TOO_LONG or, with reads_noperm, NOPERM),
	 * and tells the caller the result.
	 */
	void (*read)(struct operation *operation, const redisReply *reply);
	struct event *deadline;
	enum confirmation confirmation;
	bool held; /* the result below is held until replicas have the change */
	enum store_result result;
	struct record *record;
	struct store_deletion deletion; /* also of the result */
	struct record *before;		/* the same; see store_before */
};

/* ---- store_state.c ---- */

/* The only place that assigns a confirmation's state. */
void operation_set_confirmation(struct operation *operation, enum confirmation to);

/* Write what it waits for. Its id is shown; its record is not. */
void operation_dump(const struct operation *operation, struct dump *dump);

/* ---- store.c ---- */

/*
 * Send the command of the operation *plan, which is copied. If that fails, or arguments is NULL
 * because memory was short, the caller is told STORE_UNAVAILABLE at once.
 */
void store_run(
    struct store *store, const struct operation *plan, const struct arguments *arguments);

/*
 * Send a command of a transaction; its own answer is ignored, since EXEC is the operation. False
 * when it could not be sent.
 */
bool store_send(struct store *store, int argc, const char *const *argv, const size_t *len);

/*
 * Tell the caller the result, unless it has been told: now, or after replicas have confirmed the
 * change. The caller may start other operations from within. Takes ownership of record.
 */
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

/*
 * Decode a record in the form of HGETALL, also from a script's answer, and tell it to the caller.
 */
void operation_read_record(struct operation *operation, const redisReply *reply);

/* The same, with the score that it has in the set of uses, or nil. */
void operation_read_used(
    struct operation *operation, const redisReply *reply, const redisReply *use);

/* Keep the record, in the form of HGETALL, for store_before; nothing if it cannot be decoded. */
void operation_read_before(struct operation *operation, const redisReply *reply);

/* Note the use in the record, if it is one. */
void reply_to_use(const redisReply *use, struct record *record);

bool reply_is_integer(const redisReply *reply, long long *value);

/* ---- store_walk_index.c ---- */

/* Read the cursor at which a step ends; false when the reply is not one. */
bool store_walk_cursor(const redisReply *reply, char out[STORE_WALK_CURSOR_MAX]);

#endif
