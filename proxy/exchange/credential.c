/* credential.c - reads a request's claim: a token, or a browser's session. */
#include <errno.h>
#include <openssl/crypto.h>

#include "browser/session.h"
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "exchange/rewrite.h"

/* The claim of a value. */
static void
claim_value(struct exchange *exchange, struct slice value, struct claim *claim)
{
	struct exchange_context *context = exchange->context;
	const struct mint *mint = jg_directory_mint(context->directory, loop_now_ms(context->loop));

	claim->credential = CREDENTIAL_BEARER;
	claim->digest = jg_bearer_recall(&context->digests, mint, value);
	claim->mint_edition = mint->edition;
}

void
exchange_claim_field(struct exchange *exchange, struct slice field, struct claim *claim)
{
	struct slice value;

	claim->credential = jg_credential_parse(field, &value);
	if (claim->credential == CREDENTIAL_BEARER)
		claim_value(exchange, value, claim);
}

/* The claim of a value of ours. One that is not formed may not even be a Bearer credential. */
static void
claim_presented(struct exchange *exchange, const struct presented *presented, struct claim *claim)
{
	struct slice value;

	claim_value(exchange, presented->value, claim);
	if (claim->digest->bearer.formed || presented->bearer.len == 0 ||
	    jg_credential_parse(presented->bearer, &value) == CREDENTIAL_BEARER)
		return;
	claim->credential = CREDENTIAL_MALFORMED;
	claim->digest = NULL;
}

/*
 * The parts of a request that may present credentials. With forward auth, subprotocols always
 * count: the proxy may not pass the upgrade on, and a browser sends them only to open a WebSocket.
 */
static struct credential_sources
sources_of(const struct exchange *exchange, const struct request *request, bool query)
{
	return (struct credential_sources){
	    .fields = &request->fields,
	    .upgrade = exchange->peer->forward_auth || request_asks_websocket(request),
	    .query = query ? request->query : (struct slice){0},
	};
}

/* Read the claim of the credential that counts. */
static void
claim_fields(struct exchange *exchange, const struct request *request, struct claim *claim)
{
	const struct credential_sources sources =
	    sources_of(exchange, request, exchange->context->options.forwarding.query_token);
	char *room = exchange->context->local_room;
	struct presented presented;

	credential_order(&sources, room, LOCAL_ROOM, &presented);
	exchange->carrier = presented.carrier;
	exchange->by_basic = presented.basic;
	exchange->ours_in_authorization = presented.ours_in_authorization;
	claim->credential = presented.credential;
	if (presented.credential == CREDENTIAL_BEARER)
		claim_presented(exchange, &presented, claim);
	if (presented.used > 0)
		OPENSSL_cleanse(room, presented.used);
}

/* The credential is a session, or a sign-in, that lasts until this moment. */
static void
claim_until(struct exchange *exchange, struct claim *claim, int64_t expires_s, int64_t wall_ms)
{
	claim->credential = CREDENTIAL_SESSION;
	exchange->carrier = CARRIER_SIGN_IN;
	exchange->session_ends_ms =
	    loop_now_ms(exchange->context->loop) + (uint64_t)(expires_s * 1000 - wall_ms);
}

/*
 * With a sign-in host the cookie names the sign-in; its record in the store names the token. False:
 * memory is short, so it is not known whether the browser is signed in.
 */
static __attribute__((noinline, cold)) bool
claim_of_sign_in(
    struct exchange *exchange, struct slice cookie, struct slice purpose, struct claim *claim)
{
	int64_t wall_ms = loop_wall_us(exchange->context->loop) / 1000;
	struct sign_in_cookie sign_in;

	if (cookie.at == NULL)
		return true;
	if (!sign_in_open(
		exchange->context->options.session_key, purpose, cookie, wall_ms / 1000, &sign_in))
		return errno != ENOMEM;
	claim->digest = NULL;
	claim->by_sign_in = true;
	memcpy(claim->own.bearer.hash, sign_in.id, SIGN_IN_ID_LEN);
	claim_until(exchange, claim, sign_in.expires_s, wall_ms);
	return true;
}

bool
exchange_claim_sign_in(
    struct exchange *exchange, const struct request *request, struct claim *claim)
{
	return claim_of_sign_in(
	    exchange, session_cookie(&request->fields), SIGN_IN_HOST_PURPOSE, claim);
}

