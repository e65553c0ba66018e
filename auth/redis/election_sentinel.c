/* election_sentinel.c - the sentinels of the URL vote for the primary. */
#include <stdio.h>
#include <string.h>

#include "auth/redis/election_state.h"

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
	struct voter *sentinel = ctx;

	if (reply == NULL)
		return; /* `down` follows, or its answer is no longer awaited */
	if (read_place(reply, &sentinel->vote))
		sentinel->voted = true;
	else
		snprintf(sentinel->trouble, sizeof(sentinel->trouble), "%s",
		    reply->type == REDIS_REPLY_ERROR ? reply->str
		    : reply->type == REDIS_REPLY_NIL ? "one does not know that name"
						     : "one names no place");
	election_answered(sentinel);
}

static bool
sentinel_ask(struct voter *sentinel)
{
	const char *argv[] = {
	    "SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinel->election->url.master};
	const size_t len[] = {8, 23, strlen(argv[2])};

	return redis_command(sentinel->connection, on_place, sentinel, 3, argv, len);
}

/* The place for which more than half of the sentinels have voted; NULL: there is none. */
static const struct redis_place *
elected_place(const struct redis_election *election)
{
	for (unsigned i = 0; i < election->voter_count; i++) {
		const struct voter *one = &election->voters[i];
		unsigned votes = 0;

		for (unsigned k = 0; one->voted && k < election->voter_count; k++)
			votes += election->voters[k].voted &&
				 redis_same_place(&one->vote, &election->voters[k].vote);
		if (votes > election->voter_count / 2)
			return &one->vote;
	}
	return NULL;
}

static bool
sentinels_elected(const struct redis_election *election, bool final, struct redis_url *primary)
{
	const struct redis_place *place = elected_place(election);

	(void) final;
	if (place != NULL && primary != NULL) {
		memcpy(primary->host, place->host, sizeof(primary->host));
		primary->port = place->port;
	}
	return place != NULL;
}

static void
sentinels_explain(const struct redis_election *election, char *why, size_t cap)
{
	unsigned votes = 0;
	const char *trouble = "";

	for (unsigned i = 0; i < election->voter_count; i++) {
		votes += election->voters[i].voted;
		if (!election->voters[i].voted && election->voters[i].trouble[0] != '\0')
			trouble = election->voters[i].trouble;
	}
	if (votes > election->voter_count / 2)
		snprintf(why, cap, "the sentinels do not agree on the primary");
	else
		snprintf(why, cap, "only %u of %u sentinels answer%s%s", votes,
		    election->voter_count, trouble[0] != '\0' ? ": " : "", trouble);
}

const struct election_kind election_by_sentinels = {
    .connection_name = "jobgate-sentinel",
    .ask = sentinel_ask,
    .elected = sentinels_elected,
    .explain = sentinels_explain,
};
