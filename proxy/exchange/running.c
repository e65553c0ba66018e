/* running.c - the exchanges that run, as operators see them: what a session shows, and its end. */
#include "exchange/running.h"

#include <stdlib.h>

#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "exchange/running_state.h"

struct running_walk {
	struct exchange_context *context;
	struct session_order order;
	struct running_scope scope;
	struct running place;	   /* in the list, in front of the next exchange */
	struct running_jobs *jobs; /* it counts; or NULL */
};

/* ---- what a session is ---- */

static bool
is_session(const struct exchange *exchange)
{
	return running_passes(exchange) && (exchange->held || exchange_is_allowed(exchange));
}

/* ---- filters ---- */

/* The filters that need no record. */
static bool
passes(const struct session_filter *filter, const struct exchange *exchange)
{
	const struct in6_addr *address = exchange_address(exchange);

	return (filter->serial == 0 || filter->serial == exchange->serial) &&
	       (filter->before == 0 || exchange->serial < filter->before) &&
	       (filter->states == 0 || (filter->states >> running_state_of(exchange) & 1) != 0) &&
	       (filter->token[0] == '\0' ||
		   memcmp(filter->token, exchange->token_id, TOKEN_ID_LEN) == 0) &&
	       (filter->job[0] == '\0' ||
		   slice_equal(slice_of(filter->job), route_job(&exchange->route))) &&
	       (!filter->has_address ||
		   (address != NULL && jg_ip_range_contains(&filter->address, address)));
}

/* ---- its end ---- */

/* Access remains, so the client may send the request again. */
static void
cut_session(struct exchange *exchange)
{
	if (exchange_judge_if_changed(exchange))
		return; /* access does not remain */
	if (exchange->answer_begun)
		exchange_cut(exchange, OUTCOME_CUT, END_REVOKED,
		    &(struct cut_reason){WEBSOCKET_POLICY_VIOLATION, GRPC_UNAVAILABLE,
			SLICE("an operator has ended the session")});
	else
		exchange_fail(exchange, OUTCOME_CUT, 503, SLICE("Session ended"),
		    exchange->is_public
			? SLICE("An operator has ended this request. It can be sent again.")
			: SLICE("An operator has ended this request. Its token is still valid."));
}

/* ---- the walk ---- */

/* Check what the order contains. False: it is of no use. */
static bool
check_order(struct running_walk *walk)
{
	struct session_filter *filter = &walk->order.filter;

	if (filter->has_address && filter->address.prefix > 128)
		return false;
	filter->token[TOKEN_ID_LEN] = '\0';
	filter->job[JOB_ID_MAX] = '\0';
	running_scope_read(&walk->scope, filter);
	return true;
}

static struct running_walk *
walk_begin(struct exchange_context *context, struct running_walk *walk)
{
	CHECK(context->walk == NULL, exchange_context_dump, context);
	walk->context = context;
	context->walk = walk;
	LIST_INSERT_HEAD(&context->running, &walk->place, link);
	return walk;
}

struct running_walk *
running_walk_new(struct exchange_context *context, const struct session_order *order)
{
	struct running_walk *walk = calloc(1, sizeof(*walk));

	if (walk == NULL)
		return NULL;
	walk->order = *order;
	if (check_order(walk))
		return walk_begin(context, walk);
	free(walk);
	return NULL;
}

struct running_walk *
running_count_new(struct exchange_context *context, const struct session_jobs *jobs)
{
	struct running_walk *walk = calloc(1, sizeof(*walk));

	if (walk != NULL)
		walk->jobs = running_jobs_new(jobs);
	if (walk != NULL && walk->jobs != NULL)
		return walk_begin(context, walk);
	free(walk);
	return NULL;
}

const uint32_t *
running_counts(const struct running_walk *walk)
{
	return running_jobs_counts(walk->jobs);
}

void
running_walk_free(struct running_walk *walk)
{
	if (walk == NULL)
		return;
	LIST_REMOVE(&walk->place, link);
	walk->context->walk = NULL;
	free(walk->jobs);
	free(walk);
}

enum running_step
running_walk_next(struct running_walk *walk, size_t *left, struct session *out)
{
	struct running *running;

	while (*left > 0 && (running = LIST_NEXT(&walk->place, link)) != NULL) {
		struct exchange *exchange = container_of(running, struct exchange, running);
		struct running_records records;
		bool with_token;

		(*left)--;
		LIST_REMOVE(&walk->place, link);
		LIST_INSERT_AFTER(running, &walk->place, link);
		if (!is_session(exchange) || !passes(&walk->order.filter, exchange))
			continue;
		if (walk->jobs != NULL) {
			running_jobs_add(walk->jobs, route_job(&exchange->route));
			continue;
		}
		running_find_records(exchange, &records);
		with_token = running_names(&walk->scope, &records);
		if (!running_sees(&walk->scope, &records) ||
		    (walk->order.filter.token[0] != '\0' && !with_token))
			continue;
		running_describe(exchange, &records, with_token, out);
		if (walk->order.cuts)
			cut_session(exchange);
		return RUNNING_FOUND;
	}
	return LIST_NEXT(&walk->place, link) != NULL ? RUNNING_PAUSE : RUNNING_DONE;
}
