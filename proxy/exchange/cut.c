/* cut.c - ends an exchange before its time, with last words where its protocol has any. */
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"

/*
 * Send a WebSocket's client the code and the reason of its end. That is possible only between the
 * backend's frames.
 */
static bool
send_close(struct exchange *exchange, const struct cut_reason *reason)
{
	const struct exchange_client_ops *ops = exchange->client->ops;
	char frame[WEBSOCKET_CLOSE_MAX];
	size_t len;

	if (reason->websocket == 0 || exchange->state != EXCHANGE_TUNNEL ||
	    exchange->answer_ended || !slice_equal(exchange->upgrade, SLICE("websocket")) ||
	    !websocket_between_frames(&exchange->frames))
		return false;
	len = websocket_close(reason->websocket, reason->text, frame);
	if (!ops->last_words(exchange->client, (struct slice){frame, len}))
		return false;
	ops->flush(exchange->client);
	return true;
}

/* End a gRPC call with this status. That is possible only between two messages of its answer. */
static bool
send_status(struct exchange *exchange, const struct cut_reason *reason)
{
	struct grpc_end end;
	struct fields trailers;

	if (exchange->state != EXCHANGE_RELAYING || !grpc_call_may_end(&exchange->grpc))
		return false;
	trailers = grpc_end_fields(&end, reason->grpc, reason->text);
	grpc_call_set_status(&exchange->grpc, reason->grpc);
	exchange->client->ops->content_end(exchange->client, &trailers);
	return true;
}

/* The client would get what waits before the words that tell it. */
static bool
may_tell(struct exchange *exchange, enum exchange_end end)
{
	return end != END_REVOKED || !exchange->client->ops->waits(exchange->client);
}

void
exchange_cut(struct exchange *exchange, enum outcome outcome, enum exchange_end end,
    const struct cut_reason *reason)
{
	bool told = may_tell(exchange, end) &&
		    (send_close(exchange, reason) || send_status(exchange, reason));

	if (exchange->state != EXCHANGE_ENDED)
		exchange_end(exchange, outcome, told ? END_TOLD : end);
}
