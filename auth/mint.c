/* mint.c - keyed checks of token values: HMAC-SHA-256 in base62. */
#include "jobgate/mint.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#include "auth/base62.h"

#define BLOCK 64 /* of SHA-256, in bytes */

_Static_assert(MINT_KEY_LEN == TOKEN_HASH_LEN, "both are written as 64 hex digits");

bool
jg_mint_key_parse(struct slice text, unsigned char out[MINT_KEY_LEN])
{
	return jg_token_hash_parse(text, out);
}

void
jg_mint_key_format(const unsigned char key[MINT_KEY_LEN], char out[MINT_KEY_TEXT_LEN + 1])
{
	jg_token_hash_format(key, out);
}

bool
jg_mint_key_make(unsigned char out[MINT_KEY_LEN])
{
	return RAND_bytes(out, MINT_KEY_LEN) == 1;
}

/*
 * HMAC (RFC 2104) on top of jg_token_hash, because OpenSSL's HMAC allocates memory in each call.
 * The text is at most one block long.
 */
static bool
hmac(const unsigned char key[MINT_KEY_LEN], struct slice text, unsigned char out[TOKEN_HASH_LEN])
{
	unsigned char inner[2 * BLOCK], outer[BLOCK + TOKEN_HASH_LEN];
	bool made;

	memset(inner, 0x36, BLOCK);
	memset(outer, 0x5c, BLOCK);
	for (size_t i = 0; i < MINT_KEY_LEN; i++) {
		inner[i] ^= key[i];
		outer[i] ^= key[i];
	}
	if (text.len > 0)
		memcpy(inner + BLOCK, text.at, text.len);
	made = jg_token_hash((struct slice){(char *)inner, BLOCK + text.len}, outer + BLOCK) &&
	       jg_token_hash((struct slice){(char *)outer, sizeof(outer)}, out);
	OPENSSL_cleanse(inner, sizeof(inner));
	OPENSSL_cleanse(outer, sizeof(outer));
	return made;
}

/*
 * Write the first 65 bits of a digest. They do not fit into 64 bits, so the last digit is computed
 * first: for n of 64 bits and one more bit b, (2n + b) mod 62 = 2 (n mod 31) + b.
 */
static void
write_digits(const unsigned char digest[TOKEN_HASH_LEN], char out[TOKEN_MINTED_LEN])
{
	uint64_t high = 0;

	for (size_t i = 0; i < 8; i++)
		high = high << 8 | digest[i];
	out[TOKEN_MINTED_LEN - 1] = base62_digits[high % 31 * 2 + digest[8] / 128];
	base62_write(high / 31, out, TOKEN_MINTED_LEN - 1);
}

bool
jg_mint_part(const unsigned char key[MINT_KEY_LEN], struct slice before, char out[TOKEN_MINTED_LEN])
{
	unsigned char digest[TOKEN_HASH_LEN];
	bool made;

	_Static_assert(TOKEN_MINTED_AT <= BLOCK, "hmac has room for it");
	before.len = before.len < TOKEN_MINTED_AT ? before.len : TOKEN_MINTED_AT;
	made = hmac(key, before, digest);
	if (made)
		write_digits(digest, out);
	OPENSSL_cleanse(digest, sizeof(digest));
	return made;
}

bool
jg_mint_accepts(const struct mint *mint, struct slice value)
{
	char expected[TOKEN_MINTED_LEN], found[TOKEN_MINTED_LEN] = {0};
	bool accepted;

	switch (mint->state) {
	case MINT_UNKNOWN:
	case MINT_NONE:
	case MINT_STARTED:
		return true;
	case MINT_ENFORCED:
		break;
	}
	if (value.len >= TOKEN_MINTED_AT + TOKEN_MINTED_LEN)
		memcpy(found, value.at + TOKEN_MINTED_AT, TOKEN_MINTED_LEN);
	accepted = jg_mint_part(mint->key, value, expected) &&
		   CRYPTO_memcmp(found, expected, TOKEN_MINTED_LEN) == 0;
	OPENSSL_cleanse(expected, sizeof(expected));
	return accepted;
}
