/* election.c - asks all voters, and ends the round when they have decided. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/redis/cluster_slot.h"
#include "auth/redis/election_state.h"
#include "jobgate/check.h"

void
redis_election_dump(const struct redis_election *election, struct dump *dump)
{
	unsigned voters = 0, awaited = 0, votes = 0;

	for (unsigned i = 0; i < election->voter_count; i++) {
		voters += election->voters[i].used;
		awaited += election->voters[i].asked;
		votes += election->voters[i].voted;
	}
	jg_dump_begin(dump, "redis_election");
	jg_dump_number(dump, "voters", voters);
	jg_dump_flag(dump, "busy", election->done != NULL);
	jg_dump_number(dump, "awaited", awaited);
	jg_dump_number(dump, "votes", votes);
	jg_dump_end(dump);
}

bool
redis_same_place(const struct redis_place *a, const struct redis_place *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

bool
redis_is_at(const struct redis_url *primary, const struct redis_url *here)
{
	if (primary->cluster)
		return strcmp(primary->node_id, here->node_id) == 0;
	return primary->port == here->port && strcmp(primary->host, here->host) == 0;
}

void
redis_note_place(const struct redis_url *primary, struct redis_url *out)
{
	memcpy(out->host, primary->host, sizeof(out->host));
	memcpy(out->node_id, primary->node_id, sizeof(out->node_id));
	out->port = primary->port;
}

/* ---- the end of a round ---- */

/* True when no missing answer can change the result. */
static bool
decided(const struct redis_election *election)
{
	if (election->kind->elected(election, false, NULL))
		return true;
	for (unsigned i = 0; i < election->voter_count; i++)
		if (election->voters[i].asked)
			return false;
	return true;
}

/* The round ends: at its deadline, or because it is decided. */
static void
on_verdict(evutil_socket_t fd, short what, void *ctx)
{
	struct redis_election *election = ctx;
	struct redis_url primary = election->url;
	redis_election_fn *done = election->done;
	char why[256] = "";
	bool found;

	(void)fd;
	(void)what;
	if (done == NULL)
		return;
	event_del(election->verdict);
	primary.place_count = 0;
	redis_login_wipe(&primary.sentinel_login);
	found = election->kind->elected(election, true, &primary);
	if (!found)
		election->kind->explain(election, why, sizeof(why));
	if (election->kind->ended != NULL)
		election->kind->ended(election);
	election->done = NULL;
	done(election->ctx, found ? &primary : NULL, why);
	redis_url_wipe(&primary);
}

void
election_answered(struct voter *voter)
{
	struct redis_election *election = voter->election;

	voter->asked = false;
	if (election->done != NULL && decided(election))
		event_active(election->verdict, EV_TIMEOUT, 0);
}

/* ---- asking ---- */

static void
voter_ask(struct voter *voter)
{
	if (voter->election->kind->ask(voter))
		return;
	snprintf(voter->trouble, sizeof(voter->trouble), "out of memory");
	election_answered(voter);
}

static void
on_up(void *ctx)
{
	struct voter *voter = ctx;

	if (voter->asked)
		voter_ask(voter);
}

static void
voter_forget(struct voter *voter)
{
	struct redis_connection *connection = voter->connection;

	voter->connection = NULL;
	redis_connection_free(connection);
}

static void
on_down(void *ctx, const char *reason)
{
	struct voter *voter = ctx;

	voter_forget(voter);
	if (!voter->asked)
		return;
	snprintf(voter->trouble, sizeof(voter->trouble), "%s", reason);
	election_answered(voter);
}

/* The password of Redis is never sent to sentinels. */
static struct redis_connection *
voter_connect(struct voter *voter)
{
	const struct redis_election *election = voter->election;
	const struct redis_handlers handlers = {.ctx = voter, .up = on_up, .down = on_down};
	struct redis_url url = {.tls = election->url.tls,
	    .cluster = election->url.cluster,
	    .port = voter->place.port,
	    .password_file = election->url.cluster ? election->url.password_file : NULL,
	    .login = election->url.cluster ? election->url.login : election->url.sentinel_login};
	struct redis_connection *connection;

	memcpy(url.host, voter->place.host, sizeof(url.host));
	connection = redis_connection_new(election->base, election->resolver, &url,
	    election->ca_file, election->kind->connection_name, election->timeout_ms, &handlers);
	redis_url_wipe(&url);
	return connection;
}

