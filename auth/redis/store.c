/* store.c - the store's connection, and operations on their way: sent, told, timed out. */
#include "auth/redis/store.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/redis/arguments.h"
#include "auth/redis/connection.h"
#include "auth/redis/sentinel.h"
#include "auth/redis/store_operation.h"

#define DEADLINE_SECONDS 2
#define CONNECT_TIMEOUT_MS 2000
/* Sentinels are asked for the primary so often, and answer within that. */
#define ELECTION_SECONDS 1
#define ELECTION_TIMEOUT_MS 900
#define RECONNECT_MS_MIN 50
#define RECONNECT_MS_MAX 2000

struct store {
	struct event_base *base;
	struct log log;
	struct redis_url url;
	char *prefix, *ca_file;
	unsigned wait_replicas, wait_ms;
	bool of_primary;
	int confirmed;			   /* of the change that is being told */
	struct redis_sentinels *sentinels; /* NULL: the URL itself says where the primary is */
	struct redis_place place;	   /* that they named last */
	struct event *election;
	struct redis_connection *connection; /* NULL between two attempts */
	bool told_down; /* the log has it: once for each time, not for each attempt */
	struct event *reconnect;
	unsigned backoff_ms;
	TAILQ_HEAD(, operation) operations;
};

const char *
store_prefix(const struct store *store)
{
	return store->prefix;
}

static void
operation_free(struct operation *operation)
{
	TAILQ_REMOVE(&operation->store->operations, operation, link);
	event_free(operation->deadline);
	free(operation);
}

int
store_confirmed(const struct store *store)
{
	return store->confirmed;
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
	if (operation->confirming) {
		operation->held = true;
		operation->result = result;
		operation->record = record;
		return;
	}
	operation->done = NULL;
	operation->page_done = NULL;
	operation->walk_done = NULL;
	event_del(operation->deadline);
	if (done != NULL)
		done(operation->ctx, result, record);
	if (page_done != NULL)
		page_done(operation->ctx, result, NULL);
	if (walk_done != NULL)
		walk_done(operation->ctx, result, NULL);
	free(record);
}

/* The answer to the WAIT behind a change: now the caller may know of both. */
static void
on_confirmed(void *ctx, const redisReply *reply)
{
	struct operation *operation = ctx;
	struct store *store = operation->store;
	int confirmed = 0;

	if (reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0 &&
	    reply->integer <= INT_MAX)
		confirmed = (int)reply->integer;
	if (operation->result == STORE_OK && (unsigned)confirmed < store->wait_replicas)
		log_warning(&store->log,
		    "%d of %u replicas have confirmed a change of %s: it could be lost with the "
		    "primary",
		    confirmed, store->wait_replicas, operation->id);
	operation->confirming = operation->held = false;
	store->confirmed = confirmed;
	store_tell(operation, operation->result, operation->record);
	store->confirmed = -1;
	operation_free(operation);
}

/* Have Redis answer once replicas have what was just sent. Without memory nobody waits for them. */
static void
confirm(struct store *store, struct operation *operation)
{
	char replicas[16], ms[16];
	const char *argv[] = {"WAIT", replicas, ms};
	const size_t len[] = {4,
	    (size_t)snprintf(replicas, sizeof(replicas), "%u", store->wait_replicas),
	    (size_t)snprintf(ms, sizeof(ms), "%u", store->wait_ms)};

	operation->confirming =
	    redis_command(store->connection, on_confirmed, operation, 3, argv, len);
}

static void on_down(void *ctx, const char *why);

/* The reply to an operation, or NULL when the connection broke before it came. */
static void
on_reply(void *ctx, const redisReply *reply)
{
	struct operation *operation = ctx;
	struct store *store = operation->store;
	enum store_result result = operation->change ? STORE_UNKNOWN : STORE_UNAVAILABLE;
	bool demoted = false;

	if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
		log_warning(&store->log, "the store refuses: %s", reply->str);
		demoted = strncmp(reply->str, "READONLY", 8) == 0;
		/* A key of another type was put there by somebody else. */
		result =
		    strncmp(reply->str, "WRONGTYPE", 9) == 0 ? STORE_BROKEN : STORE_UNAVAILABLE;
	} else if (reply != NULL) {
		operation->read(operation, reply);
	}
	store_tell(operation, result, NULL); /* unless `read` has told it better */
	if (!operation->confirming)
		operation_free(operation);
	if (demoted) /* its name may lead to another one by now */
		on_down(store, "it is a replica");
}

/* Give the connection up: whatever waits for a reply is told. */
static void
disconnect(struct store *store)
{
	struct redis_connection *connection = store->connection;

	store->connection = NULL; /* first: who is told may ask again at once */
	redis_connection_free(connection);
}

static void
reconnect_later(struct store *store)
{
	const struct timeval wait = {
	    .tv_sec = store->backoff_ms / 1000, .tv_usec = store->backoff_ms % 1000 * 1000};

	store->backoff_ms *= 2;
	if (store->backoff_ms > RECONNECT_MS_MAX)
		store->backoff_ms = RECONNECT_MS_MAX;
	evtimer_add(store->reconnect, &wait);
}

static void
in_reach(struct store *store)
{
	store->told_down = false;
	store->backoff_ms = RECONNECT_MS_MIN;
	log_info(&store->log, "the store is in reach");
}

static void
on_down(void *ctx, const char *why)
{
	struct store *store = ctx;

	if (!store->told_down)
		log_warning(&store->log, "the store is out of reach: %s", why);
	store->told_down = true;
	disconnect(store);
	reconnect_later(store);
}

