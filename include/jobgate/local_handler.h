/* local_handler.h - requests that the gateway answers itself, in place of a job. */
#ifndef JOBGATE_LOCAL_HANDLER_H
#define JOBGATE_LOCAL_HANDLER_H

#include "jobgate/decision.h"
#include "jobgate/exchange.h"
#include "jobgate/message.h"
#include "jobgate/outcome.h"
#include "jobgate/token.h"

/*
 * A local handler is a table of functions that say what to answer; the exchange sends it. So a
 * handler knows no exchange, keeps nothing between two calls, and works for every protocol:
 *
 *   handles ─> begin ─> LOCAL_ANSWER
 *                  └──> LOCAL_CONTENT ─> the exchange reads the content
 *                                     ─> credential ─> the exchange judges it ─> decided
 *
 * Apart from that, `refused` may answer in place of the plain refusal of a request for a job.
 *
 * Where an exchange ends early (its client goes, its time is over, the content is too large), the
 * handler is not called again.
 */

/* Bytes of local_call.room. */
#define LOCAL_ROOM (192 * 1024)

/* Bytes that `credential` may write. */
#define LOCAL_CREDENTIAL_MAX 512

#define LOCAL_FIELDS_MAX 6

/* How the host of a request leads to jobs. */
enum local_host {
	LOCAL_HOST_OF_ONE,  /* this job alone is at it: a browser origin of its own */
	LOCAL_HOST_OF_MANY, /* the path names the job */
	LOCAL_HOST_FIXED,   /* the gateway stands beside one job, whatever the host */
};

/* What a handler may know. All that it points to is good until the call returns. */
struct local_call {
	const struct request *request; /* NULL in `decided`: it is gone by then */
	struct slice request_id;
	struct slice job; /* empty before the request has been routed */
	enum local_host host;
	bool tls;	 /* the client speaks TLS, as far as the gateway is told */
	bool by_session; /* `refused`: a session's cookie stood for the token */
	bool limited; /* `decided`: its address has recently sent too many tokens that are not valid
		       */
	uint16_t https_port;		  /* where redirects lead */
	const unsigned char *session_key; /* of SESSION_KEY_LEN bytes; NULL: browsers cannot sign in
					   */
	uint64_t session_ms;		  /* how long a session lasts */
	int64_t now_s;			  /* Unix time */
	char *room; /* LOCAL_ROOM bytes for what the answer points to, until it has been sent */
};

/* What to answer. The fields follow those of every local reply. */
struct local_answer {
	enum outcome outcome;
	unsigned status;	    /* not in `refused`: the verdict has one */
	struct slice title, detail; /* texts without anything a client sent; not in `refused` */
	struct slice page;	    /* HTML for a person, in place of title and detail; or empty */
	bool last;		    /* see struct response */
	struct field fields[LOCAL_FIELDS_MAX];
	size_t field_count;
};

enum local_action {
	LOCAL_ANSWER,	   /* send what is in *answer */
	LOCAL_CONTENT,	   /* `begin`: read the content, a credential is in it */
	LOCAL_UNAVAILABLE, /* refuse with VERDICT_UNAVAILABLE: memory or random bytes are short */
};

struct local_handler {
	/* True for the handler's requests. Called for many others as well, so it has to be quick.
	 */
	bool (*handles)(const struct exchange_peer *peer, const struct request *request);

	/* The head of a request of the handler's has come. *answer is zeroed. */
	enum local_action (*begin)(const struct local_call *call, struct local_answer *answer);

	/* ---- the rest may be NULL where `begin` never says LOCAL_CONTENT ---- */

	/* Bytes of content that are read; more is refused with 413. */
	size_t content_max;

	/*
	 * Write the value of an Authorization field that stands for what is in the content, and
	 * return its length; 0: there is none. The caller wipes content and value.
	 */
	size_t (*credential)(struct slice content, char out[LOCAL_CREDENTIAL_MAX]);

	/*
	 * The verdict on that credential, for the job's host that the request came to. token is the
	 * one that was found with VERDICT_ALLOW and VERDICT_NO_URL, else it may be NULL.
	 */
	enum local_action (*decided)(const struct local_call *call, struct slice content,
	    enum verdict verdict, const struct token *token, struct local_answer *answer);

	/*
	 * A person's request for a job is refused with this verdict. False: the plain refusal is
	 * right. NULL: it always is.
	 */
	bool (*refused)(
	    const struct local_call *call, enum verdict verdict, struct local_answer *answer);
};

static inline void
local_answer_add(struct local_answer *answer, struct slice name, struct slice value)
{
	answer->fields[answer->field_count++] = (struct field){.name = name, .value = value};
}

#endif
