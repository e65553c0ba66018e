/* url.c - parses the store's URL. */
#include "auth/redis/url.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "auth/ascii.h"
#include "jobgate/slice.h"

static bool
fail(char *error, size_t cap, const char *text)
{
	snprintf(error, cap, "%s", text);
	return false;
}

/* Decode percent escapes; false when it does not fit or an escape is broken. */
static bool
decode(const char *at, const char *end, char *out, size_t cap)
{
	size_t len = 0;

	while (at < end) {
		char c = *at++;

		if (c == '%') {
			if (end - at < 2 || !is_hex(at[0]) || !is_hex(at[1]))
				return false;
			c = (char)(hex_value(at[0]) << 4 | hex_value(at[1]));
			at += 2;
		}
		if (c == '\0' || len + 1 >= cap)
			return false;
		out[len++] = c;
	}
	out[len] = '\0';
	return true;
}

/* Parse a number of digits only, at most max; the text ends at end. */
static bool
parse_number(const char *at, const char *end, unsigned max, unsigned *out)
{
	struct slice text = {at, (size_t)(end - at)};
	uint64_t number;

	if (text.len > 9 || !slice_to_number(text, max, &number))
		return false;
	*out = (unsigned)number;
	return true;
}

static bool
parse_login(const char *at, const char *end, struct redis_url *out)
{
	const char *colon = memchr(at, ':', (size_t)(end - at));

	if (colon == NULL)
		return false;
	out->login.given = true;
	return decode(at, colon, out->login.user, sizeof(out->login.user)) &&
	       decode(colon + 1, end, out->login.password, sizeof(out->login.password));
}

/* True for a DNS name or an IPv4 address; if it was in brackets, for an IPv6 address. */
static bool
is_host(const char *host, bool bracketed)
{
	struct in6_addr address;

	if (bracketed)
		return inet_pton(AF_INET6, host, &address) == 1;
	for (; *host != '\0'; host++)
		if (!is_alnum(*host) && strchr("-_.", *host) == NULL)
			return false;
	return true;
}

bool
redis_host_valid(const char *host)
{
	return *host != '\0' && (is_host(host, false) || is_host(host, true));
}

/* host[:port] */
static bool
parse_place(
    const char *at, const char *end, unsigned port, char host[REDIS_TEXT_MAX], uint16_t *port_out)
{
	const char *close = NULL, *colon;

	if (at < end && *at == '[') {
		close = memchr(at, ']', (size_t)(end - at));
		if (close == NULL)
			return false;
		at++;
		colon = close + 1 < end ? close + 1 : NULL;
		if (colon != NULL && *colon != ':')
			return false;
	} else {
		colon = memchr(at, ':', (size_t)(end - at));
		close = colon != NULL ? colon : end;
	}
	if (close == at || close - at >= REDIS_TEXT_MAX)
		return false;
	memcpy(host, at, (size_t)(close - at));
	host[close - at] = '\0';
	if (!is_host(host, *close == ']'))
		return false;
	if (colon != NULL && !parse_number(colon + 1, end, UINT16_MAX, &port))
		return false;
	*port_out = (uint16_t)port;
	return port > 0;
}

/* Parse the login before a host, if there is one; *at then points after it. */
static bool
take_login(const char **at, const char *end, struct redis_url *out, char *error, size_t cap)
{
	const char *login = memrchr(*at, '@', (size_t)(end - *at));

	if (login != NULL && !parse_login(*at, login, out))
		return fail(error, cap,
		    "before '@' there must be user:password or :password, percent-encoded");
	if (login != NULL)
		*at = login + 1;
	return true;
}

/* "/N" or nothing. */
static bool
parse_database(const char *at, const char *end, struct redis_url *out, char *error, size_t cap)
{
	if (at == end || (*at == '/' && at + 1 == end))
		return true;
	if (*at != '/')
		return fail(error, cap, "a query is not allowed here");
	return parse_number(at + 1, end, UINT16_MAX, &out->database) ||
	       fail(error, cap, "after the host there may only be /N, the number of a database");
}

static bool
parse_tcp(const char *at, struct redis_url *out, char *error, size_t cap)
{
	const char *end = at + strcspn(at, "/?#");

	if (!take_login(&at, end, out, error, cap))
		return false;
	if (!parse_place(at, end, 6379, out->host, &out->port))
		return fail(error, cap, "the host or the port is not valid");
	return parse_database(end, end + strlen(end), out, error, cap);
}

/*
 * Decode the value of "NAME=VALUE" if the name is this one. False when it is not, or the value is
 * empty, broken, or given twice.
 */
static bool
parse_parameter(const char *at, const char *end, const char *name, char out[REDIS_TEXT_MAX])
{
	size_t len = strlen(name);

	return (size_t)(end - at) > len && memcmp(at, name, len) == 0 && at[len] == '=' &&
	       out[0] == '\0' && decode(at + len + 1, end, out, REDIS_TEXT_MAX) && out[0] != '\0';
}

/* Parse what follows '?'. The names of the parameters are those of go-redis. */
static bool
parse_sentinel_login(const char *at, struct redis_url *out, char *error, size_t cap)
{
	struct redis_login *login = &out->sentinel_login;

	for (const char *end = at; *end != '\0'; at = end + 1) {
		end = at + strcspn(at, "&#");
		if (*end == '#' ||
		    (!parse_parameter(at, end, "sentinel_username", login->user) &&
			!parse_parameter(at, end, "sentinel_password", login->password)))
			return fail(error, cap,
			    "after '?' there may only be sentinel_username=U and "
			    "sentinel_password=P, percent-encoded");
	}
	login->given = login->password[0] != '\0';
	return login->given || fail(error, cap, "sentinel_username needs sentinel_password");
}

