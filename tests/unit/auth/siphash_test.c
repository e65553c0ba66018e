/* siphash_test.c - each variant against OpenSSL's, over texts of every length up to 100. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "auth/siphash.h"

static void
openssl_siphash(const unsigned char key[16], struct slice text, size_t size, unsigned word_rounds,
    unsigned char *out)
{
	unsigned end_rounds = word_rounds + 2;
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	OSSL_PARAM params[4] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
	    OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &word_rounds),
	    OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &end_rounds),
	    OSSL_PARAM_construct_end()};
	size_t len;

	assert_int_equal(EVP_MAC_CTX_set_params(ctx, params), 1);
	assert_int_equal(EVP_MAC_init(ctx, key, 16, NULL), 1);
	assert_int_equal(EVP_MAC_update(ctx, (const unsigned char *)text.at, text.len), 1);
	assert_int_equal(EVP_MAC_final(ctx, out, &len, size), 1);
	assert_int_equal(len, size);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

static void
test_against_openssl(void **state)
{
	unsigned char key_bytes[16], expected[16];
	uint64_t key[2], words[2];
	char text[100];

	(void)state;
	for (size_t i = 0; i < sizeof(key_bytes); i++)
		key_bytes[i] = (unsigned char)(17 * i + 3);
	memcpy(key, key_bytes, sizeof(key));
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7 + 1);
	for (size_t len = 0; len <= sizeof(text); len++) {
		openssl_siphash(key_bytes, (struct slice){text, len}, 8, 2, expected);
		words[0] = siphash_64(key, (struct slice){text, len});
		assert_memory_equal(words, expected, 8);
		openssl_siphash(key_bytes, (struct slice){text, len}, 8, 1, expected);
		words[0] = siphash13_64(key, (struct slice){text, len});
		assert_memory_equal(words, expected, 8);
		openssl_siphash(key_bytes, (struct slice){text, len}, 16, 2, expected);
		siphash_128(key, (struct slice){text, len}, words);
		assert_memory_equal(words, expected, 16);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_openssl)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
