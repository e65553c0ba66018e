/* suspended.h - what is kept of a request that waits for the store. */
#ifndef JOBGATE_EXCHANGE_SUSPENDED_H
#define JOBGATE_EXCHANGE_SUSPENDED_H

#include "jobgate/decision.h"
#include "jobgate/message.h"
#include "net/buffer.h"

/*
 * Which token a request says it has, as far as the request itself shows. It holds no record of the
 * store, so no record outlives a wait. Copy it with claim_copy only.
 */
struct claim {
	enum credential credential;
	uint64_t mint_edition; /* CREDENTIAL_BEARER: of the key under which it was read */
	/* CREDENTIAL_BEARER: in the worker's cache until the next request is read, or `own`.
	 * CREDENTIAL_SESSION: `own`, with the id alone; NULL with by_sign_in. Else NULL. */
	const struct cached_digest *digest;
	struct cached_digest own;
	/* CREDENTIAL_SESSION: of the token at sign-in. */
	uint64_t version;
	unsigned char mark[TOKEN_MARK_LEN];
	/* CREDENTIAL_SESSION of the sign-in host: the hash of `own` begins with the sign-in's id
	 * (SIGN_IN_ID_LEN), whose record in the store names the token. */
	bool by_sign_in;
};

/* Copy a claim; the copy needs nothing of the cache. */
void claim_copy(struct claim *to, const struct claim *from);

/* One block holds all of it. */
struct suspended {
	struct buffer *buffer; /* the block */
	struct request
	    request; /* as it came, with all of its fields; its slices are in the block */
	struct claim claim;
};

/* Text of a head that can be kept, in bytes: no request that was read has more. */
#define SUSPENDED_TEXT_MAX (4 * BUFFER_LARGE)

/* Copy a request and its claim; free the copy with suspended_free. NULL when memory is short. */
struct suspended *suspended_new(
    struct buffer_pool *buffers, const struct request *request, const struct claim *claim);

/* Wipes it: a credential lies in it. NULL is allowed. */
/* True when a text of the request lies in its own block, as all of them must. */
bool suspended_has(const struct suspended *suspended, struct slice text);

void suspended_free(struct buffer_pool *buffers, struct suspended *suspended);

#endif
