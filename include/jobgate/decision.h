/* decision.h - who may pass: one pure function from evidence to verdict. */
#ifndef JOBGATE_DECISION_H
#define JOBGATE_DECISION_H

#include <stdint.h>

#include "jobgate/job.h"
#include "jobgate/mint.h"

/*
 * What the Authorization fields of a request hold (RFC 6750 section 2.1, RFC 9110 section 11.6.2).
 */
enum credential {
	CREDENTIAL_NONE,	 /* no field */
	CREDENTIAL_OTHER_SCHEME, /* a scheme other than Bearer */
	CREDENTIAL_MALFORMED,	 /* more than one field, or Bearer without a b64token */
	CREDENTIAL_BEARER,
	CREDENTIAL_SESSION, /* a browser's session: a cookie that the gateway has sealed, in place
			       of a token */
};

/*
 * Read one Authorization field value. The scheme is case-insensitive and one
 * or more spaces separate it from the credential. With CREDENTIAL_BEARER *value is
 * the b64token, inside field; with other results it is empty.
 */
enum credential jg_credential_parse(struct slice field, struct slice *value);

/* What a verdict needs of a Bearer credential: the id of its token, and the hash that proves it. */
struct bearer {
	bool formed;	       /* of a token's form, with a valid check (token.h, mint.h) */
	char id[TOKEN_ID_LEN]; /* when formed */
	unsigned char hash[TOKEN_HASH_LEN]; /* SHA-256 of the whole credential */
};

/*
 * Read a Bearer credential. Each one costs one SHA-256, and the check of its minted part where only
 * minted values count: the time of a refusal does not tell its reason. When OpenSSL is short of
 * memory, the result is not formed.
 */
void jg_bearer_read(const struct mint *mint, struct slice value, struct bearer *out);

/*
 * True when the bearer is of this token, in constant time. With token NULL the same
 * work is done against nothing, and the result is false.
 */
bool jg_bearer_proves(const struct bearer *bearer, const struct token *token);

/*
 * A cached digest: clients repeat their Authorization field, and this saves hashing it again. What
 * is kept is no secret: the field under a keyed hash (SipHash-2-4, 128 bits), and what came of it.
 *
 * It earns its place. Where values are minted, a client that repeats its token costs 70 ns here
 * in place of 800 (with SHA extensions): 5 % of the CPU of a request of 13.5 us, a third of its
 * user time, and 18,600 instructions in place of 35,300 (callgrind). With 500 tokens in turn it
 * saves 3 % of the CPU; with 5,000, more than there are slots, it loses under 1 %.
 */
struct cached_digest {
	bool kept;	   /* false: the slot is empty */
	uint64_t print[2]; /* the keyed hash of the field */
	struct bearer bearer;
};

#define DIGEST_CACHE_SLOTS 1024 /* a power of two */

/* The cached digests of a worker, for all its clients. Empty when all but the key is zero. */
struct digest_cache {
	uint64_t key[2];       /* 128 random bits */
	uint64_t mint_edition; /* under which all that is kept was read */
	struct cached_digest slots[DIGEST_CACHE_SLOTS];
};

/*
 * As jg_credential_parse and jg_bearer_read, unless the cache has the field already. Both depend on
 * the field and the mint alone, so a cached digest does not become stale: all are dropped when the
 * mint's edition changes. With CREDENTIAL_BEARER *out is its slot, good until the next call, else
 * NULL.
 */
enum credential jg_bearer_recall(struct digest_cache *cache, const struct mint *mint,
    struct slice field, struct cached_digest **out);

/*
 * The bearer proved nothing: drop its digest. The same field is read in full next time, so a second
 * refusal takes as long as the first. read: the slot, or a copy of it; the slot may hold another
 * digest by now, which stays.
 */
void jg_bearer_forget(struct digest_cache *cache, const struct cached_digest *read);

/* What the store says of a record. */
enum knowledge {
	RECORD_UNKNOWN, /* the store cannot say, or could not for longer than max_staleness */
	RECORD_ABSENT,	/* it has none, or one that breaks the rules */
	RECORD_KNOWN,
};

/* All that a verdict rests on. */
struct evidence {
	enum credential credential;
	const struct bearer
	    *bearer; /* with CREDENTIAL_BEARER; with CREDENTIAL_SESSION its id alone */
	/* With CREDENTIAL_SESSION, of the token at sign-in: */
	uint64_t version;
	unsigned char mark[TOKEN_MARK_LEN]; /* the first bytes of its hash */
	enum knowledge token_known;	    /* read only when the bearer is formed */
	const struct token *token;	    /* with RECORD_KNOWN */
	bool names_control;		    /* the host is that of the control API: no job then */
	bool names_job;			    /* the host or the path names a job */
	enum knowledge job_known;
	const struct job *job; /* with RECORD_KNOWN */
};

/* True when the credential proves the token whose record was found. */
bool jg_evidence_proves(const struct evidence *evidence);

/* In the order in which they are tried. Each refusal has one status (see jg_verdict_status). */
enum verdict {
	VERDICT_ALLOW,
	VERDICT_BAD_CREDENTIAL, /* 400 invalid_request */
	VERDICT_NO_CREDENTIAL,	/* 401, no error code */
	VERDICT_INVALID_TOKEN,	/* 401 invalid_token */
	VERDICT_UNAVAILABLE,	/* 503: the store cannot say */
	VERDICT_NOT_A_JOB,	/* 404: neither host nor path names a job */
	VERDICT_NO_SUCH_JOB,	/* 404, to unscoped tokens only */
	VERDICT_OUT_OF_SCOPE, /* 403 insufficient_scope, also for a job that is not there, and for a
				 read token at the control API */
	VERDICT_NO_URL,	      /* 503: the job has no URL yet */
};
#define VERDICT_COUNT (VERDICT_NO_URL + 1)

/*
 * Decide, in the order of the table in auth/README.md. No I/O, no clock, no state: the
 * same evidence always gets the same verdict, and anything not understood is
 * refused. Hashes are compared in constant time.
 */
enum verdict jg_decide(const struct evidence *evidence);

/*
 * The same for a caller who has been identified already: whether this token may
 * (still) use this job. token and job are as in struct evidence, NULL with
 * RECORD_ABSENT or RECORD_UNKNOWN. Used again when a record changes under a
 * running exchange. The value is not known any more. So the version and hash under which the
 * exchange was allowed tell whether the token was renewed or replaced since.
 */
struct token_edition {
	uint64_t version;
	unsigned char hash[TOKEN_HASH_LEN];
};
enum verdict jg_decide_again(enum knowledge token_known, const struct token *token,
    const struct token_edition *allowed, enum knowledge job_known, const struct job *job);

struct token_edition jg_token_edition(const struct token *token);

/* The HTTP status of a verdict; 200 for VERDICT_ALLOW. */
unsigned jg_verdict_status(enum verdict verdict);

/* A word for logs and metrics, such as "invalid_token"; static. */
const char *jg_verdict_name(enum verdict verdict);

#endif
