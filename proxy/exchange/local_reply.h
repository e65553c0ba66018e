/* local_reply.h - local replies: problem details (RFC 9457) that OpenAI's clients can show, too, or
 * a short page for people. */
#ifndef JOBGATE_EXCHANGE_LOCAL_REPLY_H
#define JOBGATE_EXCHANGE_LOCAL_REPLY_H

#include "exchange/cors.h"
#include "http/grpc.h"
#include "jobgate/decision.h"
#include "jobgate/message.h"
#include "jobgate/token.h"

#define LOCAL_REPLY_FIELDS_MAX 24
#define LOCAL_REPLY_BODY_MAX 3072
#define CHALLENGE_MAX 160 /* of one WWW-Authenticate, in bytes */

/* Allow (RFC 9110 section 10.2.1): the methods that jobs may have. */
#define JOB_METHODS SLICE("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")

/* A reply ready to be sent; everything it points to is static or inside it. */
struct local_reply {
	struct response response;
	struct field items[LOCAL_REPLY_FIELDS_MAX];
	char authenticate[CHALLENGE_MAX], basic[CHALLENGE_MAX];
	char retry_after[12];
	struct slice detail;	      /* what it says, without its form; or empty */
	enum grpc_status call_status; /* to a gRPC call; GRPC_OK: what the HTTP status stands for */
	struct slice content;
	union {
		char body[LOCAL_REPLY_BODY_MAX];
		struct grpc_end grpc; /* without a body: see local_reply_for_grpc */
	};
};

/* In which form a client gets a reply, and what it names. */
struct reply_form {
	struct slice request_id;
	struct slice job;	   /* whose page it is, as the client named it; or empty */
	struct slice frame_policy; /* the policy of a page that some pages may frame; or empty */
	bool html;		   /* the client prefers a page */
	bool waits; /* the page checks again by itself, so it is not shown as an error */
	bool head;  /* the request was HEAD: the content itself is not sent */
};

/*
 * Make the reply for a status. title and detail are fixed texts, without anything that a client
 * sent, and need no escaping.
 */
void local_reply_make(struct local_reply *reply, unsigned status, struct slice title,
    struct slice detail, const struct reply_form *form);

/*
 * The reply for a verdict. hint: what the credential's mistake is, or empty. realm is that of
 * WWW-Authenticate: any text; it is left out when it is too long.
 */
void local_reply_for_verdict(struct local_reply *reply, enum verdict verdict, struct slice hint,
    struct slice realm, const struct reply_form *form);

/* The same for a call of the control API, where a token lacks a role, not a label; never a page. */
void local_reply_for_call(struct local_reply *reply, enum verdict verdict, struct slice hint,
    struct slice realm, const struct reply_form *form);

/*
 * Also offer the scheme Basic: git and others send no password without being asked for it. realm is
 * as above.
 */
void local_reply_offer_basic(struct local_reply *reply, struct slice realm);

/* 200 without content, for another proxy: its request may pass; the fields name token and job. */
void local_reply_grant(struct local_reply *reply, struct slice job, const struct token *token);

/*
 * 204 to a preflight: pages of this origin may send such requests. Its texts outlive the reply.
 */
void local_reply_preflight(
    struct local_reply *reply, struct slice origin, const struct preflight *preflight);

/* Say that the reply depends on Origin, too. origin: whose pages may read it; empty: none. */
void local_reply_cors(struct local_reply *reply, struct slice origin);

/* Set Retry-After of a 429 or 503, which is 1 otherwise. */
void local_reply_retry_after(struct local_reply *reply, unsigned seconds);

/* Add a field; name and value are not copied. There is room for the fields of every reply. */
void local_reply_add(struct local_reply *reply, struct slice name, struct slice value);

/* A 200 with a text, which is not copied. */
void local_reply_text(struct local_reply *reply, struct slice text, bool head);

/* Put a page, which is not copied, in place of the content. head: it is only announced. */
void local_reply_page(struct local_reply *reply, struct slice page, bool head);

/* Replace the Content-Security-Policy of a page; not copied. */
void local_reply_policy(struct local_reply *reply, struct slice policy);

/*
 * Make it the reply to a gRPC call: HTTP status 200 with this Content-Type (it outlives the reply)
 * and no content. The head carries the status and the text of the content, so it serves as the
 * trailers, too ("Trailers-Only"); all other fields stay.
 */
void local_reply_for_grpc(
    struct local_reply *reply, struct slice content_type, enum grpc_status status);

/* Set Allow of a 405, instead of JOB_METHODS; not copied. */
void local_reply_allow(struct local_reply *reply, struct slice methods);

/* True when an Accept field asks for text/html by name. */
bool local_reply_wants_html(struct slice accept);

#endif
