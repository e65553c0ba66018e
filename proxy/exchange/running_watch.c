/* running_watch.c - tells the control process of sessions that begin and end, while it watches. */
#include <stdlib.h>

#include "exchange/exchange_state.h"
#include "exchange/running_state.h"
#include "observe/shared.h"

struct running_watch {
	running_tell_fn *tell;
	void *ctx;
	struct running_scope *slots[SESSION_SLOTS]; /* NULL: it is told nothing */
	uint32_t since[SESSION_SLOTS];		    /* the number of the order for it */
	unsigned count;				    /* of those that are not NULL */
	uint64_t second;			    /* in which `told` were told */
	unsigned told;
	uint32_t lost; /* slots that something was not told to, and that do not know it yet */
};

static void
clear(struct running_watch *watch, unsigned slot)
{
	watch->count -= watch->slots[slot] != NULL;
	free(watch->slots[slot]);
	watch->slots[slot] = NULL;
}

void
running_watch_free(struct exchange_context *context)
{
	struct running_watch *watch = context->watch;

	if (watch == NULL)
		return;
	for (unsigned slot = 0; slot < SESSION_SLOTS; slot++)
		clear(watch, slot);
	context->watch = NULL;
	free(watch);
}

static struct running_watch *
watch_of(struct exchange_context *context, running_tell_fn *tell, void *ctx)
{
	if (context->watch == NULL)
		context->watch = calloc(1, sizeof(*context->watch));
	if (context->watch != NULL) {
		context->watch->tell = tell;
		context->watch->ctx = ctx;
	}
	return context->watch;
}

bool
running_watch(struct exchange_context *context, const struct session_order *order,
    running_tell_fn *tell, void *ctx)
{
	struct running_watch *watch = watch_of(context, tell, ctx);
	struct running_scope *scope;

	if (watch == NULL || order->slot >= SESSION_SLOTS)
		return false;
	clear(watch, order->slot);
	context->watch_orders++;
	if (order->watch == SESSION_WATCH_BEGIN) {
		scope = malloc(sizeof(*scope));
		if (scope == NULL)
			return false;
		running_scope_read(scope, &order->filter);
		watch->slots[order->slot] = scope;
		watch->since[order->slot] = context->watch_orders;
		watch->count++;
	}
	if (watch->count == 0)
		running_watch_free(context);
	return true;
}

/* True when one more may be told in this second; once half of them are told, only of tokens. */
static bool
may_tell(struct running_watch *watch, const struct exchange *exchange)
{
	uint64_t second = loop_now_ms(exchange->context->loop) / 1000;
	unsigned most = exchange->is_public ? SESSION_EVENTS_MAX / 2 : SESSION_EVENTS_MAX;

	if (second != watch->second)
		watch->told = 0;
	watch->second = second;
	if (watch->told >= most)
		return false;
	watch->told++;
	return true;
}

/* Add to the event who may learn of the session now. */
static void
find_slots(const struct running_watch *watch, const struct running_records *records,
    struct session_event *event)
{
	for (unsigned slot = 0; slot < SESSION_SLOTS; slot++) {
		if (watch->slots[slot] == NULL || !running_sees(watch->slots[slot], records))
			continue;
		event->sees |= 1u << slot;
		if (running_names(watch->slots[slot], records))
			event->names |= 1u << slot;
	}
}

/*
 * Add who heard of its beginning, whatever the records are now. A slot may have a new audience,
 * which heard nothing. The token is described as it is now: who heard which one it is learns that
 * again only while it is in reach, or when it is gone, since then only its id is known.
 */
static void
find_told(const struct running_watch *watch, const struct told *told,
    const struct running_records *records, struct session_event *event)
{
	for (unsigned slot = 0; slot < SESSION_SLOTS; slot++) {
		if (watch->slots[slot] == NULL || told->orders < watch->since[slot])
			continue;
		event->sees |= told->slots & 1u << slot;
		if (records->token == NULL || running_names(watch->slots[slot], records))
			event->names |= told->names & 1u << slot;
	}
}

/* True when the event was told to all that may learn of it. */
static bool
tell(struct running_watch *watch, const struct exchange *exchange,
    const struct running_records *records, struct session_event *event)
{
	if (event->sees == 0)
		return true;
	if (may_tell(watch, exchange)) {
		running_describe(exchange, records, event->names != 0, &event->session);
		if (watch->tell(watch->ctx, event))
			return true;
	}
	watch->lost |= event->sees;
	return false;
}

void
running_begun(struct exchange *exchange)
{
	struct exchange_context *context = exchange->context;
	struct session_event event = {.change = SESSION_BEGUN};
	struct running_records records;

	if (!running_passes(exchange))
		return;
	running_find_records(exchange, &records);
	find_slots(context->watch, &records, &event);
	if (tell(context->watch, exchange, &records, &event))
		exchange->told = (struct told){
		    (uint16_t)event.sees, (uint16_t)event.names, context->watch_orders};
}

void
running_ended(const struct exchange *exchange, enum outcome outcome)
{
	struct running_watch *watch = exchange->context->watch;
	struct running_records records;
	struct session_event event = {
	    .change = SESSION_ENDED, .status = (uint16_t)exchange->status};

	if (!running_passes(exchange) && exchange->told.slots == 0)
		return;
	snprintf(event.outcome, sizeof(event.outcome), "%s", outcome_name(outcome));
	running_find_records(exchange, &records);
	find_slots(watch, &records, &event);
	find_told(watch, &exchange->told, &records, &event);
	tell(watch, exchange, &records, &event);
}

void
running_watch_look(struct exchange_context *context)
{
	struct running_watch *watch = context->watch;
	struct session_event event = {.change = SESSION_LOST};

	if (watch == NULL || watch->lost == 0)
		return;
	event.sees = watch->lost;
	if (watch->tell(watch->ctx, &event))
		watch->lost = 0;
}
