/* link_mint.c - the key that values are minted with, read before the link is up and when it
 * changes.
 */
#include <openssl/crypto.h>
#include <stdio.h>

#include "auth/redis/link_state.h"
#include "auth/redis/mint.h"
#include "jobgate/check.h"

/* What an operator is to know of it. */
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

/* Once for each thing there is to tell, not for each link that comes up. */
static void
tell(struct redis_link *link, enum mint_state state, const char *broken)
{
	if (broken != NULL && !link->mint_broken)
		log_warning(&link->log,
		    "store: %s" MINT_KEY " cannot be used: %s; until it is put back (from an "
		    "export, or jobgate store mint), each unknown value is looked up in the store",
		    link->prefix, broken);
	if (broken == NULL && mint_is_loosened(link->mint_told, state))
		log_warning(&link->log,
		    "store: %s" MINT_ENFORCED_KEY " is gone: values that were not minted here are "
		    "no longer refused; if that was not meant, run jobgate store mint --enforce",
		    link->prefix);
	if (broken == NULL && (link->mint_broken || link->mint_told != state))
		log_info(&link->log, "store: %s", consequence(state));
	link->mint_broken = broken != NULL;
	link->mint_told = state;
}

/* Errors that stay: the key is not ours to read, or far too long. Others end with the link. */
static bool
is_lasting(const redisReply *reply)
{
	return redis_error_is(reply, "NOPERM") || redis_error_is(reply, REDIS_TOO_LONG);
}

static void
on_existing(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;

	link->mint_existing = reply != NULL && reply->type == REDIS_REPLY_INTEGER
				  ? (unsigned)reply->integer
				  : 0; /* an error is one of MGET, too */
}

static void
on_mint(void *ctx, const redisReply *reply)
{
	struct redis_link *link = ctx;
	struct mint mint = {.state = MINT_NONE};
	const char *broken = NULL;

	link->mint_asked = false;
	if (reply == NULL)
		return; /* the connection broke: `down` follows */
	if (link->mint_overtaken) {
		link_ask_mint(link);
		return;
	}
	if (reply->type == REDIS_REPLY_ERROR && !is_lasting(reply)) {
		link_break(link, "data", reply->str);
		return;
	}
	broken = mint_decode(reply, link->mint_existing, &mint);
	tell(link, mint.state, broken);
	jg_directory_set_mint(
	    link->directory, mint.state, mint.state == MINT_NONE ? NULL : mint.key);
	OPENSSL_cleanse(&mint, sizeof(mint));
	if (link->state == LINK_PROVING)
		proof_part(link, PROOF_MINT);
}

void
link_ask_mint(struct redis_link *link)
{
	char key[REDIS_PREFIX_MAX + sizeof(MINT_KEY)];
	char enforced[REDIS_PREFIX_MAX + sizeof(MINT_ENFORCED_KEY)];

	CHECK(link->state == LINK_PROVING || link->state == LINK_UP, redis_link_dump, link);
	link->mint_overtaken = link->mint_asked;
	if (link->mint_asked)
		return;
	snprintf(key, sizeof(key), "%s" MINT_KEY, link->prefix);
	snprintf(enforced, sizeof(enforced), "%s" MINT_ENFORCED_KEY, link->prefix);
	link->mint_asked =
	    link_send(
		link->data, on_existing, link, 3, (const char *[]){"EXISTS", key, enforced}) &&
	    link_send(link->data, on_mint, link, 3, (const char *[]){"MGET", key, enforced});
	if (!link->mint_asked)
		link_break(link, "data", "out of memory");
}
