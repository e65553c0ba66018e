/* seal.c - seals and opens texts with AES-256-GCM, in base64. */
#include "auth/seal.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "auth/ascii.h"

#define NONCE_LEN 12
#define TAG_LEN 16
#define SEALED_LEN(len) (NONCE_LEN + (len) + TAG_LEN)

SEAL_LEN_CHECK(SEAL_LEN_MAX);
_Static_assert(SEALED_LEN(SEAL_LEN_MAX) / 3 * 4 == SEAL_TEXT_LEN(SEAL_LEN_MAX), "as documented");

/*
 * Encrypt or decrypt `len` bytes at `in`. The tag is written when sealing and checked when opening.
 */
static bool
pass(bool sealing, const struct seal *seal, const unsigned char *nonce, const unsigned char *in,
    unsigned char *out, size_t len, unsigned char *tag)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;
	bool good =
	    ctx != NULL &&
	    EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, seal->key, nonce, sealing) == 1 &&
	    EVP_CipherUpdate(ctx, NULL, &n, (const unsigned char *)seal->purpose.at,
		(int)seal->purpose.len) == 1 &&
	    EVP_CipherUpdate(ctx, out, &n, in, (int)len) == 1;

	if (good && !sealing)
		good = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) == 1;
	/* Only the last step looks at the tag. */
	errno = good ? EBADMSG : ENOMEM;
	good = good && EVP_CipherFinal_ex(ctx, out + len, &n) == 1;
	if (good && sealing)
		good = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, tag) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

static bool
good_len(size_t len)
{
	return len <= SEAL_LEN_MAX && SEALED_LEN(len) % 3 == 0;
}

/* The characters 62 and 63 of each alphabet, after letters and digits. */
static const char *
marks_of(enum seal_alphabet alphabet)
{
	switch (alphabet) {
	case SEAL_BASE64:
		return "+/";
	case SEAL_BASE64_URL:
		break;
	}
	return "-_";
}

/* Convert from OpenSSL's alphabet to that of the seal. */
static void
write_marks(const struct seal *seal, char *text, size_t len)
{
	const char *marks = marks_of(seal->alphabet);

	for (size_t i = 0; i < len; i++)
		if (text[i] == '+' || text[i] == '/')
			text[i] = marks[text[i] == '/'];
}

/*
 * Convert back, into a copy. False for a character that no sealed text has: OpenSSL would skip some
 * of these, so that several texts would open to one content.
 */
static bool
read_marks(const struct seal *seal, struct slice text, unsigned char *out)
{
	const char *marks = marks_of(seal->alphabet);

	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (c != marks[0] && c != marks[1] && !is_alnum(c))
			return false;
		out[i] = (unsigned char)(c == marks[0] ? '+' : c == marks[1] ? '/' : c);
	}
	return true;
}

bool
seal_text(const struct seal *seal, const void *content, size_t len, char *out)
{
	unsigned char sealed[SEALED_LEN(SEAL_LEN_MAX)];
	char text[SEAL_TEXT_LEN(SEAL_LEN_MAX) + 1]; /* OpenSSL adds a NUL */

	if (!good_len(len) || RAND_bytes(sealed, NONCE_LEN) != 1 ||
	    !pass(true, seal, sealed, content, sealed + NONCE_LEN, len, sealed + NONCE_LEN + len))
		return false;
	EVP_EncodeBlock((unsigned char *)text, sealed, (int)SEALED_LEN(len));
	write_marks(seal, text, SEAL_TEXT_LEN(len));
	memcpy(out, text, SEAL_TEXT_LEN(len));
	return true;
}

bool
unseal_text(const struct seal *seal, struct slice text, void *out, size_t len)
{
	unsigned char base64[SEAL_TEXT_LEN(SEAL_LEN_MAX)], sealed[SEALED_LEN(SEAL_LEN_MAX)];
	unsigned char content[SEAL_LEN_MAX];

	errno = EBADMSG;
	if (!good_len(len) || text.len != SEAL_TEXT_LEN(len) || !read_marks(seal, text, base64) ||
	    EVP_DecodeBlock(sealed, base64, (int)text.len) != (int)SEALED_LEN(len) ||
	    !pass(false, seal, sealed, sealed + NONCE_LEN, content, len, sealed + NONCE_LEN + len))
		return false;
	memcpy(out, content, len);
	return true;
}
