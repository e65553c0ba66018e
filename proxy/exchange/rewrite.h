/* rewrite.h - the fields that a backend gets to see: which are removed, which are added. */
#ifndef JOBGATE_EXCHANGE_REWRITE_H
#define JOBGATE_EXCHANGE_REWRITE_H

#include <sys/socket.h>

#include "http/head.h"
#include "http/write.h"
#include "jobgate/control_fields.h"
#include "jobgate/message.h"
#include "jobgate/token.h"

#define REWRITE_FIELDS_MAX 16
#define REWRITE_TEXT_MAX (48 * 1024)

/* What rewriting needs in addition to the request. */
struct rewrite {
	bool traced;		 /* traceparent is valid: it and tracestate pass */
	bool keep_authorization; /* Authorization is the job's, or may be seen by it */
	bool query_token;	 /* a token may come in a query */
	bool peer_trusted;	 /* the client is a proxy whose word counts */
	bool tls;		 /* the request came over TLS */
	struct slice peer; /* the client's address as text, without port; IPv6 without brackets */
	bool peer_is_unix;
	struct slice request_id;
	struct slice job;    /* empty: the control API */
	struct slice prefix; /* path form: what was taken off the path */
	const struct token *token;
	const struct in6_addr *address; /* the client's, for the control process; or NULL */
	const char *const *drop_fields; /* names of the configuration that only trusted proxies may
					   send (name_is_listed), or NULL */
};

/* What is added: the fields, and room for values that are put together. */
struct rewritten {
	struct field items[REWRITE_FIELDS_MAX];
	struct fields extra;
	uint64_t present;	 /* a bit for each enum field_id that the request has */
	bool offers_subprotocol; /* the client offers the gateway's subprotocol, and none of the
				    job's */
	size_t used;
	char text[REWRITE_TEXT_MAX];
};

/*
 * Mark as dropped those fields of the request that must not reach the backend: the token, every
 * X-Jobgate-*, names in disguise, and forwarding fields that the gateway writes itself. List the
 * fields that it adds in out->extra, and set request->takes_trailers. False when they do not fit
 * (431): a trusted proxy's chain of addresses is too long.
 */
bool rewrite_request(struct request *request, const struct rewrite *rewrite, struct rewritten *out);

/*
 * The same for the control process, which gets only method, target and content from the client: all
 * fields are dropped, including Host (authority becomes empty), and out->extra says who makes the
 * call (jobgate/control_fields.h). token NULL: a call without a token. False as above.
 */
bool rewrite_control(struct request *request, const struct rewrite *rewrite, const char *secret,
    struct rewritten *out);

/* What an answer must not reach beyond its job. */
struct answer_rules {
	struct slice domain; /* that the hosts of all jobs lie under; empty: there is none */
	bool shares_site;    /* other hosts of the same site have sessions of people */
};

/*
 * Mark as dropped what no job may send: Set-Cookie of the session's cookie, by which it could sign
 * a browser in with a token of its own, and of cookies for the hosts of all jobs; Clear-Site-Data,
 * which would take away the cookies of the whole site; and instructions to a proxy in front of us,
 * such as X-Accel-Redirect. (In trailers none of these ever travels.)
 */
void rewrite_answer(struct fields *fields, const struct answer_rules *rules);

/*
 * Keep shared caches from storing an answer to a request whose credential was in the field
 * `carrier`: they know only Authorization (RFC 9111 section 3.5). Cache-Control becomes private,
 * unless it says no-store; other directives stay. Fields that caches may prefer (RFC 9213) are
 * dropped, and Vary names the carrier. fields->items has room for HEAD_FIELDS_MAX. Values are put
 * together in room, which outlives the answer's head.
 */
void rewrite_private(struct fields *fields, struct slice carrier, struct writer *room);

/* Say that an answer depends on the request's field of this name. room: as above. */
void rewrite_vary(struct fields *fields, struct slice name, struct writer *room);

/*
 * The id that a trusted proxy has given the request, or an empty slice.
 */
struct slice rewrite_request_id(const struct request *request, bool peer_trusted);

/*
 * How many more proxies an OPTIONS request may pass (RFC 9110 section 7.6.2). 0: it ends here.
 * UINT64_MAX: there is no limit, or the method is another one.
 */
uint64_t rewrite_hops_left(const struct request *request);

#endif
