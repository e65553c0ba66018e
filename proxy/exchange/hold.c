/* hold.c - requests for a job that is not up yet are held until it is, or their time is over. */
#include "exchange/exchange_state.h"
#include "exchange/prefer.h"
#include "jobgate/check.h"

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

void
exchange_may_hold(struct exchange *exchange, const struct request *request)
{
	struct exchange_context *context = exchange->context;
	uint64_t ms;

	if (exchange->hold_until_ms != 0)
		return;
	ms = hold_ms(exchange, request);
	if (ms == 0 || counter_get(&context->stats->held) >= context->options.limits.connections)
		return;
	counter_add(&context->stats->held, 1);
	exchange->hold_until_ms = loop_now_ms(context->loop) + ms;
}

void
exchange_hold_over(struct exchange *exchange)
{
	if (exchange->hold_until_ms == 0)
		return;
	counter_add(&exchange->context->stats->held, (uint64_t)-1);
	exchange->hold_until_ms = exchange->upstream_user.hold_until_ms = 0;
}

bool
exchange_hold(struct exchange *exchange, const struct request *request, const struct lookup *lookup)
{
	uint64_t now_ms = loop_now_ms(exchange->context->loop);

	exchange_may_hold(exchange, request);
	if (now_ms >= exchange->hold_until_ms)
		return false;
	exchange->held = true;
	exchange->decided = false;
	if (exchange_by_session(exchange))
		exchange_end_by(exchange, exchange->session_ends_ms);
	exchange_watch(exchange, lookup);
	if (exchange->client->ops->allowed != NULL) /* its token is valid: others need not wait */
		exchange->client->ops->allowed(exchange->client);
	exchange_start_deadline(exchange, exchange->hold_until_ms - now_ms);
	return true;
}

void
exchange_go_on(struct exchange *exchange)
{
	CHECK(exchange->held && exchange->state == EXCHANGE_AUTHORIZING, exchange_dump, exchange);
	exchange->held = false;
	jg_directory_unwatch(&exchange->token_watch);
	jg_directory_unwatch(&exchange->job_watch);
	timer_stop(&exchange->timer);
	exchange->phase_us = loop_now_us(exchange->context->loop);
	exchange_record_came(&exchange->waiter);
}
