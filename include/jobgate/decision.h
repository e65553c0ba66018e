/* decision.h - decides which requests may pass: a pure function from evidence to verdict. */
#ifndef JOBGATE_DECISION_H
#define JOBGATE_DECISION_H

#include <stdint.h>

#include "jobgate/job.h"
#include "jobgate/mint.h"

/* What a request shows of itself (RFC 6750 section 2.1, RFC 9110 section 11.6.2). */
enum credential {
	CREDENTIAL_NONE,      /* nothing */
	CREDENTIAL_FOREIGN,   /* an Authorization that is not ours */
	CREDENTIAL_MALFORMED, /* more than one of a kind, or Bearer without a b64token */
	CREDENTIAL_BEARER,
	CREDENTIAL_SESSION, /* a browser's session: a cookie that the gateway has sealed, in place
			       of a token */
};

/*
 * Read one Authorization field value of the scheme Bearer; others are foreign. The scheme is
 * case-insensitive and one or more spaces separate it from the credential. With CREDENTIAL_BEARER
 * *value is the b64token, inside field; with other results it is empty.
 */
enum credential jg_credential_parse(struct slice field, struct slice *value);

/*
 * What a verdict needs from a Bearer credential: the token's id, and the hash that proves the
 * token.
 */
struct bearer {
	bool formed; /* it has the form of a token's value, with valid checks (token.h, mint.h) */
	char id[TOKEN_ID_LEN];		    /* when formed */
	unsigned char hash[TOKEN_HASH_LEN]; /* SHA-256 of the whole credential */
};

/*
 * Read a Bearer credential. Each one costs a SHA-256, and, if only minted values count, the check
 * of its minted part; so the time of a refusal does not reveal its reason. When OpenSSL is short of
 * memory, the result is not formed.
 */
void jg_bearer_read(const struct mint *mint, struct slice value, struct bearer *out);

/*
 * A cached digest: clients repeat their token, and this saves hashing it again. It holds no secret:
 * a keyed hash of the value (SipHash-2-4, 128 bits), and the bearer that was read from it.
 *
 * Measured benefit: if values are minted, a client that repeats its token costs 70 ns here instead
 * of 800 (with SHA extensions). That is 5 % of the CPU of a request of 13.5 us, a third of its user
 * time, and 18,600 instructions instead of 35,300 (callgrind). With 500 tokens in turn it saves 3 %
 * of the CPU; with 5,000, more than there are slots, it loses less than 1 %.
 */
struct cached_digest {
	bool kept;	   /* false: the slot is empty */
	uint64_t print[2]; /* the keyed hash of the value */
	struct bearer bearer;
};

#define DIGEST_CACHE_SLOTS 1024 /* a power of two */

/*
 * The cached digests of a worker, for all its clients. Start with all members zero, except the key.
 */
struct digest_cache {
	uint64_t key[2];       /* 128 random bits */
	uint64_t mint_edition; /* the edition under which all digests were read */
	struct cached_digest slots[DIGEST_CACHE_SLOTS];
};

/*
 * As jg_bearer_read, but from the cache if it has the value. The result depends only on the value
 * and the mint, and all digests are dropped when the mint's edition changes, so they are never
 * stale. Only formed ones are kept. Returns the slot, valid until the next call.
 */
struct cached_digest *jg_bearer_recall(
    struct digest_cache *cache, const struct mint *mint, struct slice value);

/*
 * The bearer proved nothing: drop its digest. So the same value is read in full next time, and a
 * second refusal takes as long as the first. read is the slot or a copy of it; if the slot holds
 * another digest by now, that digest stays.
 */
void jg_bearer_forget(struct digest_cache *cache, const struct cached_digest *read);

/* What the store says of a record. */
enum knowledge {
	RECORD_UNKNOWN, /* the store cannot say, or could not for longer than max_staleness */
	RECORD_ABSENT,	/* the store has no such record, or one that breaks the rules */
	RECORD_KNOWN,
};

