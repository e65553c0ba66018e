/* credential.c - reads a request's claim: a token, or a browser's session. */
#include "browser/session.h"
#include "exchange/exchange_state.h"
#include "exchange/rewrite.h"

void
exchange_claim_field(struct exchange *exchange, struct slice field, struct claim *claim)
{
	struct exchange_context *context = exchange->context;
	const struct mint *mint = jg_directory_mint(context->directory, loop_now_ms(context->loop));
	struct cached_digest *digest;

	claim->credential = jg_bearer_recall(&context->digests, mint, field, &digest);
	claim->digest = digest;
	claim->mint_edition = mint->edition;
}

/* Read the claim of the Authorization field. More than one field is malformed. */
static void
claim_authorization(struct exchange *exchange, const struct fields *fields, struct claim *claim)
{
	const struct field *found = NULL;

	claim->credential = CREDENTIAL_NONE;
	for (size_t i = 0; i < fields->count; i++) {
		if (fields->items[i].id != FIELD_AUTHORIZATION)
			continue;
		if (found != NULL) {
			claim->credential = CREDENTIAL_MALFORMED;
			return;
		}
		found = &fields->items[i];
	}
	if (found != NULL)
		exchange_claim_field(exchange, found->value, claim);
}

/* In place of a token, a browser may have a session. */
static void
claim_session(struct exchange *exchange, const struct request *request, struct claim *claim)
{
	struct slice cookie = session_cookie(&request->fields);
	int64_t wall_ms = loop_wall_us(exchange->context->loop) / 1000;
	struct session session;

	if (cookie.at == NULL || !session_open(exchange->context->options.session_key,
				     route_job(&exchange->route), cookie, wall_ms / 1000, &session))
		return;
	claim->own.bearer.formed = true;
	memcpy(claim->own.bearer.id, session.token_id, TOKEN_ID_LEN);
	claim->digest = &claim->own;
	claim->version = session.version;
	memcpy(claim->mark, session.mark, TOKEN_MARK_LEN);
	claim->credential = CREDENTIAL_SESSION;
	exchange->by_session = true;
	exchange->session_ends_ms =
	    loop_now_ms(exchange->context->loop) + (uint64_t)(session.expires_s * 1000 - wall_ms);
}

void
exchange_claim(struct exchange *exchange, const struct request *request, struct claim *claim)
{
	claim_authorization(exchange, &request->fields, claim);
	if ((claim->credential == CREDENTIAL_NONE ||
		claim->credential == CREDENTIAL_OTHER_SCHEME) &&
	    exchange_has_sessions(exchange))
		claim_session(exchange, request, claim);
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
		claim_authorization(exchange, &request->fields, &read);
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
	case CREDENTIAL_OTHER_SCHEME:
	case CREDENTIAL_MALFORMED:
		break;
	}
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

/*
 * True when the browser says (Fetch Metadata) that a page of another site or job made the request,
 * and that the user did not follow a link.
 */
static bool
is_embedded(const struct request *request)
{
	const struct fields *fields = &request->fields;
	struct slice site = field_value(fields, FIELD_SEC_FETCH_SITE);

	if (site.len == 0 || slice_equal(site, SLICE("same-origin")) ||
	    slice_equal(site, SLICE("none")))
		return false;
	return !slice_equal(field_value(fields, FIELD_SEC_FETCH_MODE), SLICE("navigate")) ||
	       !slice_equal(field_value(fields, FIELD_SEC_FETCH_DEST), SLICE("document"));
}

bool
exchange_uses_tls(const struct exchange *exchange, const struct request *request)
{
	return exchange->peer->tls ||
	       (exchange->peer->trusted &&
		   slice_equal_nocase(
		       field_value(&request->fields, FIELD_X_FORWARDED_PROTO), SLICE("https")));
}

bool
exchange_session_may(const struct exchange *exchange, const struct request *request)
{
	bool safe = request->method_id == METHOD_GET || request->method_id == METHOD_HEAD ||
		    request->method_id == METHOD_OPTIONS;

	if (is_embedded(request))
		return false;
	return (safe && request->upgrade.len == 0) ||
	       origin_is_own(request, exchange_uses_tls(exchange, request));
}
