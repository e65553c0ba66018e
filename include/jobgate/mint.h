/* mint.h - the mint key of a store, with which token values are made, and the check of a value. */
#ifndef JOBGATE_MINT_H
#define JOBGATE_MINT_H

#include <stdint.h>

#include "jobgate/token.h"

/*
 * The last 11 of the 43 characters of a value's secret are its minted part: the first 65 bits of
 * HMAC-SHA-256(key, all characters before them), as one number in base62, most significant digit
 * first, padded with '0' (62^11 is more than 2^65). Only holders of the store's key can make such a
 * value, so the gateway refuses any other value without reading the store. This does not prove a
 * token; the hash in the token's record does.
 */
#define MINT_KEY_LEN 32
#define MINT_KEY_TEXT_LEN (2 * MINT_KEY_LEN) /* as the store keeps it: hex digits */

enum mint_state {
	MINT_UNKNOWN,  /* not read yet, or not within the staleness bound */
	MINT_NONE,     /* the store has no key: no value is checked */
	MINT_STARTED,  /* new values are minted, and other values still count */
	MINT_ENFORCED, /* only minted values count */
};

/* What is known of a store's key. Wipe it (OPENSSL_cleanse) when done with it. */
struct mint {
	enum mint_state state;
	uint64_t edition;		 /* changes whenever state or key change; 0: MINT_UNKNOWN */
	unsigned char key[MINT_KEY_LEN]; /* with MINT_STARTED and MINT_ENFORCED */
};

/* Parse a key in the store's form, 64 hex digits; false when the text is not one. */
bool jg_mint_key_parse(struct slice text, unsigned char out[MINT_KEY_LEN]);
void jg_mint_key_format(const unsigned char key[MINT_KEY_LEN], char out[MINT_KEY_TEXT_LEN + 1]);

/* Make a key with OpenSSL's random generator; false when that fails. */
bool jg_mint_key_make(unsigned char out[MINT_KEY_LEN]);

/*
 * Compute the minted part that follows the first TOKEN_MINTED_AT characters of a value; further
 * characters are ignored. False, with nothing usable written, when OpenSSL fails.
 */
bool jg_mint_part(
    const unsigned char key[MINT_KEY_LEN], struct slice before, char out[TOKEN_MINTED_LEN]);

/*
 * False when only minted values count and this one is not minted, or when OpenSSL fails. Each text
 * costs the same work and is compared in constant time, so that the time of a refusal does not
 * reveal its reason. True with MINT_UNKNOWN: then the caller must not read the store.
 */
bool jg_mint_accepts(const struct mint *mint, struct slice value);

#endif
