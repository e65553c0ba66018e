/* sentinel.h - asks the sentinels which Redis is the primary; the majority decides. */
#ifndef JOBGATE_REDIS_SENTINEL_H
#define JOBGATE_REDIS_SENTINEL_H

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <sys/socket.h>

#include "auth/redis/url.h"
#include "jobgate/dump.h"
#include "jobgate/resolver.h"

/*
 * One sentinel may be cut off together with an old primary and not know it. So all sentinels of the
 * URL are asked, and only the answer of more than half of them counts. Two majorities share a
 * member, and a sentinel never goes back to an older primary. So when a change was made at the
 * primary of a majority, every majority that is asked later names a primary that has this change.
 */
struct redis_sentinels;

/*
 * primary is the URL with the place that most sentinels name, or NULL; then why says the reason.
 * Both are valid during the call, in which the sentinels may be freed.
 */
typedef void redis_sentinels_fn(void *ctx, const struct redis_url *primary, const char *why);

/*
 * url names sentinels; it and ca_file (NULL: the system's) are copied. resolver outlives the
 * object; NULL where neither the URL nor a sentinel has host names. NULL when memory is short.
 */
struct redis_sentinels *redis_sentinels_new(struct event_base *base, struct resolver *resolver,
    const struct redis_url *url, const char *ca_file);

/* Stop and free: `done` is no longer called. NULL is harmless. */
void redis_sentinels_free(struct redis_sentinels *all);

/*
 * Ask all sentinels now; done is called once, within timeout_ms, never from within this call. Must
 * not be called while redis_sentinels_busy. Connections are kept for the next question.
 */
void redis_sentinels_ask(
    struct redis_sentinels *all, unsigned timeout_ms, redis_sentinels_fn *done, void *ctx);

/*
 * Write the addresses of the sentinels to out, in the order of the URL; the place of one that is
 * not connected stays unchanged.
 */
void redis_sentinels_peers(
    const struct redis_sentinels *sentinels, struct sockaddr_storage out[REDIS_SENTINELS_MAX]);

/* Write how many sentinels are awaited and how many have voted; no names are shown. */
void redis_sentinels_dump(const struct redis_sentinels *sentinels, struct dump *dump);

/* True between redis_sentinels_ask and its answer. */
bool redis_sentinels_busy(const struct redis_sentinels *sentinels);

/*
 * True when a server's answer to ROLE says that it is the primary. If not, *why is the reason, for
 * people, valid as long as the reply. When the ACL forbids ROLE, the server counts as the primary
 * only when `sentinels` is false: then the URL names just one server.
 */
bool redis_role_is_primary(const redisReply *reply, bool sentinels, const char **why);

#endif
