/* fields_world.h - field sections for tests. */
#ifndef JOBGATE_TEST_FIELDS_WORLD_H
#define JOBGATE_TEST_FIELDS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/bytes.h"
#include "http/head.h"
#include "http/names.h"

#define CAP 4

static struct field fields[CAP];
static size_t count;

/* Parse from memory of exactly this size, so that the sanitizer sees a read behind it. */
static inline inline enum head_status
parse(struct slice section)
{
	char *copy = malloc(section.len > 0 ? section.len : 1);
	enum head_status status;

	assert_non_null(copy);
	if (section.len > 0)
		memcpy(copy, section.at, section.len);
	status = fields_parse((struct slice){copy, section.len}, fields, CAP, &count);
	for (size_t i = 0; status == HEAD_COMPLETE && i < count; i++) {
		/* Slices into the copy, read again as slices of what outlives it. */
		fields[i].name.at = section.at + (fields[i].name.at - copy);
		fields[i].value.at = section.at + (fields[i].value.at - copy);
	}
	free(copy);
	return status;
}

static const struct {
	const char *name;
	enum field_id id;
} known[] = {
    {"Accept", FIELD_ACCEPT},
    {"Ali-Cdn-Real-IP", FIELD_PROXY_CLAIM},
    {"Authorization", FIELD_AUTHORIZATION},
    {"Cache-Control", FIELD_CACHE_CONTROL},
    {"Cdn-Cache-Control", FIELD_CDN_CACHE_CONTROL},
    {"Clear-Site-Data", FIELD_CLEAR_SITE_DATA},
    {"Client-Cert", FIELD_PROXY_CLAIM},
    {"Client-Cert-Chain", FIELD_PROXY_CLAIM},
    {"Client-IP", FIELD_PROXY_CLAIM},
    {"Cloudflare-Cdn-Cache-Control", FIELD_CDN_CACHE_CONTROL},
    {"Connection", FIELD_CONNECTION},
    {"Content-Length", FIELD_CONTENT_LENGTH},
    {"Cookie", FIELD_COOKIE},
    {"Date", FIELD_DATE},
    {"Edge-Control", FIELD_CDN_CACHE_CONTROL},
    {"Expect", FIELD_EXPECT},
    {"Forwarded", FIELD_FORWARDED},
    {"Forwarded-For", FIELD_PROXY_CLAIM},
    {"Front-End-Https", FIELD_PROXY_CLAIM},
    {"Host", FIELD_HOST},
    {"Http2-Settings", FIELD_HTTP2_SETTINGS},
    {"Incap-Client-IP", FIELD_PROXY_CLAIM},
    {"Keep-Alive", FIELD_KEEP_ALIVE},
    {"Kubeflow-Userid", FIELD_PROXY_CLAIM},
    {"Max-Forwards", FIELD_MAX_FORWARDS},
    {"Netlify-Cdn-Cache-Control", FIELD_CDN_CACHE_CONTROL},
    {"Origin", FIELD_ORIGIN},
    {"Path-Info", FIELD_PROXY_CLAIM},
    {"Proxy", FIELD_PROXY_CLAIM},
    {"Proxy-Authenticate", FIELD_PROXY_AUTHENTICATE},
    {"Proxy-Authorization", FIELD_PROXY_AUTHORIZATION},
    {"Proxy-Client-IP", FIELD_PROXY_CLAIM},
    {"Proxy-Connection", FIELD_PROXY_CONNECTION},
    {"Script-Name", FIELD_PROXY_CLAIM},
    {"Set-Cookie", FIELD_SET_COOKIE},
    {"Surrogate-Control", FIELD_CDN_CACHE_CONTROL},
    {"TE", FIELD_TE},
    {"Traceparent", FIELD_TRACEPARENT},
    {"Tracestate", FIELD_TRACESTATE},
    {"Trailer", FIELD_TRAILER},
    {"Transfer-Encoding", FIELD_TRANSFER_ENCODING},
    {"True-Client-IP", FIELD_PROXY_CLAIM},
    {"Upgrade", FIELD_UPGRADE},
    {"Vary", FIELD_VARY},
    {"Vercel-Cdn-Cache-Control", FIELD_CDN_CACHE_CONTROL},
    {"Via", FIELD_VIA},
    {"Wl-Proxy-Client-IP", FIELD_PROXY_CLAIM},
    {"X-Auth-User", FIELD_PROXY_CLAIM},
    {"X-Client-Cert", FIELD_PROXY_CLAIM},
    {"X-Client-DN", FIELD_PROXY_CLAIM},
    {"X-Client-IP", FIELD_PROXY_CLAIM},
    {"X-Client-Verify", FIELD_PROXY_CLAIM},
    {"X-Cluster-Client-IP", FIELD_PROXY_CLAIM},
    {"X-Forwarded", FIELD_PROXY_CLAIM},
    {"X-Forwarded-For", FIELD_X_FORWARDED_FOR},
    {"X-Forwarded-Host", FIELD_X_FORWARDED_HOST},
    {"X-Forwarded-Method", FIELD_X_FORWARDED_METHOD},
    {"X-Forwarded-Prefix", FIELD_X_FORWARDED_PREFIX},
    {"X-Forwarded-Proto", FIELD_X_FORWARDED_PROTO},
    {"X-Forwarded-Uri", FIELD_X_FORWARDED_URI},
    {"X-Host", FIELD_PROXY_CLAIM},
    {"X-Http-Host-Override", FIELD_PROXY_CLAIM},
    {"X-Original-Method", FIELD_X_ORIGINAL_METHOD},
    {"X-Original-Uri", FIELD_X_ORIGINAL_URI},
    {"X-Original-Url", FIELD_X_ORIGINAL_URL},
    {"X-Originating-IP", FIELD_PROXY_CLAIM},
    {"X-Proxy-User", FIELD_PROXY_CLAIM},
    {"X-Proxyuser-IP", FIELD_PROXY_CLAIM},
    {"X-Real-IP", FIELD_PROXY_CLAIM},
    {"X-Request-Id", FIELD_X_REQUEST_ID},
    {"X-Scheme", FIELD_PROXY_CLAIM},
    {"X-Script-Name", FIELD_PROXY_CLAIM},
    {"X-Sucuri-Clientip", FIELD_PROXY_CLAIM},
    {"X-True-Client-IP", FIELD_PROXY_CLAIM},
    {"X-Url-Scheme", FIELD_PROXY_CLAIM},
    {"Cf-Any", FIELD_PROXY_CLAIM},
    {"Cloudfront-Any", FIELD_PROXY_CLAIM},
    {"Fastly-Any", FIELD_PROXY_CLAIM},
    {"Mellon-Any", FIELD_PROXY_CLAIM},
    {"Oidc-Any", FIELD_PROXY_CLAIM},
    {"Remote-Any", FIELD_PROXY_CLAIM},
    {"Shib-Any", FIELD_PROXY_CLAIM},
    {"Ssl-Client-Any", FIELD_PROXY_CLAIM},
    {"Tailscale-User-Any", FIELD_PROXY_CLAIM},
    {"X-Accel-Any", FIELD_PROXY_ORDER},
    {"X-Amzn-Mtls-Any", FIELD_PROXY_CLAIM},
    {"X-Amzn-Oidc-Any", FIELD_PROXY_CLAIM},
    {"X-Appengine-Any", FIELD_PROXY_CLAIM},
    {"X-Arr-Any", FIELD_PROXY_CLAIM},
    {"X-Auth-Request-Any", FIELD_PROXY_CLAIM},
    {"X-Authenticated-Any", FIELD_PROXY_CLAIM},
    {"X-Authentik-Any", FIELD_PROXY_CLAIM},
    {"X-Azure-Any", FIELD_PROXY_CLAIM},
    {"X-Consumer-Any", FIELD_PROXY_CLAIM},
    {"X-Envoy-Any", FIELD_PROXY_CLAIM},
    {"X-Forwarded-Any", FIELD_PROXY_CLAIM},
    {"X-Goog-Authenticated-Any", FIELD_PROXY_CLAIM},
    {"X-Goog-Iap-Any", FIELD_PROXY_CLAIM},
    {"X-Jobgate-Any", FIELD_X_JOBGATE},
    {"X-Jobgate-Authorization", FIELD_X_JOBGATE_AUTHORIZATION},
    {"X-Lighttpd-Any", FIELD_PROXY_ORDER},
    {"X-Ms-Client-Principal-Any", FIELD_PROXY_CLAIM},
    {"X-Original-Any", FIELD_PROXY_CLAIM},
    {"X-Pomerium-Any", FIELD_PROXY_CLAIM},
    {"X-Remote-Any", FIELD_PROXY_CLAIM},
    {"X-Reproxy-Any", FIELD_PROXY_ORDER},
    {"X-Rewrite-Any", FIELD_PROXY_CLAIM},
    {"X-Sendfile-Any", FIELD_PROXY_ORDER},
    {"X-Ssl-Any", FIELD_PROXY_CLAIM},
    {"X-Vouch-Any", FIELD_PROXY_CLAIM},
    {"X-Webauth-Any", FIELD_PROXY_CLAIM},
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

#endif