/*
 * All that a decision needs of a token that does not expire, has no grace and is not limited to
 * addresses. Most tokens are such. The directory keeps a card in one cache line, and the rest of
 * the token elsewhere, so that most decisions touch no other memory. It owns what the pointers lead
 * to.
 */
struct token_card {
	const char *id;		   /* TOKEN_ID_LEN bytes */
	const unsigned char *hash; /* TOKEN_HASH_LEN bytes; NULL: there is no card */
	const struct label_set *selector;
};

/* All that a verdict rests on. */
struct evidence {
	enum credential credential;
	const struct bearer
	    *bearer; /* with CREDENTIAL_BEARER; with CREDENTIAL_SESSION only its id is set */
	/*
	 * With CREDENTIAL_SESSION of the sign-in host: what is known of the sign-in's record, which
	 * names the bearer; without one the bearer is not formed.
	 */
	bool by_sign_in;
	enum knowledge sign_in_known;
	/* With CREDENTIAL_SESSION, of the token at sign-in: */
	uint64_t version;
	unsigned char mark[TOKEN_MARK_LEN]; /* the first bytes of its hash */
	enum knowledge token_known;	    /* read only when the bearer is formed */
	/* With RECORD_KNOWN. May be NULL where `card` is enough: for a Bearer credential. */
	const struct token *token;
	struct token_card card; /* all of the token that a decision needs, or hash NULL */
	bool names_control;	/* the host is the control API's, so it names no job */
	bool names_job;		/* the host or the path names a job */
	enum knowledge job_known;
	const struct job *job; /* with RECORD_KNOWN; may be NULL where `labels` are enough */
	const struct label_set *labels; /* of a job that has a URL; or NULL */
	/*
	 * Without a credential of ours: the job was looked up, because the store lists it as
	 * public. Its record says whether it is.
	 */
	bool is_listed_public;
	/*
	 * The wall clock in milliseconds since 1970, read for this decision; needed only if
	 * jg_token_is_timed(token). With 0 a token that expires counts as expired, and a grace as
	 * over.
	 */
	uint64_t wall_ms;
	/*
	 * The client's address; NULL: it has none, or none that is known. Then a token that is
	 * limited to addresses is refused.
	 */
	const struct in6_addr *address;
};

/* True when the token may be used from this address, which is as in struct evidence. */
static inline bool
jg_token_admits(const struct token *token, const struct in6_addr *address)
{
	return token->from.count == 0 ||
	       (address != NULL && jg_ip_ranges_contain(&token->from, address));
}

/* True when a decision on the token needs the wall clock. */
static inline bool
jg_token_is_timed(const struct token *token)
{
	return (token->expires_ms | token->previous_until_ms) != 0;
}

/* True when the token has expired; with wall_ms 0 each token that expires has. */
static inline bool
jg_token_is_expired(const struct token *token, uint64_t wall_ms)
{
	return token->expires_ms != 0 && (wall_ms == 0 || wall_ms >= token->expires_ms);
}

/*
 * The next moment after wall_ms at which a decision on the token may change without a change of its
 * record; 0: there is none.
 */
uint64_t jg_token_turns_ms(const struct token *token, uint64_t wall_ms);

/*
 * True when the credential proves the token whose record was found; hashes are compared in constant
 * time. A Bearer credential is always compared, also if there is no record, so that all refusals of
 * a token take the same time.
 */
bool jg_evidence_proves(const struct evidence *evidence);

