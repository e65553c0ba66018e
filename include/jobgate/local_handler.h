/* local_handler.h - an interface for requests that the gateway answers itself, instead of a job. */
#ifndef JOBGATE_LOCAL_HANDLER_H
#define JOBGATE_LOCAL_HANDLER_H

#include "jobgate/check.h"
#include "jobgate/decision.h"
#include "jobgate/exchange.h"
#include "jobgate/message.h"
#include "jobgate/outcome.h"
#include "jobgate/token.h"

/*
 * A local handler is a table of functions that return what to answer; the exchange sends it. So a
 * handler does not know the exchange, keeps nothing between two calls, and works for every
 * protocol:
 *
 *   handles ─> begin ─> LOCAL_ANSWER
 *                  └──> LOCAL_CONTENT ─> the exchange reads the content
 *                                     ─> credential ─> the exchange judges it ─> decided
 *                                     ─> message (in place of these)
 *                  └──> LOCAL_CLAIM ─> the exchange judges the browser's sign-in ─> decided
 *
 * `begin` and `decided` may return LOCAL_ASK: the exchange asks the control process, and sends the
 * answer if that agrees; otherwise `denied` says what to answer.
 *
 * Apart from that, `refused` may answer in place of the plain refusal of a request for a job.
 *
 * If an exchange ends early (the client leaves, the time is over, the content is too large), the
 * handler is not called again.
 */

/* Bytes of local_call.room. */
#define LOCAL_ROOM (192 * 1024)

/* Bytes that `credential` may write. */
#define LOCAL_CREDENTIAL_MAX 512

#define LOCAL_FIELDS_MAX 6 /* of an answer, besides those that each local reply has */

struct shared_stats;

/* How the host of a request leads to jobs. */
enum local_host {
	LOCAL_HOST_OF_ONE,  /* the host is only for this job: a browser origin of its own */
	LOCAL_HOST_OF_MANY, /* the path names the job */
	LOCAL_HOST_FIXED,   /* the gateway serves one job as a sidecar, whatever the host */
};

/* What a handler may know. All that it points to is valid until the call returns. */
struct local_call {
	const struct request *request; /* NULL after LOCAL_CONTENT and LOCAL_ASK, when it is gone */
	struct slice request_id;
	struct slice
	    before; /* what a trusted proxy in front has taken off the path ("/gw"), or empty */
	struct slice job; /* empty before the request has been routed */
	enum local_host host;
	bool tls;	     /* the client uses TLS, as far as the gateway knows */
	bool by_session;     /* `refused`: the credential was a session's cookie */
	bool presented;	     /* `refused`: the request has a credential of ours */
	bool limited;	     /* `decided`: too many invalid tokens came from the client's address */
	uint16_t https_port; /* where redirects lead */
	const unsigned char *session_key; /* SESSION_KEY_LEN bytes; NULL: no sign-in */
	uint64_t session_ms;		  /* how long a session lasts */
	struct slice help;	   /* where people get a token, from the operator; or empty */
	struct slice sign_in_host; /* the host at which people sign in for all jobs; or empty */
	struct slice frame_policy; /* of pages without a form, where some pages may frame jobs; or
				      empty */
	int64_t now_s;		   /* Unix time */
	const struct shared_stats *shared; /* what all workers publish; NULL only in tests */
	char *room; /* LOCAL_ROOM bytes for what the answer points to, until it has been sent */
};

/* What to answer. Its fields follow those that each local reply has. */
struct local_answer {
	enum outcome outcome;
	unsigned status; /* in `refused` only 303 counts, since the verdict has one */
	struct slice title,
	    detail;	     /* texts without anything that a client sent; not used in `refused` */
	struct slice page;   /* HTML for people, in place of title and detail; or empty */
	struct slice policy; /* of the page, in place of its usual one; or empty */
	struct slice before; /* LOCAL_CONTENT: bytes that count as the beginning of the content */
	/*
	 * LOCAL_ASK: path (static) and JSON content of a call of the control process
	 * (control_fields.h). It agrees with 204. Title and detail of the answer are static then,
	 * and there is no page.
	 */
	struct slice ask_path, ask;
	bool no_reuse;		   /* see struct response */
	unsigned char grpc_status; /* in reply to a gRPC call; 0: what the HTTP status stands for */
	struct slice message; /* in reply to a gRPC call: its status is OK, and of the other members
				 only `outcome` is used; or empty */
	struct field fields[LOCAL_FIELDS_MAX];
	size_t field_count;
};

enum local_action {
	LOCAL_ANSWER,	   /* send what is in *answer */
	LOCAL_CONTENT,	   /* `begin`: read the content */
	LOCAL_CLAIM,	   /* `begin`: judge the browser's sign-in at this host */
	LOCAL_ASK,	   /* ask the control process first */
	LOCAL_UNAVAILABLE, /* refuse with VERDICT_UNAVAILABLE: memory or random bytes are short */
};

struct local_handler {
	/* True for a request of this handler. Called for many requests, so it must be fast. */
	bool (*handles)(const struct exchange_peer *peer, const struct request *request);

	/* The head of such a request has come. *answer is zeroed. */
	enum local_action (*begin)(const struct local_call *call, struct local_answer *answer);

	/* ---- the rest may be NULL where `begin` never says LOCAL_CONTENT ---- */

	/* The most bytes of content; more is refused with 413. */
	size_t content_max;
	unsigned char
	    too_large_status; /* then, in reply to a gRPC call: as local_answer.grpc_status */

	/*
	 * Write the credential in the content as the value of an Authorization field, and return
	 * its length; 0: there is none. The caller wipes content and value.
	 */
	size_t (*credential)(struct slice content, char out[LOCAL_CREDENTIAL_MAX]);

	/* In place of `credential` and `decided`: answer to the content, which holds no credential.
	 */
	enum local_action (*message)(
	    const struct local_call *call, struct slice content, struct local_answer *answer);

	/*
	 * The verdict on this credential (on the sign-in, without content, after LOCAL_CLAIM), for
	 * the job whose host the request names. token is set
	 * with VERDICT_ALLOW and VERDICT_NO_URL; otherwise it may be NULL.
	 */
	enum local_action (*decided)(const struct local_call *call, struct slice content,
	    enum verdict verdict, const struct token *token, struct local_answer *answer);

	/* The control process has answered with another status than 204; 0: it has not answered. */
	enum local_action (*denied)(
	    const struct local_call *call, unsigned status, struct local_answer *answer);

	/*
	 * A request of a person for a job is refused with this verdict. False: send the plain
	 * refusal. NULL: always send that.
	 */
	bool (*refused)(
	    const struct local_call *call, enum verdict verdict, struct local_answer *answer);
};

/* Add a field; name and value must last as long as the answer. At most LOCAL_FIELDS_MAX. */
static inline void
local_answer_add(struct local_answer *answer, struct slice name, struct slice value)
{
	CHECK(answer->field_count < LOCAL_FIELDS_MAX);
	answer->fields[answer->field_count++] = (struct field){.name = name, .value = value};
}

#endif
