/* tracker_arm.c - checks that both connections lead to the same server, then turns on tracking: the
 * push connection is told of changes to what the data connection has read.
 */
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "auth/redis/info.h"
#include "auth/redis/tracker_state.h"
#include "jobgate/check.h"

#define CHANNEL "__redis__:invalidate"
#define READS_WHEN_DOWN "cluster-allow-reads-when-down"

/* True when Redis did not answer as the tracker needs; the tracker breaks then. */
static bool
refused(struct redis_tracker *tracker, const redisReply *reply, int type)
{
	if (reply == NULL)
		return true; /* the connection broke: `down` follows */
	if (reply->type == type)
		return false;
	tracker_break(
	    tracker, "push", reply->type == REDIS_REPLY_ERROR ? reply->str : "an unexpected reply");
	return true;
}

/* ---- tracking ---- */

/* One of the two confirmations has come. They come on different connections, in any order. */
static void
tracker_armed(struct redis_tracker *tracker)
{
	if (!tracker->subscribed || !tracker->tracking)
		return;
	tracker_set_state(tracker, TRACKER_PROVING);
	proof_begin(tracker, tracker_clock_ms(tracker));
	if (tracker->state == TRACKER_PROVING)
		tracker_ask_mint(tracker);
	if (tracker->state == TRACKER_PROVING)
		tracker_ask_public(tracker);
}

static void
on_tracking(void *ctx, const redisReply *reply)
{
	struct redis_tracker *tracker = ctx;

	if (refused(tracker, reply, REDIS_REPLY_STATUS))
		return;
	tracker->tracking = true;
	tracker_armed(tracker);
}

static void
on_subscribed(void *ctx, const redisReply *reply)
{
	struct redis_tracker *tracker = ctx;

	if (refused(tracker, reply, REDIS_REPLY_ARRAY))
		return;
	tracker->subscribed = true;
	tracker_armed(tracker);
}

static void
push_id_text(const struct redis_tracker *tracker, char out[24])
{
	snprintf(out, 24, "%lld", redis_connection_id(tracker->push));
}

static void
tracker_arm(struct redis_tracker *tracker)
{
	char id[24];

	push_id_text(tracker, id);
	tracker_set_state(tracker, TRACKER_ARMING);
	tracker->subscribed = tracker->tracking = false;
	if (!tracker_send(
		tracker->push, on_subscribed, tracker, 2, (const char *[]){"SUBSCRIBE", CHANNEL}) ||
	    !tracker_send(tracker->data, on_tracking, tracker, 5,
		(const char *[]){"CLIENT", "TRACKING", "ON", "REDIRECT", id}))
		tracker_break(tracker, "push", "out of memory");
}

/* ---- the same server, shown by a name ---- */

/* Advice for the log, when neither way can show that both connections lead to the same server. */
#define ALLOW "; allow the user INFO, or CLIENT SETNAME and CLIENT LIST"

static void
on_listed(void *ctx, const redisReply *reply)
{
	struct redis_tracker *tracker = ctx;
	char field[sizeof(tracker->push_name) + 8];

	if (reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		tracker_break(tracker, "data",
		    "the ACL hides whether both connections lead to the same server" ALLOW);
		return;
	}
	snprintf(field, sizeof(field), " name=%s ", tracker->push_name);
	if (reply->type == REDIS_REPLY_STRING && strstr(reply->str, field) != NULL)
		tracker_arm(tracker);
	else
		tracker_break(tracker, "push", "the two connections lead to different servers");
}

static void
on_named(void *ctx, const redisReply *reply)
{
	struct redis_tracker *tracker = ctx;
	char id[24];

	if (reply == NULL)
		return;
	if (reply->type != REDIS_REPLY_STATUS) {
		tracker_break(tracker, "push",
		    "the ACL hides whether both connections lead to the same server" ALLOW);
		return;
	}
	push_id_text(tracker, id);
	if (!tracker_send(
		tracker->data, on_listed, tracker, 4, (const char *[]){"CLIENT", "LIST", "ID", id}))
		tracker_break(tracker, "data", "out of memory");
}

/*
 * For servers whose ACL hides the run id: the push connection takes a random name, and the data
 * connection must find that name under the client id to which it will redirect.
 */
