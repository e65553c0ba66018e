/* code.c - seals one-time codes, and opens those of this site and this browser only. */
#include "browser/code.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "auth/ascii.h"
#include "auth/seal.h"
#include "http/target.h"
#include "http/write.h"

#define PLAIN_LEN (SIGN_IN_ID_LEN + NONCE_DIGEST_LEN + 8)

/* A job's id, which sessions are bound to, has no blank: no code opens as a session. */
#define PURPOSE "code "
#define PURPOSE_MAX 320
#define HOST_MAX 255

SEAL_LEN_CHECK(PLAIN_LEN);
_Static_assert(SEAL_TEXT_LEN(PLAIN_LEN) == CODE_TEXT_LEN, "the text of a code");
_Static_assert(NONCE_TEXT_LEN % 4 == 0, "base64 without padding");

bool
nonce_make(char out[NONCE_TEXT_LEN])
{
	unsigned char bytes[NONCE_TEXT_LEN / 4 * 3];
	char text[NONCE_TEXT_LEN + 1]; /* OpenSSL adds a NUL */

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	EVP_EncodeBlock((unsigned char *)text, bytes, (int)sizeof(bytes));
	for (size_t i = 0; i < NONCE_TEXT_LEN; i++)
		out[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	OPENSSL_cleanse(text, sizeof(text));
	return true;
}

bool
nonce_is_formed(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!is_alnum(text.at[i]) && text.at[i] != '-' && text.at[i] != '_')
			return false;
	return text.len == NONCE_TEXT_LEN;
}

bool
nonce_digest(struct slice nonce, unsigned char out[NONCE_DIGEST_LEN])
{
	return nonce.len == NONCE_TEXT_LEN &&
	       EVP_Digest(nonce.at, nonce.len, out, NULL, EVP_sha256(), NULL) == 1;
}

/* One text for each site: scheme, host in lower case, and the port even where it is the scheme's.
 */
static bool
purpose_of(const struct code_site *site, char out[PURPOSE_MAX], struct slice *purpose)
{
	struct writer writer = writer_of(out, PURPOSE_MAX);
	struct authority authority;
	uint16_t port = site->tls ? 443 : 80;

	if (!authority_parse(site->authority, &authority) || authority.host.len > HOST_MAX)
		return false;
	write_slice(&writer, site->tls ? SLICE(PURPOSE "https://") : SLICE(PURPOSE "http://"));
	for (size_t i = 0; i < authority.host.len; i++) {
		char c = authority.host.at[i];
		char lower = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);

		write_slice(&writer, (struct slice){&lower, 1});
	}
	write_literal(&writer, ":");
	write_number(&writer, authority.port != 0 ? authority.port : port);
	*purpose = (struct slice){out, (size_t)(writer.at - out)};
	return true;
}

bool
code_seal(const unsigned char key[SESSION_KEY_LEN], const struct code_site *site,
    const struct code *code, char out[CODE_TEXT_LEN])
{
	struct seal seal = {.key = key, .alphabet = SEAL_BASE64_URL};
	uint64_t expires_s = (uint64_t)code->expires_s;
	unsigned char plain[PLAIN_LEN], *at = plain;
	char room[PURPOSE_MAX];

	if (!purpose_of(site, room, &seal.purpose))
		return false;
	memcpy(at, code->sign_in, SIGN_IN_ID_LEN);
	at += SIGN_IN_ID_LEN;
	memcpy(at, code->nonce_digest, NONCE_DIGEST_LEN);
	at += NONCE_DIGEST_LEN;
	for (int i = 7; i >= 0; i--, expires_s >>= 8)
		at[i] = (unsigned char)expires_s;
	return seal_text(&seal, plain, PLAIN_LEN, out);
}

bool
code_open(const unsigned char key[SESSION_KEY_LEN], const struct code_site *site, struct slice text,
    int64_t now_s, struct code *out)
{
	struct seal seal = {.key = key, .alphabet = SEAL_BASE64_URL};
	unsigned char plain[PLAIN_LEN];
	uint64_t expires_s = 0;
	char room[PURPOSE_MAX];

	if (!purpose_of(site, room, &seal.purpose) || !unseal_text(&seal, text, plain, PLAIN_LEN))
		return false;
	for (size_t i = PLAIN_LEN - 8; i < PLAIN_LEN; i++)
		expires_s = expires_s << 8 | plain[i];
	if (now_s >= (int64_t)expires_s)
		return false;
	memcpy(out->sign_in, plain, SIGN_IN_ID_LEN);
	memcpy(out->nonce_digest, plain + SIGN_IN_ID_LEN, NONCE_DIGEST_LEN);
	out->expires_s = (int64_t)expires_s;
	return true;
}

bool
code_is_for(const struct code *code, struct slice nonce)
{
	unsigned char digest[NONCE_DIGEST_LEN];

	return nonce_digest(nonce, digest) &&
	       CRYPTO_memcmp(code->nonce_digest, digest, NONCE_DIGEST_LEN) == 0;
}
