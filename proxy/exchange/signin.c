/* signin.c - browsers: from a pasted token to a session, and back. */
#include <openssl/crypto.h>
#include <stdio.h>

#include "browser/page.h"
#include "browser/session.h"
#include "exchange/exchange_state.h"
#include "exchange/refusal.h"

/* Paths at a job's own host that are the gateway's. */
#define OUR_PATHS "/.jobgate/"
#define SIGN_IN OUR_PATHS "sign-in"
#define SIGN_OUT OUR_PATHS "sign-out"

/* A form with a token and a path; whoever sends more does not sign in. */
#define FORM_MAX 8192

#define SET_COOKIE_MAX 192
#define COOKIE_ATTRIBUTES "; Path=/; Secure; HttpOnly; SameSite=Lax"

bool
exchange_may_sign_in(const struct exchange *exchange)
{
	const struct gateway_options *options = &exchange->gateway->options;

	return options->session_key != NULL && !exchange->peer->asks && exchange->route.names_job &&
	       exchange->route.prefix_len == 0 && options->jobs.fixed == NULL;
}

bool
exchange_is_secure(const struct exchange *exchange, const struct request *request)
{
	return exchange->peer->secure ||
	       (exchange->peer->trusted &&
		   slice_equal_nocase(
		       field_value(&request->fields, FIELD_X_FORWARDED_PROTO), SLICE("https")));
}

/* Browsers take Secure cookies over plain HTTP from this machine alone. */
static bool
cookie_can_be_kept(const struct exchange *exchange, const struct request *request)
{
	struct slice host = request->authority;
	const char *colon = host.len > 0 ? memchr(host.at, ':', host.len) : NULL;
	struct slice local = SLICE(".localhost");

	if (colon != NULL)
		host.len = (size_t)(colon - host.at);
	return exchange_is_secure(exchange, request) ||
	       (host.len > local.len &&
		   slice_equal_nocase(slice_after(host, host.len - local.len), local));
}

/* ---- answers ---- */

/* A page over what refusal_for_verdict or refusal_make has made: its status and fields stay. */
static void
exchange_send_page(
    struct exchange *exchange, struct refusal *answer, struct page *page, enum outcome outcome)
{
	bool head = exchange->method_id == METHOD_HEAD;
	char text[PAGE_MAX];

	page->status = answer->response.status;
	page->request_id = exchange_id(exchange);
	answer->content = (struct slice){text, page_write(page, text)};
	answer->response.length = answer->content.len;
	if (head)
		answer->content.len = 0;
	refusal_add(answer, SLICE("Content-Security-Policy"), slice_of(page_policy));
	refusal_add(answer, SLICE("Referrer-Policy"), SLICE("same-origin"));
	refusal_add(answer, SLICE("X-Content-Type-Options"), SLICE("nosniff"));
	exchange_send(exchange, answer, outcome);
	answer->content = (struct slice){0}; /* it lay in this frame */
}

static struct page
sign_in_page(struct slice message, struct slice to)
{
	return (struct page){.title = SLICE("Sign in"),
	    .message = message,
	    .action = SIGN_IN,
	    .button = "Sign in",
	    .asks_token = true,
	    .to = to};
}

/* The path and query of the request, to come back to. */
static struct slice
to_of(const struct request *request, char out[PAGE_TO_MAX])
{
	struct slice to = {out, request->path.len + request->query.len};

	if (to.len > PAGE_TO_MAX || slice_starts_with(request->path, SLICE(OUR_PATHS)))
		return SLICE("/");
	memcpy(out, request->path.at, request->path.len);
	if (request->query.len > 0)
		memcpy(out + request->path.len, request->query.at, request->query.len);
	return page_to_is_local(to) ? to : SLICE("/");
}

bool
exchange_offer_sign_in(
    struct exchange *exchange, const struct request *request, enum verdict verdict)
{
	struct gateway *gateway = exchange->gateway;
	bool ended = verdict == VERDICT_INVALID_TOKEN && exchange->by_session;
	char to[PAGE_TO_MAX];
	struct page page = {.title = SLICE("Token required")};
	struct refusal answer;

