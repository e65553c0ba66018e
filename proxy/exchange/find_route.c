/* find_route.c - which job, or which host of our own, a request names. */
#include "browser/return_address.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "exchange/origin.h"

/*
 * The sign-in host: which job's host the browser wants to go back to, if the query says so. The
 * address lies in the worker's room.
 */
static __attribute__((noinline, cold)) bool
find_return(
    const struct exchange *exchange, const struct request *request, struct return_address *out)
{
	return return_address_in(request->query, exchange_uses_tls(exchange, request),
	    exchange->context->local_room, out);
}

void
exchange_find_route(struct exchange *exchange, const struct request *request)
{
	const struct exchange_options *options = &exchange->context->options;
	bool forward_auth = exchange->peer->forward_auth;
	/* Forward auth is about jobs: no other proxy leads to the gateway's own hosts. */
	const struct route_forms forms = {options->jobs.domain, options->jobs.prefix,
	    options->jobs.fixed, options->jobs.fixed_host,
	    forward_auth ? NULL : options->control_host,
	    forward_auth ? NULL : options->sign_in_host, options->jobs.taken};
	struct slice authority = request->authority, path = request->path;
	struct route *route = &exchange->route;
	struct return_address address;
	bool comes_back = false;

	if (exchange->peer->purpose == FOR_CONTROL) {
		route->names_control = true;
		return;
	}
again:
	route_find(&forms, authority, path, route);
	if (comes_back) { /* only a job with a host of its own has a sign-in */
		route->names_job = route->names_job && route->own_host;
		route->job_len = route->names_job ? route->job_len : 0;
		route->port = route->names_job ? route->port : 0;
		route->prefix_len = 0;
		route->names_control = false;
		route->names_sign_in = true;
	} else if (route->names_sign_in && find_return(exchange, request, &address)) {
		comes_back = true;
		authority = return_address_authority(&address);
		path = address.to;
		goto again;
	}
}
