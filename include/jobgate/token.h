/* token.h - application tokens: their secret value, and their record. */
#ifndef JOBGATE_TOKEN_H
#define JOBGATE_TOKEN_H

#include <stdint.h>

#include "jobgate/ip.h"
#include "jobgate/label.h"
#include "jobgate/limits.h"

/*
 * The value a client sends:
 *
 *   jgt_<id: 16 of [a-z0-9]>_<secret: 43 base62 characters><check: 6 base62 characters>
 *
 * The secret is 32 random characters (190 bits) and 11 minted ones, which need the store's mint key
 * (mint.h); if the store has no key, these are random as well. The check is the CRC-32 (IEEE
 * 802.3, as in zlib) of all bytes before it, in base62, most significant digit first, padded with
 * '0'. Prefix and check let secret scanners find a leaked value, and let the gateway refuse garbage
 * without asking the store. The base62 alphabet is 0-9, A-Z, a-z, in this order.
 */
#define TOKEN_ID_LEN 16
/* 18 digits, for which every program that counts versions has room. */
#define TOKEN_VERSION_MAX 999999999999999999ull
#define TOKEN_SECRET_LEN 43
#define TOKEN_MINTED_LEN 11 /* the last characters of the secret */
#define TOKEN_MINTED_AT (4 + TOKEN_ID_LEN + 1 + TOKEN_SECRET_LEN - TOKEN_MINTED_LEN) /* 53 */
#define TOKEN_CHECK_LEN 6
#define TOKEN_VALUE_LEN (4 + TOKEN_ID_LEN + 1 + TOKEN_SECRET_LEN + TOKEN_CHECK_LEN) /* 70 */
#define TOKEN_HASH_LEN 32							    /* SHA-256 */
#define TOKEN_MARK_LEN 12 /* the first bytes of a hash: enough to distinguish hashes */
#define TOKEN_NAME_MAX 63
#define GRACE_MAX_S 2592000 /* 30 days */
#define TOKEN_FROM_MAX 16   /* ranges of addresses that a token is limited to */
#define TOKEN_FROM_TEXT_MAX (TOKEN_FROM_MAX * IP_RANGE_TEXT_MAX + 1) /* with the NUL */

/* Stands for our own user at the Unix socket, who needs no token to create one. */
#define TOKEN_MADE_LOCALLY "local"

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
	/* The id of the operator's token that created it, or TOKEN_MADE_LOCALLY; may be empty. */
	struct slice created_by;
	/*
	 * When it was last used, in milliseconds since 1970 and whole minutes; 0: no use is known.
	 * Only the control API's store has it.
	 */
	uint64_t last_used_ms;
	bool use_unknown; /* the store did not let the last use be read */
	/* Milliseconds since 1970; from then on the token is refused. 0: it does not expire. */
	uint64_t expires_ms;
	struct ip_ranges from; /* of addresses from which it may be used; none: from everywhere */
	struct token_limits limits; /* what it may use */
	/* After a renewal with grace, the value before it is valid, too, until this moment; 0:
	 * none. */
	uint64_t previous_until_ms;
	unsigned char previous_hash[TOKEN_HASH_LEN];
	uint64_t previous_version; /* with a grace version - 1; a record with another has none */
};

/* "read" or "operator"; also the aliases ai_training_read and ai_training_operator. */
bool jg_role_parse(struct slice text, enum token_role *out);

/* The name of the role, "read" or "operator"; static. */
const char *jg_role_name(enum token_role role);

/* 16 characters [a-z0-9]. */
bool jg_token_id_valid(struct slice id);

/* 1 to 63 characters [A-Za-z0-9._-], alphanumeric at both ends. */
bool jg_token_name_valid(struct slice name);

/*
 * True when value has the form above and its check is right; *id then points to the id inside
 * value. This needs no store and proves nothing: it only recognizes garbage.
 */
bool jg_token_value_parse(struct slice value, struct slice *id);

/* The SHA-256 of a value, as in records. False, with nothing usable written, when OpenSSL fails. */
bool jg_token_hash(struct slice value, unsigned char out[TOKEN_HASH_LEN]);

/*
 * True when two hashes are equal, in constant time. CRYPTO_memcmp does the same, but takes ten
 * times as long.
 */
bool jg_token_hash_equal(
    const unsigned char a[TOKEN_HASH_LEN], const unsigned char b[TOKEN_HASH_LEN]);

/* Parse a hash of 64 hex digits, as in records; false when the text is not one. */
bool jg_token_hash_parse(struct slice text, unsigned char out[TOKEN_HASH_LEN]);
void jg_token_hash_format(
    const unsigned char hash[TOKEN_HASH_LEN], char out[2 * TOKEN_HASH_LEN + 1]);

/*
 * Make a new id (not NUL-terminated), and a new value for an id, with OpenSSL's random generator.
 * The value is minted with this key of MINT_KEY_LEN bytes, unless that is NULL. False, with nothing
 * usable written, when OpenSSL fails. The caller wipes the value (OPENSSL_cleanse).
 */
bool jg_token_id_make(char out[TOKEN_ID_LEN]);
bool jg_token_value_make(struct slice id, const unsigned char *mint_key, char out[TOKEN_VALUE_LEN]);

#endif
