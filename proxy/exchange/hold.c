/* hold.c - holds requests for a job that is not up yet, until it is up or their time is over. */
#include "auth/siphash.h"
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "exchange/health_checks.h"
#include "exchange/prefer.h"
#include "jobgate/check.h"
#include "jobgate/ip.h"

/* How long the request may be held, in milliseconds. */
static uint64_t
hold_ms(const struct exchange *exchange, const struct request *request)
{
	const struct timeouts *timeouts = &exchange->context->options.timeouts;
	uint64_t seconds;

	/* Another proxy that asks holds the request itself. */
	if (exchange->peer->forward_auth)
		return 0;
	if (timeouts->start_max > 0 &&
	    prefer_wait(&request->fields, timeouts->start_max / 1000, &seconds))
		return seconds * 1000;
	/* A person gets a page at once, which checks again by itself. */
	return exchange_checks_again(exchange) ? 0 : timeouts->start;
}

/*
 * True when there is a place for one more. A stream of HTTP/2 is cheap, so one token could take all
 * places: once half of them are taken, it gets no more than an eighth. Clients of public jobs, who
 * need no token, get no place then, and at any time no more than an eighth for a network.
 */
static bool
has_place(const struct exchange_context *context, size_t share, bool is_public)
{
	size_t places = context->options.limits.connections;
	uint64_t held = counter_get(&context->stats->held);
	bool half = 2 * held >= places, more = context->held_of[share] < (places + 7) / 8;

	return held < places && (is_public ? !half && more : !half || more);
}

/* Which share of the places the request takes: its token's, or its client's network's. */
static size_t
share_of(const struct exchange *exchange, const struct token *token)
{
	struct in6_addr network = {0};
	struct slice whose = {(const char *)&network, sizeof(network)};

	if (exchange->has_address)
		network = jg_ip_subscriber(&exchange->address);
	return siphash_64(exchange->context->digests.key, token != NULL ? token->id : whose) %
	       HOLD_SHARES;
}

bool
exchange_may_hold(
    struct exchange *exchange, const struct request *request, const struct token *token)
{
	struct exchange_context *context = exchange->context;
	uint64_t now_ms = loop_now_ms(context->loop), ms;
	size_t share;

	if (exchange->hold_until_ms != 0)
		return now_ms < exchange->hold_until_ms;
	ms = hold_ms(exchange, request);
	if (ms == 0 || exchange->no_hold || context->draining)
		return false;
	share = share_of(exchange, token);
	if (!has_place(context, share, token == NULL))
		return false;
	counter_add(&context->stats->held, 1);
	context->held_of[share]++;
	exchange->hold_share = (unsigned short)share;
	LIST_INSERT_HEAD(&context->holds, exchange, hold_link);
	exchange->hold_until_ms = now_ms + ms;
	return true;
}

void
exchange_hold_ended(struct exchange *exchange)
{
	struct exchange_context *context = exchange->context;

	if (exchange->hold_until_ms == 0)
		return;
	CHECK(context->held_of[exchange->hold_share] > 0, exchange_dump, exchange);
	counter_add(&context->stats->held, (uint64_t)-1);
	context->held_of[exchange->hold_share]--;
	LIST_REMOVE(exchange, hold_link);
	exchange->hold_until_ms = exchange->upstream_user.hold_until_ms = 0;
}

void
exchange_hold(struct exchange *exchange, const struct lookup *lookup)
{
	uint64_t now_ms = loop_now_ms(exchange->context->loop);

	CHECK(now_ms < exchange->hold_until_ms, exchange_dump, exchange);
	exchange->held = true;
	exchange->decided = false;
	if (exchange_by_session(exchange))
		exchange_end_by(exchange, exchange->session_ends_ms);
	exchange_watch(exchange, lookup);
	if (exchange->context->watch != NULL)
		running_begun(exchange);
	if (exchange->client->ops->allowed != NULL) /* it may pass: others need not wait */
		exchange->client->ops->allowed(exchange->client);
	exchange_start_deadline(exchange, exchange->hold_until_ms - now_ms);
}

void
exchange_resume(struct exchange *exchange)
{
	CHECK(exchange->held && exchange->state == EXCHANGE_AUTHORIZING, exchange_dump, exchange);
	exchange->held = false;
	exchange_unwatch(exchange);
	timer_stop(&exchange->timer);
	exchange->phase_us = loop_now_us(exchange->context->loop);
	exchange_record_came(&exchange->waiter);
}

void
exchange_stop_holding(struct exchange *exchange)
{
	struct upstream *upstream = exchange->upstream;
	bool queued = exchange->upstream_user.hold_until_ms != 0 && upstream != NULL;

	exchange->no_hold = true;
	if (exchange->held) {
		exchange_refuse(exchange, VERDICT_NO_URL);
		return;
	}
	/* If it waits for the store, or connects, it goes on as a request that is not held. */
	exchange_hold_ended(exchange);
	if (queued && exchange->state == EXCHANGE_CONNECTING)
		pool_stop_holding(upstream);
}

void
exchange_context_drain(struct exchange_context *context)
{
	struct exchange *exchange;

	context->draining = true;
	health_checks_stop(context);
	/* Each of them leaves the list; its end may end others. */
	while ((exchange = LIST_FIRST(&context->holds)) != NULL)
		exchange_stop_holding(exchange);
}
