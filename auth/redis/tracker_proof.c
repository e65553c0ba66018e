/* tracker_proof.c - proves periodically that the tracker knows of all changes. */
#include <stdio.h>
#include <stdlib.h>

#include "auth/record.h"
#include "auth/redis/info.h"
#include "auth/redis/tracker_state.h"
#include "jobgate/check.h"

/*
 * A proof is complete when all its parts have been answered. All were asked for after it began. So
 * every change from before it began is known here, if
 * - Redis still has both connections, and so knows what was read and where to send invalidations,
 *   and answers for one of our keys,
 * - the PONG of the push connection has come, after all that was pushed before it,
 * - and the server that is read is the primary, or a replica that has all that the primary had
 * after the proof began; where voters name the primary (election.h), most of them still named the
 * same one.
 */

/* ---- the end of a proof ---- */

static void
proof_close(struct redis_tracker *tracker)
{
	uint64_t good_ms = tracker->proof.began_ms;
	bool failed = tracker->proof.failed;

	CHECK(tracker->state == TRACKER_PROVING || tracker->state == TRACKER_UP, redis_tracker_dump,
	    tracker);
	tracker->next_proof_ms = good_ms + tracker->options.timeouts.ping_interval;
	tracker->proof.began_ms = 0;
	if (failed)
		return;
	tracker->stats.round_trip_ms = tracker_clock_ms(tracker) - good_ms;
	if (tracker->state == TRACKER_PROVING) {
		tracker_proved(tracker, good_ms);
		return;
	}
	if (tracker->complaint[0] != '\0')
		log_info(&tracker->log, "store: trusted again");
	tracker->complaint[0] = '\0';
	jg_directory_good(tracker->directory, good_ms);
	if (tracker->mint_late)
		tracker_ask_mint(tracker);
	if (tracker->public_late && tracker->state == TRACKER_UP)
		tracker_ask_public(tracker);
}

void
proof_part(struct redis_tracker *tracker, unsigned part)
{
	CHECK(tracker->proof.began_ms != 0, redis_tracker_dump, tracker);
	tracker->proof.missing &= ~part;
	if (tracker->proof.missing == 0)
		proof_close(tracker);
}

/*
 * True when there is no useful answer: the connection broke (`down` follows), or Redis sent an
 * error.
 */
static bool
refused(struct redis_tracker *tracker, const char *which, const redisReply *reply)
{
	if (reply == NULL)
		return true;
	if (reply->type != REDIS_REPLY_ERROR)
		return false;
	tracker_break(tracker, which, reply->str);
	return true;
}

/* ---- both connections, and the role ---- */

static void
on_key(void *ctx, const redisReply *reply)
{
	struct redis_tracker *tracker = ctx;
	char reason[400];

	if (reply == NULL) /* the connection broke: `down` follows */
		return;
	/*
	 * ASK: the slot is on its way to another server, and this key is there already. A node that
	 * must not answer for keys says CLUSTERDOWN first.
	 */
	if (reply->type == REDIS_REPLY_INTEGER || redis_error_is(reply, "ASK ")) {
		proof_part(tracker, PROOF_DATA);
		return;
	}
	snprintf(reason, sizeof(reason), "EXISTS %stokens: %s", tracker->prefix,
	    reply->type == REDIS_REPLY_ERROR ? reply->str : "an unexpected reply");
	tracker_break(tracker, "data", reason);
}

static void
on_push_pong(void *ctx, const redisReply *reply)
{
	if (!refused(ctx, "push", reply))
		proof_part(ctx, PROOF_PUSH);
}

/* Any other role breaks the tracker: changes at the real primary may never reach this server. */
static void
on_role(void *ctx, const redisReply *reply)
{
	struct redis_tracker *tracker = ctx;
	const char *why;

	if (reply == NULL) /* the connection broke: `down` follows */
		return;
	if (redis_role_is_primary(reply, tracker->election != NULL, &why))
		proof_part(tracker, PROOF_ROLE);
	else
		tracker_break(tracker, "data", why);
}

/* The address may lead to another server of the cluster by now, which would not be the elected one.
 */
static void
on_id(void *ctx, const redisReply *reply)
{
	struct redis_tracker *tracker = ctx;

	if (reply != NULL && !slice_equal(redis_text(reply), slice_of(tracker->here.node_id)))
		tracker_break(tracker, "data", "it is not the server that the masters named");
}

/*
 * The data connection asks for a key instead of sending PING: a server that must not answer for
 * keys (CLUSTERDOWN, MASTERDOWN, LOADING) still answers PING.
 */
static void
proof_ping(struct redis_tracker *tracker)
{
	char key[REDIS_PREFIX_MAX + RECORD_PREFIX_MAX + 1];

	snprintf(key, sizeof(key), "%s%s", tracker->prefix, record_types[RECORD_TOKEN].nouns);
	if ((tracker->url.cluster && !tracker_send(tracker->data, on_id, tracker, 2,
					 (const char *[]){"CLUSTER", "MYID"})) ||
	    (!tracker->replica &&
		!tracker_send(tracker->data, on_role, tracker, 1, (const char *[]){"ROLE"})) ||
	    !tracker_send(tracker->data, on_key, tracker, 2, (const char *[]){"EXISTS", key}) ||
	    !tracker_send(tracker->push, on_push_pong, tracker, 1, (const char *[]){"PING"}))
		tracker_break(tracker, "data", "out of memory");
}

/* ---- a replica that has what its primary had ---- */

