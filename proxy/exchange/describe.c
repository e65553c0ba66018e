/* describe.c - notes what logs and local replies tell of a request. */
#include "exchange/client_address.h"
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"

static unsigned char
copy_cut(char *into, size_t cap, struct slice text)
{
	size_t len = text.len < cap ? text.len : cap;

	if (len > 0)
		memcpy(into, text.at, len);
	return (unsigned char)len;
}
#define COPY_CUT(exchange, name, text) \
	((exchange)->name##_len = copy_cut((exchange)->name, sizeof((exchange)->name), (text)))

static void
describe_call(struct exchange *exchange, const struct request *request)
{
	grpc_call_read(&exchange->grpc, request, loop_now_ms(exchange->context->loop));
	if (exchange->grpc.due_ms != 0)
		exchange_end_by(exchange, exchange->grpc.due_ms);
}

void
exchange_describe(struct exchange *exchange, const struct request *request)
{
	struct slice id = rewrite_request_id(request, exchange->peer->trusted);
	struct slice accept = field_value(&request->fields, FIELD_ACCEPT);

	if (id.len > 0)
		COPY_CUT(exchange, request_id, id);
	COPY_CUT(exchange, method, request->method);
	COPY_CUT(exchange, host, request->authority);
	COPY_CUT(exchange, path, request->path);
	exchange->traced = trace_read(&request->fields, &exchange->trace);
	exchange->html = accept.len > 0 && !exchange->control && local_reply_wants_html(accept);
	exchange->has_address = client_address_find(exchange->peer, &request->fields,
	    &exchange->context->options.trusted_proxies, &exchange->address);
	if (exchange_does_cors(exchange))
		exchange->cors_origin = cors_origin(
		    exchange->context->options.forwarding.cors_origins, &request->fields);
	exchange->method_id = request->method_id;
	exchange->version = request->version;
	exchange->tunnel_only = request_is_extended_connect(request);
	/* Other proxies and operators read HTTP statuses, so they get no reply in gRPC's form. */
	if (exchange->peer->purpose != FOR_CONTROL && !exchange->peer->forward_auth)
		describe_call(exchange, request);
}

void
exchange_reject(struct exchange *exchange, const struct request *request, unsigned status,
    struct slice title, struct slice detail)
{
	if (request != NULL)
		exchange_describe(exchange, request);
	exchange_fail(exchange, status == 408 ? OUTCOME_HEAD_TIMEOUT : OUTCOME_BAD_REQUEST, status,
	    title, detail);
}