/* Parse the name of a primary; Sentinel allows these characters. */
static bool
parse_master(const char *at, const char *end, struct redis_url *out)
{
	if (at == end || (size_t)(end - at) >= sizeof(out->master))
		return false;
	for (const char *c = at; c < end; c++)
		if (!is_alnum(*c) && strchr("-_.", *c) == NULL)
			return false;
	memcpy(out->master, at, (size_t)(end - at));
	out->master[end - at] = '\0';
	return true;
}

/* Parse a login, if there is one, and host[:port][,host[:port]...]. */
static bool
parse_places(
    const char *at, const char *end, unsigned port, struct redis_url *out, char *error, size_t cap)
{
	out->port = 0;
	if (!take_login(&at, end, out, error, cap))
		return false;
	for (const char *next = at; next <= end; at = next) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		struct redis_place *place = &out->places[out->place_count];

		next = comma != NULL ? comma + 1 : end + 1;
		if (out->place_count == REDIS_PLACES_MAX)
			return fail(error, cap, "there may be at most seven servers in the URL");
		if (!parse_place(at, comma != NULL ? comma : end, port, place->host, &place->port))
			return fail(error, cap, "the host or the port of a server is not valid");
		out->place_count++;
	}
	return true;
}

static bool
parse_sentinels(const char *at, struct redis_url *out, char *error, size_t cap)
{
	const char *end = at + strcspn(at, "/?#");
	const char *master_end, *query;

	if (!parse_places(at, end, 26379, out, error, cap))
		return false;
	at = *end == '/' ? end + 1 : end;
	master_end = at + strcspn(at, "/?#");
	if (!parse_master(at, master_end, out))
		return fail(error, cap,
		    "after the sentinels there must be /NAME, their name of the primary");
	query = master_end + strcspn(master_end, "?");
	if (!parse_database(master_end, query, out, error, cap))
		return false;
	return *query == '\0' || parse_sentinel_login(query + 1, out, error, cap);
}

static bool
parse_cluster(const char *at, struct redis_url *out, char *error, size_t cap)
{
	const char *end = at + strcspn(at, "/?#");

	out->cluster = true;
	if (!parse_places(at, end, 6379, out, error, cap))
		return false;
	return *end == '\0' || strcmp(end, "/") == 0 || strcmp(end, "/0") == 0 ||
	       fail(error, cap,
		   "nothing may follow the servers of a cluster: it has no other databases");
}

static bool
parse_unix(const char *at, struct redis_url *out, char *error, size_t cap)
{
	const char *query = strchr(at, '?');
	size_t len = query != NULL ? (size_t)(query - at) : strlen(at);

	if (strncmp(at, "//", 2) == 0) {
		at += 2;
		len -= 2;
	}
	if (len == 0 || at[0] != '/' || len >= sizeof(out->path))
		return fail(error, cap, "unix: needs an absolute path of at most 107 bytes");
	memcpy(out->path, at, len);
	out->path[len] = '\0';
	if (query == NULL)
		return true;
	if (strncmp(query, "?db=", 4) != 0 ||
	    !parse_number(query + 4, query + strlen(query), UINT16_MAX, &out->database))
		return fail(error, cap, "after the path there may only be ?db=N");
	return true;
}

bool
redis_url_parse(const char *text, struct redis_url *out, char *error, size_t cap)
{
	*out = (struct redis_url){.port = 6379};
	if (strncmp(text, "redis://", 8) == 0)
		return parse_tcp(text + 8, out, error, cap);
	if (strncmp(text, "rediss://", 9) == 0) {
		out->tls = true;
		return parse_tcp(text + 9, out, error, cap);
	}
	if (strncmp(text, "redis+sentinel://", 17) == 0)
		return parse_sentinels(text + 17, out, error, cap);
	if (strncmp(text, "rediss+sentinel://", 18) == 0) {
		out->tls = true;
		return parse_sentinels(text + 18, out, error, cap);
	}
	if (strncmp(text, "redis+cluster://", 16) == 0)
		return parse_cluster(text + 16, out, error, cap);
	if (strncmp(text, "rediss+cluster://", 17) == 0) {
		out->tls = true;
		return parse_cluster(text + 17, out, error, cap);
	}
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, out, error, cap);
	return fail(error, cap,
	    "a store's URL begins with redis://, rediss://, redis+sentinel://, rediss+sentinel://, "
	    "redis+cluster://, rediss+cluster:// or unix:");
}

const char *
redis_default_prefix(const char *url)
{
	return strncmp(url, "redis+cluster:", 14) == 0 || strncmp(url, "rediss+cluster:", 15) == 0
		   ? "{jobgate}:"
		   : "jobgate:";
}

void
redis_login_wipe(struct redis_login *login)
{
	login->given = false;
	OPENSSL_cleanse(login->password, sizeof(login->password));
}

void
redis_url_wipe(struct redis_url *url)
{
	redis_login_wipe(&url->login);
	redis_login_wipe(&url->sentinel_login);
}
