/* return_trip.c - from a job's host to the sign-in host, and back with a one-time code. */
#include "browser/return_trip.h"

#include <stdio.h>

#include "browser/code.h"
#include "browser/pages.h"
#include "browser/return_address.h"
#include "browser/sign_in_call.h"
#include "http/head.h"
#include "jobgate/control_fields.h"

#define SIGN_IN OUR_PATHS "sign-in"
#define SIGNED_IN OUR_PATHS "signed-in"
#define SIGN_OUT OUR_PATHS "sign-out"
#define SIGNED_OUT OUR_PATHS "signed-out"
#define NOT_SIGNED_IN OUR_PATHS "not-signed-in"
#define TRY_AGAIN OUR_PATHS "try-again"

#define NONCE_SECONDS "600" /* how long a person may take to sign in */
#define LOCATION_MAX (RETURN_ADDRESS_ENCODED_MAX + 512)

_Static_assert(PAGE_MAX + 2 * SET_COOKIE_MAX + LOCATION_MAX + SIGN_IN_CALL_MAX <= LOCAL_ROOM,
    "a page, cookies, an address and a call fit");

bool
return_trip_is_page_load(const struct request *request)
{
	struct slice dest = field_value(&request->fields, FIELD_SEC_FETCH_DEST);
	struct slice mode = field_value(&request->fields, FIELD_SEC_FETCH_MODE);

	return pages_is_get(request) && request->upgrade.len == 0 &&
	       (dest.len == 0 || slice_equal(dest, SLICE("document"))) &&
	       (mode.len == 0 || slice_equal(mode, SLICE("navigate")));
}

/* ---- there ---- */

/*
 * The browser's nonce. One that it has is used again: with another one, the code that a second tab
 * waits for would not open. False when OpenSSL is short of random bytes.
 */
static bool
nonce_of(const struct request *request, char out[NONCE_TEXT_LEN])
{
	struct slice kept = cookie_find(&request->fields, SLICE(NONCE_COOKIE "="));

	if (!nonce_is_formed(kept))
		return nonce_make(out);
	memcpy(out, kept.at, NONCE_TEXT_LEN);
	return true;
}

/* Write the address of the sign-in page; returns its length, or 0. */
static size_t
write_way(const struct local_call *call, struct slice to,
    const unsigned char digest[NONCE_DIGEST_LEN], char out[LOCATION_MAX])
{
	struct writer writer = writer_of(out, LOCATION_MAX);
	char address[RETURN_ADDRESS_ENCODED_MAX], hex[2 * NONCE_DIGEST_LEN + 1];
	struct slice authority = call->request->authority;
	struct authority own;
	size_t len = return_address_write(authority, to, call->tls, address, sizeof(address));

	if (len == 0)
		len = return_address_write(
		    authority, SLICE("/"), call->tls, address, sizeof(address));
	if (len == 0 || !authority_parse(authority, &own))
		return 0;
	jg_token_hash_format(digest, hex);
	write_slice(&writer, call->tls ? SLICE("https://") : SLICE("http://"));
	write_slice(&writer, call->sign_in_host);
	if (own.port != 0) { /* the same listener serves both hosts */
		write_literal(&writer, ":");
		write_number(&writer, own.port);
	}
	write_literal(&writer, "/sign-in?to=");
	write_slice(&writer, (struct slice){address, len});
	write_literal(&writer, "&nonce=");
	write_slice(&writer, slice_of(hex));
	return writer.full ? 0 : (size_t)(writer.at - out);
}

bool
return_trip_start(const struct local_call *call, struct slice to, struct local_answer *answer)
{
	char *cookie = call->room + PAGE_MAX, *way = cookie + SET_COOKIE_MAX;
	unsigned char digest[NONCE_DIGEST_LEN];
	char nonce[NONCE_TEXT_LEN];
	size_t len;

	if (!nonce_of(call->request, nonce) ||
	    !nonce_digest((struct slice){nonce, NONCE_TEXT_LEN}, digest))
		return false;
	len = write_way(call, to, digest, way);
	if (len == 0)
		return false;
	pages_redirect(answer, OUTCOME_REFUSED, (struct slice){way, len});
	len = (size_t)snprintf(cookie, SET_COOKIE_MAX,
	    NONCE_COOKIE "=%.*s" COOKIE_ATTRIBUTES "; Max-Age=" NONCE_SECONDS, NONCE_TEXT_LEN,
	    nonce);
	local_answer_add(answer, SLICE("Set-Cookie"), (struct slice){cookie, len});
	return true;
}

/* ---- back ---- */

/* The code is not good, or the browser keeps no cookies: another redirect could go on for ever. */
static enum local_action
show_failed(const struct local_call *call, struct local_answer *answer)
{
	struct page page = {.title = SLICE("Not signed in"),
	    .is_error = true,
	    .message = SLICE("This link signs in once, within 30 seconds, and only the browser "
			     "that asked for it, with cookies on."),
	    .advice = SLICE("Open the job's page again.")};

	return pages_show(call, answer, OUTCOME_BAD_REQUEST, 400, &page);
}

/* Pages of this host's job may read the address of a page here, so none has a code in its own. */
static enum local_action
go_to(struct slice path, struct local_answer *answer)
{
	pages_redirect(answer, OUTCOME_BAD_REQUEST, path);
	return LOCAL_ANSWER;
}

