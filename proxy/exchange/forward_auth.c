/* forward_auth.c - reads what nginx, Traefik, Caddy and Envoy say of the request that they hold. */
#include "exchange/forward_auth.h"

#include "http/bytes.h"
#include "http/target.h"

#define ENDPOINT SLICE("/authorize")

/* The fields that describe the held request, each at most once; at is NULL for a missing one. */
struct words {
	struct slice forwarded_uri, forwarded_host, forwarded_method;
	struct slice original_url, original_uri, original_method;
};

/* Where the value of this field belongs; NULL for other fields. */
static struct slice *
word_of(struct words *words, enum field_id id)
{
	switch (id) {
	case FIELD_X_FORWARDED_URI:
		return &words->forwarded_uri;
	case FIELD_X_FORWARDED_HOST:
		return &words->forwarded_host;
	case FIELD_X_FORWARDED_METHOD:
		return &words->forwarded_method;
	case FIELD_X_ORIGINAL_URL:
		return &words->original_url;
	case FIELD_X_ORIGINAL_URI:
		return &words->original_uri;
	case FIELD_X_ORIGINAL_METHOD:
		return &words->original_method;
	default:
		return NULL;
	}
}

/* False when a field comes twice. */
static bool
words_read(const struct fields *fields, struct words *out)
{
	*out = (struct words){0};
	for (size_t i = 0; i < fields->count; i++) {
		struct slice *word = word_of(out, fields->items[i].id);

		if (word == NULL)
			continue;
		if (word->at != NULL)
			return false;
		*word = fields->items[i].value;
	}
	return true;
}

/* An origin-form target whose path is its own normal form. */
static bool
take_target(const struct target *target, struct request *request)
{
	request->path = target->path;
	request->query = target->query;
	return path_is_clean(target->path);
}

static bool
take_uri(struct slice uri, struct request *request)
{
	struct target target;

	return target_parse(uri, &target) == TARGET_ORIGIN && take_target(&target, request);
}

static bool
take_authority(struct slice text, struct request *request)
{
	struct authority authority;

	request->authority = text;
	return authority_parse(text, &authority);
}

/* Take the method if it is given. No decision depends on it, but it is logged. */
static bool
take_method(struct slice method, struct request *request)
{
	if (method.at != NULL)
		request->method = method;
	return is_token(request->method);
}

static bool
take_forwarded(const struct words *words, struct request *request)
{
	return take_uri(words->forwarded_uri, request) &&
	       take_authority(words->forwarded_host, request) &&
	       take_method(words->forwarded_method, request);
}

static bool
take_original(const struct words *words, struct request *request)
{
	struct target target;

	if (words->original_url.at == NULL)
		return take_uri(words->original_uri, request) &&
		       take_authority(request->authority, request) &&
		       take_method(words->original_method, request);
	return words->original_uri.at == NULL &&
	       target_parse(words->original_url, &target) == TARGET_ABSOLUTE &&
	       take_target(&target, request) && take_authority(target.authority, request) &&
	       take_method(words->original_method, request);
}

static enum forward_auth_error
read_words(const struct words *words, struct request *request)
{
	bool forwarded = words->forwarded_uri.at != NULL || words->forwarded_method.at != NULL;
	bool original = words->original_url.at != NULL || words->original_uri.at != NULL ||
			words->original_method.at != NULL;

	/* If there are two descriptions, one may be the client's. */
	if (forwarded == original)
		return FORWARD_AUTH_UNCLEAR;
	if (forwarded)
		return take_forwarded(words, request) ? FORWARD_AUTH_OK : FORWARD_AUTH_UNCLEAR;
	/* nginx does not send X-Forwarded-Host: if the request has that field, it is the
	 * client's. */
	if (words->forwarded_host.at != NULL)
		return FORWARD_AUTH_UNCLEAR;
	return take_original(words, request) ? FORWARD_AUTH_OK : FORWARD_AUTH_UNCLEAR;
}

enum forward_auth_error
forward_auth_read(struct request *request)
{
	struct words words;

	if (!slice_starts_with(request->path, ENDPOINT))
		return FORWARD_AUTH_NOT_FOUND;
	if (request->path.len > ENDPOINT.len && request->path.at[ENDPOINT.len] != '/')
		return FORWARD_AUTH_NOT_FOUND;
	if (!words_read(&request->fields, &words))
		return FORWARD_AUTH_UNCLEAR;
	if (request->path.len == ENDPOINT.len)
		return read_words(&words, request);
	if (request->path_resolved || words.forwarded_uri.at != NULL ||
	    words.forwarded_host.at != NULL || words.original_url.at != NULL ||
	    words.original_uri.at != NULL || request->authority.len == 0)
		return FORWARD_AUTH_UNCLEAR;
	request->path = slice_after(request->path, ENDPOINT.len);
	return FORWARD_AUTH_OK;
}

bool
forward_auth_path_is_plain(struct slice path)
{
	for (size_t i = 0; i + 2 < path.len; i++) {
		const char *at = path.at + i;

		if (at[0] == '%' &&
		    ((at[1] == '2' && ((at[2] | 0x20) == 'f' || (at[2] | 0x20) == 'e')) ||
			(at[1] == '5' && (at[2] | 0x20) == 'c')))
			return false;
	}
	return true;
}
