/* names.c - which field a name means. */
#include "http/names.h"

#include "http/bytes.h"
#include "http/head.h"

/* The length of the longest name below. */
#define KNOWN_NAME_MAX 28

/* No pointers: each request and answer goes over these tables for each of its fields. */
struct known_name {
	char name[KNOWN_NAME_MAX + 1];
	unsigned char id;
};

/*
 * Sorted by length, so that a name is compared with few others. FIELD_PROXY_CLAIM: fields by which
 * common proxies and gateways tell a backend the client's address, name, certificate or URL, and
 * which many backends trust (gunicorn takes SCRIPT_NAME and PATH_INFO from a peer on loopback; CGI
 * programs take Proxy for HTTP_PROXY). fields_test.c looks up each name, so it notices a wrong
 * order.
 */
static const struct known_name known_names[] = {
    {"te", FIELD_TE},
    {"via", FIELD_VIA},
    {"date", FIELD_DATE},
    {"host", FIELD_HOST},
    {"vary", FIELD_VARY},
    {"proxy", FIELD_PROXY_CLAIM},
    {"accept", FIELD_ACCEPT},
    {"cookie", FIELD_COOKIE},
    {"expect", FIELD_EXPECT},
    {"origin", FIELD_ORIGIN},
    {"x-host", FIELD_PROXY_CLAIM},
    {"trailer", FIELD_TRAILER},
    {"upgrade", FIELD_UPGRADE},
    {"x-scheme", FIELD_PROXY_CLAIM},
    {"client-ip", FIELD_PROXY_CLAIM},
    {"forwarded", FIELD_FORWARDED},
    {"path-info", FIELD_PROXY_CLAIM},
    {"x-real-ip", FIELD_PROXY_CLAIM},
    {"connection", FIELD_CONNECTION},
    {"keep-alive", FIELD_KEEP_ALIVE},
    {"set-cookie", FIELD_SET_COOKIE},
    {"tracestate", FIELD_TRACESTATE},
    {"client-cert", FIELD_PROXY_CLAIM},
    {"script-name", FIELD_PROXY_CLAIM},
    {"traceparent", FIELD_TRACEPARENT},
    {"x-auth-user", FIELD_PROXY_CLAIM},
    {"x-client-dn", FIELD_PROXY_CLAIM},
    {"x-client-ip", FIELD_PROXY_CLAIM},
    {"x-forwarded", FIELD_PROXY_CLAIM},
    {"edge-control", FIELD_CDN_CACHE_CONTROL},
    {"max-forwards", FIELD_MAX_FORWARDS},
    {"x-proxy-user", FIELD_PROXY_CLAIM},
    {"x-request-id", FIELD_X_REQUEST_ID},
    {"x-url-scheme", FIELD_PROXY_CLAIM},
    {"authorization", FIELD_AUTHORIZATION},
    {"cache-control", FIELD_CACHE_CONTROL},
    {"forwarded-for", FIELD_PROXY_CLAIM},
    {"x-client-cert", FIELD_PROXY_CLAIM},
    {"x-script-name", FIELD_PROXY_CLAIM},
    {"content-length", FIELD_CONTENT_LENGTH},
    {"http2-settings", FIELD_HTTP2_SETTINGS},
    {"true-client-ip", FIELD_PROXY_CLAIM},
    {"x-proxyuser-ip", FIELD_PROXY_CLAIM},
    {"ali-cdn-real-ip", FIELD_PROXY_CLAIM},
    {"clear-site-data", FIELD_CLEAR_SITE_DATA},
    {"front-end-https", FIELD_PROXY_CLAIM},
    {"incap-client-ip", FIELD_PROXY_CLAIM},
    {"kubeflow-userid", FIELD_PROXY_CLAIM},
    {"proxy-client-ip", FIELD_PROXY_CLAIM},
    {"x-client-verify", FIELD_PROXY_CLAIM},
    {"x-forwarded-for", FIELD_X_FORWARDED_FOR},
    {"proxy-connection", FIELD_PROXY_CONNECTION},
    {"x-forwarded-host", FIELD_X_FORWARDED_HOST},
    {"x-originating-ip", FIELD_PROXY_CLAIM},
    {"x-true-client-ip", FIELD_PROXY_CLAIM},
    {"cdn-cache-control", FIELD_CDN_CACHE_CONTROL},
    {"client-cert-chain", FIELD_PROXY_CLAIM},
    {"surrogate-control", FIELD_CDN_CACHE_CONTROL},
    {"transfer-encoding", FIELD_TRANSFER_ENCODING},
    {"x-accel-buffering", FIELD_OTHER}, /* harmless: how jobs ask nginx to stream events */
    {"x-forwarded-proto", FIELD_X_FORWARDED_PROTO},
    {"x-sucuri-clientip", FIELD_PROXY_CLAIM},
    {"proxy-authenticate", FIELD_PROXY_AUTHENTICATE},
    {"wl-proxy-client-ip", FIELD_PROXY_CLAIM},
    {"x-forwarded-prefix", FIELD_X_FORWARDED_PREFIX},
    {"proxy-authorization", FIELD_PROXY_AUTHORIZATION},
    {"x-cluster-client-ip", FIELD_PROXY_CLAIM},
    {"x-http-host-override", FIELD_PROXY_CLAIM},
    {"vercel-cdn-cache-control", FIELD_CDN_CACHE_CONTROL},
    {"netlify-cdn-cache-control", FIELD_CDN_CACHE_CONTROL},
    {"cloudflare-cdn-cache-control", FIELD_CDN_CACHE_CONTROL},
};