/* Ask it in this round. */
static void
voter_begin(struct voter *voter)
{
	/* A late answer to the last question would count for this one. */
	if (voter->asked)
		voter_forget(voter);
	voter->voted = false;
	voter->trouble[0] = '\0';
	if (voter->connection == NULL)
		voter->connection = voter_connect(voter);
	voter->asked = voter->connection != NULL;
	if (voter->asked && redis_connection_is_up(voter->connection))
		voter_ask(voter);
}

/* A place in the table that no voter uses; NULL: there is none. Voters do not move: their
 * connections know them. */
static struct voter *
free_voter(struct redis_election *election)
{
	for (unsigned i = 0; i < election->voter_count; i++)
		if (!election->voters[i].used)
			return &election->voters[i];
	if (election->voter_count == REDIS_VOTERS_MAX)
		return NULL;
	return &election->voters[election->voter_count++];
}

struct voter *
election_add(struct redis_election *election, const struct redis_place *place)
{
	struct voter *voter = free_voter(election);

	if (voter == NULL)
		return NULL;
	*voter = (struct voter){.election = election, .used = true, .place = *place};
	if (election->done != NULL)
		voter_begin(voter);
	return voter;
}

void
election_remove(struct voter *voter)
{
	voter->used = voter->asked = voter->voted = false;
	voter->id[0] = voter->place.host[0] = '\0';
	voter_forget(voter);
}

void
redis_election_ask(
    struct redis_election *election, unsigned timeout_ms, redis_election_fn *done, void *ctx)
{
	const struct timeval deadline = {
	    .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

	CHECK(election->done == NULL && done != NULL, redis_election_dump, election);
	election->timeout_ms = timeout_ms;
	election->done = done;
	election->ctx = ctx;
	for (unsigned i = 0; i < election->voter_count; i++)
		if (election->voters[i].used)
			voter_begin(&election->voters[i]);
	evtimer_add(election->verdict, &deadline);
}

bool
redis_election_busy(const struct redis_election *election)
{
	return election->done != NULL;
}

/* ---- create and free ---- */

struct redis_election *
redis_election_new(const struct redis_election_options *options)
{
	struct redis_election *election = calloc(1, sizeof(*election));
	const char *ca_file = options->ca_file;

	if (election == NULL)
		return NULL;
	election->base = options->base;
	election->resolver = options->resolver;
	election->url = *options->url;
	election->kind = election->url.cluster ? &election_by_cluster : &election_by_sentinels;
	election->for_changes = options->for_changes;
	election->slot = cluster_slot(slice_of(options->prefix));
	election->ca_file = ca_file != NULL ? strdup(ca_file) : NULL;
	election->verdict = evtimer_new(election->base, on_verdict, election);
	for (unsigned i = 0; i < election->url.place_count; i++)
		election_add(election, &election->url.places[i])->in_url = true;
	if (election->verdict != NULL && (ca_file == NULL || election->ca_file != NULL))
		return election;
	redis_election_free(election);
	return NULL;
}

void
redis_election_free(struct redis_election *election)
{
	if (election == NULL)
		return;
	election->done = NULL;
	for (unsigned i = 0; i < election->voter_count; i++)
		redis_connection_free(election->voters[i].connection);
	if (election->verdict != NULL)
		event_free(election->verdict);
	redis_url_wipe(&election->url);
	free(election->ca_file);
	free(election);
}

void
redis_election_peers(
    const struct redis_election *election, struct sockaddr_storage out[REDIS_VOTERS_MAX])
{
	for (unsigned i = 0; i < election->voter_count; i++)
		if (election->voters[i].connection != NULL)
			redis_connection_peer(election->voters[i].connection, &out[i]);
}

/* ---- the role of a server ---- */

bool
redis_role_is_primary(const redisReply *reply, bool elected, const char **why)
{
	*why = "it is not the primary (to read from a replica, set store.read_url to it and "
	       "store.write_url to the primary)";
	if (reply->type == REDIS_REPLY_ERROR) {
		*why = reply->str;
		return !elected && redis_error_is(reply, "NOPERM");
	}
	return reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
	       reply->element[0]->type == REDIS_REPLY_STRING &&
	       strcmp(reply->element[0]->str, "master") == 0;
}