static bool
info_offset(const redisReply *reply, const char *name, unsigned long long *out)
{
	struct slice text = info_field(reply, name);
	uint64_t offset;

	if (!slice_to_number(text, UINT64_MAX, &offset))
		return false;
	*out = offset;
	return true;
}

static void ask_replica(struct redis_tracker *tracker);

static void
on_replica(void *ctx, const redisReply *reply)
{
	struct redis_tracker *tracker = ctx;
	unsigned long long offset;
	bool is_primary;

	if (refused(tracker, "data", reply))
		return;
	/* read_url may lead to the primary itself, under another name. */
	is_primary = slice_equal(info_field(reply, "role"), SLICE("master"));
	if (!slice_equal(info_field(reply, "master_replid"), slice_of(tracker->proof.replid))) {
		tracker_break(tracker, "data", "what is read does not replicate the primary");
		return;
	}
	if (!info_offset(reply, is_primary ? "master_repl_offset" : "slave_repl_offset", &offset)) {
		tracker_break(tracker, "data", "it does not say how much it has of the primary");
		return;
	}
	tracker->proof.behind = offset < tracker->proof.offset;
	if (tracker->proof.behind)
		return; /* asked again with the next tick */
	tracker->proof.missing &= ~(unsigned)PROOF_REPLICA;
	proof_ping(tracker);
}

static void
ask_replica(struct redis_tracker *tracker)
{
	if (!tracker_send(
		tracker->data, on_replica, tracker, 2, (const char *[]){"INFO", "replication"}))
		tracker_break(tracker, "data", "out of memory");
}

static void
on_primary(void *ctx, const redisReply *reply)
{
	struct redis_tracker *tracker = ctx;
	struct slice replid;

	if (refused(tracker, "primary", reply))
		return;
	replid = info_field(reply, "master_replid");
	if (!slice_equal(info_field(reply, "role"), SLICE("master"))) {
		tracker_break(tracker, "primary", "it is not the primary");
		return;
	}
	if (replid.len != RUN_ID_LEN ||
	    !info_offset(reply, "master_repl_offset", &tracker->proof.offset)) {
		tracker_break(tracker, "primary", "it does not say how far it is");
		return;
	}
	memcpy(tracker->proof.replid, replid.at, RUN_ID_LEN);
	ask_replica(tracker);
}

/* ---- the voters ---- */

static void
proof_fail(struct redis_tracker *tracker, const char *why)
{
	tracker->proof.failed = true;
	if (strcmp(tracker->complaint, why) != 0)
		log_warning(&tracker->log, "store: in doubt: %s; asking again", why);
	snprintf(tracker->complaint, sizeof(tracker->complaint), "%s", why);
}

static void
on_elected(void *ctx, const struct redis_url *primary, const char *why)
{
	struct redis_tracker *tracker = ctx;

	if (tracker->proof.began_ms == 0)
		return; /* the tracker broke before the voters answered */
	if (primary != NULL && !redis_is_at(primary, &tracker->here)) {
		tracker_break(tracker, "data", "another server is the primary now");
		return;
	}
	if (primary == NULL && tracker->state == TRACKER_PROVING) {
		tracker_break(tracker, "election", why);
		return;
	}
	/*
	 * No majority says that the primary was replaced, so the tracker stays connected. Only this
	 * proof fails, and the staleness bound is not extended.
	 */
	if (primary == NULL)
		proof_fail(tracker, why);
	proof_part(tracker, PROOF_ELECTION);
}

/* ---- the clock ---- */

void
proof_begin(struct redis_tracker *tracker, uint64_t now_ms)
{
	CHECK((tracker->state == TRACKER_PROVING || tracker->state == TRACKER_UP) &&
		  tracker->proof.began_ms == 0,
	    redis_tracker_dump, tracker);
	tracker->proof = (struct proof){.began_ms = now_ms, .missing = PROOF_DATA | PROOF_PUSH};
	tracker->proof.missing |= tracker->replica ? PROOF_REPLICA : PROOF_ROLE;
	tracker->proof.missing |= tracker->state == TRACKER_PROVING ? PROOF_MINT | PROOF_PUBLIC : 0;
	if (tracker->election != NULL) {
		tracker->proof.missing |= PROOF_ELECTION;
		redis_election_ask(tracker->election,
		    (unsigned)tracker->options.timeouts.ping_deadline, on_elected, tracker);
	}
	if (!tracker->replica)
		proof_ping(tracker);
	else if (!tracker_send(tracker->primary, on_primary, tracker, 2,
		     (const char *[]){"INFO", "replication"}))
		tracker_break(tracker, "primary", "out of memory");
}

void
proof_tick(struct redis_tracker *tracker, uint64_t now_ms)
{
	struct proof *proof = &tracker->proof;
	bool late = now_ms - proof->began_ms > tracker->options.timeouts.ping_deadline;

	if (proof->began_ms == 0) {
		if (now_ms >= tracker->next_proof_ms)
			proof_begin(tracker, now_ms);
	} else if (late && proof->behind) {
		tracker_break(
		    tracker, "data", "the replica has not caught up with the primary in time");
	} else if (late && (proof->missing & ~(unsigned)PROOF_ELECTION) != 0) {
		tracker_break(tracker,
		    proof->missing & PROOF_REPLICA				? "primary"
		    : proof->missing & (PROOF_DATA | PROOF_MINT | PROOF_PUBLIC) ? "data"
										: "push",
		    "no answer to PING in time");
	} else if (proof->behind) {
		proof->behind = false;
		ask_replica(tracker);
	}
}
