/* election.h - asks the servers that know which Redis is the primary; the majority decides. */
#ifndef JOBGATE_REDIS_ELECTION_H
#define JOBGATE_REDIS_ELECTION_H

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <sys/socket.h>

#include "auth/redis/url.h"
#include "jobgate/dump.h"
#include "jobgate/resolver.h"

/*
 * The voters are the sentinels of the URL (election_sentinel.c), or the masters of a Redis Cluster
 * (election_cluster.c). One voter may be cut off together with an old primary and not know it. So
 * all are asked, and only the answer of more than half of them counts. Two majorities share a
 * member, and a voter never goes back to an older primary. So when a change was made at the primary
 * of a majority, every majority that is asked later names a primary that has this change.
 */
struct redis_election;

/* The voters that one election may have. */
#define REDIS_VOTERS_MAX 64

/*
 * primary is the URL with the place that most voters name, or NULL; then why says the reason.
 * Both are valid during the call, in which the election may be freed.
 */
typedef void redis_election_fn(void *ctx, const struct redis_url *primary, const char *why);

struct redis_election_options {
	struct event_base *base;
	struct resolver *resolver; /* outlives the election; NULL where no voter has a host name */
	const struct redis_url *url; /* names servers (place_count > 0); copied */
	const char *prefix;	     /* of the store's keys: it decides the slot in a cluster */
	const char *ca_file;	     /* NULL: the system's; copied */
	/*
	 * Changes will be made at this primary. In a cluster its own vote does not count then: see
	 * election_cluster.c.
	 */
	bool for_changes;
};

/* NULL when memory is short. */
struct redis_election *redis_election_new(const struct redis_election_options *options);

/* Stop and free: `done` is no longer called. NULL is harmless. */
void redis_election_free(struct redis_election *election);

/*
 * Ask all voters now; done is called once, within timeout_ms, never from within this call. Must
 * not be called while redis_election_busy. Connections are kept for the next question.
 */
void redis_election_ask(
    struct redis_election *election, unsigned timeout_ms, redis_election_fn *done, void *ctx);

/*
 * Write the addresses of the voters to out; the place of one that is not connected stays unchanged.
 */
void redis_election_peers(
    const struct redis_election *election, struct sockaddr_storage out[REDIS_VOTERS_MAX]);

/* Write how many voters there are, are awaited and have voted; no names are shown. */
void redis_election_dump(const struct redis_election *election, struct dump *dump);

/* True between redis_election_ask and its answer. */
bool redis_election_busy(const struct redis_election *election);

/* True when the primary is the server that redis_note_place noted: in a cluster by its id, as a
 * server may be known by several addresses. */
bool redis_is_at(const struct redis_url *primary, const struct redis_url *here);
void redis_note_place(const struct redis_url *primary, struct redis_url *out);

/*
 * True when a server's answer to ROLE says that it is the primary. If not, *why is the reason, for
 * people, valid as long as the reply. When the ACL forbids ROLE, the server counts as the primary
 * only when `elected` is false: then the URL names just one server.
 */
bool redis_role_is_primary(const redisReply *reply, bool elected, const char **why);

#endif
