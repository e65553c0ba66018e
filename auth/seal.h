/* seal.h - seals short texts (cookies, cursors), so that only holders of a key can read or make
 * them. Pure functions.
 */
#ifndef JOBGATE_AUTH_SEAL_H
#define JOBGATE_AUTH_SEAL_H

#include "jobgate/slice.h"

/*
 * A sealed text is the nonce (12 bytes), content and tag (16) of AES-256-GCM (NIST SP 800-38D), in
 * base64 (RFC 4648) without padding. It reveals the length of the content and nothing else.
 */
#define SEAL_KEY_LEN 32
#define SEAL_LEN_MAX 95 /* bytes of content */
#define SEAL_TEXT_LEN(len) (((len) + 28) / 3 * 4)

/* Does not compile for a length that base64 would have to pad, or that is too long. */
#define SEAL_LEN_CHECK(len) \
	_Static_assert((len) <= SEAL_LEN_MAX && ((len) + 28) % 3 == 0, "see seal.h")

enum seal_alphabet {
	SEAL_BASE64,	 /* RFC 4648 section 4: '+' and '/' */
	SEAL_BASE64_URL, /* section 5: '-' and '_', for text in URLs */
};

/* The parameters of a seal; all must be the same to open the text. */
struct seal {
	const unsigned char *key; /* SEAL_KEY_LEN bytes, which the caller wipes */
	struct slice purpose;	  /* what the text is for; not secret, and not in the text */
	enum seal_alphabet alphabet;
};

/*
 * Seal `len` bytes into out, which has room for SEAL_TEXT_LEN(len) characters; no NUL follows them.
 * SEAL_LEN_CHECK must accept len. Each call gives a different text. False, with nothing usable
 * written, when OpenSSL is short of memory or random bytes, or for any other length.
 */
bool seal_text(const struct seal *seal, const void *content, size_t len, char *out);

/*
 * Open a text into out, which has room for `len` bytes. False, with nothing usable written, when
 * the text was not sealed with these parameters or its content has another length (errno is
 * EBADMSG), or when OpenSSL is short of memory (ENOMEM). No second text opens to the same nonce,
 * content and tag: white space, padding and other alphabets are refused.
 */
bool unseal_text(const struct seal *seal, struct slice text, void *out, size_t len);

#endif