/* False when it is no primary any more: the connection has been given up then. */
static bool
is_primary(struct store *store, const redisReply *role)
{
	const char *why;

	if (role == NULL) /* it broke meanwhile */
		return false;
	if (redis_role_is_primary(role, store->sentinels != NULL, &why))
		return true;
	on_down(store, why);
	return false;
}

/* Ahead of a read: replies come in order, so that what a replica says of it is never looked at. */
static void
on_role(void *ctx, const redisReply *reply)
{
	is_primary(ctx, reply);
}

static void
on_first_role(void *ctx, const redisReply *reply)
{
	if (is_primary(ctx, reply))
		in_reach(ctx);
}

static bool
ask_role(struct store *store, redis_reply_fn *done)
{
	return redis_command(
	    store->connection, done, store, 1, (const char *[]){"ROLE"}, (size_t[]){4});
}

static void
on_up(void *ctx)
{
	struct store *store = ctx;

	if (!store->of_primary)
		in_reach(store);
	else if (!ask_role(store, on_first_role))
		on_down(store, "out of memory");
}

static void
store_connect(struct store *store, const struct redis_url *primary)
{
	store->connection = redis_connection_new(store->base, primary, store->ca_file,
	    "jobgate-control", CONNECT_TIMEOUT_MS,
	    &(struct redis_handlers){.ctx = store, .up = on_up, .down = on_down});
	if (store->connection == NULL)
		reconnect_later(store);
}

/*
 * Changes go where most sentinels point, and nowhere while they do not: what a
 * primary takes that has been replaced without knowing it is lost.
 */
static void
on_elected(void *ctx, const struct redis_url *primary, const char *why)
{
	const struct timeval soon = {.tv_sec = ELECTION_SECONDS};
	struct store *store = ctx;

	evtimer_add(store->election, &soon);
	if (primary == NULL) {
		on_down(store, why);
		return;
	}
	if (store->connection != NULL &&
	    (primary->port != store->place.port || strcmp(primary->host, store->place.host) != 0))
		on_down(store, "the sentinels name another primary");
	if (store->connection != NULL)
		return;
	memcpy(store->place.host, primary->host, sizeof(store->place.host));
	store->place.port = primary->port;
	store_connect(store, primary);
}

static void
on_election(evutil_socket_t fd, short events, void *ctx)
{
	struct store *store = ctx;

	(void)fd;
	(void)events;
	if (!redis_sentinels_busy(store->sentinels))
		redis_sentinels_ask(store->sentinels, ELECTION_TIMEOUT_MS, on_elected, store);
}

static void
on_reconnect(evutil_socket_t fd, short events, void *ctx)
{
	struct store *store = ctx;

	if (store->sentinels != NULL)
		on_election(fd, events, store);
	else
		store_connect(store, &store->url);
}

/* Out of time. Replies come in order: a connection that is this late is of no use. */
static void
on_deadline(evutil_socket_t fd, short events, void *ctx)
{
	struct operation *operation = ctx;

	(void)fd;
	(void)events;
	on_down(operation->store, "no answer in time");
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
	const struct timeval deadline = {.tv_sec = DEADLINE_SECONDS};
	struct operation *operation = NULL;

	if (store->connection != NULL && arguments != NULL)
		operation = malloc(sizeof(*operation));
	if (operation == NULL)
		goto unavailable;
	*operation = *plan;
	operation->store = store;
	operation->deadline = evtimer_new(store->base, on_deadline, operation);
	if (operation->deadline == NULL || evtimer_add(operation->deadline, &deadline) != 0 ||
	    (store->of_primary && !operation->change && !ask_role(store, on_role)) ||
	    !redis_command(store->connection, on_reply, operation, arguments->count, arguments->at,
		arguments->len))
		goto unavailable;
	TAILQ_INSERT_TAIL(&store->operations, operation, link);
	if (operation->change && store->wait_replicas > 0)
		confirm(store, operation);
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
	char mistake[128];

	if (store == NULL)
		return NULL;
	TAILQ_INIT(&store->operations);
	store->base = options->base;
	store->log = options->log;
	store->backoff_ms = RECONNECT_MS_MIN;
	store->wait_replicas = options->wait_replicas;
	store->wait_ms = options->wait_ms;
	store->of_primary = options->of_primary;
	store->confirmed = -1;
	store->reconnect = evtimer_new(store->base, on_reconnect, store);
	if (!copy(options->prefix, &store->prefix) || !copy(options->ca_file, &store->ca_file) ||
	    store->reconnect == NULL)
		goto fail;
	if (!redis_url_parse(options->url, &store->url, mistake, sizeof(mistake))) {
		log_error(&store->log, "the store's URL: %s", mistake);
		goto fail;
	}
	if (store->url.sentinel_count > 0) {
		store->sentinels = redis_sentinels_new(store->base, &store->url, store->ca_file);
		store->election = evtimer_new(store->base, on_election, store);
		if (store->sentinels == NULL || store->election == NULL)
			goto fail;
	}
	on_reconnect(-1, 0, store);
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
	redis_sentinels_free(store->sentinels);
	disconnect(store);
	assert(TAILQ_EMPTY(&store->operations));
	if (store->reconnect != NULL)
		event_free(store->reconnect);
	if (store->election != NULL)
		event_free(store->election);
	redis_url_wipe(&store->url);
	free(store->prefix);
	free(store->ca_file);
	free(store);
}
