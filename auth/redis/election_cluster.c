/* election_cluster.c - the masters of a Redis Cluster vote for the owner of the store's slot. */
#include <stdio.h>
#include <string.h>

#include "auth/redis/cluster_slot.h"
#include "auth/redis/election_state.h"

/*
 * All keys of the store are in one slot. The servers of the URL say which masters there are
 * (CLUSTER SLOTS); these are asked in the same round. A master is elected when it says itself that
 * it owns the slot, and more than half of the masters that it knows agree. So a master that is cut
 * off from the others is not elected, although it still takes itself for the owner until
 * cluster-node-timeout.
 *
 * A replica that takes an owner's place replaces it among the voters, too: A and B of A, B, C may
 * still name A while A' and C of A', B, C name A'. So for changes the owner's own vote does not
 * count, and of the other masters at least n - n/2 must name it. n/2 others named an owner to whom
 * a worker listens, and there are only n - 1 others: one of them has voted in both. It does not go
 * back from A' to A. (The number of others is the same in both views unless more masters were
 * replaced meanwhile.)
 */

#define NO_OWNER REDIS_VOTERS_MAX

/* ---- a reply to CLUSTER SLOTS ---- */

static bool
has_id(const struct voter *voter, const char *id)
{
	return strcmp(voter->id, id) == 0;
}

/* The voter with this id, or at this place; NULL when there is none. */
static struct voter *
find_voter(struct redis_election *election, const char *id, const struct redis_place *place)
{
	for (unsigned i = 0; i < election->voter_count; i++)
		if (has_id(&election->voters[i], id))
			return &election->voters[i];
	for (unsigned i = 0; i < election->voter_count; i++)
		if (redis_same_place(&election->voters[i].place, place))
			return &election->voters[i];
	return NULL;
}

/*
 * [endpoint, port, id, ...]. A node that does not know its own address has no endpoint: then it is
 * the one that was asked.
 */
static bool
read_node(const struct voter *asked, const redisReply *node, struct redis_place *place,
    char id[CLUSTER_ID_LEN + 1])
{
	const redisReply *host, *port, *name;

	if (node->type != REDIS_REPLY_ARRAY || node->elements < 3)
		return false;
	host = node->element[0];
	port = node->element[1];
	name = node->element[2];
	if (port->type != REDIS_REPLY_INTEGER || port->integer <= 0 || port->integer > UINT16_MAX ||
	    name->type != REDIS_REPLY_STRING || name->len != CLUSTER_ID_LEN)
		return false;
	memcpy(id, name->str, CLUSTER_ID_LEN + 1);
	*place = asked->place;
	place->port = (uint16_t)port->integer;
	if (host->type == REDIS_REPLY_NIL || (host->type == REDIS_REPLY_STRING && host->len == 0))
		return true;
	if (host->type != REDIS_REPLY_STRING || host->len >= sizeof(place->host) ||
	    !redis_host_valid(host->str))
		return false;
	memcpy(place->host, host->str, host->len + 1);
	return true;
}

/* A master is a voter from now on. Returns its number; NO_OWNER when there are too many. */
static unsigned
note_master(struct redis_election *election, const struct redis_place *place, const char *id)
{
	struct voter *voter = find_voter(election, id, place);

	if (voter == NULL)
		voter = election_add(election, place);
	if (voter == NULL)
		return NO_OWNER;
	memcpy(voter->id, id, CLUSTER_ID_LEN + 1);
	voter->place = *place;
	return (unsigned)(voter - election->voters);
}

/* [first slot, last slot, master, replicas...] */
static const char *
read_range(struct voter *asked, const redisReply *range)
{
	struct redis_election *election = asked->election;
	char id[CLUSTER_ID_LEN + 1];
	struct redis_place place;
	unsigned master;

	if (range->type != REDIS_REPLY_ARRAY || range->elements < 3 ||
	    range->element[0]->type != REDIS_REPLY_INTEGER ||
	    range->element[1]->type != REDIS_REPLY_INTEGER ||
	    !read_node(asked, range->element[2], &place, id))
		return "one answers CLUSTER SLOTS in an unexpected form";
	master = note_master(election, &place, id);
	if (master == NO_OWNER)
		return "the cluster has too many masters (at most 57)";
	asked->masters |= 1ULL << master;
	if ((unsigned long long)range->element[0]->integer <= election->slot &&
	    election->slot <= (unsigned long long)range->element[1]->integer)
		asked->owner = master;
	return NULL;
}

