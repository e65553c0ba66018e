/* session.c - sealing and opening: nonce (12), sealed id, version, expiry and mark (44), tag
 * (16), in base64. */
#include "browser/session.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "http/target.h"

#define NONCE_LEN 12
#define PLAIN_LEN (TOKEN_ID_LEN + 8 + 8 + TOKEN_MARK_LEN)
#define TAG_LEN 16
#define SEALED_LEN (NONCE_LEN + PLAIN_LEN + TAG_LEN)

_Static_assert(SEALED_LEN % 3 == 0 && SEALED_LEN / 3 * 4 == SESSION_TEXT_LEN, "base64 unpadded");

static void
put_number(unsigned char out[8], uint64_t number)
{
	for (int i = 7; i >= 0; i--, number >>= 8)
		out[i] = (unsigned char)number;
}

static uint64_t
get_number(const unsigned char in[8])
{
	uint64_t number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | in[i];
	return number;
}

/* One pass of AES-256-GCM, the job's id as what is vouched for besides. The tag is read or written.
 */
static bool
pass(bool seal, const unsigned char *key, struct slice job, const unsigned char *nonce,
    const unsigned char *in, unsigned char *out, unsigned char *tag)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len;
	bool good =
	    ctx != NULL && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, seal) == 1 &&
	    EVP_CipherUpdate(ctx, NULL, &len, (const unsigned char *)job.at, (int)job.len) == 1 &&
	    EVP_CipherUpdate(ctx, out, &len, in, PLAIN_LEN) == 1;

	if (good && !seal)
		good = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) == 1;
	good = good && EVP_CipherFinal_ex(ctx, out + PLAIN_LEN, &len) == 1;
	if (good && seal)
		good = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, tag) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

bool
session_seal(const unsigned char key[SESSION_KEY_LEN], struct slice job,
    const struct session *session, char out[SESSION_TEXT_LEN])
{
	unsigned char plain[PLAIN_LEN], sealed[SEALED_LEN], text[SESSION_TEXT_LEN + 1];

	memcpy(plain, session->token_id, TOKEN_ID_LEN);
	put_number(plain + TOKEN_ID_LEN, session->version);
	put_number(plain + TOKEN_ID_LEN + 8, (uint64_t)session->expires_s);
	memcpy(plain + TOKEN_ID_LEN + 16, session->mark, TOKEN_MARK_LEN);
	if (RAND_bytes(sealed, NONCE_LEN) != 1 ||
	    !pass(
		true, key, job, sealed, plain, sealed + NONCE_LEN, sealed + NONCE_LEN + PLAIN_LEN))
		return false;
	EVP_EncodeBlock(text, sealed, SEALED_LEN);
	memcpy(out, text, SESSION_TEXT_LEN);
	return true;
}

bool
session_open(const unsigned char key[SESSION_KEY_LEN], struct slice job, struct slice text,
    int64_t now_s, struct session *out)
{
	unsigned char sealed[SEALED_LEN], plain[PLAIN_LEN];

	/* Padding would stand for letters: one session, one text. */
	if (text.len != SESSION_TEXT_LEN || memchr(text.at, '=', text.len) != NULL ||
	    EVP_DecodeBlock(sealed, (const unsigned char *)text.at, (int)text.len) != SEALED_LEN ||
	    !pass(
		false, key, job, sealed, sealed + NONCE_LEN, plain, sealed + NONCE_LEN + PLAIN_LEN))
		return false;
	memcpy(out->token_id, plain, TOKEN_ID_LEN);
	out->version = get_number(plain + TOKEN_ID_LEN);
	out->expires_s = (int64_t)get_number(plain + TOKEN_ID_LEN + 8);
	memcpy(out->mark, plain + TOKEN_ID_LEN + 16, TOKEN_MARK_LEN);
	return now_s < out->expires_s;
}

bool
cookie_next(struct slice *rest, struct slice *pair)
{
	while (rest->len > 0) {
		const char *end = memchr(rest->at, ';', rest->len);
		size_t len = end != NULL ? (size_t)(end - rest->at) : rest->len;

		*pair = slice_trim((struct slice){rest->at, len});
		*rest = slice_after(*rest, len + (end != NULL));
		if (pair->len > 0)
			return true;
	}
	return false;
}

bool
cookie_is_session(struct slice pair)
{
	const char *equals = memchr(pair.at, '=', pair.len);

	if (equals == NULL)
		return false;
	return slice_equal_nocase(
	    slice_trim((struct slice){pair.at, (size_t)(equals - pair.at)}), SLICE(SESSION_COOKIE));
}

struct slice
session_cookie(const struct fields *fields)
{
	struct slice found = {0}, rest, pair;

	for (size_t i = 0; i < fields->count; i++) {
		if (fields->items[i].id != FIELD_COOKIE)
			continue;
		rest = fields->items[i].value;
		while (cookie_next(&rest, &pair)) {
			if (!slice_starts_with(pair, SLICE(SESSION_COOKIE "=")))
				continue;
			if (found.at != NULL)
				return (struct slice){0};
			found = slice_after(pair, strlen(SESSION_COOKIE "="));
		}
	}
	return found;
}

bool
origin_is_own(const struct request *request, bool secure)
{
	struct slice scheme = secure ? SLICE("https://") : SLICE("http://");
	struct authority origin, own;
	const struct field *found = NULL;

	for (size_t i = 0; i < request->fields.count; i++) {
		if (request->fields.items[i].id != FIELD_ORIGIN)
			continue;
		if (found != NULL)
			return false;
		found = &request->fields.items[i];
	}
	return found != NULL && slice_starts_with(found->value, scheme) &&
	       authority_parse(slice_after(found->value, scheme.len), &origin) &&
	       authority_parse(request->authority, &own) &&
	       authority_same(&origin, &own, secure ? 443 : 80);
}
