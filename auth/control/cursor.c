/* cursor.c - cursors in two forms: readable, and sealed with AES-256-GCM in base64url. */
#include "auth/control/cursor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "auth/record.h"

/* Nonce, readable form padded with NULs, tag; 123 bytes, a multiple of 3: base64 needs no padding.
 */
#define NONCE_LEN 12
#define PLAIN_LEN 95
#define TAG_LEN 16
#define SEALED_LEN (NONCE_LEN + PLAIN_LEN + TAG_LEN)
#define SEALED_TEXT_LEN (SEALED_LEN / 3 * 4)

_Static_assert(PLAIN_LEN == STORE_SCORE_MAX - 1 + 1 + JOB_ID_MAX, "the longest readable form");
_Static_assert(TOKEN_ID_LEN <= JOB_ID_MAX, "ids of tokens are no longer");
_Static_assert(SEALED_LEN % 3 == 0 && SEALED_TEXT_LEN < CURSOR_TEXT_MAX, "unpadded, with its NUL");

bool
cursor_key(const struct mint *mint, const unsigned char own[CURSOR_KEY_LEN],
    unsigned char out[CURSOR_KEY_LEN])
{
	static const char purpose[] = "jobgate: cursors of lists"; /* no value begins like this */
	unsigned len;

	switch (mint->state) {
	case MINT_UNKNOWN:
	case MINT_NONE:
		memcpy(out, own, CURSOR_KEY_LEN);
		return true;
	case MINT_STARTED:
	case MINT_ENFORCED:
		break;
	}
	return HMAC(EVP_sha256(), mint->key, MINT_KEY_LEN, (const unsigned char *)purpose,
		   sizeof(purpose) - 1, out, &len) != NULL;
}

void
cursor_format(const struct store_cursor *place, char out[CURSOR_TEXT_MAX])
{
	snprintf(out, CURSOR_TEXT_MAX, "%s~%s", place->score, place->id);
}

/* One pass of AES-256-GCM; the kind is authenticated too. The tag is read or written. */
static bool
pass(bool seal, const unsigned char *key, enum record_kind kind, const unsigned char *nonce,
    const unsigned char *in, unsigned char *out, unsigned char *tag)
{
	const char *noun = record_types[kind].noun;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len;
	bool good = ctx != NULL &&
		    EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, seal) == 1 &&
		    EVP_CipherUpdate(
			ctx, NULL, &len, (const unsigned char *)noun, (int)strlen(noun)) == 1 &&
		    EVP_CipherUpdate(ctx, out, &len, in, PLAIN_LEN) == 1;

	if (good && !seal)
		good = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) == 1;
	good = good && EVP_CipherFinal_ex(ctx, out + PLAIN_LEN, &len) == 1;
	if (good && seal)
		good = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, tag) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

static void
replace(char *text, const char *from, const char *to)
{
	for (; *text != '\0'; text++) {
		const char *found = strchr(from, *text);

		if (found != NULL)
			*text = to[found - from];
	}
}

bool
cursor_seal(const unsigned char key[CURSOR_KEY_LEN], enum record_kind kind,
    const struct store_cursor *place, char out[CURSOR_TEXT_MAX])
{
	char plain[CURSOR_TEXT_MAX] = {0};
	unsigned char sealed[SEALED_LEN];

	cursor_format(place, plain);
	if (RAND_bytes(sealed, NONCE_LEN) != 1 ||
	    !pass(true, key, kind, sealed, (const unsigned char *)plain, sealed + NONCE_LEN,
		sealed + NONCE_LEN + PLAIN_LEN))
		return false;
	EVP_EncodeBlock((unsigned char *)out, sealed, SEALED_LEN);
	replace(out, "+/", "-_");
	return true;
}

/* Into plain, a NUL behind it. */
static bool
unseal(
    const unsigned char *key, enum record_kind kind, struct slice text, char plain[PLAIN_LEN + 1])
{
	char base64[SEALED_TEXT_LEN + 1];
	unsigned char sealed[SEALED_LEN], tag[TAG_LEN];

	if (key == NULL || text.len != SEALED_TEXT_LEN || memchr(text.at, '\0', text.len) != NULL)
		return false;
	memcpy(base64, text.at, text.len);
	base64[text.len] = '\0';
	if (strpbrk(base64, "+/=") != NULL)
		return false;
	replace(base64, "-_", "+/");
	if (EVP_DecodeBlock(sealed, (unsigned char *)base64, SEALED_TEXT_LEN) != SEALED_LEN)
		return false;
	memcpy(tag, sealed + NONCE_LEN + PLAIN_LEN, TAG_LEN);
	plain[PLAIN_LEN] = '\0';
	return pass(false, key, kind, sealed, sealed + NONCE_LEN, (unsigned char *)plain, tag);
}

/* "<score>~<id>", the score one that Redis understands. */
static bool
parse_readable(enum record_kind kind, struct slice text, struct store_cursor *out)
{
	const char *tilde = text.len > 0 ? memchr(text.at, '~', text.len) : NULL;
	size_t score_len = tilde != NULL ? (size_t)(tilde - text.at) : 0;
	struct slice id = slice_after(text, tilde != NULL ? score_len + 1 : 0);
	char *end;

	if (tilde == NULL || score_len == 0 || score_len >= sizeof(out->score) ||
	    id.len >= sizeof(out->id))
		return false;
	if (!record_types[kind].id_valid(id))
		return false;
	snprintf(out->score, sizeof(out->score), "%.*s", (int)score_len, text.at);
	snprintf(out->id, sizeof(out->id), "%.*s", (int)id.len, id.at);
	if (strspn(out->score, "+-.0123456789einf") != score_len)
		return false;
	return !isnan(strtod(out->score, &end)) && *end == '\0';
}

bool
cursor_parse(
    const unsigned char *key, enum record_kind kind, struct slice text, struct store_cursor *out)
{
	char plain[PLAIN_LEN + 1];

	if (text.len > 0 && memchr(text.at, '~', text.len) != NULL)
		return parse_readable(kind, text, out);
	return unseal(key, kind, text, plain) && parse_readable(kind, slice_of(plain), out);
}
