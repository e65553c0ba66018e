/* sign_in.c - the texts of a sign-in's record. */
#include "jobgate/sign_in.h"

#include "auth/ascii.h"

_Static_assert(SIGN_IN_TEXT_LEN == 2 * SIGN_IN_ID_LEN, "hex");
_Static_assert(SIGN_IN_CODE_TEXT_LEN == 2 * TOKEN_HASH_LEN, "hex");
_Static_assert(SIGN_IN_MARK_TEXT_LEN == 2 * TOKEN_MARK_LEN, "hex");

/* One text for each value: no upper case. */
static bool
is_lower_hex(struct slice text, size_t len)
{
	if (text.len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_hex(text.at[i]) || (text.at[i] >= 'A' && text.at[i] <= 'F'))
			return false;
	return true;
}

static void
hex_format(const unsigned char *bytes, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

bool
jg_sign_in_id_valid(struct slice id)
{
	return is_lower_hex(id, SIGN_IN_TEXT_LEN);
}

void
jg_sign_in_id_format(const unsigned char id[SIGN_IN_ID_LEN], char out[SIGN_IN_TEXT_LEN + 1])
{
	hex_format(id, SIGN_IN_ID_LEN, out);
}

bool
jg_sign_in_code_valid(struct slice code)
{
	return is_lower_hex(code, SIGN_IN_CODE_TEXT_LEN);
}

bool
jg_sign_in_parse(
    struct slice token_id, struct slice version, struct slice mark, struct sign_in *out)
{
	if (!jg_token_id_valid(token_id) || !is_lower_hex(mark, SIGN_IN_MARK_TEXT_LEN) ||
	    version.len == 0 || version.at[0] == '0' ||
	    !slice_to_number(version, TOKEN_VERSION_MAX, &out->version))
		return false;
	memcpy(out->token_id, token_id.at, TOKEN_ID_LEN);
	for (size_t i = 0; i < TOKEN_MARK_LEN; i++)
		out->mark[i] =
		    (unsigned char)(hex_value(mark.at[2 * i]) << 4 | hex_value(mark.at[2 * i + 1]));
	return true;
}

void
jg_sign_in_mark_format(
    const unsigned char mark[TOKEN_MARK_LEN], char out[SIGN_IN_MARK_TEXT_LEN + 1])
{
	hex_format(mark, TOKEN_MARK_LEN, out);
}
