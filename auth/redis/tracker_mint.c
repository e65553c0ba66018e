/* tracker_mint.c - reads the store's mint key, before the tracker is up and whenever the key
 * changes.
 */
#include <openssl/crypto.h>
#include <stdio.h>

#include "auth/redis/mint.h"
#include "auth/redis/tracker_state.h"
#include "jobgate/check.h"

/* What this state means for an operator. */
static const char *
consequence(enum mint_state state)
{
	switch (state) {
	case MINT_STARTED:
		return "values are minted, but each unknown one is looked up in the store until "
		       "jobgate store mint --enforce";
	case MINT_ENFORCED:
		return "values that were not minted here are refused";
	case MINT_UNKNOWN:
	case MINT_NONE:
		break;
	}
	return "values are not minted here, so each unknown one is looked up in the store; see "
	       "jobgate store mint";
}

/* Log each change once, not each time that the tracker comes up. */
static void
log_mint(struct redis_tracker *tracker, enum mint_state state, const char *broken)
{
	if (broken != NULL && !tracker->mint_broken)
		log_warning(&tracker->log,
		    "store: %s" MINT_KEY " cannot be used: %s; until it is put back (from an "
		    "export, or jobgate store mint), each unknown value is looked up in the store",
		    tracker->prefix, broken);
	if (broken == NULL && mint_is_loosened(tracker->mint_told, state))
		log_warning(&tracker->log,
		    "store: %s" MINT_ENFORCED_KEY " is gone: values that were not minted here are "
		    "no longer refused; if that was not meant, run jobgate store mint --enforce",
		    tracker->prefix);
	if (broken == NULL && (tracker->mint_broken || tracker->mint_told != state))
		log_info(&tracker->log, "store: %s", consequence(state));
	tracker->mint_broken = broken != NULL;
	tracker->mint_told = state;
}

/*
 * True for errors that reconnecting does not cure: the ACL forbids the key, or it is far too long.
 */
static bool
is_lasting(const redisReply *reply)
{
	return redis_error_is(reply, "NOPERM") || redis_error_is(reply, REDIS_TOO_LONG);
}

static void
on_existing(void *ctx, const redisReply *reply)
{
	struct redis_tracker *tracker = ctx;

	tracker->mint_existing = reply != NULL && reply->type == REDIS_REPLY_INTEGER
				     ? (unsigned)reply->integer
				     : 0; /* MGET has the same error */
}

static void
on_mint(void *ctx, const redisReply *reply)
{
	struct redis_tracker *tracker = ctx;
	struct mint mint = {.state = MINT_NONE};
	const char *broken = NULL;

	tracker->mint_asked = false;
	if (reply == NULL)
		return; /* the connection broke: `down` follows */
	if (tracker->mint_overtaken) {
		tracker_ask_mint(tracker);
		return;
	}
	/* Its slot is on its way to another server of the cluster; the key is used as it was. */
	tracker->mint_late = tracker->state == TRACKER_UP &&
			     (redis_error_is(reply, "ASK ") || redis_error_is(reply, "TRYAGAIN "));
	if (tracker->mint_late)
		return;
	if (reply->type == REDIS_REPLY_ERROR && !is_lasting(reply)) {
		tracker_break(tracker, "data", reply->str);
		return;
	}
	broken = mint_decode(reply, tracker->mint_existing, &mint);
	log_mint(tracker, mint.state, broken);
	jg_directory_set_mint(
	    tracker->directory, mint.state, mint.state == MINT_NONE ? NULL : mint.key);
	OPENSSL_cleanse(&mint, sizeof(mint));
	if (tracker->state == TRACKER_PROVING)
		proof_part(tracker, PROOF_MINT);
}

void
tracker_ask_mint(struct redis_tracker *tracker)
{
	char key[REDIS_PREFIX_MAX + sizeof(MINT_KEY)];
	char enforced[REDIS_PREFIX_MAX + sizeof(MINT_ENFORCED_KEY)];

	CHECK(tracker->state == TRACKER_PROVING || tracker->state == TRACKER_UP, redis_tracker_dump,
	    tracker);
	tracker->mint_overtaken = tracker->mint_asked;
	if (tracker->mint_asked)
		return;
	snprintf(key, sizeof(key), "%s" MINT_KEY, tracker->prefix);
	snprintf(enforced, sizeof(enforced), "%s" MINT_ENFORCED_KEY, tracker->prefix);
	tracker->mint_asked = tracker_send(tracker->data, on_existing, tracker, 3,
				  (const char *[]){"EXISTS", key, enforced}) &&
			      tracker_send(tracker->data, on_mint, tracker, 3,
				  (const char *[]){"MGET", key, enforced});
	if (!tracker->mint_asked)
		tracker_break(tracker, "data", "out of memory");
}
