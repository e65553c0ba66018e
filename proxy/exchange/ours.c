/* ours.c - finds what looks like a token of the gateway. */
#include "exchange/ours.h"

#include "http/bytes.h"
#include "jobgate/token.h"

#define OURS SLICE("jgt_")

/*
 * True when "jgt_" after this byte is taken for a token. After a byte of base64url or '.' it is
 * not: a job's own JWT may contain "jgt_" by chance.
 */
static bool
may_precede(char c)
{
	return !byte_is((unsigned char)c, BYTE_NAME) && c != '_' && c != '.';
}

/* True when the text begins like a token's value: "jgt_", an id and '_'. */
static bool
begins_with_value(struct slice text)
{
	const size_t len = OURS.len + TOKEN_ID_LEN;

	return text.len > len && text.at[len] == '_' &&
	       jg_token_id_valid((struct slice){text.at + OURS.len, TOKEN_ID_LEN});
}

bool
holds_ours(struct slice text)
{
	for (struct slice rest = text; rest.len >= OURS.len;) {
		const char *at = memmem(rest.at, rest.len, OURS.at, OURS.len);

		if (at == NULL)
			return false;
		rest = slice_after(rest, (size_t)(at - rest.at));
		if (at == text.at || may_precede(at[-1]) || begins_with_value(rest))
			return true;
		rest = slice_after(rest, OURS.len);
	}
	return false;
}
