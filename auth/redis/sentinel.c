/* sentinel.c - asks the sentinels and counts their votes. */
#include "auth/redis/sentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/redis/connection.h"
#include "jobgate/check.h"

/* One sentinel, and its vote in the current round. */
struct sentinel {
	struct redis_sentinels *all;
	struct redis_connection *connection; /* NULL: made in the next round */
	bool asked;			     /* its answer is still to come */
	bool voted;
	struct redis_place vote;
	char trouble[128]; /* why it has no vote */
};

struct redis_sentinels {
	struct event_base *base;
	struct resolver *resolver;
	struct redis_url url;
	char *ca_file;
	unsigned timeout_ms;	  /* of the round */
	redis_sentinels_fn *done; /* NULL: no round is under way */
	void *ctx;
	struct event *verdict; /* the deadline; made active early when the votes decide */
	struct sentinel sentinels[REDIS_SENTINELS_MAX];
};

void
redis_sentinels_dump(const struct redis_sentinels *sentinels, struct dump *dump)
{
	unsigned awaited = 0, votes = 0;

	for (unsigned i = 0; i < sentinels->url.sentinel_count; i++) {
		awaited += sentinels->sentinels[i].asked;
		votes += sentinels->sentinels[i].voted;
	}
	jg_dump_begin(dump, "redis_sentinels");
	jg_dump_number(dump, "count", sentinels->url.sentinel_count);
	jg_dump_flag(dump, "busy", sentinels->done != NULL);
	jg_dump_number(dump, "awaited", awaited);
	jg_dump_number(dump, "votes", votes);
	jg_dump_end(dump);
}

/* ---- counting ---- */

static bool
same_place(const struct redis_place *a, const struct redis_place *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* The place for which more than half of the sentinels have voted; NULL when there is none yet. */
static const struct redis_place *
elected(const struct redis_sentinels *all)
{
	for (unsigned i = 0; i < all->url.sentinel_count; i++) {
		const struct sentinel *one = &all->sentinels[i];
		unsigned votes = 0;

		for (unsigned k = 0; one->voted && k < all->url.sentinel_count; k++)
			votes += all->sentinels[k].voted &&
				 same_place(&one->vote, &all->sentinels[k].vote);
		if (votes > all->url.sentinel_count / 2)
			return &one->vote;
	}
	return NULL;
}

/* True when no missing answer can change the result. */
static bool
decided(const struct redis_sentinels *all)
{
	if (elected(all) != NULL)
		return true;
	for (unsigned i = 0; i < all->url.sentinel_count; i++)
		if (all->sentinels[i].asked)
			return false;
	return true;
}

static void
explain(const struct redis_sentinels *all, char *why, size_t cap)
{
	unsigned votes = 0;
	const char *trouble = "";

	for (unsigned i = 0; i < all->url.sentinel_count; i++) {
		votes += all->sentinels[i].voted;
		if (!all->sentinels[i].voted && all->sentinels[i].trouble[0] != '\0')
			trouble = all->sentinels[i].trouble;
	}
	if (votes > all->url.sentinel_count / 2)
		snprintf(why, cap, "the sentinels do not agree on the primary");
	else
		snprintf(why, cap, "only %u of %u sentinels answer%s%s", votes,
		    all->url.sentinel_count, trouble[0] != '\0' ? ": " : "", trouble);
}

/* The round ends: at its deadline, or because it is decided. */
static void
on_verdict(evutil_socket_t fd, short what, void *ctx)
{
	struct redis_sentinels *all = ctx;
	const struct redis_place *place = elected(all);
	struct redis_url primary = all->url;
	redis_sentinels_fn *done = all->done;
	char why[256] = "";

	(void)fd;
	(void)what;
	if (done == NULL)
		return;
	event_del(all->verdict);
	explain(all, why, sizeof(why));
	if (place != NULL) {
		primary.sentinel_count = 0;
		redis_login_wipe(&primary.sentinel_login);
		memcpy(primary.host, place->host, sizeof(primary.host));
		primary.port = place->port;
	}
	all->done = NULL;
	done(all->ctx, place != NULL ? &primary : NULL, why);
	redis_url_wipe(&primary);
}

static void
sentinel_answered(struct sentinel *sentinel)
{
	struct redis_sentinels *all = sentinel->all;

	sentinel->asked = false;
	if (all->done != NULL && decided(all))
		event_active(all->verdict, EV_TIMEOUT, 0);
}

/* ---- asking ---- */

/* [host, port] */
static bool
read_place(const redisReply *reply, struct redis_place *out)
{
	uint64_t port;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_STRING ||
	    reply->element[0]->len >= sizeof(out->host) || reply->element[1]->len > 5 ||
	    !slice_to_number(
		(struct slice){reply->element[1]->str, reply->element[1]->len}, UINT16_MAX, &port))
		return false;
	snprintf(out->host, sizeof(out->host), "%s", reply->element[0]->str);
	out->port = (uint16_t)port;
	return port > 0 && redis_host_valid(out->host);
}

static void
on_place(void *ctx, const redisReply *reply)
{
	struct sentinel *sentinel = ctx;

	if (reply == NULL)
		return; /* `down` follows, or its answer is no longer awaited */
	if (read_place(reply, &sentinel->vote))
		sentinel->voted = true;
	else
		snprintf(sentinel->trouble, sizeof(sentinel->trouble), "%s",
		    reply->type == REDIS_REPLY_ERROR ? reply->str
		    : reply->type == REDIS_REPLY_NIL ? "one does not know that name"
						     : "one names no place");
	sentinel_answered(sentinel);
}

