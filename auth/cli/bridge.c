/* bridge.c - reads the head of a request, and judges it. */
#include "auth/cli/bridge.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "jobgate/console.h"

/* What the head has; the counts show fields that come twice. */
struct seen {
	struct slice host, origin, site, authorization;
	unsigned hosts, origins, sites, authorizations, lengths;
	size_t length;
	bool malformed;
};

/* No control character: a bare CR or LF would end the line for another parser. */
static bool
is_plain(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] < ' ' || text.at[i] == 0x7f)
			return false;
	return true;
}

/* The next line of *rest, without its CR LF, which each line has. */
static struct slice
cut_line(struct slice *rest)
{
	const char *end = memmem(rest->at, rest->len, "\r\n", 2);
	struct slice line = {rest->at, end != NULL ? (size_t)(end - rest->at) : rest->len};

	*rest = slice_after(*rest, line.len + (end != NULL ? 2 : 0));
	return line;
}

static void
take_field(struct seen *seen, struct slice name, struct slice value)
{
	uint64_t length;

	if (slice_equal_nocase(name, SLICE("Host"))) {
		seen->hosts++;
		seen->host = value;
	} else if (slice_equal_nocase(name, SLICE("Origin"))) {
		seen->origins++;
		seen->origin = value;
	} else if (slice_equal_nocase(name, SLICE("Sec-Fetch-Site"))) {
		seen->sites++;
		seen->site = value;
	} else if (slice_equal_nocase(name, SLICE("Authorization"))) {
		seen->authorizations++;
		seen->authorization = value;
	} else if (slice_equal_nocase(name, SLICE("Content-Length"))) {
		seen->lengths++;
		if (value.len > 18 || !slice_to_number(value, UINT64_MAX, &length))
			seen->malformed = true;
		else
			seen->length = (size_t)length;
	} else if (slice_equal_nocase(name, SLICE("Transfer-Encoding")) ||
		   slice_equal_nocase(name, SLICE("Expect")) ||
		   slice_equal_nocase(name, SLICE("Upgrade"))) {
		seen->malformed = true; /* no browser sends these for this page */
	}
}

static void
take_fields(struct seen *seen, struct slice rest)
{
	while (rest.len > 0) {
		struct slice line = cut_line(&rest);
		const char *colon = memchr(line.at, ':', line.len);
		size_t len = colon != NULL ? (size_t)(colon - line.at) : 0;

		if (line.len == 0)
			break;
		if (!slice_is_token((struct slice){line.at, len}) || !is_plain(line)) {
			seen->malformed = true;
			return;
		}
		take_field(
		    seen, (struct slice){line.at, len}, slice_trim(slice_after(line, len + 1)));
	}
	if (seen->hosts > 1 || seen->origins > 1 || seen->sites > 1 || seen->authorizations > 1 ||
	    seen->lengths > 1)
		seen->malformed = true;
}

/*
 * A path and a query of the bytes that those of the API have, and of no others: a third-party
 * parser reads them in the control process.
 */
static bool
is_target(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i], lower = (char)(c | 0x20);

		if ((c < '0' || c > '9') && (lower < 'a' || lower > 'z') &&
		    (c == '\0' || strchr("/-._~!$&'()*+,;=:@%?", c) == NULL))
			return false;
	}
	return text.len > 0 && text.at[0] == '/';
}

static bool
read_line(struct slice line, struct bridge_request *out)
{
	const char *first = memchr(line.at, ' ', line.len);
	struct slice rest;
	const char *second;

	if (first == NULL)
		return false;
	out->method = (struct slice){line.at, (size_t)(first - line.at)};
	rest = slice_after(line, out->method.len + 1);
	second = memchr(rest.at, ' ', rest.len);
	if (second == NULL)
		return false;
	out->target = (struct slice){rest.at, (size_t)(second - rest.at)};
	return is_target(out->target) &&
	       slice_equal(slice_after(rest, out->target.len + 1), SLICE("HTTP/1.1"));
}

static bool
is_ours(const struct bridge *bridge, struct slice origin)
{
	const struct slice scheme = SLICE("http://");

	return slice_starts_with(origin, scheme) &&
	       slice_equal(slice_after(origin, scheme.len), slice_of(bridge->authority));
}

static bool
has_key(const struct bridge *bridge, struct slice authorization)
{
	const struct slice scheme = SLICE("Bearer ");

	return authorization.len == scheme.len + BRIDGE_SECRET_TEXT &&
	       memcmp(authorization.at, scheme.at, scheme.len) == 0 &&
	       CRYPTO_memcmp(authorization.at + scheme.len, bridge->key, BRIDGE_SECRET_TEXT) == 0;
}

static bool
changes(struct slice method)
{
	return slice_equal(method, SLICE("POST")) || slice_equal(method, SLICE("PATCH")) ||
	       slice_equal(method, SLICE("DELETE"));
}

