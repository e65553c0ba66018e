/* sign_in_host.c - one sign-in for all jobs: the page, the sign-in, and codes for jobs' hosts. */
#include "browser/sign_in_host.h"

#include <openssl/rand.h>
#include <stdio.h>

#include "browser/code.h"
#include "browser/pages.h"
#include "browser/return_address.h"
#include "browser/return_trip.h"
#include "browser/sign_in_call.h"
#include "jobgate/control_fields.h"

#define HOME "/"
#define SIGN_IN "/sign-in"
#define SIGN_OUT "/sign-out"
#define SIGNED_OUT "/signed-out"

/* A query (with an address and a nonce) and a token. */
#define FORM_MAX (16 * 1024)

#define LOCATION_MAX (RETURN_ADDRESS_ENCODED_MAX + 512)

/* Begins the form: the browser's earlier sign-in. */
#define OLD "old="

/* What lies in call->room, one behind the other. */
struct room {
	char page[PAGE_MAX], policy[PAGE_POLICY_MAX], cookie[SET_COOKIE_MAX],
	    location[LOCATION_MAX], ask[SIGN_IN_CALL_MAX], before[FORM_MAX];
};

_Static_assert(sizeof(struct room) <= LOCAL_ROOM, "all of it fits");

static struct room *
room_of(const struct local_call *call)
{
	return (struct room *)(void *)call->room; /* only characters: any alignment will do */
}

/* Where the browser comes from, and goes back to. */
struct visit {
	struct return_address address;
	unsigned char nonce_digest[NONCE_DIGEST_LEN];
	bool tls;
	char room[RETURN_ADDRESS_MAX];
};

/* Read it from a query or a form that begins with one. False when a part is missing or not valid.
 */
static bool
visit_read(struct slice form, struct visit *out)
{
	char hex[2 * NONCE_DIGEST_LEN];
	struct slice to = form_field(form, SLICE("to"), out->room, sizeof(out->room));

	out->tls = to.at != NULL && slice_starts_with(to, SLICE("https://"));
	return to.at != NULL && return_address_parse(to, out->tls, &out->address) &&
	       jg_token_hash_parse(
		   form_field(form, SLICE("nonce"), hex, sizeof(hex)), out->nonce_digest);
}

static uint16_t
port_of(const struct authority *authority, bool tls)
{
	return authority->port != 0 ? authority->port : tls ? 443 : 80;
}

/* A job's page that this listener serves: another port of its host may be anybody's server, which
 * would get the code. */
static bool
visit_is_ours(const struct local_call *call, const struct visit *visit)
{
	struct authority own;

	return visit->tls == call->tls && authority_parse(call->request->authority, &own) &&
	       port_of(&visit->address.authority, visit->tls) == port_of(&own, call->tls);
}

/* The query of the request, without '?'. */
static struct slice
query_of(const struct local_call *call)
{
	struct slice query = call->request->query;

	return slice_after(query, query.len > 0);
}

/* ---- pages ---- */

/* The page where people paste a token. Its form may lead to the job's host. */
static enum local_action
show_sign_in(const struct local_call *call, const struct visit *visit, struct slice message,
    unsigned status, struct local_answer *answer)
{
	struct room *room = room_of(call);
	struct page page = {.title = SLICE("Sign in"),
	    .message = message,
	    .is_error = status != 200,
	    .help = call->help,
	    .action = "",
	    .button = "Sign in",
	    .asks_token = true};

	answer->policy =
	    (struct slice){room->policy, page_policy_to(visit->address.site, room->policy)};
	return pages_show(call, answer,
	    status == 429   ? OUTCOME_RATE_LIMITED
	    : status == 200 ? OUTCOME_ANSWERED
			    : OUTCOME_REFUSED,
	    status, &page);
}

/* The address to go back to is not one of a job, so the page would send browsers anywhere. */
static enum local_action
show_bad_address(const struct local_call *call, struct local_answer *answer)
{
	struct page page = {.title = SLICE("Unknown address"),
	    .is_error = true,
	    .message = SLICE("This link does not lead back to a job of this gateway."),
	    .advice = SLICE("Open the job's page: it sends you here.")};

	return pages_show(call, answer, OUTCOME_BAD_REQUEST, 400, &page);
}

/* Without an address: whether the browser is signed in. */
static enum local_action
show_state(const struct local_call *call, bool signed_in, struct local_answer *answer)
{
	struct page in = {.title = SLICE("Signed in"),
	    .message = SLICE("This browser is signed in, for all jobs that its token reaches."),
	    .action = SIGN_OUT,
	    .button = "Sign out"};
	struct page out = {.title = SLICE("Not signed in"),
	    .message = SLICE("Open the page of a job: it sends you here to sign in.")};

	return pages_show(call, answer, OUTCOME_ANSWERED, 200, signed_in ? &in : &out);
}

