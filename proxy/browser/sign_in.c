/* sign_in.c - browsers: from a pasted token to a session, and back. */
#include "browser/sign_in.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "browser/page.h"
#include "browser/session.h"

#define SIGN_IN OUR_PATHS "sign-in"
#define SIGN_OUT OUR_PATHS "sign-out"

/* A form with a token and a path. A longer one is refused. */
#define FORM_MAX 8192

#define TOKEN_MAX 256 /* of a pasted one */

#define SET_COOKIE_MAX 192
#define COOKIE_ATTRIBUTES "; Path=/; Secure; HttpOnly; SameSite=Lax"

_Static_assert(
    PAGE_MAX + SET_COOKIE_MAX + PAGE_TO_MAX <= LOCAL_ROOM, "a page, a cookie and a path fit");
_Static_assert(sizeof("Bearer ") + TOKEN_MAX <= LOCAL_CREDENTIAL_MAX, "a token fits");

/* Over plain HTTP, browsers accept Secure cookies only from this machine. */
static bool
cookie_can_be_kept(const struct local_call *call)
{
	struct slice host = call->request->authority;
	const char *colon = host.len > 0 ? memchr(host.at, ':', host.len) : NULL;
	struct slice local = SLICE(".localhost");

	if (colon != NULL)
		host.len = (size_t)(colon - host.at);
	return call->tls || (host.len > local.len &&
				slice_equal_nocase(slice_after(host, host.len - local.len), local));
}

/* ---- pages ---- */

/* Answer with a page. */
static enum local_action
show(const struct local_call *call, struct local_answer *answer, enum outcome outcome,
    unsigned status, struct page *page)
{
	page->status = status;
	page->request_id = call->request_id;
	page->job = call->job;
	answer->outcome = outcome;
	answer->status = status;
	answer->title = page->title;
	answer->detail = page->message;
	answer->page = (struct slice){call->room, page_write(page, call->room, PAGE_MAX)};
	return LOCAL_ANSWER;
}