	if (!exchange->html || gateway->options.session_key == NULL || exchange->peer->asks ||
	    !exchange->route.names_job || (verdict != VERDICT_NO_CREDENTIAL && !ended))
		return false;
	if (gateway->options.jobs.fixed != NULL)
		page.message =
		    SLICE("A gateway beside one job has no page to sign in at. Send a token: "
			  "Authorization: Bearer <token>.");
	else if (!exchange_may_sign_in(exchange))
		page.message = SLICE(
		    "Signing in is off here: it needs a host name for each job, for all pages of "
		    "one host can act for each other. Send a token: Authorization: Bearer "
		    "<token>.");
	else if (!cookie_can_be_kept(exchange, request))
		page.message = SLICE("Signing in needs TLS: open this page with https. Or send a "
				     "token: Authorization: Bearer <token>.");
	else
		page = sign_in_page(ended ? SLICE("Your session has ended: its token was renewed "
						  "or deleted. Paste a token for this job.")
					  : SLICE("Paste a token for this job."),
		    to_of(request, to));
	counter_add(&gateway->stats->verdicts[verdict], 1);
	exchange->verdict = verdict;
	refusal_for_verdict(&answer, verdict, slice_of(gateway->options.forwarding.realm),
	    exchange_id(exchange), true, exchange->method_id == METHOD_HEAD);
	exchange_send_page(exchange, &answer, &page, OUTCOME_REFUSED);
	return true;
}

static void
exchange_send_own_page(
    struct exchange *exchange, unsigned status, struct page *page, enum outcome outcome)
{
	struct refusal answer;

	refusal_make(&answer, status, page->title, page->message, exchange_id(exchange), true,
	    exchange->method_id == METHOD_HEAD);
	exchange_send_page(exchange, &answer, page, outcome);
}

static void
exchange_sign_out(struct exchange *exchange)
{
	struct page page = {.title = SLICE("Signed out"),
	    .message = SLICE("This browser has no session here any more.")};
	struct refusal answer;

	refusal_make(&answer, 200, page.title, page.message, exchange_id(exchange), true, false);
	refusal_add(&answer, SLICE("Set-Cookie"),
	    SLICE(SESSION_COOKIE "=" COOKIE_ATTRIBUTES "; Max-Age=0"));
	exchange_send_page(exchange, &answer, &page, OUTCOME_SIGNED_OUT);
}

/* ---- the form ---- */

bool
exchange_path_is_own(const struct request *request)
{
	return slice_starts_with(request->path, SLICE(OUR_PATHS));
}

void
exchange_own_path(struct exchange *exchange, const struct request *request)
{
	bool in = slice_equal(request->path, SLICE(SIGN_IN));
	bool out = slice_equal(request->path, SLICE(SIGN_OUT));
	struct page page = in ? sign_in_page(SLICE("Paste a token for this job."), SLICE("/"))
			      : (struct page){.title = SLICE("Sign out"),
				    .message = SLICE("End the session of this browser?"),
				    .action = SIGN_OUT,
				    .button = "Sign out"};

	if (!in && !out) {
		exchange_reject(exchange, request, 404, SLICE("Not found"),
		    SLICE("This path is the gateway's, and there is nothing here."));
		return;
	}
	if (request->method_id == METHOD_GET || request->method_id == METHOD_HEAD) {
		exchange_send_own_page(exchange, 200, &page, OUTCOME_ANSWERED);
		return;
	}
	/* Another site must not sign a browser in or out (RFC 6454: a form's page is its Origin).
	 */
	if (request->method_id != METHOD_POST ||
	    !origin_is_own(request, exchange_is_secure(exchange, request))) {
		exchange_reject(exchange, request, 403, SLICE("Foreign origin"),
		    SLICE("This form must be sent from its own page."));
		return;
	}
	if (out) {
		exchange_sign_out(exchange);
		return;
	}
	exchange_set_state(exchange, EXCHANGE_SIGNING_IN);
	exchange->content_ended = request->content == CONTENT_NONE ||
				  (request->content == CONTENT_LENGTH && request->length == 0);
	exchange->form = buffer_take(exchange->gateway->buffers, FORM_MAX);
	if (exchange->form == NULL) {
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
	} else if (exchange->content_ended) {
		exchange_form_complete(exchange);
	} else {
		/* All of it: nobody has shown a token yet. */
		timer_start(exchange->gateway->loop, &exchange->timer,
		    exchange->gateway->options.timeouts.body);
		if (request->expect_continue)
			exchange->client->ops->interim(exchange->client,
			    &(struct response){.status = 100, .reason = SLICE("Continue")});
	}
}

size_t
exchange_form_content(struct exchange *exchange, struct slice data)
{
	if (data.len > FORM_MAX - buffer_len(exchange->form)) {
		exchange_client_failed(exchange, CLIENT_TOO_LARGE);
		return 0;
	}
	buffer_append(exchange->form, data);
	exchange->bytes_in += data.len;
	return data.len;
}

void
exchange_form_wipe(struct exchange *exchange)
{
	if (exchange->form != NULL)
		OPENSSL_cleanse(exchange->form->bytes, exchange->form->capacity);
}

