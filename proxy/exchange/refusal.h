/* refusal.h - answers of our own: problem details (RFC 9457), or a short page for people. */
#ifndef JOBGATE_EXCHANGE_REFUSAL_H
#define JOBGATE_EXCHANGE_REFUSAL_H

#include "jobgate/decision.h"
#include "jobgate/message.h"
#include "jobgate/token.h"

#define REFUSAL_FIELDS_MAX 14
#define REFUSAL_BODY_MAX 1024

/* A refusal ready to be sent; everything it points to is static or inside it. */
struct refusal {
	struct response response;
	struct field items[REFUSAL_FIELDS_MAX];
	char authenticate[160];
	char retry_after[12];
	struct slice content;
	char body[REFUSAL_BODY_MAX];
};

/*
 * Make the answer for a status. title and detail are texts of ours, without
 * anything a client sent, and need no escaping. html: the client prefers a page.
 * head: the request was HEAD, so the content is only announced.
 */
void refusal_make(struct refusal *refusal, unsigned status, struct slice title, struct slice detail,
    struct slice request_id, bool html, bool head);

/* The answer for a verdict; realm is that of WWW-Authenticate, any text, left out when too long. */
void refusal_for_verdict(struct refusal *refusal, enum verdict verdict, struct slice realm,
    struct slice request_id, bool html, bool head);

/* The same for a call of the control API, where a token lacks a role, not a label; never a page. */
void refusal_for_call(struct refusal *refusal, enum verdict verdict, struct slice realm,
    struct slice request_id, bool head);

/* Not a refusal: 200 without content, for a proxy that has asked; the fields say who may pass. */
void refusal_none(
    struct refusal *refusal, struct slice job, const struct token *token, struct slice request_id);

/* Name the seconds after which to try again in an answer of 429 or 503, else 1. */
void refusal_retry_after(struct refusal *refusal, unsigned seconds);

/* Add a field; name and value are not copied. There is room for the fields of every answer. */
void refusal_add(struct refusal *refusal, struct slice name, struct slice value);

/* A 200 with a text, which is not copied. */
void refusal_text(struct refusal *refusal, struct slice text, bool head);

/* Put a page, which is not copied, in place of the content; head as above. */
void refusal_page(struct refusal *refusal, struct slice page, bool head);

/* Set Allow of a 405, instead of the methods that jobs may have; not copied. */
void refusal_allow(struct refusal *refusal, struct slice methods);

/* True when an Accept field asks for text/html by name. */
bool refusal_wants_html(struct slice accept);

#endif