static struct page
sign_in_page(const struct local_call *call, struct slice message, struct slice to)
{
	return (struct page){.title = SLICE("Sign in"),
	    .message = message,
	    .help = call->help,
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

/* What the page asks of a person without a session, or whose session has ended. */
static struct slice
invitation(enum verdict verdict)
{
	if (verdict == VERDICT_EXPIRED)
		return SLICE(
		    "Your session has ended: its token has expired. Paste a token for this job.");
	if (verdict == VERDICT_INVALID_TOKEN)
		return SLICE("Your session has ended: its token was renewed or deleted. Paste a "
			     "token for this job.");
	return SLICE("Paste a token for this job.");
}

/* A request that needs a person to sign in gets a page to do so, or one that says why there is
 * none.
 */
static bool
refused(const struct local_call *call, enum verdict verdict, struct local_answer *answer)
{
	bool invalid = verdict == VERDICT_INVALID_TOKEN || verdict == VERDICT_EXPIRED;
	bool ended = invalid && call->by_session;
	char to[PAGE_TO_MAX];
	struct page page = {.title = SLICE("Token required"), .help = call->help};

	/* An Authorization that is not ours may be the job's own, which the browser sends again. */
	if (verdict != VERDICT_NO_CREDENTIAL && !ended && !(invalid && !call->presented))
		return false;
	if (call->host == LOCAL_HOST_FIXED)
		page.message =
		    SLICE("A gateway beside one job has no page to sign in at. Send a token: "
			  "Authorization: Bearer <token>.");
	else if (call->host == LOCAL_HOST_OF_MANY)
		page.message = SLICE(
		    "Signing in is off here: it needs a host name for each job, because pages of "
		    "one host can act for each other. Send a token: Authorization: Bearer "
		    "<token>.");
	else if (!cookie_can_be_kept(call))
		page.message = SLICE("Signing in needs TLS: open this page with https. Or send a "
				     "token: Authorization: Bearer <token>.");
	else
		page = sign_in_page(call, invitation(ended ? verdict : VERDICT_NO_CREDENTIAL),
		    to_of(call->request, to));
	show(call, answer, OUTCOME_REFUSED, jg_verdict_status(verdict), &page);
	return true;
}

static enum local_action
sign_out(const struct local_call *call, struct local_answer *answer)
{
	struct page page = {.title = SLICE("Signed out"),
	    .message = SLICE("This browser no longer has a session here.")};

	local_answer_add(
	    answer, SLICE("Set-Cookie"), SLICE(SESSION_COOKIE "=" COOKIE_ATTRIBUTES "; Max-Age=0"));
	return show(call, answer, OUTCOME_SIGNED_OUT, 200, &page);
}

/* ---- the gateway's paths ---- */

static bool
path_is_own(const struct exchange_peer *peer, const struct request *request)
{
	(void)peer;
	return slice_starts_with(request->path, SLICE(OUR_PATHS));
}

static enum local_action
refuse(struct local_answer *answer, unsigned status, struct slice title, struct slice detail)
{
	answer->outcome = OUTCOME_BAD_REQUEST;
	answer->status = status;
	answer->title = title;
	answer->detail = detail;
	return LOCAL_ANSWER;
}

/* The page with the form of a path. */
static enum local_action
show_form(const struct local_call *call, struct local_answer *answer, bool in)
{
	struct page page = in ? sign_in_page(call, SLICE("Paste a token for this job."), SLICE("/"))
			      : (struct page){.title = SLICE("Sign out"),
				    .message = SLICE("End the session of this browser?"),
				    .action = SIGN_OUT,
				    .button = "Sign out"};

	return show(call, answer, OUTCOME_ANSWERED, 200, &page);
}

static enum local_action
serve(const struct local_call *call, struct local_answer *answer)
{
	const struct request *request = call->request;
	bool in = slice_equal(request->path, SLICE(SIGN_IN));

	if (!in && !slice_equal(request->path, SLICE(SIGN_OUT)))
		return refuse(answer, 404, SLICE("Not found"),
		    SLICE("This path belongs to the gateway, and there is nothing here."));
	if (request->method_id == METHOD_GET || request->method_id == METHOD_HEAD)
		return show_form(call, answer, in);
	/* Another site must not sign a browser in or out (RFC 6454: a form's page is its Origin).
	 */
	if (request->method_id != METHOD_POST || !origin_is_own(request, call->tls))
		return refuse(answer, 403, SLICE("Foreign origin"),
		    SLICE("This form must be sent from its own page."));
	return in ? LOCAL_CONTENT : sign_out(call, answer);
}

/* ---- the form ---- */

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

static size_t
credential_of(struct slice form, char out[LOCAL_CREDENTIAL_MAX])
{
	const struct slice scheme = SLICE("Bearer ");
	char room[2 * TOKEN_MAX];
	struct slice value = trim(form_field(form, SLICE("token"), room, sizeof(room)));
	size_t len = 0;

	if (value.len > 0 && value.len <= TOKEN_MAX) {
		memcpy(out, scheme.at, scheme.len);
		memcpy(out + scheme.len, value.at, value.len);
		len = scheme.len + value.len;
	}
	OPENSSL_cleanse(room, sizeof(room));
	return len;
}

/* The token is good: the browser gets a session and goes where it wanted to. */
static enum local_action
sign_in(const struct local_call *call, const struct token *token, struct slice to,
    struct local_answer *answer)
{
	struct page page = {.title = SLICE("Signed in"), .message = SLICE("Go on.")};
	struct session session = {.version = token->version,
	    .expires_s = call->now_s + (int64_t)(call->session_ms / 1000)};
	char text[SESSION_TEXT_LEN], *cookie = call->room + PAGE_MAX;
	int len;

	memcpy(session.token_id, token->id.at, TOKEN_ID_LEN);
	memcpy(session.mark, token->hash, TOKEN_MARK_LEN);
	if (!session_seal(call->session_key, call->job, &session, text))
		return LOCAL_UNAVAILABLE;
	len = snprintf(cookie, SET_COOKIE_MAX, "%s=%.*s" COOKIE_ATTRIBUTES "; Max-Age=%llu",
	    SESSION_COOKIE, SESSION_TEXT_LEN, text, (unsigned long long)(call->session_ms / 1000));
	local_answer_add(answer, SLICE("Set-Cookie"), (struct slice){cookie, (size_t)len});
	local_answer_add(answer, SLICE("Location"), to);
	return show(call, answer, OUTCOME_SIGNED_IN, 303, &page);
}

/* Why the token does not sign in. */
static struct slice
reason(const struct local_call *call, enum verdict verdict)
{
	if (verdict == VERDICT_INVALID_TOKEN)
		return call->limited ? SLICE("Too many tokens from this address were not valid; "
					     "try again later.")
				     : SLICE("The token is not valid; it may have been renewed or "
					     "deleted. Paste another one.");
	if (verdict == VERDICT_EXPIRED)
		return SLICE("The token has expired. Paste another one.");
	if (verdict == VERDICT_OTHER_ADDRESS)
		return SLICE("The token may not be used from your address. Paste another one.");
	if (verdict == VERDICT_BAD_CREDENTIAL || verdict == VERDICT_NO_CREDENTIAL)
		return SLICE("That is no token. Paste a token for this job.");
	if (verdict == VERDICT_UNAVAILABLE)
		return SLICE("Access cannot be checked just now; try again shortly.");
	return SLICE("The token does not reach this job. Paste another one.");
}

static enum local_action
decided(const struct local_call *call, struct slice form, enum verdict verdict,
    const struct token *token, struct local_answer *answer)
{
	char *path = call->room + PAGE_MAX + SET_COOKIE_MAX;
	struct slice to = form_field(form, SLICE("to"), path, PAGE_TO_MAX);
	struct page page;

	if (!page_to_is_local(to))
		to = SLICE("/");
	if (verdict == VERDICT_ALLOW || verdict == VERDICT_NO_URL)
		return sign_in(call, token, to, answer);
	page = sign_in_page(call, reason(call, verdict), to);
	page.is_error = true;
	if (call->limited)
		return show(call, answer, OUTCOME_RATE_LIMITED, 429, &page);
	return show(call, answer, OUTCOME_REFUSED, jg_verdict_status(verdict), &page);
}

const struct local_handler sign_in_handler = {
    .handles = path_is_own,
    .begin = serve,
    .content_max = FORM_MAX,
    .credential = credential_of,
    .decided = decided,
    .refused = refused,
};
