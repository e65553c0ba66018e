/* token.c - roles, ids and names, and the secret value of a token. */
#include "jobgate/mint.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <zlib.h>

#include "auth/ascii.h"
#include "auth/base62.h"

#define VALUE_PREFIX SLICE("jgt_")

bool
jg_role_parse(struct slice text, enum token_role *out)
{
	static const struct {
		struct slice name;
		enum token_role role;
	} known[] = {
	    {SLICE("read"), ROLE_READ},
	    {SLICE("operator"), ROLE_OPERATOR},
	    {SLICE("ai_training_read"), ROLE_READ},
	    {SLICE("ai_training_operator"), ROLE_OPERATOR},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (slice_equal(text, known[i].name)) {
			*out = known[i].role;
			return true;
		}
	}
	return false;
}

const char *
jg_role_name(enum token_role role)
{
	switch (role) {
	case ROLE_READ:
		return "read";
	case ROLE_OPERATOR:
		return "operator";
	}
	return "none";
}

bool
jg_token_id_valid(struct slice id)
{
	if (id.len != TOKEN_ID_LEN)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (!is_lower(id.at[i]) && !is_digit(id.at[i]))
			return false;
	return true;
}

bool
jg_token_name_valid(struct slice name)
{
	size_t bad;

	/* The same rule as for the value of a label, but not empty. */
	return name.len > 0 && jg_label_value_check(name, &bad) == LABEL_OK;
}

/* Write the checksum of text as six digits. */
static void
write_check(struct slice text, char out[TOKEN_CHECK_LEN])
{
	base62_write(
	    (uint32_t)crc32_z(0, (const unsigned char *)text.at, text.len), out, TOKEN_CHECK_LEN);
}

bool
jg_token_value_parse(struct slice value, struct slice *id)
{
	char check[TOKEN_CHECK_LEN];

	if (value.len != TOKEN_VALUE_LEN || !slice_starts_with(value, VALUE_PREFIX) ||
	    value.at[VALUE_PREFIX.len + TOKEN_ID_LEN] != '_')
		return false;
	*id = (struct slice){value.at + VALUE_PREFIX.len, TOKEN_ID_LEN};
	if (!jg_token_id_valid(*id))
		return false;
	for (size_t i = VALUE_PREFIX.len + TOKEN_ID_LEN + 1; i < value.len; i++)
		if (!is_alnum(value.at[i]))
			return false;
	write_check((struct slice){value.at, value.len - TOKEN_CHECK_LEN}, check);
	return memcmp(check, value.at + value.len - TOKEN_CHECK_LEN, TOKEN_CHECK_LEN) == 0;
}

/*
 * Write uniformly random digits from the first `radix` of an alphabet; random bytes that would
 * favour some digits are skipped.
 */
static bool
random_digits(char *out, size_t len, const char *alphabet, unsigned radix)
{
	unsigned limit = 256 / radix * radix;
	unsigned char random[64];
	size_t used = sizeof(random);

	for (size_t i = 0; i < len;) {
		if (used == sizeof(random)) {
			if (RAND_bytes(random, sizeof(random)) != 1)
				return false;
			used = 0;
		}
		if (random[used] < limit)
			out[i++] = alphabet[random[used] % radix];
		used++;
	}
	OPENSSL_cleanse(random, sizeof(random));
	return true;
}

bool
jg_token_id_make(char out[TOKEN_ID_LEN])
{
	return random_digits(out, TOKEN_ID_LEN, "0123456789abcdefghijklmnopqrstuvwxyz", 36);
}

bool
jg_token_value_make(struct slice id, const unsigned char *mint_key, char out[TOKEN_VALUE_LEN])
{
	char *at = out;

	memcpy(at, VALUE_PREFIX.at, VALUE_PREFIX.len);
	at += VALUE_PREFIX.len;
	memcpy(at, id.at, TOKEN_ID_LEN);
	at += TOKEN_ID_LEN;
	*at++ = '_';
	if (!random_digits(at, TOKEN_SECRET_LEN, base62_digits, 62))
		return false;
	at += TOKEN_SECRET_LEN;
	if (mint_key != NULL &&
	    !jg_mint_part(mint_key, (struct slice){out, TOKEN_MINTED_AT}, out + TOKEN_MINTED_AT))
		return false;
	write_check((struct slice){out, (size_t)(at - out)}, at);
	return true;
}
