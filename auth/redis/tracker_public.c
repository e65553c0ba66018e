/* tracker_public.c - reads which jobs are public, before the tracker is up and whenever that
 * changes.
 */
#include <stdio.h>

#include "auth/redis/public.h"
#include "auth/redis/tracker_state.h"
#include "jobgate/check.h"

/* One more than there may be: so a set that is too large is noticed without all of it being sent.
 */
#define ASK_FOR (JOBS_PUBLIC_MAX + 1)

/* Log each problem once. `broken` is static; NULL: there is none (any more). */
static void
tell(struct redis_tracker *tracker, const char *broken)
{
	if (broken != NULL && broken != tracker->public_told)
		log_warning(&tracker->log,
		    "store: %s" PUBLIC_KEY " %s, so no job is public until that is repaired",
		    tracker->prefix, broken);
	else if (broken == NULL && tracker->public_told != NULL)
		log_info(
		    &tracker->log, "store: %s" PUBLIC_KEY " can be used again", tracker->prefix);
	tracker->public_told = broken;
}

/* Why the reply cannot be used, for the log; NULL: it can. */
static const char *
broken_reply(const redisReply *reply)
{
	if (redis_error_is(reply, "NOPERM"))
		return "must not be read by this user (the ACL must allow SRANDMEMBER)";
	if (redis_error_is(reply, REDIS_TOO_LONG))
		return "has members that are too long";
	if (redis_error_is(reply, "WRONGTYPE"))
		return "is not a set";
	if (reply->type != REDIS_REPLY_ARRAY)
		return "cannot be read as a set";
	return reply->elements > JOBS_PUBLIC_MAX ? "has more than 10000 members" : NULL;
}

_Static_assert(JOBS_PUBLIC_MAX == 10000, "as the message says");

/* The ids in the reply; members that cannot be ids are left out. NULL when memory is short. */
static struct public_jobs *
take_ids(const redisReply *reply)
{
	struct public_jobs *jobs = public_jobs_new(reply->elements);

	for (size_t i = 0; jobs != NULL && i < reply->elements; i++)
		public_jobs_add(jobs, redis_text(reply->element[i]));
	if (jobs != NULL)
		public_jobs_sort(jobs);
	return jobs;
}

/* Errors that may end with a new connection; others make every job private. */
static bool
is_passing(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR && broken_reply(reply) == NULL;
}

static void
on_public(void *ctx, const redisReply *reply)
{
	struct redis_tracker *tracker = ctx;
	struct public_jobs *jobs = NULL;
	const char *broken;

	tracker->public_asked = false;
	if (reply == NULL)
		return; /* the connection broke: `down` follows */
	if (tracker->public_overtaken) {
		tracker_ask_public(tracker);
		return;
	}
	/* Its slot is on its way to another server of the cluster; the set is used as it was. */
	tracker->public_late =
	    tracker->state == TRACKER_UP &&
	    (redis_error_is(reply, "ASK ") || redis_error_is(reply, "TRYAGAIN "));
	if (tracker->public_late)
		return;
	if (is_passing(reply)) {
		tracker_break(tracker, "data", reply->str);
		return;
	}
	broken = broken_reply(reply);
	if (broken == NULL) {
		jobs = take_ids(reply);
		if (jobs == NULL) {
			tracker_break(tracker, "data", "out of memory");
			return;
		}
	}
	tell(tracker, broken);
	jg_directory_set_public(tracker->directory, jobs);
	if (tracker->state == TRACKER_PROVING)
		proof_part(tracker, PROOF_PUBLIC);
}

void
tracker_ask_public(struct redis_tracker *tracker)
{
	char key[REDIS_PREFIX_MAX + sizeof(PUBLIC_KEY)], count[16];

	CHECK(tracker->state == TRACKER_PROVING || tracker->state == TRACKER_UP, redis_tracker_dump,
	    tracker);
	tracker->public_overtaken = tracker->public_asked;
	if (tracker->public_asked)
		return;
	snprintf(key, sizeof(key), "%s" PUBLIC_KEY, tracker->prefix);
	snprintf(count, sizeof(count), "%d", ASK_FOR);
	/* A positive count gives all members, each once, of a set that has no more of them. */
	tracker->public_asked = tracker_send(
	    tracker->data, on_public, tracker, 3, (const char *[]){"SRANDMEMBER", key, count});
	if (!tracker->public_asked)
		tracker_break(tracker, "data", "out of memory");
}
