/* cursor.c - cursors in two forms: readable, and sealed. */
#include "auth/control/cursor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/hmac.h>

#include "auth/record.h"
#include "auth/seal.h"

/* The length of what is sealed: the readable form, padded with NULs. */
#define PLAIN_LEN 95

SEAL_LEN_CHECK(PLAIN_LEN);
_Static_assert(PLAIN_LEN == STORE_SCORE_MAX - 1 + 1 + JOB_ID_MAX, "the longest readable form");
_Static_assert(TOKEN_ID_LEN <= JOB_ID_MAX, "ids of tokens are no longer");
_Static_assert(SEAL_TEXT_LEN(PLAIN_LEN) < CURSOR_TEXT_MAX, "with its NUL");

bool
cursor_key(const struct mint *mint, const unsigned char own[CURSOR_KEY_LEN],
    unsigned char out[CURSOR_KEY_LEN])
{
	static const char purpose[] =
	    "jobgate: cursors of lists"; /* no token's value begins like this */
	unsigned len;

	switch (mint->state) {
	case MINT_UNKNOWN:
	case MINT_NONE:
		memcpy(out, own, CURSOR_KEY_LEN);
		return true;
	case MINT_STARTED:
	case MINT_ENFORCED:
		break;
	}
	return HMAC(EVP_sha256(), mint->key, MINT_KEY_LEN, (const unsigned char *)purpose,
		   sizeof(purpose) - 1, out, &len) != NULL;
}

void
cursor_format(const struct store_cursor *place, char out[CURSOR_TEXT_MAX])
{
	snprintf(out, CURSOR_TEXT_MAX, "%s~%s", place->score, place->id);
}

static struct seal
seal_of(const unsigned char *key, enum record_kind kind)
{
	return (struct seal){key, slice_of(record_types[kind].noun), SEAL_BASE64_URL};
}

bool
cursor_seal(const unsigned char key[CURSOR_KEY_LEN], enum record_kind kind,
    const struct store_cursor *place, char out[CURSOR_TEXT_MAX])
{
	const struct seal seal = seal_of(key, kind);
	char plain[CURSOR_TEXT_MAX] = {0};

	cursor_format(place, plain);
	out[SEAL_TEXT_LEN(PLAIN_LEN)] = '\0';
	return seal_text(&seal, plain, PLAIN_LEN, out);
}

/* Copy to plain, with a NUL after it. */
static bool
unseal(
    const unsigned char *key, enum record_kind kind, struct slice text, char plain[PLAIN_LEN + 1])
{
	const struct seal seal = seal_of(key, kind);

	plain[PLAIN_LEN] = '\0';
	return key != NULL && unseal_text(&seal, text, plain, PLAIN_LEN);
}

/* Parse "<score>~<id>"; the score must be one that Redis understands. */
static bool
parse_readable(enum record_kind kind, struct slice text, struct store_cursor *out)
{
	const char *tilde = text.len > 0 ? memchr(text.at, '~', text.len) : NULL;
	size_t score_len = tilde != NULL ? (size_t)(tilde - text.at) : 0;
	struct slice id = slice_after(text, tilde != NULL ? score_len + 1 : 0);
	char *end;

	if (tilde == NULL || score_len == 0 || score_len >= sizeof(out->score) ||
	    id.len >= sizeof(out->id))
		return false;
	if (!record_types[kind].id_valid(id))
		return false;
	snprintf(out->score, sizeof(out->score), "%.*s", (int)score_len, text.at);
	snprintf(out->id, sizeof(out->id), "%.*s", (int)id.len, id.at);
	if (strspn(out->score, "+-.0123456789einf") != score_len)
		return false;
	return !isnan(strtod(out->score, &end)) && *end == '\0';
}

bool
cursor_parse(
    const unsigned char *key, enum record_kind kind, struct slice text, struct store_cursor *out)
{
	char plain[PLAIN_LEN + 1];

	if (text.len > 0 && memchr(text.at, '~', text.len) != NULL)
		return parse_readable(kind, text, out);
	return unseal(key, kind, text, plain) && parse_readable(kind, slice_of(plain), out);
}