/*
 * Open the session for the job of this host. Whether the host is that of a job of its own or of a
 * port of another job is not known yet, so it may be bound to either, and counts for that alone.
 * Where it is false because memory is short, errno is ENOMEM.
 */
static bool
open_session(struct exchange *exchange, struct slice cookie, int64_t now_s, struct session *session)
{
	const unsigned char *key = exchange->context->options.session_key;
	const struct route *route = &exchange->route;

	if (session_open(key, route_job(route), cookie, now_s, session))
		return true;
	if (errno == ENOMEM)
		return false;
	exchange->session_of_owner =
	    route->port != 0 && session_open(key, route_owner(route), cookie, now_s, session);
	return exchange->session_of_owner;
}

/* In place of a token, a browser may have a session. False: as claim_of_sign_in. */
static bool
claim_session(struct exchange *exchange, const struct request *request, struct claim *claim)
{
	struct slice cookie = session_cookie(&request->fields);
	int64_t wall_ms = loop_wall_us(exchange->context->loop) / 1000;
	struct session session;

	if (exchange->context->options.sign_in_host != NULL)
		return claim_of_sign_in(exchange, cookie, route_job(&exchange->route), claim);
	if (cookie.at == NULL)
		return true;
	if (!open_session(exchange, cookie, wall_ms / 1000, &session))
		return errno != ENOMEM;
	claim->own.bearer.formed = true;
	memcpy(claim->own.bearer.id, session.token_id, TOKEN_ID_LEN);
	claim->digest = &claim->own;
	claim->version = session.version;
	memcpy(claim->mark, session.mark, TOKEN_MARK_LEN);
	claim_until(exchange, claim, session.expires_s, wall_ms);
	return true;
}

bool
exchange_claim(struct exchange *exchange, const struct request *request, struct claim *claim)
{
	claim_fields(exchange, request, claim);
	return (claim->credential != CREDENTIAL_NONE && claim->credential != CREDENTIAL_FOREIGN &&
		   exchange->carrier != CARRIER_QUERY) ||
	       !exchange_has_sessions(exchange) || claim_session(exchange, request, claim);
}

/*
 * Read the credential again. The claim gets its `own` copy, because the cache may change during
 * the next wait.
 */
static void
claim_again(struct exchange *exchange, const struct request *request, struct claim *claim)
{
	struct claim read = {0};

	if (exchange->state == EXCHANGE_LOCAL)
		exchange_claim_content(exchange, &read);
	else
		claim_fields(exchange, request, &read);
	claim_copy(claim, &read);
}

void
exchange_confirm_claim(
    struct exchange *exchange, const struct request *request, struct claim *claim)
{
	struct exchange_context *context = exchange->context;
	uint64_t now_ms = loop_now_ms(context->loop);

	switch (claim->credential) {
	case CREDENTIAL_BEARER:
		/* The key has changed since: read the field again with the present one. */
		if (claim->mint_edition != jg_directory_mint(context->directory, now_ms)->edition)
			claim_again(exchange, request, claim);
		break;
	case CREDENTIAL_SESSION:
		if (now_ms >= exchange->session_ends_ms)
			claim->credential = CREDENTIAL_NONE;
		break;
	case CREDENTIAL_NONE:
	case CREDENTIAL_FOREIGN:
	case CREDENTIAL_MALFORMED:
		break;
	}
}

void
exchange_note_mistake(
    struct exchange *exchange, const struct request *request, enum verdict verdict)
{
	const struct credential_sources sources = sources_of(exchange, request, true);
	struct exchange_context *context = exchange->context;

	if (exchange_by_session(exchange) ||
	    (verdict != VERDICT_BAD_CREDENTIAL && verdict != VERDICT_NO_CREDENTIAL &&
		verdict != VERDICT_INVALID_TOKEN))
		return;
	exchange->mistake = credential_mistake_find(
	    &sources, context->options.forwarding.query_token, context->local_room, LOCAL_ROOM);
}

bool
authenticates_connection(const struct request *request)
{
	static const struct slice schemes[] = {SLICE("Negotiate"), SLICE("NTLM")};

	for (size_t i = 0; i < request->fields.count; i++) {
		const struct field *field = &request->fields.items[i];

		if (field->id != FIELD_AUTHORIZATION || field->dropped)
			continue;
		for (size_t k = 0; k < sizeof(schemes) / sizeof(schemes[0]); k++)
			if (slice_starts_with_nocase(field->value, schemes[k]))
				return true;
	}
	return false;
}
