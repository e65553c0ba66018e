/* allow.c - a request for a job may pass: make the request that its backend gets. */
#include "exchange/exchange_forward.h"
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"

/*
 * The protocol that the request may be upgraded to, as the configuration writes it: that text
 * outlives the request.
 */
static struct slice
upgrade_allowed(const struct exchange_options *options, const struct request *request)
{
	/* Content would have to come before the switch; no known client sends any. */
	if (request->upgrade.len == 0 || request->content == CONTENT_UNKNOWN ||
	    (request->content == CONTENT_LENGTH && request->length > 0))
		return (struct slice){0};
	for (const char *const *at = options->forwarding.upgrades; at != NULL && *at != NULL; at++)
		if (slice_equal_nocase(request->upgrade, slice_of(*at)))
			return slice_of(*at);
	return (struct slice){0};
}

/* True when a request for an upgrade may become a stream of HTTP/2 (RFC 8441). A client of HTTP/1
 * needs a key to be answered. */
static bool
may_be_stream(const struct request *request)
{
	struct slice key;

	return request->method_id == METHOD_GET && request_asks_websocket(request) &&
	       (request->version == HTTP_2 || websocket_key(&request->fields, &key));
}

/* Make the request for the backend and keep it. False when it does not fit. */
static bool
exchange_prepare(struct exchange *exchange, struct request *request, const struct token *token,
    const struct job_url *target)
{
	struct exchange_context *context = exchange->context;
	struct rewritten *rewritten = &context->rewritten;
	char address[ADDRESS_TEXT_MAX];
	const struct rewrite rewrite = {
	    .traced = exchange->traced,
	    .keep_authorization = exchange_keeps_authorization(exchange),
	    .query_token = context->options.forwarding.query_token,
	    .peer_trusted = exchange->peer->trusted,
	    .tls = exchange->peer->tls,
	    .peer = peer_text(exchange->peer, address),
	    .peer_is_unix = exchange->peer->local,
	    .request_id = exchange_id(exchange),
	    .job = route_job(&exchange->route),
	    .prefix = route_prefix(&exchange->route, request->path),
	    .token = token,
	    .drop_fields = context->options.forwarding.drop_fields,
	};

	request->upgrade = exchange->upgrade = upgrade_allowed(&context->options, request);
	exchange->content_ended = request->content == CONTENT_NONE ||
				  (request->content == CONTENT_LENGTH && request->length == 0);
	if (!rewrite_request(request, &rewrite, rewritten))
		return false;
	exchange->offers_subprotocol = rewritten->offers_subprotocol;
	request->exclusive = (request->upgrade.len > 0 && !may_be_stream(request)) ||
			     (rewrite.keep_authorization && authenticates_connection(request));
	request->path = route_path(&exchange->route, request->path);
	return exchange_keep(exchange, request, &rewritten->extra, target);
}

/* Answer in place of the backend. True when the request has been answered. */
static bool
exchange_answer_here(struct exchange *exchange, const struct request *request)
{
	uint64_t max = exchange->context->options.limits.body_bytes;
	bool upgrades;

	if (max > 0 && request->content == CONTENT_LENGTH && request->length > max) {
		exchange_client_failed(exchange, CLIENT_TOO_LARGE);
		return true;
	}
	upgrades = upgrade_allowed(&exchange->context->options, request).len > 0;
	if (exchange->tunnel_only && !upgrades) {
		exchange_refuse_tunnel(exchange);
		return true;
	}
	if (exchange_handle(exchange, LOCAL_ALLOWED, request))
		return true;
	/* WebSocket clients do not follow redirects, and a token in the query would be lost. */
	return !upgrades && exchange->carrier != CARRIER_QUERY && exchange->route.prefix_len > 0 &&
	       exchange->route.prefix_len == request->path.len &&
	       exchange_handle(exchange, LOCAL_SLASHLESS, request);
}

void
exchange_allow(struct exchange *exchange, struct request *request, const struct lookup *lookup)
{
	struct exchange_context *context = exchange->context;
	const struct job_url *target;

	exchange_set_state(exchange, EXCHANGE_CONNECTING);
	if (exchange_by_session(exchange))
		exchange_end_by(exchange, exchange->session_ends_ms);
	exchange_watch(exchange, lookup);
	if (context->watch != NULL && !exchange->was_held) /* else it has begun when it was held */
		running_begun(exchange);
	if (exchange->client->ops->allowed != NULL)
		exchange->client->ops->allowed(exchange->client);
	if (exchange_answer_here(exchange, request))
		return;
	target = exchange_enter(exchange, request, lookup->evidence.job);
	if (target == NULL) {
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
		return;
	}
	if (!exchange_prepare(exchange, request, lookup->evidence.token, target)) {
		exchange_fail(exchange, OUTCOME_BAD_REQUEST, 431, SLICE("Head too large"),
		    SLICE("The fields of the request do not fit once the gateway has added its "
			  "own."));
		return;
	}
	if (context->options.timeouts.start > 0 ||
	    (context->rewritten.present >> FIELD_PREFER & 1) != 0)
		exchange_may_hold(exchange, request, lookup->evidence.token);
	exchange->upstream_user.hold_until_ms = exchange->hold_until_ms;
	loop_defer(context->loop, &exchange->connect);
}