static void
tracker_name_push(struct redis_tracker *tracker)
{
	unsigned char nonce[16];
	size_t len;

	if (RAND_bytes(nonce, sizeof(nonce)) != 1) {
		tracker_break(tracker, "push", "no random bytes");
		return;
	}
	len = (size_t)snprintf(tracker->push_name, sizeof(tracker->push_name), "jobgate-push-");
	for (size_t i = 0; i < sizeof(nonce); i++)
		len += (size_t)snprintf(
		    tracker->push_name + len, sizeof(tracker->push_name) - len, "%02x", nonce[i]);
	if (!tracker_send(tracker->push, on_named, tracker, 3,
		(const char *[]){"CLIENT", "SETNAME", tracker->push_name}))
		tracker_break(tracker, "push", "out of memory");
}

/* ---- the same server, by its run id ---- */

/*
 * A host name with several addresses may lead to different servers. The client id of the push
 * connection would then be another client's on the server of the data connection.
 */
static void
tracker_identified(struct redis_tracker *tracker)
{
	bool told = tracker->data_run_id[0] != '\0' && tracker->push_run_id[0] != '\0';

	if (redis_connection_is_to_replica(tracker->data) !=
		redis_connection_is_to_replica(tracker->push) ||
	    (told && strcmp(tracker->data_run_id, tracker->push_run_id) != 0))
		tracker_break(tracker, "push", "the two connections lead to different servers");
	else if (told)
		tracker_arm(tracker);
	else
		tracker_name_push(tracker);
}

/* One of the answers has come. */
static void
identified_part(struct redis_tracker *tracker)
{
	CHECK(tracker->unidentified > 0, redis_tracker_dump, tracker);
	if (--tracker->unidentified == 0)
		tracker_identified(tracker);
}

/* Store the run id of a connection's server; out stays empty when the ACL hides it. */
static void
keep_run_id(struct redis_tracker *tracker, const redisReply *reply, char out[RUN_ID_LEN + 1])
{
	struct slice run_id;

	if (reply == NULL)
		return; /* the connection broke: `down` follows */
	run_id = info_field(reply, "run_id");
	if (run_id.len == RUN_ID_LEN)
		memcpy(out, run_id.at, RUN_ID_LEN);
	identified_part(tracker);
}

/*
 * [name, value]. A node that reads although its cluster is down does not refuse the key of the
 * proof when it is cut off. Then only the vote of the other masters is left, which may come from a
 * moment before a replica took its place.
 */
static void
on_reads_when_down(void *ctx, const redisReply *reply)
{
	struct redis_tracker *tracker = ctx;

	if (reply == NULL)
		return; /* the connection broke: `down` follows */
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
	    slice_equal(redis_text(reply->element[1]), SLICE("yes"))) {
		tracker_break(tracker, "data",
		    READS_WHEN_DOWN " is yes: a server that is cut off would serve what was "
				    "revoked; set it to no");
		return;
	}
	if (reply->type == REDIS_REPLY_ERROR && !tracker->told_config)
		log_warning(&tracker->log,
		    "store: it cannot be seen whether " READS_WHEN_DOWN " is no, as it must be: %s",
		    reply->str);
	tracker->told_config = reply->type == REDIS_REPLY_ERROR;
	identified_part(tracker);
}

static void
on_data_info(void *ctx, const redisReply *reply)
{
	keep_run_id(ctx, reply, ((struct redis_tracker *)ctx)->data_run_id);
}

static void
on_push_info(void *ctx, const redisReply *reply)
{
	keep_run_id(ctx, reply, ((struct redis_tracker *)ctx)->push_run_id);
}

void
tracker_identify(struct redis_tracker *tracker)
{
	tracker_set_state(tracker, TRACKER_IDENTIFYING);
	tracker->armed_by_ms = tracker_clock_ms(tracker) + tracker->options.timeouts.ping_deadline;
	memset(tracker->data_run_id, 0, sizeof(tracker->data_run_id));
	memset(tracker->push_run_id, 0, sizeof(tracker->push_run_id));
	tracker->unidentified = tracker->url.cluster ? 3 : 2;
	if ((tracker->url.cluster && !tracker_send(tracker->data, on_reads_when_down, tracker, 3,
					 (const char *[]){"CONFIG", "GET", READS_WHEN_DOWN})) ||
	    !tracker_send(
		tracker->data, on_data_info, tracker, 2, (const char *[]){"INFO", "server"}) ||
	    !tracker_send(
		tracker->push, on_push_info, tracker, 2, (const char *[]){"INFO", "server"}))
		tracker_break(tracker, "push", "out of memory");
}