/* The token is good: the browser gets a session and goes where it wanted to. */
static void
exchange_signed_in(struct exchange *exchange, const struct token *token, struct slice to)
{
	const struct gateway_options *options = &exchange->gateway->options;
	struct page page = {.title = SLICE("Signed in"), .message = SLICE("Go on.")};
	struct session session = {.version = token->version,
	    .expires_s = loop_wall_us(exchange->gateway->loop) / 1000000 +
			 (int64_t)(options->session_ms / 1000)};
	char text[SESSION_TEXT_LEN], cookie[SET_COOKIE_MAX];
	struct refusal answer;
	int len;

	memcpy(session.token_id, token->id.at, TOKEN_ID_LEN);
	memcpy(session.mark, token->hash, TOKEN_MARK_LEN);
	if (!session_seal(options->session_key, route_job(&exchange->route), &session, text)) {
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
		return;
	}
	len = snprintf(cookie, sizeof(cookie), "%s=%.*s" COOKIE_ATTRIBUTES "; Max-Age=%llu",
	    SESSION_COOKIE, SESSION_TEXT_LEN, text,
	    (unsigned long long)(options->session_ms / 1000));
	refusal_make(&answer, 303, page.title, page.message, exchange_id(exchange), true, false);
	refusal_add(&answer, SLICE("Set-Cookie"), (struct slice){cookie, (size_t)len});
	refusal_add(&answer, SLICE("Location"), to);
	exchange_send_page(exchange, &answer, &page, OUTCOME_SIGNED_IN);
}

/* Not good, or not for this job: the page again, with the reason. */
static void
exchange_not_signed_in(struct exchange *exchange, enum verdict verdict, struct slice to)
{
	struct page page = sign_in_page(SLICE("The token is not valid; it may have been renewed or "
					      "deleted. Paste another one."),
	    to);
	unsigned status = jg_verdict_status(verdict);

	counter_add(&exchange->gateway->stats->verdicts[verdict], 1);
	if (verdict == VERDICT_INVALID_TOKEN && exchange_failed_auth(exchange, verdict) > 0) {
		page.message =
		    SLICE("Too many tokens from this address were not valid; try again later.");
		status = 429;
	} else if (verdict == VERDICT_BAD_CREDENTIAL || verdict == VERDICT_NO_CREDENTIAL) {
		page.message = SLICE("That is no token. Paste a token for this job.");
	} else if (verdict == VERDICT_UNAVAILABLE) {
		page.message = SLICE("Access cannot be checked just now; try again shortly.");
	} else if (verdict != VERDICT_INVALID_TOKEN) {
		page.message = SLICE("The token does not reach this job. Paste another one.");
	}
	exchange_send_own_page(
	    exchange, status, &page, status == 429 ? OUTCOME_RATE_LIMITED : OUTCOME_REFUSED);
}

/* A pasted token may have white space around it. */
static struct slice
trim(struct slice value)
{
	while (value.len > 0 && (unsigned char)value.at[0] <= ' ')
		value = slice_after(value, 1);
	while (value.len > 0 && (unsigned char)value.at[value.len - 1] <= ' ')
		value.len--;
	return value;
}

void
exchange_claim_form(struct exchange *exchange, struct claim *claim)
{
	char room[512], field[sizeof("Bearer ") + 256];
	const size_t len = strlen("Bearer ");
	struct slice value =
	    trim(form_field(buffer_bytes(exchange->form), SLICE("token"), room, sizeof(room)));

	claim->credential = CREDENTIAL_MALFORMED;
	if (value.len > 0 && value.len <= 256) {
		memcpy(field, "Bearer ", len);
		memcpy(field + len, value.at, value.len);
		exchange_claim_field(exchange, (struct slice){field, len + value.len}, claim);
		OPENSSL_cleanse(field, sizeof(field));
	}
	OPENSSL_cleanse(room, sizeof(room));
}

void
exchange_form_complete(struct exchange *exchange)
{
	exchange->content_ended = true;
	timer_stop(&exchange->timer);
	exchange_authorize_form(exchange);
}

void
exchange_form_decided(struct exchange *exchange, enum verdict verdict, const struct token *token)
{
	char path[PAGE_TO_MAX];
	struct slice to = form_field(buffer_bytes(exchange->form), SLICE("to"), path, sizeof(path));

	if (!page_to_is_local(to))
		to = SLICE("/");
	if (verdict == VERDICT_ALLOW || verdict == VERDICT_NO_URL)
		exchange_signed_in(exchange, token, to);
	else
		exchange_not_signed_in(exchange, verdict, to);
}