static void
sentinel_ask(struct sentinel *sentinel)
{
	const char *argv[] = {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinel->all->url.master};
	const size_t len[] = {8, 23, strlen(argv[2])};

	if (redis_command(sentinel->connection, on_place, sentinel, 3, argv, len))
		return;
	snprintf(sentinel->trouble, sizeof(sentinel->trouble), "out of memory");
	sentinel_answered(sentinel);
}

static void
on_up(void *ctx)
{
	struct sentinel *sentinel = ctx;

	if (sentinel->asked)
		sentinel_ask(sentinel);
}

static void
sentinel_forget(struct sentinel *sentinel)
{
	struct redis_connection *connection = sentinel->connection;

	sentinel->connection = NULL;
	redis_connection_free(connection);
}

static void
on_down(void *ctx, const char *reason)
{
	struct sentinel *sentinel = ctx;

	sentinel_forget(sentinel);
	if (!sentinel->asked)
		return;
	snprintf(sentinel->trouble, sizeof(sentinel->trouble), "%s", reason);
	sentinel_answered(sentinel);
}

/* The password of Redis is never sent to sentinels. */
static struct redis_connection *
sentinel_connect(struct sentinel *sentinel, const struct redis_place *place)
{
	const struct redis_handlers handlers = {.ctx = sentinel, .up = on_up, .down = on_down};
	struct redis_url url = {.tls = sentinel->all->url.tls,
	    .port = place->port,
	    .login = sentinel->all->url.sentinel_login};
	struct redis_connection *connection;

	memcpy(url.host, place->host, sizeof(url.host));
	connection = redis_connection_new(sentinel->all->base, sentinel->all->resolver, &url,
	    sentinel->all->ca_file, "jobgate-sentinel", sentinel->all->timeout_ms, &handlers);
	redis_url_wipe(&url);
	return connection;
}

void
redis_sentinels_ask(
    struct redis_sentinels *all, unsigned timeout_ms, redis_sentinels_fn *done, void *ctx)
{
	const struct timeval deadline = {
	    .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

	CHECK(all->done == NULL && done != NULL, redis_sentinels_dump, all);
	all->timeout_ms = timeout_ms;
	all->done = done;
	all->ctx = ctx;
	for (unsigned i = 0; i < all->url.sentinel_count; i++) {
		struct sentinel *sentinel = &all->sentinels[i];

		/* A late answer to the last question would count for this one. */
		if (sentinel->asked)
			sentinel_forget(sentinel);
		sentinel->voted = false;
		sentinel->trouble[0] = '\0';
		if (sentinel->connection == NULL)
			sentinel->connection = sentinel_connect(sentinel, &all->url.sentinels[i]);
		sentinel->asked = sentinel->connection != NULL;
		if (sentinel->asked && redis_connection_is_up(sentinel->connection))
			sentinel_ask(sentinel);
	}
	evtimer_add(all->verdict, &deadline);
}

bool
redis_sentinels_busy(const struct redis_sentinels *all)
{
	return all->done != NULL;
}

/* ---- create and free ---- */

struct redis_sentinels *
redis_sentinels_new(struct event_base *base, struct resolver *resolver, const struct redis_url *url,
    const char *ca_file)
{
	struct redis_sentinels *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	all->base = base;
	all->resolver = resolver;
	all->url = *url;
	all->ca_file = ca_file != NULL ? strdup(ca_file) : NULL;
	all->verdict = evtimer_new(base, on_verdict, all);
	for (unsigned i = 0; i < url->sentinel_count; i++)
		all->sentinels[i].all = all;
	if (all->verdict != NULL && (ca_file == NULL || all->ca_file != NULL))
		return all;
	redis_sentinels_free(all);
	return NULL;
}

void
redis_sentinels_free(struct redis_sentinels *all)
{
	if (all == NULL)
		return;
	all->done = NULL;
	for (unsigned i = 0; i < all->url.sentinel_count; i++)
		redis_connection_free(all->sentinels[i].connection);
	if (all->verdict != NULL)
		event_free(all->verdict);
	redis_url_wipe(&all->url);
	free(all->ca_file);
	free(all);
}

void
redis_sentinels_peers(
    const struct redis_sentinels *sentinels, struct sockaddr_storage out[REDIS_SENTINELS_MAX])
{
	for (unsigned i = 0; i < sentinels->url.sentinel_count; i++)
		if (sentinels->sentinels[i].connection != NULL)
			redis_connection_peer(sentinels->sentinels[i].connection, &out[i]);
}

/* ---- the role of a server ---- */

bool
redis_role_is_primary(const redisReply *reply, bool sentinels, const char **why)
{
	*why = "it is not the primary (to read from a replica, set store.read_url to it and "
	       "store.write_url to the primary)";
	if (reply->type == REDIS_REPLY_ERROR) {
		*why = reply->str;
		return !sentinels && redis_error_is(reply, "NOPERM");
	}
	return reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
	       reply->element[0]->type == REDIS_REPLY_STRING &&
	       strcmp(reply->element[0]->str, "master") == 0;
}
