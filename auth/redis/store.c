/* store.c - runs operations: sends them, has replicas confirm them, tells the caller, ends late
 * ones.
 */
#include "auth/redis/store.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/redis/arguments.h"
#include "auth/redis/caller_script.h"
#include "auth/redis/cluster_slot.h"
#include "auth/redis/store_state.h"
#include "jobgate/check.h"

const char *
store_prefix(const struct store *store)
{
	return store->prefix;
}

uint64_t
store_losses(const struct store *store)
{
	return store->losses;
}

bool
store_waits(const struct store *store)
{
	return store->wait.required > 0;
}

static void
operation_free(struct operation *operation)
{
	CHECK(operation->confirmation == CONFIRMATION_NONE && !operation->held, operation_dump,
	    operation);
	TAILQ_REMOVE(&operation->store->operations, operation, link);
	event_free(operation->deadline);
	free(operation->before);
	free(operation);
}

int
store_confirmed(const struct store *store)
{
	return store->confirmed;
}

const struct store_deletion *
store_deletion(const struct store *store)
{
	return &store->deletion;
}

const struct record *
store_before(const struct store *store)
{
	return store->before;
}

void
store_tell(struct operation *operation, enum store_result result, struct record *record)
{
	store_record_done *done = operation->done;
	store_page_done *page_done = operation->page_done;
	store_walk_done *walk_done = operation->walk_done;

	if (operation->held) {
		free(record);
		return;
	}
	if (operation->confirmation != CONFIRMATION_NONE) {
		CHECK(operation->confirmation == CONFIRMATION_ASKED, operation_dump, operation);
		operation->held = true;
		operation->result = result;
		operation->record = record;
		return;
	}
	CHECK((done != NULL) + (page_done != NULL) + (walk_done != NULL) <= 1, operation_dump,
	    operation);
	operation->done = NULL;
	operation->page_done = NULL;
	operation->walk_done = NULL;
	event_del(operation->deadline);
	operation->store->deletion = operation->deletion;
	operation->store->before = operation->before;
	if (done != NULL)
		done(operation->ctx, result, record);
	if (page_done != NULL)
		page_done(operation->ctx, result, NULL);
	if (walk_done != NULL)
		walk_done(operation->ctx, result, NULL);
	operation->store->before = NULL;
	free(record);
}

/* WAIT has ended for this operation: tell the caller its result and how many replicas have it. */
static void
confirmed(struct operation *operation, int replicas)
{
	struct store *store = operation->store;

	if (operation->result == STORE_OK && (size_t)replicas < store->wait.count)
		log_warning(&store->log,
		    "%d of %zu replicas have confirmed a change of %s: it could be lost with the "
		    "primary",
		    replicas, store->wait.count, operation->id);
	operation_set_confirmation(operation, CONFIRMATION_NONE);
	operation->held = false;
	store->confirmed = replicas;
	store_tell(operation, operation->result, operation->record);
	store->confirmed = -1;
	operation_free(operation);
}

static void confirm(struct store *store);

static void
on_confirmed(void *ctx, const redisReply *reply)
{
	struct store *store = ctx;
	struct operation *operation, *next;
	int replicas = 0;

	if (reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0 &&
	    reply->integer <= INT_MAX)
		replicas = (int)reply->integer;
	store->waiting = false;
	for (operation = TAILQ_FIRST(&store->operations); operation != NULL; operation = next) {
		next = TAILQ_NEXT(operation, link);
		/* An operation that is not held is a newer one: a caller sent it from its done. */
		if (operation->confirmation == CONFIRMATION_ASKED && operation->held)
			confirmed(operation, replicas);
	}
	confirm(store);
}

/*
 * Send WAIT, which Redis answers when replicas have all changes that were sent. WAIT delays all
 * commands after it, so at most one is under way, and the changes made meanwhile share the next
 * one. No change waits for more than two, however many changes there are. When memory is short,
 * changes are not confirmed.
 */
static void
confirm(struct store *store)
{
	char replicas[24], ms[24];
	const char *argv[] = {"WAIT", replicas, ms};
	const size_t len[] = {4,
	    (size_t)snprintf(replicas, sizeof(replicas), "%zu", store->wait.count),
	    (size_t)snprintf(ms, sizeof(ms), "%llu", (unsigned long long)store->wait.timeout_ms)};
	enum confirmation to = CONFIRMATION_ASKED;
	struct operation *operation;
	bool due = false;

	for (operation = TAILQ_FIRST(&store->operations); operation != NULL;
	     operation = TAILQ_NEXT(operation, link))
		due = due || operation->confirmation == CONFIRMATION_DUE;
	if (!due || store->waiting)
		return;
	store->waiting = store->connection != NULL &&
			 redis_command(store->connection, on_confirmed, store, 3, argv, len);
	if (!store->waiting)
		to = CONFIRMATION_NONE;
	for (operation = TAILQ_FIRST(&store->operations); operation != NULL;
	     operation = TAILQ_NEXT(operation, link))
		if (operation->confirmation == CONFIRMATION_DUE)
			operation_set_confirmation(operation, to);
}

/*
 * What an error means. Redis itself refuses a write (READONLY, OOM, MISCONF, NOREPLICAS) only where
 * the script has not written yet, and scripts check the types of keys first. After another error
 * within a script it is not known what was written before.
 */
static enum store_result
result_of_error(const struct operation *operation, const redisReply *error)
{
	if (redis_error_is(error, "WRONGTYPE")) /* another program made a key of another type */
		return STORE_BROKEN;
	if (operation->change && strstr(error->str, " script: ") != NULL &&
	    (redis_error_is(error, "ERR ") || redis_error_is(error, "NOPERM ")))
		return STORE_UNKNOWN;
	return STORE_UNAVAILABLE;
}

