/* request_content.c - the content of a request, from its client to its backend. */
#include "exchange/credential_order.h"
#include "exchange/exchange_forward.h"
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "exchange/query_token.h"
#include "jobgate/check.h"

bool
exchange_takes_content(const struct exchange *exchange)
{
	switch (exchange->state) {
	case EXCHANGE_AWAITING:
	case EXCHANGE_RELAYING:
		/* What follows a request for an upgrade may be bytes of the other protocol. */
		return exchange->upgrade.len == 0 && !kept_content_waits(&exchange->kept_content);
	case EXCHANGE_TUNNEL:
	case EXCHANGE_LOCAL:
		return !exchange->content_ended;
	case EXCHANGE_AUTHORIZING:
	case EXCHANGE_CONNECTING:
	case EXCHANGE_ENDED:
		break;
	}
	return false;
}

bool
exchange_is_tunnel(const struct exchange *exchange)
{
	return exchange->state == EXCHANGE_TUNNEL;
}

/* True when the backend may say that it has not processed the request, so that its content may have
 * to be sent again. */
static bool
may_be_sent_again(const struct exchange *exchange)
{
	return exchange->kept != NULL && exchange->upstream->ops->says_unprocessed;
}

/* The backend has taken this content. */
static void
keep_content(struct exchange *exchange, struct slice content)
{
	struct kept_content_room *room = &exchange->context->kept_contents;
	const struct kept_request *kept = exchange->kept;

	if (!may_be_sent_again(exchange) ||
	    (kept->request.content == CONTENT_LENGTH && kept->request.length > KEPT_CONTENT_MAX))
		kept_content_lose(&exchange->kept_content, room);
	else
		kept_content_add(&exchange->kept_content, room, content);
}

void
exchange_drop_kept_content(struct exchange *exchange)
{
	if (exchange->kept_content.bytes != NULL && !may_be_sent_again(exchange) &&
	    !kept_content_waits(&exchange->kept_content))
		kept_content_lose(&exchange->kept_content, &exchange->context->kept_contents);
}

bool
exchange_send_kept_content(struct exchange *exchange)
{
	struct kept_content *kept = &exchange->kept_content;
	struct upstream *upstream = exchange->upstream;
	struct slice rest = kept_content_rest(kept);
	size_t taken;

	if (!kept_content_waits(kept))
		return true;
	if (rest.len > 0) {
		taken = upstream->ops->content(upstream, rest);
		kept->sent += taken;
		if (taken > 0)
			exchange_restart_deadline(exchange);
		if (taken < rest.len)
			return false;
	}
	if (kept->end_due) {
		kept->end_due = false;
		upstream->ops->content_end(upstream, NULL);
	}
	if (!upstream->ops->says_unprocessed)
		kept->lost = true;
	exchange_drop_kept_content(exchange);
	return true;
}

size_t
exchange_content(struct exchange *exchange, struct slice data)
{
	uint64_t max = exchange_content_max(exchange);
	size_t taken;

	/* What follows a request without content would be read as another request. */
	if (!exchange_takes_content(exchange) || exchange->content_ended)
		return 0;
	if (max > 0 && exchange->state != EXCHANGE_TUNNEL && exchange->bytes_in + data.len > max) {
		exchange_client_failed(exchange, CLIENT_TOO_LARGE);
		return 0;
	}
	if (exchange->state == EXCHANGE_LOCAL)
		return exchange_local_content(exchange, data);
	if (!exchange->content_taken) {
		/* The head may leave together with this content, and the clock was read before the
		 * client's bytes were. */
		exchange_catch_up_with(exchange);
		if (!exchange_takes_content(exchange))
			return 0;
	}
	taken = exchange->upstream->ops->content(exchange->upstream, data);
	if (taken > 0) {
		exchange->content_taken = true;
		keep_content(exchange, (struct slice){data.at, taken});
		exchange->bytes_in += taken;
		exchange_restart_deadline(exchange);
	}
	return taken;
}

void
exchange_end_tunnel(struct exchange *exchange)
{
	if (exchange->content_ended && exchange->answer_ended &&
	    !exchange->upstream->ops->pending(exchange->upstream))
		exchange_end(exchange, OUTCOME_TUNNEL_CLOSED, END_COMPLETE);
}

/* A credential of ours in a trailer never counts, and the job does not see it, whatever its name.
 */
static void
drop_ours(const struct fields *trailers, char *room)
{
	for (size_t i = 0; i < trailers->count; i++) {
		struct field *field = &trailers->items[i];

		field->dropped = field->dropped || url_holds_ours(field->value, room, QUERY_ROOM) ||
				 basic_holds_ours(field->value, room, QUERY_ROOM);
	}
}

void
exchange_content_end(struct exchange *exchange, const struct fields *trailers)
{
	struct upstream *upstream = exchange->upstream;

	CHECK(exchange->state == EXCHANGE_LOCAL || upstream != NULL, exchange_dump, exchange);
	exchange->content_ended = true;
	if (exchange->state == EXCHANGE_LOCAL) {
		exchange_local_content_end(exchange);
		return;
	}
	if (trailers != NULL)
		drop_ours(trailers, exchange->context->query_room);
	/* No field of a client reaches the control process, not even a trailer. */
	upstream->ops->content_end(upstream, exchange->control ? NULL : trailers);
	if (exchange->state != EXCHANGE_TUNNEL) {
		exchange->content_taken = true;
		if (trailers == NULL && may_be_sent_again(exchange))
			exchange->kept_content.ended = true;
		else
			kept_content_lose(
			    &exchange->kept_content, &exchange->context->kept_contents);
		return;
	}
	upstream->ops->flush(upstream);
	exchange_end_tunnel(exchange);
}

bool
exchange_content_flush(struct exchange *exchange)
{
	bool unsent;

	if (exchange->upstream == NULL || !exchange_takes_content(exchange))
		return false;
	/* The head leaves with this content. Since the clock was read, the client was read again,
	 * and the worker may have been stopped there. */
	unsent = exchange_is_unsent(exchange);
	if (unsent)
		exchange_catch_up_with(exchange);
	if (exchange->upstream != NULL)
		exchange->upstream->ops->flush(exchange->upstream);
	return unsent;
}

void
exchange_upstream_writable(struct upstream_user *user)
{
	struct exchange *exchange = exchange_of_user(user);

	if (kept_content_waits(&exchange->kept_content)) {
		exchange_send_kept_content(exchange);
		exchange->upstream->ops->flush(exchange->upstream);
	}
	if (!exchange->content_ended && exchange_takes_content(exchange))
		exchange->client->ops->resume(exchange->client);
	else if (exchange->state == EXCHANGE_TUNNEL)
		exchange_end_tunnel(exchange);
}

void
exchange_client_ready(struct exchange *exchange)
{
	if (exchange->state == EXCHANGE_RELAYING || exchange->state == EXCHANGE_TUNNEL)
		exchange->upstream->ops->pump(exchange->upstream);
}