static enum local_action
show_sign_out(const struct local_call *call, struct local_answer *answer)
{
	struct page page = {.title = SLICE("Sign out"),
	    .message = SLICE("End the sign-in of this browser, for all jobs?"),
	    .action = SIGN_OUT,
	    .button = "Sign out"};

	return pages_show(call, answer, OUTCOME_ANSWERED, 200, &page);
}

/* ---- requests ---- */

static bool
all(const struct exchange_peer *peer, const struct request *request)
{
	(void)peer;
	(void)request;
	return true;
}

static enum local_action
get(const struct local_call *call, struct local_answer *answer)
{
	struct slice path = call->request->path;
	struct visit visit;

	if (slice_equal(path, SLICE(SIGN_OUT)))
		return show_sign_out(call, answer);
	if (slice_equal(path, SLICE(SIGNED_OUT)))
		return sign_in_call_signed_out(call, answer);
	if (slice_equal(path, SLICE(HOME)))
		return LOCAL_CLAIM;
	if (!slice_equal(path, SLICE(SIGN_IN)))
		return pages_not_found(answer);
	if (!pages_cookie_can_be_kept(call) || call->job.len == 0 ||
	    !visit_read(query_of(call), &visit) || !visit_is_ours(call, &visit))
		return show_bad_address(call, answer);
	/* A code is made for a page load only, which no other page can read or frame. */
	if (return_trip_is_page_load(call->request))
		return LOCAL_CLAIM;
	return show_sign_in(call, &visit, SLICE("Paste a token for this job."), 200, answer);
}

/*
 * The form counts with two things before it: the sign-in that the browser has, whose record ends
 * once the new one is there, and the query. That sign-in comes first, where no client can write.
 */
static enum local_action
post_sign_in(const struct local_call *call, struct local_answer *answer)
{
	struct slice cookie = session_cookie(&call->request->fields), query = query_of(call);
	struct room *room = room_of(call);
	struct writer writer = writer_of(room->before, sizeof(room->before));
	struct sign_in_cookie old;
	char id[SIGN_IN_TEXT_LEN + 1];
	struct visit visit;

	if (call->job.len == 0 || !visit_read(query, &visit) || !visit_is_ours(call, &visit))
		return show_bad_address(call, answer);
	write_literal(&writer, OLD);
	if (cookie.at != NULL &&
	    sign_in_open(call->session_key, SIGN_IN_HOST_PURPOSE, cookie, call->now_s, &old)) {
		jg_sign_in_id_format(old.id, id);
		write_slice(&writer, slice_of(id));
	}
	write_literal(&writer, "&");
	write_slice(&writer, query);
	write_literal(&writer, "&");
	if (writer.full)
		return show_bad_address(call, answer);
	answer->before = (struct slice){room->before, (size_t)(writer.at - room->before)};
	return LOCAL_CONTENT;
}

static enum local_action
begin(const struct local_call *call, struct local_answer *answer)
{
	struct slice path = call->request->path;
	bool in = slice_equal(path, SLICE(SIGN_IN));

	if (pages_is_get(call->request))
		return get(call, answer);
	if (!in && !slice_equal(path, SLICE(SIGN_OUT)))
		return pages_not_found(answer);
	if (call->request->method_id != METHOD_POST || !origin_is_own(call->request, call->tls))
		return pages_foreign(answer);
	return in ? post_sign_in(call, answer)
		  : sign_in_call_sign_out(call, SIGN_IN_HOST_PURPOSE, SLICE(SIGNED_OUT), answer);
}

/* ---- the verdict ---- */

/* Make a code for this sign-in, and the way back with it. False when OpenSSL is short of memory. */
static bool
make_code(const struct local_call *call, const struct visit *visit,
    const unsigned char id[SIGN_IN_ID_LEN], char text[CODE_TEXT_LEN], struct local_answer *answer)
{
	struct room *room = room_of(call);
	struct writer writer = writer_of(room->location, sizeof(room->location));
	const struct code_site site = {return_address_authority(&visit->address), visit->tls};
	struct code code = {.expires_s = call->now_s + SIGN_IN_CODE_SECONDS};

	memcpy(code.sign_in, id, SIGN_IN_ID_LEN);
	memcpy(code.nonce_digest, visit->nonce_digest, NONCE_DIGEST_LEN);
	if (!code_seal(call->session_key, &site, &code, text))
		return false;
	write_slice(&writer, visit->address.site);
	write_literal(&writer, OUR_PATHS "signed-in?code=");
	write_slice(&writer, (struct slice){text, CODE_TEXT_LEN});
	write_literal(&writer, "&to=");
	return_address_encode(&writer, visit->address.to);
	pages_redirect(answer, OUTCOME_SIGNED_IN,
	    (struct slice){room->location, (size_t)(writer.at - room->location)});
	return !writer.full;
}

