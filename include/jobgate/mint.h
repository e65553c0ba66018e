/* mint.h - the key that a store's token values are made with, and the check that one was. */
#ifndef JOBGATE_MINT_H
#define JOBGATE_MINT_H

#include <stdint.h>

#include "jobgate/token.h"

/*
 * The last 11 of the 43 characters of a value's secret are its minted part:
 * the first 65 bits of HMAC-SHA-256(key, all characters before them), as one
 * number in base62, most significant digit first, padded with '0' (62^11 is
 * more than 2^65). Only those who have the store's key can make such a value, so
 * the gateway refuses any other without asking the store. It does not prove a token: the hash in
 * the token's record does.
 */
#define MINT_KEY_LEN 32
#define MINT_KEY_TEXT_LEN (2 * MINT_KEY_LEN) /* as the store keeps it: hex digits */

enum mint_state {
	MINT_UNKNOWN,  /* the store has not said, or not within the staleness bound */
	MINT_NONE,     /* the store has no key: no value is checked */
	MINT_STARTED,  /* new values are minted, others count too */
	MINT_ENFORCED, /* only minted values count */
};

/* What is known of a store's key. Wipe it (OPENSSL_cleanse) when done with it. */
struct mint {
	enum mint_state state;
	uint64_t edition; /* another number whenever state or key have changed; 0: MINT_UNKNOWN */
	unsigned char key[MINT_KEY_LEN]; /* with MINT_STARTED and MINT_ENFORCED */
};

/* A key as the store keeps it, 64 hex digits: false when the text is none. */
bool jg_mint_key_parse(struct slice text, unsigned char out[MINT_KEY_LEN]);
void jg_mint_key_format(const unsigned char key[MINT_KEY_LEN], char out[MINT_KEY_TEXT_LEN + 1]);

/* A new key, from OpenSSL's random generator; false when that fails. */
bool jg_mint_key_make(unsigned char out[MINT_KEY_LEN]);

/*
 * The minted part that belongs behind the first TOKEN_MINTED_AT characters of a value. A longer
 * text counts as cut there. False when OpenSSL fails: nothing usable was written.
 */
bool jg_mint_part(
    const unsigned char key[MINT_KEY_LEN], struct slice before, char out[TOKEN_MINTED_LEN]);

/*
 * False when only minted values count and this one is not minted. Any text costs the
 * same work and is compared in constant time, so that a refusal's time does not tell why. False,
 * too, when OpenSSL fails. True when it cannot be told: with MINT_UNKNOWN the caller must not go on
 * to read the store.
 */
bool jg_mint_accepts(const struct mint *mint, struct slice value);

#endif