/*
 * The code is not for this browser, or has a wrong address: use it up. Otherwise the job's script
 * could choose the nonce, have a signed-in browser bring the code here, and use it elsewhere.
 */
static enum local_action
waste_code(const struct local_call *call, const struct code *code, struct slice text,
    struct local_answer *answer)
{
	(void)go_to(SLICE(NOT_SIGNED_IN), answer);
	return sign_in_call_code(
		   CONTROL_CODE_TAKE_PATH, code->sign_in, text, call->room + PAGE_MAX, answer)
		   ? LOCAL_ASK
		   : LOCAL_UNAVAILABLE;
}

/* The code is good as far as it shows: the control process uses it up, then the browser is signed
 * in at this job's host. */
static enum local_action
take_code(const struct local_call *call, const struct code *code, struct slice text,
    struct slice to, struct local_answer *answer)
{
	char *cookie = call->room + PAGE_MAX, *way = cookie + SET_COOKIE_MAX;
	struct sign_in_cookie sign_in = {
	    .expires_s = call->now_s + (int64_t)(call->session_ms / 1000)};

	memcpy(sign_in.id, code->sign_in, SIGN_IN_ID_LEN);
	memcpy(way, to.at, to.len);
	pages_redirect(answer, OUTCOME_SIGNED_IN, (struct slice){way, to.len});
	return sign_in_cookie_add(call, call->job, &sign_in, cookie, answer) &&
		       sign_in_call_code(
			   CONTROL_CODE_TAKE_PATH, code->sign_in, text, way + LOCATION_MAX, answer)
		   ? LOCAL_ASK
		   : LOCAL_UNAVAILABLE;
}

static enum local_action
come_back(const struct local_call *call, struct local_answer *answer)
{
	const struct request *request = call->request;
	const struct code_site site = {request->authority, call->tls};
	struct slice query = slice_after(request->query, request->query.len > 0), text, to;
	char code_room[CODE_TEXT_LEN], to_room[PAGE_TO_MAX];
	struct code code;

	text = form_field(query, SLICE("code"), code_room, sizeof(code_room));
	to = form_field(query, SLICE("to"), to_room, sizeof(to_room));
	if (text.at == NULL || !code_open(call->session_key, &site, text, call->now_s, &code))
		return go_to(SLICE(NOT_SIGNED_IN), answer);
	if (!page_to_is_local(to) || slice_starts_with(to, SLICE(OUR_PATHS)) ||
	    !code_is_for(&code, cookie_find(&request->fields, SLICE(NONCE_COOKIE "="))))
		return waste_code(call, &code, text, answer);
	return take_code(call, &code, text, to, answer);
}

/* ---- sign out ---- */

static enum local_action
show_sign_out(const struct local_call *call, struct local_answer *answer)
{
	struct page page = {.title = SLICE("Sign out"),
	    .message = SLICE("End the sign-in of this browser, for all jobs?"),
	    .action = SIGN_OUT,
	    .button = "Sign out"};

	return pages_show(call, answer, OUTCOME_ANSWERED, 200, &page);
}

/* A proxy in front (nginx) that cannot hand on our redirect sends the browser here, with a path. */
static enum local_action
start(const struct local_call *call, struct local_answer *answer)
{
	struct slice query = slice_after(call->request->query, call->request->query.len > 0);
	char room[PAGE_TO_MAX];
	struct slice to = form_field(query, SLICE("to"), room, sizeof(room));

	if (!page_to_is_local(to) || slice_starts_with(to, SLICE(OUR_PATHS)))
		to = SLICE("/");
	return return_trip_start(call, to, answer) ? LOCAL_ANSWER : LOCAL_UNAVAILABLE;
}

static enum local_action
get(const struct local_call *call, struct local_answer *answer)
{
	struct slice path = call->request->path;

	if (slice_equal(path, SLICE(SIGNED_IN)))
		return come_back(call, answer);
	if (slice_equal(path, SLICE(NOT_SIGNED_IN)))
		return show_failed(call, answer);
	if (slice_equal(path, SLICE(TRY_AGAIN)))
		return sign_in_call_failed(call, 503, answer);
	if (slice_equal(path, SLICE(SIGN_OUT)))
		return show_sign_out(call, answer);
	if (slice_equal(path, SLICE(SIGNED_OUT)))
		return sign_in_call_signed_out(call, answer);
	if (!slice_equal(path, SLICE(SIGN_IN)))
		return pages_not_found(answer);
	return start(call, answer);
}

enum local_action
return_trip_serve(const struct local_call *call, struct local_answer *answer)
{
	if (pages_is_get(call->request))
		return get(call, answer);
	if (!slice_equal(call->request->path, SLICE(SIGN_OUT)))
		return pages_not_found(answer);
	if (call->request->method_id != METHOD_POST || !origin_is_own(call->request, call->tls))
		return pages_foreign(answer);
	return sign_in_call_sign_out(call, call->job, SLICE(SIGNED_OUT), answer);
}

enum local_action
return_trip_denied(const struct local_call *call, unsigned status, struct local_answer *answer)
{
	(void)call;
	return go_to(
	    status == 404 || status == 409 ? SLICE(NOT_SIGNED_IN) : SLICE(TRY_AGAIN), answer);
}