/* The browser is signed in, and its token reaches the job: it goes back with a code. */
static enum local_action
go_back(const struct local_call *call, const struct visit *visit, struct local_answer *answer)
{
	struct slice cookie = session_cookie(&call->request->fields);
	struct sign_in_cookie sign_in;
	char text[CODE_TEXT_LEN];

	if (cookie.at == NULL ||
	    !sign_in_open(call->session_key, SIGN_IN_HOST_PURPOSE, cookie, call->now_s, &sign_in))
		return show_sign_in(
		    call, visit, SLICE("Your sign-in has ended. Paste a token."), 200, answer);
	return make_code(call, visit, sign_in.id, text, answer) &&
		       sign_in_call_code(CONTROL_CODE_ADD_PATH, sign_in.id,
			   (struct slice){text, CODE_TEXT_LEN}, room_of(call)->ask, answer)
		   ? LOCAL_ASK
		   : LOCAL_UNAVAILABLE;
}

/* What the page says to a person who comes from a job and is not signed in for it. */
static struct slice
invitation(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_NO_CREDENTIAL:
		return SLICE("Paste a token for this job. It signs you in to all jobs that it "
			     "reaches.");
	case VERDICT_INVALID_TOKEN:
	case VERDICT_EXPIRED:
		return SLICE("Your sign-in has ended, or its token was renewed or deleted. Paste a "
			     "token for this job.");
	case VERDICT_OTHER_ADDRESS:
		return SLICE("You are signed in, but your token may not be used from your address. "
			     "Paste another one; it takes the place of the first for all jobs.");
	default:
		return SLICE("You are signed in, but your token does not reach this job. Paste "
			     "another one; it takes the place of the first for all jobs.");
	}
}

/* The verdict on the sign-in of a browser that loads a page here. */
static enum local_action
judged(const struct local_call *call, enum verdict verdict, struct local_answer *answer)
{
	struct visit visit;

	if (verdict == VERDICT_UNAVAILABLE)
		return LOCAL_UNAVAILABLE;
	if (slice_equal(call->request->path, SLICE(HOME)))
		return show_state(call,
		    verdict != VERDICT_NO_CREDENTIAL && verdict != VERDICT_INVALID_TOKEN &&
			verdict != VERDICT_EXPIRED,
		    answer);
	if (!visit_read(query_of(call), &visit))
		return show_bad_address(call, answer);
	if (verdict == VERDICT_ALLOW || verdict == VERDICT_NO_URL)
		return go_back(call, &visit, answer);
	return show_sign_in(call, &visit, invitation(verdict), 200, answer);
}

/* The sign-in that the browser had, or text that is no id; post_sign_in has written it. */
static struct slice
old_of(struct slice form)
{
	struct slice old = slice_after(form, sizeof(OLD) - 1);
	const char *end = memchr(old.at, '&', old.len);

	return end != NULL ? (struct slice){old.at, (size_t)(end - old.at)} : SLICE("");
}

/* The pasted token is good: the browser is signed in here, and goes back with a code. */
static enum local_action
sign_in(const struct local_call *call, struct slice form, const struct token *token,
    const struct visit *visit, struct local_answer *answer)
{
	struct room *room = room_of(call);
	struct sign_in_cookie cookie = {
	    .expires_s = call->now_s + (int64_t)(call->session_ms / 1000)};
	char text[CODE_TEXT_LEN];
	struct sign_in_new new = {.id = cookie.id,
	    .token = token,
	    .replaces = old_of(form),
	    .seconds = call->session_ms / 1000,
	    .code = {text, CODE_TEXT_LEN}};

	return RAND_bytes(cookie.id, SIGN_IN_ID_LEN) == 1 &&
		       make_code(call, visit, cookie.id, text, answer) &&
		       sign_in_cookie_add(
			   call, SIGN_IN_HOST_PURPOSE, &cookie, room->cookie, answer) &&
		       sign_in_call_make(&new, room->ask, answer)
		   ? LOCAL_ASK
		   : LOCAL_UNAVAILABLE;
}

static enum local_action
decided(const struct local_call *call, struct slice form, enum verdict verdict,
    const struct token *token, struct local_answer *answer)
{
	struct visit visit;

	if (call->request != NULL)
		return judged(call, verdict, answer);
	if (!visit_read(form, &visit))
		return show_bad_address(call, answer);
	if (verdict == VERDICT_ALLOW || verdict == VERDICT_NO_URL)
		return sign_in(call, form, token, &visit, answer);
	return show_sign_in(call, &visit, pages_reason(call, verdict),
	    call->limited ? 429 : jg_verdict_status(verdict), answer);
}

/* A code could not be added: the sign-in has just ended. */
static enum local_action
denied(const struct local_call *call, unsigned status, struct local_answer *answer)
{
	struct page page = {.title = SLICE("Signed out"),
	    .message = SLICE("Your sign-in has ended."),
	    .advice = SLICE("Open the job's page again.")};

	return status == 404 ? pages_show(call, answer, OUTCOME_REFUSED, 401, &page)
			     : sign_in_call_failed(call, status, answer);
}

const struct local_handler sign_in_host_handler = {
    .handles = all,
    .begin = begin,
    .content_max = FORM_MAX,
    .credential = pages_credential,
    .decided = decided,
    .denied = denied,
};
