/* link_proof.c - the proof, again and again, that what a link says can be relied on. */
#include <stdio.h>
#include <stdlib.h>

#include "auth/record.h"
#include "auth/redis/info.h"
#include "auth/redis/link_state.h"
#include "jobgate/check.h"

/*
 * A proof is complete when all its parts have been answered. All were asked after
 * it began; so whatever had changed before that is known here, if
 * - Redis still has both connections, and so knows what was read and whom to tell, and answers
 *   for a key of ours,
 * - the push connection's PONG has come, behind all that was pushed before it,
 * - and what is read is the primary, or a replica that by now has
 *   all that the primary had after the proof began; where sentinels decide who that
 *   is, most of them still named the same one.
 */

/* ---- its end ---- */

static void
proof_close(struct redis_link *link)
{
	uint64_t good_ms = link->proof.began_ms;
	bool failed = link->proof.failed;

	CHECK(link->state == LINK_PROVING || link->state == LINK_UP, redis_link_dump, link);
	link->next_proof_ms = good_ms + link->options.timeouts.ping_interval;
	link->proof.began_ms = 0;
	if (failed)
		return;
	link->stats.round_trip_ms = link_clock_ms(link) - good_ms;
	if (link->state == LINK_PROVING) {
		link_proved(link, good_ms);
		return;
	}
	if (link->complaint[0] != '\0')
		log_info(&link->log, "store: trusted again");
	link->complaint[0] = '\0';
	jg_directory_good(link->directory, good_ms);
}

void
proof_part(struct redis_link *link, unsigned part)
{
	CHECK(link->proof.began_ms != 0, redis_link_dump, link);
	link->proof.missing &= ~part;
	if (link->proof.missing == 0)
		proof_close(link);
}

/* An answer is none: the connection broke (`down` follows), or Redis says why not. */
static bool
refused(struct redis_link *link, const char *which, const redisReply *reply)
{
	if (reply == NULL)
		return true;
	if (reply->type != REDIS_REPLY_ERROR)
		return false;
	link_break(link, which, reply->str);
	return true;
}

/* ---- both connections, and the role ---- */

static void
on_key(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;
	char reason[400];

	if (reply == NULL) /* the connection broke: `down` follows */
		return;
	if (reply->type == REDIS_REPLY_INTEGER) {
		proof_part(link, PROOF_DATA);
		return;
	}
	snprintf(reason, sizeof(reason), "EXISTS %stokens: %s", link->prefix,
	    reply->type == REDIS_REPLY_ERROR ? reply->str : "an unexpected reply");
	link_break(link, "data", reason);
}

static void
on_push_pong(void *ctx, const redisReply *reply)
{
	if (!refused(ctx, "push", reply))
		proof_part(ctx, PROOF_PUSH);
}

/* A demoted primary, or a replica of one unknown: what changes elsewhere may never arrive here. */
static void
on_role(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;
	const char *why;

	if (reply == NULL) /* the connection broke: `down` follows */
		return;
	if (redis_role_is_primary(reply, link->sentinels != NULL, &why))
		proof_part(link, PROOF_ROLE);
	else
		link_break(link, "data", why);
}

/*
 * The data connection is asked for a key, not just for a sign of life: a server that must not
 * answer for keys (CLUSTERDOWN, MASTERDOWN, LOADING) answers PING all the same.
 */
