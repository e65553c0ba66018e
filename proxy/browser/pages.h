/* pages.h - what the handlers of this room share: answers with pages, cookies, forms. */
#ifndef JOBGATE_BROWSER_PAGES_H
#define JOBGATE_BROWSER_PAGES_H

#include "browser/page.h"
#include "browser/session.h"
#include "jobgate/local_handler.h"

#define COOKIE_ATTRIBUTES "; Path=/; Secure; HttpOnly; SameSite=Lax"
#define SET_COOKIE_MAX 192

/* The path and query of a request are at most this long. */
#define TOKEN_TEXT_MAX 256 /* of a pasted token */

/* Answer with a page. It lies in the first PAGE_MAX bytes of call->room. */
enum local_action pages_show(const struct local_call *call, struct local_answer *answer,
    enum outcome outcome, unsigned status, struct page *page);

/* Answer with the plain refusal of a request that is not valid. */
enum local_action pages_refuse(
    struct local_answer *answer, unsigned status, struct slice title, struct slice detail);

/* Answer that a path of the gateway's has nothing, or that a form came from another origin. */
enum local_action pages_not_found(struct local_answer *answer);
enum local_action pages_foreign(struct local_answer *answer);

/* Write the credential of a form's field `token` as local_handler.credential does. */
size_t pages_credential(struct slice form, char out[LOCAL_CREDENTIAL_MAX]);

/* Why a pasted token does not sign in. */
struct slice pages_reason(const struct local_call *call, enum verdict verdict);

/* Go there, with a page for programs that do not follow; title and detail are static. */
void pages_redirect(struct local_answer *answer, enum outcome outcome, struct slice location);

/*
 * Add the fields with which a browser forgets its sign-in at this host: the cookie, and the host's
 * pages that it has kept, which its back button would show again (Clear-Site-Data).
 */
void pages_forget_sign_in(struct local_answer *answer);

/* A request that only asks: GET or HEAD. */
static inline bool
pages_is_get(const struct request *request)
{
	return request->method_id == METHOD_GET || request->method_id == METHOD_HEAD;
}

/* Over plain HTTP, browsers accept Secure cookies only from this machine. */
bool pages_cookie_can_be_kept(const struct local_call *call);

#endif
