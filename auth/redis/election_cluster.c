/* election_cluster.c - the masters of a Redis Cluster vote for the owner of the store's slot. */
#include <stdio.h>
#include <string.h>

#include "auth/ascii.h"
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
 * back from A' to A. This holds for masters that are replaced one after the other. If a person has
 * several replicas take over by force (CLUSTER FAILOVER TAKEOVER) while their masters are cut off,
 * or removes masters that run on, two owners may be elected, one on each side (deploy/redis.md).
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
	for (size_t i = 0; i < CLUSTER_ID_LEN; i++)
		if (!is_hex(name->str[i]))
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

/* A master is a voter from now on; known: the voter that it is already, or NULL. Returns its
 * number; NO_OWNER when there are too many. */
static unsigned
note_master(struct redis_election *election, struct voter *known, const struct redis_place *place,
    const char *id)
{
	struct voter *voter = known;

	if (voter == NULL)
		voter = election_add(election, place);
	if (voter == NULL)
		return NO_OWNER;
	memcpy(voter->id, id, CLUSTER_ID_LEN + 1);
	if (voter->connection == NULL)
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
	struct voter *known;
	unsigned master;

	if (range->type != REDIS_REPLY_ARRAY || range->elements < 3 ||
	    range->element[0]->type != REDIS_REPLY_INTEGER ||
	    range->element[1]->type != REDIS_REPLY_INTEGER ||
	    !read_node(asked, range->element[2], &place, id))
		return "one answers CLUSTER SLOTS in an unexpected form";
	known = find_voter(election, id, &place);
	/* A master may have several ranges of slots, but two masters do not have one address. */
	if (known != NULL && !has_id(known, id) &&
	    (asked->masters >> (known - election->voters) & 1) != 0)
		return "two masters of the cluster announce the same address";
	master = note_master(election, known, &place, id);
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

static void
on_id(void *ctx, const redisReply *reply)
{
	struct voter *voter = ctx;
	struct slice id = reply != NULL ? redis_text(reply) : (struct slice){0};

	if (id.len == CLUSTER_ID_LEN)
		memcpy(voter->said, id.at, CLUSTER_ID_LEN);
}

/* The id first: it is there when the vote is counted. */
static bool
cluster_ask(struct voter *voter)
{
	memset(voter->said, 0, sizeof(voter->said));
	return redis_command(voter->connection, on_id, voter, 2,
		   (const char *[]){"CLUSTER", "MYID"}, (size_t[]){7, 4}) &&
	       redis_command(voter->connection, on_slots, voter, 2,
		   (const char *[]){"CLUSTER", "SLOTS"}, (size_t[]){7, 5});
}

/* ---- counting ---- */

/*
 * A vote counts only from the node that the cluster knows by this id: another one may have its
 * address by now, or all names may lead to one node.
 */
static bool
votes_for(const struct voter *voter, unsigned owner)
{
	return voter->voted && voter->owner == owner && voter->id[0] != '\0' &&
	       has_id(voter, voter->said);
}

/* How many masters know `owner`, as it says, and how many of them name it the owner. */
static unsigned
count_votes(const struct redis_election *election, unsigned owner, unsigned *masters)
{
	unsigned votes = 0;

	*masters = 0;
	for (unsigned i = 0; i < election->voter_count; i++) {
		if ((election->voters[owner].masters >> i & 1) == 0)
			continue;
		++*masters;
		votes += votes_for(&election->voters[i], owner);
	}
	return votes;
}

/* final: all have answered, or are late. */
static bool
is_elected(const struct redis_election *election, unsigned i, bool final)
{
	unsigned masters, votes;

	if (!votes_for(&election->voters[i], i))
		return false;
	votes = count_votes(election, i, &masters);
	/* A cluster of one or two: wait for what the others say. */
	if (masters < 3 && !final)
		return false;
	if (election->for_changes && masters > 1)
		return votes - 1 >= masters - masters / 2;
	return votes > masters / 2;
}

/* The elected owner; NO_OWNER when there is none, or two that know different masters. */
static unsigned
elected_owner(const struct redis_election *election, bool final)
{
	unsigned found = NO_OWNER;

	for (unsigned i = 0; i < election->voter_count; i++) {
		if (!is_elected(election, i, final))
			continue;
		if (found != NO_OWNER)
			return NO_OWNER;
		found = i;
	}
	return found;
}

static bool
cluster_elected(const struct redis_election *election, bool final, struct redis_url *primary)
{
	unsigned owner = elected_owner(election, final);
	const struct voter *voter = &election->voters[owner % REDIS_VOTERS_MAX];

	if (owner != NO_OWNER && primary != NULL) {
		memcpy(primary->host, voter->place.host, sizeof(primary->host));
		memcpy(primary->node_id, voter->id, sizeof(primary->node_id));
		primary->port = voter->place.port;
	}
	return owner != NO_OWNER;
}

static void
cluster_explain(const struct redis_election *election, char *why, size_t cap)
{
	unsigned best = 0, best_of = 0, answers = 0, owners = 0;
	const char *trouble = "";

	for (unsigned i = 0; i < election->voter_count; i++) {
		const struct voter *voter = &election->voters[i];
		unsigned masters, votes;

		answers += voter->voted;
		if (!voter->voted && voter->trouble[0] != '\0')
			trouble = voter->trouble;
		if (!votes_for(voter, i))
			continue;
		owners++;
		votes = count_votes(election, i, &masters);
		if (votes > best) {
			best = votes;
			best_of = masters;
		}
	}
	if (owners > 1)
		snprintf(why, cap, "%u servers say that they own the store's slot", owners);
	else if (best_of > 0)
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

/*
 * Servers that are neither in the URL nor masters any more are not asked again. Without an owner
 * all stay, unless there is no room for others.
 */
static void
cluster_ended(struct redis_election *election)
{
	unsigned owner = elected_owner(election, true);
	uint64_t masters = owner != NO_OWNER ? election->voters[owner].masters : 0;

	if (owner == NO_OWNER && election->voter_count < REDIS_VOTERS_MAX)
		return;
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
