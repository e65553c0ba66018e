/* code.h - one-time codes: what the sign-in host gives a browser to take to a job's host. Pure
 * functions; the store makes a code work once.
 */
#ifndef JOBGATE_BROWSER_CODE_H
#define JOBGATE_BROWSER_CODE_H

#include "browser/session.h"
#include "jobgate/sign_in.h"

#define NONCE_DIGEST_LEN 32 /* SHA-256 */
#define CODE_TEXT_LEN 112   /* characters, of those that a query may have */
#define NONCE_TEXT_LEN 32   /* characters, of those that a cookie may have */

/* A site: scheme and authority of the job's page that gets the code. */
struct code_site {
	struct slice authority; /* host[:port], as the client wrote it */
	bool tls;
};

struct code {
	unsigned char sign_in[SIGN_IN_ID_LEN];
	unsigned char nonce_digest[NONCE_DIGEST_LEN]; /* of the browser that asked for it */
	int64_t expires_s;			      /* Unix time */
};

/*
 * Make a nonce: 192 random bits in base64url. It stays in one browser's cookie at the job's host;
 * URLs contain its digest. False when OpenSSL has no random bytes.
 */
bool nonce_make(char out[NONCE_TEXT_LEN]);

/* True for a text that nonce_make could have made. */
bool nonce_is_formed(struct slice text);

/* SHA-256 of a nonce. False for text of another length, or when OpenSSL is short of memory. */
bool nonce_digest(struct slice nonce, unsigned char out[NONCE_DIGEST_LEN]);

/*
 * Seal a code (auth/seal.h), bound to the site. False when the authority is not one, or when
 * OpenSSL is short of memory or random bytes.
 */
bool code_seal(const unsigned char key[SESSION_KEY_LEN], const struct code_site *site,
    const struct code *code, char out[CODE_TEXT_LEN]);

/*
 * Open a code. False, with nothing usable written, when it was not sealed with this key for this
 * site, or has expired: such a code needs no question to the store. True does not say that it is
 * unused, nor that the browser which brings it has asked for it (code_is_for). Use it up in any
 * case: it must be of no use to those who learn it later.
 */
bool code_open(const unsigned char key[SESSION_KEY_LEN], const struct code_site *site,
    struct slice text, int64_t now_s, struct code *out);

/* True when the browser with this nonce asked for the code. */
bool code_is_for(const struct code *code, struct slice nonce);

#endif
