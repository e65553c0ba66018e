/* origin.c - which pages may cause requests that a browser authenticates by itself. */
#include "exchange/origin.h"
#include "browser/session.h"
#include "exchange/exchange_state.h"
#include "exchange/rewrite.h"

/*
 * True when the browser says (Fetch Metadata) that a page of another site or job made the request,
 * and that the user did not follow a link.
 */
static bool
is_embedded(const struct request *request)
{
	const struct fields *fields = &request->fields;
	struct slice site = field_value(fields, FIELD_SEC_FETCH_SITE);

	if (site.len == 0 || slice_equal(site, SLICE("same-origin")) ||
	    slice_equal(site, SLICE("none")))
		return false;
	return !slice_equal(field_value(fields, FIELD_SEC_FETCH_MODE), SLICE("navigate")) ||
	       !slice_equal(field_value(fields, FIELD_SEC_FETCH_DEST), SLICE("document"));
}

/*
 * True when a page that browser.embed lists shows the job in a frame. Another proxy, which asks us,
 * sends the job's answer itself, and nothing there limits the frames: then there is no such page.
 */
static bool
is_embedded_by_listed(const struct exchange *exchange, const struct request *request)
{
	return exchange->context->frame_policy.len > 0 && exchange_by_session(exchange) &&
	       !exchange->peer->forward_auth &&
	       frame_is_from(exchange->context->options.embed, request);
}

bool
exchange_uses_tls(const struct exchange *exchange, const struct request *request)
{
	struct slice scheme = field_value(&request->fields, FIELD_X_FORWARDED_PROTO);

	/* Traefik writes wss for a WebSocket. */
	return exchange->peer->tls ||
	       (exchange->peer->trusted && (slice_equal_nocase(scheme, SLICE("https")) ||
					       slice_equal_nocase(scheme, SLICE("wss"))));
}

static bool
has_origin(const struct request *request)
{
	return field_value(&request->fields, FIELD_ORIGIN).at != NULL;
}

/*
 * True when any page may cause the request. The method is read from its text: the one that another
 * proxy holds is not that of its question. That proxy may also not tell of an upgrade, with which
 * browsers always send Origin. With Basic there may be no TLS, and then browsers do not say (Fetch
 * Metadata) that a script of another page may read the answer; but they send Origin.
 */
static bool
is_harmless(const struct exchange *exchange, const struct request *request)
{
	bool safe = slice_equal(request->method, SLICE("GET")) ||
		    slice_equal(request->method, SLICE("HEAD")) ||
		    slice_equal(request->method, SLICE("OPTIONS"));

	return safe && request->upgrade.len == 0 &&
	       !((exchange->peer->forward_auth || exchange->by_basic) && has_origin(request));
}

/* True when the browser, and not its user or a program, has added the credential. */
static bool
is_browsers(const struct exchange *exchange, const struct request *request)
{
	return exchange_by_session(exchange) ||
	       (exchange->by_basic &&
		   (has_origin(request) ||
		       field_value(&request->fields, FIELD_SEC_FETCH_SITE).at != NULL));
}

bool
exchange_origin_may(const struct exchange *exchange, const struct request *request)
{
	if (!is_browsers(exchange, request))
		return true;
	/* In the path form jobs share an origin, and each could act for the others. */
	return exchange->route.prefix_len == 0 &&
	       (!is_embedded(request) || is_embedded_by_listed(exchange, request)) &&
	       (is_harmless(exchange, request) ||
		   origin_is_own(request, exchange_uses_tls(exchange, request)));
}

/* True when a program sent the request, as far as its fields show: no browser. */
static bool
is_programs(const struct exchange *exchange, const struct request *request)
{
	const struct fields *fields = &request->fields;

	return !is_grpc_call(&exchange->grpc) && !has_origin(request) &&
	       field_value(fields, FIELD_SEC_FETCH_SITE).at == NULL &&
	       field_value(fields, FIELD_SEC_FETCH_MODE).at == NULL &&
	       field_value(fields, FIELD_SEC_FETCH_DEST).at == NULL &&
	       !local_reply_wants_html(field_value(fields, FIELD_ACCEPT));
}

/* True when no one on the way can read what the client sends. */
static bool
is_private(const struct exchange *exchange, const struct request *request)
{
	return exchange_uses_tls(exchange, request) || exchange->peer->local ||
	       (exchange->has_address && jg_ip_class(&exchange->address) == IP_CLASS_LOOPBACK);
}

bool
exchange_may_offer_basic(const struct exchange *exchange, const struct request *request)
{
	return is_programs(exchange, request) && is_private(exchange, request);
}
