/* sign_in_call.c - sign-ins and codes as the control process takes them, and the pages around. */
#include "browser/sign_in_call.h"

#include <errno.h>
#include <stdio.h>

#include "browser/pages.h"
#include "jobgate/control_fields.h"

/* The text of the call is in `room`. False when it was cut, which cannot be. */
static bool
ask(struct local_answer *answer, const char *path, const char *room, int len)
{
	answer->ask_path = slice_of(path);
	answer->ask = (struct slice){room, (size_t)len};
	return len > 0 && len < SIGN_IN_CALL_MAX;
}

/* The store has only the digest of a code. */
static bool
digest_of(struct slice code, char out[SIGN_IN_CODE_TEXT_LEN + 1])
{
	unsigned char digest[TOKEN_HASH_LEN];

	if (!jg_token_hash(code, digest))
		return false;
	jg_token_hash_format(digest, out);
	return true;
}

bool
sign_in_call_make(
    const struct sign_in_new *sign_in, char room[SIGN_IN_CALL_MAX], struct local_answer *answer)
{
	struct slice old = jg_sign_in_id_valid(sign_in->replaces) ? sign_in->replaces : SLICE("");
	char id[SIGN_IN_TEXT_LEN + 1];
	char code[SIGN_IN_CODE_TEXT_LEN + 1], mark[SIGN_IN_MARK_TEXT_LEN + 1];

	if (!digest_of(sign_in->code, code))
		return false;
	jg_sign_in_id_format(sign_in->id, id);
	jg_sign_in_mark_format(sign_in->token->hash, mark);
	return ask(answer, CONTROL_SIGN_IN_PATH, room,
	    snprintf(room, SIGN_IN_CALL_MAX,
		"{\"id\":\"%s\",\"token\":\"%.*s\",\"version\":\"%llu\",\"mark\":\"%s\","
		"\"seconds\":\"%llu\",\"code\":\"%s\",\"replaces\":\"%.*s\"}",
		id, TOKEN_ID_LEN, sign_in->token->id.at,
		(unsigned long long)sign_in->token->version, mark,
		(unsigned long long)sign_in->seconds, code, (int)old.len, old.at));
}

bool
sign_in_call_code(const char *path, const unsigned char id[SIGN_IN_ID_LEN], struct slice code,
    char room[SIGN_IN_CALL_MAX], struct local_answer *answer)
{
	char text[SIGN_IN_TEXT_LEN + 1], digest[SIGN_IN_CODE_TEXT_LEN + 1];

	if (!digest_of(code, digest))
		return false;
	jg_sign_in_id_format(id, text);
	return ask(answer, path, room,
	    snprintf(room, SIGN_IN_CALL_MAX, "{\"id\":\"%s\",\"code\":\"%s\"}", text, digest));
}

bool
sign_in_cookie_add(const struct local_call *call, struct slice purpose,
    const struct sign_in_cookie *sign_in, char *cookie, struct local_answer *answer)
{
	int64_t seconds = sign_in->expires_s - call->now_s;
	char text[SIGN_IN_COOKIE_LEN];
	int len;

	if (!sign_in_seal(call->session_key, purpose, sign_in, text))
		return false;
	len = snprintf(cookie, SET_COOKIE_MAX, "%s=%.*s" COOKIE_ATTRIBUTES "; Max-Age=%lld",
	    SESSION_COOKIE, SIGN_IN_COOKIE_LEN, text, (long long)seconds);
	local_answer_add(answer, SLICE("Set-Cookie"), (struct slice){cookie, (size_t)len});
	return true;
}

enum local_action
sign_in_call_sign_out(const struct local_call *call, struct slice purpose, struct slice then,
    struct local_answer *answer)
{
	struct slice cookie = session_cookie(&call->request->fields);
	struct sign_in_cookie sign_in;
	char id[SIGN_IN_TEXT_LEN + 1], *room = call->room + PAGE_MAX;

	pages_redirect(answer, OUTCOME_SIGNED_OUT, then);
	pages_forget_sign_in(answer);
	if (cookie.at == NULL)
		return LOCAL_ANSWER; /* there is nothing to end */
	errno = 0;
	if (!sign_in_open(call->session_key, purpose, cookie, call->now_s, &sign_in))
		return errno == ENOMEM ? LOCAL_UNAVAILABLE : LOCAL_ANSWER;
	jg_sign_in_id_format(sign_in.id, id);
	return ask(answer, CONTROL_SIGN_OUT_PATH, room,
		   snprintf(room, SIGN_IN_CALL_MAX, "{\"id\":\"%s\"}", id))
		   ? LOCAL_ASK
		   : LOCAL_UNAVAILABLE;
}

enum local_action
sign_in_call_signed_out(const struct local_call *call, struct local_answer *answer)
{
	struct page page = {.title = SLICE("Signed out"),
	    .message = SLICE("This browser is signed out of all jobs."),
	    .advice = SLICE("Open the page of a job to sign in again.")};

	return pages_show(call, answer, OUTCOME_ANSWERED, 200, &page);
}

enum local_action
sign_in_call_failed(const struct local_call *call, unsigned status, struct local_answer *answer)
{
	struct page page = {.title = SLICE("That did not work"), .is_error = true};

	if (status == 429) {
		page.message = SLICE("This token has 1000 sign-ins already, or this browser has "
				     "opened jobs 100 times within 30 seconds.");
		page.advice = SLICE("Wait a moment and try again. If that does not help, sign out "
				    "where you do not need it any more, or renew the token.");
		return pages_show(call, answer, OUTCOME_RATE_LIMITED, 429, &page);
	}
	page.message =
	    SLICE("The store of sign-ins does not answer, or takes no changes just now.");
	page.advice = SLICE("Wait a moment, then try again.");
	return pages_show(call, answer, OUTCOME_CONNECT_FAILED, 503, &page);
}