/* Which request it is, before its sender is checked. */
static enum bridge_verdict
find(const struct bridge_request *request)
{
	bool get = slice_equal(request->method, SLICE("GET"));

	if (get && slice_equal(request->target, SLICE(CONSOLE_PATH)))
		return BRIDGE_PAGE;
	if (slice_equal(request->method, SLICE("POST")) &&
	    slice_equal(request->target, SLICE(BRIDGE_LINK_PATH)))
		return BRIDGE_LINK;
	if ((get || changes(request->method)) &&
	    (slice_starts_with(request->target, SLICE("/v1/")) ||
		slice_equal(request->target, SLICE("/readyz"))))
		return BRIDGE_FORWARD;
	return BRIDGE_NOT_FOUND;
}

enum bridge_verdict
bridge_judge(const struct bridge *bridge, struct slice head, struct bridge_request *out)
{
	struct slice rest = head;
	struct seen seen = {0};
	enum bridge_verdict verdict;

	*out = (struct bridge_request){0};
	if (!read_line(cut_line(&rest), out))
		return BRIDGE_MALFORMED;
	take_fields(&seen, rest);
	if (seen.malformed)
		return BRIDGE_MALFORMED;
	out->length = seen.length;
	/* A page whose name was made to lead to this address (DNS rebinding) sends that name. */
	if (seen.hosts != 1 || !slice_equal(seen.host, slice_of(bridge->authority)))
		return BRIDGE_WRONG_HOST;
	verdict = find(out);
	if (verdict == BRIDGE_NOT_FOUND)
		return verdict;
	if ((seen.origins == 1 && !is_ours(bridge, seen.origin)) ||
	    (seen.origins == 0 && changes(out->method)) ||
	    (verdict != BRIDGE_PAGE && seen.sites == 1 &&
		!slice_equal(seen.site, SLICE("same-origin"))))
		return BRIDGE_WRONG_ORIGIN;
	if (out->length > BRIDGE_CONTENT_MAX)
		return BRIDGE_TOO_LARGE;
	if (verdict == BRIDGE_FORWARD && !has_key(bridge, seen.authorization))
		return BRIDGE_NO_KEY;
	return verdict;
}

bool
bridge_renew(struct bridge *bridge, uint64_t now_ms)
{
	bridge->code_ends_ms = now_ms + BRIDGE_LINK_MS;
	return bridge_secret(bridge->code);
}

bool
bridge_expire(struct bridge *bridge, uint64_t now_ms)
{
	if (bridge->code[0] == '\0' || now_ms < bridge->code_ends_ms)
		return false;
	OPENSSL_cleanse(bridge->code, sizeof(bridge->code));
	return true;
}

bool
bridge_use_code(struct bridge *bridge, const char *code, uint64_t now_ms)
{
	bool good = bridge->code[0] != '\0' && now_ms < bridge->code_ends_ms && code != NULL &&
		    strlen(code) == BRIDGE_SECRET_TEXT &&
		    CRYPTO_memcmp(code, bridge->code, BRIDGE_SECRET_TEXT) == 0;

	if (good)
		OPENSSL_cleanse(bridge->code, sizeof(bridge->code));
	return good;
}

bool
bridge_secret(char out[BRIDGE_SECRET_TEXT + 1])
{
	unsigned char random[BRIDGE_SECRET_TEXT / 2];

	out[0] = '\0';
	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(out + 2 * i, 3, "%02x", random[i]);
	OPENSSL_cleanse(random, sizeof(random));
	return true;
}

unsigned
bridge_status(enum bridge_verdict verdict)
{
	switch (verdict) {
	case BRIDGE_PAGE:
	case BRIDGE_LINK:
	case BRIDGE_FORWARD:
		return 200;
	case BRIDGE_MALFORMED:
		break;
	case BRIDGE_WRONG_HOST:
		return 421;
	case BRIDGE_WRONG_ORIGIN:
		return 403;
	case BRIDGE_NOT_FOUND:
		return 404;
	case BRIDGE_NO_KEY:
		return 401;
	case BRIDGE_TOO_LARGE:
		return 413;
	}
	return 400;
}

const char *
bridge_detail(enum bridge_verdict verdict)
{
	switch (verdict) {
	case BRIDGE_PAGE:
	case BRIDGE_LINK:
	case BRIDGE_FORWARD:
		return "";
	case BRIDGE_MALFORMED:
		break;
	case BRIDGE_WRONG_HOST:
		return "this is not the address that jobgate console printed";
	case BRIDGE_WRONG_ORIGIN:
		return "only the console's own page may do this";
	case BRIDGE_NOT_FOUND:
		return "there is nothing at this path: open the link that jobgate console printed";
	case BRIDGE_NO_KEY:
		return "this page is not signed in: press Enter in the terminal where jobgate "
		       "console runs, and open the new link";
	case BRIDGE_TOO_LARGE:
		return "the body is larger than the control API accepts";
	}
	return "the request is not well-formed";
}
