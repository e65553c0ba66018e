/* token.h - application tokens: their secret value, and the record kept of them. */
#ifndef JOBGATE_TOKEN_H
#define JOBGATE_TOKEN_H

#include <stdint.h>

#include "jobgate/label.h"

/*
 * The value a client sends:
 *
 *   jgt_<id: 16 of [a-z0-9]>_<secret: 43 base62 characters><check: 6 base62 characters>
 *
 * The secret is 32 random characters (190 bits) and 11 minted ones, which need the store's key
 * (mint.h); where the store has none, these are random as well. The check is the CRC-32 (IEEE
 * 802.3, as in zlib) of all bytes before it, in base62, most significant digit first, padded with
 * '0'. Prefix and check let secret scanners find a leaked value, and let the gateway refuse garbage
 * without asking the store. The base62 alphabet is 0-9, A-Z, a-z, in this order.
 */
#define TOKEN_ID_LEN 16
#define TOKEN_VERSION_MAX                                                                        \
	999999999999999999ull /* 18 digits: every program that counts versions has room for them \
			       */
#define TOKEN_SECRET_LEN 43
#define TOKEN_MINTED_LEN 11 /* the last of the secret */
#define TOKEN_MINTED_AT (4 + TOKEN_ID_LEN + 1 + TOKEN_SECRET_LEN - TOKEN_MINTED_LEN) /* 53 */
#define TOKEN_CHECK_LEN 6
#define TOKEN_VALUE_LEN (4 + TOKEN_ID_LEN + 1 + TOKEN_SECRET_LEN + TOKEN_CHECK_LEN) /* 70 */
#define TOKEN_HASH_LEN 32							    /* SHA-256 */
#define TOKEN_MARK_LEN 12 /* the beginning of a hash: enough to tell it from another */
#define TOKEN_NAME_MAX 63

enum token_role {
	ROLE_READ,     /* the services behind a job's URL */
	ROLE_OPERATOR, /* the same, and the control API */
};

/* A token's record as the store keeps it; the slices and labels point into its owner's memory. */
struct token {
	struct slice id;
	struct slice name;
	enum token_role role;
	struct label_set selector;	    /* empty: unscoped, every job */
	unsigned char hash[TOKEN_HASH_LEN]; /* SHA-256 of the whole value */
	uint64_t version;		    /* 1 to TOKEN_VERSION_MAX, one more with each renew */
	uint64_t minted; /* the version whose value was minted (mint.h); 0: none */
	struct slice created_at, updated_at; /* RFC 3339, UTC; may be empty */
};

/* "read" or "operator"; also the aliases ai_training_read and ai_training_operator. */
bool jg_role_parse(struct slice text, enum token_role *out);

/* The short form, static. */
const char *jg_role_name(enum token_role role);

/* 16 characters [a-z0-9]. */
bool jg_token_id_valid(struct slice id);

/* 1 to 63 characters [A-Za-z0-9._-], alphanumeric at both ends. */
bool jg_token_name_valid(struct slice name);

/*
 * True when value has the form above and its check is right; *id then points
 * at the id inside value. Needs no store and proves nothing: it only tells a
 * token from garbage.
 */
bool jg_token_value_parse(struct slice value, struct slice *id);

/* SHA-256 of a value, as records keep it. False when OpenSSL fails: nothing usable was written. */
bool jg_token_hash(struct slice value, unsigned char out[TOKEN_HASH_LEN]);

/*
 * Whether two hashes are the same. The time that it takes does not tell where they differ, as with
 * CRYPTO_memcmp, which takes ten times as long.
 */
bool jg_token_hash_equal(
    const unsigned char a[TOKEN_HASH_LEN], const unsigned char b[TOKEN_HASH_LEN]);

/* A hash as records have it, 64 hex digits: false when the text is none. */
bool jg_token_hash_parse(struct slice text, unsigned char out[TOKEN_HASH_LEN]);
void jg_token_hash_format(
    const unsigned char hash[TOKEN_HASH_LEN], char out[2 * TOKEN_HASH_LEN + 1]);

/*
 * Make a new id (not NUL-terminated), and a new value for an id, from OpenSSL's
 * random generator. The value is minted with this key of MINT_KEY_LEN bytes; NULL: it is
 * not. False when OpenSSL fails: nothing usable was
 * written. The caller wipes the value (OPENSSL_cleanse) when done with it.
 */
bool jg_token_id_make(char out[TOKEN_ID_LEN]);
bool jg_token_value_make(struct slice id, const unsigned char *mint_key, char out[TOKEN_VALUE_LEN]);

#endif