static void
proof_ping(struct redis_link *link)
{
	char key[REDIS_PREFIX_MAX + RECORD_PREFIX_MAX + 1];

	snprintf(key, sizeof(key), "%s%s", link->prefix, record_types[RECORD_TOKEN].nouns);
	if ((!link->replica &&
		!link_send(link->data, on_role, link, 1, (const char *[]){"ROLE"})) ||
	    !link_send(link->data, on_key, link, 2, (const char *[]){"EXISTS", key}) ||
	    !link_send(link->push, on_push_pong, link, 1, (const char *[]){"PING"}))
		link_break(link, "data", "out of memory");
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

static void ask_replica(struct redis_link *link);

static void
on_replica(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;
	unsigned long long offset;
	bool is_primary;

	if (refused(link, "data", reply))
		return;
	/* By another name it may lead to the primary itself. */
	is_primary = slice_equal(info_field(reply, "role"), SLICE("master"));
	if (!slice_equal(info_field(reply, "master_replid"), slice_of(link->proof.replid))) {
		link_break(link, "data", "what is read does not replicate the primary");
		return;
	}
	if (!info_offset(reply, is_primary ? "master_repl_offset" : "slave_repl_offset", &offset)) {
		link_break(link, "data", "it does not say how much it has of the primary");
		return;
	}
	link->proof.behind = offset < link->proof.offset;
	if (link->proof.behind)
		return; /* asked again with the next tick */
	link->proof.missing &= ~(unsigned)PROOF_REPLICA;
	proof_ping(link);
}

static void
ask_replica(struct redis_link *link)
{
	if (!link_send(link->data, on_replica, link, 2, (const char *[]){"INFO", "replication"}))
		link_break(link, "data", "out of memory");
}

static void
on_primary(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;
	struct slice replid;

	if (refused(link, "primary", reply))
		return;
	replid = info_field(reply, "master_replid");
	if (!slice_equal(info_field(reply, "role"), SLICE("master"))) {
		link_break(link, "primary", "it is not the primary");
		return;
	}
	if (replid.len != RUN_ID_LEN ||
	    !info_offset(reply, "master_repl_offset", &link->proof.offset)) {
		link_break(link, "primary", "it does not say how far it is");
		return;
	}
	memcpy(link->proof.replid, replid.at, RUN_ID_LEN);
	ask_replica(link);
}

/* ---- the sentinels ---- */

static void
proof_doubt(struct redis_link *link, const char *why)
{
	link->proof.failed = true;
	if (strcmp(link->complaint, why) != 0)
		log_warning(&link->log, "store: in doubt: %s; asking again", why);
	snprintf(link->complaint, sizeof(link->complaint), "%s", why);
}

static void
on_elected(void *ctx, const struct redis_url *primary, const char *why)
{
	struct redis_link *link = ctx;

	if (link->proof.began_ms == 0)
		return; /* the link broke meanwhile */
	if (primary != NULL &&
	    (strcmp(primary->host, link->place.host) != 0 || primary->port != link->place.port)) {
		link_break(link, "data", "the sentinels name another primary");
		return;
	}
	if (primary == NULL && link->state == LINK_PROVING) {
		link_break(link, "sentinel", why);
		return;
	}
	/* Nobody says that it has been replaced: the bound runs, the link need not be made anew. */
	if (primary == NULL)
		proof_doubt(link, why);
	proof_part(link, PROOF_SENTINELS);
}

/* ---- the clock ---- */

void
proof_begin(struct redis_link *link, uint64_t now_ms)
{
	CHECK((link->state == LINK_PROVING || link->state == LINK_UP) && link->proof.began_ms == 0,
	    redis_link_dump, link);
	link->proof = (struct proof){.began_ms = now_ms, .missing = PROOF_DATA | PROOF_PUSH};
	link->proof.missing |= link->replica ? PROOF_REPLICA : PROOF_ROLE;
	link->proof.missing |= link->state == LINK_PROVING ? PROOF_MINT : 0;
	if (link->sentinels != NULL) {
		link->proof.missing |= PROOF_SENTINELS;
		redis_sentinels_ask(link->sentinels, (unsigned)link->options.timeouts.ping_deadline,
		    on_elected, link);
	}
	if (!link->replica)
		proof_ping(link);
	else if (!link_send(
		     link->primary, on_primary, link, 2, (const char *[]){"INFO", "replication"}))
		link_break(link, "primary", "out of memory");
}

void
proof_tick(struct redis_link *link, uint64_t now_ms)
{
	struct proof *proof = &link->proof;
	bool late = now_ms - proof->began_ms > link->options.timeouts.ping_deadline;

	if (proof->began_ms == 0) {
		if (now_ms >= link->next_proof_ms)
			proof_begin(link, now_ms);
	} else if (late && proof->behind) {
		link_break(link, "data", "the replica has not caught up with the primary in time");
	} else if (late && (proof->missing & ~(unsigned)PROOF_SENTINELS) != 0) {
		link_break(link,
		    proof->missing & PROOF_REPLICA		 ? "primary"
		    : proof->missing & (PROOF_DATA | PROOF_MINT) ? "data"
								 : "push",
		    "no answer to PING in time");
	} else if (proof->behind) {
		proof->behind = false;
		ask_replica(link);
	}
}