static bool
is_revoked(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_INTEGER && reply->integer == STORE_SCRIPT_REVOKED;
}

/* True when `read` takes the reply: no error, or one whose meaning for this operation it knows. */
static bool
is_read(const struct operation *operation, const redisReply *reply)
{
	return reply->type != REDIS_REPLY_ERROR || redis_error_is(reply, REDIS_TOO_LONG) ||
	       (operation->reads_noperm && redis_error_is(reply, "NOPERM "));
}

/* The reply to an operation, or NULL when the connection broke before it came. */
static void
on_reply(void *ctx, const redisReply *reply)
{
	struct operation *operation = ctx;
	struct store *store = operation->store;
	enum store_result result = operation->change ? STORE_UNKNOWN : STORE_UNAVAILABLE;
	bool moved = false;

	if (reply != NULL && !is_read(operation, reply)) {
		log_warning(&store->log, "the store refuses: %s", reply->str);
		moved = redis_error_is(reply, "READONLY") || redis_error_is(reply, "MOVED ") ||
			redis_error_is(reply, "CLUSTERDOWN ");
		result = result_of_error(operation, reply);
	} else if (reply != NULL && operation->change && is_revoked(reply)) {
		store_tell(operation, STORE_REVOKED, NULL);
	} else if (reply != NULL) {
		operation->read(operation, reply);
	}
	store_tell(operation, result, NULL); /* does nothing if `read` has told the caller */
	if (operation->confirmation == CONFIRMATION_NONE)
		operation_free(operation);
	if (moved) /* another server may be the primary by now */
		store_down(store, "it is not the primary any more");
}

/* No answer in time. Replies come in order, so the connection is of no use any more. */
static void
on_deadline(evutil_socket_t fd, short events, void *ctx)
{
	struct operation *operation = ctx;

	(void)fd;
	(void)events;
	store_down(operation->store, "no answer in time");
}

bool
store_send(struct store *store, int argc, const char *const *argv, const size_t *len)
{
	return store->connection != NULL &&
	       redis_command(store->connection, NULL, NULL, argc, argv, len);
}

void
store_run(struct store *store, const struct operation *plan, const struct arguments *arguments)
{
	const uint64_t ms =
	    store->tuning->deadline_ms + (store->wait.count > 0 ? 2 * store->wait.timeout_ms : 0);
	const struct timeval deadline = {
	    .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
	struct operation *operation = NULL;

	CHECK(plan->read != NULL && plan->confirmation == CONFIRMATION_NONE, store_dump, store);
	if (store->connection != NULL && arguments != NULL)
		operation = malloc(sizeof(*operation));
	if (operation == NULL)
		goto unavailable;
	*operation = *plan;
	operation->store = store;
	operation->deadline = evtimer_new(store->base, on_deadline, operation);
	if (operation->deadline == NULL || evtimer_add(operation->deadline, &deadline) != 0 ||
	    (store->of_primary && !operation->change && !store_ask_role(store)) ||
	    !redis_command(store->connection, on_reply, operation, arguments->count, arguments->at,
		arguments->len))
		goto unavailable;
	TAILQ_INSERT_TAIL(&store->operations, operation, link);
	if (operation->change && store->wait.count > 0) {
		operation_set_confirmation(operation, CONFIRMATION_DUE);
		confirm(store);
	}
	return;
unavailable:
	if (operation != NULL && operation->deadline != NULL)
		event_free(operation->deadline);
	free(operation);
	if (plan->done != NULL)
		plan->done(plan->ctx, STORE_UNAVAILABLE, NULL);
	if (plan->page_done != NULL)
		plan->page_done(plan->ctx, STORE_UNAVAILABLE, NULL);
	if (plan->walk_done != NULL)
		plan->walk_done(plan->ctx, STORE_UNAVAILABLE, NULL);
}

static bool
copy(const char *text, char **out)
{
	*out = text != NULL ? strdup(text) : NULL;
	return text == NULL || *out != NULL;
}

struct store *
store_new(const struct store_options *options)
{
	struct store *store = calloc(1, sizeof(*store));
	char error[128];

	if (store == NULL)
		return NULL;
	TAILQ_INIT(&store->operations);
	store->base = options->base;
	store->resolver = options->resolver;
	store->log = options->log;
	store->wait = options->wait;
	store->tuning = options->tuning != NULL ? options->tuning : &jg_tuning.store;
	store->of_primary = options->of_primary;
	store->for_lists = options->for_lists;
	store->confirmed = -1;
	if (!copy(options->prefix, &store->prefix) || !copy(options->ca_file, &store->ca_file))
		goto fail;
	if (!redis_url_parse(options->url, &store->url, error, sizeof(error))) {
		log_error(&store->log, "the store's URL: %s", error);
		goto fail;
	}
	store->url.password_file = options->password_file;
	if (store->url.cluster && !cluster_prefix_has_tag(slice_of(store->prefix))) {
		log_error(&store->log, REDIS_PREFIX_WITHOUT_TAG);
		goto fail;
	}
	if (store_reach(store))
		return store;
fail:
	store_free(store);
	return NULL;
}

void
store_free(struct store *store)
{
	if (store == NULL)
		return;
	store_leave(store);
	CHECK(TAILQ_EMPTY(&store->operations), store_dump, store);
	redis_url_wipe(&store->url);
	OPENSSL_cleanse(&store->mint, sizeof(store->mint));
	free(store->prefix);
	free(store->ca_file);
	free(store);
}
