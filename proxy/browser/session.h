/* session.h - sessions: the cookie that a browser has in place of a token; only gateways can read
 * it. */
#ifndef JOBGATE_BROWSER_SESSION_H
#define JOBGATE_BROWSER_SESSION_H

#include "jobgate/job.h"
#include "jobgate/message.h"
#include "jobgate/sign_in.h"
#include "jobgate/token.h"

/* __Host-: browsers accept it only over TLS from the host itself, and send it nowhere else (RFC
 * 6265bis). */
#define SESSION_COOKIE "__Host-jobgate"

/* The cookie that binds a one-time code to one browser (code.h); as private as the session's. */
#define NONCE_COOKIE "__Host-jobgate-nonce"

/* The cookie that keeps a browser at one replica of a job; jobs neither see nor set it either. */
#define REPLICA_COOKIE "__Host-jobgate-replica"
#define REPLICA_COOKIE_LEN 48

#define SESSION_KEY_LEN 32
#define SESSION_TEXT_LEN 96

/* It names the token and does not contain it: the record of that version is the proof. */
struct session {
	char token_id[TOKEN_ID_LEN];
	uint64_t version; /* of the token at sign-in: a renewal ends the session */
	unsigned char mark[TOKEN_MARK_LEN]; /* the first bytes of its hash: a script may renew a
					       token and forget the version */
	int64_t expires_s;		    /* Unix time */
};

/*
 * Seal (auth/seal.h), bound to the job, so that the text opens nothing at another job's host. False
 * when OpenSSL is short of memory or random bytes.
 */
bool session_seal(const unsigned char key[SESSION_KEY_LEN], struct slice job,
    const struct session *session, char out[SESSION_TEXT_LEN]);

/*
 * Open what was sealed with the same key for the same job. False when it was not, or has expired.
 * errno is ENOMEM if, and only if, it is false because OpenSSL is short of memory.
 */
bool session_open(const unsigned char key[SESSION_KEY_LEN], struct slice job, struct slice text,
    int64_t now_s, struct session *out);

/*
 * With a sign-in host the cookie names the sign-in, whose record in the store names the token. Its
 * text has another length than that of a session, so neither opens in place of the other.
 */
#define SIGN_IN_COOKIE_LEN 72
struct sign_in_cookie {
	unsigned char id[SIGN_IN_ID_LEN];
	int64_t expires_s; /* Unix time */
};

/* The same for a replica, which `target` stands for; its text has another length, too. */
bool replica_seal(const unsigned char key[SESSION_KEY_LEN], struct slice job, uint64_t target,
    char out[REPLICA_COOKIE_LEN]);
bool replica_open(const unsigned char key[SESSION_KEY_LEN], struct slice job, struct slice text,
    uint64_t *target);

/* What the cookie of the sign-in host itself is bound to: no job's id, since it has blanks. */
#define SIGN_IN_HOST_PURPOSE SLICE("sign-in host")

/*
 * As session_seal and session_open; purpose is the job, or SIGN_IN_HOST_PURPOSE. Where sign_in_open
 * is false because OpenSSL is short of memory, errno is ENOMEM.
 */
bool sign_in_seal(const unsigned char key[SESSION_KEY_LEN], struct slice purpose,
    const struct sign_in_cookie *cookie, char out[SIGN_IN_COOKIE_LEN]);
bool sign_in_open(const unsigned char key[SESSION_KEY_LEN], struct slice purpose, struct slice text,
    int64_t now_s, struct sign_in_cookie *out);

/* The value of the cookie of this name ("NAME="); at is NULL without one, or with more than one. */
struct slice cookie_find(const struct fields *fields, struct slice name);

/* The value of the session cookie; at is NULL without one, or with more than one. */
struct slice session_cookie(const struct fields *fields);

/*
 * Take the next "name=value" off a Cookie value, trimmed, empty ones left out. False at its end.
 */
bool cookie_next(struct slice *rest, struct slice *pair);

/* True when this pair of Cookie, or this cookie of Set-Cookie, is one of the gateway's own, in any
 * case of letters: jobs neither see nor set it. */
bool cookie_is_ours(struct slice pair);

/*
 * True when a page of the host that the request goes to has sent it: it has exactly one Origin, of
 * this authority and scheme.
 */
bool origin_is_own(const struct request *request, bool tls);

#endif
