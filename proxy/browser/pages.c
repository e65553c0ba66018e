/* pages.c - what the handlers of this room share: answers with pages, cookies, forms. */
#include "browser/pages.h"

#include <openssl/crypto.h>

_Static_assert(sizeof("Bearer ") + TOKEN_TEXT_MAX <= LOCAL_CREDENTIAL_MAX, "a token fits");

bool
pages_cookie_can_be_kept(const struct local_call *call)
{
	struct slice host = call->request->authority;
	const char *colon = host.len > 0 ? memchr(host.at, ':', host.len) : NULL;
	struct slice local = SLICE(".localhost");

	if (colon != NULL)
		host.len = (size_t)(colon - host.at);
	return call->tls || (host.len > local.len &&
				slice_equal_nocase(slice_after(host, host.len - local.len), local));
}

enum local_action
pages_show(const struct local_call *call, struct local_answer *answer, enum outcome outcome,
    unsigned status, struct page *page)
{
	page->status = status;
	page->request_id = call->request_id;
	page->job = call->job;
	answer->outcome = outcome;
	answer->status = status;
	answer->title = page->title;
	answer->detail = page->message;
	if (page->action != NULL && answer->policy.len == 0)
		answer->policy = slice_of(page_policy); /* no page may frame a form */
	answer->page = (struct slice){call->room, page_write(page, call->room, PAGE_MAX)};
	return LOCAL_ANSWER;
}

enum local_action
pages_refuse(struct local_answer *answer, unsigned status, struct slice title, struct slice detail)
{
	answer->outcome = OUTCOME_BAD_REQUEST;
	answer->status = status;
	answer->title = title;
	answer->detail = detail;
	return LOCAL_ANSWER;
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

size_t
pages_credential(struct slice form, char out[LOCAL_CREDENTIAL_MAX])
{
	const struct slice scheme = SLICE("Bearer ");
	char room[2 * TOKEN_TEXT_MAX];
	struct slice value = trim(form_field(form, SLICE("token"), room, sizeof(room)));
	size_t len = 0;

	if (value.len > 0 && value.len <= TOKEN_TEXT_MAX) {
		memcpy(out, scheme.at, scheme.len);
		memcpy(out + scheme.len, value.at, value.len);
		len = scheme.len + value.len;
	}
	OPENSSL_cleanse(room, sizeof(room));
	return len;
}

struct slice
pages_reason(const struct local_call *call, enum verdict verdict)
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

enum local_action
pages_not_found(struct local_answer *answer)
{
	return pages_refuse(answer, 404, SLICE("Not found"),
	    SLICE("This path belongs to the gateway, and there is nothing here."));
}

enum local_action
pages_foreign(struct local_answer *answer)
{
	return pages_refuse(answer, 403, SLICE("Foreign origin"),
	    SLICE("This form must be sent from its own page."));
}

void
pages_redirect(struct local_answer *answer, enum outcome outcome, struct slice location)
{
	answer->outcome = outcome;
	answer->status = 303;
	answer->title = SLICE("See the next page");
	answer->detail = SLICE("Your browser goes on by itself.");
	local_answer_add(answer, SLICE("Location"), location);
}

void
pages_forget_sign_in(struct local_answer *answer)
{
	local_answer_add(
	    answer, SLICE("Set-Cookie"), SLICE(SESSION_COOKIE "=" COOKIE_ATTRIBUTES "; Max-Age=0"));
	local_answer_add(answer, SLICE("Clear-Site-Data"), SLICE("\"cache\""));
}
