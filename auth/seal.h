/* seal.h - short texts that only those who hold a key can read or make: cookies, cursors. Pure. */
#ifndef JOBGATE_AUTH_SEAL_H
#define JOBGATE_AUTH_SEAL_H

#include "jobgate/slice.h"

/*
 * A sealed text is nonce (12 bytes), content and tag (16) of AES-256-GCM (NIST SP 800-38D), in
 * base64 (RFC 4648) without padding. It shows how long the content is, and nothing else.
 */
#define SEAL_KEY_LEN 32
#define SEAL_LEN_MAX 95 /* of content */
#define SEAL_TEXT_LEN(len) (((len) + 28) / 3 * 4)

/* Refuses a length that base64 would have to pad, or that is too long. */
#define SEAL_LEN_CHECK(len) \
	_Static_assert((len) <= SEAL_LEN_MAX && ((len) + 28) % 3 == 0, "see seal.h")

enum seal_alphabet {
	SEAL_BASE64,	 /* RFC 4648 section 4: '+' and '/' */
	SEAL_BASE64_URL, /* section 5: '-' and '_', for text in URLs */
};

/* What a text is sealed with; all of it must be the same to open the text. */
struct seal {
	const unsigned char *key; /* SEAL_KEY_LEN bytes, the caller's to wipe */
	struct slice purpose;	  /* what the text is for; not secret, and not in the text */
	enum seal_alphabet alphabet;
};

/*
 * Seal `len` bytes, a length that SEAL_LEN_CHECK takes, into out, which has room for
 * SEAL_TEXT_LEN(len) characters; no NUL follows them. Each call gives another text. False when
 * OpenSSL is short of memory or random bytes, or for another length: nothing usable was written.
 */
bool seal_text(const struct seal *seal, const void *content, size_t len, char *out);

/*
 * Open a text into out, which has room for `len` bytes. False when it was not sealed like this, or
 * its content has another length: nothing usable was written. There is exactly one text for each
 * sealed content: no white space, no padding, no other alphabet.
 */
bool unseal_text(const struct seal *seal, struct slice text, void *out, size_t len);

#endif