const char *
cluster_read_slots(struct voter *asked, const redisReply *reply)
{
	const char *trouble = NULL;

	asked->masters = 0;
	asked->owner = NO_OWNER;
	if (reply->type == REDIS_REPLY_ERROR)
		return reply->str;
	if (reply->type != REDIS_REPLY_ARRAY)
		return "one answers CLUSTER SLOTS in an unexpected form";
	for (size_t i = 0; i < reply->elements && trouble == NULL; i++)
		trouble = read_range(asked, reply->element[i]);
	if (trouble == NULL && asked->owner == NO_OWNER)
		trouble = "one knows no owner of the slot of the store's keys";
	return trouble;
}

static void
on_slots(void *ctx, const redisReply *reply)
{
	struct voter *voter = ctx;
	const char *trouble;

	if (reply == NULL)
		return; /* `down` follows, or its answer is no longer awaited */
	trouble = cluster_read_slots(voter, reply);
	if (trouble == NULL)
		voter->voted = true;
	else
		snprintf(voter->trouble, sizeof(voter->trouble), "%s", trouble);
	election_answered(voter);
}

static bool
cluster_ask(struct voter *voter)
{
	return redis_command(voter->connection, on_slots, voter, 2,
	    (const char *[]){"CLUSTER", "SLOTS"}, (size_t[]){7, 5});
}

/* ---- counting ---- */

/* How many masters know `owner`, as it says, and how many of them name it the owner. */
static unsigned
count_votes(const struct redis_election *election, unsigned owner, unsigned *masters)
{
	unsigned votes = 0;

	*masters = 0;
	for (unsigned i = 0; i < election->voter_count; i++) {
		const struct voter *voter = &election->voters[i];

		if ((election->voters[owner].masters >> i & 1) == 0)
			continue;
		++*masters;
		votes += voter->voted && voter->owner == owner;
	}
	return votes;
}

static bool
is_elected(const struct redis_election *election, unsigned i)
{
	const struct voter *voter = &election->voters[i];
	unsigned masters, votes;

	if (!voter->voted || voter->owner != i)
		return false;
	votes = count_votes(election, i, &masters);
	if (election->for_changes && masters > 1)
		return votes - 1 >= masters - masters / 2;
	return votes > masters / 2;
}

static const struct redis_place *
cluster_elected(const struct redis_election *election)
{
	for (unsigned i = 0; i < election->voter_count; i++)
		if (is_elected(election, i))
			return &election->voters[i].place;
	return NULL;
}

static void
cluster_explain(const struct redis_election *election, char *why, size_t cap)
{
	unsigned best = 0, best_of = 0, answers = 0;
	const char *trouble = "";

	for (unsigned i = 0; i < election->voter_count; i++) {
		const struct voter *voter = &election->voters[i];
		unsigned masters, votes;

		answers += voter->voted;
		if (!voter->voted && voter->trouble[0] != '\0')
			trouble = voter->trouble;
		if (!voter->voted || voter->owner != i)
			continue;
		votes = count_votes(election, i, &masters);
		if (votes > best) {
			best = votes;
			best_of = masters;
		}
	}
	if (best_of > 0)
		snprintf(why, cap,
		    "only %u of %u masters of the cluster name the same owner of the store's "
		    "slot%s%s",
		    best, best_of, trouble[0] != '\0' ? ": " : "", trouble);
	else if (answers > 0)
		snprintf(why, cap, "the owner of the store's slot does not answer%s%s",
		    trouble[0] != '\0' ? ": " : "", trouble);
	else
		snprintf(why, cap, "no server of the cluster answers%s%s",
		    trouble[0] != '\0' ? ": " : "", trouble);
}

/* Servers that are neither in the URL nor masters any more are not asked again. */
static void
cluster_ended(struct redis_election *election, const struct redis_place *elected)
{
	uint64_t masters = 0;

	if (elected == NULL)
		return;
	for (unsigned i = 0; i < election->voter_count; i++)
		if (is_elected(election, i))
			masters = election->voters[i].masters;
	for (unsigned i = 0; i < election->voter_count; i++) {
		struct voter *voter = &election->voters[i];

		if ((masters >> i & 1) != 0)
			continue;
		voter->id[0] = '\0';
		if (!voter->in_url)
			election_remove(voter);
	}
}

const struct election_kind election_by_cluster = {
    .connection_name = "jobgate-cluster",
    .ask = cluster_ask,
    .elected = cluster_elected,
    .explain = cluster_explain,
    .ended = cluster_ended,
};
