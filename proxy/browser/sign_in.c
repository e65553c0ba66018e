/* sign_in.c - browsers: from a pasted token to a session, and back. */
#include "browser/sign_in.h"

#include <stdio.h>

#include "browser/pages.h"
#include "browser/return_trip.h"

#define SIGN_IN OUR_PATHS "sign-in"
#define SIGN_OUT OUR_PATHS "sign-out"

/* A form with a token and a path. A longer one is refused. */
#define FORM_MAX 8192

_Static_assert(
    PAGE_MAX + SET_COOKIE_MAX + PAGE_TO_MAX <= LOCAL_ROOM, "a page, a cookie and a path fit");

/* ---- pages ---- */

static struct page
sign_in_page(const struct local_call *call, struct slice message, struct slice to)
{
	return (struct page){.title = SLICE("Sign in"),
	    .message = message,
	    .advice =
		SLICE("Only a token of role read with a label selector signs in here, because "
		      "the job's code can read what is pasted on this page."),
	    .help = call->help,
	    .action = SIGN_IN,
	    .button = "Sign in",
	    .asks_token = true,
	    .to = to};
}

/* No token is pasted in a frame: people cannot see there whose page it is. */
static struct page
framed_page(const struct local_call *call, struct slice to)
{
	return (struct page){.title = SLICE("Sign-in needed"),
	    .message =
		SLICE("This browser is not signed in for this job, or its sign-in has ended."),
	    .advice =
		SLICE("Open a new window to sign in, then come back. If this page does not "
		      "change, your browser sends no cookies from this frame: use the window."),
	    .help = call->help,
	    .in_frame = true,
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

/* What the page asks of a person without a sign-in, or whose sign-in has ended. */
static struct slice
invitation(enum verdict verdict)
{
	if (verdict == VERDICT_EXPIRED)
		return SLICE(
		    "Your sign-in has ended: its token has expired. Paste a token for this job.");
	if (verdict == VERDICT_INVALID_TOKEN)
		return SLICE("Your sign-in has ended: its token was renewed or deleted. Paste a "
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
	else if (!pages_cookie_can_be_kept(call))
		page.message = SLICE("Signing in needs TLS: open this page with https. Or send a "
				     "token: Authorization: Bearer <token>.");
	else if (call->frame_policy.len > 0 && frame_is_asked(call->request))
		page = framed_page(call, to_of(call->request, to));
	else if (call->sign_in_host.len == 0)
		page = sign_in_page(call, invitation(ended ? verdict : VERDICT_NO_CREDENTIAL),
		    to_of(call->request, to));
	else if (return_trip_is_page_load(call->request) &&
		 return_trip_start(call, to_of(call->request, to), answer))
		return true;
	else
		page = (struct page){.title = SLICE("Sign-in needed"),
		    .message = SLICE("Your sign-in is missing or has ended."),
		    .advice = SLICE("Load the job's page again to sign in.")};
	pages_show(call, answer, OUTCOME_REFUSED, jg_verdict_status(verdict), &page);
	return true;
}

static enum local_action
sign_out(const struct local_call *call, struct local_answer *answer)
{
	struct page page = {.title = SLICE("Signed out"),
	    .message = SLICE("This browser is signed out of this job."),
	    .advice = SLICE("Open the job's page to sign in again.")};

	pages_forget_sign_in(answer);
	return pages_show(call, answer, OUTCOME_SIGNED_OUT, 200, &page);
}

/* ---- the gateway's paths ---- */

static bool
path_is_own(const struct exchange_peer *peer, const struct request *request)
{
	(void)peer;
	return slice_starts_with(request->path, SLICE(OUR_PATHS));
}

/* The page with the form of a path. */
static enum local_action
show_form(const struct local_call *call, struct local_answer *answer, bool in)
{
	struct page page =
	    in ? sign_in_page(call, SLICE("Paste a token for this job."), SLICE("/"))
	       : (struct page){.title = SLICE("Sign out"),
		     .message = SLICE("End the sign-in of this browser at this job?"),
		     .action = SIGN_OUT,
		     .button = "Sign out"};

	return pages_show(call, answer, OUTCOME_ANSWERED, 200, &page);
}

static enum local_action
serve(const struct local_call *call, struct local_answer *answer)
{
	const struct request *request = call->request;
	bool in = slice_equal(request->path, SLICE(SIGN_IN));

	if (call->sign_in_host.len > 0)
		return return_trip_serve(call, answer);
	if (!in && !slice_equal(request->path, SLICE(SIGN_OUT)))
		return pages_not_found(answer);
	if (request->method_id == METHOD_GET || request->method_id == METHOD_HEAD)
		return show_form(call, answer, in);
	/* Another site must not sign a browser in or out (RFC 6454: a form's page is its Origin).
	 */
	if (request->method_id != METHOD_POST || !origin_is_own(request, call->tls))
		return pages_foreign(answer);
	return in ? LOCAL_CONTENT : sign_out(call, answer);
}

/* ---- the form ---- */

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
	return pages_show(call, answer, OUTCOME_SIGNED_IN, 303, &page);
}

/*
 * Why this token, which reaches the job, may not be pasted where the job's code runs; or empty.
 */
static struct slice
reaches_too_much(const struct token *token)
{
	if (token->role != ROLE_READ)
		return SLICE("An operator's token does not sign in here. Paste one of role read "
			     "with a label selector. If you do not trust this job's code, renew "
			     "the operator's token: the code can have read it.");
	if (token->selector.count == 0)
		return SLICE(
		    "A token that reaches all jobs does not sign in here. Paste one with a "
		    "label selector. If you do not trust this job's code, renew the "
		    "token: the code can have read it.");
	return (struct slice){0};
}

static enum local_action
decided(const struct local_call *call, struct slice form, enum verdict verdict,
    const struct token *token, struct local_answer *answer)
{
	char *path = call->room + PAGE_MAX + SET_COOKIE_MAX;
	struct slice to = form_field(form, SLICE("to"), path, PAGE_TO_MAX);
	struct slice reason = pages_reason(call, verdict);
	struct page page;

	if (!page_to_is_local(to))
		to = SLICE("/");
	if (verdict == VERDICT_ALLOW || verdict == VERDICT_NO_URL) {
		reason = reaches_too_much(token);
		if (reason.len == 0)
			return sign_in(call, token, to, answer);
		verdict = VERDICT_OUT_OF_SCOPE;
	}
	page = sign_in_page(call, reason, to);
	page.is_error = true;
	if (call->limited)
		return pages_show(call, answer, OUTCOME_RATE_LIMITED, 429, &page);
	return pages_show(call, answer, OUTCOME_REFUSED, jg_verdict_status(verdict), &page);
}

const struct local_handler sign_in_handler = {
    .handles = path_is_own,
    .begin = serve,
    .content_max = FORM_MAX,
    .credential = pages_credential,
    .decided = decided,
    .denied = return_trip_denied,
    .refused = refused,
};
