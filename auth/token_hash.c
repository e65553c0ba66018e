/* token_hash.c - the SHA-256 digest of a token's value, and its hex form. */
#include "jobgate/token.h"

#include <openssl/evp.h>

#include "auth/ascii.h"

/*
 * Without a fetched algorithm and a context of the caller, OpenSSL 3 looks up the algorithm and
 * allocates a context for each digest, which costs three times as much as the hash itself. So each
 * thread keeps both. They hold no secret between calls: the final step wipes the digest's state.
 */
static EVP_MD_CTX *
digest_context(const EVP_MD **md)
{
	static _Thread_local EVP_MD_CTX *context;
	static _Thread_local EVP_MD *sha256;

	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (context == NULL)
		context = EVP_MD_CTX_new();
	*md = sha256;
	return context;
}

bool
jg_token_hash(struct slice value, unsigned char out[TOKEN_HASH_LEN])
{
	const EVP_MD *md;
	EVP_MD_CTX *context = digest_context(&md);

	return context != NULL && md != NULL && EVP_DigestInit_ex2(context, md, NULL) == 1 &&
	       EVP_DigestUpdate(context, value.at, value.len) == 1 &&
	       EVP_DigestFinal_ex(context, out, NULL) == 1;
}

bool
jg_token_hash_equal(const unsigned char a[TOKEN_HASH_LEN], const unsigned char b[TOKEN_HASH_LEN])
{
	uint64_t differences = 0, a_word, b_word;

	_Static_assert(TOKEN_HASH_LEN % sizeof(a_word) == 0, "whole words");
	for (size_t i = 0; i < TOKEN_HASH_LEN; i += sizeof(a_word)) {
		memcpy(&a_word, a + i, sizeof(a_word));
		memcpy(&b_word, b + i, sizeof(b_word));
		differences |= a_word ^ b_word;
		/*
		 * The compiler cannot know the value of `differences` here, so it cannot stop
		 * early.
		 */
		__asm__ volatile("" : "+r"(differences));
	}
	return differences == 0;
}

bool
jg_token_hash_parse(struct slice text, unsigned char out[TOKEN_HASH_LEN])
{
	if (text.len != 2 * TOKEN_HASH_LEN)
		return false;
	for (size_t i = 0; i < TOKEN_HASH_LEN; i++) {
		char high = text.at[2 * i], low = text.at[2 * i + 1];

		if (!is_hex(high) || !is_hex(low))
			return false;
		out[i] = (unsigned char)(hex_value(high) << 4 | hex_value(low));
	}
	return true;
}

void
jg_token_hash_format(const unsigned char hash[TOKEN_HASH_LEN], char out[2 * TOKEN_HASH_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < TOKEN_HASH_LEN; i++) {
		*out++ = digits[hash[i] >> 4];
		*out++ = digits[hash[i] & 15];
	}
	*out = '\0';
}