/* Where in known_names the names of each length begin. */
static const unsigned char first_of_length[KNOWN_NAME_MAX + 2] = {0, 0, 0, 1, 2, 5, 6, 11, 13, 14,
    18, 22, 29, 34, 39, 43, 51, 55, 62, 65, 67, 68, 68, 68, 68, 69, 70, 70, 70, 71};

/* Prefixes of names, sorted by their first letter. */
static const struct {
	struct slice name;
	enum field_id id;
} known_prefixes[] = {
    {SLICE("cf-"), FIELD_PROXY_CLAIM},
    {SLICE("cloudfront-"), FIELD_PROXY_CLAIM},
    {SLICE("fastly-"), FIELD_PROXY_CLAIM},
    {SLICE("mellon-"), FIELD_PROXY_CLAIM},
    {SLICE("oidc-"), FIELD_PROXY_CLAIM},
    {SLICE("remote-"), FIELD_PROXY_CLAIM},
    {SLICE("shib-"), FIELD_PROXY_CLAIM},
    {SLICE("ssl-client-"), FIELD_PROXY_CLAIM},
    {SLICE("tailscale-user-"), FIELD_PROXY_CLAIM},
    {SLICE("x-accel-"), FIELD_PROXY_ORDER},
    {SLICE("x-amzn-mtls-"), FIELD_PROXY_CLAIM},
    {SLICE("x-amzn-oidc-"), FIELD_PROXY_CLAIM},
    {SLICE("x-appengine-"), FIELD_PROXY_CLAIM},
    {SLICE("x-arr-"), FIELD_PROXY_CLAIM},
    {SLICE("x-auth-request-"), FIELD_PROXY_CLAIM},
    {SLICE("x-authenticated-"), FIELD_PROXY_CLAIM},
    {SLICE("x-authentik-"), FIELD_PROXY_CLAIM},
    {SLICE("x-azure-"), FIELD_PROXY_CLAIM},
    {SLICE("x-consumer-"), FIELD_PROXY_CLAIM},
    {SLICE("x-envoy-"), FIELD_PROXY_CLAIM},
    {SLICE("x-forwarded-"), FIELD_PROXY_CLAIM},
    {SLICE("x-goog-authenticated-"), FIELD_PROXY_CLAIM},
    {SLICE("x-goog-iap-"), FIELD_PROXY_CLAIM},
    {SLICE("x-jobgate-"), FIELD_X_JOBGATE},
    {SLICE("x-lighttpd-"), FIELD_PROXY_ORDER},
    {SLICE("x-ms-client-principal"), FIELD_PROXY_CLAIM},
    {SLICE("x-original-"), FIELD_PROXY_CLAIM},
    {SLICE("x-pomerium-"), FIELD_PROXY_CLAIM},
    {SLICE("x-remote-"), FIELD_PROXY_CLAIM},
    {SLICE("x-reproxy-"), FIELD_PROXY_ORDER},
    {SLICE("x-rewrite-"), FIELD_PROXY_CLAIM},
    {SLICE("x-sendfile"), FIELD_PROXY_ORDER},
    {SLICE("x-ssl-"), FIELD_PROXY_CLAIM},
    {SLICE("x-vouch-"), FIELD_PROXY_CLAIM},
    {SLICE("x-webauth-"), FIELD_PROXY_CLAIM},
};

