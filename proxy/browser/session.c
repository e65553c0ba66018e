/* session.c - sessions as cookies: sealing and opening them, finding them in a request. */
#include "browser/session.h"

#include <string.h>

#include "auth/seal.h"
#include "http/target.h"

/* Bytes of what is sealed: the token's id, its version, the expiry and the mark. */
#define PLAIN_LEN (TOKEN_ID_LEN + 8 + 8 + TOKEN_MARK_LEN)

SEAL_LEN_CHECK(PLAIN_LEN);
_Static_assert(SEAL_TEXT_LEN(PLAIN_LEN) == SESSION_TEXT_LEN, "the text of a session");
_Static_assert(SEAL_KEY_LEN == SESSION_KEY_LEN, "the key of a session");

static void
put_number(unsigned char out[8], uint64_t number)
{
	for (int i = 7; i >= 0; i--, number >>= 8)
		out[i] = (unsigned char)number;
}

static uint64_t
get_number(const unsigned char in[8])
{
	uint64_t number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | in[i];
	return number;
}

/* Bound to the job, so that it opens nothing at another job's host. */
static struct seal
seal_of(const unsigned char key[SESSION_KEY_LEN], struct slice job)
{
	return (struct seal){key, job, SEAL_BASE64};
}

bool
session_seal(const unsigned char key[SESSION_KEY_LEN], struct slice job,
    const struct session *session, char out[SESSION_TEXT_LEN])
{
	const struct seal seal = seal_of(key, job);
	unsigned char plain[PLAIN_LEN];

	memcpy(plain, session->token_id, TOKEN_ID_LEN);
	put_number(plain + TOKEN_ID_LEN, session->version);
	put_number(plain + TOKEN_ID_LEN + 8, (uint64_t)session->expires_s);
	memcpy(plain + TOKEN_ID_LEN + 16, session->mark, TOKEN_MARK_LEN);
	return seal_text(&seal, plain, PLAIN_LEN, out);
}

bool
session_open(const unsigned char key[SESSION_KEY_LEN], struct slice job, struct slice text,
    int64_t now_s, struct session *out)
{
	const struct seal seal = seal_of(key, job);
	unsigned char plain[PLAIN_LEN];

	if (!unseal_text(&seal, text, plain, PLAIN_LEN))
		return false;
	memcpy(out->token_id, plain, TOKEN_ID_LEN);
	out->version = get_number(plain + TOKEN_ID_LEN);
	out->expires_s = (int64_t)get_number(plain + TOKEN_ID_LEN + 8);
	memcpy(out->mark, plain + TOKEN_ID_LEN + 16, TOKEN_MARK_LEN);
	return now_s < out->expires_s;
}

SEAL_LEN_CHECK(8);
_Static_assert(SEAL_TEXT_LEN(8) == REPLICA_COOKIE_LEN, "the text of a replica");

bool
replica_seal(const unsigned char key[SESSION_KEY_LEN], struct slice job, uint64_t target,
    char out[REPLICA_COOKIE_LEN])
{
	const struct seal seal = seal_of(key, job);
	unsigned char plain[8];

	put_number(plain, target);
	return seal_text(&seal, plain, sizeof(plain), out);
}

bool
replica_open(
    const unsigned char key[SESSION_KEY_LEN], struct slice job, struct slice text, uint64_t *target)
{
	const struct seal seal = seal_of(key, job);
	unsigned char plain[8];

	if (!unseal_text(&seal, text, plain, sizeof(plain)))
		return false;
	*target = get_number(plain);
	return true;
}

/* Two bytes are zero: base64 without padding. */
#define SIGN_IN_PLAIN_LEN (SIGN_IN_ID_LEN + 8 + 2)

SEAL_LEN_CHECK(SIGN_IN_PLAIN_LEN);
_Static_assert(SEAL_TEXT_LEN(SIGN_IN_PLAIN_LEN) == SIGN_IN_COOKIE_LEN, "the text of a sign-in");

bool
sign_in_seal(const unsigned char key[SESSION_KEY_LEN], struct slice purpose,
    const struct sign_in_cookie *cookie, char out[SIGN_IN_COOKIE_LEN])
{
	const struct seal seal = seal_of(key, purpose);
	unsigned char plain[SIGN_IN_PLAIN_LEN] = {0};

	memcpy(plain, cookie->id, SIGN_IN_ID_LEN);
	put_number(plain + SIGN_IN_ID_LEN, (uint64_t)cookie->expires_s);
	return seal_text(&seal, plain, sizeof(plain), out);
}

bool
sign_in_open(const unsigned char key[SESSION_KEY_LEN], struct slice purpose, struct slice text,
    int64_t now_s, struct sign_in_cookie *out)
{
	const struct seal seal = seal_of(key, purpose);
	unsigned char plain[SIGN_IN_PLAIN_LEN];

	if (!unseal_text(&seal, text, plain, sizeof(plain)))
		return false;
	memcpy(out->id, plain, SIGN_IN_ID_LEN);
	out->expires_s = (int64_t)get_number(plain + SIGN_IN_ID_LEN);
	return now_s < out->expires_s;
}

bool
cookie_next(struct slice *rest, struct slice *pair)
{
	while (rest->len > 0) {
		const char *end = memchr(rest->at, ';', rest->len);
		size_t len = end != NULL ? (size_t)(end - rest->at) : rest->len;

		*pair = slice_trim((struct slice){rest->at, len});
		*rest = slice_after(*rest, len + (end != NULL));
		if (pair->len > 0)
			return true;
	}
	return false;
}

bool
cookie_is_ours(struct slice pair)
{
	const char *equals = memchr(pair.at, '=', pair.len);
	struct slice name;

	if (equals == NULL)
		return false;
	name = slice_trim((struct slice){pair.at, (size_t)(equals - pair.at)});
	return slice_equal_nocase(name, SLICE(SESSION_COOKIE)) ||
	       slice_equal_nocase(name, SLICE(REPLICA_COOKIE)) ||
	       slice_equal_nocase(name, SLICE(NONCE_COOKIE));
}

struct slice
session_cookie(const struct fields *fields)
{
	return cookie_find(fields, SLICE(SESSION_COOKIE "="));
}

struct slice
cookie_find(const struct fields *fields, struct slice name)
{
	struct slice found = {0}, rest, pair;

	for (size_t i = 0; i < fields->count; i++) {
		if (fields->items[i].id != FIELD_COOKIE)
			continue;
		rest = fields->items[i].value;
		while (cookie_next(&rest, &pair)) {
			if (!slice_starts_with(pair, name))
				continue;
			if (found.at != NULL)
				return (struct slice){0};
			found = slice_after(pair, name.len);
		}
	}
	return found;
}

bool
origin_is_own(const struct request *request, bool tls)
{
	struct slice scheme = tls ? SLICE("https://") : SLICE("http://");
	struct authority origin, own;
	const struct field *found = NULL;

	for (size_t i = 0; i < request->fields.count; i++) {
		if (request->fields.items[i].id != FIELD_ORIGIN)
			continue;
		if (found != NULL)
			return false;
		found = &request->fields.items[i];
	}
	return found != NULL && slice_starts_with(found->value, scheme) &&
	       authority_parse(slice_after(found->value, scheme.len), &origin) &&
	       authority_parse(request->authority, &own) &&
	       authority_same(&origin, &own, tls ? 443 : 80);
}
