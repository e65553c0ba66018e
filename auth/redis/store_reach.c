/* store_reach.c - finds the primary, connects to it, and connects again when that breaks. */
#include <string.h>

#include "auth/redis/info.h"
#include "auth/redis/store_state.h"
#include "jobgate/check.h"

static void
disconnect(struct store *store)
{
	struct redis_connection *connection = store->connection;

	store->connection =
	    NULL; /* first: a caller that is told may start another operation at once */
	redis_connection_free(connection);
}

static void
reconnect_later(struct store *store)
{
	const struct timeval wait = {
	    .tv_sec = store->backoff_ms / 1000, .tv_usec = store->backoff_ms % 1000 * 1000};

	store->backoff_ms *= 2;
	if (store->backoff_ms > store->tuning->backoff_last_ms)
		store->backoff_ms = store->tuning->backoff_last_ms;
	evtimer_add(store->reconnect, &wait);
}

/* The store's name in the log. */
static const char *
called(const struct store *store)
{
	return store->for_lists ? "the store (for lists)" : "the store";
}

/* A server that evicts keys when memory is full also evicts tokens and jobs. */
static void
on_memory(void *ctx, const redisReply *reply)
{
	struct store *store = ctx;
	struct slice policy =
	    reply != NULL ? info_field(reply, "maxmemory_policy") : (struct slice){0};

	if (policy.len == 0 || store->told_policy || slice_equal(policy, SLICE("noeviction")))
		return;
	store->told_policy = true;
	log_warning(&store->log,
	    "the store may drop tokens and jobs when its memory is full: its maxmemory-policy is "
	    "%.*s; set it to noeviction",
	    (int)policy.len, policy.at);
}

static void
ask_policy(struct store *store)
{
	/* No warning is given where the ACL hides INFO, or when memory is short. */
	redis_command(store->connection, on_memory, store, 2, (const char *[]){"INFO", "memory"},
	    (size_t[]){4, 6});
}

static void
in_reach(struct store *store)
{
	if (store->of_primary && !store->for_lists) /* once in each control process */
		ask_policy(store);
	store->told_down = false;
	store->backoff_ms = store->tuning->backoff_first_ms;
	log_info(&store->log, "%s is in reach", called(store));
}

void
store_down(struct store *store, const char *why)
{
	if (!store->told_down)
		log_warning(&store->log, "%s is out of reach: %s", called(store), why);
	store->told_down = true;
	store->losses++;
	disconnect(store);
	reconnect_later(store);
}

/* False when the server is not a primary; then the connection has been closed. */
static bool
is_primary(struct store *store, const redisReply *role)
{
	const char *why;

	if (role == NULL) /* the connection broke */
		return false;
	if (redis_role_is_primary(role, store->election != NULL, &why))
		return true;
	store_down(store, why);
	return false;
}

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

bool
store_ask_role(struct store *store)
{
	return ask_role(store, on_role);
}

/* The address may lead to another server of the cluster than the elected one. */
static void
on_id(void *ctx, const redisReply *reply)
{
	struct store *store = ctx;

	if (reply != NULL && !slice_equal(redis_text(reply), slice_of(store->here.node_id)))
		store_down(store, "it is not the server that the masters named");
}

static bool
ask_id(struct store *store)
{
	return redis_command(store->connection, on_id, store, 2,
	    (const char *[]){"CLUSTER", "MYID"}, (size_t[]){7, 4});
}

static void
on_up(void *ctx)
{
	struct store *store = ctx;

	if ((store->url.cluster && !ask_id(store)) ||
	    (store->of_primary && !ask_role(store, on_first_role)))
		store_down(store, "out of memory");
	else if (!store->of_primary)
		in_reach(store);
}

static void
on_down(void *ctx, const char *why)
{
	store_down(ctx, why);
}

static void
store_connect(struct store *store, const struct redis_url *primary)
{
	CHECK(store->connection == NULL, store_dump, store);
	store->connection =
	    redis_connection_new(store->base, store->resolver, primary, store->ca_file,
		store->for_lists ? "jobgate-lists" : "jobgate-control", store->tuning->connect_ms,
		&(struct redis_handlers){.ctx = store, .up = on_up, .down = on_down});
	if (store->connection == NULL)
		reconnect_later(store);
}

/*
 * Changes go only to the primary that most voters name; without a majority they go nowhere. A
 * primary that was replaced and does not know it would accept changes that are lost later.
 */
static void
on_elected(void *ctx, const struct redis_url *primary, const char *why)
{
	struct store *store = ctx;
	const struct timeval soon = {.tv_sec = store->tuning->election_ms / 1000,
	    .tv_usec = store->tuning->election_ms % 1000 * 1000};

	evtimer_add(store->election_due, &soon);
	if (primary == NULL) {
		store_down(store, why);
		return;
	}
	if (store->connection != NULL && !redis_is_at(primary, &store->here))
		store_down(store, "another server is the primary now");
	if (store->connection != NULL)
		return;
	redis_note_place(primary, &store->here);
	store_connect(store, primary);
}

static void
on_election(evutil_socket_t fd, short events, void *ctx)
{
	struct store *store = ctx;

	(void)fd;
	(void)events;
	if (!redis_election_busy(store->election))
		redis_election_ask(
		    store->election, store->tuning->election_deadline_ms, on_elected, store);
}

static void
on_reconnect(evutil_socket_t fd, short events, void *ctx)
{
	struct store *store = ctx;

	if (store->election != NULL)
		on_election(fd, events, store);
	else
		store_connect(store, &store->url);
}

bool
store_reach(struct store *store)
{
	store->backoff_ms = store->tuning->backoff_first_ms;
	store->reconnect = evtimer_new(store->base, on_reconnect, store);
	if (store->reconnect == NULL)
		return false;
	if (store->url.place_count > 0) {
		store->election =
		    redis_election_new(&(struct redis_election_options){.base = store->base,
			.resolver = store->resolver,
			.url = &store->url,
			.prefix = store->prefix,
			.ca_file = store->ca_file,
			.for_changes = true});
		store->election_due = evtimer_new(store->base, on_election, store);
		if (store->election == NULL || store->election_due == NULL)
			return false;
	}
	on_reconnect(-1, 0, store);
	return true;
}

void
store_leave(struct store *store)
{
	redis_election_free(store->election);
	disconnect(store);
	if (store->reconnect != NULL)
		event_free(store->reconnect);
	if (store->election_due != NULL)
		event_free(store->election_due);
}