/* Where in known_prefixes those of each letter begin. */
static const unsigned char first_of_letter[27] = {
    0, 0, 0, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 4, 4, 5, 5, 5, 6, 8, 9, 9, 9, 9, 35, 35, 35};

/* True when name begins with the prefix. The third letter differs most often. */
static bool
begins_with(struct slice name, struct slice prefix)
{
	return name.len >= prefix.len && (name.at[2] | 0x20) == (prefix.at[2] | 0x20) &&
	       slice_starts_with_nocase(name, prefix);
}

static enum field_id
identify_prefix(struct slice name, char first)
{
	size_t letter = (size_t)(first - 'a');

	if (first < 'a' || first > 'z')
		return FIELD_OTHER;
	for (size_t i = first_of_letter[letter]; i < first_of_letter[letter + 1]; i++)
		if (begins_with(name, known_prefixes[i].name))
			return known_prefixes[i].id;
	return FIELD_OTHER;
}

enum field_id
name_identify_plain(struct slice name)
{
	const size_t len = name.len <= KNOWN_NAME_MAX ? name.len : 0; /* no name has this length */
	const struct known_name *end = known_names + first_of_length[len + 1];
	const char first = (char)(name.at[0] | 0x20); /* lower case, if it is a letter */

	for (const struct known_name *at = known_names + first_of_length[len]; at < end; at++)
		if (at->name[0] == first && at->name[len - 1] == (name.at[len - 1] | 0x20) &&
		    strncasecmp(name.at, at->name, len) == 0)
			return (enum field_id)at->id;
	return identify_prefix(name, first);
}

/* A byte of a name as CGI-like interfaces read it. */
static char
plain(char c)
{
	return (char)(byte_is((unsigned char)c, BYTE_NAME) ? c : '-');
}

/*
 * Backends behind CGI-like interfaces read '-' and '_' in a name alike, some of them
 * every mark (X_Forwarded_For and X.Forwarded.For become HTTP_X_FORWARDED_FOR as well),
 * so a name that differs only there could pass for one that the gateway vouches for.
 */
enum field_id
name_identify_disguised(struct slice name)
{
	char text[KNOWN_NAME_MAX + 1] = "";
	size_t len = name.len < sizeof(text) ? name.len : sizeof(text);

	for (size_t i = 0; i < len; i++)
		text[i] = plain(name.at[i]);
	return name_identify_plain((struct slice){text, len}) == FIELD_OTHER ? FIELD_OTHER
									     : FIELD_DISGUISED;
}

enum field_id
field_identify(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is((unsigned char)name.at[i], BYTE_NAME))
			return name_identify_disguised(name);
	return name_identify_plain(name);
}

/* The same in lower case. */
static char
plain_lower(char c)
{
	c = plain(c);
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

bool
name_pattern_make(char *text)
{
	size_t len = strlen(text);

	if (len > 1 && text[len - 1] == '*')
		len--;
	if (!is_token((struct slice){text, len}) || memchr(text, '*', len) != NULL)
		return false;
	for (size_t i = 0; i < len; i++)
		text[i] = plain_lower(text[i]);
	return true;
}

static bool
matches(const char *pattern, struct slice name)
{
	size_t i = 0;

	while (i < name.len && pattern[i] == plain_lower(name.at[i]))
		i++;
	return pattern[i] == '*' || (pattern[i] == '\0' && i == name.len);
}

bool
name_is_listed(struct slice name, const char *const *patterns)
{
	for (const char *const *at = patterns; at != NULL && *at != NULL; at++)
		if (matches(*at, name))
			return true;
	return false;
}