/* The checks run in this order. Each refusal has one status (jg_verdict_status). */
enum verdict {
	VERDICT_ALLOW,
	VERDICT_PUBLIC,		/* allowed: no token counts, and the job lets everyone in */
	VERDICT_BAD_CREDENTIAL, /* 400 invalid_request */
	VERDICT_NO_CREDENTIAL,	/* 401, no error code */
	VERDICT_INVALID_TOKEN,	/* 401 invalid_token */
	VERDICT_EXPIRED,	/* 401 invalid_token: the value is right, but its time is over */
	VERDICT_OTHER_ADDRESS,	/* 403: the value is right, but not from this address */
	VERDICT_UNAVAILABLE,	/* 503: the store cannot say */
	VERDICT_NOT_A_JOB,	/* 404: neither host nor path names a job */
	VERDICT_NO_SUCH_JOB,	/* 404, to unscoped tokens only */
	VERDICT_OUT_OF_SCOPE, /* 403 insufficient_scope, also for a job that does not exist, and for
				 a read token at the control API */
	VERDICT_NO_URL,	      /* 503: the job has no URL yet */
	/* jg_decide never returns these: they depend on the token's other requests (limits.h). */
	VERDICT_OVER_RATE,	  /* 429 */
	VERDICT_OVER_CONCURRENCY, /* 429 */
	VERDICT_LIMITS_FULL,	  /* 503: there is no room to count the token's requests */
};
#define VERDICT_COUNT (VERDICT_LIMITS_FULL + 1)

/* True when the request may pass to its job. */
static inline bool
jg_verdict_allows(enum verdict verdict)
{
	return verdict <= VERDICT_PUBLIC;
}

/*
 * Decide, in the order of the table in auth/README.md. No I/O, no clock, no state: the same
 * evidence always gets the same verdict, and everything that is not understood is refused. Hashes
 * are compared in constant time.
 */
enum verdict jg_decide(const struct evidence *evidence);

/* The same when the caller has called jg_evidence_proves already; proved is what that returned. */
enum verdict jg_decide_proved(const struct evidence *evidence, bool proved);

/*
 * Which value of a token let an exchange in: its version and hash. During the grace after a renewal
 * this may be the value before.
 */
struct token_edition {
	uint64_t version;
	unsigned char hash[TOKEN_HASH_LEN];
};

/* The edition that the evidence proves; the verdict on it must be to allow. */
struct token_edition jg_proved_edition(const struct evidence *evidence);

/*
 * The evidence's token with the version and hash of the edition that was proved, for those who
 * judge it again later; the rest is as in the record, to whose memory it points.
 */
struct token jg_proved_token(const struct evidence *evidence);

/* True when the edition is the one before the token's last renewal, which was one with grace. */
bool jg_edition_is_previous(const struct token_edition *edition, const struct token *token);

/*
 * Decide again whether a running exchange may still use this job, because a record has changed.
 * token and job are as in struct evidence, NULL with RECORD_ABSENT or RECORD_UNKNOWN. The token's
 * value is no longer known, so the version and hash under which the exchange was allowed show
 * whether the token was renewed or replaced. wall_ms and address are as in struct evidence.
 */
enum verdict jg_decide_again(enum knowledge token_known, const struct token *token,
    const struct token_edition *allowed, uint64_t wall_ms, const struct in6_addr *address,
    enum knowledge job_known, const struct job *job);

/*
 * True when this verdict on the evidence refuses a valid token that does not reach the job, and the
 * job lets everyone in: then the token does not count.
 */
static inline bool
jg_token_gives_way(const struct evidence *evidence, enum verdict verdict)
{
	return verdict == VERDICT_OUT_OF_SCOPE && evidence->names_job &&
	       evidence->job_known == RECORD_KNOWN && jg_job_is_public(evidence->job);
}

/* The same as jg_decide_again for an exchange that no token counts for (VERDICT_PUBLIC). */
enum verdict jg_decide_public_again(enum knowledge job_known, const struct job *job);

/* The edition of the token's present value. */
struct token_edition jg_token_edition(const struct token *token);

/* The edition before the last renewal; without a grace it is never valid. */
struct token_edition jg_token_previous_edition(const struct token *token);

/*
 * True when what this edition let in may go on, as far as renewals are concerned. wall_ms is as in
 * struct evidence.
 */
bool jg_edition_is_valid(
    const struct token *token, const struct token_edition *edition, uint64_t wall_ms);

/* The HTTP status of a verdict; 200 for VERDICT_ALLOW. */
unsigned jg_verdict_status(enum verdict verdict);

/* A word for logs and metrics, such as "invalid_token"; static. */
const char *jg_verdict_name(enum verdict verdict);

#endif
