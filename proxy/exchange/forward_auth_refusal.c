/* forward_auth_refusal.c - questions of other proxies that are refused before any decision. */
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "exchange/forward_auth.h"
#include "exchange/ours.h"
#include "exchange/query_token.h"

bool
exchange_forward_auth(struct exchange *exchange, struct request *request)
{
	if (!exchange->peer->trusted && !exchange->peer->local) {
		exchange_reject(exchange, request, 403, SLICE("Not a trusted proxy"),
		    SLICE("Only trusted proxies get decisions."));
		return false;
	}
	switch (forward_auth_read(request)) {
	case FORWARD_AUTH_OK:
		return true;
	case FORWARD_AUTH_NOT_FOUND:
		exchange_reject(exchange, request, 404, SLICE("Not found"),
		    SLICE("This address serves only /authorize."));
		return false;
	case FORWARD_AUTH_UNCLEAR:
		break;
	}
	exchange_reject(exchange, request, 400, SLICE("Unclear question"),
	    SLICE("The request to decide on must be described in exactly one way."));
	return false;
}

bool
exchange_forward_auth_path(struct exchange *exchange, const struct request *request)
{
	if (exchange->route.prefix_len == 0 || forward_auth_path_is_plain(request->path))
		return true;
	exchange_reject(exchange, request, 400, SLICE("Unclear path"),
	    SLICE(
		"Where the path names the job, it must have no escaped slash, backslash or dot."));
	return false;
}

bool
exchange_forward_auth_query(struct exchange *exchange, const struct request *request)
{
	if (!query_holds_ours(request->query, exchange->context->local_room, LOCAL_ROOM))
		return true;
	exchange_reject(exchange, request, 400, SLICE("Token in the query"),
	    SLICE("Your proxy forwards the query to the job, which must not see a token. Send "
		  "it in a field: Authorization: Bearer <token>."));
	return false;
}

bool
exchange_forward_auth_ours(struct exchange *exchange, const struct request *request)
{
	if (!slice_starts_with(request->path, SLICE(OUR_PATHS)))
		return false;
	exchange_reject(exchange, request, 404, SLICE("Not found"),
	    SLICE("Paths below /.jobgate/ are the gateway's: your proxy must send them to its "
		  "listener for jobs, without a question."));
	return true;
}
